"""Matching, actions by namespace, conditions and exceptions, as the real API server sees them."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from realparts.control_plane import ControlPlane
from realparts.landwaiter import Landwaiter
from realparts.processes import wait_until
from system.installation import Installation, a_policy, documents
from system.objects import A_PINNED_IMAGE, A_TAG, a_pod, pods_of, refusal_of
from system.policies import DIGEST

IN_FORCE_SECONDS = 10.0
EXCEPTIONS = "validate.landwaiter.dev/exceptions"
REFUSED = (403, [("spec.containers[0].image", "pinnedTags")])
PRODUCTION = {"matchLabels": {"stage": "production"}}
DEVELOPERS = {"kind": "Group", "name": "developers"}
ASKED_FOR = 'has(object.metadata.annotations) && "judge" in object.metadata.annotations'
NOT_IN_TESTS = 'namespaceObject.metadata.labels["stage"] != "test"'
BY_DEVELOPERS = '"developers" in request.userInfo.groups && request.operation == "CREATE"'


def with_match(policy: dict[str, Any], **match: object) -> dict[str, Any]:
    """Return the policy with more conditions beside its own namespaces."""
    spec = policy["spec"]
    return {**policy, "spec": {**spec, "match": {**spec["match"], **match}}}


def a_condition(name: str, expression: str) -> dict[str, str]:
    return {"name": name, "expression": expression}


POLICIES = (
    a_policy(
        "overridden",
        DIGEST,
        actions=["Warn"],
        actionOverrides=[{"namespaceSelector": PRODUCTION, "validationActions": ["Deny"]}],
    ),
    with_match(a_policy("exempting", DIGEST), excludeUsers=[DEVELOPERS]),
    with_match(a_policy("excluding", DIGEST), excludeImages=["registry.example.com/team"]),
    a_policy(
        "conditional",
        DIGEST,
        matchConditions=[
            a_condition("asked-for", ASKED_FOR),
            a_condition("not-in-tests", NOT_IN_TESTS),
            a_condition("by-developers", BY_DEVELOPERS),
        ],
    ),
    a_policy("lifted", DIGEST),
)


@pytest.fixture(scope="module")
def language(
    tmp_path_factory: pytest.TempPathFactory, control_plane: ControlPlane
) -> Iterator[Installation]:
    """Give an installation with the policies above."""
    folder = tmp_path_factory.mktemp("language")
    with Landwaiter(folder, policies=documents(*POLICIES), cluster=control_plane) as landwaiter:
        installation = Installation(control_plane, landwaiter)
        installation.register()
        yield installation


def annotated(annotations: dict[str, str]) -> dict[str, Any]:
    pod = a_pod(A_TAG)
    return {**pod, "metadata": {**pod["metadata"], "annotations": annotations}}


def test_semantics_18_one_policy_warns_here_and_denies_there(language: Installation) -> None:
    """The labels of the namespace say which, and so on which path it is told."""
    there = language.namespace("overridden", labels={"stage": "production"})
    here = language.namespace("overridden", labels={"stage": "test"})
    answers = [language.create(namespace, a_pod(A_TAG)) for namespace in (there, here)]

    assert REFUSED == refusal_of(answers[0])
    assert (
        201,
        (
            (
                'pinnedTags: container c0: tag "1.0" can be moved to another image at any time; '
                "a digest is wanted (policy overridden)"
            ),
        ),
    ) == (answers[1].status, answers[1].warnings)


def test_semantics_07_an_exempt_user_passes_with_a_pod_and_a_controller_does_not(
    language: Installation,
) -> None:
    """What becomes of a Deployment is asked for by a controller, whoever has applied it."""
    namespace = language.namespace("exempting")
    template = {"metadata": {"labels": {"app": "web"}}, "spec": a_pod(A_TAG)["spec"]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template},
    }
    path = f"/apis/apps/v1/namespaces/{namespace}"
    by_developer = language.create(namespace, a_pod(A_TAG))
    by_admin = language.create(namespace, a_pod(A_TAG, name="other"), user="admin")
    applied = language.cluster.request("POST", f"{path}/deployments", deployment, user="developer")

    def is_refused() -> bool:
        status = language.cluster.request("GET", f"{path}/deployments/web").body["status"]
        messages = [each.get("message", "") for each in status.get("conditions", ())]
        return any("pinnedTags (policy exempting)" in message for message in messages)

    assert (201, REFUSED, 201) == (by_developer.status, refusal_of(by_admin), applied.status)
    wait_until(is_refused, within_seconds=30, what="the refusal of the controller")


def test_excluded_images_pass(language: Installation) -> None:
    """And images beside them do not."""
    namespace = language.namespace("excluding")
    passed = language.create(namespace, a_pod(A_TAG, name="in"))
    refused = language.create(namespace, a_pod("registry.example.com/team-evil/app:1"))

    assert (201, REFUSED) == (passed.status, refusal_of(refused))


@pytest.mark.parametrize(
    ("stage", "annotations", "user", "is_refused"),
    [
        ("production", {"judge": ""}, "developer", True),
        ("production", {}, "developer", False),
        ("test", {"judge": ""}, "developer", False),
        ("production", {"judge": ""}, "admin", False),
    ],
)
def test_conditions_read_what_the_api_server_has_sent(
    language: Installation,
    stage: str,
    annotations: dict[str, str],
    user: str,
    is_refused: bool,  # noqa: FBT001
) -> None:
    """The object, its namespace and the requester, under the names of Kubernetes."""
    namespace = language.namespace("conditional", labels={"stage": stage})
    answer = language.create(namespace, annotated(annotations), user=user)

    if is_refused:
        assert REFUSED == refusal_of(answer)
    else:
        assert 201 == answer.status


def test_a_condition_that_cannot_be_told_is_undecided(language: Installation) -> None:
    """A label that is not there makes the expression fail, and nothing is admitted for that."""
    namespace = language.namespace("conditional")

    assert (503, [("spec.containers[0].image", "matchConditions")]) == refusal_of(
        language.create(namespace, annotated({"judge": ""}))
    )


def test_an_exception_lets_a_person_through_until_it_ends(language: Installation) -> None:
    """Kubectl shows each use, the audit log keeps it, and at its end the door is shut."""
    namespace = language.namespace("lifted")
    ends = (datetime.now(UTC) + timedelta(seconds=8)).replace(microsecond=0)
    exception = {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ImagePolicyException",
        "metadata": {"name": "hotfix"},
        "spec": {
            "policies": [{"name": "lifted", "rules": ["pinnedTags"]}],
            "images": [A_TAG],
            "namespaces": [namespace],
            "requestedBy": "alice",
            "reason": "the registry is down",
            "expires": ends.isoformat(),
        },
    }
    probe = a_pod(A_TAG, name="probe")
    before = refusal_of(language.dry_run(namespace, probe))
    (language.landwaiter.folder / "policies" / "exception.yaml").write_text(documents(exception))

    def is_lifted() -> bool:
        return language.dry_run(namespace, probe).status == 201

    wait_until(is_lifted, within_seconds=IN_FORCE_SECONDS, what="the exception to be in force")
    created = language.cluster.kubectl(
        "create",
        "--filename=-",
        f"--namespace={namespace}",
        stdin=json.dumps(a_pod(A_TAG)),
        user="developer",
    )
    until = ends.strftime("%Y-%m-%dT%H:%M:%SZ")
    wait_until(lambda: not is_lifted(), within_seconds=30, what="the end of the exception")

    assert REFUSED == before == refusal_of(language.dry_run(namespace, probe))
    assert (
        f"Warning: exception hotfix until {until}: pinnedTags (policy lifted): "
        f"{A_TAG} (container c0)\n"
    ) == created.stderr
    assert datetime.now(UTC) >= ends
    event = language.cluster.wait_for_audit_event(
        lambda event: (
            event.get("objectRef", {}).get("namespace") == namespace
            and EXCEPTIONS in event.get("annotations", {})
        )
    )
    (finding,) = json.loads(event["annotations"][EXCEPTIONS])["findings"]
    assert ("hotfix", "alice", True) == (
        finding["exception"],
        finding["requestedBy"],
        finding["admitted"],
    )
    assert 1 <= language.landwaiter.metric(
        "landwaiter_exceptions_used_total", exception="hotfix", policy="lifted", rule="pinnedTags"
    )


def test_a_pinned_image_is_admitted_by_all_of_them(language: Installation) -> None:
    """Each refusal above comes from the image."""
    for policy in ("overridden", "exempting", "excluding", "conditional", "lifted"):
        namespace = language.namespace(policy, labels={"stage": "production"})
        pod = a_pod(A_PINNED_IMAGE)
        assert 201 == language.cluster.request("POST", pods_of(namespace), pod, user="admin").status
