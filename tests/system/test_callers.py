"""Semantics 20: who gets an answer, and what is done for callers whom nobody vouches for."""

import http.client
import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from realparts.certificates import Authority, KeyPair
from realparts.control_plane import ControlPlane
from realparts.landwaiter import Landwaiter
from realparts.registries import TESTER
from system.installation import API_SERVER, Installation, a_policy, documents
from system.objects import A_TAG, a_pod, pod_spec, refusal_of
from system.policies import signed_by
from system.workshop import Workshop

ANSWER_SECONDS = 10.0


def a_review(namespace: str, **more: object) -> dict[str, Any]:
    """Return a review of a Pod with a bad image, as anybody could write it."""
    request = {
        "uid": "11111111-2222-4333-8444-555555555555",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": namespace,
        "object": a_pod(A_TAG),
        **more,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def posted(
    landwaiter: Landwaiter, review: dict[str, Any], client: KeyPair | None = None
) -> dict[str, Any] | None:
    """Return the response to a review sent past the API server, None where there is none."""
    context = landwaiter.client_context()
    if client is not None:
        context.load_cert_chain(client.certificate, client.key)
    connection = http.client.HTTPSConnection(
        "127.0.0.1", landwaiter.port, timeout=ANSWER_SECONDS, context=context
    )
    try:
        connection.request(
            "POST", "/validate", json.dumps(review), {"Content-Type": "application/json"}
        )
        answer = json.loads(connection.getresponse().read())
    except (ssl.SSLError, ConnectionError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    response: dict[str, Any] = answer["response"]
    return response


@pytest.fixture
def own_certificate(control_plane: ControlPlane) -> KeyPair:
    """Give the client certificate of the API server itself."""
    folder = control_plane.files.webhook_client_ca.parent
    stem = folder / f"client-{API_SERVER}"
    return KeyPair(stem.with_suffix(".crt"), stem.with_suffix(".key"))


@pytest.fixture
def trusting(
    tmp_path: Path,
) -> Iterator[tuple[Landwaiter, Authority]]:
    """Give a Landwaiter with `--client-ca`, and the authority behind it."""
    authority = Authority(tmp_path / "clients", "client CA")
    landwaiter = Landwaiter(
        tmp_path / "landwaiter",
        policies=documents(a_policy("digest", {"pinnedTags": {"require": "digest"}})),
        arguments=[f"--client-ca={authority.certificate}", f"--client-name={API_SERVER}"],
    )
    with landwaiter:
        yield landwaiter, authority


def test_semantics_20_a_caller_without_certificate_gets_no_answer(
    installation: Installation,
) -> None:
    """Whoever reaches the port but is not the API server learns nothing at all."""
    namespace = installation.namespace("digest")

    assert posted(installation.landwaiter, a_review(namespace)) is None


def test_semantics_20_only_the_named_certificate_of_the_authority_gets_an_answer(
    trusting: tuple[Landwaiter, Authority], tmp_path: Path
) -> None:
    """Another name by the same authority, and the same name by another one, get none."""
    landwaiter, authority = trusting
    node = authority.issue_client("system:node:n1", organizations=["system:nodes"])
    forged = Authority(tmp_path / "forger", "client CA").issue_client(API_SERVER)
    right = authority.issue_client(API_SERVER)

    answers = [
        None
        if (response := posted(landwaiter, a_review("shop"), client)) is None
        else response["status"]["code"]
        for client in (node, forged, right)
    ]

    # Without a cluster the labels of the namespace are not known.
    assert [None, None, 503] == answers


def test_semantics_20_the_api_servers_reviews_are_answered(installation: Installation) -> None:
    """The API server, which shows its certificate, is told what it asks."""
    answer = installation.create(installation.namespace("digest"), a_pod(A_TAG))

    assert (403, [("spec.containers[0].image", "pinnedTags")]) == refusal_of(answer)


@pytest.mark.parametrize(
    ("group", "version", "kind"),
    [("batch", "v1beta1", "CronJob"), ("batch", "v2", "CronJob")],
)
def test_semantics_04_every_version_of_a_kind_is_judged(
    installation: Installation, own_certificate: KeyPair, group: str, version: str, kind: str
) -> None:
    """A review of a version that this API server does not serve is judged like the others."""
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod_spec(A_TAG)}
    job = {"spec": {"jobTemplate": {"spec": {"template": template}}}}
    review = a_review(
        installation.namespace("digest"),
        kind={"group": group, "version": version, "kind": kind},
        object=job,
    )

    response = posted(installation.landwaiter, review, own_certificate)

    assert response is not None
    path = "spec.jobTemplate.spec.template.spec.containers[0].image"
    assert (False, True) == (response["allowed"], path in response["status"]["message"])


def test_semantics_20_without_a_client_ca_no_credentials_are_used(
    control_plane: ControlPlane, workshop: Workshop, tmp_path: Path
) -> None:
    """A good signature in a private registry is not found, since the password is not tried."""
    image = workshop.private.images.make_image("open/app:1.0")
    workshop.private.signer.sign_with_cosign3(image, workshop.ci)
    key = {"data": workshop.ci.public.read_text("utf-8")}
    landwaiter = Landwaiter(
        tmp_path,
        policies=documents(a_policy("signed", signed_by(key))),
        registries=workshop.registries(),
        cluster=control_plane,
    )
    with landwaiter:
        trustless = Installation(control_plane, landwaiter)
        trustless.register()
        namespace = trustless.namespace("signed")
        auth = {"auth": TESTER.basic}
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "registry"},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {
                ".dockerconfigjson": json.dumps({"auths": {workshop.private.host: auth}})
            },
        }
        control_plane.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)
        pod = a_pod(image, imagePullSecrets=[{"name": "registry"}])
        answer = trustless.create(namespace, pod)
        warned = [line["event"] for line in landwaiter.log_lines() if line["level"] == "warning"]

    assert ((403, [("spec.containers[0].image", "cosignSignatures")]), True) == (
        refusal_of(answer),
        any(event.startswith("no --client-ca: ") for event in warned),
    )
