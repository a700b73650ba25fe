"""How a start takes policies from a cluster that does not list them."""

from pathlib import Path
from typing import Any

import pytest

from cluster.a_watch import FakeSource, Resource
from cluster.an_api import FakeAPI
from landwaiter.cluster import following
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.errors import ClusterUnavailable
from landwaiter.policy.cluster_documents import ClusterDocuments, document_of
from landwaiter.policy.exceptions import utc_now
from landwaiter.policy.install import DEFAULTS
from landwaiter.policy.last_good import config_map_of
from landwaiter.policy.live import PoliciesInForce
from landwaiter.wiring import cluster_policies as module
from landwaiter.wiring.cluster_policies import SOURCE, ClusterPolicies, ClusterPolicyParts
from landwaiter.wiring.policies import ConfigMapName, LastGoodSet
from wiring.test_policies import names, until

KIND = "ClusterImagePolicy"
KEPT = ConfigMapName("lw", "kept")
PATH = "/api/v1/namespaces/lw/configmaps/kept"
MISSING = (
    "ClusterImagePolicy could not be listed within 0.2 s; their definitions and the verbs get, "
    "list and watch on them are wanted"
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_LIST_SECONDS", 0.2)
    monkeypatch.setattr(module, "GATHER_SECONDS", 0.0)
    monkeypatch.setattr(following, "BACK_OFF_SECONDS", 0.001)
    monkeypatch.setattr(following, "BACK_OFF_MAX_SECONDS", 0.002)


def a_document(name: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": name, "resourceVersion": "1", "generation": 1},
        "spec": {"validationActions": ["Deny"], "rules": {"pinnedTags": {"require": "digest"}}},
    }


def kept(*documents: str) -> FakeAPI:
    """Return an API server with a ConfigMap that keeps documents of these names."""
    api, loaded = FakeAPI(), ClusterDocuments(DEFAULTS, own_namespace="lw")
    found = [document_of(KIND, a_document(name)) for name in documents]
    loaded.update({document.name: document for document in found}, utc_now())
    content = config_map_of(loaded.snapshot(), namespace=KEPT.namespace, name=KEPT.name)
    api.put(PATH, content)
    return api


def listed(policies: Resource | None) -> FakeSource:
    """Return what lists exceptions and policies of namespaces, and these policies."""
    there = {"imagepolicies": Resource(), "imagepolicyexceptions": Resource()}
    return FakeSource({**there, **({} if policies is None else {"clusterimagepolicies": policies})})


def policies_of(source: FakeSource, api: FakeAPI, in_force: PoliciesInForce) -> ClusterPolicies:
    last_good = LastGoodSet(ClusterObjects(api), KEPT)
    documents = ClusterDocuments(DEFAULTS, own_namespace="lw")
    return ClusterPolicies(ClusterPolicyParts(source, documents, last_good), in_force)


async def test_a_start_that_cannot_list_them_ends_with_the_reason(tmp_path: Path) -> None:
    """Where no set was ever kept: an install whose definitions are missing has to be told."""
    in_force = PoliciesInForce()
    with pytest.raises(ClusterUnavailable) as problem:
        async with policies_of(listed(None), FakeAPI(), in_force).watched():
            pass

    assert MISSING == str(problem.value)


@pytest.mark.parametrize("documents", [["a", "b"], []], ids=["documents", "none"])
async def test_semantics_22_a_start_that_cannot_list_them_goes_on_with_the_last_good_ones(
    documents: list[str],
) -> None:
    """Definitions or rights that have gone, and then a restart, lock nobody out."""
    source, in_force = listed(None), PoliciesInForce()
    async with policies_of(source, kept(*documents), in_force).watched():
        started = (names(in_force), dict(in_force.problems))
        source.resources["clusterimagepolicies"] = Resource([a_document("c")])
        await until(lambda: names(in_force) == ["c"])

        assert (documents, {SOURCE: MISSING}) == started
        assert {} == in_force.problems


async def test_what_is_listed_meanwhile_takes_nothing_away() -> None:
    """News of one kind says nothing of another one, which has not been listed."""
    source, in_force = listed(None), PoliciesInForce()
    seen: list[list[str]] = []
    in_force.listen(lambda: seen.append(names(in_force)))
    async with policies_of(source, kept("a"), in_force).watched():
        exceptions = source.resources["imagepolicyexceptions"]
        for number in range(20):
            exceptions.say("ADDED", {**a_document(f"e{number}"), "spec": {}})
        await until(exceptions.events.empty)
        source.resources["clusterimagepolicies"] = Resource([a_document("a"), a_document("c")])
        await until(lambda: names(in_force) == ["a", "c"])

    assert [] == [each for each in seen if "a" not in each]
