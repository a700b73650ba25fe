"""A cluster in memory whose view lags behind it, as a live one's does, and what is asked of it."""

import json
from dataclasses import dataclass, field

from landwaiter.cluster.values import ConfigMap, Namespace, Secret, ServiceAccount
from landwaiter.cluster.view import ClusterView
from landwaiter.deadline import Deadline
from landwaiter.rules.protocol import Inquiry
from landwaiter.workloads.values import Workload

DOCKER_JSON = "kubernetes.io/dockerconfigjson"


@dataclass
class FakeCluster:
    """
    A `ClusterView`: what is `remembered` is answered unless it is asked for fresh.

    Objects are filed under `namespace/name`; `fault` is raised by every question, and one of
    `faults` by the question of that number.
    """

    accounts: dict[str, ServiceAccount] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    config_maps: dict[str, ConfigMap] = field(default_factory=dict)
    remembered: dict[str, Secret] = field(default_factory=dict)
    fault: Exception | None = None
    faults: dict[int, Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def _ask(self, what: str, *, fresh: bool) -> None:
        self.asked.append(f"{what}{' fresh' if fresh else ''}")
        if self.fault is not None:
            raise self.fault
        if (fault := self.faults.get(len(self.asked) - 1)) is not None:
            raise fault

    async def get_namespace(
        self, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> Namespace | None:
        self._ask(f"namespace {name}", fresh=fresh)
        return None

    def known_namespace(self, name: str) -> Namespace | None:
        return None

    async def get_service_account(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> ServiceAccount | None:
        self._ask(f"account {namespace}/{name}", fresh=fresh)
        return self.accounts.get(f"{namespace}/{name}")

    async def get_secret(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> Secret | None:
        key = f"{namespace}/{name}"
        self._ask(f"secret {key}", fresh=fresh)
        if not fresh and key in self.remembered:
            return self.remembered[key]
        return self.secrets.get(key)

    async def get_config_map(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> ConfigMap | None:
        key = f"{namespace}/{name}"
        self._ask(f"config map {key}", fresh=fresh)
        return self.config_maps.get(key)

    def add_account(self, name: str, *pull_secrets: str) -> None:
        self.accounts[f"shop/{name}"] = ServiceAccount("shop", name, pull_secrets)

    def add_secret(self, secret: Secret) -> None:
        self.secrets[f"{secret.namespace}/{secret.name}"] = secret


def docker_secret(
    name: str, host: str, *, user: str = "ann", password: str = "pw", version: str = ""
) -> Secret:
    """Return a pull secret with one entry."""
    entry = {"username": user, "password": password}
    return a_secret(name, json.dumps({"auths": {host: entry}}).encode(), version=version)


def a_secret(
    name: str, content: bytes, *, secret_type: str = DOCKER_JSON, version: str = ""
) -> Secret:
    return Secret("shop", name, secret_type, {".dockerconfigjson": content}, version)


def an_inquiry(
    *pull_secrets: str,
    account: str = "",
    trusted: bool = True,
    seconds: float = 20,
    namespace: str = "shop",
    kind: str = "Pod",
    exists: bool = False,
) -> Inquiry:
    """Return an inquiry for a Pod, or another kind's template, that names these pull secrets."""
    pod = Workload(
        kind=kind,
        namespace=namespace,
        name="web",
        is_template=kind != "Pod",
        labels={},
        service_account=account,
        pull_secrets=pull_secrets,
        uses=(),
    )
    return Inquiry(pod, Deadline.after(seconds), credentials_allowed=trusted, exists=exists)


def _protocol_holds() -> ClusterView:
    """Let mypy say when the fake and its Protocol part ways."""
    return FakeCluster()
