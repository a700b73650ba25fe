"""Semantics 8: a namespace that is not known is asked for, and never one without labels."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from realparts.cluster_files import User, write_kubeconfig
from realparts.control_plane import ControlPlane
from realparts.landwaiter import Landwaiter
from realparts.processes import free_port
from system.installation import Installation, a_policy, documents
from system.objects import A_TAG, POD_TEMPLATE, a_pod, pod_spec, pods_of, refusal_of
from system.policies import DIGEST

TIMEOUT_SECONDS = 3
UNDECIDED = (503, [("spec.containers[0].image", "namespaceSelector")])


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Give a port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        yield int(silent.getsockname()[1])


def with_kubeconfig(folder: Path, control_plane: ControlPlane, url: str, user: User) -> Landwaiter:
    """Return a Landwaiter that asks for namespaces at an address, as somebody."""
    folder.mkdir(exist_ok=True)
    kubeconfig = folder / "another-kubeconfig"
    write_kubeconfig(kubeconfig, url, control_plane.files.ca, [user])
    return Landwaiter(
        folder,
        policies=documents(a_policy("digest", DIGEST)),
        arguments=[f"--kubeconfig={kubeconfig}"],
        without_cluster=url != control_plane.url,
    )


def verdict_without_labels(
    control_plane: ControlPlane, landwaiter: Landwaiter
) -> tuple[tuple[int, list[tuple[str, str]]], int | None]:
    """Return the verdict on a Pod of a namespace to which no policy applies."""
    with landwaiter:
        blind = Installation(control_plane, landwaiter)
        blind.register(timeout_seconds=TIMEOUT_SECONDS)
        namespace = blind.namespace("other", timeout_seconds=TIMEOUT_SECONDS)
        answer = blind.create(namespace, a_pod(A_TAG))
    return refusal_of(answer), answer.retry_after_seconds


def test_semantics_08_a_namespace_of_this_instant_is_matched(
    installation: Installation, control_plane: ControlPlane
) -> None:
    """The first object of a new namespace is judged by the labels that it was made with."""
    model = installation.namespace("digest")
    labels = control_plane.request("GET", f"/api/v1/namespaces/{model}").body["metadata"]["labels"]
    del labels["kubernetes.io/metadata.name"]
    metadata = {"name": f"{model}-next", "labels": labels}
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    collection = POD_TEMPLATE.collection(f"{model}-next")
    control_plane.request("POST", "/api/v1/namespaces", body)

    answer = control_plane.request("POST", collection, POD_TEMPLATE.holding(pod_spec(A_TAG)))

    assert (403, [("template.spec.containers[0].image", "pinnedTags")]) == refusal_of(answer)


def test_semantics_08_without_the_right_to_read_namespaces_it_is_undecided(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """When the API server refuses to tell the labels, nothing is admitted as if there were none."""
    nobody = "nobody-in-particular"
    control_plane.kubectl("create", "serviceaccount", nobody, "--namespace=default")
    token = control_plane.kubectl("create", "token", nobody, "--namespace=default").stdout.strip()
    user = User(nobody, nobody, token=token)

    verdict = verdict_without_labels(
        control_plane, with_kubeconfig(tmp_path, control_plane, control_plane.url, user)
    )

    assert (UNDECIDED, None) == verdict


def test_semantics_08_without_an_api_server_it_is_undecided(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """When nobody answers Landwaiter at the API server's address, nothing is admitted."""
    user = control_plane.users["admin"]
    url = f"https://127.0.0.1:{free_port()}"

    verdict = verdict_without_labels(
        control_plane, with_kubeconfig(tmp_path, control_plane, url, user)
    )

    assert (UNDECIDED, None) == verdict


def test_semantics_08_with_a_silent_api_server_it_is_undecided_in_time(
    control_plane: ControlPlane, tmp_path: Path, silent_port: int
) -> None:
    """When the API server hangs, the answer comes before the webhook's timeout and asks to wait."""
    user = control_plane.users["admin"]
    url = f"https://127.0.0.1:{silent_port}"

    verdict = verdict_without_labels(
        control_plane, with_kubeconfig(tmp_path, control_plane, url, user)
    )

    assert (UNDECIDED, 1) == verdict


def test_semantics_08_an_unreadable_namespace_does_not_stop_what_brings_nothing_new(
    control_plane: ControlPlane, tmp_path: Path
) -> None:
    """A Pod from before gets a label although nobody knows which policies apply to it."""
    user = control_plane.users["admin"]
    landwaiter = with_kubeconfig(tmp_path, control_plane, f"https://127.0.0.1:{free_port()}", user)
    with landwaiter:
        blind = Installation(control_plane, landwaiter)
        namespace = blind.namespace("digest", timeout_seconds=TIMEOUT_SECONDS)
        created = blind.create(namespace, a_pod(A_TAG))
        blind.register(timeout_seconds=TIMEOUT_SECONDS)
        another = blind.create(namespace, a_pod(A_TAG, name="another"))
        labelled = blind.patch(pods_of(namespace, "web"), {"metadata": {"labels": {"a": "b"}}})

    assert (201, UNDECIDED, 200) == (created.status, refusal_of(another), labelled.status)
