"""When a request is tried again, and when a registry is left alone."""

from collections.abc import Awaitable, Callable

import pytest

from landwaiter.deadline import Deadline
from landwaiter.errors import AccessDenied, RegistryUnavailable
from landwaiter.registry.retries import (
    LONGEST_PAUSE_SECONDS,
    MAX_ATTEMPTS,
    PassingFault,
    Patience,
    retry_after_seconds,
)
from registry.clients import FastClock, patience

HOST = "registry.example.com"


def failing(*faults: Exception) -> Callable[[], Awaitable[str]]:
    """Return an attempt that fails in these ways, then succeeds."""
    left = list(faults)

    async def attempt() -> str:
        if left:
            raise left.pop(0)
        return "answer"

    return attempt


def throttled(retry_after: float | None = None) -> PassingFault:
    return PassingFault("429", throttled=True, retry_after_seconds=retry_after)


async def test_waits_between_attempts_grow() -> None:
    """A fault that passes is waited for a little, then a little longer."""
    clock = FastClock()
    answer = await patience(clock).run(
        HOST, failing(PassingFault("x"), PassingFault("x")), Deadline.after(20)
    )

    assert ("answer", [0.1, 0.2]) == (answer, clock.waits)


async def test_the_last_fault_is_told() -> None:
    """After the last attempt its own fault is raised."""
    faults = [PassingFault(f"fault {number}") for number in range(MAX_ATTEMPTS)]
    with pytest.raises(PassingFault) as caught:
        await patience(FastClock()).run(HOST, failing(*faults), Deadline.after(20))

    assert "fault 2" == str(caught.value)


@pytest.mark.parametrize("error", [AccessDenied("no"), RegistryUnavailable("slow"), ValueError()])
async def test_nothing_else_is_tried_again(error: Exception) -> None:
    """A refusal, a timeout and a bug are raised at once."""
    clock = FastClock()
    with pytest.raises(type(error)):
        await patience(clock).run(HOST, failing(error), Deadline.after(20))

    assert [] == clock.waits


async def test_no_wait_goes_beyond_the_deadline() -> None:
    """Where there is no time to wait for another attempt, the fault is told at once."""
    clock = FastClock()
    with pytest.raises(PassingFault):
        await patience(clock).run(HOST, failing(PassingFault("x")), Deadline.after(0.05))

    assert [] == clock.waits


async def test_throttling_without_a_time_doubles() -> None:
    """A registry that keeps refusing is left alone for longer and longer, up to a limit."""
    clock = FastClock()
    keeper = patience(clock)
    pauses = []
    for _ in range(12):
        with pytest.raises(RegistryUnavailable):
            await keeper.run(HOST, failing(throttled()), Deadline(0))
        pauses.append(keeper.pause_seconds(HOST))
        clock.now += pauses[-1]

    assert [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300] == pauses


@pytest.mark.parametrize(
    ("retry_after", "pause"), [(0.0, 1.0), (0.5, 1.0), (5.0, 5.0), (1e9, LONGEST_PAUSE_SECONDS)]
)
async def test_the_time_that_a_registry_asks_for_has_bounds(
    retry_after: float, pause: float
) -> None:
    """A registry is left alone for what it asks, but not for less than a second or for ever."""
    keeper = patience(FastClock())
    with pytest.raises(RegistryUnavailable):
        await keeper.run(HOST, failing(throttled(retry_after)), Deadline(0))

    assert pause == keeper.pause_seconds(HOST)


async def test_refusals_of_requests_already_under_way_count_once() -> None:
    """Many refusals that arrive during one pause do not multiply it."""
    clock = FastClock()
    keeper = patience(clock)

    async def late_refusal() -> str:
        keeper_was_told = keeper.run(HOST, failing(throttled()), Deadline(0))
        with pytest.raises(RegistryUnavailable):
            await keeper_was_told
        raise throttled()

    with pytest.raises(RegistryUnavailable):
        await keeper.run(HOST, late_refusal, Deadline(0))

    assert 1.0 == keeper.pause_seconds(HOST)


async def test_success_of_a_request_sent_before_does_not_end_a_pause() -> None:
    """An answer that was on its way when the throttling began lifts nothing."""
    keeper = patience(FastClock())

    async def late_answer() -> str:
        with pytest.raises(RegistryUnavailable):
            await keeper.run(HOST, failing(throttled(60)), Deadline(0))
        return "answer"

    await keeper.run(HOST, late_answer, Deadline.after(20))

    assert 60.0 == keeper.pause_seconds(HOST)


async def test_success_after_a_pause_forgives() -> None:
    """Once a registry answers again, its next refusal is its first."""
    clock = FastClock()
    keeper = patience(clock)
    for _ in range(3):
        with pytest.raises(RegistryUnavailable):
            await keeper.run(HOST, failing(throttled()), Deadline(0))
        clock.now += 10
    await keeper.run(HOST, failing(), Deadline.after(20))
    with pytest.raises(RegistryUnavailable):
        await keeper.run(HOST, failing(throttled()), Deadline(0))

    assert 1.0 == keeper.pause_seconds(HOST)


async def test_those_that_waited_do_not_come_back_all_at_once() -> None:
    """The end of a pause is spread by chance."""
    clock = FastClock()
    keeper = Patience(clock=clock, sleep=clock.sleep, jitter=lambda: 1.0)
    await keeper.run(HOST, failing(throttled(4)), Deadline.after(20))

    assert 5.0 == max(clock.waits)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("5", 5.0),
        (" 5 ", 5.0),
        ("0", 0.0),
        ("9" * 500, 999_999_999.0),
        ("-5", None),
        ("5.5", None),
        ("soon", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 99999 00:00:00 GMT", None),
    ],
)
def test_reads_retry_after(header: str | None, seconds: float | None) -> None:
    """Seconds and dates are read, and whatever else there is counts as nothing."""
    assert seconds == retry_after_seconds(header, 10.0)
