"""What the chart renders for a Kubernetes, its real API server takes as it is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from chart.matrix import GUARDED, INSTALLS
from landwaiter.cluster.version import ServerVersion
from realparts.control_plane import ControlPlane
from realparts.helm import Helm
from realparts.pins import numbers_of
from realparts.processes import CommandFailedError, wait_until
from system.chart.release import RESTRICTED, install_third_parties
from system.objects import A_PINNED_IMAGE, a_pod, pods_of

CREATED, FORBIDDEN = 201, 403
LISTED = "registry.k8s.io/pause:3.10"
INSTALLED = ("default", "everything", "cert-manager", "private control plane")
"""Between them they have every kind of object."""
FIRST_WITH_A_GUARD = ServerVersion(1, 30)
GUARDING = ["--show-only=templates/guard.yaml"]


def version_of(api: ControlPlane) -> ServerVersion:
    major, minor, _ = numbers_of(api.version)
    return ServerVersion(major, minor)


@pytest.fixture(scope="module")
def api(minor: ControlPlane) -> Iterator[ControlPlane]:
    install_third_parties(minor)
    yield minor
    minor.kubectl("delete", "crd", "--all")


@pytest.fixture
def helm(tmp_path: Path) -> Helm:
    return Helm(tmp_path)


@pytest.mark.parametrize("install", INSTALLED)
def test_the_api_server_takes_every_object(api: ControlPlane, helm: Helm, install: str) -> None:
    """No field is unknown to that version, and nothing is warned of, Pod Security included."""
    values = INSTALLS[install]
    namespace = api.new_namespace(labels={} if values.get("hostNetwork") else RESTRICTED)
    text = helm.rendered(values, namespace=namespace, kube_version=api.version)
    applied = api.kubectl(
        *("apply", "--dry-run=server", "--validate=strict", "-f", "-"), stdin=text
    )

    objects = helm.objects(values, namespace=namespace, kube_version=api.version)
    assert ("", len(objects)) == (applied.stderr, len(applied.stdout.splitlines()))


def test_what_a_version_lacks_is_not_rendered(api: ControlPlane, helm: Helm) -> None:
    """Of what is rendered for the newest, as `deploy/` is, only 1.25 refuses one field."""
    namespace = api.new_namespace(labels=RESTRICTED)
    applied = api.kubectl(
        *("apply", "--dry-run=server", "--validate=strict", "-f", "-"),
        stdin=helm.rendered(namespace=namespace),
        check=False,
    )
    lacking = ["spec.unhealthyPodEvictionPolicy"] if version_of(api) < ServerVersion(1, 26) else []

    assert lacking == re.findall(r'unknown field "([^"]+)"', applied.stderr)


def test_the_guard_is_there_from_1_30_on(api: ControlPlane, helm: Helm) -> None:
    """It refuses strange images where Landwaiter is not asked; older ones get a clear refusal."""
    namespace = api.new_namespace()
    values = {**GUARDED, "webhook": {"excludeNamespaces": [namespace]}}
    if version_of(api) < FIRST_WITH_A_GUARD:
        with pytest.raises(CommandFailedError, match=r"wants Kubernetes 1\.30 or newer"):
            helm.rendered(values, kube_version=api.version)
        return
    text = helm.rendered(values, kube_version=api.version, arguments=GUARDING)
    api.kubectl("apply", "--validate=strict", "-f", "-", stdin=text)

    def status(image: str) -> int:
        path = f"{pods_of(namespace)}?dryRun=All"
        return api.request("POST", path, a_pod(image), user="developer").status

    wait_until(
        lambda: status(A_PINNED_IMAGE) == FORBIDDEN, within_seconds=30, what="a strange image"
    )
    listed = status(LISTED)
    api.kubectl("delete", "-f", "-", stdin=text)

    assert CREATED == listed
