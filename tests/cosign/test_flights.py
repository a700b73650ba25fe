import asyncio
from collections import Counter
from functools import partial

import pytest

from landwaiter.cosign.flights import Flights
from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded

SOON = 20.0


class Work:
    """Work that is counted, and that ends when it is let."""

    def __init__(self) -> None:
        self.begun = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> str:
        self.begun += 1
        await self.may_end.wait()
        return f"result {self.begun}"


async def test_the_same_work_at_once_is_done_once() -> None:
    """Fifty who ask for the same get the result of one piece of work."""
    flights: Flights[str, str] = Flights(10)
    work = Work()
    asking = [
        asyncio.create_task(flights.join("a", work, deadline=Deadline.after(SOON)))
        for _ in range(50)
    ]
    await asyncio.sleep(0)
    work.may_end.set()

    assert (["result 1"] * 50, 1) == (await asyncio.gather(*asking), work.begun)


async def test_a_waiter_past_its_deadline_does_not_end_the_work() -> None:
    """Asking again after the deadline finds the result of the same work."""
    flights: Flights[str, str] = Flights(10)
    work = Work()
    with pytest.raises(DeadlineExceeded) as late:
        await flights.join("a", work, deadline=Deadline.after(0.01))
    again = asyncio.create_task(flights.join("a", work, deadline=Deadline.after(SOON)))
    await asyncio.sleep(0)
    work.may_end.set()

    assert ("the verification is still under way; ask again in a moment", "result 1", 1) == (
        str(late.value),
        await again,
        work.begun,
    )


async def test_a_cancelled_waiter_does_not_end_the_work() -> None:
    """Who leaves takes nothing away from the others."""
    flights: Flights[str, str] = Flights(10)
    work = Work()
    first, second = (
        asyncio.create_task(flights.join("a", work, deadline=Deadline.after(SOON)))
        for _ in range(2)
    )
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    work.may_end.set()

    assert ("result 1", 1) == (await second, work.begun)


async def test_what_has_ended_is_not_joined() -> None:
    """A failed piece of work is not shared with those who ask later."""
    flights: Flights[str, str] = Flights(10)

    async def failing() -> str:
        raise ValueError("a bug")

    async def working() -> str:
        return "well"

    with pytest.raises(ValueError, match="a bug"):
        await flights.join("a", failing, deadline=Deadline.after(SOON))

    assert ("well", 0) == (
        await flights.join("a", working, deadline=Deadline.after(SOON)),
        len(flights),
    )


async def test_different_work_is_not_shared() -> None:
    """Each key has its own work."""
    flights: Flights[str, str] = Flights(10)

    async def named(name: str) -> str:
        return name

    assert ["a", "b"] == [
        await flights.join(name, partial(named, name), deadline=Deadline.after(SOON))
        for name in ("a", "b")
    ]


async def test_too_much_work_is_turned_away() -> None:
    """Beyond the limit nothing new is begun, while what is under way can still be joined."""
    flights: Flights[str, str] = Flights(1)
    work = Work()
    first = asyncio.create_task(flights.join("a", work, deadline=Deadline.after(SOON)))
    await asyncio.sleep(0)
    with pytest.raises(DeadlineExceeded) as fault:
        await flights.join("b", work, deadline=Deadline.after(SOON))
    second = asyncio.create_task(flights.join("a", work, deadline=Deadline.after(SOON)))
    await asyncio.sleep(0)
    work.may_end.set()

    assert (
        "1 others wait already, which is the limit; ask again in a moment",
        ["result 1"] * 2,
    ) == (
        str(fault.value),
        [await first, await second],
    )


async def test_a_full_lane_leaves_room_for_others() -> None:
    """Whoever fills one lane is told to come back, and a lane that is empty again is forgotten."""
    flights: Flights[str, str] = Flights(4, lane_of=lambda key: key.partition("/")[0])
    work = Work()

    def join(key: str) -> asyncio.Task[str]:
        return asyncio.create_task(flights.join(key, work, deadline=Deadline.after(SOON)))

    under_way = [join("slow/1"), join("slow/2"), join("slow/1"), join("other/1")]
    await asyncio.sleep(0)
    with pytest.raises(DeadlineExceeded, match=r"^2 others wait already"):
        await flights.join("slow/3", work, deadline=Deadline.after(SOON))
    under_way.append(join("other/2"))
    await asyncio.sleep(0)
    with pytest.raises(DeadlineExceeded, match=r"^4 others wait already"):
        await flights.join("third/1", work, deadline=Deadline.after(SOON))
    work.may_end.set()
    await asyncio.gather(*under_way)
    await flights.join("slow/3", work, deadline=Deadline.after(SOON))

    assert (5, Counter()) == (work.begun, flights._in)


async def test_a_busy_namespace_leaves_room_for_others() -> None:
    """Whoever asks for much in one namespace is told to come back, and may join what others do."""
    flights: Flights[str, str] = Flights(8)
    work = Work()

    def join(key: str, namespace: str) -> asyncio.Task[str]:
        deadline = Deadline.after(SOON)
        return asyncio.create_task(flights.join(key, work, deadline=deadline, namespace=namespace))

    under_way = [join("1", "busy"), join("2", "busy"), join("3", "calm"), join("3", "busy")]
    await asyncio.sleep(0)
    with pytest.raises(DeadlineExceeded, match=r"^2 others wait already"):
        await join("4", "busy")
    under_way.append(join("4", "calm"))
    await asyncio.sleep(0)
    work.may_end.set()
    await asyncio.gather(*under_way)
    await join("5", "busy")

    assert (5, Counter()) == (work.begun, flights._in)


async def test_what_is_under_way_is_told_to_its_end() -> None:
    """Whoever counts is told each change, and nothing when several end at once but the truth."""
    told: list[int] = []
    flights: Flights[str, str] = Flights(8, changed=told.append)
    work = Work()
    asking = [
        asyncio.create_task(flights.join(key, work, deadline=Deadline.after(SOON)))
        for key in ("a", "b", "a", "c")
    ]
    await asyncio.sleep(0)
    work.may_end.set()
    await asyncio.gather(*asking)

    assert [1, 2, 3, 2, 1, 0] == told


async def test_closing_ends_the_work_and_tells_who_waits() -> None:
    """A waiter learns that another one may answer, and is not cancelled itself."""
    flights: Flights[str, str] = Flights(10)
    asking = asyncio.create_task(flights.join("a", Work(), deadline=Deadline.after(SOON)))
    await asyncio.sleep(0)
    await flights.close()
    with pytest.raises(DeadlineExceeded) as fault:
        await asking

    assert ("the work was ended, for Landwaiter is stopping; ask again", 0) == (
        str(fault.value),
        len(flights),
    )
