"""What was verified before admits an image while finding out is impossible, and nothing more."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from cosign.fakes import a_key
from inventory.kept import KeptInMemory
from landwaiter.images.reference import ImageReference
from landwaiter.inventory.ledger import Ledger
from landwaiter.policy.matching import Policy
from landwaiter.public_keys import KMSReference, PublicKey
from landwaiter.rules.cosign_signatures import CosignSignatures, Covers
from landwaiter.rules.protocol import Unpinned
from landwaiter.rules.requirement import Requirement
from landwaiter.rules.signing_authority import SigningAuthority
from landwaiter.rules.verdict import Action, Decision, FailurePolicy, Verdict
from policy.builders import a_policy
from registry.fake_registry import answer
from wiring.an_outside import Outside, another_process, outside
from wiring.signed_images import REPOSITORY, index_of, signed, unsigned

DAY, HOUR = 86_400, 3_600
ADMITTED, UNDECIDED, REFUSED = Decision.ALLOW, Decision.UNDECIDED, Decision.DENY
DOWN = answer(503)


@dataclass
class Install:
    """A world, a process in it that has verified, and those that come after it."""

    world: Outside
    folder: Path
    kept: KeptInMemory = field(default_factory=KeptInMemory)
    seconds: float = field(default_factory=time.time)

    def now(self) -> float:
        return self.seconds

    def ledger(self) -> Ledger:
        return Ledger(self.kept, clock=self.now)

    def restarted(self) -> AbstractAsyncContextManager[Outside]:
        """Give a process that has only what is kept."""
        return another_process(self.world, self.folder, self.ledger())

    def stop_the_registry(self) -> None:
        self.world.registry.on("", DOWN)


@pytest.fixture
async def install(tmp_path: Path) -> AsyncIterator[Install]:
    kept, seconds = KeptInMemory(), time.time()
    install: list[Install] = []
    ledger = Ledger(kept, clock=lambda: install[0].seconds)
    async with outside(tmp_path, ledger=ledger) as world:
        install.append(Install(world, tmp_path, kept, seconds))
        yield install[0]


def wanting(
    *keys: PublicKey | KMSReference,
    stale: int | None = DAY,
    covers: Covers = "Index",
    threshold: int = 1,
    unpinned: Unpinned = "Deny",
    annotations: tuple[tuple[str, str], ...] = (),
    actions: tuple[Action, ...] = (Action.DENY,),
    failure_policy: FailurePolicy = FailurePolicy.FAIL,
) -> Policy:
    authorities = tuple(
        SigningAuthority(f"by{number}", key, annotations=annotations)
        for number, key in enumerate(keys or (a_key(),))
    )
    names = tuple(each.name for each in authorities)
    rule = CosignSignatures(authorities, Requirement(names, threshold=threshold), unpinned, covers)
    policy = a_policy(actions=actions, failure_policy=failure_policy)
    return replace(policy, rules=(rule,), stale_within_seconds=stale)


async def after_an_outage(
    install: Install,
    image: ImageReference,
    *,
    before: Policy,
    after: Policy,
    text: str | None = None,
    hours: float = 3,
) -> Verdict:
    """Return what a new process says without a registry, so long after the image was verified."""
    install.world.policies[:] = [before]
    assert ADMITTED is (await install.world.judged(str(image))).decision
    install.stop_the_registry()
    install.seconds += hours * HOUR
    install.world.policies[:] = [after]
    async with install.restarted() as process:
        return await process.judged(text or str(image))


async def test_semantics_21_what_was_verified_before_is_admitted_while_the_registry_is_down(
    install: Install,
) -> None:
    """The finding stays, and tells how long ago that was."""
    image = signed(install.world.registry, a_key())

    verdict = await after_an_outage(install, image, before=wanting(), after=wanting())
    (finding,) = verdict.findings

    assert (ADMITTED, True) == (verdict.decision, finding.stale_seconds in range(10_790, 10_810))


@pytest.mark.parametrize(("hours", "decision"), [(23.9, ADMITTED), (24.1, UNDECIDED)])
async def test_the_age_is_counted_from_the_last_success(
    install: Install, hours: float, decision: Decision
) -> None:
    """Within the policy's time it counts, and not a moment longer."""
    image = signed(install.world.registry, a_key())

    verdict = await after_an_outage(install, image, before=wanting(), after=wanting(), hours=hours)

    assert decision is verdict.decision


@pytest.mark.parametrize(
    "changed",
    [
        wanting(stale=None),
        wanting(a_key(2)),
        wanting(covers="Platforms"),
        wanting(annotations=(("team", "web"),)),
        wanting(a_key(), a_key(2), threshold=2),
        wanting(KMSReference.parse("awskms:///alias/key")),
    ],
    ids=["off", "key", "platforms", "annotations", "one more", "a KMS that does not answer"],
)
async def test_semantics_21_a_changed_policy_never_meets_what_was_verified_before(
    install: Install, changed: Policy
) -> None:
    """Whatever shapes a verification is part of what it was verified under."""
    image = signed(install.world.registry, a_key())

    verdict = await after_an_outage(install, image, before=wanting(), after=changed)

    assert UNDECIDED is verdict.decision


async def test_another_name_of_the_authority_changes_nothing(install: Install) -> None:
    """One more key that may sign instead is no other key for the first one."""
    image = signed(install.world.registry, a_key())

    verdict = await after_an_outage(
        install, image, before=wanting(), after=wanting(a_key(2), a_key())
    )

    assert ADMITTED is verdict.decision


async def test_a_reference_without_digest_is_not_admitted_by_what_was_verified(
    install: Install,
) -> None:
    """Neither where the tag cannot be resolved, nor where only the signature cannot be read."""
    image = signed(install.world.registry, a_key())
    policy = wanting(unpinned="Warn")
    tagged = f"{image.name}:1"
    install.world.policies[:] = [policy]
    await install.world.judged(str(image))
    decisions = []
    install.world.registry.on("/referrers/", DOWN)
    install.world.registry.on(".sig", DOWN)
    for text in (str(image), tagged):
        async with install.restarted() as process:
            decisions.append((await process.judged(text)).decision)
    install.stop_the_registry()
    async with install.restarted() as process:
        decisions.append((await process.judged(tagged)).decision)

    assert [ADMITTED, UNDECIDED, UNDECIDED] == decisions


async def test_another_digest_or_repository_is_not_admitted(install: Install) -> None:
    """What was verified is one image at one place."""
    image = signed(install.world.registry, a_key())
    other = unsigned(install.world.registry, note="other")
    elsewhere = str(image).replace(REPOSITORY, f"{REPOSITORY}-evil")

    for text in (str(other), elsewhere):
        verdict = await after_an_outage(
            install, image, before=wanting(), after=wanting(), text=text
        )
        assert UNDECIDED is verdict.decision
        install.world.registry._hooks.clear()


async def test_a_refusal_is_never_turned_into_an_admission(install: Install) -> None:
    """Whoever took the signature away is heard, and what was verified before is forgotten."""
    registry = install.world.registry
    image = signed(registry, a_key())
    install.world.policies[:] = [wanting()]
    await install.world.judged(str(image))
    hooks: list[Callable[[], None]] = [
        lambda: registry.on(".sig", answer(404)),
        lambda: registry.on("", DOWN),
    ]
    decisions = []
    for change in hooks:
        change()
        registry._hooks.reverse()
        async with install.restarted() as process:
            decisions.append((await process.judged(str(image))).decision)

    assert ([REFUSED, UNDECIDED], {}) == (decisions, install.kept.successes)


async def test_attack_a_refusal_by_a_dry_run_is_none_to_get_over(install: Install) -> None:
    """It removes nothing that is kept, but this process knows what it has seen."""
    registry = install.world.registry
    image = signed(registry, a_key())
    install.world.policies[:] = [wanting()]
    await install.world.judged(str(image))
    install.seconds += 60
    decisions = []
    async with install.restarted() as process:
        registry.on(".sig", answer(404))
        decisions.append((await process.judged(str(image), dry_run=True)).decision)
        ledger = process.ledger
    registry._hooks.clear()
    install.stop_the_registry()
    async with another_process(install.world, install.folder, ledger) as with_its_memory:
        decisions.append((await with_its_memory.judged(str(image))).decision)

    assert ([REFUSED, UNDECIDED], 1) == (decisions, len(install.kept.successes))


async def test_an_index_is_admitted_for_all_that_was_verified_in_it(install: Install) -> None:
    """What it lists cannot be read either."""
    image = signed(install.world.registry, a_key())
    index = index_of(install.world.registry, image)
    policy = wanting(covers="Platforms")

    verdict = await after_an_outage(install, index, before=policy, after=policy)

    assert ADMITTED is verdict.decision


@pytest.mark.parametrize(("dry_run", "trusted"), [(True, True), (False, False)])
async def test_semantics_19_and_20_nothing_is_kept_of_a_dry_run_or_for_anybody(
    install: Install, *, dry_run: bool, trusted: bool
) -> None:
    """The next request that is neither keeps what is remembered already."""
    image = signed(install.world.registry, a_key())
    install.world.policies[:] = [wanting()]

    await install.world.judged(str(image), dry_run=dry_run, trusted=trusted)
    before = dict(install.kept.successes)
    for _ in range(2):
        await install.world.judged(str(image))

    assert ({}, 1, 1) == (before, len(install.kept.successes), install.kept.offered)


async def test_what_is_admitted_so_is_no_success(install: Install) -> None:
    """An outage does not prolong itself."""
    image = signed(install.world.registry, a_key())
    await after_an_outage(install, image, before=wanting(), after=wanting(), hours=20)
    install.seconds += 20 * HOUR
    async with install.restarted() as process:
        verdict = await process.judged(str(image))

    assert (UNDECIDED, 1) == (verdict.decision, install.kept.offered)


async def test_a_success_from_memory_is_as_old_as_what_was_found_out(install: Install) -> None:
    """It is told again for hours, and stays the success that it was."""
    image = signed(install.world.registry, a_key())
    install.world.policies[:] = [wanting()]
    await install.world.judged(str(image))
    (first,) = install.kept.successes.values()
    await install.world.judged(str(image))
    (second,) = install.kept.successes.values()

    assert (first, 1) == (second, install.kept.offered)


async def test_without_anything_kept_the_memory_of_the_process_counts(install: Install) -> None:
    """It outlives what is remembered of signatures themselves."""
    image = signed(install.world.registry, a_key())
    install.world.policies[:] = [wanting()]
    await install.world.judged(str(image))
    install.kept.successes.clear()
    install.stop_the_registry()
    async with another_process(
        install.world, install.folder, install.world.ledger
    ) as with_its_memory:
        verdict = await with_its_memory.judged(str(image))

    assert ADMITTED is verdict.decision


async def test_work_that_goes_on_is_not_waited_for(install: Install) -> None:
    """A registry that never answers is an outage too; and `Ignore` lets nothing through for it."""
    image = signed(install.world.registry, a_key())
    policy = wanting(failure_policy=FailurePolicy.IGNORE)
    install.world.policies[:] = [policy]
    await install.world.judged(str(image))

    async def never(_request: object) -> None:
        await install.world.registry.until_ended()

    install.world.registry.on("", never)  # type: ignore[arg-type]  # It gives no answer.
    other = unsigned(install.world.registry, note="other")
    async with install.restarted() as process:
        decisions = [
            (await process.judged(str(each), seconds=0.5)).decision for each in (image, other)
        ]

    assert [ADMITTED, UNDECIDED] == decisions
