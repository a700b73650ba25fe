"""What a review waits for is noted, whoever waits for its sake."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from landwaiter.telemetry.steps import UNTRACED, AttributeValue, Span, reviewed, step


async def wait(name: str, seconds: float) -> None:
    with step(name):
        await asyncio.sleep(seconds)


async def test_the_longest_wait_of_each_kind_counts() -> None:
    """Waits of one kind at the same time are no sum; tasks take their review along."""
    with reviewed(None, "review") as (steps, _):
        await asyncio.gather(wait("digest", 0.0), wait("digest", 0.1), wait("signature", 0.0))
    waited = {name: seconds >= 0.1 for name, seconds in steps.waited.items()}

    assert {"digest": True, "signature": False} == waited


async def test_reviews_do_not_mix() -> None:
    """Each has its own waits, also when they are judged at the same time."""

    async def review(name: str) -> list[str]:
        with reviewed(None, "review") as (steps, _):
            await wait(name, 0.0)
            return list(steps.waited)

    assert (["a"], ["b"]) == tuple(await asyncio.gather(review("a"), review("b")))


async def test_without_a_review_nothing_is_noted() -> None:
    """What runs by itself, such as a watch, may use the same code."""
    await wait("digest", 0.0)
    with reviewed(None, "review") as (steps, _):
        pass

    assert {} == steps.waited


class Traced:
    """A tracer that remembers what was opened and closed."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    @contextmanager
    def span(self, name: str, attributes: Mapping[str, AttributeValue]) -> Iterator[Span]:
        self.told.append((name, dict(attributes)))
        try:
            yield UNTRACED
        finally:
            self.told.append(f"end of {name}")


async def test_each_step_is_a_span_below_that_of_the_review() -> None:
    """With its attributes, and ended also when what it waits for fails."""
    tracer = Traced()
    with (
        reviewed(tracer, "review"),
        pytest.raises(ValueError, match="broken"),
        step("cosign", images=2),
    ):
        raise ValueError("broken")

    assert [
        ("review", {}),
        ("cosign", {"images": 2}),
        "end of cosign",
        "end of review",
    ] == tracer.told
