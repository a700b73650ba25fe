"""
Counts how many questions have to be asked one after the other, whatever time each of them takes.

Each question is held up until no other one comes, and then all of them are asked at the same time:
that is one round. The next one begins when all of them have been answered.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

Result = TypeVar("Result")

QUIET_TURNS = 200
"""
Turns of the event loop without another question, while nothing is under way.

From an answer to the next question there are some ten: nothing outside of the process is between.
"""


class Rounds:
    """Holds questions up; `asked` has those of each round, in alphabetical order."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self._held: list[tuple[str, asyncio.Future[None]]] = []
        self._under_way = 0

    @asynccontextmanager
    async def question(self, text: str) -> AsyncIterator[None]:
        """Wait for the round of a question, which is asked in the body of the context."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held.append((text, turn))
        await turn
        try:
            yield
        finally:
            self._under_way -= 1

    async def during(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what comes of work, whose questions are asked round by round."""
        task = asyncio.ensure_future(work)
        while not task.done():
            await self._quiet(task)
            held = [(text, turn) for text, turn in self._held if not turn.done()]
            self._held.clear()
            if held:
                self.asked.append(sorted(text for text, _ in held))
            self._under_way = len(held)
            for _, turn in held:
                turn.set_result(None)
        return task.result()

    async def _quiet(self, task: asyncio.Future[Result]) -> None:
        turns, count = 0, len(self._held)
        while turns < QUIET_TURNS and not task.done():
            await asyncio.sleep(0)
            is_quiet = not self._under_way and len(self._held) == count
            turns, count = turns + 1 if is_quiet else 0, len(self._held)
