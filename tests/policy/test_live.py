"""The policies in force, and folders that change while they are read."""

from pathlib import Path

import pytest

from landwaiter.errors import InvalidPolicy
from landwaiter.policy import live
from landwaiter.policy.install import PolicyInstallSettings
from landwaiter.policy.live import PoliciesInForce, load_folder
from landwaiter.policy.policy_set import PolicySet
from landwaiter.policy.sources import load_policies

A_POLICY = """\
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: %s}
spec: {validationActions: [Deny], rules: {pinnedTags: {require: digest}}}
"""


def policies_named(folder: Path, *names: str) -> PolicySet:
    (folder / "p.yaml").write_text("---\n".join(A_POLICY % name for name in names))
    return load_policies(folder)


class Racing:
    """Loads, and changes the folder before it returns: as many times as told."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.loaded = 0

    def __call__(self, folder: Path, install: PolicyInstallSettings) -> PolicySet:
        self.loaded += 1
        found = load_policies(folder, install)
        if self.loaded <= self.times:
            policies_named(folder, f"changed-{self.loaded}")
        return found


def test_a_set_that_changed_while_it_was_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Policies and files of different times never make one set."""
    policies_named(tmp_path, "first")
    racing = Racing(times=2)
    monkeypatch.setattr(live, "load_policies", racing)

    policies, snapshot = load_folder(tmp_path)

    assert (["changed-2"], 3) == ([each.name for each in policies], racing.loaded)
    assert (tmp_path / "p.yaml").read_bytes() == snapshot.files["p.yaml"]


def test_a_folder_that_never_stands_still_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading ends, and says what is wanted."""
    policies_named(tmp_path, "first")
    monkeypatch.setattr(live, "load_policies", Racing(times=1000))

    with pytest.raises(InvalidPolicy, match="changes faster than it can be read"):
        load_folder(tmp_path)


def test_what_is_wrong_is_that_of_one_time(tmp_path: Path) -> None:
    """The problems of a broken document come as they are."""
    (tmp_path / "p.yaml").write_text("kind: Nonsense")

    with pytest.raises(InvalidPolicy, match=r"p\.yaml:1: field kind"):
        load_folder(tmp_path)


def test_a_set_that_does_not_load_leaves_the_other_in_force(tmp_path: Path) -> None:
    """What was good stays, the source is degraded, and a good set ends that."""
    first, second = policies_named(tmp_path, "first"), policies_named(tmp_path, "second")
    in_force = PoliciesInForce()
    told: list[tuple[list[str], dict[str, str]]] = []
    in_force.listen(
        lambda: told.append(([each.name for each in in_force()], dict(in_force.problems)))
    )

    in_force.replace("files", first)
    in_force.keep("files", "a typo")
    in_force.keep("files", "a typo")
    in_force.replace("files", second)

    assert [
        (["first"], {}),
        (["first"], {"files": "a typo"}),
        (["second"], {}),
    ] == told
    assert not in_force.is_degraded
