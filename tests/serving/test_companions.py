"""Work beside the answering goes on, whatever becomes of it."""

import asyncio
from contextlib import suppress

import pytest

from landwaiter.serving import companions
from landwaiter.serving.companions import run_all


async def test_a_companion_that_fails_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are not touched, and one that returns is done."""
    monkeypatch.setattr(companions, "RESTART_SECONDS", 0.0)
    begun: list[str] = []

    async def fails_twice() -> None:
        begun.append("fails twice")
        if begun.count("fails twice") < 3:
            raise ValueError("a bug")

    async def returns() -> None:
        begun.append("returns")

    async with asyncio.timeout(10):
        await run_all((fails_twice, returns))

    assert ["fails twice"] * 3 + ["returns"] == sorted(begun)


async def test_a_cancelled_companion_says_its_last_word() -> None:
    """It is waited for."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def until_cancelled() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.set()

    running = asyncio.create_task(run_all((until_cancelled,)))
    async with asyncio.timeout(10):
        await begun.wait()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    assert ended.is_set()
