"""
Work that is asked for twice at once is done once.

Who waits for a piece of work may stop waiting (cancelled, past a deadline) without ending it:
the work goes on within its own limits, and whoever asks again while it lasts joins it. What has
ended, well or badly, is forgotten here at once; remembering is the business of `memory.py`.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded

Key = TypeVar("Key")
Result = TypeVar("Result")

LANE_SHARE = 2
"""One lane may have this part of all the work that there may be."""


class Flights(Generic[Key, Result]):
    """
    Pieces of work under way, by key; at most `limit` of them.

    `lane_of` tells of a key with which others it shares what one lane may have, the half of all:
    whoever fills a lane, with images in a registry that never answers, leaves room for others.
    Owns its tasks: `close` ends them. Used on one event loop only, so it needs no lock.
    """

    def __init__(self, limit: int, *, lane_of: Callable[[Key], str] | None = None) -> None:
        self._limit = limit
        self._lane_of = lane_of
        self._in_lane: Counter[str] = Counter()
        self._under_way: dict[Key, asyncio.Task[Result]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    async def join(
        self,
        key: Key,
        work: Callable[[], Coroutine[Any, Any, Result]],
        *,
        deadline: Deadline,
    ) -> Result:
        """
        Return the result of the work under way for the key, which is begun where there is none.

        Raises `DeadlineExceeded` at the deadline, while the work goes on, and also when there is
        too much work under way already or all of it is ended: another time, or another replica,
        will know. It is no fault, for anybody can cause it who may write Pods, and under
        `failurePolicy: Ignore` a fault admits.
        """
        task = self._under_way.get(key)
        if task is None:
            task = self._begun(key, work)
        await asyncio.wait({task}, timeout=deadline.remaining_seconds())
        if not task.done():
            raise DeadlineExceeded("the verification is still under way; ask again in a moment")
        if task.cancelled():
            raise DeadlineExceeded("the work was ended, for Landwaiter is stopping; ask again")
        return task.result()

    def _begun(
        self, key: Key, work: Callable[[], Coroutine[Any, Any, Result]]
    ) -> asyncio.Task[Result]:
        lane = None if self._lane_of is None else self._lane_of(key)
        waiting, limit = len(self._under_way), self._limit
        if lane is not None and self._in_lane[lane] >= self._limit // LANE_SHARE:
            waiting = limit = self._limit // LANE_SHARE
        if waiting >= limit:
            raise DeadlineExceeded(
                f"{limit} others wait already, which is the limit; ask again in a moment"
            )
        task = asyncio.create_task(work())
        self._under_way[key] = task
        self._in_lane.update([lane] if lane is not None else [])

        def forget(_: asyncio.Task[Result]) -> None:
            self._under_way.pop(key, None)
            if lane is not None:
                self._in_lane[lane] -= 1
                self._in_lane += Counter()  # Lanes without work are forgotten.

        task.add_done_callback(forget)
        return task

    async def close(self) -> None:
        """End all work that is under way and wait until it has ended."""
        tasks = tuple(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
