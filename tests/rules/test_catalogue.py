"""The catalogue refuses rules that are named otherwise than their files, or twice."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from landwaiter.rules.allowed_registries import AllowedRegistriesSettings
from landwaiter.rules.catalogue import CATALOGUE, catalogue_of
from landwaiter.rules.pinned_tags import PinnedTags, PinnedTagsSettings
from landwaiter.rules.protocol import RuleId
from landwaiter.rules.settings import RuleSettings


def test_rules_stand_under_their_ids_in_the_order_of_the_ids() -> None:
    """The order in which rules are written down does not change messages."""
    found = catalogue_of(PinnedTagsSettings, AllowedRegistriesSettings)

    assert [
        ("allowedRegistries", AllowedRegistriesSettings),
        ("pinnedTags", PinnedTagsSettings),
    ] == list(found.items())


def test_the_catalogue_cannot_be_changed() -> None:
    """No import of some module can add or replace a rule."""
    with pytest.raises(TypeError):
        CATALOGUE[RuleId("pinnedTags")] = RuleSettings  # type: ignore[index]  # That is the test.


def test_a_rule_that_is_given_twice_is_refused() -> None:
    """Two rules of one id would hide one another."""
    with pytest.raises(TypeError, match="rule 'pinnedTags' is given twice, once wanted"):
        catalogue_of(PinnedTagsSettings, PinnedTagsSettings)


class OtherSettings(RuleSettings):
    """Settings in a file that is not named after their rule."""

    def rule(self, folder: Path) -> PinnedTags:
        raise AssertionError


def test_a_rule_that_is_named_otherwise_than_its_file_is_refused() -> None:
    """One word in two spellings names rule, file, fixtures and page."""
    with pytest.raises(TypeError, match="rule id 'pinnedTags' given, 'testCatalogue' wanted"):
        catalogue_of(OtherSettings)


@dataclass(frozen=True)
class Misreading(PinnedTags):
    id: ClassVar[RuleId] = RuleId("testCatalogue")
    reads: ClassVar[frozenset[str]] = frozenset({"pullSecrets", "labels"})


class MisreadingSettings(RuleSettings):
    """Settings of a rule that reads a field by the wrong name."""

    def rule(self, folder: Path) -> Misreading:
        raise AssertionError


def test_a_rule_that_reads_an_unknown_field_is_refused() -> None:
    """A misspelt field would never be seen to change."""
    with pytest.raises(TypeError, match=r"reads \['pullSecrets'\], which no workload has"):
        catalogue_of(MisreadingSettings)
