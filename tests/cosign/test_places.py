"""Who may have an image in hand, and in which order."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from landwaiter.cosign.places import ImagePlaces

PLENTY = 100


class Crowd:
    """Images that wait for places, and hold them until they are let go."""

    def __init__(
        self, *, in_all: int = PLENTY, of_one_registry: int = PLENTY, of_one_namespace: int = PLENTY
    ) -> None:
        self.places = ImagePlaces(
            in_all=in_all, of_one_registry=of_one_registry, of_one_namespace=of_one_namespace
        )
        self.order: list[str] = []
        self.ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, *images: str) -> None:
        """Let images wait, each `REGISTRY/NAMESPACE/NUMBER`."""
        for image in images:
            self.ends[image] = asyncio.Event()
            self._tasks[image] = asyncio.create_task(self._hold(image))
        await asyncio.sleep(0)

    async def _hold(self, image: str) -> None:
        registry, namespace, _ = image.split("/")
        async with self.places.of(registry, namespace, image):
            self.order.append(image)
            await self.ends[image].wait()

    async def go(self, *images: str) -> None:
        """Let images give their places back."""
        for image in images:
            self.ends[image].set()
            await asyncio.gather(self._tasks.pop(image))
        await asyncio.sleep(0)

    async def be_cancelled(self, image: str) -> None:
        """End an image as a limit of time does."""
        self._tasks[image].cancel()
        await asyncio.gather(self._tasks.pop(image), return_exceptions=True)
        await asyncio.sleep(0)

    def is_empty(self) -> bool:
        """Whether nothing is remembered of whoever was there."""
        return ({}, Counter(), {}) == (
            self.places._registries,
            self.places._taken_for,
            self.places._turns,
        )


async def test_namespaces_take_turns() -> None:
    """Whoever comes with many images waits behind itself, and not before somebody else."""
    crowd = Crowd(in_all=1)
    many = [f"r/busy/{number}" for number in range(4)]
    others = ["r/calm/1", "s/calm/2", "r/third/1"]
    await crowd.come(*many, *others)
    while len(crowd.order) < 7:
        await crowd.go(crowd.order[-1])

    assert [
        "r/busy/0",
        "r/busy/1",
        "s/calm/2",
        "r/calm/1",
        "r/third/1",
        "r/busy/2",
        "r/busy/3",
    ] == crowd.order


async def test_one_namespace_has_so_many_places_and_no_more() -> None:
    """However many registries its images are in; what it gives back is its own again."""
    crowd = Crowd(in_all=4, of_one_namespace=2)
    await crowd.come("r/busy/1", "s/busy/2", "t/busy/3", "r/calm/1")
    seen = list(crowd.order)
    await crowd.go("s/busy/2")

    assert (["r/busy/1", "s/busy/2", "r/calm/1"], "t/busy/3") == (seen, crowd.order[-1])


async def test_one_registry_has_so_many_places_and_no_more() -> None:
    """Whoever asks for its images, in whatever spelling, others have the rest."""
    crowd = Crowd(in_all=4, of_one_registry=2)
    await crowd.come("slow/a/1", "SLOW/b/1", "slow/c/1", "quick/c/2")

    assert ["slow/a/1", "SLOW/b/1", "quick/c/2"] == crowd.order


async def test_whoever_asks_too_waits_in_its_own_turn() -> None:
    """An image behind a burst does not wait for the burst when another namespace wants it."""
    crowd = Crowd(in_all=1)
    await crowd.come("r/busy/1", "r/busy/2", "r/busy/3", "r/busy/4")
    crowd.places.ask_too("r/busy/4", "calm")
    crowd.places.ask_too("r/busy/4", "calm")
    crowd.places.ask_too("nobody waits for it", "calm")
    while len(crowd.order) < 4:
        await crowd.go(crowd.order[-1])
    await crowd.go(crowd.order[-1])

    assert ["r/busy/1", "r/busy/2", "r/busy/4", "r/busy/3"] == crowd.order
    assert crowd.is_empty()


async def test_whoever_asks_too_may_have_a_place_where_the_first_may_not() -> None:
    """It is taken for the one whose turn it was."""
    crowd = Crowd(of_one_namespace=1)
    await crowd.come("r/busy/1", "r/busy/2")
    crowd.places.ask_too("r/busy/2", "calm")
    await asyncio.sleep(0)
    await crowd.come("r/calm/1")

    assert ["r/busy/1", "r/busy/2"] == crowd.order


async def _while_waiting(crowd: Crowd) -> None:
    """Return while an image waits for a place."""


async def _before_its_turn(crowd: Crowd) -> None:
    """Return in the moment before it is given one."""
    crowd.ends["r/a/1"].set()


async def _after_its_turn(crowd: Crowd) -> None:
    """Return in the moment in which it has been given one, and has not noticed yet."""
    crowd.ends["r/a/1"].set()
    await asyncio.sleep(0)
    assert crowd.places._taken_for == {"b": 1}


@pytest.mark.parametrize("moment", [_while_waiting, _before_its_turn, _after_its_turn])
async def test_who_is_cancelled_takes_no_place_away(
    moment: Callable[[Crowd], Awaitable[None]],
) -> None:
    """Neither while it waits, nor in the moment in which it is given one."""
    crowd = Crowd(in_all=1)
    await crowd.come("r/a/1", "r/b/1", "r/c/1")
    crowd.places.ask_too("r/b/1", "d")
    await moment(crowd)
    await crowd.be_cancelled("r/b/1")
    await crowd.go("r/a/1")
    await crowd.go("r/c/1")

    assert ["r/a/1", "r/c/1"] == crowd.order
    assert crowd.is_empty()
