"""What was attested before admits an image while finding out is impossible, until it is too old."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from cosign.fakes import a_key
from inventory.kept import KeptInMemory
from landwaiter.cel.expressions import compile_expression
from landwaiter.images.reference import ImageReference
from landwaiter.inventory.ledger import Ledger
from landwaiter.policy.matching import Policy
from landwaiter.rules.attestations import Attestations, RequiredAttestation
from landwaiter.rules.requirement import Requirement
from landwaiter.rules.signing_authority import SigningAuthority
from landwaiter.rules.statement_conditions import VARIABLES, Conditions, PredicateCondition
from landwaiter.rules.verdict import Decision
from policy.builders import a_policy
from registry.fake_registry import answer
from wiring.an_outside import Outside, another_process, outside
from wiring.signed_images import attest, unsigned
from wiring.test_attestations import HOUR, NOW, SLSA, STAMPED, a_review

ADMITTED, UNDECIDED = Decision.ALLOW, Decision.UNDECIDED
DAY = 86_400


@dataclass
class Install:
    """A world at a time, a process in it that has verified, and what it has kept."""

    world: Outside
    folder: Path
    kept: KeptInMemory = field(default_factory=KeptInMemory)
    seconds: float = NOW

    def now(self) -> float:
        return self.seconds

    async def judged(
        self, image: ImageReference, policy: Policy, *, memory: bool = False
    ) -> Decision:
        """Return what a new process decides, with the memory of the first one if that is wanted."""
        self.world.policies[:] = [policy]
        ledger = self.world.ledger if memory else Ledger(self.kept, clock=self.now)
        async with another_process(self.world, self.folder, ledger) as process:
            process.clock.seconds = self.seconds
            return (await process.judged(str(image))).decision


@pytest.fixture
async def install(tmp_path: Path) -> AsyncIterator[Install]:
    installs: list[Install] = []
    kept = KeptInMemory(now=lambda: installs[0].seconds)
    ledger = Ledger(kept, clock=lambda: installs[0].seconds)
    async with outside(tmp_path, ledger=ledger) as world:
        installs.append(Install(world, tmp_path, kept))
        world.clock.seconds = NOW
        yield installs[0]


def wanting(
    *,
    authority: SigningAuthority = STAMPED,
    predicate_type: str = SLSA,
    at_least: int = 1,
    max_age_hours: int | None = None,
    expressions: Sequence[str] = (),
) -> Policy:
    predicate = tuple(
        PredicateCondition(text, compile_expression(text, VARIABLES)) for text in expressions
    )
    required = RequiredAttestation(
        predicate_type,
        (authority,),
        Requirement((authority.name,)),
        Conditions(max_age_hours, predicate),
        at_least,
    )
    rule = Attestations((required,))
    return replace(a_policy(), rules=(rule,), stale_within_seconds=2 * DAY)


async def attested(install: Install, policy: Policy) -> ImageReference:
    """Return an image that was attested 20 and 5 hours ago, and verified; the registry is gone."""
    image = unsigned(install.world.registry)
    reviews = [a_review(image, hours, at=NOW - hours * HOUR) for hours in (20, 5)]
    attest(install.world.registry, image, *reviews)
    install.world.policies[:] = [policy]
    assert ADMITTED is (await install.world.judged(str(image))).decision
    install.world.registry.on("", answer(503))
    return image


async def test_what_was_attested_before_is_admitted_while_the_registry_is_down(
    install: Install,
) -> None:
    """It is kept with the type of what was attested."""
    image = await attested(install, wanting())

    assert ADMITTED is await install.judged(image, wanting())
    assert [SLSA] == [each.evidence for each in install.kept.successes.values()]


@pytest.mark.parametrize(
    "changed",
    [
        wanting(authority=replace(STAMPED, signers=a_key(2))),
        wanting(predicate_type="https://example.com/other"),
        wanting(at_least=2),
        wanting(max_age_hours=30),
        wanting(expressions=["predicate.number > 0"]),
    ],
    ids=["key", "type", "number", "age", "expression"],
)
async def test_semantics_21_what_asks_for_something_else_is_not_answered(
    install: Install, changed: Policy
) -> None:
    """More may be wanted than was found then."""
    image = await attested(install, wanting())

    assert UNDECIDED is await install.judged(image, changed)


@pytest.mark.parametrize("memory", [False, True], ids=["kept", "remembered"])
async def test_what_has_grown_too_old_meanwhile_is_not_admitted(
    install: Install, *, memory: bool
) -> None:
    """The policy's age counts, and the oldest attestation of which it is the age."""
    policy = wanting(max_age_hours=24)
    image = await attested(install, policy)
    decisions = []
    for hours in (3.9, 4.1):
        install.seconds = NOW + hours * HOUR
        decisions.append(await install.judged(image, policy, memory=memory))

    assert [ADMITTED, UNDECIDED] == decisions
