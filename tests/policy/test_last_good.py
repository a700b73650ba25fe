"""The ConfigMap from which new replicas start."""

import os
from typing import Any

import pytest

from landwaiter.errors import InvalidPolicy
from landwaiter.policy.last_good import ENTRY, config_map_of, digest_in, snapshot_in
from landwaiter.policy.snapshot import FolderSnapshot

A_SET = FolderSnapshot({"p.yaml": b"kind: X", "keys/ci.pub": b"PEM"})


def a_config_map(**changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {**config_map_of(A_SET, namespace="lw", name="last-good"), **changes}


def test_a_set_comes_back_from_its_config_map() -> None:
    """With the files that policies name, under its digest."""
    config_map = a_config_map()

    assert (A_SET, A_SET.digest) == (snapshot_in(config_map), digest_in(config_map))
    assert {"namespace": "lw", "name": "last-good"}.items() <= config_map["metadata"].items()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"binaryData": None}, "a packed set of policies is wanted"),
        ({"binaryData": {ENTRY: "!"}}, "is not base64, which is wanted"),
        ({"binaryData": {ENTRY: "eA=="}}, "is cut or too large"),
        ({"data": {"digest": "0" * 64}}, "does not have the digest that stands beside it"),
        ({"data": None}, "does not have the digest that stands beside it"),
    ],
)
def test_a_config_map_that_somebody_has_broken_is_refused(
    changes: dict[str, Any], problem: str
) -> None:
    """Nothing is guessed from what is left."""
    with pytest.raises(InvalidPolicy, match=problem):
        snapshot_in(a_config_map(**changes))


def test_a_set_without_room_in_a_config_map_is_refused() -> None:
    """Both sizes are in the message."""
    large = FolderSnapshot({"p.yaml": os.urandom(800_000)})

    with pytest.raises(InvalidPolicy, match=r"have \d{6} bytes when packed, at most 700000"):
        config_map_of(large, namespace="lw", name="last-good")
