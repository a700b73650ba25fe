"""
What a rule is, what it may ask, and what it may answer.

A rule is two pure, synchronous questions. `needs(use)` says what must be found out before one
image use can be judged; `judge(use, facts)` judges it. The evaluator asks a `FactSource` in
between, under the request's deadline, and alone turns `Undecided` into a refusal or an
admission. A rule therefore never waits, never fails for a fault outside, and is tested with
plain values.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, NewType, Protocol, TypeVar

from landwaiter.deadline import Deadline
from landwaiter.images.reference import ImageReference
from landwaiter.workloads.values import ImageUse, Workload

RuleId = NewType("RuleId", str)
Answer = TypeVar("Answer")

Unpinned = Literal["Deny", "Warn"]
"""What becomes of a reference without digest whose content was judged to be good."""


class Question(Generic[Answer]):
    """
    Something that has to be found out; the type parameter is the type of its answer.

    Subclasses are frozen dataclasses: equal questions are asked once per decision.
    """

    __slots__ = ()

    @property
    def ahead(self) -> "tuple[Question[Any], ...]":
        """
        What can be found out at the same time, also before a digest is known; mostly nothing.

        The answers are remembered by whoever gives them, and not looked at.
        """
        return ()


@dataclass(frozen=True, slots=True)
class CurrentDigest(Question[str]):
    """Which digest does this tag point to now? The answer is `sha256:...` or `sha512:...`."""

    reference: ImageReference


@dataclass(frozen=True, slots=True)
class Inquiry:
    """
    On whose behalf a question is asked, and until when the answer is of use.

    `credentials_allowed` is False when the caller is not known to be the API server; then no
    credential may be read or tried (design, semantics 20). `offers` is False where nobody is helped
    by the digest that a tag points to now, so that none is looked up for a remedy. `exists` is True
    where the object is there already and changes.
    """

    workload: Workload
    deadline: Deadline
    dry_run: bool = False
    credentials_allowed: bool = False
    offers: bool = True
    exists: bool = False
    notes: dict[Hashable, Any] = field(default_factory=dict, compare=False, repr=False)
    """What whoever answers has read for this object already, under keys of their own."""


class FactSource(Protocol):
    """Whatever finds out the answers; `wiring` builds it from the rooms that do I/O."""

    async def answer(self, question: Question[Answer], inquiry: Inquiry) -> Answer:
        """
        Return the answer, before the inquiry's deadline.

        Raises `Unavailable` when it could not be found out (`DeadlineExceeded` when the work
        goes on), and `ImageProblem` when the image itself is the reason.
        """
        ...


@dataclass(frozen=True, slots=True)
class Violation:
    """
    A rule refuses an image use.

    `reason` is a few words that never hold values of the request; `detail` says what was seen
    and what is wanted; `remedy` says what to do. `digest_helps` asks the evaluator to put the
    digest that the tag points to now into the remedy, where it may look that up.
    """

    rule: RuleId
    reason: str
    detail: str
    remedy: str
    digest_helps: bool = False


@dataclass(frozen=True, slots=True)
class Undecided:
    """
    A rule could not find out.

    `retry` is True when the work goes on and asking again in a moment may be answered.
    """

    reason: str
    detail: str
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Reservation:
    """A rule admits an image use, and has something to tell: one sentence, without its place."""

    detail: str


class Facts:
    """The answers to what a rule needed, each possibly `Undecided`."""

    __slots__ = ("_answers",)

    def __init__(self, answers: Mapping[Question[Any], Any]) -> None:
        self._answers = answers

    def about(self, question: Question[Answer]) -> Answer | Undecided:
        """Return the answer; a `KeyError` means that `needs` did not ask for it."""
        answer: Answer | Undecided = self._answers[question]
        return answer


NO_FACTS = Facts({})


class Rule(Protocol):
    """
    One policy module.

    `reads` names the fields of `Workload`, and of `ImagePlace`, that the verdict depends on
    besides the image's text: a template is judged again when one of them changes.
    `judges_content` rules are given uses whose reference has a digest (the evaluator resolves a
    tag once per decision) and say in `unpinned` what a reference without digest is worth; where
    they need nothing, the content does not matter, and the use is judged as it is written.
    `vouches_for_registry` is True when admitting a use means that its registry may be asked.
    """

    id: ClassVar[RuleId]
    reads: ClassVar[frozenset[str]]
    judges_content: ClassVar[bool]
    vouches_for_registry: ClassVar[bool]

    @property
    def unpinned(self) -> Unpinned:
        """What a reference without digest is worth; read only where `judges_content`."""
        ...

    def needs(self, use: ImageUse) -> tuple[Question[Any], ...]:
        """Return what must be found out before `judge` can answer; empty for a pure rule."""
        ...

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided | Reservation | None:
        """Return what is wrong with one image use, None where nothing is."""
        ...
