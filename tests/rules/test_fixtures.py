"""Every rule has fixtures both ways and a page, and both say what the rule does."""

import re
from pathlib import Path

import pytest

from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.rules.protocol import RuleId
from rules.fixtures import ADMIT, Fixture, fixtures, found_by_rule, what_is_wrong_on_disk
from rules.rule_pages import (
    FOLDER,
    HEADINGS,
    page_of,
    sections,
    settings_in_examples,
    shortened,
    unknown_rows,
    unnamed_fields,
)


@pytest.mark.parametrize("fixture", fixtures(), ids=lambda fixture: fixture.name)
async def test_a_rule_finds_what_its_fixture_says(fixture: Fixture) -> None:
    """An object is admitted, or refused with exactly these words."""
    header, workload = fixture.read()

    assert (header.violations, header.warnings) == await found_by_rule(fixture)
    assert fixture.expects_violations == bool(header.violations)
    assert workload.uses


@pytest.mark.parametrize("fixture", fixtures(), ids=lambda fixture: fixture.name)
def test_a_command_to_run_is_quoted(fixture: Fixture) -> None:
    """Only what stands in backticks is kept in one line, so that it can be copied and run."""
    header, _ = fixture.read()
    remedies = [re.sub(r"`[^`]*`", "", violation.remedy) for violation in header.violations]

    assert [] == [text for text in remedies if re.search(r"\b(?:kubectl|cosign) [a-z]", text)]


def test_every_rule_has_fixtures_and_every_folder_a_rule() -> None:
    """Nothing is missing on disk and nothing lies there unread."""
    assert [] == what_is_wrong_on_disk()


def test_what_is_missing_or_unread_is_named(tmp_path: Path) -> None:
    """A rule without fixtures, a folder without a rule and a stray file are each found."""
    for name in CATALOGUE:
        (tmp_path / name.lower()).mkdir()
    pinned = tmp_path / "pinned_tags"
    for file in ("admit/ok.yaml", "deny/notes.txt", "admit/deeper/more.yaml", "test_it.py"):
        (pinned / file).parent.mkdir(parents=True, exist_ok=True)
        (pinned / file).touch()

    found = what_is_wrong_on_disk(tmp_path)

    assert {
        "pinnedtags: a folder without a rule in the catalogue",
        "allowed_registries/admit: no fixture",
        "allowed_registries/deny: no fixture",
        "pinned_tags/deny: no fixture",
        "pinned_tags/deny/notes.txt: not expected here",
        "pinned_tags/admit/deeper: not expected here",
        "pinned_tags/admit/deeper/more.yaml: not expected here",
    } <= set(found)
    assert not any(sentence.startswith(f"pinned_tags/{ADMIT}: ") for sentence in found)


@pytest.mark.parametrize("rule", CATALOGUE)
def test_every_setting_of_a_rule_is_used_by_a_fixture(rule: RuleId) -> None:
    """A setting that no fixture writes could be ignored without anybody's noticing."""
    used = {key for each in fixtures() if each.rule == rule for key in each.read()[0].settings}
    expected = {field.alias for field in CATALOGUE[rule].model_fields.values()}

    assert expected == used


@pytest.mark.parametrize("rule", CATALOGUE)
def test_every_rule_has_a_page_with_these_headings(rule: RuleId) -> None:
    """Who looks a rule up finds the same six answers in the same order."""
    assert HEADINGS == tuple(sections(page_of(rule)))


@pytest.mark.parametrize("rule", CATALOGUE)
def test_the_page_names_every_setting_and_no_other(rule: RuleId) -> None:
    """The table of settings speaks of each field of the model."""
    section = sections(page_of(rule))["Settings"]
    model = CATALOGUE[rule]

    assert (set(), set()) == (unnamed_fields(section, model), unknown_rows(section, model))


@pytest.mark.parametrize("rule", CATALOGUE)
def test_the_example_of_a_page_is_valid(rule: RuleId) -> None:
    """What a reader copies loads."""
    examples = settings_in_examples(sections(page_of(rule))["Example"], rule)
    loaded = [CATALOGUE[rule].model_validate(settings) for settings in examples]

    assert [CATALOGUE[rule]] == list(dict.fromkeys(type(each) for each in loaded))


@pytest.mark.parametrize("rule", CATALOGUE)
def test_the_message_of_a_page_is_one_of_the_rule(rule: RuleId) -> None:
    """The page quotes a refusal that the fixtures hold the rule to."""
    message = shortened(sections(page_of(rule))["Message"])
    quoted = [
        violation
        for fixture in fixtures()
        if fixture.rule == rule
        for violation in fixture.read()[0].violations
        if shortened(violation.detail) in message and shortened(violation.remedy) in message
    ]

    assert quoted


def test_the_list_of_pages_names_every_page() -> None:
    """The overview leads to each rule's page."""
    overview = (FOLDER / "README.md").read_text("utf-8")

    assert [] == [rule for rule in CATALOGUE if f"]({page_of(rule).name})" not in overview]
