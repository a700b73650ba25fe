"""
The configuration files of a throw-away control plane, all written as JSON, which is YAML too.

Sources: Kubernetes 1.36's documentation on static token files, kubeconfig, auditing
(`audit.k8s.io/v1`) and authenticating API servers to webhooks (`apiserver.config.k8s.io/v1`).
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realparts.certificates import KeyPair


@dataclass(frozen=True, slots=True)
class User:
    """Somebody whom the API server knows by a token; `key` names them in tests and kubeconfig."""

    key: str
    name: str
    groups: tuple[str, ...] = ()
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)


CHATTY_USERS = ["system:apiserver", "system:kube-controller-manager"]
"""Their reads alone would be most of the audit log."""


def standard_users() -> dict[str, User]:
    """Return an administrator, a developer, the kubelet of node `n1`, and the controllers."""
    users = (
        User("admin", "test-admin", ("system:masters",)),
        User("developer", "test-developer", ("developers",)),
        User("node", "system:node:n1", ("system:nodes",)),
        User("controllers", "system:kube-controller-manager"),
    )
    return {user.key: user for user in users}


def standard_rights(*, of_developers: str) -> list[dict[str, Any]]:
    """Give developers a role everywhere, and let them debug Pods; give nodes their usual role."""
    debugger = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "test-debugger"},
        "rules": [
            {"apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": ["*"]},
        ],
    }
    return [
        debugger,
        _binding("test-developers-edit", role=of_developers, group="developers"),
        _binding("test-developers-debug", role="test-debugger", group="developers"),
        _binding("test-nodes", role="system:node", group="system:nodes"),
    ]


def _binding(name: str, *, role: str, group: str) -> dict[str, Any]:
    group_of_rights = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group_of_rights}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group_of_rights, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": group_of_rights, "kind": "Group", "name": group}],
    }


def write_tokens(file: Path, users: Sequence[User]) -> None:
    """Write the static token file of kube-apiserver."""
    lines = (f'{user.token},"{user.name}",{user.key},"{",".join(user.groups)}"\n' for user in users)
    _write_private(file, "".join(lines))


def write_kubeconfig(file: Path, url: str, ca: Path, users: Sequence[User]) -> None:
    """Write a kubeconfig with a context for each user; the first one is current."""
    cluster = {"server": url, "certificate-authority": str(ca)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": user.key, "user": {"token": user.token}} for user in users],
        "contexts": [
            {"name": user.key, "context": {"cluster": "test", "user": user.key}} for user in users
        ],
        "current-context": users[0].key,
    }
    _write_private(file, json.dumps(document, indent=2))


def write_audit_policy(file: Path) -> None:
    """Write a policy that logs bodies for Pods, and who did what for the rest but its chatter."""
    quiet: list[dict[str, Any]] = [
        {"level": "None", "nonResourceURLs": ["/livez*", "/readyz*", "/healthz*", "/openapi*"]},
        {"level": "None", "resources": [{"group": "coordination.k8s.io"}, {"group": "events"}]},
        {"level": "None", "resources": [{"group": "", "resources": ["events"]}]},
        {"level": "None", "verbs": ["get", "list", "watch"], "users": CHATTY_USERS},
    ]
    pods = {"group": "", "resources": ["pods", "pods/ephemeralcontainers"]}
    document = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [*quiet, {"level": "RequestResponse", "resources": [pods]}, {"level": "Metadata"}],
    }
    file.write_text(json.dumps(document, indent=2), encoding="utf-8")


def write_admission_configuration(file: Path, client: KeyPair) -> None:
    """Make kube-apiserver present a client certificate to every validating webhook."""
    credentials = file.with_name("webhook-kubeconfig.json")
    files = {"client-certificate": str(client.certificate), "client-key": str(client.key)}
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "users": [{"name": "*", "user": files}],
    }
    credentials.write_text(json.dumps(kubeconfig, indent=2), encoding="utf-8")
    configuration = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "WebhookAdmissionConfiguration",
        "kubeConfigFile": str(credentials),
    }
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{"name": "ValidatingAdmissionWebhook", "configuration": configuration}],
    }
    file.write_text(json.dumps(document, indent=2), encoding="utf-8")


def _write_private(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
