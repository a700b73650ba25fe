"""Signatures and digests as rules ask for them: keys, credentials, and what is remembered."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cosign.fakes import a_key, a_root, an_authority
from landwaiter.cluster.values import Secret
from landwaiter.errors import AccessDenied, ClusterUnavailable, ContentMissing
from landwaiter.images.reference import ImageReference
from landwaiter.policy.matching import Policy
from landwaiter.public_keys import PublicKey
from landwaiter.rules.cosign_signatures import (
    CosignSignatures,
    SignatureAnswer,
    SignatureQuestion,
)
from landwaiter.rules.protocol import CurrentDigest, Question, Violation
from landwaiter.rules.references import SecretEntry
from landwaiter.rules.requirement import Requirement
from landwaiter.rules.signing_authority import SigningAuthority, Trust
from landwaiter.rules.verdict import Decision
from landwaiter.trusted_roots import Checks
from policy.builders import a_policy
from registry.fake_registry import IMAGE, answer
from wiring.a_cluster import an_inquiry, docker_secret
from wiring.an_outside import Outside, outside
from wiring.signed_images import REPOSITORY, index_of, manifest_of, signed, unsigned

IN_SECRET = SecretEntry("trust", "keys", "cosign.pub")
LOG = Checks(transparency_log=True)
GOOD = SignatureAnswer(verified=True, signer=an_authority().signer)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside(tmp_path) as world:
        yield world


@pytest.fixture
async def private(tmp_path: Path) -> AsyncIterator[Outside]:
    """Give a world whose registry wants a password."""
    async with outside(tmp_path, users={"ann": "right"}) as world:
        yield world


def by(key: PublicKey | SecretEntry, name: str = "ci") -> SigningAuthority:
    return SigningAuthority(name, key)


def wanting(*authorities: SigningAuthority, name: str = "p") -> Policy:
    names = tuple(each.name for each in authorities)
    rule = CosignSignatures(authorities, Requirement(names), unpinned="Deny")
    return replace(a_policy(), name=name, rules=(rule,))


def key_secret(content: str, *, entry: str = "cosign.pub") -> Secret:
    return Secret("trust", "keys", "Opaque", {entry: content.encode()})


def questions(image: ImageReference) -> tuple[Question[Any], ...]:
    """Return all that the rule asks about an image."""
    return CurrentDigest(image), SignatureQuestion(image, by(a_key()))


async def asked(
    world: Outside, image: ImageReference, key: PublicKey | SecretEntry
) -> SignatureAnswer:
    return await world.source.answer(SignatureQuestion(image, by(key)), an_inquiry())


async def test_a_key_in_a_secret_verifies(world: Outside) -> None:
    """It is read with the install's own rights, from the namespace that the policy names."""
    world.cluster.add_secret(key_secret(a_key().pem))

    assert GOOD == await asked(world, signed(world.registry, a_key()), IN_SECRET)


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        (None, 'Secret "trust/keys", entry "cosign.pub": there is no such entry'),
        (
            key_secret(a_key().pem, entry="other"),
            'Secret "trust/keys", entry "cosign.pub": there is no such entry',
        ),
        (
            key_secret("nonsense"),
            (
                'Secret "trust/keys", entry "cosign.pub": 8 characters with 0 PEM blocks are '
                "given; one block that begins with -----BEGIN PUBLIC KEY----- is wanted"
            ),
        ),
        (
            key_secret("-----BEGIN PRIVATE KEY-----\nhush\n-----END PRIVATE KEY-----"),
            (
                'Secret "trust/keys", entry "cosign.pub": a private key is given; '
                "the public key is wanted"
            ),
        ),
    ],
)
async def test_a_secret_without_a_usable_key_leaves_the_image_undecided(
    world: Outside, secret: Secret | None, said: str
) -> None:
    """It is the policy's fault and not the image's; the message quotes nothing of it."""
    if secret is not None:
        world.cluster.add_secret(secret)

    with pytest.raises(ClusterUnavailable) as raised:
        await asked(world, signed(world.registry, a_key()), IN_SECRET)

    assert said == str(raised.value)


@pytest.mark.parametrize("remembered", [a_key(2).pem, "nonsense"])
async def test_a_key_that_was_changed_a_moment_ago_verifies(
    world: Outside, remembered: str
) -> None:
    """Nobody waits for a memory to lapse: what it cannot verify is verified by the new key."""
    world.cluster.remembered["trust/keys"] = key_secret(remembered)
    world.cluster.add_secret(key_secret(a_key().pem))

    assert GOOD == await asked(world, signed(world.registry, a_key()), IN_SECRET)


async def test_a_root_that_was_changed_a_moment_ago_verifies(world: Outside) -> None:
    """What an old root does not verify is verified by the one that stands there now."""
    where, image = SecretEntry("trust", "root", "root.json"), signed(world.registry, a_key(2))
    asking = SigningAuthority("ci", SecretEntry("trust", "keys", "k"), LOG, Trust(where))
    world.cluster.add_secret(key_secret(a_key(2).pem, entry="k"))
    for each, uri in ((world.cluster.remembered, "old"), (world.cluster.secrets, "new")):
        content = a_root(uri=uri).content
        each["trust/root"] = Secret("trust", "root", "Opaque", {"root.json": content})
    world.cluster.remembered["trust/keys"] = key_secret(a_key(3).pem, entry="k")

    answer = await world.source.answer(SignatureQuestion(image, asking), an_inquiry())

    verified = SignatureAnswer(verified=True, signer=an_authority(2).signer)
    assert (verified, 2) == (answer, world.runs)


async def test_semantics_21_a_changed_key_never_meets_an_old_verdict(world: Outside) -> None:
    """The key itself is remembered by, and not the Secret that it stands in."""
    image = signed(world.registry, a_key())
    answers = []
    for number in (1, 2, 1):
        world.cluster.add_secret(key_secret(a_key(number).pem))
        answers.append((await asked(world, image, IN_SECRET)).verified)

    assert ([True, False, True], 2) == (answers, world.runs)


async def test_semantics_21_neither_policy_nor_authority_names_a_verdict(world: Outside) -> None:
    """Policies that trust one key by two names share what is remembered; two keys do not."""
    image = signed(world.registry, a_key())
    world.policies += [wanting(by(a_key(), "a"), name="one"), wanting(by(a_key(), "b"), name="two")]

    decisions = [(await world.judged(str(image))).decision for _ in range(2)]
    world.policies[:] = [wanting(by(a_key(2), "a"), name="one")]
    decisions.append((await world.judged(str(image))).decision)

    assert [Decision.ALLOW, Decision.ALLOW, Decision.DENY] == decisions
    assert 2 == world.runs


async def test_attack_a_threshold_is_not_met_twice_by_one_key(world: Outside) -> None:
    """Keys that stand in two Secrets and are one key have signed once."""
    image = signed(world.registry, a_key())
    names = ("one", "two")
    for name in names:
        world.cluster.add_secret(Secret("trust", name, "Opaque", {"k": a_key().pem.encode()}))
    authorities = tuple(by(SecretEntry("trust", name, "k"), name) for name in names)
    decisions = []
    for threshold in (2, 1):
        rule = CosignSignatures(authorities, Requirement(names, threshold=threshold))
        world.policies[:] = [replace(a_policy(), rules=(rule,))]
        decisions.append((await world.judged(str(image))).decision)

    assert [Decision.DENY, Decision.ALLOW] == decisions


async def test_attack_an_index_whose_image_is_replaced_is_refused(world: Outside) -> None:
    """A policy that wants each image signed looks into the index that the Pod names."""
    good, evil = signed(world.registry, a_key(), note="good"), unsigned(world.registry, note="evil")
    indexes = [
        index_of(world.registry, *images) for images in ((good,), (good, good), (good, evil))
    ]
    rule = CosignSignatures((by(a_key()),), Requirement(("ci",)), covers="Platforms")
    world.policies.append(replace(a_policy(), rules=(rule,)))

    assert [Decision.ALLOW, Decision.ALLOW, Decision.DENY] == [
        (await world.judged(str(index))).decision for index in indexes
    ]


async def test_semantics_21_kyverno_a_moved_tag_is_judged_anew(world: Outside) -> None:
    """Kyverno served the old verdict from a cache keyed by tag."""
    world.policies.append(wanting(by(a_key())))
    good = signed(world.registry, a_key(), note="good")
    before = await world.judged(f"{good.name}:1")
    unsigned(world.registry, note="evil")
    after = await world.judged(f"{good.name}:1")

    assert ["image without digest", "no valid signature"] == [
        each.findings[0].outcome.reason for each in (before, after)
    ]


async def test_semantics_09_cve_2022_47633_and_cve_2023_47630_one_digest_for_everything(
    world: Outside,
) -> None:
    """A registry that gives a signed image first and another one later is asked for a tag once."""
    good = signed(world.registry, a_key(), note="good")
    content = manifest_of(world.registry, good)
    unsigned(world.registry, note="evil")
    world.registry.on("/manifests/1", answer(200, content, Content_Type=IMAGE), times=1)
    world.policies.append(wanting(by(a_key()), by(a_key(2), "other")))

    verdict = await world.judged(f"{good.name}:1")
    (finding,) = verdict.findings

    assert isinstance(finding.outcome, Violation)
    assert f"use {good.name}:1@{good.digest}" == finding.outcome.remedy
    assert (good.digest, 1) == (verdict.uses[0].digest, len(world.registry.paths("/manifests/1")))


async def test_credentials_that_were_mended_a_moment_ago_are_tried(private: Outside) -> None:
    """What memory cannot read is read with what the Secret holds now."""
    host = private.registry.host
    private.cluster.remembered["shop/regcred"] = docker_secret("regcred", host, password="old")
    private.cluster.add_secret(docker_secret("regcred", host, password="right"))
    image = signed(private.registry, a_key())
    inquiry = an_inquiry("regcred")

    digest = await private.source.answer(CurrentDigest(replace(image, digest=None)), inquiry)
    found = await private.source.answer(SignatureQuestion(image, by(a_key())), inquiry)

    assert (image.digest, GOOD) == (digest, found)


async def test_credentials_that_are_no_others_now_are_not_tried_twice(private: Outside) -> None:
    """A registry that locks accounts is not pressed."""
    private.cluster.add_secret(docker_secret("regcred", private.registry.host, password="wrong"))
    image = signed(private.registry, a_key())

    with pytest.raises(AccessDenied):
        await private.source.answer(
            CurrentDigest(replace(image, digest=None)), an_inquiry("regcred")
        )

    assert 1 == len(private.registry.paths("/token"))


async def test_semantics_20_for_an_untrusted_caller_no_credential_is_sent(
    private: Outside,
) -> None:
    """The image is as hidden as it is from the caller; no Secret is read either."""
    private.cluster.add_secret(docker_secret("regcred", private.registry.host, password="right"))
    image = signed(private.registry, a_key())
    inquiry = an_inquiry("regcred", trusted=False)

    for question in questions(image):
        with pytest.raises(AccessDenied):
            await private.source.answer(question, inquiry)

    assert ([], set()) == (
        private.cluster.asked,
        {seen.authorization for seen in private.registry.seen} - {None},
    )


async def test_a_fault_of_the_cluster_does_not_keep_public_images_waiting(world: Outside) -> None:
    """What everybody may read needs no Secret."""
    world.cluster.fault = ClusterUnavailable("down")
    image = signed(world.registry, a_key())

    assert GOOD == await asked(world, image, a_key())


async def test_a_fault_of_the_cluster_leaves_hidden_images_undecided(private: Outside) -> None:
    """The missing credentials may be what hides them, so it is neither refused nor admitted."""
    private.cluster.fault = ClusterUnavailable("the API server is down")
    image = signed(private.registry, a_key())

    for question in questions(image):
        with pytest.raises(ClusterUnavailable) as raised:
            await private.source.answer(question, an_inquiry())

        assert str(raised.value).endswith("pull secrets unknown: the API server is down")


async def test_semantics_14_an_image_that_is_missing_is_the_images_fault(world: Outside) -> None:
    """A cluster that works excuses nothing."""
    missing = ImageReference.parse(f"{world.registry.host}/{REPOSITORY}:none")

    with pytest.raises(ContentMissing):
        await world.source.answer(CurrentDigest(missing), an_inquiry())
