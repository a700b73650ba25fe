"""What the conditions leave out is what the judge would have admitted anyhow."""

from typing import Any, get_type_hints

import pytest

from landwaiter.images.reference import ShortNames
from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.rules.protocol import RuleId
from landwaiter.workloads.changes import READABLE_FIELDS
from landwaiter.workloads.values import Workload
from landwaiter.workloads.walker import read_workload
from system.objects import A_TAG, POD_TEMPLATE, TEMPLATE_KINDS, a_pod, pod_spec

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
