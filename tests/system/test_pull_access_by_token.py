"""Pull secrets tried against a real registry that wants tokens, of a token service on its own."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from realparts.certificates import Authority
from realparts.control_plane import ControlPlane
from realparts.images import ImageMaker
from realparts.landwaiter import Landwaiter
from realparts.processes import retried_on_port_clash
from realparts.registries import OTHER, TESTER, DistributionRegistry, Login
from realparts.signing import Signer
from realparts.token_service import TokenService
from system.installation import API_SERVER, Installation, a_policy, documents
from system.objects import a_pod, refusal_of
from system.policies import signed_by
from system.test_pull_secrets import create_secret, one_line

ADMITTED: tuple[int, list[tuple[str, str]]] = (201, [])
REFUSED = (403, [("spec.containers[0].image", "pullSecrets")])
LEAVER = Login("leaver", "leavers-password", "")
EXPIRED = base64.urlsafe_b64encode(json.dumps({"exp": 1_000_000_000}).encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Place:
    """A registry with a token service, and a Landwaiter that has policies for it."""

    registry: DistributionRegistry
    tokens: TokenService
    images: ImageMaker
    installation: Installation

    def image(self, name: str) -> str:
        """Push an image and return its reference."""
        return self.images.make_image(f"{name}:1")

    def apply(
        self,
        image: str,
        login: Login = TESTER,
        *,
        policy: str = "Always",
        path: str = "",
        **entry: str,
    ) -> tuple[tuple[int, list[tuple[str, str]]], str]:
        """Create a Pod with a Secret in a namespace of its own; return what comes of it."""
        namespace = self.installation.namespace(policy.lower())
        fields = {"username": login.user, "password": login.password, **entry}
        create_secret(self.installation, namespace, {f"{self.registry.host}{path}": fields})
        pod = a_pod(image, imagePullSecrets=[{"name": "acr"}])
        answer = self.installation.create(namespace, pod)
        return refusal_of(answer), one_line(answer.body.get("message", ""))

    def sent(self, login: Login) -> int:
        """Return how often a user and password came to the token service."""
        return self.tokens.asked.count(f"Basic {login.basic}")


@pytest.fixture(scope="module")
def place(
    control_plane: ControlPlane, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("by-token")
    with (
        TokenService(authority, logins=[TESTER, LEAVER], visitors=[OTHER]) as tokens,
        DistributionRegistry(folder / "registry", authority=authority, tokens=tokens) as registry,
    ):
        landwaiter = a_landwaiter(control_plane, folder / "landwaiter", registry, tokens)
        retried_on_port_clash(landwaiter.start)
        try:
            installation = Installation(control_plane, landwaiter)
            installation.register()
            images = ImageMaker(folder / "images", registry)
            yield Place(registry, tokens, images, installation)
        finally:
            landwaiter.stop()


def a_landwaiter(
    cluster: ControlPlane, folder: Path, registry: DistributionRegistry, tokens: TokenService
) -> Landwaiter:
    """Return one whose admin has named the registry and its token service."""
    key = Signer(folder / "signer", registry).generate_key_pair("ci").public.read_text("utf-8")
    policies = [
        *(a_policy(check.lower(), trying(registry, check)) for check in ("Always", "Cached")),
        a_policy("signed", signed_by({"data": key})),
    ]
    named = {"host": registry.host, "caFile": str(registry.ca), "tokenRealms": [tokens.host]}
    service = {"host": tokens.host, "caFile": str(registry.ca)}
    return Landwaiter(
        folder,
        policies=documents(*policies),
        registries=json.dumps({"registries": [named, service]}),
        cluster=cluster,
        arguments=[
            f"--client-ca={cluster.files.webhook_client_ca}",
            f"--client-name={API_SERVER}",
        ],
    )


def trying(registry: DistributionRegistry, check: str) -> dict[str, Any]:
    return {"pullSecrets": {"requireFor": [registry.host], "checkAccess": check}}


def test_a_password_for_which_there_is_a_token_admits(place: Place) -> None:
    """It goes to the token service, on another host, and the token to the registry."""
    image = place.image("token/right")

    before = place.sent(TESTER)

    assert (ADMITTED, before + 1) == (place.apply(image)[0], place.sent(TESTER))


def test_a_wrong_password_is_found_at_apply_and_sent_once(place: Place) -> None:
    """Five Pods in five namespaces name it, and read as well as try with it."""
    wrong = Login("typist", "not-the-password", "")
    image = place.image("token/wrong")
    found = [place.apply(image, wrong, policy=policy) for policy in ("Always", "Cached", "Always")]
    read = [place.apply(image, wrong, policy="signed")[0][0] for _ in range(2)]
    log = place.installation.landwaiter.log.read_text("utf-8")

    assert ([REFUSED] * 3, [403] * 2, 1, False) == (
        [outcome for outcome, _ in found],
        read,
        place.sent(wrong),
        wrong.is_told_in(log + "".join(told for _, told in found)),
    )
    assert all(
        'pull secret "acr" is refused by the registry: its user name or password is wrong or '
        "revoked" in told
        for _, told in found
    )


def test_a_revoked_password_is_found_by_who_asks_each_time(place: Place) -> None:
    """`Cached` takes the success of a moment ago for one, until `Always` has found it out."""
    image = place.image("token/revoked")
    before = [place.apply(image, LEAVER, policy=policy)[0] for policy in ("Always", "Cached")]
    place.tokens.logins = (TESTER,)
    after = [
        place.apply(image, LEAVER, policy=policy)[0] for policy in ("Cached", "Always", "Cached")
    ]

    assert ([ADMITTED] * 2, [ADMITTED, REFUSED, REFUSED]) == (before, after)


def test_a_user_without_rights_is_told_from_a_wrong_password(place: Place) -> None:
    """There is a token for it, and the registry does not let it pull."""
    outcome, told = place.apply(place.image("token/visitor"), OTHER)

    assert (REFUSED, True) == (
        outcome,
        'pull secret "acr" logs in, and the registry does not let it pull this image' in told,
    )


def test_an_entry_for_another_path_is_not_tried(place: Place) -> None:
    """Nothing of it is sent, since the kubelet would not send it either."""
    elsewhere = Login("elsewhere", "pw", "")
    outcome, told = place.apply(place.image("token/path"), elsewhere, path="/other")

    assert (REFUSED, True, 0) == (
        outcome,
        'pull secret "acr" has an entry for another path of this registry alone' in told,
        place.sent(elsewhere),
    )


def test_a_token_that_has_expired_is_not_tried(place: Place) -> None:
    """It says so itself."""
    robot = Login("robot", f"eyJhbGciOiJSUzI1NiJ9.{EXPIRED}.c2lnbmF0dXJl", "")
    outcome, told = place.apply(place.image("token/expired"), robot)

    assert (REFUSED, True, 0) == (
        outcome,
        "has an entry whose token has expired (at 2001-09-09T01:46:40Z)" in told,
        place.sent(robot),
    )


def test_an_identity_token_beside_a_password_plays_no_part(place: Place) -> None:
    """The kubelet sends the password, which is good."""
    image = place.image("token/identity")

    assert ADMITTED == place.apply(image, identitytoken="of-another-day")[0]
