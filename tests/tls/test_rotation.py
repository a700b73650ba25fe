"""What comes next in the life of a certificate."""

from dataclasses import replace
from datetime import timedelta

import pytest

from landwaiter.tls.making import BACKDATED, LIFETIME
from landwaiter.tls.rotation import (
    NAMES_MAX,
    RotationTimes,
    Step,
    advance,
    begin,
    to_serve,
)
from landwaiter.tls.stored import Stored, decode, encode
from tls.states import NAMES, NOW, TWO_THIRDS, a_state, an_identity, observed

TIMES = RotationTimes()
A_SECOND = timedelta(seconds=1)


def test_nothing_is_due_before_two_thirds_of_its_life() -> None:
    """Not even a second before."""
    assert None is advance(a_state(age=TWO_THIRDS - A_SECOND), observed(), TIMES)


def test_at_two_thirds_the_next_certificate_is_announced() -> None:
    """It is trusted from now on, and not served with."""
    state = a_state(age=TWO_THIRDS)
    due = advance(state, observed(), TIMES)
    assert due is not None
    announced, step = due
    following = announced.following
    assert following is not None

    assert (Step.ANNOUNCED, state.current) == (step, announced.current)
    assert state.current == to_serve(announced, NAMES)
    assert (NAMES, NOW + LIFETIME) == (following.names, following.ends)
    assert following.ca in announced.bundle


@pytest.mark.parametrize(
    ("trusted", "expected"), [(TIMES.trusted_after - A_SECOND, None), (TIMES.trusted_after, 1)]
)
def test_it_is_served_with_once_it_is_trusted(trusted: timedelta, expected: int | None) -> None:
    """The CA before stays in the bundle: some replica may not have changed over."""
    state = a_state(age=TWO_THIRDS, following=an_identity(), old=1)
    due = advance(state, observed(trusted=trusted), TIMES)
    wanted = (Stored(state.following, None, (state.current.ca, *state.old)), Step.RENEWED)  # type: ignore[arg-type]  # It has one.

    assert (None if expected is None else wanted) == due


def test_one_that_has_ended_is_not_waited_for() -> None:
    """Nobody accepts it any more, whoever may not have heard of the next one yet."""
    state = a_state(age=LIFETIME, following=an_identity())
    due = advance(state, observed(), TIMES)

    assert due is not None
    assert (Step.RENEWED, state.following) == (due[1], due[0].current)


def test_one_that_has_yet_to_begin_is_not_waited_for() -> None:
    """Made by a clock that was ahead and has been set right, it would keep everybody out."""
    state = a_state(age=-3 * BACKDATED)
    announced = advance(state, observed(), TIMES)
    assert announced is not None
    renewed = advance(announced[0], observed(), TIMES)
    assert renewed is not None

    assert [Step.ANNOUNCED, Step.RENEWED] == [announced[1], renewed[1]]
    assert (announced[0].following, NOW - BACKDATED) == (
        renewed[0].current,
        renewed[0].current.begins,
    )
    assert state.current.ca in renewed[0].bundle


def test_a_next_one_that_has_yet_to_begin_is_made_anew() -> None:
    """However long it is trusted: who served with it would not be answered to."""
    state = a_state(age=TWO_THIRDS, following=an_identity(age=-3 * BACKDATED), old=1)
    due = advance(state, observed(trusted=TIMES.trusted_after), TIMES)
    assert due is not None
    anew, step = due
    lost = state.following
    assert anew.following is not None
    assert lost is not None

    assert (Step.ANNOUNCED, NOW - BACKDATED) == (step, anew.following.begins)
    assert Stored(state.current, anew.following, (lost.ca, *state.old)) == anew


@pytest.mark.parametrize(
    ("unchanged", "expected"),
    [(TIMES.forgotten_after - A_SECOND, None), (TIMES.forgotten_after, Step.FORGOTTEN)],
)
def test_the_old_ca_is_forgotten_when_all_have_changed_over(
    unchanged: timedelta, expected: Step | None
) -> None:
    """It leaves the bundle, and nothing else changes."""
    state = a_state(old=2)
    due = advance(state, observed(unchanged=unchanged), TIMES)

    assert (None if expected is None else (replace(state, old=()), expected)) == due


def test_a_whole_life_of_renewals_ends_where_it_began() -> None:
    """One step a look, each of them written and read again; the bundle does not grow."""
    state, now, steps = a_state(), NOW, []
    for _ in range(12):
        looked = observed(now=now, trusted=TIMES.trusted_after, unchanged=TIMES.forgotten_after)
        if (due := advance(state, looked, TIMES)) is None:
            now += TWO_THIRDS
            continue
        state = decode(encode(due[0]))
        steps.append(due[1])

    assert [Step.ANNOUNCED, Step.RENEWED, Step.FORGOTTEN] * 3 == steps
    assert 1 == state.bundle.count(b"BEGIN")


def test_another_address_needs_another_certificate() -> None:
    """It is good for the names of both, for replicas of the version before have theirs."""
    state = a_state()
    names = frozenset({"other.lw.svc"})
    due = advance(state, observed(names=names), TIMES)
    assert due is not None
    following = due[0].following
    assert following is not None

    assert (Step.ANNOUNCED, NAMES | names) == (due[1], following.names)
    assert (following, state.current) == (to_serve(due[0], names), to_serve(due[0], NAMES))
    promoted = advance(due[0], observed(names=names, trusted=TIMES.trusted_after), TIMES)
    assert promoted is not None
    assert {None} == {advance(promoted[0], observed(names=each), TIMES) for each in (names, NAMES)}


def test_our_own_names_come_first_among_many() -> None:
    """A certificate has at most so many; what is needed is among them."""
    state = Stored(an_identity(*(f"a{n}.svc" for n in range(NAMES_MAX + 5))))
    due = advance(state, observed(), TIMES)
    assert due is not None
    following = due[0].following
    assert following is not None

    assert (NAMES_MAX, True) == (len(following.names), following.names >= NAMES)


def test_where_nothing_is_a_certificate_is_made() -> None:
    """It is served with at once: nobody has been told to trust another one."""
    state, step = begin(NAMES, None, now=NOW, lifetime=LIFETIME)

    assert (Step.MADE, None, ()) == (step, state.following, state.old)
    assert NAMES == state.current.names


def test_what_is_remembered_goes_on_being_served() -> None:
    """A Secret that is lost is made anew with another CA, and all before it are trusted still."""
    remembered = a_state(following=an_identity(), old=1)
    state, step = begin(NAMES, remembered, now=NOW, lifetime=LIFETIME)
    lost = remembered.following
    assert lost is not None
    following = state.following
    assert following is not None

    assert (Step.REMADE, remembered.current) == (step, state.current)
    assert (lost.ca, *remembered.old) == state.old
    assert following not in {remembered.current, lost}
