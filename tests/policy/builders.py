"""Policies and workloads for the tests of this room."""

from collections.abc import Mapping
from typing import Any

from landwaiter.images.patterns import ImagePattern
from landwaiter.images.reference import ImageReference
from landwaiter.policy.matching import (
    LabelSelector,
    Operator,
    Policy,
    Requirement,
    TemplateAction,
)
from landwaiter.rules.verdict import Action, FailurePolicy
from landwaiter.workloads.values import ImagePlace, ImageUse, Workload

A_KEY = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9FgQTLn6eQ7NblnmO5xbTbsWcjHR\n"
    "z+BrgHXFkQ/N5D7kiIDr6paTai9YdcPXWo+5PvtEjqYfSd7Udxlyt9RTZQ==\n"
    "-----END PUBLIC KEY-----\n"
)
"""A public key whose private half was thrown away."""


def a_policy(
    *,
    actions: tuple[Action, ...] = (Action.DENY,),
    templates: TemplateAction | None = None,
    namespaces: tuple[Requirement, ...] = (),
    objects: tuple[Requirement, ...] = (),
    images: tuple[str, ...] = ("**",),
    failure_policy: FailurePolicy = FailurePolicy.FAIL,
    **more: Any,  # noqa: ANN401  # Any other field of a policy.
) -> Policy:
    return Policy(
        name="p",
        actions=frozenset(actions),
        failure_policy=failure_policy,
        templates=templates,
        namespace_selector=LabelSelector(namespaces),
        object_selector=LabelSelector(objects),
        images=tuple(map(ImagePattern.parse, images)),
        rules=(),
        **more,
    )


def requires(key: str, operator: Operator, *values: str) -> Requirement:
    return Requirement(key, operator, frozenset(values))


def a_workload(
    *, namespace: str = "shop", labels: Mapping[str, str] | None = None, is_template: bool = False
) -> Workload:
    kind = "Deployment" if is_template else "Pod"
    return Workload(kind, namespace, "web", is_template, labels or {}, "", (), ())


def a_use(text: str) -> ImageUse:
    return ImageUse(ImagePlace("spec.containers[0].image", "app", text), ImageReference.parse(text))


def a_document(**spec: Any) -> dict[str, Any]:  # noqa: ANN401  # Any field of a document.
    """Return a good document with some fields of `spec` replaced."""
    return {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": "p"},
        "spec": {
            "validationActions": ["Deny"],
            "rules": {"pinnedTags": {"require": "digest"}},
            **spec,
        },
    }


def a_tenants_document(**spec: Any) -> dict[str, Any]:  # noqa: ANN401  # Any field of a document.
    """Return a good document for the namespace `shop`, with some fields of `spec` replaced."""
    return {
        **a_document(**spec),
        "kind": "ImagePolicy",
        "metadata": {"name": "p", "namespace": "shop"},
    }
