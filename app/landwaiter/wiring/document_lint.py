"""
Lets the linter look at the policies of the cluster, where it keeps no request waiting.

Only the replica that writes statuses does so, in a thread, and for a tenth of the time at most:
whoever may write policies could otherwise keep it busy with nothing else.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from landwaiter.policy.cluster_documents import DocumentState
from landwaiter.policy.lint_cluster import ClusterLinter, Linted

REST_SHARE: Final = 9.0
"""How many times as long as it took the linter rests."""


class DocumentLinting:
    """Lints documents while this replica is the one that writes; used on one event loop."""

    def __init__(
        self,
        *,
        is_leader: Callable[[], bool],
        found: Callable[[Linted], None],
        clock: Callable[[], float] = time.monotonic,
        rest: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._is_leader = is_leader
        self._found = found
        self._clock = clock
        self._rest = rest
        self._linter = ClusterLinter()
        self._states: tuple[DocumentState, ...] = ()
        self._changed = asyncio.Event()

    def take(self, states: tuple[DocumentState, ...]) -> None:
        """Look at these documents when there is time."""
        self._states = states
        self._changed.set()

    def begin(self) -> None:
        """Look at the documents if this replica has become the one that writes."""
        self._changed.set()

    async def run(self) -> None:
        """Lint until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            if not self._is_leader():
                continue
            began = self._clock()
            self._found(await asyncio.to_thread(self._linter.lint, self._states))
            await self._rest((self._clock() - began) * REST_SHARE)
