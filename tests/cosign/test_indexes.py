"""What of an image for several platforms has to be signed, and what is remembered of it."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from cosign.fakes import FakeKeychain, a_digest, an_authority, an_image
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.indexes import (
    IMAGES_AT_ONCE,
    IMAGES_MAX,
    Covers,
    IndexVerifier,
    Lister,
    Verifier,
)
from landwaiter.cosign.outcome import NotVerified, Outcome, SignatureFormat, Verified
from landwaiter.deadline import Deadline
from landwaiter.errors import (
    ContentMalformed,
    ContentMissing,
    CosignUnavailable,
    DeadlineExceeded,
    RegistryUnavailable,
)
from landwaiter.images.reference import ImageReference

GOOD = Verified(SignatureFormat.BUNDLE)
BAD = NotVerified("no signature", "it carries no cosign signature")
INDEX = an_image()
AMD, ARM = a_digest("amd64"), a_digest("arm64")


@dataclass
class Outside:
    """Verdicts by digest, and what an index lists, each counted as it is asked for."""

    verdicts: dict[str, Outcome | Exception]
    listed: tuple[str, ...] | Exception | None = (AMD, ARM)
    asked: list[str] = field(default_factory=list)
    namespaces: set[str] = field(default_factory=set)
    listings: int = 0
    under_way: int = 0
    most_under_way: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.gate.set()

    async def verify(
        self,
        subject: ImageReference,
        authority: Authority,
        *,
        keychain: FakeKeychain,
        deadline: Deadline,
        namespace: str,
    ) -> Outcome:
        self.namespaces.add(namespace)
        self.asked.append(str(subject.digest))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        await self.gate.wait()
        self.under_way -= 1
        verdict = self.verdicts.get(str(subject.digest), BAD)
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    async def images_in(
        self, subject: ImageReference, *, keychain: FakeKeychain, deadline: Deadline
    ) -> tuple[str, ...] | None:
        self.listings += 1
        await self.gate.wait()
        if isinstance(self.listed, Exception):
            raise self.listed
        return self.listed

    def room(self) -> IndexVerifier[FakeKeychain]:
        return IndexVerifier(self, self, clock=lambda: self.now)


async def verified(
    room: IndexVerifier[FakeKeychain],
    covers: Covers,
    *,
    subject: ImageReference = INDEX,
    keychain: str = "anonymous",
    seconds: float = 30,
) -> Outcome:
    return await room.verify(
        subject,
        an_authority(),
        covers,
        keychain=FakeKeychain(keychain),
        deadline=Deadline.after(seconds),
        namespace="shop",
    )


async def test_an_index_is_as_old_as_the_oldest_of_what_was_verified() -> None:
    """What is admitted by it later counts its time from then."""
    verdicts: dict[str, Outcome | Exception] = {
        AMD: replace(GOOD, at=7.0),
        ARM: replace(GOOD, at=3.0),
    }
    found = await verified(Outside(verdicts).room(), Covers.PLATFORMS)

    assert isinstance(found, Verified)
    assert 3.0 == found.at


@pytest.mark.parametrize(
    ("signed", "admitting"),
    [
        ((), set()),
        ((str(INDEX.digest),), {Covers.INDEX}),
        ((AMD, ARM), {Covers.PLATFORMS}),
        ((str(INDEX.digest), AMD), {Covers.INDEX}),
        ((str(INDEX.digest), AMD, ARM), set(Covers)),
    ],
)
async def test_the_policy_says_what_of_an_index_is_signed(
    signed: tuple[str, ...], admitting: set[Covers]
) -> None:
    """The index for all that it lists, each image in it, or both."""
    outside = Outside(dict.fromkeys(signed, GOOD))

    assert admitting == {
        covers for covers in Covers if await verified(outside.room(), covers) == GOOD
    }


@pytest.mark.parametrize("covers", list(Covers))
async def test_a_single_image_is_judged_by_itself(covers: Covers) -> None:
    """An image of an index that is named by its own digest is one too."""
    outside = Outside({str(INDEX.digest): GOOD}, listed=None)

    assert (GOOD, [INDEX.digest]) == (await verified(outside.room(), covers), outside.asked)


async def test_by_default_nobody_looks_into_an_index() -> None:
    """A signature on the index is good for what its digest holds, whatever that is."""
    outside = Outside({str(INDEX.digest): GOOD}, listed=ContentMalformed("no index"))

    assert (GOOD, 0) == (await verified(outside.room(), Covers.INDEX), outside.listings)


@pytest.mark.parametrize(
    ("covers", "verdicts", "detail"),
    [
        (Covers.PLATFORMS, {AMD: GOOD}, f"the image {ARM} in it: {BAD.detail}"),
        (
            Covers.PLATFORMS,
            {},
            f"the image {AMD} in it: {BAD.detail}, and 1 more are not signed",
        ),
        (Covers.BOTH, {AMD: GOOD, ARM: GOOD}, f"the index: {BAD.detail}"),
    ],
)
async def test_attack_an_image_that_was_put_into_an_index_is_refused(
    covers: Covers, verdicts: dict[str, Outcome | Exception], detail: str
) -> None:
    """It is named, so that somebody can sign it, or find out who put it there."""
    assert NotVerified("no signature", detail) == await verified(Outside(verdicts).room(), covers)


@pytest.mark.parametrize(
    ("of_arm", "expected"),
    [
        (BAD, NotVerified),
        (ContentMissing("gone"), ContentMissing),
        (RegistryUnavailable("down"), RegistryUnavailable),
        (DeadlineExceeded("wait"), DeadlineExceeded),
    ],
)
async def test_what_is_certain_goes_before_what_is_not(
    of_arm: Outcome | Exception, expected: type[object]
) -> None:
    """A refusal by one image, or a problem of one, is the verdict; a fault alone is undecided."""
    faulty = Outside({AMD: CosignUnavailable("killed"), ARM: of_arm})
    good = Outside({AMD: GOOD, ARM: of_arm})
    found: list[object] = []
    for outside in (good, faulty):
        try:
            found.append(type(await verified(outside.room(), Covers.PLATFORMS)))
        except (ContentMissing, CosignUnavailable, RegistryUnavailable, DeadlineExceeded) as error:
            found.append(type(error))
    certain = expected in {NotVerified, ContentMissing}

    assert [expected, expected if certain else CosignUnavailable] == found


async def test_what_an_index_lists_is_remembered_as_long_as_a_signature() -> None:
    """While a registry is down, what was found good stays so; nobody else is told of it."""
    outside = Outside({AMD: GOOD, ARM: GOOD})
    room = outside.room()
    await verified(room, Covers.PLATFORMS)
    outside.listed = RegistryUnavailable("down")
    outside.now = 43_000.0
    again = await verified(room, Covers.PLATFORMS)
    with pytest.raises(RegistryUnavailable):
        await verified(room, Covers.PLATFORMS, keychain="another")
    outside.now = 43_300.0
    with pytest.raises(RegistryUnavailable):
        await verified(room, Covers.PLATFORMS)

    assert (GOOD, 3) == (again, outside.listings)


@pytest.mark.parametrize(
    ("failure", "seconds"), [(ContentMissing("gone"), 14.0), (RegistryUnavailable("down"), 1.9)]
)
async def test_what_cannot_be_read_is_asked_for_again_after_a_moment(
    failure: Exception, seconds: float
) -> None:
    """A storm of retries costs one request, and whoever mends it does not wait for long."""
    outside = Outside({}, listed=failure)
    room = outside.room()
    counts = []
    for moment in (0.0, seconds, seconds * 1.2):
        outside.now = moment
        with pytest.raises(type(failure)):
            await verified(room, Covers.PLATFORMS)
        counts.append(outside.listings)

    assert [1, 1, 2] == counts


async def test_a_large_index_is_verified_a_few_at_a_time() -> None:
    """As many images as there may be are judged, and one more is a refusal."""
    digests = tuple(a_digest(str(number)) for number in range(IMAGES_MAX))
    outside = Outside(dict.fromkeys(digests, GOOD), listed=digests)
    too_many = replace(outside, listed=(*digests, AMD))
    with pytest.raises(ContentMalformed) as problem:
        await verified(too_many.room(), Covers.PLATFORMS)

    assert (GOOD, IMAGES_AT_ONCE) == (
        await verified(outside.room(), Covers.PLATFORMS),
        outside.most_under_way,
    )
    assert f"{INDEX} lists 65 images; at most 64 are judged" == str(problem.value)


async def test_an_image_that_is_listed_twice_is_asked_about_once() -> None:
    """Builders list one image for several variants of a platform."""
    outside = Outside({AMD: GOOD}, listed=(AMD, AMD))

    assert (GOOD, [AMD]) == (await verified(outside.room(), Covers.PLATFORMS), outside.asked)


async def test_listing_goes_on_when_somebody_has_no_more_time() -> None:
    """The next to ask finds what came of it."""
    outside = Outside({AMD: GOOD, ARM: GOOD})
    outside.gate.clear()
    async with outside.room() as room:
        with pytest.raises(DeadlineExceeded):
            await verified(room, Covers.PLATFORMS, seconds=0.01)
        outside.gate.set()

        assert (GOOD, 1) == (await verified(room, Covers.PLATFORMS), outside.listings)


def _protocols_hold() -> tuple[Verifier[FakeKeychain], Lister[FakeKeychain]]:
    """Let mypy say when the fake and its Protocols part ways."""
    return Outside({}), Outside({})
