"""Attestations as the rule asks for them: keys, credentials, ages, and what is remembered."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cosign.fakes import a_key, a_root, a_statement, an_authority, an_envelope
from cosign.timestamps import a_timestamp
from landwaiter.cel.expressions import compile_expression
from landwaiter.cluster.values import Secret
from landwaiter.cosign.material import SimpleSignature
from landwaiter.errors import AccessDenied, ContentMissing
from landwaiter.images.reference import ImageReference
from landwaiter.policy.matching import Policy
from landwaiter.public_keys import PublicKey
from landwaiter.rules.attestations import (
    AttestationAnswer,
    AttestationQuestion,
    Attestations,
    RequiredAttestation,
)
from landwaiter.rules.references import SecretEntry
from landwaiter.rules.requirement import Requirement
from landwaiter.rules.signing_authority import SigningAuthority, Trust
from landwaiter.rules.statement_conditions import (
    VARIABLES,
    Conditions,
    PredicateCondition,
)
from landwaiter.rules.verdict import Decision
from landwaiter.trusted_roots import Checks
from policy.builders import a_policy
from wiring.a_cluster import an_inquiry, docker_secret
from wiring.an_outside import Outside, outside
from wiring.signed_images import attest, unsigned

SLSA = "https://slsa.dev/provenance/v1"
IN_SECRET = SecretEntry("trust", "keys", "cosign.pub")
CI = SigningAuthority("ci", a_key())
STAMPED = SigningAuthority("ci", a_key(), Checks(timestamps=True), Trust(a_root()))
TIMESTAMP = "dev.sigstore.cosign/rfc3161timestamp"
NOW = 1_800_000_000
HOUR = 3_600


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    async with outside(tmp_path) as world:
        yield world


def a_review(
    image: ImageReference, number: int = 0, *, key: PublicKey | None = None, at: int | None = None
) -> SimpleSignature:
    """Return an attestation, another one for each number, with a timestamp where there is one."""
    statement = a_statement(str(image.digest), predicate_type=SLSA)
    stamp = (
        {} if at is None else {TIMESTAMP: json.dumps({"SignedRFC3161Timestamp": a_timestamp(at)})}
    )
    return an_envelope(
        "",
        key or a_key(),
        predicate_type=SLSA,
        statement={**statement, "predicate": {"number": number}},
        annotations=stamp,
    )


def question(
    image: ImageReference,
    authority: SigningAuthority = CI,
    *,
    at_least: int = 1,
    max_age_hours: int | None = None,
    expressions: Sequence[str] = (),
) -> AttestationQuestion:
    conditions = tuple(
        PredicateCondition(f"c{number}", compile_expression(text, VARIABLES))
        for number, text in enumerate(expressions)
    )
    return AttestationQuestion(
        image, authority, SLSA, Conditions(max_age_hours, conditions), at_least
    )


def wanting(*authorities: SigningAuthority, name: str = "p", threshold: int = 1) -> Policy:
    names = tuple(each.name for each in authorities)
    required = RequiredAttestation(SLSA, authorities, Requirement(names, threshold=threshold))
    return replace(a_policy(), name=name, rules=(Attestations((required,)),))


async def test_attestations_are_counted(world: Outside) -> None:
    """As many as are different and asked for, and the signer is told by the key."""
    image = unsigned(world.registry)
    attest(world.registry, image, a_review(image, 1), a_review(image, 2), a_review(image, 2))

    assert [AttestationAnswer(count, "", an_authority().signer) for count in (1, 2, 2)] == [
        await world.source.answer(question(image, at_least=at_least), an_inquiry())
        for at_least in (1, 2, 3)
    ]


async def test_what_is_missing_is_told(world: Outside) -> None:
    """The words stand in the refusal."""
    image = unsigned(world.registry)
    answer = await world.source.answer(question(image), an_inquiry())

    assert (0, "it carries no attestation of this type") == (answer.count, answer.detail)


@pytest.mark.parametrize(
    ("max_age_hours", "expected"),
    [
        (None, (3, "")),
        (30, (2, "it is 40 h old")),
        (10, (1, "it is 40 h old; it is 20 h old")),
        (1, (0, "it is 40 h old; it is 20 h old; it is 5 h old")),
    ],
)
async def test_only_what_is_young_enough_counts(
    world: Outside,
    max_age_hours: int | None,
    expected: tuple[int, str],
) -> None:
    """The age is that by the clock of whoever vouches for it, whatever is remembered."""
    image = unsigned(world.registry)
    reviews = [a_review(image, hours, at=NOW - hours * HOUR) for hours in (5, 20, 40)]
    attest(world.registry, image, *reviews)
    world.clock.seconds = NOW
    (_, answer) = [
        await world.source.answer(
            question(image, STAMPED, max_age_hours=age, at_least=3), an_inquiry()
        )
        for age in (None, max_age_hours)
    ]

    assert expected == (answer.count, answer.detail)


async def test_semantics_21_what_was_young_enough_grows_old(world: Outside) -> None:
    """The finding is remembered and not the verdict: no report is fresh for ever."""
    image = unsigned(world.registry)
    attest(world.registry, image, a_review(image, at=NOW))
    asked, counts = question(image, STAMPED, max_age_hours=24), []
    for hours in (1, 23, 25):
        world.clock.seconds = NOW + hours * HOUR
        counts.append((await world.source.answer(asked, an_inquiry())).count)

    assert ([1, 1, 0], 1) == (counts, world.attestation_runs)


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        (["predicate.number > 0"], (2, "")),
        (["predicate.number > 1"], (1, 'it does not meet "c0"')),
        (["predicate.number > 0", "predicate.number > 1"], (1, 'it does not meet "c1"')),
        (["predicate.number > 2"], (0, '2 x it does not meet "c0"')),
        (
            ["predicate.nobody == 1"],
            (0, '2 x "c0" cannot be told of it: NOT_FOUND: Key not found in map : "nobody"'),
        ),
    ],
)
async def test_only_what_says_what_is_wanted_counts(
    world: Outside, expressions: Sequence[str], expected: tuple[int, str]
) -> None:
    """Expressions are evaluated on the predicate that was signed, whatever is remembered."""
    image = unsigned(world.registry)
    attest(world.registry, image, a_review(image, 1), a_review(image, 2))
    answers = [
        await world.source.answer(question(image, at_least=2, expressions=texts), an_inquiry())
        for texts in ([], expressions, expressions)
    ]

    assert [(2, ""), expected, expected] == [(each.count, each.detail) for each in answers]


async def test_attack_an_expression_sees_nothing_that_nobody_has_signed(world: Outside) -> None:
    """What somebody else says of the image never reaches one, be it what is wanted."""
    image = unsigned(world.registry)
    attest(world.registry, image, a_review(image, 2, key=a_key(2)), a_review(image, 1))
    asked = question(image, expressions=["predicate.number == 2"])
    answer = await world.source.answer(asked, an_inquiry())

    assert (0, True) == (answer.count, answer.detail.startswith('it does not meet "c0"'))


async def test_a_key_in_a_secret_is_read_when_it_is_needed(world: Outside) -> None:
    """What has attested enough is asked no further, and else one changed a moment ago is read."""
    image = unsigned(world.registry)
    attest(world.registry, image, a_review(image, 1), a_review(image, 2, key=a_key(2)))
    for number, where in ((2, world.cluster.remembered), (1, world.cluster.secrets)):
        content = a_key(number).pem.encode()
        where["trust/keys"] = Secret("trust", "keys", "Opaque", {"cosign.pub": content})
    answers = [
        await world.source.answer(
            question(image, SigningAuthority("ci", IN_SECRET), at_least=at_least), an_inquiry()
        )
        for at_least in (1, 2)
    ]

    assert [(1, an_authority(number).signer) for number in (2, 1)] == [
        (answer.count, answer.signer) for answer in answers
    ]


async def test_semantics_21_neither_policy_nor_authority_names_a_finding(world: Outside) -> None:
    """Policies that trust one key by two names share what is remembered; two keys do not."""
    image = unsigned(world.registry)
    attest(world.registry, image, a_review(image))
    one, other = (SigningAuthority(name, a_key()) for name in ("a", "b"))
    world.policies += [wanting(one, name="one"), wanting(other, name="two")]
    decisions = [(await world.judged(str(image))).decision]
    runs = world.attestation_runs
    world.policies[:] = [wanting(SigningAuthority("a", a_key(2)), name="one")]
    decisions.append((await world.judged(str(image))).decision)

    assert ([Decision.ALLOW, Decision.DENY], 1, 2) == (decisions, runs, world.attestation_runs)


async def test_attack_a_threshold_is_not_met_twice_by_one_key(world: Outside) -> None:
    """Keys that stand in two Secrets and are one key have attested once."""
    image = unsigned(world.registry)
    attest(world.registry, image, a_review(image))
    for name in (names := ("one", "two")):
        world.cluster.add_secret(Secret("trust", name, "Opaque", {"k": a_key().pem.encode()}))
    authorities = [SigningAuthority(name, SecretEntry("trust", name, "k")) for name in names]
    decisions = []
    for threshold in (2, 1):
        world.policies[:] = [wanting(*authorities, threshold=threshold)]
        decisions.append((await world.judged(str(image))).decision)

    assert [Decision.DENY, Decision.ALLOW] == decisions


async def test_attack_an_attestation_that_was_copied_to_another_image_does_not_count(
    world: Outside,
) -> None:
    """What is said of one image is not said of another, wherever it is attached."""
    good, evil = unsigned(world.registry, note="good"), unsigned(world.registry, note="evil")
    for image in (good, evil):
        attest(world.registry, image, a_review(good))
    world.policies.append(wanting(CI))

    assert [Decision.ALLOW, Decision.DENY] == [
        (await world.judged(str(image))).decision for image in (good, evil)
    ]


async def test_semantics_09_a_tag_is_judged_by_its_digest_and_refused(world: Outside) -> None:
    """The node resolves it again, so what is attested is to be named by its digest."""
    image = unsigned(world.registry)
    attest(world.registry, image, a_review(image))
    world.policies.append(wanting(CI))
    verdict = await world.judged(f"{image.name}:1")

    assert ["image without digest"] == [each.outcome.reason for each in verdict.findings]


async def test_semantics_14_an_image_that_is_missing_is_the_images_fault(world: Outside) -> None:
    """A cluster that works excuses nothing."""
    missing = replace(unsigned(world.registry), tag=None, digest=f"sha256:{'0' * 64}")

    with pytest.raises(ContentMissing):
        await world.source.answer(question(missing), an_inquiry())


async def test_semantics_20_for_an_untrusted_caller_no_credential_is_sent(tmp_path: Path) -> None:
    """The image is as hidden as it is from the caller; with credentials it is read."""
    async with outside(tmp_path, users={"ann": "right"}) as private:
        host = private.registry.host
        private.cluster.add_secret(docker_secret("regcred", host, password="right"))
        image = unsigned(private.registry)
        attest(private.registry, image, a_review(image))
        with pytest.raises(AccessDenied):
            await private.source.answer(question(image), an_inquiry("regcred", trusted=False))

        assert [] == private.cluster.asked
        assert 1 == (await private.source.answer(question(image), an_inquiry("regcred"))).count
