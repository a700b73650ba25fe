"""
The webhook object that Landwaiter makes.

While it is there every namespace is judged, so these tests have a cluster of their own.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from landwaiter.workloads.podspec import IMAGES_MAX
from realparts.balancer import Balancer
from realparts.control_plane import ControlPlane
from realparts.guard import NAME, OBJECT, ROLES, Guard
from realparts.landwaiter import NAMESPACE, OK
from realparts.processes import wait_until
from system.installation import documents
from system.objects import A_PINNED_IMAGE, A_TAG, DEPLOYMENT, a_pod, pod_spec, pods_of
from system.policies import DIGEST

OBSERVE, VALIDATE = "observe.landwaiter.dev", "validate.landwaiter.dev"
SECONDS = 10.0
"""Within which everything is set right; a second is usual."""


def policy(name: str, *actions: str, **spec: object) -> dict[str, Any]:
    return {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": name},
        "spec": {"validationActions": list(actions), "rules": DIGEST, **spec},
    }


DENIES = documents(policy("denies", "Deny"))
WARNS = documents(policy("warns", "Warn"))


@pytest.fixture
def cluster(guarded_cluster: ControlPlane) -> ControlPlane:
    return guarded_cluster


@pytest.fixture
def guard(cluster: ControlPlane, tmp_path: Path) -> Iterator[Guard]:
    """Give an install without replicas, and leave no webhook object behind."""
    with Balancer() as balancer:
        guard = Guard(tmp_path, cluster, balancer, policies=DENIES)
        guard.install()
        yield guard
        guard.uninstall()


def specification(found: dict[str, Any] | None) -> Any:  # noqa: ANN401  # JSON.
    return (found or {}).get("webhooks")


def write_policies(guard: Guard, text: str) -> None:
    """Change the policies of every replica, as a changed ConfigMap does."""
    for replica in guard.replicas:
        file = replica.folder / "policies" / "policies.yaml"
        file.with_suffix(".new").write_text(text, encoding="utf-8")
        file.with_suffix(".new").rename(file)


def change(guard: Guard, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit the object as `kubectl edit` does, over whatever version there is."""
    while True:
        found = guard.webhook_object()
        assert found is not None
        edit(found["webhooks"][0] if "webhooks" in found else found)
        if guard.cluster.request("PUT", f"{OBJECT}?fieldManager=editor", found).status == OK:
            return


def events(guard: Guard, kind: str = "ValidatingWebhookConfiguration") -> list[tuple[str, str]]:
    found = guard.cluster.request("GET", "/apis/events.k8s.io/v1/events").body["items"]
    return [(each["reason"], each["note"]) for each in found if each["regarding"]["kind"] == kind]


def create(guard: Guard, namespace: str, image: str, name: str = "web") -> tuple[int, str]:
    answer = guard.cluster.request("POST", pods_of(namespace), a_pod(image, name=name))
    return answer.status, str(answer.body.get("message", ""))


def test_semantics_18_each_path_is_armed_while_a_policy_needs_it(guard: Guard) -> None:
    """An install that only observes has nothing that could stop anyone; without policy, nothing."""
    replica = guard.start(policies=WARNS)
    guard.wait_until_armed(OBSERVE)
    observing = (guard.webhook_object() or {})["webhooks"][0]["failurePolicy"]
    gauges = [
        replica.metric(f"landwaiter_webhook_{name}", path=path)
        for name in ("armed", "wanted")
        for path in ("observe", "validate")
    ]
    write_policies(guard, WARNS + "---\n" + DENIES)
    guard.wait_until_armed(OBSERVE, VALIDATE)
    write_policies(guard, DENIES)
    guard.wait_until_armed(VALIDATE)
    refusing = (guard.webhook_object() or {})["webhooks"][0]["failurePolicy"]
    write_policies(guard, documents(policy("softer", "Deny", templates="Warn")))
    guard.wait_until_armed(OBSERVE, VALIDATE)

    assert ("Ignore", "Fail", [1.0, 0.0, 1.0, 0.0]) == (observing, refusing, gauges)


def without_ca(webhook: dict[str, Any]) -> None:
    del webhook["clientConfig"]["caBundle"]


def without_a_rule(webhook: dict[str, Any]) -> None:
    webhook["rules"].pop()
    del webhook["namespaceSelector"]["matchExpressions"]


def never_asked(webhook: dict[str, Any]) -> None:
    webhook["failurePolicy"] = "Ignore"
    webhook["objectSelector"] = {"matchLabels": {"a": "b"}}
    webhook["matchConditions"].append({"name": "never", "expression": "false"})


def renamed(webhook: dict[str, Any]) -> None:
    webhook["name"] = "other.landwaiter.dev"
    webhook["clientConfig"]["url"] = "https://127.0.0.1:1/validate"


def test_what_somebody_changes_is_set_right(guard: Guard) -> None:
    """Whatever it is, within the moment, with an Event, a log line and a count."""
    replica = guard.start()
    guard.wait_until_armed(VALIDATE)
    good = specification(guard.webhook_object())
    for edit in (without_ca, without_a_rule, never_asked, renamed):
        change(guard, edit)
        wait_until(
            lambda: specification(guard.webhook_object()) == good,
            within_seconds=SECONDS,
            what=f"{edit.__name__} to be set right",
        )
    guard.cluster.request("DELETE", OBJECT)
    guard.wait_until_armed(VALIDATE, within_seconds=SECONDS)
    expected = [
        f"somebody had changed {VALIDATE}: clientConfig",  # Who takes away owns nothing after it.
        f"editor had changed {VALIDATE}: namespaceSelector; {VALIDATE}: rules",
        (
            f"editor had changed {VALIDATE}: failurePolicy; {VALIDATE}: matchConditions; "
            f"{VALIDATE}: objectSelector"
        ),
        f"editor had changed {VALIDATE}: missing; other.landwaiter.dev: not wanted",
        "it had been deleted, and is there again",
    ]
    wait_until(
        lambda: ("WebhookRepaired", expected[-1]) in events(guard),
        within_seconds=SECONDS,
        what="the Event of the last repair",
    )
    repairs = [line for line in replica.log_lines() if line.get("reason") == "WebhookRepaired"]

    assert expected == [line["text"] for line in repairs]
    assert set(expected) <= {note for _, note in events(guard)}
    assert len(expected) == replica.metric("landwaiter_webhook_repairs_total")


def test_what_others_add_is_left_alone(guard: Guard) -> None:
    """Labels and annotations of tools decide nothing; `unmatchedImages: Deny` alone can refuse."""
    guard.start("--unmatched-images=Deny", policies=WARNS)
    guard.wait_until_armed(OBSERVE, VALIDATE)
    tool = {"annotations": {"argocd.argoproj.io/tracking-id": "x"}, "labels": {"team": "b"}}
    patched = guard.cluster.request(
        "PATCH", OBJECT, {"metadata": tool}, content_type="application/merge-patch+json"
    )
    # A change that has to be set right shows that the first one has been looked at.
    change(guard, without_a_rule)
    wait_until(
        lambda: len((guard.webhook_object() or {})["webhooks"][0]["rules"]) == 3,
        within_seconds=SECONDS,
        what="the rules",
    )
    metadata = (guard.webhook_object() or {})["metadata"]

    assert OK == patched.status
    assert ("x", "b", "landwaiter") == (
        metadata["annotations"]["argocd.argoproj.io/tracking-id"],
        metadata["labels"]["team"],
        metadata["labels"]["app.kubernetes.io/managed-by"],
    )


def test_the_door_is_opened_by_one_command_and_stays_open(guard: Guard) -> None:
    """Nothing makes the object again while the ClusterRole is missing; it goes with the role."""
    replica = guard.start()
    guard.wait_until_armed(VALIDATE)
    namespace = guard.cluster.new_namespace()
    closed = create(guard, namespace, A_TAG)[0]
    # The role's deletion can take the object along before kubectl comes to it.
    kinds = "clusterrole,validatingwebhookconfiguration"
    guard.cluster.kubectl("delete", kinds, NAME, "--ignore-not-found")
    wait_until(
        lambda: replica.metric("landwaiter_webhook_armed", path="validate") == 0.0,
        within_seconds=SECONDS,
        what="the metric",
    )
    # Its right is gone with the role; it hears of the deletion, and says so, all the same.
    wait_until(
        lambda: any(line.get("reason") == "DoorOpened" for line in replica.log_lines()),
        within_seconds=SECONDS,
        what="the log line",
    )
    opened = create(guard, namespace, A_TAG)[0]
    later = time.monotonic() + 3
    while time.monotonic() < later:
        assert guard.webhook_object() is None
    wanted = replica.metric("landwaiter_webhook_wanted", path="validate")
    guard.install()
    guard.wait_until_armed(VALIDATE, within_seconds=20)
    again = create(guard, namespace, A_TAG, "again")[0]
    owner = guard.cluster.request("GET", f"{ROLES}/{NAME}").body["metadata"]["uid"]
    metadata = (guard.webhook_object() or {})["metadata"]

    assert (403, 201, 1.0, 403) == (closed, opened, wanted, again)
    assert [owner] == [each["uid"] for each in metadata["ownerReferences"]]
    assert {"DoorOpened", "DoorClosed"} <= {reason for reason, _ in events(guard)}


def test_the_object_goes_with_its_role_also_without_landwaiter(guard: Guard) -> None:
    """`helm uninstall` of a broken install leaves nothing that keeps Pods out."""
    guard.start()
    guard.wait_until_armed(VALIDATE)
    guard.stop()
    guard.cluster.request("DELETE", f"{ROLES}/{NAME}")

    wait_until(lambda: guard.webhook_object() is None, within_seconds=SECONDS, what="its removal")


def test_two_replicas_write_as_one(guard: Guard) -> None:
    """They do not undo each other's work, and the other goes on when the first is killed."""
    first, second = guard.start(), guard.start("--webhook-timeout-seconds=20")
    guard.wait_until_armed(VALIDATE)

    def timeout() -> int:
        return int((guard.webhook_object() or {})["webhooks"][0]["timeoutSeconds"])

    def leaders() -> list[float]:
        return [each.metric("landwaiter_webhook_leader") for each in (first, second)]

    generation = (guard.webhook_object() or {})["metadata"]["generation"]
    before = (timeout(), leaders())
    change(guard, without_a_rule)
    wait_until(
        lambda: (guard.webhook_object() or {})["metadata"]["generation"] == generation + 2,
        within_seconds=SECONDS,
        what="one change and one repair",
    )
    first.stop()
    guard.balancer.ports = (second.port,)
    wait_until(lambda: timeout() == 20, within_seconds=30, what="the second replica to write")
    # Nobody has written meanwhile but those who should: the edit, its repair, the successor.
    ended = (guard.webhook_object() or {})["metadata"]["generation"]

    assert ((10, [1.0, 0.0]), generation + 3) == (before, ended)


def test_a_replica_that_drains_hands_over_at_once(guard: Guard) -> None:
    """An upgrade has no time in which nobody keeps the object."""
    first, second = guard.start(), guard.start()
    guard.wait_until_armed(VALIDATE)
    first.drain()

    wait_until(
        lambda: second.metric("landwaiter_webhook_leader") == 1.0,
        within_seconds=5,
        what="the second replica to write",
    )


def test_a_stopped_cluster_starts_again(guard: Guard) -> None:
    """Without any replica Pods of the system and of Landwaiter start, and no other."""
    guard.start("--exclude-namespace=networking")
    guard.wait_until_armed(VALIDATE)
    judged = guard.cluster.new_namespace()
    guard.cluster.create_namespace("networking")
    deployment = DEPLOYMENT.holding(pod_spec(A_TAG), replicas=2)
    guard.stop()
    statuses = {
        namespace: create(guard, namespace, A_TAG)[0]
        for namespace in ("kube-system", NAMESPACE, "networking", judged)
    }
    # Controllers make Pods of Landwaiter from its Deployment.
    guard.cluster.request("POST", DEPLOYMENT.collection(NAMESPACE), deployment)
    wait_until(
        lambda: len(guard.cluster.request("GET", pods_of(NAMESPACE)).body["items"]) == 3,
        within_seconds=SECONDS,
        what="the Pods of the Deployment",
    )
    guard.start("--exclude-namespace=networking")
    # It is behind the address that the object has had all the time.
    wait_until(
        lambda: create(guard, judged, A_PINNED_IMAGE, "again")[0] == 201,
        within_seconds=SECONDS,
        what="a Pod that is good",
    )
    for namespace in ("kube-system", NAMESPACE):
        guard.cluster.kubectl(
            "delete", "deployment,pod", "--all", f"--namespace={namespace}", "--now"
        )

    assert {"kube-system": 201, NAMESPACE: 201, "networking": 201, judged: 500} == statuses


def test_semantics_07_nodes_and_unchanged_objects_need_no_answer(guard: Guard) -> None:
    """While Landwaiter is down, static Pods are shown and Pods lose their finalizers."""
    guard.start()
    guard.wait_until_armed(VALIDATE)
    namespace = guard.cluster.new_namespace()
    held = a_pod(A_PINNED_IMAGE, name="held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    guard.cluster.request("POST", pods_of(namespace), held)
    mirror = a_pod(A_TAG, name="static-n1", nodeName="n1")
    mirror["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "abc"}
    forged = guard.cluster.request("POST", pods_of(namespace), mirror, user="developer").status
    guard.stop()
    merge = "application/strategic-merge-patch+json"

    def patch(change: dict[str, Any]) -> int:
        path = pods_of(namespace, "held")
        return guard.cluster.request("PATCH", path, change, content_type=merge).status

    labelled = patch({"metadata": {"labels": {"a": "b"}}})
    new_image = patch({"spec": {"containers": [{"name": "c0", "image": A_TAG}]}})
    guard.cluster.request("DELETE", pods_of(namespace, "held"))
    released = patch({"metadata": {"finalizers": None}})
    by_node = guard.cluster.request("POST", pods_of(namespace), mirror, user="node").status
    by_developer = guard.cluster.request(
        "POST",
        pods_of(namespace),
        {**mirror, "metadata": {**mirror["metadata"], "name": "x"}},
        user="developer",
    ).status

    assert (403, 200, 500, 200, 201, 500) == (
        forged,
        labelled,
        new_image,
        released,
        by_node,
        by_developer,
    )


def test_semantics_06_templates_are_sent_when_a_policy_may_apply_anew(guard: Guard) -> None:
    """A label makes a condition true: the template is judged. Finalizers alone are not sent."""
    condition = {
        "name": "judged",
        "expression": "has(object.metadata.labels) && 'judged' in object.metadata.labels",
    }
    guard.start(policies=documents(policy("labelled", "Deny", matchConditions=[condition])))
    guard.wait_until_armed(VALIDATE)
    namespace = guard.cluster.new_namespace()
    held = DEPLOYMENT.holding(pod_spec(A_TAG), replicas=0)
    held["metadata"]["finalizers"] = ["example.com/hold"]
    path = f"{DEPLOYMENT.collection(namespace)}/web"

    def patch(**metadata: object) -> int:
        return guard.cluster.request(
            "PATCH",
            path,
            {"metadata": metadata},
            content_type="application/merge-patch+json",
        ).status

    created = guard.cluster.request("POST", DEPLOYMENT.collection(namespace), held).status
    labelled, other = patch(labels={"judged": "yes"}), patch(labels={"a": "b"})
    guard.stop()
    annotated, released = patch(annotations={"a": "b"}), patch(finalizers=None)

    assert (201, 403, 200, 500, 200) == (created, labelled, other, annotated, released)


def test_conditions_cost_little_for_the_largest_objects(guard: Guard) -> None:
    """Comparing two specs of as many containers as are judged stays within what is allowed."""
    guard.start()
    guard.wait_until_armed(VALIDATE)
    namespace = guard.cluster.new_namespace()
    largest, too_large = (
        DEPLOYMENT.holding(pod_spec(*[A_PINNED_IMAGE] * count), replicas=0)
        for count in (IMAGES_MAX, 1000)
    )
    created = guard.cluster.request("POST", DEPLOYMENT.collection(namespace), largest)
    path = f"{DEPLOYMENT.collection(namespace)}/web"
    label = {"metadata": {"labels": {"a": "b"}}}
    merge = "application/merge-patch+json"
    changed = guard.cluster.request("PATCH", path, label, content_type=merge)
    other = guard.cluster.new_namespace()
    refused = guard.cluster.request("POST", DEPLOYMENT.collection(other), too_large)

    assert (201, 200, 403) == (created.status, changed.status, refused.status)
    assert f"seen over {IMAGES_MAX} images" in refused.body["message"]
