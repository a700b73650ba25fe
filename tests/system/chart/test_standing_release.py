"""
The life of a release, with the real Helm and its Pods running: each test goes on where it stands.

It was installed before the first test of this folder, for it takes half a minute until it is asked:
it waits for its own address, which has no name on this machine. Its policy is for namespaces with a
label, so that it judges nothing of other tests.
"""

from http import HTTPStatus

import pytest

from realparts.control_plane import ControlPlane
from realparts.kubelet import NODE
from realparts.node import ClusterWithNode
from realparts.processes import wait_until
from system.chart.asking import CREATED, FORBIDDEN, ask, people_asking
from system.chart.release import CONFIGURATIONS, DENIED, HEALTHY, WARNED, Release
from system.objects import A_PINNED_IMAGE, A_TAG

OBSERVE, VALIDATE = "observe.landwaiter.dev", "validate.landwaiter.dev"
SECONDS = 60.0
GOOD, BAD = (CREATED, ""), (FORBIDDEN, "")


@pytest.fixture(scope="module")
def api(cluster: ClusterWithNode) -> ControlPlane:
    return cluster.control_plane


@pytest.fixture(scope="module")
def judged(standing: Release, api: ControlPlane) -> str:
    """Give a namespace that the policy is about, once it is in force."""
    standing.wait_until_armed(VALIDATE)
    return api.new_namespace(labels={"policy": "chart"})


def uids(release: Release) -> set[str]:
    return {
        pod["metadata"]["uid"]
        for pod in release.pods()
        if "deletionTimestamp" not in pod["metadata"]
    }


def test_one_install_and_images_are_judged(
    standing: Release, api: ControlPlane, judged: str
) -> None:
    """The webhook object is there by itself, and the API server finds the Pods by their Service."""
    answers = [ask(api, judged, image) for image in (A_PINNED_IMAGE, A_TAG)]

    assert [GOOD, BAD] == answers
    assert len(uids(standing)) == standing.pod_count()


def test_the_notes_have_the_commands_of_the_install(standing: Release) -> None:
    """With the names and the namespace that it has."""
    where = f"--namespace={standing.namespace}"
    notes = standing.helm.run("get", "notes", standing.name, where).stdout
    commands = [line.strip() for line in notes.splitlines() if line.startswith("  kubectl")]
    door = f"clusterrole,validatingwebhookconfiguration {standing.name}"

    assert "judges images by these policies: chart.\n" in notes
    assert commands == [
        f"kubectl get validatingwebhookconfiguration {standing.name}",
        f"kubectl exec -n {standing.namespace} deploy/{standing.name} -- landwaiter doctor",
        f"kubectl delete {door} --ignore-not-found",
    ]


def test_changed_policies_are_in_force_without_a_restart(
    standing: Release, api: ControlPlane, judged: str
) -> None:
    """What denied warns, and nothing of it can stop anyone any more; a rollback brings it back."""
    before = uids(standing)
    standing.upgrade(WARNED)
    standing.wait_until_armed(OBSERVE)
    warned = ask(api, judged, A_TAG)
    standing.roll_back()
    standing.wait_until_armed(VALIDATE)
    denied = ask(api, judged, A_TAG)

    assert (GOOD, BAD, before) == (warned, denied, uids(standing))


def test_one_command_opens_the_door_and_an_upgrade_closes_it(
    standing: Release, api: ControlPlane, judged: str
) -> None:
    """Without the ClusterRole nothing is judged, however long; Helm brings it back."""
    kinds = "clusterrole,validatingwebhookconfiguration"
    api.kubectl("delete", "--ignore-not-found", kinds, standing.name)
    opened = [ask(api, judged, A_TAG) for _ in range(3)]
    still_open = standing.armed()
    standing.upgrade(DENIED)
    standing.wait_until_armed(VALIDATE)

    assert [GOOD, GOOD, GOOD] == opened
    assert [] == still_open
    assert BAD == ask(api, judged, A_TAG)


def test_an_upgrade_refuses_no_pod(standing: Release, api: ControlPlane, judged: str) -> None:
    """While every Pod of Landwaiter is replaced, each answer is the verdict."""
    before = uids(standing)
    with people_asking(api, judged) as told:
        standing.upgrade({**DENIED, "podAnnotations": {"round": "two"}})
        wait_until(
            lambda: not uids(standing) & before, within_seconds=SECONDS, what="only new Pods"
        )

    assert ({GOOD}, {BAD}) == (set(told.good), set(told.bad))


def test_a_node_is_drained_and_no_pod_is_refused(
    standing: Release, api: ControlPlane, judged: str
) -> None:
    """Landwaiter's Pods are evicted one after the other, each when the last one is replaced."""
    before = uids(standing)
    with people_asking(api, judged) as told:
        api.kubectl("drain", NODE, "--delete-emptydir-data", timeout_seconds=2 * SECONDS)
        api.kubectl("uncordon", NODE)

    assert ({GOOD}, {BAD}) == (set(told.good), set(told.bad))
    assert not uids(standing) & before


def test_all_pods_are_killed_and_start_again_by_themselves(
    standing: Release, api: ControlPlane, judged: str
) -> None:
    """With the webhook armed and nobody behind it, Landwaiter's Pods and the system's can start."""
    api.kubectl(
        "delete",
        "pods",
        "--all",
        f"--namespace={standing.namespace}",
        "--force",
        "--grace-period=0",
    )
    armed = standing.armed()
    of_the_system = ask(api, "kube-system", A_PINNED_IMAGE)
    wait_until(
        lambda: [GOOD, BAD] == [ask(api, judged, image) for image in (A_PINNED_IMAGE, A_TAG)],
        within_seconds=SECONDS,
        what="verdicts",
    )

    assert ([VALIDATE], GOOD) == (armed, of_the_system)


def test_it_has_the_rights_that_it_uses(standing: Release, api: ControlPlane, judged: str) -> None:
    """In all this time the API server has refused nothing to Landwaiter's account."""
    assert [] == standing.refused()


def test_the_doctor_finds_nothing_in_a_pod(standing: Release, judged: str) -> None:
    """It has the options of its Pod, and says what its account may not look at."""
    assert HEALTHY == standing.diagnosed()


def test_an_uninstall_in_full_work_opens_the_door(
    standing: Release, api: ControlPlane, judged: str
) -> None:
    """Once the webhook object is gone, which takes moments, everything is admitted."""
    standing.uninstall()
    path = f"{CONFIGURATIONS}/{standing.name}"
    wait_until(
        lambda: api.request("GET", path).status == HTTPStatus.NOT_FOUND,
        within_seconds=SECONDS,
        what="no webhook object",
    )

    assert GOOD == ask(api, judged, A_TAG)
