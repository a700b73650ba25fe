"""Which nodes a Pod can run on, from what it says of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landwaiter.errors import InvalidReview
from landwaiter.workloads.node_reading import TERMS_MAX, VALUES_MAX
from landwaiter.workloads.nodes import ANY_NODE, Choice, NodeSelection, NodeTerm
from landwaiter.workloads.podspec import ITEMS_MAX
from landwaiter.workloads.walker import read_workload

OS, ARCH = "kubernetes.io/os", "kubernetes.io/arch"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PLATFORMS = [("linux", "amd64"), ("linux", "arm64"), ("linux", "s390x"), ("windows", "amd64")]


def nodes_of(**spec: object) -> NodeSelection:
    """Return what is read of a Pod's nodes, by way of its only container."""
    containers = [{"name": "app", "image": "nginx"}]
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": containers, **spec}}
    workload = read_workload(pod, namespace="shop")
    assert workload is not None
    return workload.uses[0].place.nodes


def requires(*terms: object) -> dict[str, Any]:
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": list(terms)}}}


def expressions(*each: tuple[str, str, Sequence[str]]) -> dict[str, Any]:
    return {"matchExpressions": [{"key": k, "operator": o, "values": list(v)} for k, o, v in each]}


def chosen(nodes: NodeSelection) -> list[str]:
    return [f"{os}/{arch}" for os, arch in PLATFORMS if nodes.admits(os, arch)]


ALL = [f"{os}/{arch}" for os, arch in PLATFORMS]
LINUX = ALL[:3]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ALL),
        ({"nodeSelector": None, "affinity": None, "os": None}, ALL),
        ({"os": {"name": "linux"}}, LINUX),
        ({"os": {}}, ALL),
        ({"nodeSelector": {OS: "linux", "disk": "ssd"}}, LINUX),
        ({"nodeSelector": {ARCH: "arm64"}}, ["linux/arm64"]),
        ({"nodeSelector": {ARCH: None}}, []),
        ({"nodeSelector": {"beta.kubernetes.io/arch": "arm64"}}, ALL),
        ({"affinity": {"podAffinity": {}}}, ALL),
        ({"affinity": {"nodeAffinity": {REQUIRED: None}}}, ALL),
        ({"affinity": requires()}, ALL),
        ({"affinity": requires({})}, ALL),
        (
            {"affinity": requires(expressions((ARCH, "In", ["arm64", "s390x"])))},
            ["linux/arm64", "linux/s390x"],
        ),
        (
            {"affinity": requires(expressions((ARCH, "NotIn", ["amd64"])))},
            ["linux/arm64", "linux/s390x"],
        ),
        (
            {
                "affinity": requires(
                    expressions((ARCH, "In", ["s390x"])), expressions((OS, "In", ["windows"]))
                )
            },
            ["linux/s390x", "windows/amd64"],
        ),
        (
            {
                "affinity": requires(
                    expressions((ARCH, "In", ["amd64", "arm64"]), (ARCH, "NotIn", ["arm64"]))
                ),
                "nodeSelector": {OS: "linux"},
            },
            ["linux/amd64"],
        ),
        (
            {
                "affinity": requires(expressions((ARCH, "In", ["arm64"]))),
                "nodeSelector": {ARCH: "amd64"},
            },
            [],
        ),
        ({"affinity": requires(expressions((ARCH, "Exists", [])))}, ALL),
        ({"affinity": requires(expressions((ARCH, "Gt", ["1"]), ("disk", "In", ["ssd"])))}, ALL),
        ({"affinity": requires({"matchFields": [{"key": "metadata.name"}]})}, ALL),
        (
            {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}},
            ALL,
        ),
    ],
)
def test_what_is_required_of_nodes_is_read(spec: dict[str, Any], expected: list[str]) -> None:
    """All of it must hold, any of the terms may; what is not understood narrows nothing."""
    assert expected == chosen(nodes_of(**spec))


def test_every_place_of_a_pod_has_its_nodes() -> None:
    """An image volume is mounted, and an init container run, where the Pod is."""
    template = {
        "spec": {
            "nodeSelector": {ARCH: "arm64"},
            "volumes": [{"name": "model", "image": {"reference": "nginx"}}],
            "initContainers": [{"name": "first", "image": "nginx"}],
            "containers": [{"name": "app", "image": "nginx"}],
            "ephemeralContainers": [{"name": "debug", "image": "nginx"}],
        }
    }
    obj = {"apiVersion": "batch/v1", "kind": "Job", "spec": {"template": template}}
    workload = read_workload(obj, namespace="shop")
    expected = NodeSelection((NodeTerm(architecture=Choice(frozenset({"arm64"}))),))

    assert workload is not None
    assert [expected] * 4 == [use.place.nodes for use in workload.uses]


def test_selections_that_choose_alike_are_equal() -> None:
    """A template is not judged again because a requirement about disks was added."""
    by_selector = nodes_of(nodeSelector={ARCH: "arm64", "disk": "ssd"})
    by_affinity = nodes_of(
        affinity=requires(
            expressions((ARCH, "In", ["arm64", "arm64"]), ("disk", "Exists", [])),
            expressions((ARCH, "In", ["amd64", "arm64"]), (ARCH, "NotIn", ["amd64"])),
        )
    )

    assert by_selector == by_affinity
    assert ANY_NODE == nodes_of(nodeSelector={"disk": "ssd"})


@pytest.mark.parametrize(
    ("spec", "is_only"),
    [
        ({}, False),
        ({"os": {"name": "windows"}}, True),
        ({"os": {"name": "linux"}}, False),
        ({"nodeSelector": {OS: "windows"}}, True),
        ({"affinity": requires(expressions((OS, "In", ["windows", "linux"])))}, False),
        ({"affinity": requires(expressions((OS, "NotIn", ["linux"])))}, False),
        ({"affinity": requires(expressions((OS, "In", ["windows"])), expressions())}, False),
    ],
)
def test_a_pod_of_one_operating_system_is_known(spec: dict[str, Any], *, is_only: bool) -> None:
    """Only where every term names Windows and nothing else, the Pod runs on Windows alone."""
    assert is_only == nodes_of(**spec).is_only("windows")


@pytest.mark.parametrize(
    "affinity",
    [
        requires(*(expressions((ARCH, "In", [f"a{n}"])) for n in range(TERMS_MAX + 1))),
        requires(expressions((ARCH, "In", [f"a{n}" for n in range(VALUES_MAX + 1)]))),
    ],
)
def test_more_than_anybody_needs_narrows_nothing(affinity: dict[str, Any]) -> None:
    """Lists without end cost nobody any time; what the selector says still holds."""
    assert LINUX == chosen(nodes_of(affinity=affinity, nodeSelector={OS: "linux"}))


def test_the_longest_lists_are_looked_into() -> None:
    """The bounds themselves are allowed."""
    values = [*(f"a{n}" for n in range(VALUES_MAX - 1)), "arm64"]
    terms = [expressions((ARCH, "In", [f"b{n}"])) for n in range(TERMS_MAX - 1)]

    nodes = nodes_of(affinity=requires(*terms, expressions((ARCH, "In", values))))

    assert ["linux/arm64"] == chosen(nodes)


PATH = f"spec.affinity.nodeAffinity.{REQUIRED}"
VALUES = f"{PATH}.nodeSelectorTerms[0].matchExpressions[0].values"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"os": "linux"}, 'spec.os: seen "linux", wanted an object'),
        ({"os": {"name": 1}}, "spec.os.name: seen 1, wanted a string"),
        ({"nodeSelector": []}, "spec.nodeSelector: seen a list of 0, wanted an object"),
        ({"nodeSelector": {ARCH: 1}}, f'spec.nodeSelector["{ARCH}"]: seen 1, wanted a string'),
        ({"affinity": 1}, "spec.affinity: seen 1, wanted an object"),
        (
            {"affinity": {"nodeAffinity": []}},
            "spec.affinity.nodeAffinity: seen a list of 0, wanted an object",
        ),
        ({"affinity": {"nodeAffinity": {REQUIRED: 1}}}, f"{PATH}: seen 1, wanted an object"),
        (
            {"affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": {}}}}},
            f"{PATH}.nodeSelectorTerms: seen an object, wanted a list",
        ),
        (
            {"affinity": requires(*[{}] * (ITEMS_MAX + 1))},
            f"{PATH}.nodeSelectorTerms: seen a list of 1001, wanted a list of at most 1000",
        ),
        (
            {"affinity": requires({}, None)},
            f"{PATH}.nodeSelectorTerms[1]: seen nothing, wanted an object",
        ),
        (
            {"affinity": requires({"matchExpressions": [1]})},
            f"{PATH}.nodeSelectorTerms[0].matchExpressions[0]: seen 1, wanted an object",
        ),
        (
            {"affinity": requires({"matchExpressions": [{"key": ARCH, "operator": 1}]})},
            f"{PATH}.nodeSelectorTerms[0].matchExpressions[0].operator: seen 1, wanted a string",
        ),
        (
            {"affinity": requires({"matchExpressions": [{"key": ARCH, "values": "amd64"}]})},
            f'{PATH}.nodeSelectorTerms[0].matchExpressions[0].values: seen "amd64", wanted a list',
        ),
        (
            {"affinity": requires({"matchExpressions": [{"key": ARCH, "values": ["a", None]}]})},
            f"{VALUES}[1]: seen nothing, wanted a string",
        ),
    ],
)
def test_a_malformed_field_is_named_with_its_path(spec: dict[str, Any], problem: str) -> None:
    """What does not have its type is refused, up to the first such field."""
    with pytest.raises(InvalidReview) as refused:
        nodes_of(**spec)

    assert problem == str(refused.value)


REQUIREMENTS = st.tuples(
    st.sampled_from([OS, ARCH]),
    st.sampled_from(["In", "NotIn"]),
    st.lists(st.sampled_from(["linux", "windows", "amd64", "arm64", "s390x"]), max_size=3),
)


@given(
    st.fixed_dictionaries(
        {}, optional={OS: st.just("linux"), ARCH: st.sampled_from(["amd64", "arm64"])}
    ),
    st.lists(st.lists(REQUIREMENTS, max_size=3), min_size=1, max_size=3),
)
def test_nodes_are_chosen_as_kubernetes_chooses_them(
    selector: Mapping[str, str], terms: list[list[tuple[str, str, list[str]]]]
) -> None:
    """The selector and any one of the terms must hold, each of them as a whole."""
    nodes = nodes_of(
        nodeSelector=dict(selector), affinity=requires(*(expressions(*term) for term in terms))
    )

    def holds(labels: Mapping[str, str]) -> bool:
        return all(labels[key] == value for key, value in selector.items()) and any(
            all((labels[key] in values) == (operator == "In") for key, operator, values in term)
            for term in terms
        )

    assert [f"{os}/{arch}" for os, arch in PLATFORMS if holds({OS: os, ARCH: arch})] == chosen(
        nodes
    )
