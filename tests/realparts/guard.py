"""
An install that makes its own webhook object and certificate, with just the rights that it needs.

Its replicas are behind one address, as behind a Service. The rights are those that the chart gives:
the ClusterRole of the webhook's name is the door, and all that is about the object is in it.
"""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realparts.balancer import Balancer
from realparts.control_plane import ControlPlane
from realparts.landwaiter import CONFIGURATIONS, NAMESPACE, OK, Landwaiter
from realparts.processes import wait_until

NAME = "guard"
SECRET = "guard-tls"
NO_REGISTRIES = "registries: []"
PATIENCE_SECONDS = 30.0
RBAC = "rbac.authorization.k8s.io"
ROLES = f"/apis/{RBAC}/v1/clusterroles"
OBJECT = f"{CONFIGURATIONS}/{NAME}"
SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{NAME}"
OWN_ROLE = f"/apis/{RBAC}/v1/namespaces/{NAMESPACE}/roles/{NAME}"


def door() -> dict[str, Any]:
    """Return the ClusterRole that the webhook object belongs to."""
    hooks = {
        "apiGroups": ["admissionregistration.k8s.io"],
        "resources": ["validatingwebhookconfigurations"],
    }
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": NAME},
        "rules": [
            {**hooks, "verbs": ["create"]},
            {
                **hooks,
                "resourceNames": [NAME],
                "verbs": ["get", "list", "watch", "update", "delete"],
            },
            {
                "apiGroups": [RBAC],
                "resources": ["clusterroles"],
                "resourceNames": [NAME],
                "verbs": ["get", "list", "watch"],
            },
        ],
    }


def _events() -> dict[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"{NAME}-events"},
        "rules": [
            {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]}
        ],
    }


def _own_role() -> dict[str, Any]:
    def rule(group: str, resource: str, *verbs: str, name: str = "") -> dict[str, Any]:
        names = {"resourceNames": [name]} if name else {}
        return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs), **names}

    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "rules": [
            rule("", "secrets", "create"),
            rule("", "secrets", "get", "list", "watch", "update", name=SECRET),
            rule("coordination.k8s.io", "leases", "create"),
            rule("coordination.k8s.io", "leases", "get", "update", name=NAME),
            rule(RBAC, "roles", "get", name=NAME),
        ],
    }


def _binding(kind: str, role: str, namespace: str = "") -> dict[str, Any]:
    metadata = {"name": role, **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "landwaiter", "namespace": NAMESPACE}],
    }


def rights() -> list[dict[str, Any]]:
    """Return every right beside those of `Landwaiter`."""
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        door(),
        _events(),
        _own_role(),
        _binding("ClusterRole", NAME),
        _binding("ClusterRole", f"{NAME}-events"),
        _binding("Role", NAME, NAMESPACE),
    ]


SHORT_LIVED = Path(__file__).resolve().with_name("short_lived.py")
"""What is run in the place of `python -m landwaiter` where time is to go faster."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    What is around a replica, by default nothing.

    `program` is run in the place of `python -m landwaiter`, and `prefix` stands before all.
    """

    cosign: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    program: Path | None = None
    prefix: Sequence[str] = ()


class Replica(Landwaiter):
    """
    One process of an install; `certificate` are its options about the certificate.

    With `short_lived` its certificates live for seconds, `environment` may say for how many.
    `surroundings` is what else is around it.
    """

    def __init__(
        self,
        folder: Path,
        *,
        policies: str,
        cluster: ControlPlane,
        certificate: Sequence[str],
        arguments: Sequence[str],
        registries: str = NO_REGISTRIES,
        environment: Mapping[str, str] | None = None,
        short_lived: bool = False,
        surroundings: Surroundings | None = None,
    ) -> None:
        self._surroundings = surroundings or Surroundings()
        super().__init__(
            folder,
            policies=policies,
            registries=registries,
            cluster=cluster,
            arguments=arguments,
            cosign=self._surroundings.cosign,
            environment={**(environment or {}), **self._surroundings.environment},
        )
        self._certificate = list(certificate)
        self._program = SHORT_LIVED if short_lived else self._surroundings.program

    def command(self) -> list[str]:
        """Return the command that starts it."""
        interpreter, *rest = super().command()
        if self._program is not None:
            rest = ["-P", str(self._program), *rest[2:]]
        return [*self._surroundings.prefix, interpreter, *rest]

    def certificate_arguments(self) -> list[str]:
        """Return the options that say what it serves with."""
        return self._certificate

    def drain(self) -> None:
        """Begin to end it as the kubelet does."""
        os.kill(self.process.pid, signal.SIGTERM)


class Guard:
    """
    An install: replicas that are started one by one, behind one address.

    `certificate` are the options about the certificate, by default those for one of our own.
    """

    def __init__(
        self,
        folder: Path,
        cluster: ControlPlane,
        balancer: Balancer,
        *,
        policies: str,
        certificate: Sequence[str] = (f"--tls-secret={SECRET}",),
        arguments: Sequence[str] = (),
        registries: str = NO_REGISTRIES,
        environment: Mapping[str, str] | None = None,
        short_lived: bool = False,
    ) -> None:
        self.folder = folder
        self.cluster = cluster
        self.balancer = balancer
        self.replicas: list[Replica] = []
        self._policies = policies
        self._certificate = certificate
        self._arguments = tuple(arguments)
        self._registries = registries
        self._environment = environment
        self._short_lived = short_lived

    def install(self) -> None:
        """Create its rights, the door among them."""
        objects = {"apiVersion": "v1", "kind": "List", "items": rights()}
        self.cluster.kubectl("apply", "-f", "-", stdin=json.dumps(objects))

    def start(
        self,
        *arguments: str,
        policies: str | None = None,
        surroundings: Surroundings | None = None,
    ) -> Replica:
        """Start another replica and lead connections to it as well; return it when it is ready."""
        replica = self.prepared(*arguments, policies=policies, surroundings=surroundings)
        replica.start()
        self.balancer.ports = (*self.balancer.ports, replica.port)
        return replica

    def prepared(
        self,
        *arguments: str,
        policies: str | None = None,
        surroundings: Surroundings | None = None,
    ) -> Replica:
        """Return another replica that is not started yet."""
        replica = Replica(
            self.folder / f"replica-{len(self.replicas)}",
            policies=policies or self._policies,
            cluster=self.cluster,
            certificate=self._certificate,
            arguments=[
                f"--webhook-name={NAME}",
                f"--webhook-url=https://127.0.0.1:{self.balancer.port}",
                f"--own-namespace={NAMESPACE}",
                "--drain-seconds=1",
                *self._arguments,
                *arguments,
            ],
            registries=self._registries,
            environment=self._environment,
            short_lived=self._short_lived,
            surroundings=surroundings,
        )
        self.replicas.append(replica)
        return replica

    def stop(self) -> None:
        """Kill every replica; what it has made in the cluster stays."""
        for replica in self.replicas:
            replica.stop()
        self.replicas.clear()
        self.balancer.ports = ()

    def webhook_object(self) -> dict[str, Any] | None:
        """Return the webhook object, None where there is none."""
        answer = self.cluster.request("GET", OBJECT)
        return answer.body if answer.status == OK else None

    def armed(self) -> list[str]:
        """Return the names of the webhooks in the object."""
        found = self.webhook_object() or {}
        return [webhook["name"] for webhook in found.get("webhooks", [])]

    def wait_until_armed(self, *names: str, within_seconds: float = PATIENCE_SECONDS) -> None:
        """Return once the object has just these webhooks."""
        wait_until(
            lambda: self.armed() == list(names),
            within_seconds=within_seconds,
            what=f"the webhooks {names}",
        )

    def uninstall(self) -> None:
        """Kill every replica and delete the rights; return when nothing is left in the cluster."""
        self.stop()
        self.cluster.request("DELETE", f"{ROLES}/{NAME}")
        self.cluster.request("DELETE", OWN_ROLE)
        wait_until(
            lambda: (
                not any(
                    self.cluster.request("GET", path).status == OK
                    for path in (OBJECT, LEASE, f"{SECRETS}/{SECRET}")
                )
            ),
            within_seconds=PATIENCE_SECONDS,
            what="what Landwaiter has made to go with the roles that own it",
        )

    def clear(self) -> None:
        """Kill every replica and delete by name what it has made, the roles included."""
        self.stop()
        for path in (f"{ROLES}/{NAME}", OWN_ROLE, OBJECT, LEASE, f"{SECRETS}/{SECRET}"):
            self.cluster.request("DELETE", path)
