from dataclasses import replace

import pytest

from cosign.fakes import a_key, a_root, an_authority, an_identity
from landwaiter.cosign.authority import Authority, Criterion, Signer
from landwaiter.errors import InvalidPolicy
from landwaiter.identities import Identity, Name
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from landwaiter.trusted_roots import MEDIA_TYPE, NO_CHECKS, Checks, TrustedRoot

VERSION = "v3.1.3"
LOG = Checks(transparency_log=True)


def keyless(*identities: Identity, checks: Checks = LOG, **more: object) -> Authority:
    authority = Authority("ci", identities or (an_identity(),), checks, a_root())
    return replace(authority, **more)  # type: ignore[arg-type]


def test_semantics_21_all_that_shapes_a_verification_is_in_the_fingerprint() -> None:
    """Another signer, check, root, annotation, place or version of cosign is another question."""
    elsewhere = ImageReference.parse("registry.example.com/signatures")
    authorities = [
        an_authority(1),
        an_authority(2),
        an_authority(1, root=a_root()),
        an_authority(1, root=a_root(uri="https://other.example.com")),
        replace(an_authority(1), annotations=(("stage", "prod"),)),
        replace(an_authority(1), annotations=(("stage", "dev"),)),
        replace(an_authority(1), repository=elsewhere),
        Authority("ci", (a_key(1), a_key(2))),
        keyless(),
        keyless(an_identity("bob@example.com")),
        keyless(an_identity(issuer="https://other.example.com")),
        keyless(Identity(Name.matching("https://login.example.com"), an_identity().subject)),
        keyless(checks=Checks(transparency_log=True, timestamps=True)),
        keyless(checks=Checks(transparency_log=True, certificate_transparency=True)),
        keyless(checks=NO_CHECKS),
        keyless(certificate_chains=True),
    ]
    fingerprints = [each.fingerprint(VERSION) for each in authorities]
    fingerprints.append(an_authority(1).fingerprint("v3.1.4"))

    assert len(fingerprints) == len(set(fingerprints))


def test_semantics_21_a_text_is_no_expression() -> None:
    """The name that is a text, and the one that an expression of the same text makes, differ."""
    text = "^(?:ann)$"
    exact, matched = Name.exactly(text), Name.matching("ann")
    one, other = (keyless(Identity(an_identity().issuer, each)) for each in (exact, matched))

    assert (True, False) == (
        exact.text == matched.text,
        one.fingerprint(VERSION) == other.fingerprint(VERSION),
    )


def test_semantics_21_neither_names_nor_orders_are_in_the_fingerprint() -> None:
    """Policies that call the same signers by different names share results."""
    one = Authority("ci", (a_key(1), a_key(2)), annotations=(("a", "1"), ("b", "2")))
    other = Authority("cd", (a_key(2), a_key(1)), annotations=(("b", "2"), ("a", "1")))

    assert one.fingerprint(VERSION) == other.fingerprint(VERSION)


def test_a_key_is_the_same_however_its_text_is_wrapped() -> None:
    """Line ends and blanks around a PEM block change no fingerprint."""
    authority = an_authority()
    wrapped = PublicKey.parse("\n" + a_key().pem.replace("\n", "\r\n") + "\n")

    assert authority.fingerprint(VERSION) == replace(authority, signers=(wrapped,)).fingerprint(
        VERSION
    )


@pytest.mark.parametrize(
    ("signer", "checks", "root", "problem"),
    [
        (a_key(), LOG, None, "a trusted root is missing, which what is checked needs"),
        (an_identity(), NO_CHECKS, None, "a trusted root is missing, which what is checked needs"),
        (
            a_key(),
            NO_CHECKS,
            a_root(),
            "a trusted root is given, and nothing is checked that reads it",
        ),
        (
            a_key(),
            LOG,
            TrustedRoot.parse(b'{"mediaType": "%s"}' % MEDIA_TYPE.encode()),
            "the trusted root has no tlogs, which are needed",
        ),
        (
            an_identity(),
            LOG,
            TrustedRoot.parse(b'{"mediaType": "%s", "tlogs": [{}]}' % MEDIA_TYPE.encode()),
            "the trusted root has no certificateAuthorities, which are needed",
        ),
    ],
)
def test_a_root_is_what_is_checked_by_and_nothing_else(
    signer: Signer, checks: Checks, root: TrustedRoot | None, problem: str
) -> None:
    """Without one cosign would ask the network, and one that nothing reads is a mistake."""
    with pytest.raises(InvalidPolicy) as of_criterion:
        Criterion(signer, checks, root)
    with pytest.raises(InvalidPolicy) as of_authority:
        Authority("ci", (signer,), checks, root)

    assert (problem, f'authority "ci": {problem}') == (
        str(of_criterion.value),
        str(of_authority.value),
    )


def test_an_authority_without_signers_is_refused() -> None:
    """Nobody could ever meet it."""
    with pytest.raises(InvalidPolicy) as problem:
        Authority("ci", ())

    assert 'authority "ci": no signer given, at least one wanted' == str(problem.value)
