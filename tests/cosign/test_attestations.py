"""Attestations in the whole room, with a fake registry and a program that verifies as cosign."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cosign.fakes import (
    Clock,
    CountingObserver,
    FakeKeychain,
    FakeRegistry,
    a_bundle,
    a_digest,
    a_key,
    a_root,
    a_statement,
    an_authority,
    an_envelope,
    an_identity,
    fake_cosign,
    program,
    signature_tag,
)
from cosign.timestamps import a_timestamp
from landwaiter.cosign import attestations
from landwaiter.cosign.attestation_judging import Attested
from landwaiter.cosign.attestations import AttestationSettings, AttestationVerifier, Enough
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.outcome import AttestationFormat
from landwaiter.cosign.statements import Attestation
from landwaiter.cosign.verifier import SignatureVerifier, VerifierSettings
from landwaiter.deadline import Deadline
from landwaiter.errors import (
    AccessDenied,
    ContentMissing,
    CosignUnavailable,
    DeadlineExceeded,
    RegistryUnavailable,
    Unavailable,
)
from landwaiter.images.reference import ImageReference
from landwaiter.trusted_roots import Checks

BUNDLE, ENVELOPE = AttestationFormat.BUNDLE, AttestationFormat.ENVELOPE
CI = an_authority()
STAMPED = Authority("ci", (a_key(),), Checks(timestamps=True), a_root())
VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
SLSA = "https://slsa.dev/provenance/v1"
NOTHING = Attested((), "it carries no attestation of this type")


def at_least(count: int) -> Enough:
    async def enough(attestations: Sequence[Attestation]) -> bool:
        return len(attestations) >= count

    return enough


def a_report(image: ImageReference, number: int = 0, *, type_: str = VULN) -> dict[str, object]:
    """Return a statement about the image, another one for each number."""
    return {**a_statement(str(image.digest), predicate_type=type_), "predicate": {"n": number}}


def attestation(statement: object, signed_at: float | None = None) -> Attestation:
    content = json.dumps(statement).encode()
    return Attestation(hashlib.sha256(content).hexdigest(), content, signed_at)


@dataclass(slots=True)
class Room:
    """A verifier of attestations with all that it talks to."""

    verifier: AttestationVerifier[FakeKeychain]
    registry: FakeRegistry
    observer: CountingObserver
    clock: Clock

    async def verify(
        self,
        image: ImageReference,
        authority: Authority = CI,
        *,
        predicate_type: str = VULN,
        enough: Enough | None = None,
        keychain: str = "anonymous",
        seconds: float = 60.0,
        namespace: str = "shop",
    ) -> Attested:
        return await self.verifier.verify(
            image,
            authority,
            predicate_type,
            enough=enough or at_least(1),
            keychain=FakeKeychain(keychain),
            deadline=Deadline.after(seconds),
            namespace=namespace,
        )

    def attach(self, image: ImageReference, statement: object, **more: object) -> None:
        """Attach a bundle in which the key of `CI`, or another, has signed the statement."""
        self.registry.attach(image, a_bundle("", statement=statement, **more))  # type: ignore[arg-type]  # Each by its name.

    def attested(self, *numbers: int) -> ImageReference:
        """Push an image with a report for each number."""
        image = self.registry.push()
        for number in numbers:
            self.attach(image, a_report(image, number))
        return image


@asynccontextmanager
async def a_room(
    folder: Path,
    *,
    hook: str = "pass",
    cosign: Path | None = None,
    settings: AttestationSettings | None = None,
) -> AsyncIterator[Room]:
    registry, observer, clock = FakeRegistry(), CountingObserver(), Clock()
    signatures = VerifierSettings(cosign or fake_cosign(folder, hook=hook), runs_at_once=2)
    async with (
        SignatureVerifier(registry, signatures, observer=observer) as opened,
        AttestationVerifier(registry, opened.program, settings, clock=clock) as verifier,
    ):
        yield Room(verifier, registry, observer, clock)


async def test_an_attestation_is_found(tmp_path: Path) -> None:
    """A bundle by the authority's key is found, in one run."""
    async with a_room(tmp_path) as room:
        image = room.attested(1)

        assert (Attested((attestation(a_report(image, 1)),)), [(BUNDLE, "exit 0", 1)]) == (
            await room.verify(image),
            room.observer.runs,
        )


async def test_an_old_attestation_is_found(tmp_path: Path) -> None:
    """An `.att` tag is looked at as well."""
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        room.registry.tag_attestations(image, an_envelope(str(image.digest), predicate_type=VULN))
        statement = a_statement(str(image.digest), predicate_type=VULN)

        assert (Attested((attestation(statement),)), [(ENVELOPE, "exit 0", 1)]) == (
            await room.verify(image),
            room.observer.runs,
        )


async def test_authorities_that_ask_together_share_what_is_fetched(tmp_path: Path) -> None:
    """Several keys in one rule read the repository once, and cosign once a key."""
    async with a_room(tmp_path) as room:
        image = room.attested(1)
        found = await asyncio.gather(
            *(room.verify(image, an_authority(number)) for number in (1, 2, 3))
        )

        assert ([1, 0, 0], 5, 3) == (
            [len(each.attestations) for each in found],
            len(room.registry.asked),
            len(room.observer.runs),
        )


async def test_authorities_that_wait_for_a_place_share_it_too(tmp_path: Path) -> None:
    """More than have a place at once read the repository once; afterwards nothing is held."""
    settings = AttestationSettings(images_of_one_namespace=3)
    async with a_room(tmp_path, settings=settings) as room:
        image = room.attested(1)
        await asyncio.gather(*(room.verify(image, an_authority(number)) for number in range(1, 8)))
        together = len(room.registry.asked)
        await room.verify(image, an_authority(8))

        assert (5, 10) == (together, len(room.registry.asked))


async def test_other_credentials_repositories_or_types_share_nothing(tmp_path: Path) -> None:
    """What one may see says nothing of what another may, and of a type only the newest are read."""
    async with a_room(tmp_path) as room:
        image = room.attested(1)
        places = [ImageReference.parse(f"registry.example.com/{name}") for name in ("a", "b")]
        await asyncio.gather(
            room.verify(image, keychain="ann"),
            room.verify(image, keychain="bob"),
            *(room.verify(image, replace(CI, repository=each), keychain="ann") for each in places),
            room.verify(image, predicate_type=SLSA, keychain="ann"),
        )

        assert 5 == room.registry.asked.count(f"manifest {image}")


async def test_the_attestations_of_both_formats_are_counted_once_each(tmp_path: Path) -> None:
    """Whoever attests in both formats, or twice the same, has attested it once."""
    async with a_room(tmp_path) as room:
        image = room.attested(1, 2)
        room.attach(image, a_report(image, 2), proof={"another": "copy"})
        room.registry.tag_attestations(
            image,
            *(an_envelope("", statement=a_report(image, n), predicate_type=VULN) for n in (2, 3)),
        )
        found = await room.verify(image)

        assert {attestation(a_report(image, number)) for number in (1, 2, 3)} == set(
            found.attestations
        )
        assert (3, "") == (len(found.attestations), found.detail)


async def test_an_image_without_attestations_costs_no_run(tmp_path: Path) -> None:
    """Where there is nothing to judge, no process is started."""
    async with a_room(tmp_path) as room:
        assert (NOTHING, []) == (await room.verify(room.registry.push()), room.observer.runs)


async def test_attack_an_attestation_by_another_key_does_not_count(tmp_path: Path) -> None:
    """The refusal says so, and quotes cosign with the image's own name."""
    async with a_room(tmp_path) as room:
        image = room.attested(1)
        said = f"no matching attestations: {image}"

        assert Attested(
            (),
            "bundle of an attestation: none of its attestations is by this key; "
            f'cosign says: "{said}"',
        ) == await room.verify(image, an_authority(2))


async def test_attack_a_referrer_that_nobody_signed_does_not_count(tmp_path: Path) -> None:
    """What only looks like an attestation is not even given to cosign."""
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        room.registry.attach(image, json.dumps({"predicateType": VULN}).encode())

        assert (Attested((), "it is no envelope of a statement"), []) == (
            await room.verify(image),
            room.observer.runs,
        )


async def test_attack_an_attestation_of_another_image_does_not_count(tmp_path: Path) -> None:
    """A statement about another digest, copied here, is found to be no attestation."""
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        room.attach(image, a_report(room.registry.push("registry.example.com/other")))
        found = await room.verify(image)

        assert ((), 1) == (found.attestations, len(room.observer.runs))


@pytest.mark.parametrize(
    ("type_", "about", "said"),
    [(SLSA, "", f'it is of the type "{SLSA}"'), (VULN, "other", "it is about another image")],
)
async def test_attack_cosigns_word_alone_is_not_enough(
    tmp_path: Path, type_: str, about: str, said: str
) -> None:
    """What cosign lets pass of another type or image is found out from the verified statement."""
    async with a_room(tmp_path, cosign=fake_cosign(tmp_path, trusting=True)) as room:
        image = room.attested(1)
        digest = a_digest(about) if about else str(image.digest)
        room.attach(image, a_statement(digest, predicate_type=type_))

        assert (Attested((attestation(a_report(image, 1)),), said), [(BUNDLE, "exit 0", 1)]) == (
            await room.verify(image),
            room.observer.runs,
        )


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 0", "cosign ended with exit code 0 and prints no attestation"),
        ("echo nonsense; exit 0", "what cosign prints is not understood: it is not JSON"),
        ("echo '{}'; exit 0", "what cosign prints is not understood: it is no envelope"),
        ("kill -9 $$", "cosign was ended by signal 9"),
        ("exit 1", "cosign ended with exit code 1 before it looked at the image"),
    ],
)
async def test_semantics_14_a_run_that_proves_nothing_is_no_refusal(
    tmp_path: Path, script: str, said: str
) -> None:
    """Nobody is refused, or let in, by a program that is broken."""
    version = 'case $1 in version) echo \'{"gitVersion": "v3.1.3"}\'; exit 0;; esac'
    async with a_room(tmp_path, cosign=program(tmp_path, f"{version}\n{script}")) as room:
        with pytest.raises(CosignUnavailable, match=said):
            await room.verify(room.attested(1))


PRINTED = "print(json.dumps({'payload': 'e30=', 'payloadType': 'application/vnd.in-toto+json', "


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        (f"{PRINTED}'signatures': []}}))", "prints 1 attestations that it was not given"),
        (
            "print('{}'); flags['type'] = 'x'",
            "cosign ended with exit code 1 and prints attestations, which do not go together",
        ),
    ],
)
async def test_semantics_14_what_cosign_cannot_know_is_no_answer(
    tmp_path: Path, hook: str, said: str
) -> None:
    """An attestation that was not served proves nothing, and neither does one beside a refusal."""
    async with a_room(tmp_path, hook=hook) as room:
        with pytest.raises(CosignUnavailable, match=said):
            await room.verify(room.attested(1))


def proof(*times: int, **more: object) -> dict[str, object]:
    stamps = [{"signedTimestamp": a_timestamp(each)} for each in times]
    return {"timestampVerificationData": {"rfc3161Timestamps": stamps}, **more}


async def test_the_time_is_told_where_cosign_verifies_one(tmp_path: Path) -> None:
    """Where nothing is verified of the time, what a bundle says of it is nobody's word."""
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        room.attach(image, a_report(image), proof=proof(2_000, 1_000))

        assert [1_000.0, None] == [
            (await room.verify(image, authority)).attestations[0].signed_at
            for authority in (STAMPED, CI)
        ]


async def test_of_two_good_copies_the_newer_time_counts(tmp_path: Path) -> None:
    """Whoever signs the same report again each night has a new one."""
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        for each in (1_000, 3_000, 2_000):
            room.attach(image, a_report(image), proof=proof(each))

        assert ([3_000.0], 1) == (
            [each.signed_at for each in (await room.verify(image, STAMPED)).attestations],
            len(room.observer.runs),
        )


async def test_attack_a_copy_with_another_time_does_not_make_a_report_newer(
    tmp_path: Path,
) -> None:
    """Where only one of two copies is good, which of them it is, is found out."""
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        room.attach(image, a_report(image), proof=proof(1_000))
        room.attach(image, a_report(image), proof=proof(9_000, forged=True))

        assert ([1_000.0], 3) == (
            [each.signed_at for each in (await room.verify(image, STAMPED)).attestations],
            len(room.observer.runs),
        )


async def test_attack_a_time_that_two_readers_read_differently_is_not_served(
    tmp_path: Path,
) -> None:
    """It is left out, and said to be."""
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        room.attach(image, a_report(image), proof={"tlog_entries": []})

        assert (Attested((), "a piece whose times could be read in two ways"), []) == (
            await room.verify(image, STAMPED),
            room.observer.runs,
        )


async def test_every_identity_of_an_authority_counts(tmp_path: Path) -> None:
    """What each of them has attested is counted, and what is left out is told once."""
    checks = Checks(transparency_log=True, certificate_transparency=True)
    ann, bob = an_identity("ann@example.com"), an_identity("bob@example.com")
    team = Authority("team", (ann, bob), checks, a_root())
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        room.attach(image, a_report(image, 1), signer=bob, proof={"certificate": {}})
        room.attach(image, a_report(image, 2), signer=ann, proof={"certificate": {}})
        room.registry.attach(image, b"{}", layer_type="text/plain")
        found = await room.verify(image, team)

        assert (2, "a referrer that holds no bundle") == (len(found.attestations), found.detail)


async def test_of_many_problems_some_are_told(tmp_path: Path) -> None:
    """What went wrong most often stands first, and the rest is counted."""
    async with a_room(tmp_path) as room:
        image = room.attested(1)
        for layer_type in ("a", "b"):
            room.registry.attach(image, b"{}", layer_type=layer_type)
        for content in (b"[]", b"x", b'{"dsseEnvelope": 1}'):
            room.registry.attach(image, content)
        found = await room.verify(image)

        assert (
            "2 x a referrer that holds no bundle; it is not a JSON object; "
            "it is not JSON that can be read in one way only; and 1 more"
        ) == found.detail


async def test_what_is_enough_is_remembered(tmp_path: Path) -> None:
    """Nothing is fetched or run a second time, for whoever asks the same."""
    async with a_room(tmp_path) as room:
        image = room.attested(1)
        first = await room.verify(image)
        asked = len(room.registry.asked)
        room.clock.seconds = 3_599

        assert (first, asked, 1) == (
            await room.verify(replace(image, tag="other"), keychain="somebody"),
            len(room.registry.asked),
            len(room.observer.runs),
        )


async def test_what_is_not_enough_any_more_is_found_out_anew(tmp_path: Path) -> None:
    """Somebody may have attached what was missing; but not at each request."""
    async with a_room(tmp_path) as room:
        image = room.attested(1)
        counts = []
        for seconds, number in ((0, 2), (14, None), (16, None)):
            room.clock.seconds = seconds
            counts.append(len((await room.verify(image, enough=at_least(2))).attestations))
            if number is not None:
                room.attach(image, a_report(image, number))

        assert ([1, 1, 2], 2) == (counts, len(room.observer.runs))


async def test_a_refusal_is_remembered_for_a_moment(tmp_path: Path) -> None:
    """An image that lacks its attestation is not looked at with each Pod, and mended soon."""
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        found = []
        for seconds in (0, 14, 16):
            room.clock.seconds = seconds
            found.append(len((await room.verify(image)).attestations))
            if seconds == 0:
                room.attach(image, a_report(image))

        assert [0, 0, 1] == found


@pytest.mark.parametrize(
    ("authority", "predicate_type", "found"),
    [(an_authority(2), VULN, 0), (CI, SLSA, 0), (an_authority(name="other"), VULN, 1)],
)
async def test_semantics_21_another_question_has_another_answer(
    tmp_path: Path, authority: Authority, predicate_type: str, found: int
) -> None:
    """Another key or another type is never answered by what was found out for this one."""
    async with a_room(tmp_path) as room:
        image = room.attested(1)
        await room.verify(image)
        other = await room.verify(image, authority, predicate_type=predicate_type)

        assert found == len(other.attestations)


async def test_semantics_21_another_digest_has_another_answer(tmp_path: Path) -> None:
    """What one image has is not another's."""
    async with a_room(tmp_path) as room:
        await room.verify(room.attested(1))

        assert NOTHING == await room.verify(room.registry.push("registry.example.com/other"))


async def test_what_one_may_not_read_is_not_kept_from_another(tmp_path: Path) -> None:
    """A registry's no holds for the credentials that it was given."""
    async with a_room(tmp_path) as room:
        image = room.attested(1)
        room.registry.faults[f"manifest {image}"] = AccessDenied("no")
        for _ in range(2):
            with pytest.raises(AccessDenied):
                await room.verify(image)
        asked = len(room.registry.asked)
        room.registry.faults.clear()

        found = await room.verify(image, keychain="other")

        assert (1, 4) == (len(found.attestations), asked)


async def test_semantics_14_what_cannot_be_read_is_unknown_unless_the_rest_is_enough(
    tmp_path: Path,
) -> None:
    """A fault excuses no image that has enough, and refuses none that may have it."""
    async with a_room(tmp_path) as room:
        image = room.attested(1)
        tag = signature_tag(image, "att")
        room.registry.faults[f"manifest {tag}"] = RegistryUnavailable("down")
        found = await room.verify(image)
        with pytest.raises(RegistryUnavailable):
            await room.verify(image, enough=at_least(2))
        room.registry.faults.clear()
        room.clock.seconds = 11

        assert (1, Attested(found.attestations)) == (
            len(found.attestations),
            await room.verify(image, enough=at_least(2)),
        )


async def test_an_image_that_is_missing_is_the_images_fault(tmp_path: Path) -> None:
    """The registry's word that there is no such image is no fault."""
    async with a_room(tmp_path) as room:
        with pytest.raises(ContentMissing):
            await room.verify(replace(room.attested(1), digest=a_digest("gone")))


async def test_a_digest_that_cosign_signs_not_is_refused(tmp_path: Path) -> None:
    """What has no digest cannot be asked about at all."""
    async with a_room(tmp_path) as room:
        image = room.registry.push()

        assert (
            "cosign signs sha256 digests, this is another one"
            == (await room.verify(replace(image, digest=f"sha512:{'a' * 128}"))).detail
        )
        with pytest.raises(ValueError, match="has no digest"):
            await room.verify(replace(image, tag="1", digest=None))


async def test_a_registry_that_hangs_holds_nobody_past_the_deadline(tmp_path: Path) -> None:
    """Who waits gives up in time, and the work ends at its own limit."""
    async with a_room(tmp_path, settings=AttestationSettings(work_seconds=0.2)) as room:
        image = room.attested(1)
        gate = room.registry.gates[image.registry] = asyncio.Event()
        with pytest.raises(DeadlineExceeded):
            await room.verify(image, seconds=0.05)
        with pytest.raises(Unavailable, match=r"took longer than 0\.2 s"):
            await room.verify(image)
        gate.set()


async def test_only_so_many_images_are_in_memory_at_once(tmp_path: Path) -> None:
    """The others wait for their turn, and nobody is turned away."""
    settings = AttestationSettings(images_at_once=2, images_of_one_registry=2)
    async with a_room(tmp_path, settings=settings) as room:
        images = [room.registry.push(f"registry.example.com/team/{n}") for n in range(6)]
        found = await asyncio.gather(*map(room.verify, images))

        assert ([NOTHING] * 6, True) == (found, room.registry.most_under_way <= 6)


async def test_a_burst_of_one_namespace_leaves_places_for_others(tmp_path: Path) -> None:
    """However many images somebody asks about at once, the others' are judged meanwhile."""
    settings = AttestationSettings(images_of_one_namespace=1)
    async with a_room(tmp_path, settings=settings) as room:
        slow = [room.registry.push(f"registry.example.com/app{number}") for number in range(4)]
        shared, good = (room.registry.push(f"{name}.example.com/app") for name in "sg")
        room.registry.gates["registry.example.com"] = asyncio.Event()
        burst = [
            asyncio.create_task(room.verify(image, namespace="busy")) for image in [*slow, shared]
        ]
        await room.registry.waiting.wait()
        found = [await room.verify(image, namespace="calm") for image in (good, shared)]
        under_way = room.registry.under_way
        room.registry.gates["registry.example.com"].set()

        assert ([NOTHING] * 2, 3, [NOTHING] * 5) == (
            found,
            under_way,
            await asyncio.gather(*burst),
        )


async def test_semantics_14_a_slow_registry_cannot_use_up_what_may_wait(tmp_path: Path) -> None:
    """Images of other registries are still asked about, and of the slow one later."""
    settings = AttestationSettings(waiting_max=4)
    async with a_room(tmp_path, settings=settings) as room:
        slow = [room.registry.push(f"registry.example.com/app{number}") for number in range(3)]
        other = room.registry.push("other.example.com/app")
        room.registry.gates["registry.example.com"] = asyncio.Event()
        waiting = [
            asyncio.create_task(room.verify(image, namespace=str(number)))
            for number, image in enumerate(slow[:2])
        ]
        await room.registry.waiting.wait()
        with pytest.raises(DeadlineExceeded, match=r"^2 others wait already"):
            await room.verify(slow[2])
        found = await room.verify(other)
        room.registry.gates["registry.example.com"].set()

        assert [NOTHING] * 3 == [found, *await asyncio.gather(*waiting)]


async def test_semantics_21_what_is_remembered_beside_faults_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Statements that were found take room where a format could not be read, and not for ever."""
    monkeypatch.setattr(attestations, "FAULTS_MAX_BYTES", 250_000)
    async with a_room(tmp_path) as room:
        for number in range(4):
            image = room.registry.push(f"registry.example.com/app{number}")
            long = {**a_report(image), "predicate": {"text": "x" * 100_000}}
            room.attach(image, long)
            tag = signature_tag(image, "att")
            room.registry.faults[f"manifest {tag}"] = RegistryUnavailable("down")
            await room.verify(image)

        assert 200_000 < room.verifier._faults.currsize <= 250_000


async def test_closing_leaves_nothing_behind(tmp_path: Path) -> None:
    """What is being fetched is ended, and whoever waits for it is told to ask again."""
    async with a_room(tmp_path) as room:
        image = room.attested(1)
        room.registry.gates["registry.example.com"] = asyncio.Event()
        waiting = asyncio.create_task(room.verify(image))
        await room.registry.waiting.wait()
        others = asyncio.all_tasks() - {waiting}

    assert 0 == room.registry.under_way
    assert {asyncio.current_task()} == {each for each in others if not each.done()}
    with pytest.raises(DeadlineExceeded, match="Landwaiter is stopping"):
        await waiting
