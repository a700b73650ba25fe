"""What each Secret that is named for a Pod is worth for one image."""

import asyncio
import base64
import json
from datetime import UTC, datetime

import pytest

from landwaiter.cluster.values import Secret
from landwaiter.errors import ClusterUnavailable
from landwaiter.images.reference import ImageReference
from landwaiter.registry.credentials import ImageCoverage
from landwaiter.rules.pull_secret_answers import (
    NamedSecret,
    PullSecretAnswer,
    PullSecretQuestion,
    SecretState,
)
from landwaiter.wiring.keychains import PullSecretReader
from landwaiter.wiring.pull_secrets import UNTOLD, PullSecretStates
from wiring.a_cluster import FakeCluster, a_secret, an_inquiry, docker_secret

IMAGE = ImageReference.parse("r.example.com/team/app:1")
USABLE = NamedSecret("regcred", SecretState.USABLE)
NOW = datetime(2026, 11, 25, tzinfo=UTC)


async def answer(cluster: FakeCluster, *names: str, account: str = "") -> PullSecretAnswer:
    states = PullSecretStates(PullSecretReader(cluster), clock=lambda: NOW)
    return await states.answer(PullSecretQuestion(IMAGE), an_inquiry(*names, account=account))


def a_token(**claims: object) -> str:
    """Return a JSON Web Token with these claims, signed by nobody."""
    pieces = [json.dumps(each).encode() for each in ({"alg": "RS256"}, claims)]
    return ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in pieces) + ".s"


def entry(**fields: str) -> bytes:
    return json.dumps({"auths": {"r.example.com": fields}}).encode()


@pytest.mark.parametrize(
    ("secret", "expected"),
    [
        (docker_secret("regcred", "r.example.com"), USABLE),
        (docker_secret("regcred", "https://r.example.com/v1/"), USABLE),
        (docker_secret("regcred", "*.example.com/team"), USABLE),
        (a_secret("regcred", entry(username="ann")), USABLE),
        (None, NamedSecret("regcred", SecretState.MISSING)),
        (
            a_secret("regcred", entry(username="ann"), secret_type="Opaque"),
            NamedSecret("regcred", SecretState.WRONG_TYPE, "Opaque"),
        ),
        (
            a_secret("regcred", b"{"),
            NamedSecret("regcred", SecretState.UNPARSABLE, "the document is not JSON"),
        ),
        (
            a_secret("regcred", entry(auth="!")),
            NamedSecret(
                "regcred", SecretState.UNPARSABLE, "`auth` in entry 1 of `auths` is not base64"
            ),
        ),
        (
            docker_secret("regcred", "r.example.com.evil.com"),
            NamedSecret("regcred", SecretState.NO_ENTRY),
        ),
        (
            docker_secret("regcred", "r.example.com/other"),
            NamedSecret("regcred", SecretState.OTHER_PATH),
        ),
        (
            docker_secret("regcred", "*.example.com/other"),
            NamedSecret("regcred", SecretState.OTHER_PATH),
        ),
        (
            docker_secret("regcred", "r.example.com:5000"),
            NamedSecret("regcred", SecretState.NO_ENTRY),
        ),
        (a_secret("regcred", b""), NamedSecret("regcred", SecretState.EMPTY)),
        (a_secret("regcred", b"{}"), NamedSecret("regcred", SecretState.EMPTY)),
        (a_secret("regcred", b'{"auths": {}}'), NamedSecret("regcred", SecretState.EMPTY)),
        (a_secret("regcred", entry()), NamedSecret("regcred", SecretState.NO_PASSWORD)),
        (
            a_secret("regcred", entry(identitytoken="t")),
            NamedSecret("regcred", SecretState.TOKEN_ALONE),
        ),
        (
            docker_secret("regcred", "r.example.com", password=a_token(exp=1_000_000_000)),
            NamedSecret("regcred", SecretState.EXPIRED, "at 2001-09-09T01:46:40Z"),
        ),
        (docker_secret("regcred", "r.example.com", password=a_token(exp=2_000_000_000)), USABLE),
        (docker_secret("regcred", "r.example.com", password=a_token(sub="ann")), USABLE),
    ],
)
async def test_every_state_of_a_secret(secret: Secret | None, expected: NamedSecret) -> None:
    """A Secret is worth what the kubelet would make of it; no message holds what is in it."""
    cluster = FakeCluster()
    if secret is not None:
        cluster.add_secret(secret)

    assert PullSecretAnswer("shop", (expected,)) == await answer(cluster, "regcred")


async def test_secrets_of_the_account_are_judged_as_its_own() -> None:
    """The answer tells whose list it was, and whether there is such an account."""
    cluster = FakeCluster()
    cluster.add_secret(docker_secret("regcred", "r.example.com"))
    cluster.add_account("default", "regcred")

    assert [
        PullSecretAnswer("shop", (USABLE,), "default"),
        PullSecretAnswer("shop", (), "missing", account_missing=True),
    ] == [await answer(cluster), await answer(cluster, account="missing")]


@pytest.mark.parametrize(
    ("kind", "named", "expected"),
    [
        ("Pod", (), PullSecretAnswer("shop", (), is_late=True)),
        ("Pod", ("regcred",), PullSecretAnswer("shop", (USABLE,))),
        ("Deployment", (), PullSecretAnswer("shop", (USABLE,), "default")),
    ],
)
async def test_a_pod_that_is_there_gets_no_secrets_of_its_account(
    kind: str, named: tuple[str, ...], expected: PullSecretAnswer
) -> None:
    """Kubernetes copies them when it creates a Pod, so what is added later has none of them."""
    cluster = FakeCluster()
    cluster.add_secret(docker_secret("regcred", "r.example.com"))
    cluster.add_account("default", "regcred")
    states = PullSecretStates(PullSecretReader(cluster), clock=lambda: NOW)
    inquiry = an_inquiry(*named, kind=kind, exists=True)

    assert expected == await states.answer(PullSecretQuestion(IMAGE), inquiry)


async def test_a_secret_mended_a_moment_ago_is_found() -> None:
    """Before it says anything against an image, it reads anew what it remembered."""
    cluster = FakeCluster()
    cluster.remembered["shop/regcred"] = docker_secret("regcred", "other.example.com")
    cluster.add_secret(docker_secret("regcred", "r.example.com"))

    assert PullSecretAnswer("shop", (USABLE,)) == await answer(cluster, "regcred")
    assert ["secret shop/regcred", "secret shop/regcred fresh"] == cluster.asked


async def test_an_account_that_was_given_a_secret_a_moment_ago_is_read_anew() -> None:
    """The account is part of what a person may have mended."""
    cluster = FakeCluster()
    cluster.add_account("default")

    await answer(cluster)

    assert ["account shop/default", "account shop/default fresh"] == cluster.asked


async def test_secrets_are_read_once_for_all_images_of_an_object_and_once_anew() -> None:
    """Else a Pod of many images and bad Secrets would cost the API server thousands of requests."""
    cluster = FakeCluster()
    reader = PullSecretReader(cluster)
    states = PullSecretStates(reader, clock=lambda: NOW)
    inquiry = an_inquiry("one", "two")
    images = [ImageReference.parse(f"r.example.com/app{number}:1") for number in range(20)]

    for image in images[:10]:
        await states.answer(PullSecretQuestion(image), inquiry)
    await asyncio.gather(
        *(states.answer(PullSecretQuestion(image), inquiry) for image in images[10:])
    )
    await reader.keychain(inquiry, fresh=True)

    assert [
        "secret shop/one",
        "secret shop/two",
        "secret shop/one fresh",
        "secret shop/two fresh",
    ] == cluster.asked


async def test_a_cluster_that_cannot_be_asked_is_not_asked_for_each_image() -> None:
    """What is wrong is said of all of them."""
    cluster = FakeCluster(fault=ClusterUnavailable("away"))
    states = PullSecretStates(PullSecretReader(cluster), clock=lambda: NOW)
    inquiry = an_inquiry("one")
    told = []
    for number in range(3):
        question = PullSecretQuestion(ImageReference.parse(f"r.example.com/app{number}:1"))
        with pytest.raises(ClusterUnavailable) as fault:
            await states.answer(question, inquiry)
        told.append(str(fault.value))

    assert (["away"] * 3, ["secret shop/one"]) == (told, cluster.asked)


async def test_a_secret_that_broke_a_moment_ago_may_pass_and_one_that_fits_asks_once() -> None:
    """What is good in memory is good: the Pod was possible seconds ago."""
    cluster = FakeCluster()
    cluster.remembered["shop/regcred"] = docker_secret("regcred", "r.example.com")

    assert PullSecretAnswer("shop", (USABLE,)) == await answer(cluster, "regcred")
    assert ["secret shop/regcred"] == cluster.asked


async def test_one_broken_secret_beside_a_good_one_is_told() -> None:
    """It fails the keyring for every image of the Pod, so it is read anew and told."""
    cluster = FakeCluster()
    cluster.add_secret(docker_secret("regcred", "r.example.com"))
    cluster.add_secret(a_secret("broken", b"["))

    states = [each.state for each in (await answer(cluster, "regcred", "broken")).secrets]

    assert [SecretState.USABLE, SecretState.UNPARSABLE] == states


async def test_a_cluster_that_cannot_be_asked_leaves_it_undecided() -> None:
    """Nothing is said about Secrets that could not be read."""
    with pytest.raises(ClusterUnavailable):
        await answer(FakeCluster(fault=ClusterUnavailable("down")), "regcred")


async def test_semantics_20_anybody_is_told_only_what_the_request_names() -> None:
    """Neither the Secrets that an account names, nor types and faults, for whoever may connect."""
    cluster = FakeCluster()
    cluster.add_account("default", "hidden")
    cluster.add_secret(a_secret("hidden", b"{"))
    states = PullSecretStates(PullSecretReader(cluster))
    cluster.add_secret(a_secret("opaque", b"", secret_type="example.com/vault"))

    assert (
        PullSecretAnswer(
            "shop", (NamedSecret(UNTOLD, SecretState.UNPARSABLE),), service_account="default"
        ),
        PullSecretAnswer("shop", (NamedSecret("opaque", SecretState.WRONG_TYPE),)),
    ) == (
        await states.answer(PullSecretQuestion(IMAGE), an_inquiry(trusted=False)),
        await states.answer(PullSecretQuestion(IMAGE), an_inquiry("opaque", trusted=False)),
    )


@pytest.mark.parametrize(
    ("seconds", "state"), [(59, SecretState.USABLE), (60, SecretState.EXPIRED)]
)
async def test_a_token_is_good_for_a_minute_after_its_end(seconds: int, state: SecretState) -> None:
    """Clocks differ, and nobody is refused for that."""
    cluster = FakeCluster()
    token = a_token(exp=NOW.timestamp() - seconds)
    cluster.add_secret(docker_secret("regcred", "r.example.com", password=token))

    assert [state] == [each.state for each in (await answer(cluster, "regcred")).secrets]


async def test_one_entry_that_has_not_expired_is_enough() -> None:
    """The kubelet tries the others after the one that has."""
    cluster = FakeCluster()
    old = {"username": "ann", "password": a_token(exp=1_000_000_000)}
    auths = {"r.example.com/team": old, "r.example.com": {"username": "ann", "password": "pw"}}
    cluster.add_secret(a_secret("regcred", json.dumps({"auths": auths}).encode()))

    assert PullSecretAnswer("shop", (USABLE,)) == await answer(cluster, "regcred")


async def test_names_given_again_are_told() -> None:
    """Whose they are matters: who is not trusted is not told what an account names."""
    cluster = FakeCluster()
    cluster.add_account("default", "regcred", "regcred")
    states = PullSecretStates(PullSecretReader(cluster))
    missing = NamedSecret("regcred", SecretState.MISSING)

    assert (
        PullSecretAnswer("shop", (missing,), repeated=("regcred",)),
        PullSecretAnswer("shop", (missing,), "default", repeated=("regcred",)),
        PullSecretAnswer("shop", (NamedSecret(UNTOLD, SecretState.MISSING),), "default"),
    ) == (
        await answer(cluster, "regcred", "", "regcred"),
        await answer(cluster),
        await states.answer(PullSecretQuestion(IMAGE), an_inquiry(trusted=False)),
    )


@pytest.mark.parametrize(
    ("pattern", "is_asked", "covers"),
    [
        ("*.example.com", True, True),
        ("r.example.com/team", True, True),
        ("r.example.com/te", True, True),
        ("*.example.com", False, False),
        ("r.example.com/other", True, False),
        ("r.example.com:5000", True, False),
        ("*.com", True, False),
    ],
)
async def test_credentials_of_the_nodes_are_those_that_the_admin_declares(
    pattern: str,
    is_asked: bool,  # noqa: FBT001
    covers: bool,  # noqa: FBT001
) -> None:
    """They are matched as the kubelet matches them, and only where the policy lets them count."""
    cluster = FakeCluster()
    states = PullSecretStates(PullSecretReader(cluster), of_nodes=ImageCoverage((pattern,)))
    question = PullSecretQuestion(IMAGE, node_credentials=is_asked)
    missing = NamedSecret("regcred", SecretState.MISSING)

    assert PullSecretAnswer("shop", (missing,), node_credentials=covers) == await states.answer(
        question, an_inquiry("regcred")
    )


async def test_where_credentials_are_forbidden_a_secret_that_fits_is_read_anew() -> None:
    """Somebody may have taken the entry out a moment ago."""
    cluster = FakeCluster()
    cluster.remembered["shop/regcred"] = docker_secret("regcred", "r.example.com")
    cluster.add_secret(docker_secret("regcred", "other.example.com"))
    states = PullSecretStates(PullSecretReader(cluster))

    answered = await states.answer(PullSecretQuestion(IMAGE, forbidden=True), an_inquiry("regcred"))

    assert (
        PullSecretAnswer("shop", (NamedSecret("regcred", SecretState.NO_ENTRY),)),
        ["secret shop/regcred", "secret shop/regcred fresh"],
    ) == (answered, cluster.asked)
