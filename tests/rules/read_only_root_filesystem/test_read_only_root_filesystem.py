"""What `readOnlyRootFilesystem` accepts as settings, and when it judges a template again."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from landwaiter.rules.read_only_root_filesystem import (
    ReadOnlyRootFilesystem,
    ReadOnlyRootFilesystemSettings,
)


def test_debugging_has_to_be_allowed() -> None:
    """Without settings nothing is exempt."""
    made = [
        ReadOnlyRootFilesystemSettings.model_validate(settings).rule(Path())
        for settings in ({}, {"ephemeralContainers": "Allow"})
    ]

    assert [ReadOnlyRootFilesystem("Deny"), ReadOnlyRootFilesystem("Allow")] == made


def test_semantics_06_a_template_is_judged_again_when_what_it_reads_changes() -> None:
    """Making a root file system writable again, or leaving Windows, is no old use."""
    expected = frozenset({"read_only_root_filesystem", "nodes"})

    assert expected == ReadOnlyRootFilesystem.reads


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ephemeralContainers": "Warn"}, "Input should be 'Deny' or 'Allow'"),
        ({"required": True}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_would_not_do_what_they_say_are_refused(
    settings: dict[str, object], message: str
) -> None:
    """A value and a field that nothing reads do not load."""
    with pytest.raises(ValidationError) as refused:
        ReadOnlyRootFilesystemSettings.model_validate(settings)

    assert message in str(refused.value)
