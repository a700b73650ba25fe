"""When the linter looks at the policies of the cluster."""

import asyncio
from collections.abc import Callable

from cluster.beside import beside
from landwaiter.policy.lint_cluster import Linted
from landwaiter.wiring.document_lint import DocumentLinting
from policy.test_document_report import POLICY, states_of


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # Tasks and a thread decide.
            await asyncio.sleep(0.002)


async def test_only_the_replica_that_writes_lints() -> None:
    """One that becomes the writer looks at everything that it knows."""
    found: list[Linted] = []
    leads = [False]
    linting = DocumentLinting(is_leader=lambda: leads[0], found=found.append)
    states = states_of(POLICY)
    async with beside(linting.run()):
        linting.take(states)
        for _ in range(20):
            await asyncio.sleep(0)
        before = len(found)
        leads[0] = True
        linting.begin()
        await until(lambda: len(found) == 1)

    assert 0 == before
    assert [(states[0].document.name, ())] == [
        (name, said.warnings) for name, said in found[0].items()
    ]


async def test_it_rests_as_long_as_it_has_to() -> None:
    """Changes that come meanwhile are looked at together afterwards."""
    found: list[Linted] = []
    rested: list[float] = []
    awake = asyncio.Event()

    async def rest(seconds: float) -> None:
        rested.append(seconds)
        await awake.wait()

    times = iter([100.0, 102.0, 200.0, 200.0])
    linting = DocumentLinting(
        is_leader=lambda: True, found=found.append, clock=lambda: next(times), rest=rest
    )
    async with beside(linting.run()):
        linting.take(states_of(POLICY))
        await until(lambda: len(rested) == 1)
        linting.take(())
        linting.take(states_of(POLICY, generation=2))
        for _ in range(20):
            await asyncio.sleep(0)
        at_rest = len(found)
        awake.set()
        await until(lambda: len(rested) == 2)

    assert 1 == at_rest
    assert [1, 2] == [each.document.generation for said in found for each in said.values()]
    assert [18.0, 0.0] == rested
