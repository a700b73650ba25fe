"""One key for all replicas, whoever has made it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from landwaiter.errors import ClusterConflict, ClusterUnavailable
from landwaiter.inventory import seal_keeper
from landwaiter.inventory.seal_keeper import ENTRY, SealKeeper
from landwaiter.inventory.sealing import Seal
from tls.test_keeper import Store

A_KEY, ANOTHER = b"a" * 32, b"b" * 32


def a_replica(store: Store) -> tuple[SealKeeper, list[Seal]]:
    taken: list[Seal] = []

    async def take(seal: Seal) -> None:
        taken.append(seal)

    return SealKeeper(store, take), taken


async def test_a_key_that_is_there_is_taken_once() -> None:
    """Looking at it again changes nothing."""
    keeper, taken = a_replica(Store({ENTRY: A_KEY}))
    await keeper.round()
    await keeper.round()

    assert [Seal(A_KEY)] == taken


@pytest.mark.parametrize("entries", [None, {}, {ENTRY: b"short"}, {ENTRY: A_KEY + b"\n"}])
async def test_a_key_that_is_missing_or_none_is_made(entries: dict[str, bytes] | None) -> None:
    """And is kept for the next one."""
    store = Store(entries)
    keeper, taken = a_replica(store)
    await keeper.round()

    assert store.entries is not None
    assert [Seal(store.entries[ENTRY])] == taken


async def test_two_replicas_that_start_at_once_agree() -> None:
    """Who comes second takes what the first one has made."""
    store = Store()
    (one, first), (other, second) = a_replica(store), a_replica(store)
    ends = await asyncio.gather(one.round(), other.round(), return_exceptions=True)
    await other.round()

    assert ([None, ClusterConflict], 1) == (
        [None if each is None else type(each) for each in ends],
        len(first),
    )
    assert first == second


async def test_a_key_that_was_changed_is_taken_over() -> None:
    """Nothing that the one before has sealed is believed then."""
    store = Store({ENTRY: A_KEY})
    keeper, taken = a_replica(store)
    await keeper.round()
    store.put({ENTRY: ANOTHER})
    await keeper.round()

    assert [Seal(A_KEY), Seal(ANOTHER)] == taken


@pytest.mark.parametrize("entries", [{"tls.key": b"k"}, {"tls.key": b"k", ENTRY: A_KEY}])
async def test_a_secret_that_is_for_something_else_is_left_alone(entries: dict[str, bytes]) -> None:
    """Whoever has named the wrong one loses nothing by it, and nothing is sealed by it."""
    store = Store(entries)
    keeper, taken = a_replica(store)
    await keeper.round()

    assert (entries, []) == (store.entries, taken)


async def test_nothing_is_made_while_it_is_not_known_what_is_there() -> None:
    """Else a second key would take the place of a good one."""
    store = Store(unknown="Landwaiter may not list it")
    keeper, taken = a_replica(store)
    await keeper.round()

    assert (None, []) == (store.entries, taken)


@asynccontextmanager
async def running(keeper: SealKeeper) -> AsyncIterator[None]:
    task = asyncio.create_task(keeper.run())
    try:
        async with asyncio.timeout(10):
            yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_tries_again_after_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API server may come back by itself."""
    monkeypatch.setattr(seal_keeper, "LOOK_SECONDS", 0.001)
    store = Store(fault=ClusterUnavailable("down"))
    keeper, taken = a_replica(store)
    async with running(keeper):
        await asyncio.sleep(0)
        store.fault = None
        while not taken:  # noqa: ASYNC110  # Another task takes it.
            await asyncio.sleep(0)

    assert 1 == len(taken)


async def test_it_looks_at_once_when_it_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the next look."""
    monkeypatch.setattr(seal_keeper, "LOOK_SECONDS", 1e3)
    store = Store({ENTRY: A_KEY})
    keeper, taken = a_replica(store)
    async with running(keeper):
        for expected, key in ((1, A_KEY), (2, ANOTHER)):
            store.put({ENTRY: key})
            keeper.wake()
            while len(taken) < expected:  # noqa: ASYNC110  # Another task takes it.
                await asyncio.sleep(0)

    assert [Seal(A_KEY), Seal(ANOTHER)] == taken
