"""Paths of the Kubernetes API, from names that may be hostile."""

import pytest

from landwaiter.cluster.requests import ApiResource

PODS = ApiResource("", "v1", "pods")
NAMESPACES = ApiResource("", "v1", "namespaces", namespaced=False)
POLICIES = ApiResource("landwaiter.dev", "v1alpha1", "clusterimagepolicies", namespaced=False)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (PODS.path(), "/api/v1/pods"),
        (PODS.path("shop"), "/api/v1/namespaces/shop/pods"),
        (PODS.path("shop", "web"), "/api/v1/namespaces/shop/pods/web"),
        (PODS.path("shop", "web", "status"), "/api/v1/namespaces/shop/pods/web/status"),
        (NAMESPACES.path(name="shop"), "/api/v1/namespaces/shop"),
        (POLICIES.path(name="p"), "/apis/landwaiter.dev/v1alpha1/clusterimagepolicies/p"),
        (PODS.path("a/b", "c?d=e%2F"), "/api/v1/namespaces/a%2Fb/pods/c%3Fd%3De%252F"),
    ],
)
def test_a_path_quotes_each_name(path: str, expected: str) -> None:
    """No name can step out of its segment."""
    assert expected == path


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_means_another_path_is_refused(name: str) -> None:
    """Dots alone would be resolved away on the way to the server."""
    with pytest.raises(ValueError, match="is no name of an object"):
        PODS.path("shop", name)


def test_a_name_needs_its_namespace() -> None:
    """One object of a namespaced resource is never asked for in all namespaces."""
    with pytest.raises(ValueError, match="without its namespace"):
        PODS.path(name="web")


def test_a_namespace_is_refused_where_there_is_none() -> None:
    """A cluster's object is in no namespace."""
    with pytest.raises(ValueError, match="are in no namespace"):
        NAMESPACES.path("shop", "web")
