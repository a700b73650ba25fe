"""
Reads from a Pod which nodes it can run on.

An object of 3 MB can hold a million requirements, so they are read one by one, without a model for
each, and up to the first that does not have its type. Only those that name one of the two labels
are looked into. What is more than anybody needs leaves the choice as wide as it was, so that no
author can make others wait for it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from landwaiter.images.reference import quoted
from landwaiter.workloads.malformed import malformed
from landwaiter.workloads.nodes import (
    ANY,
    ANY_NODE,
    ARCHITECTURE_LABEL,
    OS_LABEL,
    Choice,
    NodeSelection,
    NodeTerm,
)
from landwaiter.workloads.podspec import ITEMS_MAX, PodSpec

LABELS: Final = (OS_LABEL, ARCHITECTURE_LABEL)
VALUES_MAX: Final = 30
"""Values of one requirement: Kubernetes runs on two systems, and on a handful of architectures."""
TERMS_MAX: Final = 30
"""Terms that differ in what they choose of the two labels."""
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_ABSENT: Final = object()


def read_nodes(spec: PodSpec, at: str) -> NodeSelection:
    """Return the nodes that a Pod can run on; `at` is the JSON path of its spec."""
    if spec.os is None and not spec.node_selector and spec.affinity is None:
        return ANY_NODE
    base = NodeTerm()
    if spec.os is not None and spec.os.name:
        base = base.with_label(OS_LABEL, Choice.of("In", (spec.os.name,)))
    for key in LABELS:
        value = (spec.node_selector or {}).get(key, _ABSENT)
        if value is not _ABSENT:
            text = _text(value, f"{at}.nodeSelector[{quoted(key)}]")
            base = base.with_label(key, Choice.of("In", (text,)))
    if spec.affinity is None:
        return NodeSelection((base,))
    path = f"{at}.affinity.nodeAffinity"
    affinity = _object(spec.affinity.get("nodeAffinity"), path)
    path = f"{path}.{_REQUIRED}"
    required = _object(affinity.get(_REQUIRED), path)
    path = f"{path}.nodeSelectorTerms"
    terms = _items(required.get("nodeSelectorTerms"), path)
    chosen = {base.narrowed(_term(term, f"{path}[{number}]")): None for number, term in terms}
    return NodeSelection(tuple(chosen) if 0 < len(chosen) <= TERMS_MAX else (base,))


def _term(written: Mapping[str, Any], at: str) -> NodeTerm:
    term = NodeTerm()
    path = f"{at}.matchExpressions"
    for number, each in _items(written.get("matchExpressions"), path):
        if (key := each.get("key")) in LABELS:
            term = term.with_label(key, _choice(each, f"{path}[{number}]"))
    return term


def _choice(requirement: Mapping[str, Any], at: str) -> Choice:
    operator = _text(requirement.get("operator"), f"{at}.operator")
    values = requirement.get("values")
    if values is not None and not isinstance(values, list):
        raise malformed(f"{at}.values", values, "a list")
    for number, value in enumerate(values or ()):
        if not isinstance(value, str):
            raise malformed(f"{at}.values[{number}]", value, "a string")
    return Choice.of(operator, values or ()) if len(values or ()) <= VALUES_MAX else ANY


def _items(value: object, at: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Give the objects of a list with their numbers; `null` is an empty list."""
    if value is None:
        return
    if not isinstance(value, list):
        raise malformed(at, value, "a list")
    if len(value) > ITEMS_MAX:
        raise malformed(at, value, f"a list of at most {ITEMS_MAX}")
    for number, item in enumerate(value):
        if not isinstance(item, dict):
            raise malformed(f"{at}[{number}]", item, "an object")
        yield number, item


def _object(value: object, at: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise malformed(at, value, "an object")
    return value


def _text(value: object, at: str) -> str:
    """Return a text; `null` is an empty one, as for Kubernetes."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise malformed(at, value, "a string")
    return value
