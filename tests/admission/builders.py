"""Workloads, findings and reviews for the tests of this room."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from landwaiter.images.reference import ImageReference
from landwaiter.policy.case import Case, Side
from landwaiter.rules.protocol import RuleId, Undecided, Violation
from landwaiter.rules.verdict import (
    Action,
    FailurePolicy,
    Finding,
    GrantedException,
    UseVerdict,
    Verdict,
)
from landwaiter.workloads.values import ImagePlace, ImageUse, UnreadableUse, Workload

A_DIGEST = "sha256:" + "0123456789abcdef" * 4
DENY = frozenset({Action.DENY})
WARN = frozenset({Action.WARN})
AUDIT = frozenset({Action.AUDIT})
A_UID = "0e5a1b6c-6c32-4c5e-8a8f-0f7a3a8b1c2d"


def a_use(text: str = "nginx:latest", *, at: int = 0, name: str = "app") -> ImageUse:
    """Return one container's image in a template."""
    place = ImagePlace(f"spec.template.spec.containers[{at}].image", name, text)
    return ImageUse(place, ImageReference.parse(text))


def an_unreadable_use(text: str, problem: str) -> UnreadableUse:
    """Return one container's image that does not parse."""
    return UnreadableUse(ImagePlace("spec.template.spec.containers[0].image", "app", text), problem)


def a_workload(
    *uses: ImageUse | UnreadableUse, kind: str = "Deployment", name: str = "web"
) -> Workload:
    """Return an object in namespace shop."""
    return Workload(
        kind=kind,
        namespace="shop",
        name=name,
        is_template=kind != "Pod",
        labels={},
        service_account="",
        pull_secrets=(),
        uses=uses or (a_use(),),
    )


def a_violation(
    rule: str = "pinnedTags",
    *,
    reason: str = "floating tag",
    detail: str = 'tag "latest" floats; a digest is wanted',
    remedy: str = f"use docker.io/library/nginx:latest@{A_DIGEST}",
) -> Violation:
    return Violation(RuleId(rule), reason, detail, remedy)


def not_known(
    *, retry: bool = False, detail: str = "registry.example.com answers 503"
) -> Undecided:
    return Undecided("not known", detail, retry=retry)


def a_finding(
    outcome: Violation | Undecided | None = None,
    *,
    policy: str = "production-images",
    rule: str = "pinnedTags",
    actions: frozenset[Action] = DENY,
    failure_policy: FailurePolicy = FailurePolicy.FAIL,
    exception: GrantedException | None = None,
    stale_seconds: int | None = None,
) -> Finding:
    found = outcome or a_violation(rule)
    return Finding(policy, RuleId(rule), actions, failure_policy, found, exception, stale_seconds)


def an_exception(name: str = "hotfix") -> GrantedException:
    """Return an exception that ends at the end of 2026."""
    end = datetime(2026, 12, 31, 18, tzinfo=UTC)
    return GrantedException(name, "alice@example.com", "the registry is down", end)


def a_verdict(*findings: Finding, use: ImageUse | None = None) -> Verdict:
    """Return a verdict about one image."""
    return Verdict((UseVerdict(use or a_use(), findings=findings),))


class JudgesAnew:
    """What judges have in common that know no verdict before they have judged."""

    def at_once(self, case: Case, side: Side) -> Verdict | None:
        return None


class FixedJudge(JudgesAnew):
    """Answers every case with one verdict, or raises; remembers what it was asked."""

    def __init__(self, answer: Verdict | Exception | None = None) -> None:
        self.answer = answer if answer is not None else Verdict()
        self.asked: list[tuple[Case, Side]] = []

    async def judge(self, case: Case, side: Side) -> Verdict:
        self.asked.append((case, side))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def a_deployment(*images: str) -> dict[str, Any]:
    containers = [{"name": f"c{at}", "image": image} for at, image in enumerate(images)]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"spec": {"containers": containers}}},
    }


def a_pod(*images: str) -> dict[str, Any]:
    containers = [{"name": f"c{at}", "image": image} for at, image in enumerate(images)]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": containers},
    }


def a_review(
    obj: Mapping[str, Any] | None = None, *, drop: Sequence[str] = (), **changes: object
) -> dict[str, Any]:
    """Return a review as the API server sends it; `changes` are fields of its request."""
    shown = a_deployment("nginx:latest") if obj is None else obj
    group, _, version = str(shown["apiVersion"]).rpartition("/")
    request = {
        "uid": A_UID,
        "kind": {"group": group, "version": version, "kind": shown["kind"]},
        "resource": {"group": group, "version": version, "resource": "any"},
        "name": "web",
        "namespace": "shop",
        "operation": "CREATE",
        "userInfo": {"username": "alice", "groups": ["developers"], "extra": {"a": ["b"]}},
        "object": shown,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions"},
        **changes,
    }
    for field in drop:
        del request[field]
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def a_body(
    obj: Mapping[str, Any] | None = None, *, drop: Sequence[str] = (), **changes: object
) -> bytes:
    """Return the same review as bytes."""
    return json.dumps(a_review(obj, drop=drop, **changes)).encode()
