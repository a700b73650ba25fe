"""Tags are resolved once at a time, and what takes longer than a request is found by the next."""

import asyncio
from dataclasses import dataclass, field

import pytest

from landwaiter.cluster.state import ClusterState
from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded, LandwaiterError, RegistryUnavailable
from landwaiter.images.reference import ImageReference
from landwaiter.registry.keychain import Keychain
from landwaiter.rules.protocol import CurrentDigest, Inquiry
from landwaiter.wiring import current_digests
from landwaiter.wiring.current_digests import LATE_SECONDS, CurrentDigests
from landwaiter.wiring.keychains import PullSecretReader
from landwaiter.workloads.values import Workload

QUESTION = CurrentDigest(ImageReference.parse("registry.example.com/team/app:1"))
SOON = 20.0


@dataclass
class SlowRegistry:
    """A registry that answers when it is let: another digest each time, or a fault."""

    fault: LandwaiterError | None = None
    begun: int = 0
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def resolve(
        self, reference: ImageReference, *, keychain: Keychain, deadline: Deadline
    ) -> str:
        self.begun += 1
        await self.may_answer.wait()
        asyncio.get_running_loop().call_soon(self.answered.set)
        if self.fault is not None:
            raise self.fault
        return f"sha256:{self.begun:064x}"


def an_inquiry(seconds: float = SOON, *, namespace: str = "shop") -> Inquiry:
    workload = Workload("Pod", namespace, "web", False, {}, "", (), ())  # noqa: FBT003
    return Inquiry(workload, Deadline.after(seconds))


def digests_of(registry: SlowRegistry, *, now: list[float]) -> CurrentDigests:
    return CurrentDigests(registry, PullSecretReader(ClusterState()), clock=lambda: now[0])


async def given_up(digests: CurrentDigests, registry: SlowRegistry) -> None:
    """Ask, give up at the deadline, and let the registry answer only then."""
    with pytest.raises(DeadlineExceeded):
        await digests.answer(QUESTION, an_inquiry(0.01))
    registry.may_answer.set()
    await registry.answered.wait()
    await asyncio.sleep(0)


async def test_semantics_15_a_slow_tag_is_resolved_for_whoever_asks_again() -> None:
    """A registry that is slower than every deadline still comes to an answer."""
    registry = SlowRegistry()
    async with digests_of(registry, now=[0]) as digests:
        await given_up(digests, registry)

        assert (f"sha256:{1:064x}", 1) == (
            await digests.answer(QUESTION, an_inquiry()),
            registry.begun,
        )


async def test_semantics_15_a_hanging_registry_is_found_to_be_at_fault() -> None:
    """Otherwise an image under failurePolicy Ignore would be asked to come back forever."""
    registry = SlowRegistry(RegistryUnavailable("took too long"))
    async with digests_of(registry, now=[0]) as digests:
        await given_up(digests, registry)
        with pytest.raises(RegistryUnavailable) as fault:
            await digests.answer(QUESTION, an_inquiry())

    assert ("took too long", 1) == (str(fault.value), registry.begun)


async def test_a_late_digest_is_used_once_and_not_for_long() -> None:
    """A tag can be moved: what was resolved for one decision is not a memory for others."""
    registry, now = SlowRegistry(), [0.0]
    async with digests_of(registry, now=now) as digests:
        await given_up(digests, registry)
        used = await digests.answer(QUESTION, an_inquiry())
        anew = await digests.answer(QUESTION, an_inquiry())
        again = SlowRegistry()
        digests_again = digests_of(again, now=now)
        await given_up(digests_again, again)
        now[0] += LATE_SECONDS + 1
        expired = await digests_again.answer(QUESTION, an_inquiry())

    assert (f"sha256:{1:064x}", f"sha256:{2:064x}", f"sha256:{2:064x}") == (used, anew, expired)


async def test_the_same_tag_asked_for_at_once_is_resolved_once() -> None:
    """Fifty decisions about one image make one request."""
    registry = SlowRegistry()
    async with digests_of(registry, now=[0]) as digests:
        asking = [asyncio.create_task(digests.answer(QUESTION, an_inquiry())) for _ in range(50)]
        await asyncio.sleep(0)
        registry.may_answer.set()

        assert ([f"sha256:{1:064x}"] * 50, 1) == (await asyncio.gather(*asking), registry.begun)


async def test_a_flood_of_tags_of_one_registry_leaves_room_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever may write Pods can name tags without end in a registry that never answers."""
    monkeypatch.setattr(current_digests, "UNDER_WAY_MAX", 4)
    registry = SlowRegistry()
    hosts = {"slow.example.com", "other.example.com"}
    async with CurrentDigests(
        registry,
        PullSecretReader(ClusterState()),
        lane_of=lambda host: "named" if host not in hosts else "not named",
    ) as digests:

        def asked(name: str) -> CurrentDigest:
            return CurrentDigest(ImageReference.parse(name))

        waiting = [
            asyncio.create_task(digests.answer(asked(f"{host}/a:1"), an_inquiry(namespace=host)))
            for host in sorted(hosts)
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded, match="others wait already"):
            await digests.answer(asked("slow.example.com/b:1"), an_inquiry())
        waiting.append(asyncio.create_task(digests.answer(QUESTION, an_inquiry())))
        await asyncio.sleep(0)
        registry.may_answer.set()

        assert 3 == len(await asyncio.gather(*waiting))


async def test_what_goes_on_is_ended_with_the_server() -> None:
    """Nothing is left behind."""
    registry = SlowRegistry()
    async with digests_of(registry, now=[0]) as digests:
        with pytest.raises(DeadlineExceeded):
            await digests.answer(QUESTION, an_inquiry(0.01))

    assert not [task for task in asyncio.all_tasks() if "_resolved" in repr(task)]
