"""
Requests that are never judged, so that they have the same answer whichever Kubernetes asks.

They are those that `matchConditions` keep away from us from Kubernetes 1.28 on (see
`webhooks/conditions.py`); an older API server sends them all the same, and so does a newer one
whose object somebody registered by hand. They are known before the object is read: an object that
cannot be read, or a policy that a change of finalizers would bring into force, keeps nobody from
ending a Pod.
"""

from landwaiter.admission.review import PodCreation, Request
from landwaiter.policy.case import Requester
from landwaiter.workloads.changes import changes_what_is_read
from landwaiter.workloads.walker import is_mirror_pod


def is_passed_over(request: Request) -> bool:
    """Whether a request is one of a node about its static Pod, or changes nothing that is read."""
    if request.object is None:
        return False
    is_pod = (request.kind.group, request.kind.kind) == ("", "Pod")
    if is_pod and is_mirror_pod(request.object) and _is_of_node(request):
        return True
    if isinstance(request, PodCreation):
        return False
    if request.operation != "UPDATE" or request.old_object is None:
        return False
    return not changes_what_is_read(request.object, request.old_object, is_template=not is_pod)


def _is_of_node(request: Request) -> bool:
    return Requester(request.user_info.username, request.user_info.groups or ()).is_node
