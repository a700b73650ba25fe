"""What the report on a cluster asks the API server, and how it finds the cluster."""

from pathlib import Path

import pytest

from landwaiter.cluster.transport import AccessRefused, ApiTransport
from landwaiter.cluster.values import ConfigMap, Namespace, Secret, ServiceAccount
from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable
from landwaiter.images.reference import ShortNames
from landwaiter.policy.install import DEFAULTS
from landwaiter.wiring.one_moment import OneMoment
from landwaiter.wiring.outside import OutsideSettings
from landwaiter.wiring.running import RunningSettings, running_cluster

SOON = Deadline.after(60)


class View:
    """A cluster in which nothing is there, or that fails; notes what it is asked."""

    def __init__(self, fault: ClusterUnavailable | None = None) -> None:
        self.fault = fault
        self.asked: list[str] = []

    async def get_namespace(
        self, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> Namespace | None:
        self._note(name, fresh=fresh)
        return None

    def known_namespace(self, name: str) -> Namespace | None:
        return None

    async def get_service_account(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> ServiceAccount | None:
        self._note(f"{namespace}/{name}", fresh=fresh)
        return None

    async def get_secret(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> Secret | None:
        self._note(f"{namespace}:{name}", fresh=fresh)
        return None

    async def get_config_map(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> ConfigMap | None:
        self._note(f"{namespace}+{name}", fresh=fresh)
        return None

    def _note(self, what: str, *, fresh: bool) -> None:
        self.asked.append(f"{what} anew" if fresh else what)
        if self.fault is not None:
            raise self.fault


async def ask_everything(view: OneMoment) -> None:
    await view.get_namespace("shop", deadline=SOON, fresh=True)
    await view.get_service_account("shop", "web", deadline=SOON, fresh=True)
    await view.get_secret("shop", "web", deadline=SOON, fresh=True)
    await view.get_config_map("shop", "web", deadline=SOON, fresh=True)


async def test_what_is_absent_is_asked_for_once() -> None:
    """A thousand Pods that name a missing Secret cost one question, also when asked anew."""
    view = View()
    moment = OneMoment(view)
    for _ in range(3):
        await ask_everything(moment)

    assert ["shop", "shop/web", "shop:web", "shop+web"] == view.asked


@pytest.mark.parametrize(
    ("fault", "questions"),
    [(AccessRefused("no right"), 1), (ClusterUnavailable("gone for a moment"), 3)],
)
async def test_what_may_not_be_read_is_asked_for_once_and_a_fault_again(
    fault: ClusterUnavailable, questions: int
) -> None:
    """A missing right stays missing; an API server comes back."""
    view = View(fault)
    moment = OneMoment(view)
    for _ in range(3):
        with pytest.raises(type(fault), match=str(fault)):
            await moment.get_namespace("shop", deadline=SOON)

    assert questions == len(view.asked)


POLICY = """
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: p}
spec: {validationActions: [Deny], rules: {pinnedTags: {require: digest}}}
"""


class Found(Exception):
    """Carries what a connection was asked for."""


@pytest.mark.parametrize(
    ("given", "variable", "expected"),
    [
        ("given", "a:b", "given"),
        (None, "a:b", "a:b"),
        (None, None, "home/.kube/config"),
        (None, "", "home/.kube/config"),
    ],
)
async def test_the_cluster_is_found_as_kubectl_finds_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str | None,
    variable: str | None,
    expected: str,
) -> None:
    """What is given wins over the variable, and that over the file at home."""
    (tmp_path / "p.yaml").write_text(POLICY)
    home = tmp_path / "home"
    (home / ".kube").mkdir(parents=True)
    (home / ".kube" / "config").touch()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    if variable is not None:
        monkeypatch.setenv("KUBECONFIG", variable)

    def connect(kubeconfig: Path | None, *, context: str | None) -> ApiTransport:
        raise Found(str(kubeconfig).removeprefix(f"{tmp_path}/"), context)

    monkeypatch.setattr(ApiTransport, "connect", connect)
    settings = RunningSettings(
        policies=tmp_path,
        install=DEFAULTS,
        outside=OutsideSettings(None, "cosign"),
        short_names=ShortNames.DOCKER_HUB,
        kubeconfig=None if given is None else Path(given),
        context="staging",
        namespace=None,
        timeout_seconds=60,
    )
    with pytest.raises(Found) as found:
        async with running_cluster(settings):
            pass

    assert (expected, "staging") == found.value.args


async def test_without_a_kubeconfig_a_pod_asks_its_own_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then there is no file to be named, and outside a Pod that is a refusal."""
    (tmp_path / "p.yaml").write_text(POLICY)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    settings = RunningSettings(
        policies=tmp_path,
        install=DEFAULTS,
        outside=OutsideSettings(None, "cosign"),
        short_names=ShortNames.DOCKER_HUB,
        kubeconfig=None,
        context=None,
        namespace=None,
        timeout_seconds=60,
    )
    with pytest.raises(ClusterUnavailable, match=r"no usable configuration .* in this Pod"):
        async with running_cluster(settings):
            pass
