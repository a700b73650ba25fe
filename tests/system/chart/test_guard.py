"""The policy for namespaces that Landwaiter leaves out, as the real API server evaluates it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from chart.matrix import GUARDED
from realparts.api_client import Answer
from realparts.control_plane import ControlPlane
from realparts.helm import Helm
from realparts.node import ClusterWithNode
from realparts.processes import wait_until
from system.objects import DEPLOYMENT, TEMPLATE_KINDS, Kind, a_pod, pod_spec, pods_of

LISTED = "registry.k8s.io/pause:3.10"
STRANGE = "docker.io/library/nginx:1.27"
KUBE_SYSTEM = "kube-system"
CREATED, OK, FORBIDDEN = 201, 200, 403
MIRROR = {"kubernetes.io/config.mirror": "1"}
STRATEGIC = "application/strategic-merge-patch+json"


@pytest.fixture(scope="module")
def api(cluster: ClusterWithNode) -> ControlPlane:
    return cluster.control_plane


def rendered(helm: Helm, namespace: str, release: str = "landwaiter", **guard: object) -> str:
    values = {"guard": {**GUARDED["guard"], **guard}, "webhook": {"excludeNamespaces": [namespace]}}
    only = ["--show-only=templates/guard.yaml"]
    return helm.rendered(values, namespace=namespace, release=release, arguments=only)


def create(api: ControlPlane, collection: str, body: Mapping[str, Any], user: str) -> Answer:
    return api.request("POST", f"{collection}?dryRun=All", body, user=user)


@pytest.fixture(scope="module")
def guarded(api: ControlPlane, helm: Helm) -> Iterator[str]:
    """Give a namespace that is left out, with a policy in force that denies."""
    namespace = api.new_namespace(prefix="left-out")
    text = rendered(helm, namespace)
    where = f"--namespace={namespace}"
    api.kubectl("create", "role", "more", "--verb=create", "--resource=podtemplates", where)
    api.kubectl("create", "rolebinding", "more", "--role=more", "--group=developers", where)
    api.kubectl("apply", "-f", "-", stdin=text)
    wait_until(
        lambda: create(api, pods_of(namespace), a_pod(STRANGE), "developer").status == FORBIDDEN,
        within_seconds=30,
        what="a refusal",
    )
    yield namespace
    api.kubectl("delete", "-f", "-", stdin=text)


@pytest.mark.parametrize("namespace", [KUBE_SYSTEM, "the other one"])
@pytest.mark.parametrize(
    ("image", "status"),
    [
        (LISTED, CREATED),
        ("registry.example.com:5000/platform/agent:1", CREATED),
        (STRANGE, FORBIDDEN),
        ("nginx", FORBIDDEN),
        ("registry.k8s.io.evil.example/pause:3.10", FORBIDDEN),
        ("evil.example/registry.k8s.io/pause:3.10", FORBIDDEN),
        ("registry.example.com:5000/platform-evil/agent:1", FORBIDDEN),
        ("registry.example.com:5000/other/agent:1", FORBIDDEN),
    ],
)
def test_anybody_may_run_listed_images_only(
    api: ControlPlane, guarded: str, namespace: str, image: str, status: int
) -> None:
    """A place covers what is below it, and no neighbour of it."""
    where = namespace if namespace == KUBE_SYSTEM else guarded

    assert status == create(api, pods_of(where), a_pod(image), "developer").status


def test_the_refusal_says_what_is_strange_and_what_is_wanted(
    api: ControlPlane, guarded: str
) -> None:
    """The person reads each image, and the places that would do."""
    answer = create(api, pods_of(guarded), a_pod(LISTED, "nginx", STRANGE), "developer")

    assert answer.body["message"].endswith(
        "Landwaiter does not judge images here, so they have to come from registry.k8s.io, "
        "registry.example.com:5000/platform/, or from somebody who is trusted here: "
        f"nginx, {STRANGE}"
    )


@pytest.mark.parametrize("kind", TEMPLATE_KINDS, ids=lambda kind: kind.name)
def test_templates_are_looked_at_too(api: ControlPlane, guarded: str, kind: Kind) -> None:
    """Whoever makes a workload is not its controller, who is trusted."""
    restart = {"restartPolicy": "Never"} if kind.api == "batch/v1" else {}
    statuses = [
        create(
            api,
            kind.collection(guarded),
            kind.holding(pod_spec(image, **restart)),
            "developer",
        ).status
        for image in (LISTED, STRANGE)
    ]

    assert [CREATED, FORBIDDEN] == statuses


@pytest.mark.parametrize(
    "more",
    [
        {"initContainers": [{"name": "i", "image": STRANGE}]},
        {"volumes": [{"name": "v", "image": {"reference": STRANGE}}]},
    ],
    ids=["init container", "image volume"],
)
def test_every_place_is_looked_at(api: ControlPlane, guarded: str, more: Mapping[str, Any]) -> None:
    """An image elsewhere in the Pod is an image too."""
    answer = create(api, pods_of(guarded), a_pod(LISTED, **more), "developer")

    assert FORBIDDEN == answer.status


def test_a_debugging_container_is_looked_at(api: ControlPlane, guarded: str) -> None:
    """Ephemeral containers come by a way of their own."""
    api.request("POST", pods_of(guarded), a_pod(LISTED, name="debugged"))
    path = pods_of(guarded, "debugged/ephemeralcontainers?dryRun=All")
    answers = [
        api.request(
            "PATCH",
            path,
            {"spec": {"ephemeralContainers": [{"name": "d", "image": image}]}},
            user="developer",
            content_type=STRATEGIC,
        )
        for image in (LISTED, STRANGE)
    ]

    assert [OK, FORBIDDEN] == [answer.status for answer in answers]


def test_what_runs_already_can_be_changed_but_for_its_images(
    api: ControlPlane, guarded: str
) -> None:
    """A strange Pod from before gets a label, and no other strange image."""
    api.request("POST", pods_of(guarded), a_pod(STRANGE, name="old"))
    another = [{"name": "c0", "image": "docker.io/library/nginx:1.28"}]
    changes = ({"metadata": {"labels": {"a": "b"}}}, {"spec": {"containers": another}})
    statuses = [
        api.request(
            "PATCH",
            pods_of(guarded, "old"),
            change,
            user="developer",
            content_type=STRATEGIC,
        ).status
        for change in changes
    ]

    assert [OK, FORBIDDEN] == statuses


@pytest.mark.parametrize(
    "who",
    [["--as=addon-manager"], ["--as=somebody", "--as-group=platform"]],
    ids=["user", "group"],
)
def test_who_is_trusted_may_run_anything(api: ControlPlane, guarded: str, who: list[str]) -> None:
    """The installer of add-ons goes on working."""
    groups = ["--as-group=developers"]
    created = api.kubectl(
        *("create", "--dry-run=server", "-f", "-", f"--namespace={guarded}", *who, *groups),
        stdin=json.dumps(a_pod(STRANGE)),
    )

    assert "pod/web created (server dry run)\n" == created.stdout


def test_administrators_nodes_and_controllers_are_trusted(api: ControlPlane, guarded: str) -> None:
    """Nobody is locked out of repairing, static Pods are seen, and Deployments make Pods."""
    mirror = a_pod(STRANGE, name="mirror", nodeName="n1")
    mirror["metadata"]["annotations"] = MIRROR
    by_node = create(api, pods_of(guarded), mirror, "node")
    made = api.request(
        "POST", DEPLOYMENT.collection(guarded), DEPLOYMENT.holding(pod_spec(STRANGE), name="deep")
    )

    def has_a_pod() -> bool:
        pods = api.request("GET", pods_of(guarded)).body["items"]
        return any(pod["metadata"]["name"].startswith("deep-") for pod in pods)

    assert (CREATED, CREATED) == (by_node.status, made.status)
    wait_until(has_a_pod, within_seconds=30, what="a Pod of the Deployment")


def test_other_namespaces_are_none_of_its_business(api: ControlPlane, guarded: str) -> None:
    """What Landwaiter judges is left to Landwaiter."""
    elsewhere = api.new_namespace()

    assert CREATED == create(api, pods_of(elsewhere), a_pod(STRANGE), "developer").status


def test_it_begins_with_warnings(api: ControlPlane, helm: Helm, guarded: str) -> None:
    """With the default actions everything is admitted, and the person is told."""
    namespace = api.new_namespace(prefix="left-out")
    text = rendered(helm, namespace, release="beginning", actions=["Warn", "Audit"])
    api.kubectl("apply", "-f", "-", stdin=text)
    seen: list[Answer] = []

    def is_warned() -> bool:
        seen.append(create(api, pods_of(namespace), a_pod(STRANGE), "developer"))
        return bool(seen[-1].warnings)

    wait_until(is_warned, within_seconds=30, what="a warning")
    api.kubectl("delete", "-f", "-", stdin=text)

    assert {CREATED} == {answer.status for answer in seen}
    assert seen[-1].warnings[0].endswith(f"somebody who is trusted here: {STRANGE}")
