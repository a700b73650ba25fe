"""The whole room, with a fake registry and a program that verifies as cosign does."""

import asyncio
import gc
import json
import os
from collections.abc import AsyncIterator, Callable
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
    a_simple_signature,
    an_authority,
    an_identity,
    fake_cosign,
    program,
    signature_tag,
)
from cosign.processes import all_end, belonging_to, memory_bytes, open_descriptors
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.batches import BATCH_MAX_IMAGES
from landwaiter.cosign.memory import Lifetimes
from landwaiter.cosign.outcome import NotVerified, Outcome, SignatureFormat, Verified
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

BUNDLE = SignatureFormat.BUNDLE
OLD = SignatureFormat.SIMPLE_SIGNING
CI = an_authority()


@dataclass(slots=True)
class Room:
    """A verifier with all that it talks to."""

    verifier: SignatureVerifier[FakeKeychain]
    registry: FakeRegistry
    observer: CountingObserver
    clock: Clock
    folder: Path

    async def verify(
        self,
        image: ImageReference,
        authority: Authority = CI,
        *,
        keychain: str = "anonymous",
        seconds: float = 60.0,
        namespace: str = "shop",
    ) -> Outcome:
        return await self.verifier.verify(
            image,
            authority,
            keychain=FakeKeychain(keychain),
            deadline=Deadline.after(seconds),
            namespace=namespace,
        )

    def signed(self, name: str = "registry.example.com/team/app") -> ImageReference:
        """Push an image with a bundle by the key of `CI`."""
        image = self.registry.push(name)
        self.registry.attach(image, a_bundle(str(image.digest)))
        return image


@asynccontextmanager
async def a_room(
    folder: Path,
    *,
    hook: str = "pass",
    cosign: Path | None = None,
    change: Callable[[VerifierSettings], VerifierSettings] = lambda settings: settings,
    lane_of: Callable[[str], str] = str.lower,
) -> AsyncIterator[Room]:
    runs = folder / "runs"
    runs.mkdir(exist_ok=True)
    registry, observer, clock = FakeRegistry(), CountingObserver(), Clock()
    settings = VerifierSettings(
        cosign or fake_cosign(folder, hook=hook), runs_at_once=2, temporary_folder=runs
    )
    verifier = SignatureVerifier(
        registry, change(settings), observer=observer, lane_of=lane_of, clock=clock
    )
    async with verifier:
        yield Room(verifier, registry, observer, clock, folder)


async def test_a_signed_image_is_verified(tmp_path: Path) -> None:
    """A bundle by the authority's key verifies, in one run."""
    async with a_room(tmp_path) as room:
        outcome = await room.verify(room.signed())

        assert (Verified(BUNDLE), [(BUNDLE, "exit 0", 1)]) == (outcome, room.observer.runs)


async def test_an_old_signature_is_verified(tmp_path: Path) -> None:
    """A `.sig` tag verifies as well."""
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        room.registry.tag_signatures(image, a_simple_signature(image))

        assert Verified(OLD) == await room.verify(image)


async def test_an_unsigned_image_is_refused_without_a_run(tmp_path: Path) -> None:
    """Where there is nothing to judge, no process is started."""
    async with a_room(tmp_path) as room:
        outcome = await room.verify(room.registry.push())

        assert (NotVerified("no signature", "it carries no cosign signature"), []) == (
            outcome,
            room.observer.runs,
        )


async def test_a_signature_by_another_key_is_refused(tmp_path: Path) -> None:
    """The refusal says so, and quotes cosign with the image's own name."""
    async with a_room(tmp_path) as room:
        image = room.signed()
        said = f"no matching signatures: {image}"

        assert NotVerified(
            "no valid signature",
            f'bundle: none of its signatures is by this key; cosign says: "{said}"',
        ) == await room.verify(image, an_authority(2))


async def test_semantics_13_an_attestation_alone_is_refused(tmp_path: Path) -> None:
    """What CVE-2022-35930 admitted, and `cosign verify` passes, names its type in the refusal."""
    vulnerabilities = "https://cosign.sigstore.dev/attestation/vuln/v1"
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        room.registry.attach(image, a_bundle(str(image.digest), predicate_type=vulnerabilities))

        assert NotVerified(
            "no signature",
            "it carries no cosign signature; left out: "
            '1 x an attestation ("https://cosign.sigstore.dev/attestation/vuln/v1")',
        ) == await room.verify(image)


async def test_semantics_13_a_strangers_bundle_does_not_hide_an_old_signature(
    tmp_path: Path,
) -> None:
    """`cosign verify` stops finding the old signature; each format judged for itself does not."""
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        room.registry.attach(image, a_bundle(str(image.digest), a_key(666)))
        room.registry.tag_signatures(image, a_simple_signature(image))

        assert Verified(OLD) == await room.verify(image)


async def test_semantics_13_a_strangers_old_signature_does_not_hide_a_bundle(
    tmp_path: Path,
) -> None:
    """The other way round as well, and the second format is not even judged."""
    async with a_room(tmp_path) as room:
        image = room.signed()
        room.registry.tag_signatures(image, a_simple_signature(image, a_key(666)))
        outcome = await room.verify(image)

        assert (Verified(BUNDLE), 1) == (outcome, len(room.observer.runs))


async def test_semantics_13_a_signature_copied_from_another_repository_is_refused(
    tmp_path: Path,
) -> None:
    """The docker-reference of an old signature must be the name that is judged."""
    async with a_room(tmp_path) as room:
        image = room.registry.push("registry.example.com/team-evil/app")
        stolen = a_simple_signature(image, reference="registry.example.com/team/app")
        room.registry.tag_signatures(image, stolen)

        assert NotVerified(
            "signed for something else",
            'simple signing: the key has signed this digest for "registry.example.com/team/app", '
            '"registry.example.com/team-evil/app" is wanted',
        ) == await room.verify(image)


@pytest.mark.parametrize("fault", [AccessDenied("403"), RegistryUnavailable("500")])
async def test_semantics_13_a_format_that_cannot_be_read_does_not_hide_the_other(
    tmp_path: Path, fault: AccessDenied | RegistryUnavailable
) -> None:
    """A registry that answers 403 for tags that it does not have keeps nobody's bundle out."""
    async with a_room(tmp_path) as room:
        image = room.signed()
        room.registry.faults[f"manifest {signature_tag(image)}"] = fault

        assert Verified(BUNDLE) == await room.verify(image)


async def test_semantics_13_a_format_that_cosign_dies_of_does_not_hide_the_other(
    tmp_path: Path,
) -> None:
    """A bundle that nobody can judge keeps no old signature from being found."""
    hook = "if '--new-bundle-format=true' in sys.argv: os.kill(os.getpid(), signal.SIGKILL)"
    async with a_room(tmp_path, hook=hook) as room:
        image = room.registry.push()
        room.registry.attach(image, a_bundle(str(image.digest), a_key(666)))
        only_bundle = room.signed("registry.example.com/other")
        room.registry.tag_signatures(image, a_simple_signature(image))
        with pytest.raises(CosignUnavailable, match="ended by signal 9"):
            await room.verify(only_bundle)

        assert Verified(OLD) == await room.verify(image)


@pytest.mark.parametrize("fault", [AccessDenied("403"), RegistryUnavailable("500")])
async def test_semantics_14_what_kept_a_format_from_being_read_is_the_answer(
    tmp_path: Path, fault: AccessDenied | RegistryUnavailable
) -> None:
    """Without a good signature in the other format an image is refused, or nothing is known."""
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        room.registry.attach(image, a_bundle(str(image.digest), a_key(7)))
        room.registry.faults[f"manifest {signature_tag(image)}"] = fault
        with pytest.raises(type(fault), match=str(fault)):
            await room.verify(image)


async def test_both_formats_refused_are_both_told(tmp_path: Path) -> None:
    """The refusal says what was wrong in each format."""
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        room.registry.attach(image, a_bundle(str(image.digest), a_key(666)))
        room.registry.tag_signatures(image, a_simple_signature(image, a_key(666)))
        said = f"no matching signatures: {image}"
        refused = f'none of its signatures is by this key; cosign says: "{said}"'

        assert NotVerified(
            "no valid signature", f"bundle: {refused}; simple signing: {refused}"
        ) == await room.verify(image)


async def test_an_end_before_the_image_is_undecided(tmp_path: Path) -> None:
    """A program that fails before it asks for anything has judged nothing."""
    path = program(
        tmp_path,
        """[ "$1" = version ] && echo '{"gitVersion": "v3.1.3"}' && exit 0; exit 1""",
    )
    async with a_room(tmp_path, cosign=path) as room:
        with pytest.raises(CosignUnavailable) as fault:
            await room.verify(room.signed())

    assert "cosign ended with exit code 1 before it looked at the image" == str(fault.value)


async def test_semantics_09_the_tag_plays_no_part(tmp_path: Path) -> None:
    """A moved tag finds the digest's own result; nothing is asked by tag."""
    async with a_room(tmp_path) as room:
        image = room.signed()
        await room.verify(replace(image, tag="1.0"))
        await room.verify(replace(image, tag="latest"))

        assert (1, ["verified"]) == (len(room.observer.runs), room.observer.hits)


async def test_a_reference_without_digest_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    """Tags are resolved before, once."""
    async with a_room(tmp_path) as room:
        with pytest.raises(ValueError, match="has no digest"):
            await room.verify(ImageReference.parse("registry.example.com/app:1"))


async def test_a_sha512_digest_is_refused(tmp_path: Path) -> None:
    """Cosign cannot sign it, so there is nothing to look for."""
    async with a_room(tmp_path) as room:
        image = ImageReference.parse(f"registry.example.com/app@sha512:{'0' * 128}")

        assert (
            NotVerified("no signature", "cosign signs sha256 digests, this is another one"),
            [],
        ) == (await room.verify(image), room.registry.asked)


# What is done once.


async def test_semantics_21_kyverno_4732_500_identical_cold_requests_are_one_verification(
    tmp_path: Path,
) -> None:
    """A burst of identical Pods fetches once and runs once (kyverno#4732)."""
    async with a_room(tmp_path) as room:
        image = room.signed()
        outcomes = await asyncio.gather(*(room.verify(image) for _ in range(500)))

        assert ([Verified(BUNDLE)] * 500, 1, 5) == (
            outcomes,
            len(room.observer.runs),
            len(room.registry.asked),
        )


async def test_authorities_that_ask_together_share_what_is_fetched(tmp_path: Path) -> None:
    """Several keys in one policy read the repository once, and cosign once a key."""
    async with a_room(tmp_path) as room:
        image = room.signed()
        outcomes = await asyncio.gather(
            *(room.verify(image, an_authority(number)) for number in (1, 2, 3))
        )

        assert ([Verified, NotVerified, NotVerified], 3, 5) == (
            [type(outcome) for outcome in outcomes],
            len(room.observer.runs),
            len(room.registry.asked),
        )


async def test_authorities_that_wait_for_a_place_share_it_too(tmp_path: Path) -> None:
    """More than have a place at once read the repository once; afterwards nothing is held."""
    async with a_room(
        tmp_path, change=lambda settings: replace(settings, images_of_one_namespace=3)
    ) as room:
        image = room.signed()
        await asyncio.gather(*(room.verify(image, an_authority(number)) for number in range(1, 8)))
        together = len(room.registry.asked)
        await room.verify(image, an_authority(8))

        assert (5, 10) == (together, len(room.registry.asked))


async def test_one_signer_of_an_authority_is_enough(tmp_path: Path) -> None:
    """Identities are asked about one after the other, and none after the one that has signed."""
    identities = [an_identity(f"{name}@example.com") for name in ("ann", "bob", "cid")]
    keyless = Authority("ci", tuple(identities), Checks(transparency_log=True), a_root())
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        room.registry.attach(image, a_bundle(str(image.digest), identities[1]))

        assert (Verified(BUNDLE), ["exit not 0", "exit 0"]) == (
            await room.verify(image, keyless),
            [end for _, end, _ in room.observer.runs],
        )


async def test_a_refusal_by_many_signers_stays_short(tmp_path: Path) -> None:
    """What two identities lack in two formats is told, and of more that there are more."""
    identities = tuple(an_identity(f"a{number}@example.com") for number in range(6))
    keyless = Authority("ci", identities, Checks(timestamps=True), a_root())
    hook = (
        "get('/v2/' + repository + '/referrers/' + digest)\n"
        "sys.stderr.write('error: ' + flags['certificate-identity'])\n"
        "sys.exit(1)"
    )
    async with a_room(tmp_path, hook=hook) as room:
        image = room.signed()
        said = [
            "bundle: none of its signatures is by this identity; "
            f'cosign says: "error: a{number}@example.com"'
            for number in range(4)
        ]

        assert NotVerified("no valid signature", f"{'; '.join(said)}; and 2 more") == (
            await room.verify(image, keyless)
        )


async def test_semantics_21_what_was_found_elsewhere_is_remembered_apart(tmp_path: Path) -> None:
    """One key in two places is two questions, and so are two annotations."""
    elsewhere = ImageReference.parse("signatures.example.com/all")
    there = replace(CI, repository=elsewhere)
    async with a_room(tmp_path) as room:
        image = room.signed()
        outcomes = [
            await room.verify(image, each)
            for each in (CI, there, replace(CI, annotations=(("stage", "prod"),)))
        ]
        place = replace(image, registry=elsewhere.registry, repository=elsewhere.repository)
        room.registry.attach(place, a_bundle(str(image.digest)))
        room.clock.seconds = 60.0
        outcomes.append(await room.verify(image, there))

        assert [Verified(BUNDLE), None, None, Verified(BUNDLE)] == [
            each if isinstance(each, Verified) else None for each in outcomes
        ]


async def test_semantics_21_a_refusal_is_that_of_the_credentials_for_both_places(
    tmp_path: Path,
) -> None:
    """Other credentials for the repository of the signatures may see what these did not."""
    there = replace(CI, repository=ImageReference.parse("signatures.example.com/all"))

    @dataclass(frozen=True)
    class Ring(FakeKeychain):
        """Credentials that are others for another registry."""

        def fingerprint(self, reference: ImageReference) -> str:
            return self.name if reference.registry.startswith("signatures") else "one"

    async with a_room(tmp_path) as room:
        image = room.registry.push()
        for name in ("a", "b", "a"):
            await room.verifier.verify(
                image, there, keychain=Ring(name), deadline=Deadline.after(60)
            )

        assert (["refused"], 2) == (room.observer.hits, room.observer.misses)


async def test_signatures_of_another_kind_start_no_run(tmp_path: Path) -> None:
    """A bundle by a certificate is not judged by a key; it is told that it is there."""
    by_certificate = json.loads(a_bundle(a_digest("any")))
    by_certificate["verificationMaterial"] = {"certificate": {}}
    async with a_room(tmp_path) as room:
        image = room.registry.push()
        by_certificate["dsseEnvelope"] = json.loads(a_bundle(str(image.digest)))["dsseEnvelope"]
        room.registry.attach(image, json.dumps(by_certificate).encode())
        told = "it carries no cosign signature; left out: 1 x a signature by a certificate"

        assert (NotVerified("no signature", told), []) == (
            await room.verify(image),
            room.observer.runs,
        )


async def test_a_warm_question_asks_nobody(tmp_path: Path) -> None:
    """A success is remembered also while the registry is down, and for other credentials."""
    async with a_room(tmp_path) as room:
        image = room.signed()
        await room.verify(image)
        room.registry.faults[f"manifest {image}"] = RegistryUnavailable("down")
        outcome = await room.verify(image, keychain="another")

        assert (Verified(BUNDLE), ["verified"], 1) == (
            outcome,
            room.observer.hits,
            room.observer.misses,
        )


async def test_the_authority_s_name_makes_no_difference(tmp_path: Path) -> None:
    """Two policies with the same key share the result."""
    async with a_room(tmp_path) as room:
        image = room.signed()
        await room.verify(image)
        await room.verify(image, an_authority(name="another policy"))

        assert ["verified"] == room.observer.hits


@pytest.mark.parametrize(
    ("seconds", "runs"), [(14.0, 1), (16.0, 2)], ids=["remembered", "asked again"]
)
async def test_a_refusal_is_remembered_shortly(tmp_path: Path, seconds: float, runs: int) -> None:
    """Who signs a refused image waits some seconds at most."""
    async with a_room(tmp_path) as room:
        image = room.signed()
        await room.verify(image, an_authority(2))
        room.clock.seconds = seconds
        await room.verify(image, an_authority(2))

        assert runs == len(room.observer.runs)


async def test_lifetimes_are_settings(tmp_path: Path) -> None:
    """Whoever sets other lifetimes gets them."""
    lifetimes = Lifetimes(success_seconds=3.0, refusal_seconds=2.0, fault_seconds=1.0)
    async with a_room(tmp_path, change=lambda s: replace(s, lifetimes=lifetimes)) as room:
        image = room.signed()
        await room.verify(image)
        room.clock.seconds = 4.0
        await room.verify(image)

        assert (2, []) == (len(room.observer.runs), room.observer.hits)


async def test_refusals_belong_to_the_credentials(tmp_path: Path) -> None:
    """What one Pod's credentials cannot read, another's may."""
    async with a_room(tmp_path) as room:
        image = room.signed()
        room.registry.faults[f"manifest {image}"] = AccessDenied("401 with every credential")
        with pytest.raises(AccessDenied):
            await room.verify(image, keychain="without")
        room.registry.faults.clear()
        with pytest.raises(AccessDenied):
            await room.verify(image, keychain="without")

        assert (Verified(BUNDLE), ["refused"]) == (
            await room.verify(image, keychain="with"),
            room.observer.hits,
        )


# What is not found out.


async def test_semantics_14_a_registry_that_is_down_is_undecided(tmp_path: Path) -> None:
    """Every fault is remembered for seconds only, and raised with its message."""
    async with a_room(tmp_path) as room:
        image = room.signed()
        room.registry.faults[f"referrers {image}"] = RegistryUnavailable("500 at referrers")
        for _ in range(2):
            with pytest.raises(RegistryUnavailable, match=r"^500 at referrers$"):
                await room.verify(image)
        room.registry.faults.clear()
        room.clock.seconds = 3.0

        assert (Verified(BUNDLE), ["fault"]) == (await room.verify(image), room.observer.hits)


async def test_a_missing_image_is_a_refusal(tmp_path: Path) -> None:
    """There is nothing to run, and no doubt about it."""
    async with a_room(tmp_path) as room:
        image = room.signed()
        del room.registry.manifests[str(image)]
        with pytest.raises(ContentMissing):
            await room.verify(image)


async def test_missing_cosign_is_undecided(tmp_path: Path) -> None:
    """Without the program nothing is verified, refused or remembered as either."""
    async with a_room(tmp_path, cosign=tmp_path / "nowhere" / "cosign") as room:
        with pytest.raises(CosignUnavailable) as fault:
            await room.verify(room.signed())

    assert (
        f'cosign could not be started: "{tmp_path}/nowhere/cosign": No such file or directory; '
        "the program of cosign 3 is wanted there"
    ) == str(fault.value)


async def test_cosign_that_appears_is_used(tmp_path: Path) -> None:
    """A fault at the version is not kept for ever."""
    async with a_room(tmp_path, cosign=tmp_path / "cosign") as room:
        image = room.signed()
        with pytest.raises(CosignUnavailable):
            await room.verify(image)
        fake_cosign(tmp_path)

        assert Verified(BUNDLE) == await room.verify(image)


@pytest.mark.parametrize(
    ("prints", "seen"),
    [
        ("""echo '{"gitVersion": "v2.6.5"}'""", '"v2.6.5"'),
        ("""echo '{"gitVersion": "v4.0.0"}'""", '"v4.0.0"'),
        ("""echo '{"gitVersion": "v30.0.0"}'""", '"v30.0.0"'),
        ("echo v3.1.3", "no version"),
        ("""echo '["v3.1.3"]'""", "no version"),
        ("""echo '{"gitVersion": "v3.1.3"}'; exit 1""", "no version"),
    ],
)
async def test_another_program_than_cosign_3_is_undecided(
    tmp_path: Path, prints: str, seen: str
) -> None:
    """Flags and output are those of cosign 3; with another version nothing is judged."""
    path = program(tmp_path, prints)
    async with a_room(tmp_path, cosign=path) as room:
        with pytest.raises(CosignUnavailable) as fault:
            await room.verifier.version(deadline=Deadline.after(20))

    assert f'"{path}" prints {seen}, cosign 3 is wanted' == str(fault.value)


async def test_the_version_is_asked_once(tmp_path: Path) -> None:
    """Asking for the version at the start spares every verification asking."""
    async with a_room(tmp_path) as room:
        first = await room.verifier.version(deadline=Deadline.after(20))
        (tmp_path / "cosign").unlink()

        assert ("v3.1.3", "v3.1.3") == (
            first,
            await room.verifier.version(deadline=Deadline.after(20)),
        )


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("time.sleep(600)", "cosign took longer than the limit of 1.5 s and was ended"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "cosign was ended by signal 9"),
        (
            "sys.stdout.write('x' * 20_000_000)",
            "cosign printed more than the limit and was ended",
        ),
        (
            "get(f'/v2/{repository}/manifests/latest'); sys.exit(1)",
            "cosign ended with exit code 1 before it looked at the image",
        ),
    ],
    ids=["hangs", "killed", "prints", "early"],
)
async def test_a_run_that_proves_nothing_is_undecided(tmp_path: Path, hook: str, said: str) -> None:
    """A signal, a limit of ours or an end before the image is no verdict."""
    async with a_room(tmp_path, hook=hook, change=lambda s: replace(s, run_seconds=1.5)) as room:
        await room.verifier.version(deadline=Deadline.after(20))
        with pytest.raises(CosignUnavailable) as fault:
            await room.verify(room.signed())

        assert (said, []) == (str(fault.value), list((tmp_path / "runs").iterdir()))


async def test_semantics_15_the_work_goes_on_past_the_deadline(tmp_path: Path) -> None:
    """Asking again finds the result of what was begun (and no second run is started)."""
    async with a_room(tmp_path) as room:
        image = room.signed()
        room.registry.gates["registry.example.com"] = asyncio.Event()
        await room.verifier.version(deadline=Deadline.after(20))
        with pytest.raises(DeadlineExceeded):
            await room.verify(image, seconds=0.01)
        room.registry.gates["registry.example.com"].set()

        assert (Verified(BUNDLE), 1, 2) == (
            await room.verify(image),
            len(room.observer.runs),
            room.observer.misses,
        )


async def test_work_that_nobody_asks_about_ends_at_its_own_limit(tmp_path: Path) -> None:
    """A registry that never answers holds a place for so long and not longer."""
    async with a_room(tmp_path, change=lambda s: replace(s, work_seconds=0.2)) as room:
        image = room.signed()
        room.registry.gates["registry.example.com"] = asyncio.Event()
        with pytest.raises(Unavailable) as fault:
            await room.verify(image)
        async with asyncio.timeout(20):
            await room.registry.idle.wait()

        assert f"verifying {image} took longer than 0.2 s" == str(fault.value)


async def test_semantics_14_a_flood_of_images_is_told_to_come_back(tmp_path: Path) -> None:
    """Whoever may write Pods can cause it, so it is no fault that failurePolicy Ignore admits."""
    async with a_room(tmp_path, change=lambda s: replace(s, waiting_max=4)) as room:
        await room.verifier.version(deadline=Deadline.after(20))
        images = [room.signed(f"registry.example.com/app{number}") for number in range(3)]
        room.registry.gates["registry.example.com"] = asyncio.Event()
        first = [
            asyncio.create_task(room.verify(image, namespace=image.repository))
            for image in images[:2]
        ]
        await room.registry.waiting.wait()
        with pytest.raises(DeadlineExceeded) as fault:
            await room.verify(images[2])
        room.registry.gates["registry.example.com"].set()

        assert (
            "2 others wait already, which is the limit; ask again in a moment",
            [Verified(BUNDLE)] * 2,
        ) == (str(fault.value), await asyncio.gather(*first))


async def test_a_slow_registry_leaves_places_for_others(tmp_path: Path) -> None:
    """However many images of a registry that does not answer are asked for, others are judged."""
    async with a_room(tmp_path, change=lambda s: replace(s, images_of_one_registry=2)) as room:
        await room.verifier.version(deadline=Deadline.after(20))
        slow = [room.registry.push(f"slow.example.com/app{number}") for number in range(5)]
        room.registry.gates["slow.example.com"] = asyncio.Event()
        waiting = [asyncio.create_task(room.verify(image)) for image in slow]
        await room.registry.waiting.wait()
        outcome = await room.verify(room.signed())
        under_way = room.registry.under_way
        room.registry.gates["slow.example.com"].set()

        assert (Verified(BUNDLE), 2 * 3, ["no signature"] * 5) == (
            outcome,
            under_way,
            [getattr(await task, "reason", None) for task in waiting],
        )


async def test_a_hundred_names_of_a_slow_registry_leave_places_for_others(tmp_path: Path) -> None:
    """Registries of one lane share the places of one, so that more names take no more places."""
    async with a_room(
        tmp_path,
        change=lambda s: replace(s, images_of_one_registry=2, images_at_once=3),
        lane_of=lambda host: host if host == "registry.example.com" else "not named",
    ) as room:
        await room.verifier.version(deadline=Deadline.after(20))
        hosts = [f"slow{number}.example.com" for number in range(5)]
        room.registry.gates.update({host: asyncio.Event() for host in hosts})
        slow = [room.registry.push(f"{host}/app") for host in hosts]
        waiting = [asyncio.create_task(room.verify(image)) for image in slow]
        await room.registry.waiting.wait()
        outcome = await room.verify(room.signed())
        for host in hosts:
            room.registry.gates[host].set()

        assert (Verified(BUNDLE), ["no signature"] * 5) == (
            outcome,
            [getattr(await task, "reason", None) for task in waiting],
        )


async def test_a_burst_of_one_namespace_leaves_places_for_others(tmp_path: Path) -> None:
    """
    However many bad images somebody creates at once, the others' are judged meanwhile.

    Also such as wait in the burst already: somebody who fears a verdict could put it there.
    """
    async with a_room(tmp_path, change=lambda s: replace(s, images_of_one_namespace=2)) as room:
        await room.verifier.version(deadline=Deadline.after(20))
        bad = [room.registry.push(f"registry.example.com/bad{number}") for number in range(8)]
        shared, good = (room.signed(f"{name}.example.com/app") for name in ("shared", "good"))
        room.registry.gates["registry.example.com"] = asyncio.Event()
        burst = [
            asyncio.create_task(room.verify(image, namespace="busy")) for image in [*bad, shared]
        ]
        await room.registry.waiting.wait()
        outcomes = [await room.verify(image, namespace="calm") for image in (good, shared)]
        under_way = room.registry.under_way
        room.registry.gates["registry.example.com"].set()

        assert ([Verified(BUNDLE)] * 2, 2 * 3, ["no signature"] * 8, Verified(BUNDLE)) == (
            outcomes,
            under_way,
            [getattr(await task, "reason", None) for task in burst[:-1]],
            await burst[-1],
        )


async def test_semantics_14_one_namespace_cannot_use_up_what_may_wait(tmp_path: Path) -> None:
    """Whoever asks for too much is told to come back, and others are not."""
    async with a_room(
        tmp_path, change=lambda s: replace(s, waiting_max=8, images_of_one_namespace=1)
    ) as room:
        await room.verifier.version(deadline=Deadline.after(20))
        images = [room.registry.push(f"registry.example.com/app{number}") for number in range(3)]
        room.registry.gates["registry.example.com"] = asyncio.Event()
        burst = [asyncio.create_task(room.verify(each, namespace="busy")) for each in images[:2]]
        await room.registry.waiting.wait()
        with pytest.raises(DeadlineExceeded, match=r"^2 others wait already"):
            await room.verify(images[2], namespace="busy")
        other = asyncio.create_task(room.verify(images[2], namespace="calm"))
        await asyncio.sleep(0)
        room.registry.gates["registry.example.com"].set()

        assert ["no signature"] * 3 == [
            getattr(await task, "reason", None) for task in [*burst, other]
        ]


async def test_how_many_verifications_are_under_way_is_told_to_their_end(tmp_path: Path) -> None:
    """Many that end at once leave none behind in the count."""
    async with a_room(tmp_path) as room:
        images = [room.registry.push(f"registry.example.com/app{n}") for n in range(20)]
        await asyncio.gather(*(room.verify(image) for image in images))

        assert (20, 0) == (max(room.observer.flights), room.observer.flights[-1])


async def test_images_in_memory_are_bounded(tmp_path: Path) -> None:
    """No more repositories are read at once than the setting says."""
    async with a_room(tmp_path, change=lambda s: replace(s, images_at_once=2)) as room:
        images = [room.registry.push(f"registry.example.com/app{n}") for n in range(20)]
        await asyncio.gather(*(room.verify(image) for image in images))

        assert room.registry.most_under_way <= 2 * 3


# Several images in one run.


async def test_images_that_wait_share_a_run(tmp_path: Path) -> None:
    """A storm of different images takes far fewer runs than images, each image judged."""
    async with a_room(tmp_path) as room:
        images = [room.signed(f"registry.example.com/app{number}") for number in range(40)]
        outcomes = await asyncio.gather(*(room.verify(image) for image in images))
        runs = [images for _, _, images in room.observer.runs]

        assert ([Verified(BUNDLE)] * 40, 40, True, True) == (
            outcomes,
            sum(runs),
            len(runs) <= 10,
            max(runs) <= BATCH_MAX_IMAGES,
        )


async def test_company_does_not_change_a_verdict(tmp_path: Path) -> None:
    """Good, foreign, unsigned and attested images at once get the verdicts they get alone."""
    async with a_room(tmp_path) as room:
        images = []
        for number in range(24):
            image = room.registry.push(f"registry.example.com/app{number}")
            if number % 4 == 0:
                room.registry.attach(image, a_bundle(str(image.digest)))
            elif number % 4 == 1:
                room.registry.attach(image, a_bundle(str(image.digest), a_key(666)))
            elif number % 4 == 2:
                room.registry.tag_signatures(image, a_simple_signature(image))
            images.append(image)
        outcomes = await asyncio.gather(*(room.verify(image) for image in images))

        assert [True, False, True, False] * 6 == [
            isinstance(outcome, Verified) for outcome in outcomes
        ]


@pytest.mark.parametrize(
    "hook",
    [
        "len(images) > 1 and number == 1 and os.kill(os.getpid(), signal.SIGKILL)",
        "len(images) > 1 and number == 1 and time.sleep(600)",
        "len(images) > 1 and print('[]', flush=True)",
    ],
    ids=["killed", "hangs", "chatters"],
)
async def test_a_run_spoilt_by_one_image_is_repeated_for_each_alone(
    tmp_path: Path, hook: str
) -> None:
    """Nobody's signatures can keep another's image from being verified."""
    async with a_room(
        tmp_path, hook=hook, change=lambda s: replace(s, runs_at_once=1, run_seconds=2.0)
    ) as room:
        images = [room.signed(f"registry.example.com/app{number}") for number in range(6)]
        outcomes = await asyncio.gather(*(room.verify(image) for image in images))

        assert [Verified(BUNDLE)] * 6 == outcomes


async def test_large_images_do_not_share_a_run(tmp_path: Path) -> None:
    """What a run prints stays bounded: signatures of many bytes are judged by themselves."""
    async with a_room(tmp_path, change=lambda s: replace(s, runs_at_once=1)) as room:
        images = []
        for number in range(4):
            image = room.registry.push(f"registry.example.com/app{number}")
            for copy in range(3):
                padding = " " * (240_000 + copy)
                room.registry.attach(image, a_bundle(str(image.digest)) + padding.encode())
            images.append(image)
        await asyncio.gather(*(room.verify(image) for image in images))

        assert [1, 1, 1, 1] == [images for _, _, images in room.observer.runs]


# The end.


async def test_closing_leaves_nothing_behind(tmp_path: Path) -> None:
    """Runs in the middle are killed, waiters told, folders removed, and the port closed."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    hook = f"open({str(pipe)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    async with a_room(tmp_path, hook="pass") as room:
        await room.verify(room.signed())
    descriptors = open_descriptors()
    async with a_room(tmp_path, hook=hook) as room:
        await room.verifier.version(deadline=Deadline.after(20))
        asking = [
            asyncio.create_task(room.verify(room.signed(f"registry.example.com/app{number}")))
            for number in range(5)
        ]
        await asyncio.to_thread(pipe.read_text)
        processes = belonging_to(tmp_path)
    results = await asyncio.gather(*asking, return_exceptions=True)

    assert ([DeadlineExceeded] * 5, True, [], True) == (
        [type(result) for result in results],
        await all_end(processes),
        list((tmp_path / "runs").iterdir()),
        open_descriptors() <= descriptors,
    )


async def test_200_cancelled_and_timed_out_verifications_leave_nothing(tmp_path: Path) -> None:
    """No process, no file and no descriptor is left, and the memory is back."""
    descriptors = memory = 0
    running, files = False, [tmp_path]
    for count in (10, 200):
        gc.collect()
        descriptors, memory = open_descriptors(), memory_bytes()
        async with a_room(
            tmp_path,
            hook="time.sleep(600)",
            change=lambda s: replace(s, run_seconds=0.5, runs_at_once=40),
        ) as room:
            await storm(room, count)
            running = await all_end(belonging_to(tmp_path))
            files = list((tmp_path / "runs").iterdir())
    gc.collect()

    assert (True, [], True, True) == (
        running,
        files,
        open_descriptors() <= descriptors,
        memory_bytes() - memory < 16 * 1024 * 1024,
    )


async def storm(room: Room, count: int) -> None:
    """Ask about many images, each for a moment; cancel every other one; wait for the end of all."""
    images = [room.signed(f"registry.example.com/app{count}-{number}") for number in range(count)]
    await room.verifier.version(deadline=Deadline.after(20))
    asking = [asyncio.create_task(room.verify(image, seconds=0.05)) for image in images]
    await asyncio.sleep(0)
    for task in asking[::2]:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    again = [asyncio.create_task(room.verify(image, seconds=30)) for image in images]
    await asyncio.gather(*again, return_exceptions=True)


def test_the_signature_tag_of_the_fake_is_cosign_s() -> None:
    """The fake registry files old signatures where cosign 2 does."""
    image = ImageReference.parse(f"registry.example.com/app@{a_digest('x')}")

    assert f"registry.example.com/app:sha256-{a_digest('x')[7:]}.sig" == str(signature_tag(image))


async def test_the_queue_for_runs_is_told(tmp_path: Path) -> None:
    """It grows with each image that waits for a place, and is empty when all are judged."""
    async with a_room(tmp_path) as room:
        await asyncio.gather(*(room.verify(room.signed()) for _ in range(5)))

        assert (True, 0) == (max(room.observer.waiting) > 0, room.observer.waiting[-1])
