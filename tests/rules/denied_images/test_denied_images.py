"""When an entry of `deniedImages` ends, what is asked for it, and which settings load."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from landwaiter.images.reference import ImageReference
from landwaiter.rules.denied_images import DeniedImages, DeniedImagesSettings
from landwaiter.rules.instants import utc_now
from landwaiter.rules.protocol import NO_FACTS, CurrentDigest, Facts, Undecided, Violation
from landwaiter.workloads.values import ImagePlace, ImageUse

A_DIGEST = "sha256:" + "a" * 64
EXPIRES = datetime(2027, 1, 31, 17, tzinfo=UTC)


def an_image_use(text: str) -> ImageUse:
    return ImageUse(ImagePlace("spec.containers[0].image", "app", text), ImageReference.parse(text))


def an_entry(**changes: object) -> dict[str, Any]:
    return {"images": ["docker.io/library/nginx"], "reason": "a leaked key", **changes}


def the_rule(*entries: dict[str, Any], now: datetime = EXPIRES) -> DeniedImages:
    rule = DeniedImagesSettings.model_validate({"entries": list(entries)}).rule(Path())
    return DeniedImages(rule.denials, clock=lambda: now)


@pytest.mark.parametrize(
    "expires",
    [
        "2027-01-31T17:00:00Z",
        "2027-01-31t17:00:00z",
        "2027-01-31T18:00:00+01:00",
        "2027-01-31T09:30:00.000-07:30",
    ],
)
def test_an_entry_has_no_effect_from_the_second_at_which_it_expires(expires: str) -> None:
    """One microsecond before it denies, at the instant it does not, whatever the offset."""
    use = an_image_use("nginx")
    entry = an_entry(expires=expires)
    before, at = (
        the_rule(entry, now=now).judge(use, NO_FACTS)
        for now in (EXPIRES - timedelta(microseconds=1), EXPIRES)
    )

    assert (True, None) == (isinstance(before, Violation), at)


def test_without_expiry_an_entry_stands() -> None:
    """Only a time that was written ends an entry."""
    far = datetime.max.replace(tzinfo=UTC)

    assert None is not the_rule(an_entry(), now=far).judge(an_image_use("nginx"), NO_FACTS)


def test_the_clock_of_a_rule_in_force_is_the_time_of_day() -> None:
    """What is loaded from a policy expires by itself."""
    rule = DeniedImagesSettings.model_validate({"entries": [an_entry()]}).rule(Path())

    assert rule.clock is utc_now
    assert abs(utc_now() - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("image", "asked"),
    [
        ("registry.example.com/app:1", [CurrentDigest]),
        ("registry.example.com/app/below", [CurrentDigest]),
        ("registry.example.com/app-two:1", []),
        (f"registry.example.com/app:1@{A_DIGEST}", []),
        ("nginx", []),
    ],
)
def test_a_digest_is_looked_up_only_where_an_entry_could_mean_it(
    image: str, asked: list[type]
) -> None:
    """A tag of the denied repository is resolved; everything else costs nothing."""
    entries = [an_entry(), an_entry(images=[f"registry.example.com/app@{A_DIGEST}"])]

    assert asked == [type(each) for each in the_rule(*entries).needs(an_image_use(image))]


def test_nothing_is_looked_up_for_an_entry_that_has_expired() -> None:
    """A registry that is down must not stand in the way of what is denied no more."""
    entry = an_entry(
        images=[f"registry.example.com/app@{A_DIGEST}"], expires="2027-01-31T17:00:00Z"
    )

    assert () == the_rule(entry).needs(an_image_use("registry.example.com/app:1"))


def test_a_tag_that_cannot_be_resolved_is_undecided() -> None:
    """Nobody knows then whether it is the denied image."""
    use = an_image_use("registry.example.com/app:1")
    down = Undecided("could not be found out", "503")
    facts = Facts({CurrentDigest(use.reference): down})

    entry = an_entry(images=[f"registry.example.com/app@{A_DIGEST}"])
    assert down == the_rule(entry).judge(use, facts)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "at least 1 item"),
        ([an_entry()] * 1001, "at most 1000 items"),
        ([an_entry(images=[])], "at least 1 item"),
        ([an_entry(images=["nginx"])], "docker.io/library/nginx"),
        ([{"images": ["**"]}], "reason\n  Field required"),
        ([an_entry(reason="")], "at least 1 character"),
        ([an_entry(reason=" ")], "one line of text is wanted"),
        ([an_entry(reason="two\nlines")], "one line of text is wanted"),
        ([an_entry(reason="x" * 301)], "at most 300 characters"),
        ([an_entry(expires=0)], "a time is a string, not int"),
        ([an_entry(expires="2027-01-31")], '"2027-01-31" given, a time of RFC 3339 is wanted'),
        ([an_entry(expires="2027-01-31T17:00:00")], "a time of RFC 3339 is wanted"),
        ([an_entry(expires="2027-01-31 17:00:00Z")], "a time of RFC 3339 is wanted"),
        ([an_entry(expires="2027-02-31T17:00:00Z")], "which is no time"),
        ([an_entry(until="2027-01-31T17:00:00Z")], "Extra inputs are not permitted"),
    ],
)
def test_settings_that_would_not_do_what_they_say_are_refused(
    entries: list[dict[str, Any]], message: str
) -> None:
    """No entry without reason, no time without offset, nothing empty and nothing unknown."""
    with pytest.raises(ValidationError) as refused:
        DeniedImagesSettings.model_validate({"entries": entries})

    assert message in str(refused.value)


def test_entries_are_written_back_as_they_were() -> None:
    """Settings round-trip, and their schema shows a time as a text."""
    written = {"entries": [an_entry(expires="2027-01-31T18:00:00+01:00")]}
    settings = DeniedImagesSettings.model_validate(written)
    schema = DeniedImagesSettings.model_json_schema()["$defs"]["DenialSettings"]["properties"]

    assert written == settings.model_dump(by_alias=True)
    assert {"type": "string", "format": "date-time"} in schema["expires"]["anyOf"]
