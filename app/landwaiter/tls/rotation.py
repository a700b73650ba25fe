"""
What comes next in the life of a certificate, as a pure function of what is known.

1. At two thirds of its life the next certificate is made, with a CA of its own. The bundle has
   both CAs from now on, and so has the webhook object a moment later.
2. When every API server has had the time to hear of it (`trusted_after`), the next certificate
   becomes the current one, and all replicas serve with it. Both CAs stay in the bundle.
3. When every replica has had the time to do so (`forgotten_after`), the old CA leaves the bundle.

A state that does not know the CA of what this process still serves, because another process has
begun anew without knowing of it, gets that CA back for as long.

A certificate that is not valid at this moment is not waited for: one that has ended, and one that
has yet to begin, because the clock that it was made by was ahead and has been set right since.

The times are counted by whoever looks, from when it has seen the state: a restart delays a step,
and no clock has to agree with another one. A state that cannot be read, or is not there, is made
anew with what is still being served kept trusted.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from landwaiter.tls.making import BACKDATED, LIFETIME, Identity, make_identity
from landwaiter.tls.stored import OLD_MAX, Stored

RENEW_AT: Final = 2 / 3
"""The share of a certificate's life after which it is renewed."""

NAMES_MAX: Final = 20
"""Names in one certificate: those of our address, and of other replicas' addresses."""


@dataclass(frozen=True, slots=True)
class RotationTimes:
    """
    How long a certificate lives, and how long the steps of its renewal take at least.

    An API server hears of a changed webhook object within a second; a replica of a changed Secret
    too, and an answer on an open connection is over within `ConnectionLimits`.
    """

    lifetime: timedelta = LIFETIME
    trusted_after: timedelta = timedelta(minutes=1)
    forgotten_after: timedelta = timedelta(hours=1)


class Step(StrEnum):
    """What was done, in the words of an Event's reason."""

    MADE = "CertificateMade"
    REMADE = "CertificateSecretRepaired"
    ANNOUNCED = "CertificateRenewing"
    RENEWED = "CertificateRenewed"
    FORGOTTEN = "CertificateOldCARemoved"
    KEPT = "CertificateOldCAKept"


@dataclass(frozen=True, slots=True)
class Observed:
    """
    What is known besides the state: the time, our names, and how long things have been so.

    `trusted` gives for a CA in PEM how long every webhook object has had it; `unchanged` is how
    long the current certificate has been the current one.
    """

    now: datetime
    names: frozenset[str]
    trusted: Callable[[bytes], timedelta]
    unchanged: timedelta


def begin(
    names: Iterable[str], remembered: Stored | None, *, now: datetime, lifetime: timedelta
) -> tuple[Stored, Step]:
    """
    Return a state where there is none that can be read.

    What this process remembers is served by all replicas, so it goes on being served and trusted
    until the new certificate is trusted everywhere.
    """
    if remembered is None:
        return Stored(make_identity(names, now=now, lifetime=lifetime)), Step.MADE
    made = make_identity(names, now=now, lifetime=lifetime)
    coming = () if remembered.following is None else (remembered.following.ca,)
    old = (*coming, *remembered.old)[:OLD_MAX]
    return replace(remembered, following=made, old=old), Step.REMADE


def kept_trusted(stored: Stored, remembered: Stored | None) -> tuple[Stored, Step] | None:
    """Return a state that trusts what this process still serves, None where it does already."""
    if remembered is None or remembered.current.ca in stored.bundle:
        return None
    old = (remembered.current.ca, *stored.old)[:OLD_MAX]
    return replace(stored, old=old), Step.KEPT


def advance(stored: Stored, observed: Observed, times: RotationTimes) -> tuple[Stored, Step] | None:
    """Return the next state and what was done, None where nothing is due."""
    current, following = stored.current, stored.following
    if following is not None and following.begins <= observed.now:
        is_trusted = observed.trusted(following.ca) >= times.trusted_after
        if is_trusted or not _is_valid(current, observed):
            old = (current.ca, *stored.old)[:OLD_MAX]
            return Stored(following, None, old), Step.RENEWED
        return None
    if following is not None or _is_due(current, observed):
        # Replicas of another version may want other names: each certificate is good for all.
        names = [*sorted(observed.names), *sorted(current.names - observed.names)][:NAMES_MAX]
        made = make_identity(names, now=observed.now, lifetime=times.lifetime)
        lost = () if following is None else (following.ca,)
        return Stored(current, made, (*lost, *stored.old)[:OLD_MAX]), Step.ANNOUNCED
    if stored.old and observed.unchanged >= times.forgotten_after:
        return replace(stored, old=()), Step.FORGOTTEN
    return None


def to_serve(stored: Stored, names: frozenset[str]) -> Identity:
    """Return what to serve with: the current certificate unless only the next one fits."""
    following = stored.following
    if following is not None and not names <= stored.current.names and names <= following.names:
        return following
    return stored.current


def _is_valid(identity: Identity, observed: Observed) -> bool:
    """Whether it is accepted at all, which one from a clock that was ahead is not yet."""
    return identity.begins <= observed.now < identity.ends


def _is_due(current: Identity, observed: Observed) -> bool:
    made = current.begins + BACKDATED
    renew_at = made + (current.ends - made) * RENEW_AT
    is_good = _is_valid(current, observed) and observed.names <= current.names
    return observed.now >= renew_at or not is_good
