"""What the doctor reads off the policies of an install."""

from dataclasses import replace
from pathlib import Path

import pytest

from cli.manifests import PINNED, PULLABLE, policies
from landwaiter.doctor.picture import Install
from landwaiter.policy.install import DEFAULTS, UnmatchedImages
from landwaiter.policy.policy_set import PolicySet
from landwaiter.policy.sources import load_policies
from landwaiter.webhooks.configuration import WebhookPath
from landwaiter.wiring.doctor import told_by_policies

INSTALL = Install("guard", "lw")
DENIES, OBSERVES = frozenset({WebhookPath.VALIDATE}), frozenset({WebhookPath.OBSERVE})


def loaded(folder: Path, text: str) -> PolicySet:
    return load_policies(policies(folder, text))


def test_policies_say_which_paths_and_secrets_they_need(tmp_path: Path) -> None:
    """And an install whose images need a policy needs a path besides."""
    denies = loaded(tmp_path, PINNED)
    wants = loaded(tmp_path / "secrets", PULLABLE.replace("Deny", "Warn"))
    unmatched = replace(DEFAULTS, unmatched_images=UnmatchedImages.DENY)

    assert told_by_policies(INSTALL, denies, DEFAULTS) == replace(INSTALL, paths=DENIES)
    assert told_by_policies(INSTALL, wants, unmatched) == replace(
        INSTALL, paths=OBSERVES | DENIES, needs_pull_secrets=True
    )


@pytest.mark.parametrize("is_broken", [False, True])
def test_which_paths_are_needed_is_open_while_policies_are_not_known(
    tmp_path: Path,
    is_broken: bool,  # noqa: FBT001
) -> None:
    """Those of the cluster alone do not say what the last good ones of a folder want."""
    install = replace(INSTALL, broken="p.yaml: no document") if is_broken else INSTALL
    known = loaded(tmp_path, PINNED) if is_broken else None

    assert install == told_by_policies(install, known, DEFAULTS)
