"""What is tried against a registry, how often, and what comes of it for each Secret."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded, RegistryUnavailable
from landwaiter.images.reference import ImageReference
from landwaiter.registry.access import PullAccess
from landwaiter.registry.credentials import Credential, ImageCoverage
from landwaiter.registry.logins import LoginsPaused
from landwaiter.registry.reading import MAX_CANDIDATES
from landwaiter.rules.pull_secret_answers import (
    CheckAccess,
    NamedSecret,
    PullSecretAnswer,
    PullSecretQuestion,
    SecretState,
)
from landwaiter.wiring.keychains import PullSecretReader
from landwaiter.wiring.pull_secrets import PullSecretStates
from landwaiter.wiring.pull_trials import (
    GRANTED_SECONDS,
    NOT_SHOWN_SECONDS,
    REFUSED_SECONDS,
    PullTrials,
)
from registry.clients import FastClock
from wiring.a_cluster import FakeCluster, an_inquiry, docker_secret

IMAGE = ImageReference.parse("r.example.com/team/app:1")
ANN = Credential("r.example.com", "ann", "pw")
SOON = Deadline.after(60)


@dataclass
class FakeRegistry:
    """Answers by user name, raises what is an exception, and keeps who was tried for what."""

    outcomes: dict[str, PullAccess | Exception] = field(default_factory=dict)
    tried: list[str] = field(default_factory=list)
    owners: set[str] = field(default_factory=set)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.opened.set()

    async def pull_access(
        self, reference: ImageReference, credential: Credential, *, owner: str, deadline: Deadline
    ) -> PullAccess:
        self.owners.add(owner)
        self.tried.append(f"{credential.username} {reference.repository}:{reference.tag}")
        await self.opened.wait()
        outcome = self.outcomes.get(credential.username, PullAccess.GRANTED)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.mark.parametrize(("cached", "times"), [(True, 1), (False, 3)])
async def test_a_success_is_remembered_only_for_who_takes_a_remembered_one(
    cached: bool,  # noqa: FBT001
    times: int,
) -> None:
    """`Cached` asks once for ten minutes and a whole repository, `Always` each time."""
    clock, registry = FastClock(), FakeRegistry()
    async with PullTrials(registry, clock=clock) as trials:
        for image in (IMAGE, IMAGE, replace(IMAGE, tag="2")):
            await trials.outcome(image, ANN, owner="shop", cached=cached, deadline=SOON)
        assert times == len(registry.tried)

        clock.now += GRANTED_SECONDS
        await trials.outcome(IMAGE, ANN, owner="shop", cached=cached, deadline=SOON)
        assert times + 1 == len(registry.tried)


@pytest.mark.parametrize(
    ("outcome", "seconds"),
    [
        (PullAccess.PULL_REFUSED, REFUSED_SECONDS),
        (PullAccess.NOT_SHOWN, NOT_SHOWN_SECONDS),
    ],
)
@pytest.mark.parametrize("cached", [True, False])
async def test_a_refusal_is_remembered_for_a_while(
    outcome: PullAccess,
    seconds: float,
    cached: bool,  # noqa: FBT001
) -> None:
    """Also for who asks anew each time: a registry is not asked again for what it just refused."""
    clock, registry = FastClock(), FakeRegistry({"ann": outcome})
    async with PullTrials(registry, clock=clock) as trials:
        first = [
            await trials.outcome(IMAGE, ANN, owner="shop", cached=cached, deadline=SOON)
            for _ in "ab"
        ]
        registry.outcomes.clear()
        clock.now += seconds
        later = await trials.outcome(IMAGE, ANN, owner="shop", cached=cached, deadline=SOON)

    assert ([outcome, outcome], PullAccess.GRANTED, 2) == (first, later, len(registry.tried))


async def test_a_refusal_is_for_the_repository_and_a_missing_image_for_its_name() -> None:
    """Another repository, another tag of a missing image and another login are asked about."""
    registry = FakeRegistry({"ann": PullAccess.PULL_REFUSED, "bob": PullAccess.NOT_SHOWN})
    bob = replace(ANN, username="bob")
    other, tag = replace(IMAGE, repository="team/other"), replace(IMAGE, tag="2")
    async with PullTrials(registry) as trials:
        for image in (IMAGE, tag, other):
            for login in (ANN, bob):
                await trials.outcome(image, login, owner="shop", cached=True, deadline=SOON)

    assert [
        "ann team/app:1",
        "bob team/app:1",
        "bob team/app:2",
        "ann team/other:1",
        "bob team/other:1",
    ] == registry.tried


async def test_a_revoked_password_ends_what_was_remembered_of_it() -> None:
    """Once somebody who asks anew has found it, nobody takes the old success for one."""
    registry = FakeRegistry()
    async with PullTrials(registry) as trials:
        await trials.outcome(IMAGE, ANN, owner="shop", cached=True, deadline=SOON)
        registry.outcomes["ann"] = PullAccess.LOGIN_REFUSED
        await trials.outcome(IMAGE, ANN, owner="shop", cached=False, deadline=SOON)

        assert PullAccess.LOGIN_REFUSED == await trials.outcome(
            IMAGE, ANN, owner="shop", cached=True, deadline=SOON
        )


async def test_a_fault_is_raised_and_not_remembered() -> None:
    """A 5xx says nothing, and the next may be answered."""
    registry = FakeRegistry({"ann": RegistryUnavailable("503")})
    async with PullTrials(registry) as trials:
        with pytest.raises(RegistryUnavailable, match="503"):
            await trials.outcome(IMAGE, ANN, owner="shop", cached=True, deadline=SOON)
        registry.outcomes.clear()

        assert PullAccess.GRANTED == await trials.outcome(
            IMAGE, ANN, owner="shop", cached=True, deadline=SOON
        )


async def test_each_namespace_has_a_trial_of_its_own_under_way() -> None:
    """One whose logins are paused says nothing to another that asks for the same at once."""
    registry = FakeRegistry()
    registry.opened.clear()
    async with PullTrials(registry) as trials:
        waiting = [
            asyncio.create_task(trials.outcome(IMAGE, ANN, owner=owner, cached=True, deadline=SOON))
            for owner in ("shop", "shop", "other")
        ]
        await asyncio.sleep(0)
        registry.opened.set()
        await asyncio.gather(*waiting)

    assert ({"shop", "other"}, 2) == (registry.owners, len(registry.tried))


async def test_semantics_15_a_late_answer_is_there_for_who_asks_again() -> None:
    """A slow registry is asked once, though nobody waited for it to the end."""
    registry = FakeRegistry()
    registry.opened.clear()
    async with PullTrials(registry) as trials:
        with pytest.raises(DeadlineExceeded):
            await trials.outcome(IMAGE, ANN, owner="shop", cached=False, deadline=Deadline.after(0))
        waiting = asyncio.create_task(
            trials.outcome(IMAGE, ANN, owner="shop", cached=False, deadline=SOON)
        )
        await asyncio.sleep(0)
        registry.opened.set()

        assert (PullAccess.GRANTED, 1) == (await waiting, len(registry.tried))


def a_cluster() -> FakeCluster:
    """Return one with a Secret of ann for a path, and one of bob for the host."""
    cluster = FakeCluster()
    cluster.add_secret(docker_secret("bobs", "r.example.com", user="bob"))
    cluster.add_secret(docker_secret("anns", "r.example.com/team"))
    return cluster


async def answer(
    registry: FakeRegistry,
    *names: str,
    cluster: FakeCluster | None = None,
    check: CheckAccess = "Always",
    trusted: bool = True,
    nodes: bool = False,
) -> PullSecretAnswer:
    async with PullTrials(registry) as trials:
        states = PullSecretStates(
            PullSecretReader(cluster or a_cluster()),
            of_nodes=ImageCoverage(("r.example.com",) if nodes else ()),
            trials=trials,
        )
        question = PullSecretQuestion(IMAGE, node_credentials=nodes, check_access=check)
        return await states.answer(question, an_inquiry(*names, trusted=trusted))


async def test_entries_are_tried_in_the_order_of_the_kubelet_until_one_is_let_in() -> None:
    """The longer path comes first, whichever Secret it is in, and one success is enough."""
    registry = FakeRegistry({"ann": PullAccess.PULL_REFUSED})
    found = await answer(registry, "bobs", "anns")

    assert (
        (NamedSecret("bobs", SecretState.USABLE), NamedSecret("anns", SecretState.USABLE)),
        ["ann team/app:1", "bob team/app:1"],
        {"shop"},
    ) == (found.secrets, registry.tried, registry.owners)


async def test_where_all_fail_each_secret_is_told_apart() -> None:
    """Each state is what came of its own entries, read anew before that is said."""
    registry = FakeRegistry({"ann": PullAccess.LOGIN_REFUSED, "bob": PullAccess.PULL_REFUSED})
    cluster = a_cluster()
    found = await answer(registry, "bobs", "gone", "anns", cluster=cluster)

    assert (
        NamedSecret("bobs", SecretState.PULL_REFUSED),
        NamedSecret("gone", SecretState.MISSING),
        NamedSecret("anns", SecretState.LOGIN_REFUSED),
    ) == found.secrets
    assert 3 == sum(asked.endswith("fresh") for asked in cluster.asked)


async def test_a_password_that_was_mended_a_moment_ago_is_tried() -> None:
    """What memory holds is refused, so the Secret is read anew and what it holds now is tried."""
    cluster = a_cluster()
    cluster.remembered["shop/bobs"] = docker_secret("bobs", "r.example.com", user="old")
    registry = FakeRegistry({"old": PullAccess.LOGIN_REFUSED})

    assert (NamedSecret("bobs", SecretState.USABLE),) == (
        await answer(registry, "bobs", cluster=cluster)
    ).secrets


@pytest.mark.parametrize(
    ("names", "check", "nodes"),
    [
        (("bobs",), "Never", False),
        (("bobs",), "Always", True),
        (("gone",), "Always", False),
    ],
)
async def test_nothing_is_tried_where_it_changes_nothing(
    names: tuple[str, ...],
    check: CheckAccess,
    nodes: bool,  # noqa: FBT001
) -> None:
    """Not without `checkAccess`, beside credentials of nodes, nor where no Secret is usable."""
    registry = FakeRegistry({"bob": PullAccess.LOGIN_REFUSED})

    await answer(registry, *names, check=check, nodes=nodes)

    assert [] == registry.tried


@pytest.mark.parametrize("fault", [RegistryUnavailable("503"), LoginsPaused("paused")])
async def test_an_entry_that_cannot_be_tried_leaves_it_undecided(fault: Exception) -> None:
    """Only where all candidates fail is anything refused."""
    registry = FakeRegistry({"ann": PullAccess.PULL_REFUSED, "bob": fault})

    with pytest.raises(type(fault)):
        await answer(registry, "bobs", "anns")


async def test_beside_a_paused_login_another_may_be_let_in() -> None:
    """That one user's logins are paused keeps nobody from another's."""
    registry = FakeRegistry({"ann": LoginsPaused("paused")})

    assert SecretState.USABLE in {s.state for s in (await answer(registry, "bobs", "anns")).secrets}


async def test_semantics_20_nothing_is_tried_for_anybody() -> None:
    """Whoever can post reviews must not have passwords tried."""
    registry = FakeRegistry()

    with pytest.raises(RegistryUnavailable, match="--client-ca"):
        await answer(registry, "bobs", trusted=False)
    assert [] == registry.tried


async def test_more_entries_than_are_tried_leave_it_undecided() -> None:
    """The kubelet would go on, and so nothing is said of those that were not tried."""
    users = [f"user{number}" for number in range(MAX_CANDIDATES + 1)]
    cluster = FakeCluster()
    for user in users:
        cluster.add_secret(docker_secret(user, "r.example.com", user=user))
    registry = FakeRegistry(dict.fromkeys(users, PullAccess.PULL_REFUSED))

    with pytest.raises(RegistryUnavailable, match="17 entries match"):
        await answer(registry, *users, cluster=cluster)
    assert [f"{user} team/app:1" for user in users[:MAX_CANDIDATES]] == registry.tried
