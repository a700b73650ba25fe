"""Certificates and states of their renewal, at a time of the test's choosing."""

from datetime import UTC, datetime, timedelta

from landwaiter.tls.making import LIFETIME, Identity, make_identity
from landwaiter.tls.rotation import Observed
from landwaiter.tls.stored import Stored

NOW = datetime(2026, 11, 25, tzinfo=UTC)
NAMES = frozenset({"landwaiter.lw.svc", "landwaiter.lw.svc.cluster.local"})


def an_identity(*names: str, age: timedelta = timedelta()) -> Identity:
    """Return what was made that long ago."""
    return make_identity(names or NAMES, now=NOW - age)


def a_state(
    *, age: timedelta = timedelta(), following: Identity | None = None, old: int = 0
) -> Stored:
    olds = tuple(an_identity().ca for _ in range(old))
    return Stored(an_identity(age=age), following, olds)


def observed(
    *,
    now: datetime = NOW,
    names: frozenset[str] = NAMES,
    trusted: timedelta = timedelta(),
    unchanged: timedelta = timedelta(),
) -> Observed:
    return Observed(now, names, lambda _: trusted, unchanged)


TWO_THIRDS = LIFETIME * 2 / 3
