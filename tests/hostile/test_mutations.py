"""Spoilt reviews are the same each time, and it is known which of them still ask for the image."""

import json

import pytest

from hostile.mutations import Spoiler, Victim, at, victims
from system.objects import A_PINNED_IMAGE, A_TAG


def test_the_same_seed_spoils_in_the_same_way() -> None:
    """So that whatever is found can be looked at again."""
    one, other = Spoiler(7), Spoiler(7)

    assert [one.spoilt() for _ in range(50)] == [other.spoilt() for _ in range(50)]


def test_many_are_spoilt_but_still_ask() -> None:
    """Else the verdicts would say little: of a thousand, a tenth at least."""
    spoiler = Spoiler(7)
    asking = 0
    for _ in range(1000):
        victim, body = spoiler.spoilt()
        try:
            asking += victim.is_still_there(json.loads(body)) and body != a_body(victim)
        except (ValueError, RecursionError):
            continue

    assert asking >= 100


def a_body(victim: Victim) -> bytes:
    return json.dumps(victim.review).encode()


@pytest.mark.parametrize("victim", victims())
def test_a_review_asks_until_its_image_or_its_kind_is_another(victim: Victim) -> None:
    """Or a sub-resource that carries no image, or an old object that has the image already."""

    def changed(path: tuple[str | int, ...], value: object) -> bool:
        review = json.loads(a_body(victim))
        at(review, path[:-1])[path[-1]] = value
        return victim.is_still_there(review)

    assert (True, True, False, False, False, False, False) == (
        victim.is_still_there(victim.review),
        changed(("request", "namespace"), "other"),
        changed(victim.image, A_PINNED_IMAGE),
        changed(("request", "operation"), "DELETE"),
        changed(("request", "kind"), {}),
        changed(("request", "subResource"), "status"),
        changed(("request", "oldObject"), {"image": A_TAG}),
    )
