"""
Documents compose by adding: what one of them refuses, no other one lets in.

Random sets of documents and random objects. A set is made larger by an ImagePolicy, by a rule in
one of its policies, or by a policy that only audits; then nothing that was refused may be admitted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.cel.expressions import compile_expression
from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable, ContentMissing, RegistryUnavailable
from landwaiter.images.patterns import ImagePattern
from landwaiter.images.reference import ImageReference
from landwaiter.policy.case import Case, Operation, Requester, RequestObjects, Side
from landwaiter.policy.conditions import VARIABLES, MatchConditions
from landwaiter.policy.exceptions import CoveredPolicy, PolicyException
from landwaiter.policy.install import PolicyInstallSettings, UnmatchedImages
from landwaiter.policy.judge import Judge
from landwaiter.policy.matching import (
    ActionOverride,
    Condition,
    LabelSelector,
    Operator,
    Policy,
    Requirement,
    TemplateAction,
)
from landwaiter.policy.policy_set import PolicySet
from landwaiter.policy.subjects import NOBODY, Subjects
from landwaiter.rules.allowed_registries import AllowedRegistries
from landwaiter.rules.cosign_signatures import CosignSignaturesSettings, SignatureAnswer
from landwaiter.rules.pinned_tags import PinnedTags
from landwaiter.rules.protocol import Answer, CurrentDigest, Inquiry, Question, Rule
from landwaiter.rules.pull_secret_answers import PullSecretAnswer, PullSecretQuestion
from landwaiter.rules.pull_secrets import PullSecrets
from landwaiter.rules.verdict import Action, Decision, FailurePolicy, GrantedException
from landwaiter.workloads.values import ImagePlace, ImageUse, UnreadableUse, Workload
from policy.builders import A_KEY, a_policy
from policy.in_process import InProcess
from policy.judging import Labels

DENY, WARN, AUDIT = Action
A_DIGEST = "sha256:" + "a" * 64
TEXTS = ("nginx", "nginx:1.27", "r.example.com/a:1", f"r.example.com/a@{A_DIGEST}", "evil.io/x:2")
PATTERNS = ("**", "docker.io", "r.example.com", "evil.io/x")


@dataclass
class World:
    """What the registry, the cluster and cosign say: an answer, or what goes wrong."""

    digest: Exception | None = None
    secret: Exception | None = None
    signature: Exception | None = None
    is_signed: bool = False
    labels: Exception | None = None
    environment: dict[str, str] = field(default_factory=dict)

    async def answer(self, question: Question[Answer], inquiry: Inquiry) -> Answer:
        answer: Any
        if isinstance(question, CurrentDigest):
            fault, answer = self.digest, A_DIGEST
        elif isinstance(question, PullSecretQuestion):
            fault, answer = self.secret, PullSecretAnswer("shop", ())
        else:
            fault, answer = self.signature, SIGNED[self.is_signed]
        if fault is not None:
            raise fault
        return answer  # type: ignore[no-any-return]  # Typed by the question.


SIGNED = {
    True: SignatureAnswer(verified=True),
    False: SignatureAnswer(verified=False, detail="no signature"),
}
SIGNATURES = CosignSignaturesSettings.model_validate(
    {"authorities": [{"name": "ci", "key": {"data": A_KEY}}], "unpinned": "Warn"}
).rule(Path())

faults = st.sampled_from(
    [None, None, RegistryUnavailable("503"), ContentMissing("404"), ClusterUnavailable("down")]
)
worlds = st.builds(
    World,
    digest=faults,
    secret=faults,
    signature=faults,
    is_signed=st.booleans(),
    labels=st.sampled_from([None, None, ClusterUnavailable("down")]),
    environment=st.sampled_from([{}, {"env": "production"}, {"env": "test"}]),
)
patterns = st.lists(st.sampled_from(PATTERNS).map(ImagePattern.parse), min_size=1, max_size=2)
selectors = st.sampled_from(
    [
        LabelSelector(),
        LabelSelector((Requirement("env", Operator.IN, frozenset({"production"})),)),
        LabelSelector((Requirement("env", Operator.DOES_NOT_EXIST),)),
        LabelSelector(
            (Requirement("kubernetes.io/metadata.name", Operator.IN, frozenset({"shop"})),)
        ),
    ]
)
actions = st.sampled_from([(DENY,), (DENY, AUDIT), (WARN,), (AUDIT,), (WARN, AUDIT)]).map(frozenset)
rules = st.one_of(
    st.just(PinnedTags(floating=None)),
    st.builds(lambda allow: AllowedRegistries(tuple(allow)), patterns),
    st.builds(lambda wanted: PullSecrets(tuple(wanted)), patterns),
    st.just(SIGNATURES),
)
rule_sets = st.lists(rules, min_size=1, max_size=3, unique_by=lambda rule: rule.id).map(
    lambda found: tuple(sorted(found, key=lambda rule: rule.id))
)
conditions = st.lists(
    st.sampled_from(
        [
            "true",
            "object.nope == 1",
            'request.operation == "CREATE"',
            '"env" in namespaceObject.metadata.labels',
            "has(object.metadata.labels)",
        ]
    ).map(lambda text: compile_expression(text, VARIABLES)),
    max_size=2,
).map(
    lambda found: tuple(
        Condition(f"c{number}", each, each.names("namespaceObject"))
        for number, each in enumerate(found)
    )
)
subjects = st.sampled_from([Subjects(frozenset({"alice"})), Subjects(groups=frozenset({"ops"}))])


def policies(namespaces: st.SearchStrategy[str | None]) -> st.SearchStrategy[Policy]:
    """Return policies of these namespaces, None for those of the cluster."""
    return st.builds(
        Policy,
        name=st.just("p"),
        actions=actions,
        failure_policy=st.sampled_from(FailurePolicy),
        templates=st.sampled_from([None, *TemplateAction]),
        namespace_selector=selectors,
        object_selector=selectors,
        images=patterns.map(tuple),
        rules=rule_sets,
        excluded_images=st.lists(
            st.sampled_from(PATTERNS[1:]).map(ImagePattern.parse), max_size=1
        ).map(tuple),
        operations=st.sampled_from([frozenset(Operation), frozenset({Operation.CREATE})]),
        users=st.one_of(st.none(), subjects),
        excluded_users=st.one_of(st.just(NOBODY), subjects),
        action_overrides=st.lists(st.builds(ActionOverride, selectors, actions), max_size=2).map(
            tuple
        ),
        namespace=namespaces,
        conditions=conditions,
    )


def an_exception(names: list[str], found: list[ImagePattern]) -> PolicyException:
    return PolicyException(
        GrantedException("e", "alice", "why", datetime.max.replace(tzinfo=UTC)),
        tuple(CoveredPolicy(name, None) for name in names),
        tuple(found),
        frozenset({"shop"}),
    )


NAMES = ("p0", "p1", "shop/p0", "shop/p1", "added", "shop/added")
exceptions = st.builds(
    an_exception, st.lists(st.sampled_from([*NAMES, "unmatchedImages"]), max_size=3), patterns
)
plain_exceptions = st.builds(
    an_exception,
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=3),
    st.just([ImagePattern.parse("**")]),
)


@dataclass
class Scene:
    """Documents, an object that is about to be stored, and the world around."""

    policies: tuple[Policy, ...]
    exceptions: tuple[PolicyException, ...]
    images: tuple[str, ...]
    labels: dict[str, str]
    old_images: tuple[str, ...] | None
    is_template: bool
    requester: Requester | None
    world: World
    unmatched: UnmatchedImages

    async def decision(self, policies: tuple[Policy, ...], side: Side) -> Decision:
        """Return what is decided with other policies, everything else as it is."""
        labels = Labels(self.world.labels or self.world.environment)
        judge = Judge(
            policies=lambda: PolicySet(policies, self.exceptions),
            source=self.world,
            namespaces=labels,
            install=PolicyInstallSettings(unmatched_images=self.unmatched),
            conditions=MatchConditions(InProcess(), InProcess()),
        )
        old = None if self.old_images is None else self._workload(self.old_images)
        case = Case(
            Operation.CREATE if old is None else Operation.UPDATE,
            self._workload(self.images),
            Deadline.after(60),
            old=old,
            requester=self.requester,
            objects=RequestObjects.of_manifest(
                {"kind": "Pod", "metadata": {"labels": self.labels}},
                namespace="shop",
                requester=self.requester,
                old=None if old is None else {"kind": "Pod", "metadata": {}},
            ),
        )
        return (await judge.judge(case, side)).decision

    def _workload(self, images: tuple[str, ...]) -> Workload:
        kind = "Deployment" if self.is_template else "Pod"
        uses = tuple(a_use(number, text) for number, text in enumerate(images))
        return Workload(kind, "shop", "web", self.is_template, self.labels, "", (), uses)


def a_use(number: int, text: str) -> ImageUse | UnreadableUse:
    place = ImagePlace(f"spec.containers[{number}].image", f"c{number}", text)
    if text == "a b":
        return UnreadableUse(place, "a space")
    return ImageUse(place, ImageReference.parse(text))


def named(found: list[Policy]) -> tuple[Policy, ...]:
    """Return the policies with a name each, as their namespaces have it."""
    return tuple(
        replace(each, name=f"p{number}" if each.namespace is None else f"shop/p{number}")
        for number, each in enumerate(found)
    )


def plain_policies(namespaces: st.SearchStrategy[str | None]) -> st.SearchStrategy[Policy]:
    """Return policies that apply to everything, so that what counts is what they ask for."""
    return st.builds(
        lambda actions, rules, namespace: replace(
            a_policy(), actions=actions, rules=rules, namespace=namespace
        ),
        actions,
        rule_sets,
        namespaces,
    )


anywhere = st.sampled_from([None, None, "shop"])
images = st.lists(st.sampled_from([*TEXTS, "a b"]), min_size=1, max_size=3).map(tuple)
any_scenes = st.builds(
    Scene,
    policies=st.lists(policies(anywhere), max_size=3).map(named),
    exceptions=st.lists(exceptions, max_size=1).map(tuple),
    images=images,
    labels=st.sampled_from([{}, {"env": "production"}]),
    old_images=st.one_of(st.none(), images),
    is_template=st.booleans(),
    requester=st.sampled_from([None, Requester("alice"), Requester("bob", ("ops",))]),
    world=worlds,
    unmatched=st.sampled_from(UnmatchedImages),
)
plain_scenes = st.builds(
    Scene,
    policies=st.lists(plain_policies(anywhere), min_size=1, max_size=2).map(named),
    exceptions=st.lists(plain_exceptions, max_size=1).map(tuple),
    images=st.sampled_from(TEXTS).map(lambda text: (text,)),
    labels=st.just({}),
    old_images=st.none(),
    is_template=st.just(value=False),
    requester=st.none(),
    world=st.builds(World),
    unmatched=st.just(UnmatchedImages.ALLOW),
)
"""Scenes in which all depends on which rules are asked, and which are spared."""

sides = st.sampled_from([Side.ENFORCE, Side.ALL])
BOUNDS = settings(deadline=None, max_examples=200)


@dataclass
class Growth:
    """A set of documents that is made larger, and the object that is judged by both."""

    scene: Scene
    more: tuple[Policy, ...]
    side: Side

    async def lets_in(self) -> bool:
        """Whether the larger set admits what the smaller one does not."""
        if await self.scene.decision(self.scene.policies, self.side) is Decision.ALLOW:
            return False
        return await self.scene.decision(self.more, self.side) is Decision.ALLOW


def with_an_image_policy(scene: Scene, added: Policy, side: Side) -> Growth:
    return Growth(scene, (*scene.policies, replace(added, name="shop/added")), side)


def with_an_audit(scene: Scene, added: Policy, side: Side) -> Growth:
    audits = replace(
        added, name="added", actions=frozenset({AUDIT}), action_overrides=(), templates=None
    )
    return Growth(scene, (audits, *scene.policies), side)


def with_a_warning(scene: Scene, added: Policy, side: Side) -> Growth:
    warns = replace(added, name="added", actions=frozenset({WARN}), action_overrides=())
    return Growth(scene, (*scene.policies, warns), side)


def with_a_rule(scene: Scene, added: Rule, at: int, side: Side) -> Growth:
    """Return a policy with one rule more; none that has such a rule, or where there is none."""
    if not scene.policies:
        return Growth(scene, (), side)
    changed = scene.policies[at % len(scene.policies)]
    if added.id in {rule.id for rule in changed.rules}:
        return Growth(scene, scene.policies, side)
    both = tuple(sorted((*changed.rules, added), key=lambda rule: rule.id))
    more = tuple(replace(each, rules=both) if each is changed else each for each in scene.policies)
    return Growth(scene, more, side)


cluster, shop = st.just(None), st.just("shop")


def grown(
    by: Callable[..., Growth], namespaces: st.SearchStrategy[str | None]
) -> st.SearchStrategy[Growth]:
    """Return sets that are made larger by a policy, in scenes of every kind."""
    return st.one_of(
        st.builds(by, any_scenes, policies(namespaces), sides),
        st.builds(by, plain_scenes, plain_policies(namespaces), sides),
    )


grown_by_an_image_policy = grown(with_an_image_policy, shop)
grown_by_an_audit = grown(with_an_audit, cluster)
grown_by_a_warning = grown(with_a_warning, cluster)
grown_by_a_rule = st.builds(
    with_a_rule, st.one_of(any_scenes, plain_scenes), rules, st.integers(0, 2), sides
)


@given(grown_by_an_image_policy)
@BOUNDS
async def test_an_image_policy_lets_nothing_in(growth: Growth) -> None:
    """Whoever runs a namespace cannot lift anything with a policy of their own."""

    assert not await growth.lets_in()


@given(grown_by_an_audit)
@BOUNDS
async def test_a_policy_that_only_audits_lets_nothing_in(growth: Growth) -> None:
    """Also with unmatchedImages: Deny, where only a policy that denies counts."""

    assert not await growth.lets_in()


@given(grown_by_a_rule)
@BOUNDS
async def test_a_rule_lets_nothing_in(growth: Growth) -> None:
    """Another rule in a policy asks for more, and never for less."""

    assert not await growth.lets_in()


@given(grown_by_a_warning)
@BOUNDS
async def test_a_policy_that_warns_lets_nothing_in(growth: Growth) -> None:
    """What warns matches no image, either, and what it finds spares no lookup."""

    assert not await growth.lets_in()
