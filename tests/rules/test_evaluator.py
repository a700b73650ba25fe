"""How the findings of several rules about several images come together."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest

from landwaiter.deadline import Deadline
from landwaiter.errors import AccessDenied, ContentMissing, RegistryUnavailable
from landwaiter.images.reference import ImageReference
from landwaiter.rules.charge import Charge, RuleInForce
from landwaiter.rules.evaluator import USES_A_TURN, evaluate
from landwaiter.rules.protocol import (
    Answer,
    CurrentDigest,
    Facts,
    FactSource,
    Inquiry,
    Question,
    Rule,
    RuleId,
    Undecided,
    Unpinned,
    Violation,
)
from landwaiter.rules.verdict import Action, Decision, FailurePolicy, Finding, UseVerdict, Verdict
from landwaiter.rules.verified_before import Earlier
from landwaiter.workloads.values import ImagePlace, ImageUse, UnreadableUse, Workload

A_DIGEST = "sha256:" + "a" * 64
DENY = frozenset({Action.DENY})
WARN = frozenset({Action.WARN})


@dataclass(frozen=True)
class Colour(Question[str]):
    reference: ImageReference


@dataclass
class Answers:
    """A fact source that answers from a table and remembers what it was asked."""

    table: dict[type[Question[Any]], object | Exception] = field(default_factory=dict)
    asked: list[Question[Any]] = field(default_factory=list)

    async def answer(self, question: Question[Answer], inquiry: Inquiry) -> Answer:
        self.asked.append(question)
        found = self.table[type(question)]
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[return-value]  # The table is typed by its tests.


@dataclass(frozen=True)
class PureRule:
    """Refuses images whose repository ends with a word."""

    id: ClassVar[RuleId] = RuleId("pure")
    reads: ClassVar[frozenset[str]] = frozenset()
    judges_content: ClassVar[bool] = False
    vouches_for_registry: ClassVar[bool] = False
    unpinned: Unpinned = "Deny"
    refused: str = "bad"
    digest_helps: bool = False

    def needs(self, use: ImageUse) -> tuple[Question[Any], ...]:
        return ()

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided | None:
        if not use.reference.repository.endswith(self.refused):
            return None
        return Violation(self.id, "refused", "seen", "mend it", self.digest_helps)


class HostsRule(PureRule):
    """Vouches for the registry of every image that it does not refuse."""

    id: ClassVar[RuleId] = RuleId("hosts")
    vouches_for_registry: ClassVar[bool] = True


@dataclass(frozen=True)
class AskingRule:
    """Refuses images whose colour is red."""

    id: ClassVar[RuleId] = RuleId("asking")
    reads: ClassVar[frozenset[str]] = frozenset()
    judges_content: ClassVar[bool] = False
    vouches_for_registry: ClassVar[bool] = False
    unpinned: Unpinned = "Deny"

    def needs(self, use: ImageUse) -> tuple[Question[Any], ...]:
        return (Colour(use.reference),)

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided | None:
        colour = facts.about(Colour(use.reference))
        if isinstance(colour, Undecided):
            return colour
        return Violation(self.id, "red", "it is red", "paint it") if colour == "red" else None


class ContentRule(AskingRule):
    """Judges the colour of the content behind a digest."""

    judges_content: ClassVar[bool] = True


def a_use(text: str) -> ImageUse:
    return ImageUse(ImagePlace("spec.containers[0].image", "app", text), ImageReference.parse(text))


def in_force(
    rule: Rule,
    *,
    policy: str = "p",
    actions: frozenset[Action] = DENY,
    failure_policy: FailurePolicy = FailurePolicy.FAIL,
    reported: bool = True,
) -> RuleInForce:
    return RuleInForce(policy, actions, failure_policy, rule, reported)


def an_inquiry(seconds: float = 5) -> Inquiry:
    workload = Workload(
        kind="Pod",
        namespace="shop",
        name="web",
        is_template=False,
        labels={},
        service_account="",
        pull_secrets=(),
        uses=(),
    )
    return Inquiry(workload, Deadline.after(seconds))


async def judged(
    use: ImageUse | UnreadableUse,
    *rules: RuleInForce,
    source: FactSource | None = None,
    seconds: float = 5,
) -> UseVerdict:
    charges = [Charge(use, rules)]
    (verdict,) = await evaluate(charges, source or Answers(), an_inquiry(seconds))
    return verdict


async def test_an_image_that_no_rule_refuses_has_no_findings() -> None:
    """An image that every rule admits is admitted."""
    use = a_use("registry.example.com/good")

    assert UseVerdict(use) == await judged(use, in_force(PureRule()))


async def test_semantics_01_an_unreadable_image_is_refused_once_by_each_policy() -> None:
    """A name that does not parse is refused by every policy in force, whatever its rules."""
    use = UnreadableUse(ImagePlace("spec.containers[0].image", "app", "a b"), "a space")
    rules = [
        in_force(PureRule(), policy="one"),
        in_force(AskingRule(), policy="one"),
        in_force(PureRule(), policy="two", actions=WARN),
    ]

    verdict = await judged(use, *rules)

    assert [(f.policy, f.actions) for f in verdict.findings] == [("one", DENY), ("two", WARN)]
    assert {"imageReference"} == {finding.rule for finding in verdict.findings}


async def test_semantics_10_what_deny_refuses_is_not_looked_up() -> None:
    """After a pure refusal no question goes out, and the rule left out is named."""
    source = Answers({Colour: "red"})
    use = a_use("registry.example.com/bad")

    verdict = await judged(use, in_force(AskingRule()), in_force(PureRule()), source=source)

    assert source.asked == []
    assert verdict.not_checked == ("asking",)
    assert [finding.rule for finding in verdict.findings] == ["pure"]


async def test_semantics_10_a_warning_skips_nothing() -> None:
    """A finding that only warns leaves the other rules to be asked."""
    source = Answers({Colour: "red"})
    use = a_use("registry.example.com/bad")

    verdict = await judged(
        use, in_force(PureRule(), actions=WARN), in_force(AskingRule()), source=source
    )

    assert [finding.rule for finding in verdict.findings] == ["pure", "asking"]
    assert verdict.not_checked == ()


async def test_semantics_10_a_gate_spares_lookups_and_is_not_reported() -> None:
    """A Deny policy that is answered on the other path still stops lookups on this one."""
    source = Answers({Colour: "red"})
    use = a_use("registry.example.com/bad")

    verdict = await judged(
        use,
        in_force(PureRule(), policy="denies", reported=False),
        in_force(AskingRule(), policy="warns", actions=WARN),
        source=source,
    )

    assert UseVerdict(use, not_checked=(RuleId("asking"),)) == verdict
    assert source.asked == []


class HarshRule(AskingRule):
    """Refuses whatever it cannot find out, as no rule should."""

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided | None:
        outcome = super().judge(use, facts)
        unknown = isinstance(outcome, Undecided)
        return Violation(self.id, "unknown", "nobody knows", "ask again") if unknown else outcome


class EverythingVerified:
    """An inventory in which everything is green."""

    def earlier(self, question: Question[Answer], inquiry: Inquiry) -> Earlier[Answer] | None:
        return Earlier("green", 5.0)  # type: ignore[arg-type]  # As the question wants it.


@pytest.mark.parametrize(("rule", "stale"), [(AskingRule(), 5), (HarshRule(), None)])
async def test_semantics_21_what_was_verified_before_is_no_answer_to_a_violation(
    rule: Rule, stale: int | None
) -> None:
    """Only what is left undecided is looked up."""
    use = a_use(f"registry.example.com/app@{A_DIGEST}")
    allowing = replace(in_force(rule), stale_within_seconds=10)
    source = Answers({Colour: RegistryUnavailable("503")})
    (verdict,) = await evaluate(
        [Charge(use, (allowing,))], source, an_inquiry(), EverythingVerified()
    )

    assert [stale] == [finding.stale_seconds for finding in verdict.findings]


async def test_semantics_09_a_tag_is_resolved_once_for_all_rules() -> None:
    """Two content rules are asked about one and the same digest, found out once."""
    source = Answers({CurrentDigest: A_DIGEST, Colour: "green"})
    use = a_use("registry.example.com/app:1")
    rules = [in_force(ContentRule(), policy=name) for name in ("one", "two")]

    await judged(use, *rules, source=source)

    pinned = ImageReference.parse(f"registry.example.com/app:1@{A_DIGEST}")
    assert [CurrentDigest(use.reference), Colour(pinned)] == source.asked


async def test_semantics_09_a_good_image_without_digest_is_refused_with_the_digest() -> None:
    """The kubelet resolves the tag again, so a good tag is refused and the digest is given."""
    source = Answers({CurrentDigest: A_DIGEST, Colour: "green"})
    rule = in_force(ContentRule())

    verdict = await judged(a_use("registry.example.com/app:1"), rule, source=source)

    (finding,) = verdict.findings
    assert isinstance(finding.outcome, Violation)
    assert f"use registry.example.com/app:1@{A_DIGEST}" == finding.outcome.remedy
    assert verdict.digest == A_DIGEST


async def test_semantics_09_unpinned_warn_admits_with_a_warning() -> None:
    """With `unpinned: Warn` a good image without digest is admitted and warned about."""
    source = Answers({CurrentDigest: A_DIGEST, Colour: "green"})
    rule = in_force(ContentRule(unpinned="Warn"))

    verdict = await judged(a_use("registry.example.com/app:1"), rule, source=source)

    assert verdict.findings == ()
    assert len(verdict.warnings) == 1
    assert A_DIGEST in verdict.warnings[0]


@dataclass(frozen=True)
class IndifferentRule(ContentRule):
    """Judges by the name alone what it would otherwise look into."""

    def needs(self, use: ImageUse) -> tuple[Question[Any], ...]:
        return ()

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided | None:
        if not use.reference.repository.endswith("bad"):
            return None
        return Violation(self.id, "refused", "seen", "mend it")


async def test_semantics_09_where_content_does_not_matter_nor_does_a_digest() -> None:
    """A content rule that needs nothing is asked first, about what is written, and not refused."""
    source = Answers()
    use = a_use("registry.example.com/app:1")

    verdict = await judged(use, in_force(IndifferentRule()), source=source)

    assert (UseVerdict(use), []) == (verdict, source.asked)


async def test_semantics_10_a_content_rule_that_needs_nothing_spares_lookups() -> None:
    """Its refusal costs nothing, so it comes before what asks."""
    source = Answers()
    use = a_use("registry.example.com/bad:1")

    verdict = await judged(
        use, in_force(AskingRule()), in_force(IndifferentRule(), policy="two"), source=source
    )

    assert (["two"], ("asking",), []) == (
        [finding.policy for finding in verdict.findings],
        verdict.not_checked,
        source.asked,
    )


async def test_semantics_14_what_the_image_causes_is_a_refusal() -> None:
    """An image that cannot be read is refused, also under failurePolicy Ignore."""
    source = Answers({CurrentDigest: ContentMissing("no such tag")})
    rule = in_force(ContentRule(), failure_policy=FailurePolicy.IGNORE)

    verdict = await judged(a_use("registry.example.com/app:1"), rule, source=source)

    assert Verdict((verdict,)).decision == Decision.DENY


async def test_a_fault_outside_is_undecided_and_not_retried() -> None:
    """A registry that is down leaves the rule undecided; nothing says that a retry helps."""
    source = Answers({CurrentDigest: RegistryUnavailable("503")})
    rule = in_force(ContentRule())

    verdict = Verdict((await judged(a_use("registry.example.com/app:1"), rule, source=source),))

    assert (verdict.decision, verdict.retry_soon) == (Decision.UNDECIDED, False)


async def test_undecided_under_ignore_is_allowed() -> None:
    """The policy's failurePolicy says what undecided means."""
    source = Answers({Colour: RegistryUnavailable("503")})
    rule = in_force(AskingRule(), failure_policy=FailurePolicy.IGNORE)

    verdict = Verdict((await judged(a_use("registry.example.com/app"), rule, source=source),))

    assert verdict.decision == Decision.ALLOW
    assert [Undecided("could not be found out", "503")] == [f.outcome for f in verdict.findings]


class Never:
    """A fact source that never answers; `left` counts questions that were given up."""

    left = 0

    async def answer(self, question: Question[Answer], inquiry: Inquiry) -> Answer:
        try:
            never: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            return await never
        finally:
            self.left += 1


async def test_independent_images_of_an_object_are_found_out_at_the_same_time() -> None:
    """No image waits for another one: each is asked about before any is answered."""
    barrier = asyncio.Barrier(3)

    class Together:
        async def answer(self, question: Question[Answer], inquiry: Inquiry) -> Answer:
            await barrier.wait()
            return "green"  # type: ignore[return-value]  # Only colours are asked for.

    charges = [Charge(a_use(f"app{number}"), (in_force(AskingRule()),)) for number in range(3)]
    async with asyncio.timeout(5):
        verdicts = await evaluate(charges, Together(), an_inquiry())

    assert [()] * 3 == [each.findings for each in verdicts]


@dataclass(frozen=True)
class Shade(Question[str]):
    reference: ImageReference
    by: str


@dataclass(frozen=True)
class EitherRule(AskingRule):
    """Admits an image of which one of two says that it is green."""

    id: ClassVar[RuleId] = RuleId("either")

    def needs(self, use: ImageUse) -> tuple[Question[Any], ...]:
        return tuple(Shade(use.reference, by) for by in ("ann", "bob"))

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided | None:
        shades = [facts.about(question) for question in self.needs(use)]
        if "green" in shades:
            return None
        undecided = [each for each in shades if isinstance(each, Undecided)]
        return undecided[0] if undecided else Violation(self.id, "red", "it is red", "paint it")


@dataclass
class Shades:
    """What each says, at once or never; `left` counts who was not waited for."""

    says: dict[str, str | Exception | None]
    left: int = 0

    async def answer(self, question: Question[Answer], inquiry: Inquiry) -> Answer:
        assert isinstance(question, Shade)
        found = self.says[question.by]
        if found is None:
            try:
                await asyncio.Event().wait()
            finally:
                self.left += 1
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[return-value]  # The table is typed by its tests.


@pytest.mark.parametrize("first", ["ann", "bob"])
async def test_who_is_enough_ends_the_wait_for_others(first: str) -> None:
    """An image that one authority has signed does not wait for one that never answers."""
    other = "bob" if first == "ann" else "ann"
    source = Shades({first: "green", other: None})
    async with asyncio.timeout(5):
        verdict = await judged(a_use("app"), in_force(EitherRule()), source=source, seconds=60)

    assert ((), 1) == (verdict.findings, source.left)


@pytest.mark.parametrize("first", ["ann", "bob"])
async def test_semantics_14_what_one_cannot_read_takes_nothing_from_another(first: str) -> None:
    """A place that is closed to us, where one of two signs, refuses no image of the other."""
    other = "bob" if first == "ann" else "ann"
    source = Shades({first: "green", other: AccessDenied("401")})
    verdict = await judged(a_use("app"), in_force(EitherRule()), source=source)

    assert () == verdict.findings


@pytest.mark.parametrize(
    ("other", "kind"),
    [("red", Violation), (RegistryUnavailable("500"), Undecided), (AccessDenied("401"), Violation)],
)
@pytest.mark.parametrize("first", ["ann", "bob"])
async def test_semantics_14_what_cannot_be_read_refuses_unless_a_fault_hides_more(
    first: str, other: str | Exception, kind: type[Violation | Undecided]
) -> None:
    """Where nobody is known to be enough, a fault outside goes before what the image causes."""
    second = "bob" if first == "ann" else "ann"
    source = Shades({first: AccessDenied("401"), second: other})
    verdict = await judged(a_use("app"), in_force(EitherRule()), source=source)

    assert [kind] == [type(each.outcome) for each in verdict.findings]


async def test_semantics_15_the_deadline_ends_the_wait() -> None:
    """At the deadline the answer is undecided with a retry, and nothing is left waiting."""
    source = Never()

    verdict = await judged(
        a_use("registry.example.com/app"), in_force(AskingRule()), source=source, seconds=0.01
    )

    assert Verdict((verdict,)).retry_soon
    assert source.left == 1


async def test_semantics_14_slow_work_is_no_pass_under_ignore() -> None:
    """
    What outlasts the deadline is asked again, and admitted under Ignore only by a fault.

    Whoever may push could attach so many signatures that the first deadline passes.
    """
    rule = in_force(AskingRule(), failure_policy=FailurePolicy.IGNORE)

    verdict = Verdict(
        (await judged(a_use("registry.example.com/app"), rule, source=Never(), seconds=0.01),)
    )

    assert (Decision.UNDECIDED, True) == (verdict.decision, verdict.retry_soon)


async def test_where_nobody_comes_back_what_goes_on_counts_as_a_fault() -> None:
    """The offline check ends with its deadline, so there Ignore allows."""
    rule = in_force(AskingRule(), failure_policy=FailurePolicy.IGNORE)

    verdict = Verdict(
        (await judged(a_use("registry.example.com/app"), rule, source=Never(), seconds=0.01),)
    )

    assert Decision.ALLOW == verdict.without_retry().decision


async def test_an_object_of_a_thousand_images_leaves_others_their_turn() -> None:
    """While one object is judged, the event loop goes round for every few of its images."""
    charges = [Charge(a_use(f"r.example.com/a{n}"), (in_force(PureRule()),)) for n in range(1000)]
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(others())
    await evaluate(charges, Answers(), an_inquiry())
    ticking.cancel()

    assert turns >= len(charges) // USES_A_TURN


async def test_semantics_10_a_digest_is_offered_where_the_registry_rule_admits() -> None:
    """The remedy holds the current digest when a registry rule vouches for the host."""
    source = Answers({CurrentDigest: A_DIGEST})
    rules = [
        in_force(PureRule(digest_helps=True)),
        in_force(HostsRule(refused="elsewhere")),
    ]

    verdict = await judged(a_use("registry.example.com/bad:1"), *rules, source=source)

    (finding,) = verdict.findings
    assert isinstance(finding.outcome, Violation)
    assert f"use registry.example.com/bad:1@{A_DIGEST}" == finding.outcome.remedy


async def test_semantics_10_no_digest_is_looked_up_where_no_registry_rule_admits() -> None:
    """Without a registry rule that admits the host nothing is asked for the sake of a hint."""
    source = Answers({CurrentDigest: A_DIGEST})
    use = a_use("registry.example.com/bad:1")
    refusing = HostsRule(refused="bad")

    await judged(use, in_force(PureRule(digest_helps=True)), source=source)
    await judged(use, in_force(PureRule(digest_helps=True)), in_force(refusing), source=source)

    assert source.asked == []


async def test_no_digest_is_looked_up_where_nobody_wants_to_be_offered_one() -> None:
    """A report on what is running asks registries for nothing but verdicts."""
    source = Answers({CurrentDigest: A_DIGEST})
    rules = (in_force(PureRule(digest_helps=True)), in_force(HostsRule(refused="elsewhere")))
    charge = Charge(a_use("registry.example.com/bad:1"), rules)
    await evaluate([charge], source, replace(an_inquiry(), offers=False))

    assert source.asked == []


async def test_a_hint_that_cannot_be_had_changes_nothing_else() -> None:
    """The refusal stands with its own remedy when the registry is down."""
    source = Answers({CurrentDigest: RegistryUnavailable("503")})
    rules = [
        in_force(PureRule(digest_helps=True)),
        in_force(HostsRule(refused="elsewhere")),
    ]

    verdict = await judged(a_use("registry.example.com/bad:1"), *rules, source=source)

    expected = Finding(
        "p",
        RuleId("pure"),
        DENY,
        FailurePolicy.FAIL,
        Violation(RuleId("pure"), "refused", "seen", "mend it", digest_helps=True),
    )
    assert (expected,) == verdict.findings
