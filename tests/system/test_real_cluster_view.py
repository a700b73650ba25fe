"""The cluster room against a real API server."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from landwaiter.cluster.client import ClusterClient
from landwaiter.cluster.transport import ApiTransport
from landwaiter.cluster.values import Secret
from landwaiter.cluster.view import NamespaceLabels
from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable, DeadlineExceeded
from realparts.control_plane import ControlPlane

A_TYPE = "kubernetes.io/dockerconfigjson"


def soon() -> Deadline:
    return Deadline.after(10)


def kubeconfig(control_plane: ControlPlane, folder: Path, user: str) -> Path:
    document = json.loads(control_plane.files.kubeconfig.read_text())
    file = folder / user
    file.write_text(json.dumps({**document, "current-context": user}))
    return file


def client(control_plane: ControlPlane, folder: Path, user: str = "admin") -> ClusterClient:
    return ClusterClient(ApiTransport.connect(kubeconfig(control_plane, folder, user)))


def a_secret(content: bytes) -> dict[str, Any]:
    data = {".dockerconfigjson": base64.b64encode(content).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "acr"},
        "type": A_TYPE,
        "data": data,
    }


async def test_objects_of_a_real_cluster_are_read(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """Namespace labels, accounts, ConfigMaps and Secrets come as values, and absence as None."""
    name = control_plane.new_namespace(labels={"env": "production"})
    secrets = f"/api/v1/namespaces/{name}/secrets"
    view = client(control_plane, tmp_path)
    absent = await view.get_secret(name, "acr", deadline=soon())
    created = control_plane.request("POST", secrets, a_secret(b'{"auths":{}}'))
    account = {"imagePullSecrets": [{"name": "acr"}]}
    control_plane.request(
        "PATCH",
        f"/api/v1/namespaces/{name}/serviceaccounts/default",
        account,
        content_type="application/merge-patch+json",
    )
    found = await view.get_secret(name, "acr", deadline=soon())
    default = await view.get_service_account(name, "default", deadline=soon())
    roots = await view.get_config_map(name, "kube-root-ca.crt", deadline=soon())
    labels = await NamespaceLabels(view).namespace_labels(name, deadline=soon())
    await view.close()
    version = created.body["metadata"]["resourceVersion"]

    assert (None, 201) == (absent, created.status)
    assert Secret(name, "acr", A_TYPE, {".dockerconfigjson": b'{"auths":{}}'}, version) == found
    assert ("acr",) == (default.pull_secrets if default else None)
    assert ["ca.crt"] == list(roots.data if roots else ())
    assert {"env": "production", "kubernetes.io/metadata.name": name} == labels


async def test_a_missing_right_is_named(control_plane: ControlPlane, tmp_path: Path) -> None:
    """Without RBAC for namespaces the message tells which verb is missing."""
    view = client(control_plane, tmp_path, user="node")
    with pytest.raises(ClusterUnavailable) as fault:
        await view.get_namespace("default", deadline=soon())
    await view.close()

    assert (
        'Landwaiter may not read namespace "default": '
        'its ServiceAccount needs the verb "get" on "namespaces"' == str(fault.value)
    )


async def test_a_frozen_api_server_is_undecided_by_the_deadline(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """A connection that is open but silent does not hold the answer back."""
    view = client(control_plane, tmp_path)
    await view.get_secret("default", "none", deadline=soon())
    with control_plane.frozen_api_server(), pytest.raises(DeadlineExceeded):
        await view.get_secret("default", "none", deadline=Deadline.after(0.3))
    found = await view.get_secret("default", "none", deadline=Deadline.after(30))
    await view.close()

    assert found is None
