"""Small questions about objects of the cluster, whose form nobody vouches for."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from landwaiter.cluster.listing import Content
from landwaiter.policy.matching import Operator, Requirement

_ANY: Final = "*"


def mapping(content: Any, *keys: str) -> Mapping[str, Any]:  # noqa: ANN401  # JSON.
    """Return the mapping below some keys, an empty one where there is none."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}


def items(content: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return the mappings in a list below a key, none where there is no list."""
    found = content.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def texts(content: Mapping[str, Any], key: str) -> frozenset[str]:
    """Return the texts in a list below a key."""
    found = content.get(key)
    return frozenset(map(str, found)) if isinstance(found, list) else frozenset()


def name_of(content: Content) -> str:
    """Return the name of an object, with its namespace where it has one."""
    metadata = mapping(content, "metadata")
    namespace, name = metadata.get("namespace"), str(metadata.get("name", ""))
    return f"{namespace}/{name}" if namespace else name


def labels_of(content: Content) -> dict[str, str]:
    """Return the labels of an object."""
    return {str(k): str(v) for k, v in mapping(content, "metadata", "labels").items()}


def concerns_pods(webhook: Mapping[str, Any]) -> bool:
    """Whether a webhook is asked about Pods that are created or changed."""
    return any(
        texts(rule, "apiGroups") & {"", _ANY}
        and texts(rule, "operations") & {"CREATE", "UPDATE", _ANY}
        and texts(rule, "resources") & {"pods", _ANY, "*/*"}
        for rule in items(webhook, "rules")
    )


def selects(webhook: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a webhook is asked about a namespace; a selector of no known form selects it."""
    return all(
        requirement is None or requirement.matches(labels)
        for requirement in _requirements(mapping(webhook, "namespaceSelector"))
    )


def selector_values(webhook: Mapping[str, Any], key: str) -> frozenset[str]:
    """Return the values that a `NotIn` of the namespace selector names for a label."""
    return frozenset(
        value
        for each in items(mapping(webhook, "namespaceSelector"), "matchExpressions")
        if each.get("key") == key and each.get("operator") == Operator.NOT_IN
        for value in texts(each, "values")
    )


def _requirements(selector: Mapping[str, Any]) -> Iterator[Requirement | None]:
    for key, value in mapping(selector, "matchLabels").items():
        yield Requirement(key, Operator.IN, frozenset({str(value)}))
    for each in items(selector, "matchExpressions"):
        try:
            operator = Operator(str(each.get("operator")))
        except ValueError:
            yield None
        else:
            yield Requirement(str(each.get("key")), operator, texts(each, "values"))


def needed_for_a_cold_start(workload: Content) -> str | None:
    """Return why a cluster may need a DaemonSet before anything else, None where it does not."""
    spec = mapping(workload, "spec", "template", "spec")
    priority = str(spec.get("priorityClassName", ""))
    if priority in {"system-node-critical", "system-cluster-critical"}:
        return f"priority class {priority}"
    return "hostNetwork" if spec.get("hostNetwork") is True else None
