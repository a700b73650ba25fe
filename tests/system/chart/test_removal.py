"""
Removing an install leaves nothing behind and nobody locked out, in whatever order it is done.

Helm removes by kinds, Flux in the reverse order of applying, Argo CD all at once, in the background
or in the foreground; and the install may be dead long since.
"""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from realparts.control_plane import ControlPlane
from realparts.helm import RELEASE
from realparts.node import ClusterWithNode
from realparts.processes import wait_until
from system.chart.asking import CREATED, ask
from system.chart.release import CONFIGURATIONS, HEALTHY, Release, everything_in
from system.installation import a_policy
from system.objects import A_TAG
from system.policies import DIGEST

OBSERVE, VALIDATE = "observe.landwaiter.dev", "validate.landwaiter.dev"
SECONDS = 90.0
HURRIED = {
    "drain": {"timeoutSeconds": 5},
    "clusterPolicies": {"keepDefinitions": False},
    "access": {"secrets": False, "configMaps": False},
}
"""With few rights: what may not be read is not asked for."""
POLICIES = "/apis/landwaiter.dev/v1alpha1/clusterimagepolicies"
ADMITTED = (CREATED, "")
NO_HTTP_ANSWER = 500
OK = 200


@pytest.fixture(scope="module")
def api(cluster: ClusterWithNode) -> ControlPlane:
    return cluster.control_plane


@pytest.fixture
def installed(release: Release) -> tuple[Release, set[str]]:
    """Give a release that is asked, and what there was before it."""
    before = everything_in(release.api)
    release.install(HURRIED)
    release.wait_until_armed(OBSERVE)
    return release, before


def arm(release: Release) -> None:
    """Make the webhook object what it is while a policy denies: it refuses what is not answered."""
    path = f"{CONFIGURATIONS}/{RELEASE}"
    found = release.api.request("GET", path).body
    (webhook,) = found["webhooks"]
    webhook |= {"name": VALIDATE, "failurePolicy": "Fail"}
    webhook["clientConfig"]["service"]["path"] = "/validate"
    release.api.request("PUT", path, found)


def kill(release: Release) -> str:
    """Kill every process of an install for good, when it stops everyone; return where it does."""
    namespace = release.api.new_namespace()
    release.kill()
    arm(release)
    wait_until(
        lambda: ask(release.api, namespace, A_TAG)[0] == NO_HTTP_ANSWER,
        within_seconds=SECONDS,
        what="a cluster that is locked",
    )
    return namespace


def is_as_before(api: ControlPlane, before: set[str]) -> bool:
    return everything_in(api) <= before


def wait_until_gone(api: ControlPlane, before: set[str]) -> None:
    """Return when nothing is there that was not there before; say what is, if it stays."""
    try:
        wait_until(lambda: is_as_before(api, before), within_seconds=SECONDS, what="an empty place")
    except TimeoutError as error:
        raise AssertionError(f"left behind: {sorted(everything_in(api) - before)}") from error


def path_of(each: Mapping[str, Any], api: ControlPlane) -> str:
    """Return the path of an object, by what the API server says of its kind."""
    version = each["apiVersion"]
    root = "/api/v1" if version == "v1" else f"/apis/{version}"
    resources = api.request("GET", root).body["resources"]
    plural = next(
        found["name"]
        for found in resources
        if found["kind"] == each["kind"] and "/" not in found["name"]
    )
    namespace = each["metadata"].get("namespace")
    where = f"/namespaces/{namespace}" if namespace else ""
    return f"{root}{where}/{plural}/{each['metadata']['name']}"


def test_helm_uninstall_leaves_nothing(
    installed: tuple[Release, set[str]], api: ControlPlane
) -> None:
    """
    Of a healthy install with policies in the cluster not even a Secret or a Lease stays.

    On the way its doctor reads these policies: what one of them needs is not armed yet, for
    Landwaiter's own address has no name on this machine.
    """
    release, before = installed
    api.request("POST", POLICIES, a_policy("in-the-cluster", DIGEST, actions=["Deny"]))
    wait_until(lambda: is_in_force(api), within_seconds=SECONDS, what="a policy in force")
    refused = release.refused()
    _, findings, unknown = release.diagnosed()
    release.uninstall()

    assert [] == refused
    assert [("pathNotArmed", f"webhook {VALIDATE}")] == [
        (each["id"], each["about"]) for each in findings if each["severity"] == "problem"
    ]
    assert {"rightLeftOut"} == {each["id"] for each in findings if each["severity"] == "advice"}
    assert HEALTHY[-1] == unknown
    wait_until_gone(api, before)


def is_in_force(api: ControlPlane) -> bool:
    policy = api.request("GET", f"{POLICIES}/in-the-cluster").body
    conditions = policy.get("status", {}).get("conditions", [])
    return {"Ready": "True"}.items() <= {
        each["type"]: each["status"] for each in conditions
    }.items()


def test_helm_uninstall_of_a_dead_install_unlocks_the_cluster(
    installed: tuple[Release, set[str]], api: ControlPlane
) -> None:
    """Nobody of Landwaiter is needed for it."""
    release, before = installed
    namespace = kill(release)
    release.uninstall()

    wait_until(
        lambda: ask(api, namespace, A_TAG) == ADMITTED,
        within_seconds=SECONDS,
        what="a free cluster",
    )
    api.kubectl("delete", "namespace", namespace)
    wait_until_gone(api, before)


def test_whoever_deletes_the_namespace_alone_is_not_locked_out(
    installed: tuple[Release, set[str]], api: ControlPlane
) -> None:
    """The door stays, and nothing is asked of those who are going, nor of those who are gone."""
    release, before = installed
    api.kubectl("delete", "namespace", release.namespace, "--wait=false")
    wait_until(lambda: not release.armed(), within_seconds=SECONDS, what="no webhook object")
    wait_until(lambda: not release.pods(), within_seconds=SECONDS, what="no Pod")
    door = api.request("GET", f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{RELEASE}")
    armed = release.armed()
    for each in release.objects(HURRIED):
        if "namespace" not in each["metadata"] or each["metadata"]["namespace"] == "default":
            api.request("DELETE", path_of(each, api))

    assert (OK, []) == (door.status, armed)
    wait_until_gone(api, before)


@pytest.mark.parametrize(
    ("order", "propagation", "is_dead"),
    [
        ("reverse", "Background", False),
        ("shuffled", "Foreground", False),
        ("shuffled anew", "Background", True),
        ("shuffled again", "Foreground", True),
    ],
)
def test_objects_can_be_deleted_in_any_order(
    installed: tuple[Release, set[str]],
    api: ControlPlane,
    order: str,
    propagation: str,
    *,
    is_dead: bool,
) -> None:
    """Whoever deletes what was applied, alive or dead, is left with nothing and not locked out."""
    release, before = installed
    namespace = kill(release) if is_dead else None
    objects = release.objects(HURRIED)
    if order == "reverse":
        objects.reverse()
    else:
        random.Random(order).shuffle(objects)  # noqa: S311  # An order, and no secret.
    for each in objects:
        options = {"propagationPolicy": propagation}
        api.request("DELETE", path_of(each, api), options)

    if namespace is not None:
        wait_until(
            lambda: ask(api, namespace, A_TAG) == ADMITTED,
            within_seconds=SECONDS,
            what="a free cluster",
        )
        api.kubectl("delete", "namespace", namespace)
    release.forget()
    wait_until_gone(api, before)
