"""Images in real registries, judged by what they say of themselves and by what Pods say of them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from realparts.api_client import Answer
from realparts.registries import TESTER
from system.installation import Installation
from system.objects import DEPLOYMENT, a_pod, pod_spec, refusal_of
from system.test_signatures import a_pull_secret
from system.workshop import Workshop

ADMITTED: tuple[int, list[tuple[str, str]]] = (201, [])
ARM64 = {"kubernetes.io/arch": "arm64"}
AMD64 = {"kubernetes.io/arch": "amd64"}


def refused(rule: str, *paths: str) -> tuple[int, list[tuple[str, str]]]:
    return 403, [(path, rule) for path in paths or ("spec.containers[0].image",)]


def asked(
    installation: Installation, policy: str, image: str, **spec: Mapping[str, object]
) -> Answer:
    pod = a_pod(image)
    pod["spec"] |= spec
    return installation.create(installation.namespace(policy), pod)


def verdict_on(
    installation: Installation, policy: str, image: str, **spec: Mapping[str, object]
) -> tuple[int, list[tuple[str, str]]]:
    return refusal_of(asked(installation, policy, image, **spec))


def message_on(installation: Installation, policy: str, image: str) -> str:
    """Return the message of a refusal, as one line."""
    answer = asked(installation, policy, image)
    return " ".join(str(answer.body["message"]).split())


@pytest.mark.parametrize("bench", ["plain", "referrers"])
def test_an_index_is_offered_for_its_platforms(
    installation: Installation, workshop: Workshop, bench: str
) -> None:
    """With both it runs, with one where the Pod goes there; an attestation is no platform."""
    images = getattr(workshop, bench).images
    amd64, arm64, attested = (
        images.make_image(f"platforms/{name}:1", platform=f"{os}/{name}")
        for os, name in (("linux", "amd64"), ("linux", "arm64"), ("unknown", "unknown"))
    )
    both = images.make_index("platforms/both:1", [amd64, arm64, attested])
    one = images.make_index("platforms/one:1", [amd64, attested])

    assert [
        ADMITTED,
        refused("platforms"),
        ADMITTED,
        refused("platforms"),
        refused("platforms"),
        ADMITTED,
    ] == [
        verdict_on(installation, "platforms", both),
        verdict_on(installation, "platforms", one),
        verdict_on(installation, "platforms", one, nodeSelector=AMD64),
        verdict_on(installation, "platforms", one, nodeSelector=ARM64),
        verdict_on(installation, "platforms", arm64),
        verdict_on(installation, "platforms", arm64, nodeSelector=ARM64),
    ]


def test_semantics_06_another_choice_of_nodes_is_judged_again(
    installation: Installation, workshop: Workshop
) -> None:
    """A Deployment that moves to nodes for which there is no image is refused, scaled it is not."""
    image = workshop.plain.images.make_image("platforms/moving:1", platform="linux/amd64")
    namespace = installation.namespace("platforms")
    path = DEPLOYMENT.collection(namespace)
    deployment = DEPLOYMENT.holding(pod_spec(image, nodeSelector=AMD64))
    created = installation.cluster.request("POST", path, deployment, user="developer")
    template: dict[str, Any] = {"spec": {"template": {"spec": {"nodeSelector": ARM64}}}}

    scaled = installation.patch(f"{path}/web", {"spec": {"replicas": 2}})
    moved = installation.patch(f"{path}/web", template)

    assert (ADMITTED, 200, refused("platforms", "spec.template.spec.containers[0].image")) == (
        refusal_of(created),
        scaled.status,
        refusal_of(moved),
    )


def test_the_user_of_an_image_counts_where_the_pod_names_none(
    installation: Installation, workshop: Workshop
) -> None:
    """Root by its USER is refused, a number is not, and the Pod's own number goes first."""
    images = workshop.plain.images
    nobody, root, named, number = (
        images.make_image(f"users/{name}:1", user=user)
        for name, user in (("none", None), ("root", "0"), ("named", "app"), ("number", "1000:0"))
    )
    tag = f"{workshop.plain.host}/users/none:1"
    as_1000, verified = {"runAsUser": 1000}, {"runAsNonRoot": True}

    assert [
        *[refused("nonRootUser")] * 3,
        ADMITTED,
        refused("nonRootUser"),
        *[ADMITTED] * 3,
        refused("nonRootUser"),
    ] == [
        *(verdict_on(installation, "non-root", each) for each in (nobody, root, named, number)),
        verdict_on(installation, "non-root", named, securityContext=verified),
        verdict_on(installation, "non-root", number, securityContext=verified),
        verdict_on(installation, "non-root", nobody, securityContext=as_1000),
        verdict_on(installation, "non-root", tag, securityContext=as_1000),
        verdict_on(installation, "non-root", number, securityContext={"runAsUser": 0}),
    ]


def test_every_image_of_an_index_that_could_run_is_judged(
    installation: Installation, workshop: Workshop
) -> None:
    """Root for one platform is root, unless no node of it is there or chosen."""
    images = workshop.referrers.images
    good = images.make_image("users/amd64:1", platform="linux/amd64", user="1000")
    bad = images.make_image("users/arm64:1", platform="linux/arm64", user="root")
    index = images.make_index("users/both:1", [good, bad])

    told = "linux/arm64: its USER is" in message_on(installation, "non-root", index)
    assert [True, ADMITTED, refused("nonRootUser"), ADMITTED] == [
        told,
        verdict_on(installation, "non-root", index, nodeSelector=AMD64),
        verdict_on(installation, "non-root", index, nodeSelector=ARM64),
        verdict_on(installation, "non-root-nodes", index),
    ]


def test_semantics_06_another_user_is_judged_again(
    installation: Installation, workshop: Workshop
) -> None:
    """A Deployment that takes its number away runs as the image's user, which is root."""
    image = workshop.plain.images.make_image("users/again:1")
    namespace = installation.namespace("non-root")
    path = DEPLOYMENT.collection(namespace)
    deployment = DEPLOYMENT.holding(pod_spec(image, securityContext={"runAsUser": 1000}))
    created = installation.cluster.request("POST", path, deployment, user="developer")
    change: dict[str, Any] = {"securityContext": {"runAsUser": None}}

    changed = installation.patch(f"{path}/web", {"spec": {"template": {"spec": change}}})

    assert (ADMITTED, refused("nonRootUser", "spec.template.spec.containers[0].image")) == (
        refusal_of(created),
        refusal_of(changed),
    )


def test_semantics_14_a_config_that_can_be_read_in_two_ways_is_refused(
    installation: Installation, workshop: Workshop
) -> None:
    """A node would take `user` for `User`, and run as root what we had taken for 1000."""
    images = workshop.plain.images
    config = {"os": "linux", "architecture": "amd64"}
    plain = images.make_described_image("users/plain:1", {**config, "config": {"User": "1000"}})
    twofold = images.make_described_image(
        "users/twofold:1", {**config, "config": {"User": "1000", "user": "0"}}
    )

    assert [ADMITTED, refused("nonRootUser")] == [
        verdict_on(installation, "non-root", plain),
        verdict_on(installation, "non-root", twofold),
    ]


def an_age(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


GOOD_LABELS = {"org.opencontainers.image.source": "https://git.example.com/shop", "stage": "prod"}


@pytest.mark.parametrize(
    ("name", "age_days", "labels", "layer_bytes", "said"),
    [
        ("good", 29, GOOD_LABELS, 1024, ""),
        ("large", 29, GOOD_LABELS, 1025, "its layers have 1025 bytes"),
        ("old", 31, GOOD_LABELS, 64, "31 days ago"),
        ("future", -2, GOOD_LABELS, 64, "which is yet to come"),
        ("unlabelled", 29, {}, 64, "it lacks a label"),
        ("devel", 29, {**GOOD_LABELS, "stage": "devel"}, 64, "none is wanted"),
    ],
)
def test_limits_are_compared_with_what_the_image_says(
    installation: Installation,
    workshop: Workshop,
    name: str,
    age_days: float,
    labels: dict[str, str],
    layer_bytes: int,
    said: str,
) -> None:
    """Size, age and labels, each with the limit itself allowed."""
    config = {
        "os": "linux",
        "architecture": "amd64",
        "created": an_age(age_days),
        "config": {"Labels": labels},
    }
    image = workshop.plain.images.make_described_image(
        f"limits/{name}:1", config, layer_bytes=layer_bytes
    )
    answer = installation.create(installation.namespace("limits"), a_pod(image))

    message = " ".join(str(answer.body.get("message", "")).split())
    assert (refused("imageLimits") if said else ADMITTED) == refusal_of(answer)
    assert said in message


def test_semantics_09_a_good_image_without_digest_is_refused_with_its_digest(
    installation: Installation, workshop: Workshop
) -> None:
    """What the tag points to now has another user than root, and may be replaced."""
    image = workshop.plain.images.make_image("users/tagged:1", user="1000")
    by_tag = f"{workshop.plain.host}/users/tagged:1"

    assert f"use {by_tag}@{image.partition('@')[2]}" in message_on(installation, "non-root", by_tag)


def test_semantics_20_a_private_image_is_read_with_the_pods_own_pull_secret(
    installation: Installation, workshop: Workshop
) -> None:
    """Without it nobody is told what the image says, also after somebody else was."""
    image = workshop.private.images.make_image("users/private:1", user="secret-name")
    namespace = installation.namespace("non-root")
    secret = a_pull_secret(workshop.private.host, TESTER)
    installation.cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
    pod = a_pod(image, imagePullSecrets=[{"name": "registry"}])

    told, untold = (
        str(installation.create(namespace, each).body["message"])
        for each in (pod, a_pod(image, name="other"))
    )

    assert (True, False) == ("secret-name" in told, "secret-name" in untold)


@pytest.mark.parametrize(
    ("image", "policy", "told"),
    [
        ("app:main", None, "imagePullPolicy is IfNotPresent, as Kubernetes sets it"),
        ("app:main", "Always", None),
        ("app:1.0", None, None),
        ("app", None, None),
        ("app:latest", "IfNotPresent", "imagePullPolicy is IfNotPresent: a node"),
        ("app:1.0", "Never", "imagePullPolicy is Never"),
    ],
)
def test_the_api_server_sets_the_pull_policy_that_is_judged(
    installation: Installation, image: str, policy: str | None, told: str | None
) -> None:
    """What nobody wrote is there already, in a Pod and in a template."""
    namespace = installation.namespace("pull-policy")
    spec = pod_spec(f"registry.example.com/{image}")
    if policy is not None:
        spec["containers"][0]["imagePullPolicy"] = policy
    deployment = DEPLOYMENT.holding(spec)
    answers = [
        installation.create(namespace, {**a_pod("x"), "spec": spec}),
        installation.cluster.request(
            "POST", DEPLOYMENT.collection(namespace), deployment, user="developer"
        ),
    ]

    messages = [" ".join(str(answer.body.get("message", "")).split()) for answer in answers]
    assert [403 if told else 201] * 2 == [answer.status for answer in answers]
    assert all((told or "") in message for message in messages)


def test_an_incident_is_denied_by_digest_and_by_tag(
    installation: Installation, workshop: Workshop
) -> None:
    """Also a tag that points to the digest now, and no other tag of its repository."""
    images, host = workshop.plain.images, workshop.plain.host
    images.make_image("incident/app:2.0")
    digest = images.digest("incident/app:1.0")

    assert [refused("deniedImages")] * 3 + [ADMITTED] * 2 == [
        verdict_on(installation, "incident", f"{host}/incident/app@{digest}"),
        verdict_on(installation, "incident", f"{host}/incident/app:1.0"),
        verdict_on(installation, "incident", f"{host}/incident/gone:1.7"),
        verdict_on(installation, "incident", f"{host}/incident/app:2.0"),
        verdict_on(installation, "incident", f"{host}/incident/gone:2.0"),
    ]


def test_a_debug_container_must_keep_its_files_too(installation: Installation) -> None:
    """What `kubectl debug` adds to a running Pod is judged; its own containers are left alone."""
    namespace = installation.namespace("read-only")
    pod = a_pod("registry.example.com/app:1")
    pod["spec"]["containers"][0]["securityContext"] = {"readOnlyRootFilesystem": True}
    created = installation.create(namespace, pod)
    path = f"/api/v1/namespaces/{namespace}/pods/web/ephemeralcontainers"
    debug = {"name": "debug", "image": "registry.example.com/debug:1"}

    answer = installation.patch(path, {"spec": {"ephemeralContainers": [debug]}})

    expected = refused("readOnlyRootFilesystem", "spec.ephemeralContainers[0].image")
    assert (ADMITTED, expected) == (refusal_of(created), refusal_of(answer))
