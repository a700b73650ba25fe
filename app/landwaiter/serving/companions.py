"""
Work that goes on beside the answering, from the start of service until the end begins.

A companion that fails is a bug, and no reason to stop answering: the failure is logged with its
traceback, and the companion begins anew a while later. Cancelled, it may still say a last word,
which it has to bound itself.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeAlias, cast

import structlog
from structlog.typing import FilteringBoundLogger

RESTART_SECONDS: Final = 5.0

Companion: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

_log = cast("FilteringBoundLogger", structlog.get_logger())


async def run_all(companions: Sequence[Companion]) -> None:
    """Run companions until cancelled, or until all of them have returned."""
    async with asyncio.TaskGroup() as group:
        for each in companions:
            group.create_task(_keep_running(each))


async def _keep_running(companion: Companion) -> None:
    while (failure := await _failure_of(companion)) is not None:
        _log.error("work beside the answering failed, it begins anew", exc_info=failure)
        await asyncio.sleep(RESTART_SECONDS)


async def _failure_of(companion: Companion) -> BaseException | None:
    """Run a companion to its end and return what it failed with, None where it returned."""
    task = asyncio.ensure_future(companion())
    try:
        await asyncio.wait({task})
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
    return None if task.cancelled() else task.exception()
