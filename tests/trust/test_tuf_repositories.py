"""Targets of a real TUF repository: what is current, and nothing that is forged, old or late."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest

from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded, TrustUnavailable
from landwaiter.trust.hosts import HostSettings
from landwaiter.trust.tuf_repositories import (
    REFRESH_SECONDS,
    RETRY_SECONDS,
    TUFRepositories,
)
from landwaiter.trusted_roots import ROOT_MAX_BYTES
from trust.a_tuf_repository import NAME, Repository, a_repository

DAY = 86_400.0


@dataclass
class Clock:
    """The time of day, which a test moves on."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def repository() -> Iterator[Repository]:
    with a_repository() as repository:
        yield repository


def by_http(_host: str) -> HostSettings:
    return HostSettings(plain_http=True)


async def read(repositories: TUFRepositories, repository: Repository) -> bytes:
    return await repositories.content(repository.target(), deadline=Deadline.after(20))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return when a condition holds, which it has to within some seconds."""
    for _ in range(2_000):
        if await condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_a_target_is_read_once_for_all_who_ask(repository: Repository) -> None:
    """What is known is given from memory, and who asks at once waits for one reading."""
    repository.publish(b"one")
    async with TUFRepositories(by_http) as repositories:
        found = await asyncio.gather(*(read(repositories, repository) for _ in range(5)))
        found.append(await read(repositories, repository))

    assert ([b"one"] * 6, 1) == (found, repository.asked.count("/timestamp.json"))


async def test_news_is_used_without_anybody_s_waiting(repository: Repository) -> None:
    """After an hour what is known is refreshed beside the request that gets the old content."""
    clock = Clock()
    repository.publish(b"one")
    async with TUFRepositories(by_http, clock=clock) as repositories:
        await read(repositories, repository)
        repository.publish(b"two")
        clock.ahead = REFRESH_SECONDS - 10
        early = await read(repositories, repository)
        clock.ahead = REFRESH_SECONDS
        repository.held.clear()
        meanwhile = await read(repositories, repository)
        repository.held.set()

        async def is_new() -> bool:
            return await read(repositories, repository) == b"two"

        await until(is_new)

    assert (b"one", b"one") == (early, meanwhile)


async def test_what_cannot_be_refreshed_holds_until_its_repository_says(
    repository: Repository,
) -> None:
    """A mirror that is down stops nobody before the date that the repository gives."""
    clock = Clock()
    repository.publish(b"one", days=7)
    async with TUFRepositories(by_http, clock=clock) as repositories:
        await read(repositories, repository)
        repository.status = 500
        for ahead in (DAY, 6.9 * DAY):
            clock.ahead = ahead
            assert b"one" == await read(repositories, repository)
        clock.ahead = 7.1 * DAY
        with pytest.raises(TrustUnavailable) as fault:
            await read(repositories, repository)

    assert f"{NAME} of the TUF repository {repository.url} cannot be read" in str(fault.value)


async def test_a_repository_that_is_too_old_is_refused(repository: Repository) -> None:
    """Somebody who can only hold back news cannot have old keys trusted for ever."""
    repository.publish(b"one", days=-1)
    async with TUFRepositories(by_http) as repositories:
        with pytest.raises(TrustUnavailable, match="expired"):
            await read(repositories, repository)


async def test_attack_a_repository_of_somebody_else_is_refused(repository: Repository) -> None:
    """What is not signed by the keys of the root is not read, whoever serves it."""
    repository.publish(b"one")
    stranger = Repository()
    async with TUFRepositories(by_http) as repositories:
        with pytest.raises(TrustUnavailable):
            await repositories.content(
                repository.target(root=stranger.root), deadline=Deadline.after(20)
            )


async def test_attack_a_target_that_was_changed_is_refused(repository: Repository) -> None:
    """The content is compared with what the repository has signed."""
    repository.publish(b"one")
    repository.files |= {path: b"two" for path in repository.files if "/targets/" in path}
    async with TUFRepositories(by_http) as repositories:
        with pytest.raises(TrustUnavailable):
            await read(repositories, repository)


@pytest.mark.parametrize("path", ["/timestamp.json", "/targets.json"])
async def test_metadata_without_end_is_left_at_its_limit(repository: Repository, path: str) -> None:
    """What a mirror sends is bounded, signed or not."""
    repository.publish(b"one")
    repository.files[path] = b" " * 3_000_000
    async with TUFRepositories(by_http) as repositories:
        with pytest.raises(TrustUnavailable):
            await read(repositories, repository)


async def test_a_target_that_is_no_root_by_its_size_is_not_fetched(repository: Repository) -> None:
    """A trusted root has some kilobytes."""
    repository.publish(b" " * (ROOT_MAX_BYTES + 1))
    async with TUFRepositories(by_http) as repositories:
        with pytest.raises(TrustUnavailable, match="at most 1048576 are read"):
            await read(repositories, repository)

    assert not any("/targets/" in path for path in repository.asked)


async def test_a_target_that_is_not_there_is_named(repository: Repository) -> None:
    """The name in the policy may be wrong."""
    repository.publish(b"one")
    async with TUFRepositories(by_http) as repositories:
        with pytest.raises(TrustUnavailable, match=r"it has no target 'other\.json'"):
            await repositories.content(repository.target("other.json"), deadline=Deadline.after(20))


async def test_a_redirect_is_not_followed(repository: Repository) -> None:
    """A mirror leads nowhere else."""
    repository.publish(b"one")
    repository.status = 302
    async with TUFRepositories(by_http) as repositories:
        with pytest.raises(TrustUnavailable):
            await read(repositories, repository)


async def test_http_is_only_for_hosts_named_for_it(repository: Repository) -> None:
    """Nothing is asked by HTTP unless the admin says so of the host, with its port."""
    asked: list[str] = []
    repository.publish(b"one")

    def settings(host: str) -> HostSettings:
        asked.append(host)
        return HostSettings()

    async with TUFRepositories(settings) as repositories:
        with pytest.raises(TrustUnavailable):
            await read(repositories, repository)

    assert ([repository.url.removeprefix("http://")], []) == (asked, repository.asked)


async def test_semantics_15_the_deadline_ends_the_wait_but_not_the_work(
    repository: Repository,
) -> None:
    """Whoever asks again finds what was read meanwhile."""
    repository.publish(b"one")
    repository.held.clear()
    async with TUFRepositories(by_http) as repositories:
        with pytest.raises(DeadlineExceeded):
            await repositories.content(repository.target(), deadline=Deadline.after(0.05))
        repository.held.set()
        found = await read(repositories, repository)

    assert (b"one", 1) == (found, repository.asked.count("/timestamp.json"))


async def test_a_fault_is_the_answer_for_a_while(repository: Repository) -> None:
    """A repository that is down is not asked for each Pod, and is asked again by itself."""
    clock = Clock()
    repository.publish(b"one")
    repository.status = 500
    async with TUFRepositories(by_http, clock=clock) as repositories:
        for _ in range(3):
            with pytest.raises(TrustUnavailable):
                await read(repositories, repository)
        asked = len(repository.asked)
        with pytest.raises(TrustUnavailable):
            await read(repositories, repository)
        assert asked == len(repository.asked)

        repository.status, clock.ahead = 200, RETRY_SECONDS
        assert b"one" == await read(repositories, repository)


async def test_closing_ends_the_work(repository: Repository) -> None:
    """Nobody is left waiting when the process ends."""
    repository.publish(b"one")
    repository.held.clear()
    async with TUFRepositories(by_http) as repositories:
        waiting = asyncio.create_task(read(repositories, repository))

        async def has_begun() -> bool:
            return bool(repository.asked)

        await until(has_begun)
    repository.held.set()

    with pytest.raises(asyncio.CancelledError):
        await waiting
