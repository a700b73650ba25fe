"""Images of several names: judged under the one that is signed, read from where they are."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cosign.fakes import a_key, a_statement, an_authority, an_envelope
from landwaiter.errors import AccessDenied
from landwaiter.images.reference import ImageReference
from landwaiter.rules.attestations import AttestationAnswer, AttestationQuestion
from landwaiter.rules.cosign_signatures import SignatureAnswer, SignatureQuestion
from landwaiter.rules.protocol import CurrentDigest
from landwaiter.rules.signing_authority import SigningAuthority
from landwaiter.rules.statement_conditions import Conditions
from wiring.a_cluster import an_inquiry, docker_secret
from wiring.an_outside import Outside, outside
from wiring.signed_images import attest, signed, unsigned

SIGNED_AS = "registry.example/shop"
CI = SigningAuthority("ci", a_key())
GOOD = SignatureAnswer(verified=True, signer=an_authority().signer)


def proxy(host: str) -> Mapping[str, object]:
    """Say that the host has what is signed under another name, and that Pods may name it so."""
    return {"signedAs": SIGNED_AS, "pulledAs": [f"{host}/team"], "readFrom": [f"{host}/team"]}


def under_its_signed_name(image: ImageReference) -> ImageReference:
    return replace(image, registry="registry.example", repository="shop/app")


async def answer(world: Outside, image: ImageReference) -> SignatureAnswer:
    return await world.source.answer(SignatureQuestion(image, CI), an_inquiry())


@pytest.mark.parametrize(("mirror", "is_good"), [(proxy, True), (None, False)])
async def test_a_proxy_cache_has_what_is_signed_under_another_name(
    tmp_path: Path, mirror: Callable[[str], Mapping[str, object]] | None, *, is_good: bool
) -> None:
    """The signature names the upstream, and the Pod the cache: the admin says they are one."""
    async with outside(tmp_path, mirror=mirror) as world:
        image = signed(world.registry, a_key(), name=f"{SIGNED_AS}/app")

        assert is_good == (await answer(world, image)).verified


@pytest.mark.parametrize(
    ("name", "is_good"),
    [
        ("{host}/team/app", True),
        (f"{SIGNED_AS}/app", True),
        ("{host}/team/other", False),
        ("{host}/elsewhere/app", False),
        (f"{SIGNED_AS}/team/app", False),
        ("{host}/source/app", False),
    ],
)
async def test_semantics_13_any_name_of_the_image_may_be_signed_and_no_other(
    tmp_path: Path, name: str, *, is_good: bool
) -> None:
    """
    Who signs what they pushed signs that name, in Alibaba Cloud's network the host within.

    A place that is read from has the images of others too, and is no name of this one.
    """

    def mirror(host: str) -> Mapping[str, object]:
        return {**proxy(host), "readFrom": [f"{host}/team", f"{host}/source"]}

    async with outside(tmp_path, mirror=mirror) as world:
        image = signed(world.registry, a_key(), name=name.format(host=world.registry.host))
        answers = [await answer(world, each) for each in (image, under_its_signed_name(image))]

        assert [is_good] * 2 == [each.verified for each in answers]


async def test_both_names_share_what_was_found_out(tmp_path: Path) -> None:
    """What was verified under one name is known under the other, without another run."""
    async with outside(tmp_path, mirror=proxy) as world:
        image = signed(world.registry, a_key(), name=f"{SIGNED_AS}/app")
        answers = [await answer(world, each) for each in (image, under_its_signed_name(image))]

        assert ([GOOD, GOOD], 1) == (answers, world.runs)


async def test_attestations_and_tags_are_read_there_too(tmp_path: Path) -> None:
    """Nobody asks a registry that cannot be reached, where a mirror has everything."""
    kind = "https://slsa.dev/provenance/v1"
    async with outside(tmp_path, mirror=proxy) as world:
        image = unsigned(world.registry)
        statement = a_statement(str(image.digest), predicate_type=kind)
        attest(
            world.registry,
            image,
            an_envelope("", a_key(), predicate_type=kind, statement=statement),
        )
        elsewhere = under_its_signed_name(image)
        question = AttestationQuestion(elsewhere, CI, kind, Conditions(None, ()), 1)
        counted = await world.source.answer(question, an_inquiry())
        resolved = await world.source.answer(
            CurrentDigest(replace(elsewhere, digest=None)), an_inquiry()
        )

        assert AttestationAnswer(1, "", an_authority().signer) == counted
        assert image.digest == resolved


async def test_a_mirror_is_read_with_the_pull_secret_for_the_mirror(tmp_path: Path) -> None:
    """Whoever has another Secret is not told what was found with the first (semantics 21)."""
    async with outside(tmp_path, users={"ann": "right"}, mirror=proxy) as world:
        image = under_its_signed_name(signed(world.registry, a_key(), name=f"{SIGNED_AS}/app"))
        host = world.registry.host
        world.cluster.add_secret(docker_secret("wrong", host, password="wrong"))
        world.cluster.add_secret(docker_secret("right", host, password="right"))
        question = SignatureQuestion(image, CI)
        with pytest.raises(AccessDenied):
            await world.source.answer(question, an_inquiry("wrong"))

        assert GOOD == await world.source.answer(question, an_inquiry("right"))
