"""The pull secrets of real Pods and templates, as the kubelet would use them."""

import base64
import json
import shlex
from typing import Any

import pytest

from system.installation import Installation
from system.objects import (
    DEPLOYMENT,
    TEMPLATE_KINDS,
    Kind,
    a_pod,
    findings_of,
    pod_spec,
    pods_of,
    refusal_of,
)
from system.policies import PRIVATE

IMAGE = f"{PRIVATE}/team/app:1.0"
DOCKER_CONFIG = "kubernetes.io/dockerconfigjson"
FINDING = [("spec.containers[0].image", "pullSecrets")]
TEMPLATE_FINDING = [("spec.template.spec.containers[0].image", "pullSecrets")]
WANTED = f"one with an entry for {PRIVATE}/team/app is wanted"
GOOD = {PRIVATE: {"username": "reader", "password": "pw"}}


def create_secret(
    installation: Installation,
    namespace: str,
    auths: dict[str, Any] | None,
    *,
    name: str = "acr",
) -> None:
    """Create a Secret with the entries of a docker config, of another type where there is none."""
    config = base64.b64encode(json.dumps({"auths": auths}).encode()).decode()
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "Opaque" if auths is None else DOCKER_CONFIG,
        "data": {".dockerconfigjson": config},
    }
    answer = installation.cluster.request("POST", f"/api/v1/namespaces/{namespace}/secrets", body)
    assert 201 == answer.status


def name_in_account(installation: Installation, namespace: str, secret: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
    installation.patch(path, {"imagePullSecrets": [{"name": secret}]}, user="admin")


def a_private_pod(*secrets: str, name: str = "web") -> dict[str, Any]:
    return a_pod(IMAGE, name=name, imagePullSecrets=[{"name": each} for each in secrets])


def one_line(message: object) -> str:
    return " ".join(str(message).split())


def lines_of(message: object) -> list[str]:
    """Return the lines as a person selects them, without what they hang below."""
    return [line.strip() for line in str(message).splitlines()]


@pytest.mark.parametrize(
    ("auths", "said"),
    [
        (None, "is of another type than kubernetes.io/dockerconfigjson (Opaque)"),
        (
            {"other.example.com": GOOD[PRIVATE]},
            "has entries for other registries alone",
        ),
        (
            {f"{PRIVATE}.evil.com": GOOD[PRIVATE]},
            "has entries for other registries alone",
        ),
        (
            {PRIVATE: {"identitytoken": "a-token"}},
            "has an entry with an identity token alone, which the kubelet does not read",
        ),
    ],
    ids=["wrong-type", "no-entry", "longer-host", "token-only"],
)
def test_a_useless_secret_is_refused_with_its_reason(
    installation: Installation, auths: dict[str, Any] | None, said: str
) -> None:
    """The message names the Secret, what is wrong with it, what is wanted and the line to run."""
    namespace = installation.namespace("pull-secrets")
    create_secret(installation, namespace, auths)

    answer = installation.create(namespace, a_private_pod("acr"))

    message = one_line(answer.body["message"])
    told = f'the Pod\'s pull secret "acr" {said}; {WANTED}'
    line = (
        f"kubectl create secret docker-registry private-example-com --namespace {namespace} "
        f"--docker-server={PRIVATE} --docker-username=USER --docker-password=PASSWORD"
    )
    whole = lines_of(answer.body["message"])
    assert ((403, FINDING), True, True) == (refusal_of(answer), told in message, line in whole)


@pytest.mark.parametrize("key", [PRIVATE, f"https://{PRIVATE}/v1/", "*.example.com"])
def test_a_secret_that_the_kubelet_would_use_admits(installation: Installation, key: str) -> None:
    """An entry counts under every key that the kubelet matches with the image."""
    namespace = installation.namespace("pull-secrets")
    create_secret(installation, namespace, {key: GOOD[PRIVATE]})

    assert 201 == installation.create(namespace, a_private_pod("acr")).status


def test_no_secret_named_anywhere_is_refused(installation: Installation) -> None:
    """Neither the Pod nor its account names one, and the message says where to name it."""
    namespace = installation.namespace("pull-secrets")

    answer = installation.create(namespace, a_pod(IMAGE))

    message = one_line(answer.body["message"])
    told = (
        f'neither the Pod nor ServiceAccount "default" in namespace "{namespace}" names a pull '
        f"secret; {WANTED}"
    )
    where = "and name it in spec.imagePullSecrets"
    assert ((403, FINDING), True, True) == (refusal_of(answer), told in message, where in message)


def test_a_secret_created_a_second_later_passes(installation: Installation) -> None:
    """The line of the message is run as it stands there, and the same Pod is admitted at once."""
    namespace = installation.namespace("pull-secrets")
    refused = installation.create(namespace, a_private_pod("acr"))
    (line,) = (
        line for line in lines_of(refused.body["message"]) if line.startswith("kubectl create ")
    )

    installation.cluster.kubectl(*shlex.split(line)[1:])
    admitted = installation.create(namespace, a_private_pod("acr"))

    assert ((403, FINDING), 201) == (refusal_of(refused), admitted.status)


def test_a_secret_that_is_mended_passes(installation: Installation) -> None:
    """A Secret that was refused a moment ago is read anew."""
    namespace = installation.namespace("pull-secrets")
    create_secret(installation, namespace, {})
    refused = installation.create(namespace, a_private_pod("acr"))
    config = base64.b64encode(json.dumps({"auths": GOOD}).encode()).decode()

    path = f"/api/v1/namespaces/{namespace}/secrets/acr"
    installation.patch(path, {"data": {".dockerconfigjson": config}})
    admitted = installation.create(namespace, a_private_pod("acr"))

    assert ((403, FINDING), 201) == (refusal_of(refused), admitted.status)


def test_a_malformed_secret_breaks_the_keyring(installation: Installation) -> None:
    """Beside a good Secret, one that the API server took and nobody can read refuses the Pod."""
    namespace = installation.namespace("pull-secrets")
    create_secret(installation, namespace, GOOD)
    create_secret(installation, namespace, {"x.example.com": {"auth": "%%"}}, name="broken")

    answer = installation.create(namespace, a_private_pod("acr", "broken"))

    message = one_line(answer.body["message"])
    told = "with it the kubelet fails to pull every image of the Pod, one that parses is wanted"
    assert ((403, FINDING), True, False) == (
        refusal_of(answer),
        told in message and 'among the Pod\'s pull secrets, "broken" does not parse' in message,
        "%%" in message,
    )


def test_the_accounts_secrets_count_for_pods_and_templates(installation: Installation) -> None:
    """A ServiceAccount's Secret admits a Pod and a Deployment that name none of their own."""
    namespace = installation.namespace("pull-secrets")
    create_secret(installation, namespace, GOOD)
    deployment = DEPLOYMENT.holding(pod_spec(IMAGE), replicas=0)
    before = installation.cluster.request("POST", DEPLOYMENT.collection(namespace), deployment)

    name_in_account(installation, namespace, "acr")
    after = installation.cluster.request("POST", DEPLOYMENT.collection(namespace), deployment)
    pod = installation.create(namespace, a_pod(IMAGE))

    assert ((403, TEMPLATE_FINDING), 201, 201) == (refusal_of(before), after.status, pod.status)


def test_the_accounts_secrets_do_not_help_a_pod_that_names_its_own(
    installation: Installation,
) -> None:
    """As for the kubelet, the Pod's own list stands alone."""
    namespace = installation.namespace("pull-secrets")
    create_secret(installation, namespace, GOOD)
    name_in_account(installation, namespace, "acr")

    answer = installation.create(namespace, a_private_pod("missing"))

    message = one_line(answer.body["message"])
    told = f'the Pod\'s pull secret "missing" does not exist; {WANTED}'
    assert ((403, FINDING), True) == (refusal_of(answer), told in message)


@pytest.mark.parametrize("kind", TEMPLATE_KINDS, ids=lambda kind: kind.name)
def test_every_place_of_every_template_needs_a_secret(
    installation: Installation, kind: Kind
) -> None:
    """Init containers and image volumes are pulled with the account's Secrets, too."""
    namespace = installation.namespace("pull-secrets")
    spec = pod_spec(
        "registry.example.com/public:1",
        initContainers=[{"name": "i0", "image": IMAGE}],
        volumes=[{"name": "v0", "image": {"reference": IMAGE}}],
        restartPolicy="Never" if "Job" in kind.name else "Always",
    )

    def outcome() -> tuple[int, list[tuple[str, str]]]:
        path = f"{kind.collection(namespace)}?dryRun=All"
        return refusal_of(installation.cluster.request("POST", path, kind.holding(spec)))

    before = outcome()
    create_secret(installation, namespace, GOOD)
    name_in_account(installation, namespace, "acr")

    at = ".".join((*kind.template_at, "spec"))
    places = (f"{at}.volumes[0].image.reference", f"{at}.initContainers[0].image")
    refused = (403, [(place, "pullSecrets") for place in places])
    assert (refused, (201, [])) == (before, outcome())


def test_a_template_of_a_missing_account_is_refused(installation: Installation) -> None:
    """A Deployment whose ServiceAccount is yet to be made is told so."""
    namespace = installation.namespace("pull-secrets")
    spec = pod_spec(IMAGE, serviceAccountName="robot")

    answer = installation.cluster.request(
        "POST", DEPLOYMENT.collection(namespace), DEPLOYMENT.holding(spec, replicas=0)
    )

    told = (
        'the Pod names no pull secret, and ServiceAccount "robot" does not exist in namespace '
        f'"{namespace}"'
    )
    message = str(answer.body["message"])
    assert (TEMPLATE_FINDING, True) == (findings_of(message), told in one_line(message))


def test_a_running_pod_gets_no_secret_of_its_account(installation: Installation) -> None:
    """What `kubectl debug` adds has only what the Pod names, which cannot be changed any more."""
    namespace = installation.namespace("pull-secrets")
    create_secret(installation, namespace, GOOD)
    public = "registry.example.com/public:1"
    assert 201 == installation.create(namespace, a_pod(public, name="before")).status
    name_in_account(installation, namespace, "acr")
    assert 201 == installation.create(namespace, a_pod(public, name="after")).status
    added = [{"name": "shell", "image": IMAGE, "targetContainerName": "c0"}]
    before, after = (
        installation.patch(
            f"{pods_of(namespace, name)}/ephemeralcontainers",
            {"spec": {"ephemeralContainers": added}},
        )
        for name in ("before", "after")
    )

    assert ((403, [("spec.ephemeralContainers[0].image", "pullSecrets")]), (200, [])) == (
        refusal_of(before),
        refusal_of(after),
    )
    assert (
        "the Pod names no pull secret, and one that is there gets none of its ServiceAccount's"
    ) in one_line(before.body["message"])


def test_another_registry_needs_no_secret(installation: Installation) -> None:
    """Only the registries in `requireFor` are asked about, and not those that look like them."""
    namespace = installation.namespace("pull-secrets")
    images = ("registry.example.com/team/app:1.0", f"mirror.example.com/{PRIVATE}/app:1.0")

    assert 201 == installation.create(namespace, a_pod(*images)).status
