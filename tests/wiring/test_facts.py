"""Every question that a rule can ask has somebody who answers it."""

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from landwaiter.cluster.state import ClusterState
from landwaiter.container import Container
from landwaiter.errors import ClusterUnavailable
from landwaiter.images.reference import ImageReference
from landwaiter.policy.declared import FactSettings
from landwaiter.rules.protocol import CurrentDigest, FactSource, Inquiry, Question
from landwaiter.rules.pull_secret_answers import PullSecretQuestion
from landwaiter.wiring.declared import declared_source
from landwaiter.wiring.facts import FactSources
from landwaiter.wiring.outside import OutsideSettings, fact_source
from landwaiter.wiring.statement_conditions import statement_conditions
from wiring.a_cluster import an_inquiry

IMAGE = ImageReference.parse("r.example.com/app:1")


@dataclass(frozen=True, slots=True)
class Colour(Question[str]):
    """A question that nobody answers."""


async def test_each_question_goes_to_the_answerer_of_its_type() -> None:
    """The answerer gets the question and on whose behalf it is asked."""
    asked: list[tuple[object, Inquiry]] = []

    async def answerer(question: CurrentDigest, inquiry: Inquiry) -> str:
        asked.append((question, inquiry))
        return "sha256:..."

    source: FactSource = FactSources({CurrentDigest: answerer})
    question, inquiry = CurrentDigest(IMAGE), an_inquiry()

    assert "sha256:..." == await source.answer(question, inquiry)
    assert [(question, inquiry)] == asked


async def test_a_question_that_was_not_wired_is_a_bug() -> None:
    """It is found by the first test of its rule, and never taken for an answer."""
    with pytest.raises(KeyError):
        await FactSources({}).answer(Colour(), an_inquiry())


async def test_what_is_not_known_offline_says_what_to_give() -> None:
    """The source that the offline check asks is wired with its manifests."""
    settings = OutsideSettings(None, "cosign")
    async with fact_source(settings, policies=list, view=ClusterState()) as source:
        with pytest.raises(ClusterUnavailable, match="give --cluster-state"):
            await source.answer(PullSecretQuestion(IMAGE), an_inquiry())


def names(questions: Iterable[type[object]]) -> set[str]:
    """Return the names of the questions of rules; `slots` makes each of them a class twice."""
    return {each.__name__ for each in questions if each.__module__.startswith("landwaiter.")}


async def test_every_question_that_a_rule_can_ask_is_answered() -> None:
    """In the webhook, in the offline check, and in declared cases."""
    async with fact_source(
        OutsideSettings(None, "cosign"), policies=list, view=ClusterState()
    ) as source:
        assert isinstance(source, FactSources)
        async with statement_conditions() as conditions:
            declared = declared_source(FactSettings(), ClusterState(), conditions)

        asked = names(Question.__subclasses__())
        assert [asked, asked] == [names(source.questions), names(declared.questions)]


@pytest.mark.parametrize(("given", "expected"), [(None, 5), (3, 3)])
async def test_cosign_runs_bounds_the_programs_that_run_at_once(
    given: int | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the option as many as have a core and room."""
    monkeypatch.setattr("landwaiter.cosign.verifier.this_container", lambda: Container(5))
    limits = []

    class Runner:
        def __init__(self, given: object, **_: object) -> None:
            limits.append(given)

    monkeypatch.setattr("landwaiter.cosign.program.CosignRunner", Runner)
    settings = OutsideSettings(None, "cosign", given)
    async with fact_source(settings, policies=list, view=ClusterState()):
        pass

    assert [expected] == [getattr(each, "runs_at_once", None) for each in limits]
