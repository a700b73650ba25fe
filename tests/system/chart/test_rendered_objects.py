"""What the chart renders is accepted by the real API server, as it is and without a warning."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from chart.matrix import GUARDED, INSTALLS
from realparts.control_plane import ControlPlane
from realparts.helm import Helm
from realparts.node import ClusterWithNode
from system.chart.release import RESTRICTED
from system.objects import pods_of

CREATED = 201
OF_THE_NODE = "private control plane"
"""A Pod in its node's network is what the restricted level is there to refuse."""


@pytest.fixture(scope="module")
def api(cluster: ClusterWithNode) -> ControlPlane:
    return cluster.control_plane


@pytest.fixture(scope="module")
def restricted(api: ControlPlane) -> str:
    """Give a namespace in which only restricted Pods may run."""
    return api.new_namespace(prefix="restricted", labels=RESTRICTED)


@pytest.fixture(scope="module")
def unrestricted(api: ControlPlane) -> str:
    return api.new_namespace(prefix="unrestricted")


@pytest.mark.parametrize("values", [*INSTALLS.values(), GUARDED], ids=[*INSTALLS, "guarded"])
def test_the_api_server_takes_every_object(
    helm: Helm,
    api: ControlPlane,
    restricted: str,
    unrestricted: str,
    values: Mapping[str, Any],
) -> None:
    """No field is unknown, no value is wrong, and nothing is warned of, Pod Security included."""
    namespace = unrestricted if values.get("hostNetwork") else restricted
    text = helm.rendered(values, namespace=namespace)
    applied = api.kubectl(
        *("apply", "--dry-run=server", "--validate=strict", "-f", "-"), stdin=text
    )

    assert "" == applied.stderr
    assert len(helm.objects(values, namespace=namespace)) == len(applied.stdout.splitlines())


@pytest.mark.parametrize("install", [name for name in INSTALLS if name != OF_THE_NODE])
def test_pod_security_admits_the_pods(
    helm: Helm, api: ControlPlane, restricted: str, install: str
) -> None:
    """The level `restricted`, enforced by the real API server, lets each Pod in."""
    answer = api.request(
        "POST",
        f"{pods_of(restricted)}?dryRun=All&fieldValidation=Strict",
        a_pod_of(helm, INSTALLS[install]),
    )

    assert (CREATED, ()) == (answer.status, answer.warnings)


def test_pod_security_is_what_lets_them_in(helm: Helm, api: ControlPlane, restricted: str) -> None:
    """The same Pod without its security context is refused, so the test above can fail."""
    pod = a_pod_of(helm, {})
    del pod["spec"]["containers"][0]["securityContext"]
    answer = api.request("POST", f"{pods_of(restricted)}?dryRun=All", pod)

    assert 'violates PodSecurity "restricted' in answer.body["message"]


def a_pod_of(helm: Helm, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a Pod as the Deployment makes it, in any namespace: it needs no account of its own."""
    (deployment,) = (each for each in helm.objects(values) if each["kind"] == "Deployment")
    spec = json.loads(json.dumps(deployment["spec"]["template"]["spec"]))
    del spec["serviceAccountName"], spec["priorityClassName"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "landwaiter"}, "spec": spec}
