"""No label of a metric takes a value from a request, whatever is in it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

import landwaiter
from admission.builders import a_body
from landwaiter.admission.handler import Handler
from landwaiter.admission.outcome import Call
from landwaiter.admission.review import decode
from landwaiter.deadline import Deadline
from landwaiter.errors import AccessDenied, RegistryUnavailable
from landwaiter.images.patterns import ImagePattern
from landwaiter.images.reference import ShortNames
from landwaiter.policy.case import Side
from landwaiter.policy.judge import Judge
from landwaiter.policy.policy_set import PolicySet
from landwaiter.policy.standing import StandingVerdicts
from landwaiter.rules.allowed_registries import AllowedRegistries
from landwaiter.rules.pinned_tags import PinnedTags
from landwaiter.rules.pull_secrets import PullSecrets
from landwaiter.telemetry.metrics import CAUSES_LIMIT, Metrics
from policy.judging import Answers, Labels, named

MARK = "zq7x"
"""Stands in every text of the request that its author chooses."""

PACKAGE = Path(landwaiter.__file__).parent


def a_marked_pod(image: str) -> dict[str, Any]:
    metadata = {
        "name": MARK,
        "generateName": MARK,
        "namespace": MARK,
        "labels": {MARK: MARK},
        "annotations": {MARK: MARK},
        "ownerReferences": [
            {
                "apiVersion": f"{MARK}/v1",
                "kind": MARK,
                "name": MARK,
                "uid": MARK,
                "controller": True,
            }
        ],
    }
    spec = {
        "serviceAccountName": MARK,
        "imagePullSecrets": [{"name": MARK}],
        "containers": [{"name": MARK, "image": image}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("image", [f"{MARK}.example.com/{MARK}:{MARK}", f"{MARK}:///"])
@pytest.mark.parametrize(
    "found", [AccessDenied(MARK), RegistryUnavailable(MARK)], ids=["refused", "undecided"]
)
async def test_no_label_takes_a_value_from_a_request(image: str, found: Exception) -> None:
    """Names, images, users and what a registry says stay out; or one tenant could fill the page."""
    registry = CollectorRegistry()
    everything = ImagePattern.parse("**")
    rules = (
        PinnedTags(floating=None),
        AllowedRegistries(allow=(), deny=(everything,)),
        PullSecrets(require_for=(everything,)),
    )
    policies = PolicySet(tuple(named(each.id, each) for each in rules))
    judge = StandingVerdicts(
        Judge(policies=lambda: policies, source=Answers(found), namespaces=Labels({})),
        policies=lambda: policies,
        known_labels=lambda _: {},
    )
    handler = Handler(judge=judge, short_names=ShortNames.DOCKER_HUB, metrics=Metrics(registry))
    changes: dict[str, Any] = {
        "name": MARK,
        "namespace": MARK,
        "uid": MARK,
        "userInfo": {"username": MARK},
    }
    call = Call(Side.ENFORCE, 0.0, Deadline.after(10))
    await handler.answer(decode(a_body(a_marked_pod(image), **changes)), call)

    page = generate_latest(registry).decode()

    assert "landwaiter_findings_total{" in page
    assert MARK not in page


def causes_in(path: Path) -> Iterator[ast.expr]:
    """Yield what a module gives as the reason of a violation or of what is undecided."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id in {"Violation", "Undecided"}:
            named_ones = [each.value for each in node.keywords if each.arg == "reason"]
            place = ("Undecided", "Violation").index(node.func.id)
            yield named_ones[0] if named_ones else node.args[place]


def test_each_cause_is_a_word_that_stands_in_the_code() -> None:
    """A reason that is put together from values would be a label that anybody can write."""
    given = [reason for path in PACKAGE.rglob("*.py") for reason in causes_in(path)]
    # The reason of another finding is a word already.
    reasons = [each for each in given if getattr(each, "attr", "") != "reason"]
    words = {each.value for each in reasons if isinstance(each, ast.Constant)}

    assert [] == [ast.dump(each) for each in reasons if not isinstance(each, ast.Constant)]
    assert {"floating tag", "could not be found out"} < words
    assert len(words) < CAUSES_LIMIT / 2
