"""
Fixtures of rules: manifests on disk that a rule admits or refuses, word for word.

    tests/rules/<rule>/admit/*.yaml   objects in which the rule finds nothing
    tests/rules/<rule>/deny/*.yaml    objects in which it finds exactly these violations
    tests/rules/<rule>/facts.py       for a rule that asks: `answer(question, section)`
    tests/rules/<rule>/test_*.py      what needs no object

A fixture is two documents. The first has `settings`, those of the rule as in a policy; in `deny`
also `violations`, each with `path`, `reason`, `detail` and `remedy`; where the rule tells more,
`warnings`; and for a rule that asks `facts`, from which the hook `answer` makes the answer to each
question (or raises, as a fact source does). The second is the object. It is judged by the
evaluator, as in production.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, cast

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_snake

from landwaiter.deadline import Deadline
from landwaiter.manifests.documents import read_file
from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.rules.charge import Charge, RuleInForce
from landwaiter.rules.evaluator import evaluate
from landwaiter.rules.protocol import Answer, Inquiry, Question, RuleId, Undecided, Violation
from landwaiter.rules.verdict import Action, FailurePolicy
from landwaiter.workloads.values import Workload
from landwaiter.workloads.walker import read_workload

FOLDER = Path(__file__).parent
ADMIT, DENY = "admit", "deny"


class ExpectedViolation(BaseModel):
    """One violation as a fixture writes it."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    path: str
    reason: str
    detail: str
    remedy: str


class Header(BaseModel):
    """The first document of a fixture."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    settings: dict[str, Any]
    facts: dict[str, Any] = Field(default_factory=dict)
    violations: list[ExpectedViolation] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)


class Fixture(NamedTuple):
    """One fixture file of a rule."""

    rule: RuleId
    path: Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(FOLDER))

    @property
    def expects_violations(self) -> bool:
        return self.path.parent.name == DENY

    def read(self) -> tuple[Header, Workload]:
        """Return the header and the object, whatever else is in the file being an error."""
        header, obj = (document.value for document in read_file(self.path))
        workload = read_workload(obj, namespace="shop")
        assert workload is not None, "the object carries no image"
        return Header.model_validate(header), workload


def folder_of(rule: RuleId) -> Path:
    return FOLDER / to_snake(rule)


def fixtures(folder: Path = FOLDER) -> list[Fixture]:
    """Return the fixtures of all rules in the catalogue, in the order of their names."""
    return [
        Fixture(rule, path)
        for rule in CATALOGUE
        for verdict in (ADMIT, DENY)
        for path in sorted((folder / to_snake(rule) / verdict).glob("*.yaml"))
    ]


def what_is_wrong_on_disk(folder: Path = FOLDER) -> list[str]:
    """Return what the folder of the rules lacks, and what it has too much, one sentence each."""
    names = {to_snake(rule) for rule in CATALOGUE}
    folders = sorted(each.name for each in folder.iterdir() if each.is_dir())
    wanted = [f"{name}/{verdict}" for name in sorted(names) for verdict in (ADMIT, DENY)]
    return [
        *(
            f"{name}: a folder without a rule in the catalogue"
            for name in folders
            if name not in names | {"__pycache__"}
        ),
        *(f"{each}: no fixture" for each in wanted if not list((folder / each).glob("*.yaml"))),
        *(sentence for name in sorted(names) for sentence in _unexpected(folder, name)),
    ]


def _unexpected(folder: Path, name: str) -> list[str]:
    found = []
    for path in sorted((folder / name).rglob("*")):
        inside = path.relative_to(folder / name)
        known = (
            "__pycache__" in inside.parts
            or inside.parts in {(ADMIT,), (DENY,), ("facts.py",)}
            or (inside.parent.name in {ADMIT, DENY} and inside.suffix == ".yaml")
            or (len(inside.parts) == 1 and inside.match("test_*.py"))
        )
        if not known:
            found.append(f"{name}/{inside}: not expected here")
    return found


@dataclass(frozen=True, slots=True)
class FixtureFacts:
    """A fact source that asks the hook of a rule about the facts of a fixture."""

    hook: ModuleType | None
    section: Mapping[str, Any]

    async def answer(self, question: Question[Answer], inquiry: Inquiry) -> Answer:
        assert self.hook is not None, f"{question} is asked, and there is no facts.py"
        return cast("Answer", self.hook.answer(question, self.section))


def hook_of(rule: RuleId) -> ModuleType | None:
    """Return the module with the hook of a rule, None for a rule that asks nothing."""
    path = folder_of(rule) / "facts.py"
    if not path.exists():
        return None
    spec = importlib.util.spec_from_file_location(f"rules.{to_snake(rule)}.facts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def found_by_rule(
    fixture: Fixture,
) -> tuple[list[ExpectedViolation | Undecided], list[str]]:
    """Return what the rule finds, and what else it tells, of a fixture in the object's order."""
    header, workload = fixture.read()
    settings = CATALOGUE[fixture.rule].model_validate(header.settings)
    rule = settings.rule(fixture.path.parent)
    in_force = RuleInForce("fixture", frozenset({Action.DENY}), FailurePolicy.FAIL, rule)
    verdicts = await evaluate(
        [Charge(use, (in_force,)) for use in workload.uses],
        FixtureFacts(hook_of(fixture.rule), header.facts),
        Inquiry(workload, Deadline.after(30), credentials_allowed=True),
    )
    found = [
        _as_written(verdict.use.place.path, finding.outcome)
        for verdict in verdicts
        for finding in verdict.findings
    ]
    own = f": {fixture.rule}: "  # The evaluator has warnings of its own.
    return found, [told for verdict in verdicts for told in verdict.warnings if own in told]


def _as_written(path: str, outcome: Violation | Undecided) -> ExpectedViolation | Undecided:
    if isinstance(outcome, Undecided):
        return outcome
    return ExpectedViolation(
        path=path, reason=outcome.reason, detail=outcome.detail, remedy=outcome.remedy
    )
