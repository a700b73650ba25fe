"""
The life of a release, with the real Helm and its Pods running: each test goes on where it stands.

Its policy is for namespaces with a label, so that it judges nothing of other tests.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from realparts.control_plane import ControlPlane
from realparts.helm import RELEASE, Helm
from realparts.node import ClusterWithNode
from realparts.processes import wait_until
from system.chart.asking import CREATED, FORBIDDEN, ask, people_asking
from system.chart.release import CONFIGURATIONS, Release
from system.installation import a_policy
from system.objects import A_PINNED_IMAGE, A_TAG
from system.policies import DIGEST

OBSERVE, VALIDATE = "observe.landwaiter.dev", "validate.landwaiter.dev"
SECONDS = 60.0
DENIED, WARNED = (
    {"policies": [a_policy("chart", DIGEST, actions=[each])]} for each in ("Deny", "Warn")
)
GOOD, BAD = (CREATED, ""), (FORBIDDEN, "")


@pytest.fixture(scope="module")
def release(cluster: ClusterWithNode, helm: Helm) -> Iterator[Release]:
    """Give a release whose policy denies."""
    release = Release(cluster, helm)
    release.install(DENIED)
    yield release
    release.remove()


@pytest.fixture(scope="module")
def api(cluster: ClusterWithNode) -> ControlPlane:
    return cluster.control_plane


@pytest.fixture(scope="module")
def judged(release: Release, api: ControlPlane) -> str:
    """Give a namespace that the policy is about, once it is in force."""
    release.wait_until_armed(VALIDATE)
    return api.new_namespace(labels={"policy": "chart"})


def uids(release: Release) -> set[str]:
    return {
        pod["metadata"]["uid"]
        for pod in release.pods()
        if "deletionTimestamp" not in pod["metadata"]
    }


def test_one_install_and_images_are_judged(
    release: Release, api: ControlPlane, judged: str
) -> None:
    """The webhook object is there by itself, and the API server finds the Pods by their Service."""
    answers = [ask(api, judged, image) for image in (A_PINNED_IMAGE, A_TAG)]

    assert [GOOD, BAD] == answers
    assert len(uids(release)) == release.pod_count()


def test_an_upgrade_refuses_no_pod(release: Release, api: ControlPlane, judged: str) -> None:
    """While every Pod of Landwaiter is replaced, each answer is the verdict."""
    before = uids(release)
    with people_asking(api, judged) as told:
        release.upgrade({**DENIED, "podAnnotations": {"round": "two"}})
        wait_until(lambda: not uids(release) & before, within_seconds=SECONDS, what="only new Pods")

    assert ({GOOD}, {BAD}) == (set(told.good), set(told.bad))
    assert before & uids(release) == set()


def test_changed_policies_are_in_force_without_a_restart(
    release: Release, api: ControlPlane, judged: str
) -> None:
    """What denied warns, and nothing of it can stop anyone any more; a rollback brings it back."""
    before = uids(release)
    release.upgrade({**WARNED, "podAnnotations": {"round": "two"}})
    release.wait_until_armed(OBSERVE)
    warned = ask(api, judged, A_TAG)
    release.roll_back()
    release.wait_until_armed(VALIDATE)
    denied = ask(api, judged, A_TAG)

    assert (GOOD, BAD, before) == (warned, denied, uids(release))


def test_one_command_opens_the_door_and_an_upgrade_closes_it(
    release: Release, api: ControlPlane, judged: str
) -> None:
    """Without the ClusterRole nothing is judged, however long; Helm brings it back."""
    kinds = "clusterrole,validatingwebhookconfiguration"
    api.kubectl("delete", "--ignore-not-found", kinds, RELEASE)
    opened = [ask(api, judged, A_TAG) for _ in range(3)]
    still_open = release.armed()
    release.upgrade({**DENIED, "podAnnotations": {"round": "two"}})
    release.wait_until_armed(VALIDATE)

    assert [GOOD, GOOD, GOOD] == opened
    assert [] == still_open
    wait_until(lambda: ask(api, judged, A_TAG) == BAD, within_seconds=SECONDS, what="a refusal")


def test_it_has_the_rights_that_it_uses(release: Release, api: ControlPlane, judged: str) -> None:
    """In all this time the API server has refused nothing to Landwaiter's account."""
    account = f"system:serviceaccount:{release.namespace}:{RELEASE}"

    def is_ours(event: Mapping[str, Any]) -> bool:
        return bool(event["user"]["username"] == account)

    events = api.audit_events(is_ours)
    refused = [each for each in events if each["responseStatus"]["code"] == FORBIDDEN]

    assert events
    assert [] == [(each["verb"], each["requestURI"]) for each in refused]


def test_nothing_is_left_behind(release: Release, api: ControlPlane, judged: str) -> None:
    """After an uninstall in full work Pods can be created at once, and the object is gone."""
    release.uninstall()

    def is_gone() -> bool:
        return api.request("GET", f"{CONFIGURATIONS}/{RELEASE}").status == 404

    wait_until(is_gone, within_seconds=SECONDS, what="no webhook object")
    assert GOOD == ask(api, judged, A_TAG)
