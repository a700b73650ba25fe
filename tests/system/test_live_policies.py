"""Policies that change while the real API server asks, and starts from the last good set."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realparts.control_plane import ControlPlane
from realparts.landwaiter import NAMESPACE, Landwaiter
from realparts.processes import wait_until
from system.installation import Installation, a_policy, documents
from system.objects import A_PINNED_IMAGE, A_TAG, a_pod

IN_FORCE_SECONDS = 2.0
REFUSED, ADMITTED = 403, 201
LAST_GOOD = f"/api/v1/namespaces/{NAMESPACE}/configmaps/last-good"
DIGEST = {"pinnedTags": {"require": "digest"}}
DENIED = {"allowedRegistries": {"deny": ["registry.example.com"]}}


def everywhere(name: str, rules: dict[str, Any]) -> str:
    policy = a_policy(name, rules)
    return documents({**policy, "spec": {**policy["spec"], "match": {}}})


@pytest.fixture
def landwaiter(tmp_path: Path, control_plane: ControlPlane) -> Iterator[Landwaiter]:
    control_plane.request("DELETE", LAST_GOOD)
    landwaiter = Landwaiter(
        tmp_path / "landwaiter",
        policies=everywhere("pinned", DIGEST),
        cluster=control_plane,
        arguments=[f"--last-good-set={NAMESPACE}/last-good"],
    )
    yield landwaiter
    landwaiter.stop()


def replaced(landwaiter: Landwaiter, text: str) -> None:
    """Replace the document of the folder as an editor does: by another file of its name."""
    file = landwaiter.folder / "policies" / "policies.yaml"
    new = file.with_suffix(".new")
    new.write_text(text)
    new.rename(file)


def test_a_change_is_in_force_within_two_seconds_and_no_request_fails(
    landwaiter: Landwaiter, control_plane: ControlPlane
) -> None:
    """Every answer is that of one of the two sets, and from two seconds on that of the second."""
    landwaiter.start()
    installation = Installation(control_plane, landwaiter)
    installation.register()
    namespace = installation.namespace("none")
    messages: list[tuple[float, str]] = []
    began = time.monotonic()
    replaced(landwaiter, everywhere("denied", DENIED))
    while time.monotonic() < began + IN_FORCE_SECONDS + 0.5:
        asked = time.monotonic() - began
        answer = installation.dry_run(namespace, a_pod(A_TAG))
        assert REFUSED == answer.status
        messages.append((asked, answer.body["message"]))

    sets = {"policy pinned": 0, "policy denied": 0}
    for asked, message in messages:
        (found,) = [name for name in sets if name in message]
        sets[found] += 1
        assert found == "policy denied" or asked < IN_FORCE_SECONDS
    assert all(sets.values())


def test_semantics_22_a_typo_and_a_restart_lock_nobody_out(
    landwaiter: Landwaiter, control_plane: ControlPlane
) -> None:
    """The new process starts from the last good set, judges by it, and says that it is degraded."""
    landwaiter.start()
    wait_until(
        lambda: control_plane.request("GET", LAST_GOOD).status == 200,
        within_seconds=10,
        what="the last good set",
    )
    replaced(landwaiter, "kind: Nonsense")
    wait_until(
        lambda: landwaiter.metric("landwaiter_policies_degraded", source="files") == 1,
        within_seconds=10,
        what="the process that was running to see the typo",
    )
    landwaiter.restart()
    installation = Installation(control_plane, landwaiter)
    installation.register()
    namespace = installation.namespace("none")

    refused = installation.create(namespace, a_pod(A_TAG))
    admitted = installation.create(namespace, a_pod(A_PINNED_IMAGE, name="pinned"))

    assert (REFUSED, ADMITTED) == (refused.status, admitted.status)
    assert "policy pinned" in refused.body["message"]
    assert 1 == landwaiter.metric("landwaiter_policies_degraded", source="files")
    event = "policies do not load, started from the last good set"
    (problem,) = [each["error"] for each in landwaiter.log_lines() if each["event"] == event]
    assert "field kind" in problem
    kept = control_plane.request("GET", LAST_GOOD).body
    assert {"app.kubernetes.io/managed-by": "landwaiter"} == kept["metadata"]["labels"]
