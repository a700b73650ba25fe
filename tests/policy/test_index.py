"""Which policies are found for an object: those that looking at each of them would find."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable
from landwaiter.images.patterns import ImagePattern
from landwaiter.policy import index
from landwaiter.policy.case import Case, Operation, Requester, RequestObjects, Side
from landwaiter.policy.conditions import MatchConditions
from landwaiter.policy.exceptions import PolicyException
from landwaiter.policy.install import PolicyInstallSettings, UnmatchedImages
from landwaiter.policy.judge import Judge
from landwaiter.policy.live import PoliciesInForce
from landwaiter.policy.matching import (
    NAME_LABEL,
    LabelSelector,
    Operator,
    Policy,
    Requirement,
)
from landwaiter.policy.policy_set import PolicySet
from landwaiter.rules.protocol import Answer, Inquiry, Question
from landwaiter.rules.verdict import Decision, Verdict
from landwaiter.workloads.values import ImagePlace, ImageUse, Workload
from policy.builders import a_policy, requires
from policy.every_policy import Unindexed
from policy.in_process import InProcess
from policy.judging import A_DIGEST, DENY, ENV, WARN, Answers, Labels, a_workload, digests, use
from policy.test_composition import World, a_use, policies, worlds
from policy.test_exceptions import an_exception as an_exception_for

IN = Operator.IN
IN_SHOP = requires(NAME_LABEL, IN, "shop")
HOSTS = (
    "docker.io",
    "index.docker.io",
    "registry-1.docker.io",
    "r.example.com",
    "R.Example.com",
    "r.example.com:443",
    "r.example.com:5000",
    "evil.io",
    "[::1]:5000",
    "[0:0:0:0:0:0:0:1]:5000",
    "localhost",
)
MANY = tuple(f"r{number}.example.com/a:1" for number in range(index.REGISTRIES_MAX + 1))
PATTERNS = (
    *HOSTS,
    "**",
    "*.example.com",
    "*.docker.io",
    "r.example.com/a",
    "*.hub.docker.com:443",
    MANY[-1].partition("/")[0],
)
TEXTS = ("nginx", "a b", *(f"{host}/a:1" for host in HOSTS), f"r.example.com/a@{A_DIGEST}")
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class Recording(World):
    """A world that remembers what it was asked."""

    asked: list[Question[Any]] = field(default_factory=list)

    async def answer(self, question: Question[Answer], inquiry: Inquiry) -> Answer:
        self.asked.append(question)
        return await super().answer(question, inquiry)


@dataclass(frozen=True)
class Step:
    """One object that comes, and what the cluster says of its namespace by then."""

    namespace: str
    texts: tuple[str, ...]
    old_texts: tuple[str, ...] | None
    is_template: bool
    has_placeholder: bool
    labels: Mapping[str, str]
    requester: Requester | None
    side: Side
    environment: Mapping[str, str] | Exception
    at_once: bool

    def case(self) -> Case:
        old = None if self.old_texts is None else self._workload(self.old_texts)
        return Case(
            Operation.CREATE if old is None else Operation.UPDATE,
            self._workload(self.texts),
            Deadline.after(60),
            old=old,
            requester=self.requester,
            objects=RequestObjects.of_manifest(
                {"kind": "Pod", "metadata": {"labels": dict(self.labels)}},
                namespace=self.namespace,
                requester=self.requester,
                old=None if old is None else {"kind": "Pod", "metadata": {}},
            ),
        )

    def _workload(self, texts: Iterable[str]) -> Workload:
        kind = "Deployment" if self.is_template else "Pod"
        uses = tuple(a_use(number, text) for number, text in enumerate(texts))
        open_places = (ImagePlace("spec.x", "x", "auto"),) if self.has_placeholder else ()
        return Workload(
            kind, self.namespace, "web", self.is_template, self.labels, "", (), uses, open_places
        )


@dataclass(frozen=True)
class Course:
    """Documents, and the objects that come one after the other while they are in force."""

    policies: tuple[Policy, ...]
    exceptions: tuple[PolicyException, ...]
    unmatched: UnmatchedImages
    world: World
    steps: tuple[Step, ...]

    async def judged(
        self, documents: PolicySet, *, at_once: bool
    ) -> list[tuple[Verdict, list[Question[Any]]]]:
        """Return each verdict, and what was asked for it; labels are known at once, if at all."""
        found = []
        for step in self.steps:
            source = Recording(**vars(self.world))
            judge = Judge(
                policies=lambda: documents,
                source=source,
                namespaces=Labels(step.environment, at_once=at_once and step.at_once),
                install=PolicyInstallSettings(unmatched_images=self.unmatched),
                conditions=MatchConditions(InProcess(), InProcess()),
            )
            found.append((await judge.judge(step.case(), step.side), source.asked))
        return found


namespaces = st.sampled_from(["shop", "shop", "search", "bank"])
environments = st.sampled_from([{}, {"env": "production"}, {"env": "test", "tier": "web"}])
texts = st.one_of(
    st.lists(st.sampled_from(TEXTS), max_size=3).map(tuple), st.just(MANY), st.just(MANY[:-1])
)
steps = st.builds(
    Step,
    namespace=namespaces,
    texts=texts,
    old_texts=st.one_of(st.none(), st.none(), texts),
    is_template=st.booleans(),
    has_placeholder=st.sampled_from([False, False, True]),
    labels=st.sampled_from([{}, {"env": "production"}]),
    requester=st.sampled_from([None, Requester("alice"), Requester("bob", ("ops",))]),
    side=st.sampled_from(Side),
    environment=st.one_of(environments, environments, st.just(ClusterUnavailable("down"))),
    at_once=st.booleans(),
)
selectors = st.lists(
    st.builds(
        Requirement,
        st.sampled_from([NAME_LABEL, NAME_LABEL, "env"]),
        st.sampled_from(Operator),
        st.sets(st.sampled_from(["shop", "search", "production"]), min_size=1).map(frozenset),
    ),
    max_size=2,
).map(lambda found: LabelSelector(tuple(found)))
some_patterns = st.lists(st.sampled_from(PATTERNS).map(ImagePattern.parse), min_size=1, max_size=2)


def placed(policy: Policy, selector: LabelSelector, images: list[ImagePattern]) -> Policy:
    """Return a policy that is about other namespaces, and images of other registries."""
    return replace(policy, namespace_selector=selector, images=tuple(images))


def named(found: list[Policy]) -> tuple[Policy, ...]:
    return tuple(
        replace(each, name=f"{each.namespace or 'c'}/p{number}")
        for number, each in enumerate(found)
    )


any_policies = st.builds(
    placed,
    policies(st.sampled_from([None, None, "shop", "bank"])),
    selectors,
    some_patterns,
)
courses = st.builds(
    Course,
    policies=st.lists(any_policies, max_size=4).map(named),
    exceptions=st.lists(
        st.builds(
            lambda policy, images, where: an_exception_for(
                policy=policy, images=images, namespaces=where, expires=NEVER
            ),
            st.sampled_from(["c/p0", "shop/p1", "unmatchedImages"]),
            st.sampled_from([("**",), ("r.example.com",)]),
            st.sampled_from([("shop",), ("bank", "shop")]),
        ),
        max_size=2,
    ).map(tuple),
    unmatched=st.sampled_from(UnmatchedImages),
    world=worlds,
    steps=st.lists(steps, min_size=1, max_size=3).map(tuple),
)


plain_steps = st.builds(
    Step,
    namespace=st.sampled_from(["shop", "bank"]),
    texts=st.one_of(st.sampled_from(TEXTS).map(lambda text: (text,)), texts),
    old_texts=st.none(),
    is_template=st.booleans(),
    has_placeholder=st.booleans(),
    labels=st.just({}),
    requester=st.none(),
    side=st.sampled_from([Side.ENFORCE, Side.OBSERVE]),
    environment=environments,
    at_once=st.just(value=True),
)
plain_courses = st.builds(
    Course,
    policies=st.lists(
        st.builds(
            lambda actions, namespace, selector, images: placed(
                digests(actions=actions, namespace=namespace), selector, images
            ),
            st.sampled_from([(DENY,), (WARN,)]),
            st.sampled_from([None, None, "shop"]),
            selectors,
            some_patterns,
        ),
        min_size=1,
        max_size=2,
    ).map(named),
    exceptions=st.just(()),
    unmatched=st.just(UnmatchedImages.ALLOW),
    world=st.builds(World),
    steps=st.one_of(
        st.lists(plain_steps, min_size=1, max_size=2).map(tuple),
        st.builds(
            lambda step, found: tuple(replace(step, environment=each) for each in found),
            plain_steps,
            st.permutations([{"env": "production"}, {}]),
        ),
    ),
)
"""Courses in which all depends on which policies are found."""

SEARCH = settings(
    derandomize=True, database=None, deadline=None, max_examples=2000, phases=[Phase.generate]
)


async def differs(course: Course) -> bool:
    """Whether the index makes any difference, whatever came before and is known by then."""
    indexed = PolicySet(course.policies, course.exceptions)
    plain = Unindexed(course.policies, course.exceptions)
    return await course.judged(indexed, at_once=True) != await course.judged(plain, at_once=False)


@given(st.one_of(courses, plain_courses), st.sampled_from([1, 100]))
@settings(deadline=None, max_examples=300)
async def test_semantics_03_07_and_08_what_is_found_is_what_looking_at_each_policy_finds(
    course: Course, most: int
) -> None:
    """Findings, their order, warnings and what is asked outside are the same to the letter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index, "PLACES_MAX", most)
        patch.setattr(index, "REGISTRY_SETS_MAX", most)

        assert not await differs(course)


def hosts_are_compared_as_text(patch: pytest.MonkeyPatch) -> None:
    """Go by the registry as it is written, as if it had one spelling and no wildcards."""

    def may_cover(one: Any, registries: frozenset[str]) -> bool:  # noqa: ANN401
        return one.hosts is None or any(host.name in registries for host in one.hosts)

    patch.setattr(index._Indexed, "may_cover", may_cover)


def labels_are_those_of_yesterday(patch: pytest.MonkeyPatch) -> None:
    """Keep what was found out whatever the labels are by now."""

    class Lasting(index._Known):
        labels = property(lambda _: ANY, lambda *_: None)

    patch.setattr(index, "_Known", Lasting)


def both_sides_are_one(patch: pytest.MonkeyPatch) -> None:
    """Keep what denies, and find nothing else on the other side."""
    place = index._Place
    patch.setattr(index, "_Place", lambda a, b, _, c: place(a, b, Side.ENFORCE, c))


def what_does_not_parse_is_of_no_registry(patch: pytest.MonkeyPatch) -> None:
    """Go by the names that parse, where there are others beside them."""
    kept = index._registries

    def readable(workload: Workload) -> frozenset[str] | None:
        uses = tuple(each for each in workload.uses if isinstance(each, ImageUse))
        return kept(replace(workload, uses=uses))

    patch.setattr(index, "_registries", readable)


def what_is_to_be_filled_in_is_of_no_registry(patch: pytest.MonkeyPatch) -> None:
    """Go by the names that are there already."""
    kept = index._registries
    patch.setattr(index, "_registries", lambda w: kept(replace(w, placeholders=())))


def the_first_registries_are_enough(patch: pytest.MonkeyPatch) -> None:
    """Go by as many registries as are kept."""
    kept = index._registries

    def first(workload: Workload) -> frozenset[str] | None:
        return kept(replace(workload, uses=workload.uses[: index.REGISTRIES_MAX]))

    patch.setattr(index, "_registries", first)


def what_is_left_out_is_all_there_is(patch: pytest.MonkeyPatch) -> None:
    """Take the names that a policy is not about for those that it is about."""

    def names(selector: LabelSelector) -> frozenset[str] | None:
        named = [each.values for each in selector.requirements if each.key == NAME_LABEL]
        return frozenset.intersection(*named) if named else None

    patch.setattr(LabelSelector, "names", property(names))


@pytest.mark.parametrize(
    "mistake",
    [
        hosts_are_compared_as_text,
        labels_are_those_of_yesterday,
        both_sides_are_one,
        what_does_not_parse_is_of_no_registry,
        what_is_to_be_filled_in_is_of_no_registry,
        the_first_registries_are_enough,
        what_is_left_out_is_all_there_is,
    ],
)
def test_a_mistake_in_the_index_is_found(
    mistake: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the search that finds no difference would say nothing."""

    def makes_a_difference(course: Course) -> bool:
        return asyncio.run(differs(course))

    with monkeypatch.context() as patch:
        mistake(patch)
        found = find(plain_courses, makes_a_difference, settings=SEARCH)

    assert not makes_a_difference(found)


@dataclass
class Court:
    """A judge with what is in force, and what the namespaces are labelled with."""

    policies: PoliciesInForce
    labels: Labels = field(default_factory=lambda: Labels({"env": "production"}, at_once=True))

    def __post_init__(self) -> None:
        self.judge = Judge(policies=self.policies, source=Answers(), namespaces=self.labels)

    async def decides(self, workload: Workload) -> Decision:
        case = Case(Operation.CREATE, workload, Deadline.after(60))
        return (await self.judge.judge(case, Side.ENFORCE)).decision


def in_force(*policies: Policy, exceptions: Iterable[PolicyException] = ()) -> PoliciesInForce:
    return PoliciesInForce(PolicySet(policies, tuple(exceptions)))


async def test_semantics_08_labels_that_change_count_at_once() -> None:
    """What was found out about a namespace ends with the labels that it had."""
    court = Court(in_force(digests(namespaces=(ENV,))))
    decisions = []
    for environment in ("production", "test", "production"):
        court.labels.found = {"env": environment}
        decisions.append(await court.decides(a_workload()))

    assert [Decision.DENY, Decision.ALLOW, Decision.DENY] == decisions


async def test_semantics_08_labels_that_change_where_they_are_kept_count_at_once() -> None:
    """The labels are compared as they were, and not as whoever gave them has them by now."""
    labels = {"env": "test"}
    court = Court(in_force(digests(namespaces=(ENV,))), Labels(labels, at_once=True))
    before = await court.decides(a_workload())
    labels["env"] = "production"

    assert [Decision.ALLOW, Decision.DENY] == [before, await court.decides(a_workload())]


async def test_semantics_08_a_namespace_that_gets_lost_is_undecided() -> None:
    """What was found out with its labels does not hold without them."""
    court = Court(in_force(digests(namespaces=(ENV,))))
    before = await court.decides(a_workload())
    court.labels.found = ClusterUnavailable("down")

    assert [Decision.DENY, Decision.UNDECIDED] == [before, await court.decides(a_workload())]


async def test_semantics_22_a_set_that_is_replaced_leaves_nothing_behind() -> None:
    """Policies and exceptions take effect with the next object, and end with the next."""
    court = Court(in_force())
    lifted = an_exception_for(expires=NEVER, images=("**",))
    decisions = []
    for documents in (
        PolicySet(),
        PolicySet((digests(),)),
        PolicySet((digests(),), (lifted,)),
        PolicySet((digests(),)),
        PolicySet((digests(images=("docker.io",)),)),
    ):
        court.policies.replace("a test", documents)
        decisions.append(await court.decides(a_workload()))

    expected = [Decision.ALLOW, Decision.DENY, Decision.ALLOW, Decision.DENY, Decision.ALLOW]
    assert expected == decisions


def found(documents: PolicySet, workload: Workload, side: Side = Side.ALL) -> list[str]:
    """Return the names of the policies that are found, the namespace being of production."""
    case = Case(Operation.CREATE, workload, Deadline.after(60))
    labels = {"env": "production"}
    return [
        each.policy.name for each in documents.index.candidates(case, side, labels, as_match=False)
    ]


@pytest.mark.parametrize(
    ("pattern", "image", "is_found"),
    [
        ("docker.io/library/nginx", "nginx", True),
        ("index.docker.io", "nginx", True),
        ("registry.hub.docker.com", "registry-1.docker.io/library/nginx", True),
        ("*.docker.io", "nginx", True),
        ("r.example.com", "R.EXAMPLE.com:443/app", True),
        ("r.example.com:443", "r.example.com/app", True),
        ("*.example.com", "r.example.com/app", True),
        ("[::1]:5000", "[0:0:0:0:0:0:0:1]:5000/app", True),
        ("**", "r.example.com/app", True),
        ("r.example.com", "nginx", False),
        ("r.example.com", "r.example.com:5000/app", False),
        ("r.example.com", "r.example.com.evil.io/app", False),
        ("*.example.com", "a.r.example.com/app", False),
    ],
)
def test_semantics_03_hosts_are_those_that_patterns_match(
    pattern: str,
    image: str,
    is_found: bool,  # noqa: FBT001
) -> None:
    """Aliases of Docker Hub, ports, spellings and wildcards are what they are in patterns."""
    documents = PolicySet((digests(images=(pattern,)),))

    assert (["p"] if is_found else []) == found(documents, a_workload(use(image)))


@dataclass(frozen=True, slots=True)
class Listening(Policy):
    """A policy that remembers what it was asked, in a list that all of them share."""

    asked: list[str] = field(default_factory=list, compare=False)

    def selects_namespace(self, name: str, labels: Mapping[str, str] | None) -> bool | None:
        self.asked.append(f"{self.name}: {name}")
        return Policy.selects_namespace(self, name, labels)

    def concerns(self, operation: Operation, requester: Requester | None) -> bool:
        self.asked.append(f"{self.name}: who asks")
        return Policy.concerns(self, operation, requester)


def listening(asked: list[str], *policies: Policy) -> PolicySet:
    return PolicySet(
        tuple(
            Listening(
                **{each.name: getattr(policy, each.name) for each in fields(policy)}, asked=asked
            )
            for policy in policies
        )
    )


HERE = digests("here", namespaces=(ENV,))
ELSEWHERE = {
    "named": digests("named", namespaces=(requires(NAME_LABEL, IN, "bank"),)),
    "of a namespace": digests("of", namespace="bank"),
    "labelled": digests("labelled", namespaces=(requires("env", IN, "test"),)),
    "of a registry": digests("registry", images=("evil.io", "docker.io/library")),
    "on the other side": digests("warns", actions=(WARN,)),
}


@pytest.mark.parametrize("other", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_policy_that_cannot_apply_is_not_looked_at(other: Policy) -> None:
    """Once it is known that it cannot, it costs nothing."""
    asked: list[str] = []
    documents = listening(asked, other, HERE)
    found(documents, a_workload(), Side.ENFORCE)
    asked.clear()

    assert ["here"] == found(documents, a_workload(), Side.ENFORCE)
    assert ["here: who asks"] == asked


@pytest.mark.parametrize("name", ["named", "of a namespace"])
def test_a_policy_that_names_its_namespaces_is_never_looked_at_elsewhere(name: str) -> None:
    """A thousand policies for a namespace each cost the first object of a namespace nothing."""
    asked: list[str] = []
    found(listening(asked, ELSEWHERE[name], HERE), a_workload())

    assert ["here: shop", "here: who asks"] == asked


@pytest.mark.parametrize(
    ("required", "names"),
    [
        ((requires(NAME_LABEL, IN, "shop", "bank"),), {"shop", "bank"}),
        ((requires(NAME_LABEL, IN, "shop", "bank"), IN_SHOP), {"shop"}),
        ((IN_SHOP, requires(NAME_LABEL, IN, "bank")), set()),
        ((IN_SHOP, ENV), {"shop"}),
        ((requires(NAME_LABEL, Operator.NOT_IN, "shop"),), None),
        ((requires(NAME_LABEL, Operator.EXISTS),), None),
        ((ENV,), None),
        ((), None),
    ],
)
def test_a_policy_says_which_namespaces_it_names(
    required: tuple[Requirement, ...], names: set[str] | None
) -> None:
    """All that it requires must be met, so the names that all requirements allow are left."""
    assert names == a_policy(namespaces=required).namespaces


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Namespaces come and go, and whoever writes Pods can name any registry."""
    monkeypatch.setattr(index, "PLACES_MAX", 20)
    documents = PolicySet((digests(),))
    for number in range(index.PLACES_MAX + 10):
        found(documents, a_workload(namespace=f"shop-{number}"))
    for number in range(index.REGISTRY_SETS_MAX + 10):
        found(documents, a_workload(use(f"r{number}.example.com/app:1")))
    kept = documents.index._known

    assert (index.PLACES_MAX, {1, index.REGISTRY_SETS_MAX}) == (
        len(kept),
        {len(each._by_registries) for each in kept.values()},
    )


def test_what_was_made_once_is_shared() -> None:
    """A thousand namespaces do not cost the memory of as many policies."""
    documents = PolicySet((digests(),))
    applicable = [
        documents.index.candidates(
            Case(Operation.CREATE, a_workload(namespace=name), Deadline.after(60)),
            Side.ALL,
            {"team": name},
            as_match=False,
        )[0]
        for name in ("shop", "bank")
    ]

    assert applicable[0] is applicable[1]
