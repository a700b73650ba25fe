"""
A watchdog: no warm decision keeps the event loop from others for more than 5 ms.

It measures the processor time of every callback of the loop, not the time on the wall, so that a
busy machine cannot fail it. What it proves is that no callback *computes* for so long. What it
cannot see: waits of the whole thread, such as for a disk; TLS and HTTP, which are uvicorn's and
OpenSSL's. The largest Pod that etcd can hold is among what is answered. A change of such a Pod,
which brings it twice, takes longer to be decoded, and so does a body of that size that somebody has
made to take long (`make bench CASES=parts`).
"""

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from bench.desk import Desk, desk
from bench.reviews import LARGEST_BYTES, padded, reviews
from landwaiter.wiring.memory import spare_what_stays

LIMIT_MILLISECONDS = 5.0
ATTEMPTS = 3
"""Processors that others use too lose what they have cached; what takes long takes it each time."""
REVIEWS = 256
AT_ONCE = 64
ATTEMPTS_WITH_LARGEST = 10
"""Of one review each, since megabytes are made anew for it, on pages that are new as well."""


@contextmanager
def callbacks_timed(longest: dict[str, float]) -> Iterator[None]:
    """Note the longest of all callbacks of asyncio's own loop, and what it was, in milliseconds."""
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        began = time.thread_time_ns()
        run(handle)
        milliseconds = (time.thread_time_ns() - began) / 1e6
        if milliseconds > max(longest.values(), default=0.0):
            longest.clear()
            longest[repr(handle)] = milliseconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.Handle, "_run", timed)
        yield


@contextmanager
def settled_memory() -> Iterator[None]:
    """Keep what the tests hold out of the collector's way, as the server does when it starts."""
    thresholds = gc.get_threshold()
    spare_what_stays()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*thresholds)


async def under_load(judging: Desk, bodies: list[bytes]) -> None:
    """Answer all bodies, a crowd of them at a time."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(body: bytes) -> None:
        async with places:
            await judging.answer(body)

    await asyncio.gather(*map(one, bodies))


async def longest_callback(*, stands: bool, largest: bool = False) -> dict[str, float]:
    longest: dict[str, float] = {}
    async with desk(stands=stands) as judging:
        bodies = list(reviews(judging.rollouts, REVIEWS))
        await under_load(judging, bodies[: len(judging.rollouts)])
        if largest:
            bodies = [padded(judging.rollouts[0], LARGEST_BYTES)]
        with settled_memory(), callbacks_timed(longest):
            await under_load(judging, bodies)
    return longest


def too_long(longest: Callable[[], Coroutine[Any, Any, dict[str, float]]], attempts: int) -> object:
    """Return what took too long each time, as it was the last time; nothing where it did not."""
    slow: dict[str, float] = {}
    for _ in range(attempts):
        with asyncio.Runner() as runner:
            found = runner.run(longest())
        if not (slow := {what: each for what, each in found.items() if each > LIMIT_MILLISECONDS}):
            break
    return slow


@pytest.mark.parametrize("stands", [True, False], ids=["verdicts that stand", "judged anew"])
def test_no_callback_takes_5_ms_under_warm_load(stands: bool) -> None:  # noqa: FBT001
    """Everybody else waits meanwhile: health, other reviews, connections."""
    assert {} == too_long(partial(longest_callback, stands=stands), ATTEMPTS)


@pytest.mark.parametrize("stands", [True, False], ids=["verdicts that stand", "judged anew"])
def test_no_callback_takes_5_ms_with_the_largest_pod(stands: bool) -> None:  # noqa: FBT001
    """Nor while a Pod is answered that etcd can just hold."""
    answering = partial(longest_callback, stands=stands, largest=True)

    assert {} == too_long(answering, ATTEMPTS_WITH_LARGEST)


def test_the_watchdog_sees_a_callback_that_computes_too_long() -> None:
    """Else it would watch nothing."""
    longest: dict[str, float] = {}

    def compute() -> None:
        end = time.thread_time() + 2 * LIMIT_MILLISECONDS / 1000
        while time.thread_time() < end:
            pass

    async def scheduled() -> None:
        done = asyncio.get_running_loop().create_future()
        work: list[Callable[[], None]] = [compute, partial(done.set_result, None)]
        for each in work:
            asyncio.get_running_loop().call_soon(each)
        await done

    with asyncio.Runner() as runner, callbacks_timed(longest):
        runner.run(scheduled())

    assert [True] == [each > LIMIT_MILLISECONDS for each in longest.values()]
