"""
Requests that the API server need not send, because the answer is always yes.

Kubernetes before 1.28 does not know `matchConditions`; there the same requests come, and
`admission/passed_over.py` says the same of them, so that no decision depends on the version. They
matter while Landwaiter is down: nodes go on registering static Pods, and Pods lose their finalizers
and can be deleted.

Each condition has to be one that nobody can use: it reads who asks, which the API server knows,
and what changes, which is the request itself (design, semantics 6 and 7). One that failed to
evaluate would refuse the request, so every field that may be absent is asked for first.
"""

from typing import Final

from landwaiter.cluster.version import ServerVersion
from landwaiter.workloads.changes import READ_METADATA

FIRST_VERSION: Final = ServerVersion(1, 28)
"""Beta, and on by default; generally available in 1.30."""

NOT_A_MIRROR_POD_OF_A_NODE: Final = (
    "!(request.resource.group == '' && request.resource.resource == 'pods' && "
    "has(request.userInfo.username) && request.userInfo.username.startsWith('system:node:') && "
    "has(request.userInfo.groups) && 'system:nodes' in request.userInfo.groups && "
    "has(object.metadata.annotations) && "
    "'kubernetes.io/config.mirror' in object.metadata.annotations)"
)
"""The same two signs of a node, and the same annotation, that the judge goes by."""


def _differs(member: str) -> str:
    now, before = f"object.metadata.{member}", f"oldObject.metadata.{member}"
    return f"has({now}) != has({before}) || (has({now}) && {now} != {before})"


CHANGES_WHAT_IS_READ: Final = (
    "request.operation != 'UPDATE' || !has(object.spec) || !has(oldObject.spec) || "
    "object.spec != oldObject.spec || (request.resource.resource != 'pods' && ("
    + " || ".join(map(_differs, READ_METADATA))
    + "))"
)
"""
Images, and all that rules read, are below `spec`, but for a PodTemplate, which has none.

With the same spec every use is old, and nothing that a rule reads has changed. Old uses of a Pod
are never judged again; those of a template are when a policy applies that did not before.
"""

CONDITIONS: Final = (
    ("not-a-mirror-pod-of-a-node", NOT_A_MIRROR_POD_OF_A_NODE),
    ("changes-what-is-read", CHANGES_WHAT_IS_READ),
)


def conditions_for(version: ServerVersion | None) -> list[dict[str, str]] | None:
    """Return `matchConditions`, None where the API server does not know them."""
    if version is None or version < FIRST_VERSION:
        return None
    return [{"name": name, "expression": expression} for name, expression in CONDITIONS]
