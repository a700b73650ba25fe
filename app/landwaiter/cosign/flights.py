"""
Work that is asked for twice at once is done once.

Who waits for a piece of work may stop waiting (cancelled, past a deadline) without ending it:
the work goes on within its own limits, and whoever asks again while it lasts joins it. What has
ended, well or badly, is forgotten here at once; remembering is the business of `memory.py`.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Generic, NamedTuple, TypeVar

from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded

Key = TypeVar("Key")
Result = TypeVar("Result")

LANE_SHARE = 2
"""One lane may have this part of all the work that there may be."""

NAMESPACE_SHARE = 4
"""One namespace may have begun this part of it, which is the half of a lane."""


class _Share(NamedTuple):
    """A lane or a namespace, which may have a part of all work."""

    kind: str
    name: str


class Flights(Generic[Key, Result]):
    """
    Pieces of work under way, by key; at most `limit` of them.

    `lane_of` tells of a key with which others it shares what one lane may have, the half of all:
    whoever fills a lane, with images in a registry that never answers, leaves room for others.
    So does whoever asks for much in one namespace. `changed` is told how much is under way.
    Owns its tasks: `close` ends them. Used on one event loop only, so it needs no lock.
    """

    def __init__(
        self,
        limit: int,
        *,
        lane_of: Callable[[Key], str] | None = None,
        changed: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._limit = limit
        self._lane_of = lane_of
        self._changed = changed
        self._in: Counter[_Share] = Counter()
        self._under_way: dict[Key, asyncio.Task[Result]] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    async def join(
        self,
        key: Key,
        work: Callable[[], Coroutine[Any, Any, Result]],
        *,
        deadline: Deadline,
        namespace: str | None = None,
    ) -> Result:
        """
        Return the result of the work under way for the key, which is begun where there is none.

        What is begun is that of the `namespace`, if one is given.

        Raises `DeadlineExceeded` at the deadline, while the work goes on, and also when there is
        too much work under way already or all of it is ended: another time, or another replica,
        will know. It is no fault, for anybody can cause it who may write Pods, and under
        `failurePolicy: Ignore` a fault admits.
        """
        task = self._under_way.get(key)
        if task is None:
            task = self._begun(key, work, namespace)
        await asyncio.wait({task}, timeout=deadline.remaining_seconds())
        if not task.done():
            raise DeadlineExceeded("the verification is still under way; ask again in a moment")
        if task.cancelled():
            raise DeadlineExceeded("the work was ended, for Landwaiter is stopping; ask again")
        return task.result()

    def _begun(
        self,
        key: Key,
        work: Callable[[], Coroutine[Any, Any, Result]],
        namespace: str | None,
    ) -> asyncio.Task[Result]:
        shares = {}
        if self._lane_of is not None:
            shares[_Share("lane", self._lane_of(key))] = self._limit // LANE_SHARE
        if namespace is not None:
            shares[_Share("namespace", namespace)] = max(1, self._limit // NAMESPACE_SHARE)
        counts = [(self._in[share], limit) for share, limit in shares.items()]
        for waiting, limit in (*counts, (len(self._under_way), self._limit)):
            if waiting >= limit:
                raise DeadlineExceeded(
                    f"{limit} others wait already, which is the limit; ask again in a moment"
                )
        task = asyncio.create_task(work())
        self._under_way[key] = task
        self._in.update(shares.keys())
        self._changed(len(self._under_way))

        def forget(_: asyncio.Task[Result]) -> None:
            del self._under_way[key]
            self._in.subtract(shares.keys())
            self._in += Counter()  # Shares without work are forgotten.
            self._changed(len(self._under_way))

        task.add_done_callback(forget)
        return task

    async def close(self) -> None:
        """End all work that is under way and wait until it has ended."""
        tasks = tuple(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
