"""Each fault of each request of a TUF repository, one at a time: the true content, or none."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from landwaiter.deadline import Deadline
from landwaiter.errors import TrustUnavailable
from landwaiter.trust.hosts import HostSettings
from landwaiter.trust.tuf_repositories import REFRESH_SECONDS, TUFRepositories
from trust.a_tuf_repository import FAULTS, NAME, Repository, a_repository

STATUSES = ("401", "403", "404", "429", "500")
NEXT_ROOT = "/2.root.json"
REQUESTS = (NEXT_ROOT, "/timestamp.json", "/snapshot.json", "/targets.json", f"/targets/{NAME}")
NO_NEWER_ROOT = {(NEXT_ROOT, "403"), (NEXT_ROOT, "404")}
"""How a repository says that the root is the last one."""

each_request = pytest.mark.parametrize("path", REQUESTS)


async def found(repositories: TUFRepositories, repository: Repository) -> bytes | None:
    """Return the content, None where it is not to be had."""
    try:
        return await repositories.content(repository.target(), deadline=Deadline.after(20))
    except TrustUnavailable:
        return None


async def by_fault(
    path: str, reading: Callable[[Repository, str], Awaitable[bytes | None]]
) -> dict[str, bytes | None]:
    """Return what comes of a reading under each fault of one request."""

    async def tried(fault: str) -> bytes | None:
        with a_repository() as repository:
            repository.publish(b"true")
            repository.spoilt = path
            content = await reading(repository, fault)
            assert path in repository.asked
            return content

    faults = (*STATUSES, *FAULTS)
    contents = await asyncio.gather(*map(tried, faults))
    return dict(zip(faults, contents, strict=True))


async def test_without_a_fault_each_request_has_its_row() -> None:
    """What a refresh asks for is all there is to fail."""
    with a_repository() as repository:
        repository.publish(b"true")
        async with TUFRepositories(lambda _: HostSettings(plain_http=True)) as repositories:
            content = await found(repositories, repository)

    assert (b"true", list(REQUESTS)) == (content, repository.asked)


@each_request
async def test_a_fault_at_the_first_reading_gives_no_content(path: str) -> None:
    """Nothing is trusted then that would not be trusted without the fault."""

    async def first(repository: Repository, fault: str) -> bytes | None:
        repository.fault = fault
        async with TUFRepositories(lambda _: HostSettings(plain_http=True)) as repositories:
            return await found(repositories, repository)

    assert {
        fault: b"true" if (path, fault) in NO_NEWER_ROOT else None for fault in (*STATUSES, *FAULTS)
    } == await by_fault(path, first)


@each_request
async def test_a_fault_at_a_refresh_leaves_what_is_known(path: str) -> None:
    """Until its repository's date; what is new counts when all of it has come."""

    async def second(repository: Repository, fault: str) -> bytes | None:
        ahead = 0.0
        repository.spoilt, spoilt = "", repository.spoilt
        async with TUFRepositories(
            lambda _: HostSettings(plain_http=True), clock=lambda: time.time() + ahead
        ) as repositories:
            await found(repositories, repository)
            repository.publish(b"new")
            repository.fault, repository.spoilt = fault, spoilt
            ahead = REFRESH_SECONDS
            await found(repositories, repository)
            await repositories._tasks[repository.target()]
            return await found(repositories, repository)

    assert {
        fault: b"new" if (path, fault) in NO_NEWER_ROOT else b"true"
        for fault in (*STATUSES, *FAULTS)
    } == await by_fault(path, second)
