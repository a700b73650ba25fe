"""Objects that the API server takes, and that are made to be passed over or to stay for ever."""

import json
from typing import Any

import pytest

from realparts.control_plane import ControlPlane
from system.installation import Installation, annotations_of, put_under
from system.objects import A_TAG, a_pod, pods_of, refusal_of
from system.workshop import Workshop

MANY_VOLUMES = 1000
"""The API server adds one of its own, for the token of the Pod's account."""
FINALIZERS = ["tests.landwaiter.dev/keep"]


def nested_deep(depth: int) -> dict[str, Any]:
    """Return a Pod with `managedFields` of so many levels, which the API server keeps."""
    fields: dict[str, Any] = {}
    for _ in range(depth):
        fields = {"f:spec": fields}
    pod = a_pod(A_TAG)
    pod["metadata"]["managedFields"] = [
        {
            "manager": "somebody",
            "operation": "Update",
            "apiVersion": "v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": fields,
        }
    ]
    return pod


def of_many_volumes() -> dict[str, Any]:
    """Return a Pod with one volume more than is read."""
    volumes = [{"name": f"v{at}", "emptyDir": {}} for at in range(MANY_VOLUMES)]
    return a_pod(A_TAG, volumes=volumes)


def test_what_is_nested_deep_is_refused_like_any_other(installation: Installation) -> None:
    """The person reads the refusal, and not that the webhook could not be called."""
    answer = installation.create(installation.namespace("digest"), nested_deep(900))

    assert (403, [("spec.containers[0].image", "pinnedTags")]) == refusal_of(answer)


def test_what_is_nested_deep_is_audited_like_any_other(installation: Installation) -> None:
    """`/observe` may fail without a trace, so nobody may be able to make it fail."""
    namespace = installation.namespace("audited")

    installation.create(namespace, nested_deep(900))

    (annotation,) = annotations_of(installation.cluster, namespace).items()
    key, told = annotation
    seen = [(each["path"], each["image"], each["rule"]) for each in told["findings"]]
    expected = [("spec.containers[0].image", A_TAG, "pinnedTags")]
    assert ("observe.landwaiter.dev/violations", expected) == (key, seen)


def test_what_is_too_long_to_be_read_is_refused_and_never_passed_over_in_silence(
    installation: Installation,
) -> None:
    """It could hold any image; where nobody denies, the audit log says that nobody has looked."""
    namespace = installation.namespace("audited")
    problem = (
        f"Pod {namespace}/web cannot be read, so its images are unknown: "
        "spec.volumes: seen a list of 1001, wanted a list of at most 1000"
    )

    answer = installation.create(namespace, of_many_volumes())

    told = annotations_of(installation.cluster, namespace)
    assert (403, True, {"observe.landwaiter.dev/problem": {"detail": problem}}) == (
        answer.status,
        str(answer.body["message"]).endswith(problem),
        told,
    )


@pytest.mark.parametrize("pod", [nested_deep(900), of_many_volumes()], ids=["deep", "long"])
def test_connaisseur_2053_an_object_from_before_can_be_deleted_whatever_is_in_it(
    installation: Installation, control_plane: ControlPlane, pod: dict[str, Any]
) -> None:
    """Whoever may write Pods cannot make one that stays when the policy comes."""
    before = json.loads(json.dumps(pod))
    before["metadata"]["finalizers"] = FINALIZERS
    namespace = control_plane.new_namespace()
    assert 201 == installation.create(namespace, before).status
    put_under(control_plane, installation, namespace, "digest")
    path = pods_of(namespace, "web")
    control_plane.request("DELETE", f"{path}?gracePeriodSeconds=0")

    dropped = installation.patch(path, {"metadata": {"finalizers": None}})

    assert (200, 404) == (dropped.status, control_plane.request("GET", path).status)


@pytest.mark.parametrize("host", ["localhost:{port}", "[::1]:{port}"])
def test_semantics_11_a_registry_inside_that_nobody_named_is_not_reached(
    installation: Installation, workshop: Workshop, host: str
) -> None:
    """Another name of a registry that the admin has named is not named by that."""
    port = workshop.plain.host.rpartition(":")[2]
    image = f"{host.format(port=port)}/team/app@sha256:{'d' * 64}"

    answer = installation.create(installation.namespace("signed"), a_pod(image))

    told = "has a non-public address" in " ".join(str(answer.body["message"]).split())
    assert (403, True) == (answer.status, told)


@pytest.mark.parametrize("registry", ["registry.example.com:99999", "127.1:5000", "[:::]:5000"])
def test_semantics_14_a_registry_that_cannot_be_asked_is_refused_under_ignore_too(
    installation: Installation, registry: str
) -> None:
    """Whoever writes the Pod chooses the name, so it is neither a fault nor a bug."""
    image = f"{registry}/team/app@sha256:{'e' * 64}"

    answer = installation.create(installation.namespace("signed-ignore"), a_pod(image))

    bugs = installation.landwaiter.metric("landwaiter_handler_errors_total")
    assert ((403, [("spec.containers[0].image", "cosignSignatures")]), 0) == (
        refusal_of(answer),
        bugs,
    )
