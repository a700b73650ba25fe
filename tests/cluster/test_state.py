"""A cluster that manifests describe."""

from pathlib import Path

import pytest

from landwaiter.cluster.state import ClusterState
from landwaiter.cluster.values import ConfigMap, Namespace, Secret, ServiceAccount
from landwaiter.cluster.view import ClusterView, NamespaceLabels
from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable, InvalidManifest
from landwaiter.manifests.documents import read_documents

SOON = Deadline(0)
"""Nothing is waited for offline, so any deadline will do."""


def state(text: str) -> ClusterView:
    return ClusterState(read_documents(text.encode(), source="state.yaml"))


async def test_what_is_described_is_known() -> None:
    """Several documents and a List give all three kinds; others are skipped."""
    view = state(
        """
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {env: production}}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ServiceAccount
  metadata: {name: default, namespace: shop}
  imagePullSecrets: [{name: acr}]
- apiVersion: v1
  kind: Secret
  metadata: {name: acr, namespace: shop}
  type: kubernetes.io/dockerconfigjson
  data: {a: b2xk, b: Yg==}
  stringData: {a: new}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
---
apiVersion: sealed.example/v1
kind: Secret
metadata: {name: sealed}
"""
    )
    labels = {"env": "production", "kubernetes.io/metadata.name": "shop"}
    data = {"a": b"new", "b": b"b"}
    secret = Secret("shop", "acr", "kubernetes.io/dockerconfigjson", data)
    account = ServiceAccount("shop", "default", ("acr",))

    assert Namespace("shop", labels) == await view.get_namespace("shop", deadline=SOON)
    assert account == await view.get_service_account("shop", "default", deadline=SOON)
    assert secret == await view.get_secret("shop", "acr", deadline=SOON)


async def test_a_config_map_is_read_with_its_text() -> None:
    """What it has in bytes is not looked at."""
    view = state(
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: root, namespace: trust}, "
        "data: {a: text}, binaryData: {b: AAAA}}"
    )

    assert ConfigMap("trust", "root", {"a": "text"}) == await view.get_config_map(
        "trust", "root", deadline=SOON
    )


async def test_an_object_without_namespace_is_in_the_default_one() -> None:
    """As `kubectl apply` would put it there."""
    view = state("{apiVersion: v1, kind: Secret, metadata: {name: acr}}")

    assert Secret("default", "acr", "Opaque", {}) == await view.get_secret(
        "default", "acr", deadline=SOON
    )


async def test_what_is_not_described_is_undecided() -> None:
    """The real cluster may well have it, so it is not called absent."""
    view = ClusterState()
    messages = []
    for question in (
        view.get_namespace("shop", deadline=SOON),
        view.get_service_account("shop", "default", deadline=SOON),
        view.get_secret("shop", "acr", deadline=SOON, fresh=True),
        view.get_config_map("shop", "root", deadline=SOON),
        NamespaceLabels(view).namespace_labels("shop", deadline=SOON),
    ):
        with pytest.raises(ClusterUnavailable) as unknown:
            await question
        messages.append(str(unknown.value))
    namespace = 'namespace "shop" is not known here; give --cluster-state with its manifest'

    assert [
        namespace,
        (
            'service account "default" in namespace "shop" is not known here; '
            "give --cluster-state with its manifest"
        ),
        (
            'secret "acr" in namespace "shop" is not known here; '
            "give --cluster-state with its manifest"
        ),
        (
            'config map "root" in namespace "shop" is not known here; '
            "give --cluster-state with its manifest"
        ),
        namespace,
    ] == messages


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {k: hunter2!}",
            'state.yaml:1: Secret: data["k"]: not base64, which is wanted',
        ),
        (
            "# a\napiVersion: v1\nkind: Namespace",
            "state.yaml:2: Namespace: metadata: Field required",
        ),
        (
            "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {k: 1}",
            "state.yaml:1: Secret: stringData.k: Input should be a valid string",
        ),
        (
            (
                "---\n{apiVersion: v1, kind: Namespace, metadata: {name: a}}\n"
                "---\n{apiVersion: v1, kind: Namespace, metadata: {name: a}}\n"
            ),
            'state.yaml:4: namespace "a" is described twice',
        ),
    ],
)
def test_a_malformed_description_is_refused_without_its_values(text: str, problem: str) -> None:
    """The message names the line and the field."""
    with pytest.raises(InvalidManifest) as refused:
        state(text)

    assert problem == str(refused.value)


async def test_a_folder_and_a_file_are_read(tmp_path: Path) -> None:
    """YAML and JSON files of a folder count, hidden ones and others do not."""
    for name, secret in {"a.yaml": "one", "b.YML": "two", "c.json": "three"}.items():
        text = '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "%s"}}' % secret  # noqa: UP031
        (tmp_path / name).write_text(text)
    (tmp_path / ".hidden.yaml").write_text("{{{")
    (tmp_path / "notes.txt").write_text("{{{")
    folder, file = ClusterState.read(tmp_path), ClusterState.read(tmp_path / "a.yaml")
    found = [await folder.get_secret("default", n, deadline=SOON) for n in ("one", "two", "three")]

    assert ["one", "two", "three"] == [each.name for each in found if each]
    assert found[0] == await file.get_secret("default", "one", deadline=SOON)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A typo in the option does not end in an empty cluster."""
    with pytest.raises(InvalidManifest) as refused:
        ClusterState.read(tmp_path / "none")

    assert f"{tmp_path}/none: cannot be read: No such file or directory" == str(refused.value)


async def test_the_advice_says_what_would_make_it_known() -> None:
    """A server without a cluster gives another advice than the offline check."""
    view = ClusterState(advice="landwaiter runs without --kubeconfig")

    with pytest.raises(ClusterUnavailable, match="landwaiter runs without --kubeconfig"):
        await view.get_namespace("shop", deadline=SOON)
