"""The real API server asks about everything that brings an image in, and about nothing else."""

import pytest

from landwaiter.workloads.walker import TEMPLATE_OF
from realparts.control_plane import ControlPlane
from realparts.processes import wait_until
from system.installation import Installation, put_under
from system.objects import (
    A_PINNED_IMAGE,
    A_TAG,
    ANOTHER_TAG,
    DEPLOYMENT,
    TEMPLATE_KINDS,
    Kind,
    a_pod,
    containers,
    pod_spec,
    pods_of,
    refusal_of,
)
from system.policies import PRIVATE
from system.workshop import Workshop

FORBIDDEN = 403
MIRROR = {"kubernetes.io/config.mirror": "0123456789abcdef"}
FINALIZERS = ["tests.landwaiter.dev/keep"]
FORGED = {
    "ownerReferences": [
        {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": "web-5d4f8c7b9",
            "uid": "00000000-0000-4000-8000-000000000000",
            "controller": True,
        }
    ],
    "annotations": {
        **MIRROR,
        "kubernetes.io/config.source": "file",
        "landwaiter.dev/verified": "true",
        "kyverno.io/verify-images": '{"registry.example.com/team/app:1.0":"pass"}',
    },
}
AN_IMAGE_VOLUME = {"name": "models", "image": {"reference": A_TAG}}


def a_kind_test_spec(kind: Kind, image: str) -> dict[str, object]:
    restart = "Never" if kind.api == "batch/v1" else "Always"
    return pod_spec(image, restartPolicy=restart)


def from_before(control_plane: ControlPlane, installation: Installation, policy: str) -> str:
    """Return a namespace under a policy in which a Pod of a bad image already was."""
    namespace = control_plane.new_namespace()
    pod = a_pod(A_TAG)
    pod["metadata"]["finalizers"] = FINALIZERS
    assert 201 == installation.create(namespace, pod).status
    put_under(control_plane, installation, namespace, policy)
    return namespace


def test_semantics_04_kyverno_gatekeeper_portieris_a_pod_is_judged_at_all_its_places(
    installation: Installation,
) -> None:
    """Image volumes, init containers and containers are refused with their paths, in order."""
    pod = a_pod(
        A_TAG,
        A_PINNED_IMAGE,
        ANOTHER_TAG,
        initContainers=[{"name": "init", "image": A_TAG}],
        volumes=[{"name": "empty", "emptyDir": {}}, AN_IMAGE_VOLUME],
    )

    answer = installation.create(installation.namespace("digest"), pod)

    assert (
        FORBIDDEN,
        [
            ("spec.volumes[1].image.reference", "pinnedTags"),
            ("spec.initContainers[0].image", "pinnedTags"),
            ("spec.containers[0].image", "pinnedTags"),
            ("spec.containers[2].image", "pinnedTags"),
        ],
    ) == refusal_of(answer)


def test_semantics_04_an_ephemeral_container_is_judged(installation: Installation) -> None:
    """What `kubectl debug` brings into a running Pod is refused, and a good image is not."""
    namespace = installation.namespace("digest")
    assert 201 == installation.create(namespace, a_pod(A_PINNED_IMAGE)).status
    path = f"{pods_of(namespace, 'web')}/ephemeralcontainers"

    def debugging_with(image: str) -> tuple[int, list[tuple[str, str]]]:
        added = [{"name": "shell", "image": image, "targetContainerName": "c0"}]
        return refusal_of(installation.patch(path, {"spec": {"ephemeralContainers": added}}))

    refused, admitted = debugging_with(A_TAG), debugging_with(A_PINNED_IMAGE)

    finding = ("spec.ephemeralContainers[0].image", "pinnedTags")
    assert ((FORBIDDEN, [finding]), (200, [])) == (refused, admitted)


def test_semantics_04_kubectl_debug_is_refused(
    installation: Installation, control_plane: ControlPlane
) -> None:
    """The person at `kubectl debug` reads the path of the ephemeral container."""
    namespace = installation.namespace("digest")
    installation.create(namespace, a_pod(A_PINNED_IMAGE))

    answer = control_plane.kubectl(
        *("debug", "web", f"--image={A_TAG}", "--container=shell", "--profile=general"),
        f"--namespace={namespace}",
        user="developer",
        check=False,
    )

    assert (1, True) == (
        answer.returncode,
        f"spec.ephemeralContainers[0].image (container shell): {A_TAG}" in answer.stderr,
    )


@pytest.mark.parametrize("kind", TEMPLATE_KINDS, ids=lambda kind: kind.name)
def test_semantics_04_a_template_is_judged(installation: Installation, kind: Kind) -> None:
    """Each kind that holds a Pod template is refused with the path inside it, at all places."""
    spec = a_kind_test_spec(kind, A_TAG)
    spec["initContainers"] = [{"name": "init", "image": A_TAG}]
    spec["volumes"] = [AN_IMAGE_VOLUME]
    namespace = installation.namespace("digest")

    answer = installation.cluster.request("POST", kind.collection(namespace), kind.holding(spec))

    at = ".".join((*kind.template_at, "spec"))
    assert (
        FORBIDDEN,
        [
            (f"{at}.volumes[0].image.reference", "pinnedTags"),
            (f"{at}.initContainers[0].image", "pinnedTags"),
            (f"{at}.containers[0].image", "pinnedTags"),
        ],
    ) == refusal_of(answer)


@pytest.mark.parametrize("kind", TEMPLATE_KINDS, ids=lambda kind: kind.name)
def test_semantics_04_a_good_template_is_admitted(installation: Installation, kind: Kind) -> None:
    """Each kind that holds a Pod template is admitted, without a word, when its images are good."""
    namespace = installation.namespace("digest")
    manifest = kind.holding(a_kind_test_spec(kind, A_PINNED_IMAGE))

    answer = installation.cluster.request("POST", kind.collection(namespace), manifest)

    assert (201, ()) == (answer.status, answer.warnings)


def test_semantics_04_every_kind_of_the_walker_is_tried() -> None:
    """The kinds that the walker knows are those that are sent to the real API server here."""
    tried = {(kind.api.rpartition("/")[0], kind.name) for kind in TEMPLATE_KINDS}

    assert tried | {("", "Pod")} == set(TEMPLATE_OF)


def test_semantics_05_templates_warn(installation: Installation) -> None:
    """With `templates: Warn` a Deployment is admitted with a warning, and its Pods are refused."""
    namespace = installation.namespace("templates-warn")
    deployment = DEPLOYMENT.holding(pod_spec(A_TAG), replicas=0)

    template = installation.cluster.request("POST", DEPLOYMENT.collection(namespace), deployment)
    pod = installation.create(namespace, a_pod(A_TAG))

    warning = (f"pinnedTags: {A_TAG} (container c0): image without digest (policy templates-warn)",)
    assert (201, warning, FORBIDDEN) == (template.status, template.warnings, pod.status)


def test_semantics_05_templates_skip(installation: Installation) -> None:
    """With `templates: Skip` a Deployment is admitted without a word, and its Pods are refused."""
    namespace = installation.namespace("templates-skip")
    deployment = DEPLOYMENT.holding(pod_spec(A_TAG), replicas=0)

    template = installation.cluster.request("POST", DEPLOYMENT.collection(namespace), deployment)
    pod = installation.create(namespace, a_pod(A_TAG))

    assert (201, (), FORBIDDEN) == (template.status, template.warnings, pod.status)


@pytest.mark.parametrize("placeholder", ["auto", " "])
def test_semantics_05_placeholders_pass_in_templates(
    installation: Installation, placeholder: str
) -> None:
    """`auto` and blanks are left to the Pod, with a warning."""
    namespace = installation.namespace("digest")
    spec = pod_spec(placeholder, A_PINNED_IMAGE)

    answer = installation.cluster.request(
        "POST", DEPLOYMENT.collection(namespace), DEPLOYMENT.holding(spec, replicas=0)
    )

    end = "is to be filled in later, so it is judged on the Pod"
    warning = f'spec.template.spec.containers[0].image: "{placeholder}" {end}'
    assert (201, (warning,)) == (answer.status, answer.warnings)


def test_semantics_05_no_template_comes_with_an_image_volume_without_reference(
    installation: Installation,
) -> None:
    """From Kubernetes 1.37 on the API server refuses it itself; older ones leave it to the Pod."""
    spec = pod_spec(A_PINNED_IMAGE, volumes=[{"name": "models", "image": {}}])
    deployment = DEPLOYMENT.holding(spec, replicas=0)
    collection = DEPLOYMENT.collection(installation.namespace("digest"))

    answer = installation.cluster.request("POST", collection, deployment)

    (cause,) = answer.body["details"]["causes"]
    assert (422, "spec.template.spec.volumes[0].image.reference") == (
        answer.status,
        cause["field"],
    )


def test_semantics_05_placeholders_are_judged_in_pods(installation: Installation) -> None:
    """In a Pod `auto` is the name of an image without tag."""
    answer = installation.create(installation.namespace("digest"), a_pod("auto"))

    assert (FORBIDDEN, [("spec.containers[0].image", "pinnedTags")]) == refusal_of(answer)


def test_semantics_06_an_old_pod_takes_labels_and_no_new_images(
    installation: Installation, control_plane: ControlPlane
) -> None:
    """A Pod from before the policy is labelled freely, and its image cannot become another bad."""
    namespace = from_before(control_plane, installation, "digest")
    path = pods_of(namespace, "web")

    labelled = installation.patch(path, {"metadata": {"labels": {"team": "shop"}}})
    changed = installation.patch(path, {"spec": {"containers": containers(ANOTHER_TAG)}})
    mended = installation.patch(path, {"spec": {"containers": containers(A_PINNED_IMAGE)}})

    finding = ("spec.containers[0].image", "pinnedTags")
    assert (200, (FORBIDDEN, [finding]), 200) == (
        labelled.status,
        refusal_of(changed),
        mended.status,
    )


def test_semantics_06_connaisseur_2053_a_finalizer_is_dropped_while_the_registry_is_down(
    installation: Installation, control_plane: ControlPlane, workshop: Workshop
) -> None:
    """A Pod whose image can no longer be looked up can still be deleted to its end."""
    namespace = control_plane.new_namespace()
    pod = a_pod(f"{workshop.absent}/team/app:1.0")
    pod["metadata"]["finalizers"] = FINALIZERS
    installation.create(namespace, pod)
    put_under(control_plane, installation, namespace, "signed")
    path = pods_of(namespace, "web")
    control_plane.request("DELETE", f"{path}?gracePeriodSeconds=0")

    dropped = installation.patch(path, {"metadata": {"finalizers": None}})

    assert (200, 404) == (dropped.status, control_plane.request("GET", path).status)


def test_semantics_06_a_terminating_pod_gets_no_bad_image(
    installation: Installation, control_plane: ControlPlane
) -> None:
    """Deletion is no reason to skip: the API server would store the new image of such a Pod."""
    namespace = from_before(control_plane, installation, "digest")
    path = pods_of(namespace, "web")
    control_plane.request("DELETE", f"{path}?gracePeriodSeconds=0")
    terminating = control_plane.request("GET", path).body["metadata"]

    changed = installation.patch(path, {"spec": {"containers": containers(ANOTHER_TAG)}})

    assert (True, FORBIDDEN) == ("deletionTimestamp" in terminating, changed.status)


def test_semantics_06_a_template_is_judged_again_when_a_rule_reads_what_changed(
    installation: Installation, control_plane: ControlPlane
) -> None:
    """Other pull secrets bring a template up again; another number of replicas does not."""
    namespace = control_plane.new_namespace()
    image = f"{PRIVATE}/team/app:1.0"
    bad = DEPLOYMENT.holding(pod_spec(image), replicas=0)
    control_plane.request("POST", DEPLOYMENT.collection(namespace), bad)
    put_under(control_plane, installation, namespace, "pull-secrets")
    path = f"{DEPLOYMENT.collection(namespace)}/web"

    def with_secrets(*names: str) -> dict[str, object]:
        secrets = [{"name": name} for name in names]
        return {"spec": {"template": {"spec": {"imagePullSecrets": secrets}}}}

    scaled = installation.patch(path, {"spec": {"replicas": 0, "minReadySeconds": 3}})
    changed = installation.patch(path, with_secrets("missing"))

    finding = ("spec.template.spec.containers[0].image", "pullSecrets")
    assert (200, (FORBIDDEN, [finding])) == (scaled.status, refusal_of(changed))


def test_semantics_06_a_changed_template_is_judged(
    installation: Installation, control_plane: ControlPlane
) -> None:
    """`kubectl set image` with a bad image is refused on the Deployment."""
    namespace = installation.namespace("digest")
    good = DEPLOYMENT.holding(pod_spec(A_PINNED_IMAGE), replicas=0)
    control_plane.request("POST", DEPLOYMENT.collection(namespace), good)

    path = f"{DEPLOYMENT.collection(namespace)}/web"
    change = {"spec": {"template": {"spec": {"containers": containers(A_TAG)}}}}
    answer = installation.patch(path, change)

    finding = ("spec.template.spec.containers[0].image", "pinnedTags")
    assert (FORBIDDEN, [finding]) == refusal_of(answer)


def test_semantics_07_a_mirror_pod_of_a_node_passes(installation: Installation) -> None:
    """The kubelet's own Pod for a static one is admitted whatever its image."""
    pod = a_pod(A_TAG, name="static-n1", nodeName="n1")
    pod["metadata"]["annotations"] = MIRROR

    answer = installation.create(installation.namespace("digest"), pod, user="node")

    assert 201 == answer.status


def test_semantics_07_a_mirror_annotation_by_a_developer_lifts_nothing(
    installation: Installation,
) -> None:
    """The annotation of a static Pod is just text when anybody but a node writes it."""
    pod = a_pod(A_TAG, name="static-n1", nodeName="n1")
    pod["metadata"]["annotations"] = MIRROR

    answer = installation.create(installation.namespace("digest"), pod)

    assert (FORBIDDEN, [("spec.containers[0].image", "pinnedTags")]) == refusal_of(answer)


def test_semantics_07_kyverno_16663_forged_metadata_lifts_nothing(
    installation: Installation,
) -> None:
    """Neither invented owners nor annotations keep a Pod from being judged (Portieris too)."""
    pod = a_pod(A_TAG, nodeName="n1")
    pod["metadata"].update(FORGED)

    answer = installation.create(installation.namespace("digest"), pod)

    assert (FORBIDDEN, [("spec.containers[0].image", "pinnedTags")]) == refusal_of(answer)


def test_semantics_05_portieris_508_scaled_from_zero_the_pods_are_judged(
    installation: Installation, control_plane: ControlPlane
) -> None:
    """A Deployment from before the policy that is scaled up from zero gets no Pod."""
    namespace = control_plane.new_namespace()
    bad = DEPLOYMENT.holding(pod_spec(A_TAG), replicas=0)
    control_plane.request("POST", DEPLOYMENT.collection(namespace), bad)
    put_under(control_plane, installation, namespace, "digest")

    path = f"{DEPLOYMENT.collection(namespace)}/web/scale"
    scaled = installation.patch(path, {"spec": {"replicas": 1}})

    event = control_plane.wait_for_audit_event(
        lambda event: (
            event["verb"] == "create"
            and event.get("objectRef", {}).get("resource") == "pods"
            and event["objectRef"].get("namespace") == namespace
            and "replicaset-controller" in event["user"].get("username", "")
        )
    )
    seen = (event["responseStatus"]["code"], event["user"]["username"].rpartition(":")[2])
    assert (200, (FORBIDDEN, "replicaset-controller")) == (scaled.status, seen)


def test_semantics_19_a_dry_run_gets_the_same_verdict(
    installation: Installation, control_plane: ControlPlane
) -> None:
    """`--dry-run=server` is refused with the same text, admits what is good, and leaves nothing."""
    namespace = installation.namespace("digest")

    dry = installation.dry_run(namespace, a_pod(A_TAG))
    wet = installation.create(namespace, a_pod(A_TAG))
    good = installation.dry_run(namespace, a_pod(A_PINNED_IMAGE))

    left = control_plane.request("GET", pods_of(namespace)).body["items"]
    assert (wet, 201, []) == (dry, good.status, left)


def test_semantics_06_other_objects_are_not_asked_about(
    installation: Installation, control_plane: ControlPlane
) -> None:
    """ConfigMaps, scaling and a Pod's status and deletion are stored without a review."""
    namespace = installation.namespace("digest")
    installation.create(namespace, a_pod(A_PINNED_IMAGE))
    good = DEPLOYMENT.holding(pod_spec(A_PINNED_IMAGE), replicas=0, paused=True)
    control_plane.request("POST", DEPLOYMENT.collection(namespace), good)

    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}}
    statuses = [
        control_plane.request(
            "POST", f"/api/v1/namespaces/{namespace}/configmaps", config_map
        ).status,
        installation.patch(
            f"{DEPLOYMENT.collection(namespace)}/web/scale", {"spec": {"replicas": 0}}
        ).status,
        installation.patch(
            f"{pods_of(namespace, 'web')}/status", {"status": {"phase": "Running"}}, user="admin"
        ).status,
        control_plane.request("DELETE", f"{pods_of(namespace, 'web')}?gracePeriodSeconds=0").status,
    ]

    # Lines are written behind answers, in their order: nothing is to come before the last one.
    installation.create(namespace, a_pod(A_PINNED_IMAGE))
    kinds = ("Pod", "Deployment", "Pod")
    asked = [(kind, "CREATE") for kind in kinds for _ in ("/validate", "/observe")]
    wait_until(
        lambda: len(reviews_in(installation, namespace)) >= len(asked),
        within_seconds=10,
        what="the line of the last review",
    )
    assert ([201, 200, 200, 200], asked) == (statuses, reviews_in(installation, namespace))


def reviews_in(installation: Installation, namespace: str) -> list[tuple[str, str]]:
    """Return the kinds and operations of the reviews about objects in a namespace."""
    return [
        (line["kind"], line["operation"])
        for line in installation.landwaiter.log_lines()
        if line["event"] == "decided" and line["namespace"] == namespace
    ]
