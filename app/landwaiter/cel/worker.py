"""
The process in which expressions are evaluated, so that none of them can harm the one that serves.

The library holds Python's lock while it evaluates, and a few lines of an expression over a large
object can take minutes and gigabytes (ADR 11). Here they meet a limit on memory, and whoever asks
ends this process when it takes too long. It reads one job a line from descriptor 1, which is a
socket, writes one answer a line for each task, in order, and ends when nobody asks any more.
It imports nothing of Landwaiter but the language. What takes too much memory ends it as well.
"""

import json
import resource
import socket
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

from landwaiter.cel.environment import BOOL, environment_of

MEMORY_MAX_BYTES: Final = 512 * 1024 * 1024
"""Of address space; the interpreter with the library takes 35 MiB, a job at most 2 MiB."""

PROGRAMS_KEPT: Final = 1024
PROBLEM_MAX_CHARACTERS: Final = 200


def main() -> None:
    """Answer until the other end is closed."""
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY_MAX_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(limit, (most, most))
    with socket.socket(fileno=1) as channel, channel.makefile("rwb") as lines:
        lines.write(b"ready\n")
        lines.flush()
        while line := lines.readline():
            for answer in answers(json.loads(line)):
                lines.write(json.dumps(answer).encode() + b"\n")
                lines.flush()


def answers(job: dict[str, Any]) -> Iterator[bool | str]:
    """Give for each task true or false, or what is wrong with its evaluation."""
    variables = tuple(job["variables"])
    for text, number in job["tasks"]:
        yield _answer(text, variables, job["inputs"][number])


def _answer(text: str, variables: tuple[str, ...], values: dict[str, Any]) -> bool | str:
    try:
        value = _program(text, variables).eval(data=values)
        kind, plain = value.type(), value.plain_value()
    except (RuntimeError, ValueError, TypeError, OverflowError) as problem:
        return f"{problem!s:.{PROBLEM_MAX_CHARACTERS}}"
    if kind == BOOL and isinstance(plain, bool):
        return plain
    if isinstance(plain, str) and kind.name() == "ERROR":
        return plain[:PROBLEM_MAX_CHARACTERS]
    return f"{kind.name()} came out, BOOL is wanted"


@lru_cache(maxsize=PROGRAMS_KEPT)
def _program(text: str, variables: tuple[str, ...]) -> Any:  # noqa: ANN401  # The library's type has no public name.
    return environment_of(variables).compile(text)


if __name__ == "__main__":
    main()
