"""What the conditions leave out is what the judge would have admitted anyhow."""

import itertools
import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, get_type_hints

import pytest

from landwaiter.admission.passed_over import is_passed_over
from landwaiter.admission.review import AdmissionRequest
from landwaiter.cel.worker import answers
from landwaiter.images.reference import ShortNames
from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.rules.protocol import RuleId
from landwaiter.webhooks.conditions import CONDITIONS
from landwaiter.workloads.changes import READABLE_FIELDS
from landwaiter.workloads.values import Workload
from landwaiter.workloads.walker import read_workload
from system.objects import (
    A_TAG,
    ANOTHER_TAG,
    DEPLOYMENT,
    POD_TEMPLATE,
    TEMPLATE_KINDS,
    a_pod,
    pod_spec,
)

OUTSIDE_OF_SPEC = frozenset({"kind", "name", "namespace", "is_template", "claims_mirror"})
"""What is read of an object besides its spec: an UPDATE can change none but the last of it."""


def workload(content: dict[str, Any]) -> Workload:
    found = read_workload(content, namespace="shop", short_names=ShortNames.DOCKER_HUB)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "content",
    [
        a_pod(A_TAG),
        *(kind.holding(pod_spec(A_TAG)) for kind in TEMPLATE_KINDS if kind != POD_TEMPLATE),
    ],
    ids=lambda content: str(content["kind"]),
)
def test_semantics_06_all_that_rules_read_is_in_the_spec(content: dict[str, Any]) -> None:
    """With the same spec nothing is new or changed; a Pod's labels alone make no use new."""
    written = {
        **content,
        "metadata": {
            **content["metadata"],
            "labels": {"app": "other"},
            "annotations": {"a": "b", "kubernetes.io/config.mirror": "x"},
            "finalizers": ["example.com/hold"],
        },
        "status": {"phase": "Running"},
    }
    before, after = workload(content), workload(written)
    compared = READABLE_FIELDS & set(Workload.__slots__) - OUTSIDE_OF_SPEC
    if not before.is_template:
        compared -= {"labels"}

    assert {name: getattr(before, name) for name in compared} == {
        name: getattr(after, name) for name in compared
    }


def test_semantics_06_a_pod_template_has_no_spec() -> None:
    """So it is sent whatever has changed."""
    assert "spec" not in POD_TEMPLATE.holding(pod_spec(A_TAG))


def test_semantics_06_no_rule_reads_what_is_outside_of_the_spec() -> None:
    """A rule that did would be told of no change, while the condition is in force."""
    reads = {
        rule_id: get_type_hints(settings.rule)["return"].reads
        for rule_id, settings in CATALOGUE.items()
    }

    assert {} == {each: found for each, found in reads.items() if found & OUTSIDE_OF_SPEC}
    assert "service_account" in reads[RuleId("pullSecrets")]


NODE = {"username": "system:node:n1", "groups": ["system:nodes", "system:authenticated"]}
REQUESTERS: tuple[Mapping[str, Any], ...] = (
    NODE,
    {"username": "system:node:n1", "groups": ["developers"]},
    {"username": "system:node:n1"},
    {"username": "alice", "groups": ["system:nodes"]},
    {"username": "system:nodes:n1", "groups": ["system:nodes"]},
    {"groups": ["system:nodes"]},
    {},
)
METADATA: tuple[Mapping[str, Any], ...] = (
    {},
    {"labels": {"a": "b"}},
    {"labels": {"a": "c"}},
    {"annotations": {"a": "b"}},
    {"annotations": {"kubernetes.io/config.mirror": "x"}},
    {"ownerReferences": [{"uid": "1"}]},
    {"finalizers": ["example.com/hold"], "generation": 3, "deletionTimestamp": "2026-11-24"},
)
RESOURCES = {"Pod": "pods", "Deployment": "deployments", "PodTemplate": "podtemplates"}


def versions(content: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an object as it could be written: each metadata, each of two specs or none."""
    for metadata, image in itertools.product(METADATA, (A_TAG, ANOTHER_TAG, None)):
        written = deepcopy(dict(content))
        written["metadata"] = {"name": "web", **metadata}
        if "spec" in written:
            if image is None:
                del written["spec"]
            else:
                written["spec"]["containers"] = image
        yield written


def requests() -> Iterator[dict[str, Any]]:
    contents = (a_pod(A_TAG), DEPLOYMENT.holding(pod_spec(A_TAG)), POD_TEMPLATE.holding(pod_spec()))
    for content in contents:
        group, _, version = str(content["apiVersion"]).rpartition("/")
        kind = content["kind"]
        common = {
            "uid": "1",
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": RESOURCES[kind]},
        }
        written = list(versions(content))
        for obj, user in itertools.product(written, REQUESTERS):
            yield {**common, "operation": "CREATE", "object": obj, "userInfo": user}
        for obj, old in itertools.product(written, written):
            update = {**common, "operation": "UPDATE", "object": obj, "oldObject": old}
            yield {**update, "userInfo": {"username": "alice"}}
            yield {**update, "userInfo": NODE}


def test_semantics_06_07_the_handler_says_the_same_as_the_conditions() -> None:
    """Whether the API server has left a request out or not, it has one answer."""
    asked = list(requests())
    expressions = [expression for _, expression in CONDITIONS]
    inputs = [
        {"request": each, "object": each["object"], "oldObject": each.get("oldObject") or {}}
        for each in asked
    ]
    tasks = [(text, number) for number in range(len(asked)) for text in expressions]
    job = {"variables": ["request", "object", "oldObject"], "inputs": inputs, "tasks": tasks}
    said = list(answers(job))
    by_conditions = [
        not all(said[at : at + len(expressions)]) for at in range(0, len(said), len(expressions))
    ]
    by_handler = [
        is_passed_over(AdmissionRequest.model_validate_json(json.dumps(each))) for each in asked
    ]

    assert {True, False} == set(said)
    assert by_conditions == by_handler
    assert 0 < sum(by_handler) < len(asked)
