"""Policies that change a hundred times while ten thousand reviews are answered."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from landwaiter.serving.certificates import read_file
from load.driving import Driver
from load.generations import Asked, policies, questions
from load.learning import learn, meaning_of, paired, post
from load.orders import Orders
from realparts import quick_reload
from realparts.landwaiter import Landwaiter
from realparts.processes import wait_until

CHANGES = 100
REVIEWS = 10_000
SECONDS_AT_MOST = 240.0
CHANGE_SECONDS = 10.0

FIRST, SECOND = "spec.containers[0].image", "spec.containers[1].image"
TEMPLATE = "spec.template.spec.containers[0].image"
PINNED, REGISTRIES, REFERENCE = "pinnedTags", "allowedRegistries", "imageReference"

MEANINGS = {
    "both": ((False, [(SECOND, REGISTRIES)], 0), (False, [(FIRST, REGISTRIES)], 0)),
    "even": ((True, [], 0), (False, [(FIRST, REGISTRIES), (SECOND, REGISTRIES)], 0)),
    "tag": ((False, [(FIRST, PINNED)], 0), (False, [(FIRST, REGISTRIES), (FIRST, PINNED)], 0)),
    "deployment": ((False, [(TEMPLATE, REGISTRIES)], 0), (True, [], 0)),
    "unreadable": ((False, [(FIRST, REFERENCE)], 0), (False, [(FIRST, REFERENCE)], 0)),
    "unchanged": ((True, [], 0), (True, [], 0)),
    "watched": ((True, [], 1), (True, [], 1)),
}
"""What each question is answered by even sets and by odd ones."""


class Quick(Landwaiter):
    """One that sees a change at once."""

    def command(self) -> list[str]:
        interpreter, *rest = super().command()
        return [interpreter, "-P", quick_reload.__file__, *rest[2:]]


@pytest.fixture
def landwaiter(tmp_path: Path) -> Iterator[Quick]:
    with Quick(tmp_path / "landwaiter", policies=policies(0)) as landwaiter:
        yield landwaiter


def write_set(landwaiter: Landwaiter, generation: int) -> None:
    """Replace the policies as a whole, as a mounted ConfigMap is."""
    file = landwaiter.folder / "policies" / "policies.yaml"
    file.with_suffix(".new").write_text(policies(generation), encoding="utf-8")
    file.with_suffix(".new").rename(file)


def learned(landwaiter: Landwaiter) -> list[Asked]:
    """Return the questions with their answers by set 0 and by set 1, which is left in force."""
    wanted = questions()
    ask = partial(post, landwaiter.port, landwaiter.client_context())
    even = learn(wanted, ask, 0)
    write_set(landwaiter, 1)
    wait_until(lambda: "-g000001" in ask(wanted[0], 1), within_seconds=CHANGE_SECONDS, what="set 1")
    return paired(wanted, even, learn(wanted, ask, 1))


def is_in_force(load: Driver, port: int, generation: int) -> bool:
    """Whether a set has answered, and its share of the reviews have been asked."""
    report = load.report()
    is_newest = report.newest.get(str(port)) == generation
    return is_newest and sum(report.kinds.values()) >= REVIEWS * generation / (CHANGES + 1)


def test_each_answer_is_that_of_one_whole_set(landwaiter: Quick, tmp_path: Path) -> None:
    """Under 100 changes and 10,000 reviews; who has heard of a set never hears of an older one."""
    known = learned(landwaiter)
    meanings = {
        each.question.kind: tuple(meaning_of(answer) for answer in each.answers) for each in known
    }
    bundle = read_file(landwaiter.authority.certificate).decode()
    orders = Orders((landwaiter.port,), bundle)
    with Driver(tmp_path / "load", known, orders, seconds_at_most=SECONDS_AT_MOST) as load:
        for generation in range(1, CHANGES + 2):
            write_set(landwaiter, generation)
            wait_until(
                partial(is_in_force, load, landwaiter.port, generation),
                within_seconds=CHANGE_SECONDS,
                what=f"set {generation}",
            )
        report = load.finish()

    assert MEANINGS == meanings
    assert ({}, CHANGES + 1, True) == (
        report.failed,
        report.sets,
        sum(report.kinds.values()) >= REVIEWS,
    )
