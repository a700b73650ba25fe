"""Pull secrets tried against a real registry with passwords, and what is yet to come."""

import base64
import json
from typing import Any

import pytest

from realparts.api_client import Answer
from realparts.registries import TESTER, Login
from system.installation import Installation
from system.objects import DEPLOYMENT, a_pod, pod_spec, refusal_of
from system.policies import PRIVATE
from system.test_pull_secrets import create_secret, name_in_account, one_line
from system.workshop import Workshop

ADMITTED: tuple[int, list[tuple[str, str]]] = (201, [])
REFUSED = (403, [("spec.containers[0].image", "pullSecrets")])
LATER_IMAGE = f"{PRIVATE}/team/app:1.0"
NOT_YET = f"until it does, with an entry for {PRIVATE}/team/app, the image is not pulled"


def a_user(workshop: Workshop, name: str, *, is_let_in: bool = True) -> dict[str, str]:
    """Let a user into the private registry, or out of it; return the entry of its pull secret."""
    login = Login(name, TESTER.password, TESTER.htpasswd.replace(TESTER.user, name, 1))
    file = workshop.private.registry.folder / "htpasswd"
    others = [line for line in file.read_text("utf-8").splitlines() if line != login.htpasswd]
    lines = [*others, login.htpasswd] if is_let_in else others
    file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return {"username": login.user, "password": login.password}


def tried(
    installation: Installation,
    image: str,
    auths: dict[str, Any],
    *,
    policy: str = "pull-access",
) -> Answer:
    """Create a Pod that names a Secret with these entries, in a namespace of its own."""
    namespace = installation.namespace(policy)
    create_secret(installation, namespace, auths)
    return installation.create(namespace, a_pod(image, imagePullSecrets=[{"name": "acr"}]))


def an_image(workshop: Workshop, name: str) -> str:
    """Push an image to the private registry and return its reference."""
    return workshop.private.images.make_image(f"{name}:1")


def test_a_password_that_the_registry_accepts_admits(
    installation: Installation, workshop: Workshop
) -> None:
    """The image is there, and its user may pull it."""
    image = an_image(workshop, "access/right")
    auths = {workshop.private.host: a_user(workshop, "right")}

    assert ADMITTED == refusal_of(tried(installation, image, auths))


def test_a_wrong_password_is_found_at_apply(installation: Installation, workshop: Workshop) -> None:
    """The person reads what is wrong with which Secret, and never the password."""
    image = an_image(workshop, "access/wrong")
    a_user(workshop, "typist")
    wrong = Login("typist", "not-the-password", "")
    entry = {"username": wrong.user, "password": wrong.password}
    answer = tried(installation, image, {workshop.private.host: entry})
    message = one_line(answer.body["message"])

    assert (REFUSED, True, False) == (
        refusal_of(answer),
        'the Pod\'s pull secret "acr" is refused by the registry: its user name or password is '
        "wrong or revoked; one with an entry for " in message,
        wrong.is_told_in(message + installation.landwaiter.log.read_text("utf-8")),
    )


def test_a_password_that_is_revoked_is_found_at_the_next_apply(
    installation: Installation, workshop: Workshop
) -> None:
    """With `Always` nothing of an earlier success is taken for an answer."""
    image = an_image(workshop, "access/revoked")
    auths = {workshop.private.host: a_user(workshop, "leaver")}
    before = refusal_of(tried(installation, image, auths))
    a_user(workshop, "leaver", is_let_in=False)

    assert (ADMITTED, REFUSED) == (before, refusal_of(tried(installation, image, auths)))


def test_a_second_entry_that_is_good_is_enough(
    installation: Installation, workshop: Workshop
) -> None:
    """As the kubelet does, the next entry is tried where one is refused."""
    host = workshop.private.host
    image = an_image(workshop, "access/second")
    wrong = {**a_user(workshop, "first"), "password": "wrong"}
    auths = {f"{host}/access": wrong, host: a_user(workshop, "second")}

    assert ADMITTED == refusal_of(tried(installation, image, auths))


def test_an_entry_for_another_path_is_not_tried(
    installation: Installation, workshop: Workshop
) -> None:
    """The person is told that the registry is the right one, and the path is not."""
    image = an_image(workshop, "access/path")
    auths = {f"{workshop.private.host}/elsewhere": a_user(workshop, "pathfinder")}
    answer = tried(installation, image, auths)

    assert (REFUSED, True) == (
        refusal_of(answer),
        'pull secret "acr" has an entry for another path of this registry alone'
        in one_line(answer.body["message"]),
    )


def test_a_token_that_has_expired_is_told_by_its_own_word(
    installation: Installation, workshop: Workshop
) -> None:
    """It is not even tried: the registry could only refuse it."""
    image = an_image(workshop, "access/expired")
    claims = base64.urlsafe_b64encode(json.dumps({"exp": 1_000_000_000}).encode()).decode()
    token = f"eyJhbGciOiJSUzI1NiJ9.{claims.rstrip('=')}.c2lnbmF0dXJl"
    auths = {workshop.private.host: {"username": "robot", "password": token}}
    answer = tried(installation, image, auths)

    assert (REFUSED, True) == (
        refusal_of(answer),
        'pull secret "acr" has an entry whose token has expired (at 2001-09-09T01:46:40Z)'
        in one_line(answer.body["message"]),
    )


def test_an_image_that_is_not_there_is_told_from_a_wrong_password(
    installation: Installation, workshop: Workshop
) -> None:
    """The login is good, and there is nothing to pull."""
    auths = {workshop.private.host: a_user(workshop, "early")}
    answer = tried(installation, f"{workshop.private.host}/access/none:1", auths)

    assert (REFUSED, True) == (
        refusal_of(answer),
        'pull secret "acr" logs in, and the registry has no such image for it'
        in one_line(answer.body["message"]),
    )


def test_a_secret_made_anew_with_the_right_type_passes(installation: Installation) -> None:
    """A Secret keeps its type, so a person deletes it and makes another under its name."""
    namespace = installation.namespace("pull-secrets")
    pod = a_pod(LATER_IMAGE, imagePullSecrets=[{"name": "acr"}])
    create_secret(installation, namespace, None)
    before = refusal_of(installation.create(namespace, pod))
    path = f"/api/v1/namespaces/{namespace}/secrets/acr"
    installation.cluster.request("DELETE", path)
    create_secret(installation, namespace, {PRIVATE: {"username": "ann", "password": "pw"}})

    assert (REFUSED, ADMITTED) == (before, refusal_of(installation.create(namespace, pod)))


def test_an_account_that_names_another_secret_is_judged_by_that(installation: Installation) -> None:
    """What the account names now counts at once, for the good and for the bad."""
    namespace = installation.namespace("pull-secrets")
    good = {PRIVATE: {"username": "ann", "password": "pw"}}
    create_secret(installation, namespace, {"other.example.com": good[PRIVATE]}, name="other")
    create_secret(installation, namespace, good)
    name_in_account(installation, namespace, "other")
    before = refusal_of(installation.create(namespace, a_pod(LATER_IMAGE)))
    name_in_account(installation, namespace, "acr")
    after = refusal_of(installation.create(namespace, a_pod(LATER_IMAGE)))

    assert (REFUSED, ADMITTED) == (before, after)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"imagePullSecrets": [{"name": "acr"}]}, 'pull secret "acr"'),
        ({"serviceAccountName": "robot"}, 'ServiceAccount "robot"'),
    ],
    ids=["secret", "account"],
)
def test_a_template_may_come_before_what_it_names(
    installation: Installation, spec: dict[str, Any], told: str
) -> None:
    """One `kubectl apply` of a folder is admitted, and the person reads what is not there yet."""
    namespace = installation.namespace("pull-later")
    answer = installation.cluster.request(
        "POST",
        DEPLOYMENT.collection(namespace),
        DEPLOYMENT.holding(pod_spec(LATER_IMAGE, **spec), replicas=0),
    )
    warned = f"pullSecrets: {told} does not exist yet; {NOT_YET}"

    assert (201, True) == (answer.status, any(warned in each for each in answer.warnings))


def test_a_pod_may_come_before_its_secret(installation: Installation) -> None:
    """An operator may bring the Secret a moment later."""
    namespace = installation.namespace("pull-later")
    pod = a_pod(LATER_IMAGE, imagePullSecrets=[{"name": "acr"}])
    answer = installation.create(namespace, pod)
    warned = f'pullSecrets: pull secret "acr" does not exist yet; {NOT_YET}'

    assert (201, True) == (answer.status, any(warned in each for each in answer.warnings))


def test_credentials_are_refused_where_they_are_forbidden(installation: Installation) -> None:
    """The same Pod is admitted once the Secret has no entry for the image."""
    auths = {PRIVATE: {"username": "ann", "password": "pw"}}
    image = f"{PRIVATE}/public/app:1"

    assert (REFUSED, ADMITTED) == (
        refusal_of(tried(installation, image, auths, policy="pull-later")),
        refusal_of(tried(installation, image, {"a.example": auths[PRIVATE]}, policy="pull-later")),
    )


def test_images_of_the_nodes_need_no_secret(installation: Installation) -> None:
    """The install's settings say for which images the nodes have credentials of their own."""
    images = [f"123.dkr.ecr.eu-west-1.amazonaws.com/{name}:1" for name in ("app", "other")]
    first, second = (
        refusal_of(installation.create(installation.namespace(policy), a_pod(image)))
        for policy, image in zip(("pull-nodes", "pull-later"), images, strict=True)
    )

    assert (ADMITTED, REFUSED) == (first, second)
