"""
What one review waits for, step by step, told from below without anything being handed down.

Whoever answers a review opens it with `reviewed`; whatever asks outside for its sake wraps that in
`step`. The longest wait of each kind goes into the review's line of the log, and with a tracer each
step is a span. Tasks take the review along that was open where they were made: work that several
reviews share is a step of the one that began it. Names and attributes stand in the code, or are
sizes, digests and the like; no credential has a place here.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

AttributeValue: TypeAlias = str | int | float | bool


class Span(Protocol):
    """A piece of work that is traced."""

    def describe(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Add what is known by now."""
        ...


class Tracer(Protocol):
    """Whatever is told of pieces of work; its methods return at once and raise nothing."""

    def span(
        self, name: str, attributes: Mapping[str, AttributeValue]
    ) -> AbstractContextManager[Span]:
        """Open a span below the one that is open, for the body of the context."""
        ...


class _Untraced:
    """A span that nobody looks at."""

    def describe(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Do nothing."""


UNTRACED: Final = _Untraced()


@dataclass(slots=True)
class Steps:
    """The longest wait of each kind so far, in seconds, and who traces the review."""

    tracer: Tracer | None = None
    waited: dict[str, float] = field(default_factory=dict)


_current: ContextVar[Steps | None] = ContextVar("landwaiter_review", default=None)


def reviewed(tracer: Tracer | None, name: str) -> AbstractContextManager[tuple[Steps, Span]]:
    """Open a review for the body of the context and for all tasks that are made in it."""
    return _Review(Steps(tracer)) if tracer is None else _traced(tracer, name)


class _Review:
    """The context of a review that nobody traces: without a generator, it takes half the time."""

    __slots__ = ("_steps", "_token")

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def __enter__(self) -> tuple[Steps, Span]:
        self._token = _current.set(self._steps)
        return self._steps, UNTRACED

    def __exit__(self, *of_exception: object) -> None:
        _current.reset(self._token)


@contextmanager
def _traced(tracer: Tracer, name: str) -> Iterator[tuple[Steps, Span]]:
    with _Review(Steps(tracer)) as (steps, _), tracer.span(name, {}) as span:
        yield steps, span


@contextmanager
def step(name: str, **attributes: AttributeValue) -> Iterator[None]:
    """Note how long the body of the context takes, for the review that is open, if one is."""
    steps = _current.get()
    if steps is None:
        yield
        return
    began = time.monotonic()
    tracer = steps.tracer
    try:
        with nullcontext() if tracer is None else tracer.span(name, attributes):
            yield
    finally:
        seconds = time.monotonic() - began
        steps.waited[name] = max(seconds, steps.waited.get(name, 0.0))
