"""
The current content of targets in repositories of The Update Framework.

A repository is trusted by its root alone, of any version: the library goes on from there to
what is current, and refuses what is forged, rolled back or too old. The first question waits for
that; later ones are answered from memory, and what is older than an hour is refreshed beside them.
What cannot be refreshed holds until the repository's own date of expiry, and not a second longer.

Nothing is kept between processes, so there is nothing on disk that somebody could roll back.

The library is loaded with the first question: most installs have no such repository.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded, TrustUnavailable
from landwaiter.trust.hosts import HostSettings, unnamed
from landwaiter.trusted_roots import TUFTarget

REFRESH_SECONDS: Final = 3_600.0
RETRY_SECONDS: Final = 30.0
"""How long a fault is the answer, before the repository is asked again."""
THREADS: Final = 2
_SAID_CHARACTERS: Final = 300


@dataclass(frozen=True, slots=True)
class _Known:
    """A content, until when it may be used by its repository's word, and when it was read."""

    content: bytes
    expires: float
    read_at: float


@dataclass(frozen=True, slots=True)
class _Fault:
    """Why a content is not to be had, and since when that is known."""

    text: str
    at: float


class TUFRepositories:
    """
    Reads targets; to be used as an asynchronous context manager, in one event loop.

    `host_settings` says how a host[:port] is reached. Blocking work is done in threads of its own.
    """

    def __init__(
        self,
        host_settings: Callable[[str], HostSettings] = unnamed,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._host_settings = host_settings
        self._clock = clock
        self._known: dict[TUFTarget, _Known] = {}
        self._faults: dict[TUFTarget, _Fault] = {}
        self._tasks: dict[TUFTarget, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="tuf")
        self._ended = threading.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all work; a download that is under way ends with its next piece, or in silence."""
        self._ended.set()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def content(self, target: TUFTarget, *, deadline: Deadline) -> bytes:
        """
        Return what the target has now.

        Raises `TrustUnavailable`, saying why, and `DeadlineExceeded` while it is being found out.
        """
        known = self._known.get(target)
        if known is not None and self._clock() < known.expires:
            if self._clock() - known.read_at >= REFRESH_SECONDS and not self._has_failed(target):
                self._refresh(target)
            return known.content
        if not self._has_failed(target):
            await self._finished(self._refresh(target), target, deadline)
        known = self._known.get(target)
        if known is not None and self._clock() < known.expires:
            return known.content
        raise TrustUnavailable(self._faults[target].text)

    def _has_failed(self, target: TUFTarget) -> bool:
        """Say whether that it cannot be read is known from a moment ago."""
        fault = self._faults.get(target)
        return fault is not None and self._clock() - fault.at < RETRY_SECONDS

    def _refresh(self, target: TUFTarget) -> asyncio.Task[None]:
        task = self._tasks.get(target)
        if task is None:
            task = self._tasks[target] = asyncio.create_task(self._read(target))
            task.add_done_callback(lambda _: self._tasks.pop(target, None))
        return task

    async def _finished(
        self, task: asyncio.Task[None], target: TUFTarget, deadline: Deadline
    ) -> None:
        try:
            async with deadline.timeout():
                await asyncio.shield(task)
        except TimeoutError as error:
            raise DeadlineExceeded(f"{target} was not read before the deadline") from error

    async def _read(self, target: TUFTarget) -> None:
        loop = asyncio.get_running_loop()
        try:
            content, expires = await loop.run_in_executor(self._threads, self._download, target)
        except (OSError, ValueError) as problem:
            said = " ".join(str(problem).split())[:_SAID_CHARACTERS]
            self._faults[target] = _Fault(f"{target} cannot be read: {said}", self._clock())
            return
        self._faults.pop(target, None)
        self._known[target] = _Known(content, expires, self._clock())

    def _download(self, target: TUFTarget) -> tuple[bytes, float]:
        """Return the content of a target and when its repository says that it expires."""
        # Here and not above: it takes long, and is not for the event loop.
        from landwaiter.trust.updating import current_content  # noqa: PLC0415

        host = self._host_settings(urlsplit(target.mirror).netloc)
        return current_content(target, host, is_ended=self._ended.is_set)
