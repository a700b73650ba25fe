"""Runs what runs beside everything else, for the body of a test."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run inside the block; a failure of the work is one of the test."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        (failure,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(failure, asyncio.CancelledError)
