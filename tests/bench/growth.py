"""
How the work of a decision grows: with policies, containers, and what is remembered.

Case `growth`: processor time of this process for one answer of the application without a network
(`desk.py`), the larger side and the smaller side in turns; the ratio is the growth. `judged anew`
is a decision from facts in memory, without a verdict that stands.
"""

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from bench.desk import HOST, Desk, Furnishing, desk
from bench.figures import Figure, at_most
from bench.reviews import Rollout, review_of, reviews
from bench.scene import Scene, a_policy
from landwaiter.policy.standing import TEXT_MAX_CHARACTERS

ROUNDS = 11
MILLISECONDS_A_ROUND = 30.0
POLICIES = (10, 50, 200)
CONTAINERS = (10, 50, 100)
REMEMBERED = (1_000, 10_000, 100_000)
FEW_REMEMBERED = 10

ANEW, STANDING = False, True
"""Whether a verdict may stand."""

NOTHING = 1.2
"""The growth that is none: two sides that do the same are up to a fifth apart on a busy machine."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A larger and a smaller side, each a desk and a review that it is asked."""

    name: str
    larger: tuple[Furnishing, bytes]
    smaller: tuple[Furnishing, bytes]
    stands: bool
    growth: float | None
    note: str = ""


def policies(count: int, *others: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return policies that apply, and one for each `match` of others that cannot."""
    rules = {
        "allowedRegistries": {"allow": [f"{HOST}/shop"]},
        "pinnedTags": {"require": "digest"},
        "readOnlyRootFilesystem": {},
    }
    return (
        *(a_policy(f"applies-{number}", rules) for number in range(count)),
        *(a_policy(f"others-{n}", rules, match=match) for n, match in enumerate(others)),
    )


def elsewhere(count: int) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Return what so many policies are about that are not about our Pod, by whom they are for."""
    by_labels = {"namespaceSelector": {"matchLabels": {"env": "test"}}}
    return {
        "others": [by_labels] * count,
        "other registries": [{"images": [f"registry-{n}.example.com/shop"]} for n in range(count)],
    }


def compared() -> Iterator[Compared]:
    """Yield everything that is compared."""
    (review,) = reviews([_rollout(3)], 1)
    one = Furnishing(policies(1))
    for count in POLICIES:
        many = Furnishing(policies(count))
        yield Compared(f"{count} policies / 1", (many, review), (one, review), ANEW, count)
        for whom, matches in elsewhere(count - 1).items():
            others = Furnishing(policies(1, *matches))
            name = f"{count} policies, all but one for {whom} / 1"
            yield Compared(name, (others, review), (one, review), ANEW, NOTHING)
    most = Furnishing(policies(POLICIES[-1]))
    yield Compared(f"{POLICIES[-1]} policies / 1", (most, review), (one, review), STANDING, NOTHING)
    few = _pod(1)
    for count in CONTAINERS:
        for stands in (ANEW, STANDING):
            pod = _pod(count)
            is_too_long = stands and sum(map(len, images_of(pod))) > TEXT_MAX_CHARACTERS
            yield Compared(
                f"{count} containers / 1",
                (Furnishing(), pod),
                (Furnishing(), few),
                stands,
                None if is_too_long else count,
                "more text than a verdict stands for: judged anew" if is_too_long else "",
            )
    for count in REMEMBERED:
        yield Compared(
            f"{count:,} remembered verdicts / {FEW_REMEMBERED}",
            (Furnishing(remembered=count), review),
            (Furnishing(remembered=FEW_REMEMBERED), review),
            ANEW,
            NOTHING,
            "of which at most 50,000 are kept" if count > 50_000 else "",
        )


def _rollout(images: int) -> Rollout:
    names = tuple(f"{HOST}/shop/part-{n % 12}@sha256:{n % 12:064x}" for n in range(images))
    return Rollout("web-0", "shop", names)


def _pod(containers: int) -> bytes:
    """Return a review of a Pod that has so many containers and no other."""
    pod = _rollout(containers + 1).pod(0)
    del pod["spec"]["initContainers"]
    return review_of(pod, "0b8f1e6e-9d4a-4a44-8f0e-6b1f5e0c1d2b")


def images_of(body: bytes) -> list[str]:
    """Return the images of the Pod in a review."""
    pod = json.loads(body)["request"]["object"]["spec"]
    lists = (pod.get("initContainers", []), pod["containers"])
    return [each["image"] for containers in lists for each in containers]


def measure_growth(_: Scene) -> Iterator[Figure]:
    """Yield how much more work the larger side of each comparison is."""
    for each in compared():
        with asyncio.Runner() as runner:
            yield runner.run(_measured(each))


async def _measured(each: Compared) -> Figure:
    async with AsyncExitStack() as desks:
        sides = [
            (await desks.enter_async_context(desk(stands=each.stands, furnishing=furnishing)), body)
            for furnishing, body in (each.larger, each.smaller)
        ]
        counts = [await _answers_a_round(*side) for side in sides]
        taken: tuple[list[float], list[float]] = ([], [])
        for number in range(ROUNDS):
            for which in (0, 1) if number % 2 else (1, 0):
                taken[which].append(await _microseconds(*sides[which], counts[which]))
    way = "a verdict that stands" if each.stands else "judged anew"
    target = None if each.growth is None else at_most(each.growth)
    name = f"{each.name}, {way}"
    return Figure("growth", name, "us", tuple(taken[0]), tuple(taken[1]), target, each.note)


async def _answers_a_round(judging: Desk, body: bytes) -> int:
    """Return how many answers take long enough to be measured; the first ones warm up."""
    await judging.answer(body)
    await judging.answer(body)
    return max(1, round(1000 * MILLISECONDS_A_ROUND / await _microseconds(judging, body, 3)))


async def _microseconds(judging: Desk, body: bytes, count: int) -> float:
    began = time.thread_time()
    for _ in range(count):
        await judging.answer(body)
    return 1e6 * (time.thread_time() - began) / count
