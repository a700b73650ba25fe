"""
The install's own credentials: of its docker config, and of the helpers that this names.

The file is read again when it has changed, so that a rotated password counts without a restart.
While a new one does not load, the last good one stays.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from landwaiter.deadline import Deadline
from landwaiter.errors import InvalidInput
from landwaiter.images.reference import ImageReference
from landwaiter.providers.answers import helper_answer
from landwaiter.providers.asking import Answer, RememberedAnswers, Warn, silently
from landwaiter.providers.docker_file import DockerFile, Helper, read_docker_file
from landwaiter.providers.observer import UNOBSERVED, ProgramObserver
from landwaiter.providers.programs import LIMIT_SECONDS, Program, ProgramRunner
from landwaiter.registry.keychain import NOTHING_GIVEN, Given

HELPER_SECONDS: Final = 300.0
"""How long a helper's answer is good for; Amazon's tokens are for hours, Google's for one."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A helper that can be asked."""

    runner: ProgramRunner
    answers: RememberedAnswers


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """
    Where the install's own credentials come from.

    `helpers` is the folder of the helpers' programs, None where there is none; `environment` is
    what they are given besides what every program has.
    """

    docker_config: Path
    helpers: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class OwnCredentials:
    """What is in one docker config now. Raises `InvalidInput` where it does not load at first."""

    def __init__(
        self,
        files: OwnFiles,
        *,
        clock: Callable[[], float] = time.monotonic,
        limit_seconds: float = LIMIT_SECONDS,
        warn: Warn = silently,
        observer: ProgramObserver = UNOBSERVED,
    ) -> None:
        self._warn = warn
        self._observer = observer
        self._files = files
        self._clock = clock
        self._limit_seconds = limit_seconds
        self._asked: dict[str, _Asked] = {}
        self._state = self._state_now()
        self._content = self._read()

    async def given(self, reference: ImageReference, *, deadline: Deadline) -> Given:
        """Return what a helper gives for an image, and what is written. Raises as others do."""
        self._read_again()
        written = self._content.entries.candidates(reference)
        helper = self._content.helper(reference)
        if helper is None:
            return Given(written) if written else NOTHING_GIVEN
        found = await self._of_helper(helper, deadline)
        return Given((*found.credentials, *written), found.fault)

    async def _of_helper(self, helper: Helper, deadline: Deadline) -> Given:
        asked = self._asked[helper.name]

        async def ask() -> Answer:
            finished = await asked.runner.run(helper.key.encode(errors="replace"))
            return Answer(helper_answer(finished, helper.key), helper.key, HELPER_SECONDS)

        return await asked.answers.given((helper.key,), ask, deadline=deadline)

    def _read_again(self) -> None:
        state = self._state_now()
        if state == self._state:
            return
        self._state = state
        try:
            self._content = self._read()
        except InvalidInput as problem:
            self._warn(f"{problem}; the last good one stays")

    def _state_now(self) -> tuple[int, int, int] | None:
        try:
            status = self._files.docker_config.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> DockerFile:
        files = self._files
        content = read_docker_file(files.docker_config)
        for name, program in content.programs(files.helpers, files.environment).items():
            if name not in self._asked:
                self._asked[name] = self._asked_of(program)
        return content

    def _asked_of(self, program: Program) -> _Asked:
        return _Asked(
            ProgramRunner(program, limit_seconds=self._limit_seconds),
            RememberedAnswers(
                program.name,
                "helper",
                clock=self._clock,
                warn=self._warn,
                observer=self._observer,
            ),
        )

    async def close(self) -> None:
        """End all runs that are under way."""
        await asyncio.gather(*(each.answers.close() for each in self._asked.values()))
