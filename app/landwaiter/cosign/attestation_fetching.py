"""
Fetches what a repository holds that may be attestations of one type of one image, within limits.

Scanners attach a new attestation each night, and large ones. So the newest are taken, as far as
they say themselves when they were made, and older ones are left out where there are too many or
they are too large together: leaving out can only refuse. What of it is served, and how, is the same
as with signatures.

Source: github.com/sigstore/cosign v3.1.3, specs/BUNDLE_SPEC.md, pkg/oci/remote/write.go; cosign
v2.6.5, cmd/cosign/cli/attest/attest.go.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from landwaiter.cosign.fetching import beside
from landwaiter.cosign.material import SignatureMaterial, SimpleSignature
from landwaiter.cosign.pieces import (
    Found,
    KeychainT,
    Leases,
    PieceLimits,
    PieceReader,
    SignatureSource,
    settled,
    together,
    unread,
)
from landwaiter.cosign.vetting import (
    PREDICATE_ANNOTATION,
    UnusableError,
    annotations_of,
    attestation_layers,
    check_form,
    check_referrer,
    only_layer,
)
from landwaiter.deadline import Deadline
from landwaiter.errors import ContentMissing
from landwaiter.images.content import Descriptor
from landwaiter.images.reference import ImageReference

CREATED = "org.opencontainers.image.created"
"""When cosign says that it has attached something, as text that sorts by time."""

NEWEST_MAX = 50
"""Attestations of one type and format that are looked at."""

UNTOLD_MAX = 200
"""Referrers whose manifests are read to learn what they are, where the list does not say it."""

FORMAT_MAX_BYTES = 12_582_912
"""All that are judged of one type and format; what cosign prints of it is no more."""

ATTESTATION_LIMITS = PieceLimits(
    pieces=NEWEST_MAX + UNTOLD_MAX,
    piece_bytes=8_388_608,
    easy_bytes=1_048_576,
    total_bytes=2 * FORMAT_MAX_BYTES,
    one="an attestation",
    many="attestations",
)
"""
Attestations of one type of one image.

A report about vulnerabilities has 100 kB to 1 MB, a list of packages up to 10 MB; an envelope has a
third more.
"""

_OLDER = "an older attestation"


async def fetch_attestations(
    source: SignatureSource[KeychainT],
    subject: ImageReference,
    predicate_type: str,
    *,
    keychain: KeychainT,
    deadline: Deadline,
    leases: Leases,
    repository: ImageReference | None = None,
) -> SignatureMaterial:
    """
    Return the newest that may be attestations of the type, about a reference with a digest.

    Where they are looked for, and what is raised, is as with `fetch_material`.
    """
    pinned = replace(subject, tag=None)
    reader = PieceReader(
        source,
        beside(pinned, repository),
        ATTESTATION_LIMITS,
        leases,
        keychain=keychain,
        deadline=deadline,
    )
    _, bundles, envelopes = await together(
        source.manifest(pinned, keychain=keychain, deadline=deadline),
        settled(_bundles(reader, predicate_type)),
        settled(_envelopes(reader, predicate_type)),
    )
    return SignatureMaterial(
        pinned,
        bundles=tuple(dict.fromkeys(bundles.pieces)),
        simple=tuple(envelopes.pieces),
        left_out=(*bundles.left_out, *envelopes.left_out),
        unread=unread(bundles.failure, envelopes.failure),
        lease=reader.lease,
    )


async def _bundles(reader: PieceReader[KeychainT], predicate_type: str) -> Found[bytes]:
    async def bundle(layer: Descriptor) -> bytes:
        content = await reader.blob(layer)
        check_form(content)
        return content

    async def layer(referrer: Descriptor) -> Descriptor:
        manifest = await reader.manifest_of(referrer)
        said = {**referrer.annotations, **annotations_of(manifest)}
        return replace(only_layer(manifest), annotations=said)

    told, untold = _sorted_out(await reader.referrers(), predicate_type)
    looked_at = [*told[:NEWEST_MAX], *untold[:UNTOLD_MAX]]
    layers = await reader.each(layer, looked_at)
    of_type = _newest_first(
        each for each in layers.pieces if _may_be_of(each.annotations, predicate_type)
    )
    chosen, left_out = _within_limit(of_type[:NEWEST_MAX])
    found = await reader.each(bundle, chosen)
    older = len(told) + len(untold) - len(looked_at) + len(of_type[NEWEST_MAX:])
    return Found(found.pieces, [*layers.left_out, *left_out, *found.left_out, *[_OLDER] * older])


def _sorted_out(
    referrers: Iterable[Descriptor], predicate_type: str
) -> tuple[list[Descriptor], list[Descriptor]]:
    """
    Return what says that it is of the type, newest first, and what does not say enough of itself.

    What says something else is not what anybody asks for here. Some registries, and the fallback
    tag, list no annotations; the manifests have them then.
    """
    told: list[Descriptor] = []
    untold: list[Descriptor] = []
    for referrer in referrers:
        try:
            check_referrer(referrer, predicate_type)
        except UnusableError:
            continue
        says_enough = {PREDICATE_ANNOTATION, CREATED} <= referrer.annotations.keys()
        (told if says_enough else untold).append(referrer)
    return _newest_first(told), untold


def _newest_first(descriptors: Iterable[Descriptor]) -> list[Descriptor]:
    return sorted(descriptors, key=lambda each: each.annotations.get(CREATED, ""), reverse=True)


def _may_be_of(said: Mapping[str, str], predicate_type: str) -> bool:
    return said.get(PREDICATE_ANNOTATION, predicate_type) == predicate_type


async def _envelopes(reader: PieceReader[KeychainT], predicate_type: str) -> Found[SimpleSignature]:
    async def envelope(layer: Descriptor) -> SimpleSignature:
        content = await reader.blob(layer)
        check_form(content)
        found = SimpleSignature.of(content, layer.annotations)
        await reader.spend(found.size_bytes - len(content))
        return found

    try:
        # cosign writes the newest last.
        layers = attestation_layers(await reader.tagged("att"), predicate_type)[::-1]
    except ContentMissing:
        return Found()
    except UnusableError as problem:
        return Found(left_out=[str(problem)])
    newest, older = layers[:NEWEST_MAX], layers[NEWEST_MAX:]
    chosen, left_out = _within_limit(newest)
    found = await reader.each(envelope, chosen)
    return Found(found.pieces, [*left_out, *found.left_out, *[_OLDER] * len(older)])


def _within_limit(layers: Iterable[Descriptor]) -> tuple[Sequence[Descriptor], list[str]]:
    """
    Return the first layers that together have no more than the limit, and what the rest are.

    What is held of their annotations counts with them.
    """
    chosen: list[Descriptor] = []
    left_out: list[str] = []
    held_bytes = 0
    for layer in layers:
        size_bytes = layer.size + SimpleSignature.of(b"", layer.annotations).size_bytes
        if size_bytes > ATTESTATION_LIMITS.piece_bytes:
            left_out.append(f"an attestation of over {ATTESTATION_LIMITS.piece_bytes} bytes")
        elif held_bytes + size_bytes > FORMAT_MAX_BYTES:
            left_out.append(_OLDER)
        else:
            chosen.append(layer)
            held_bytes += size_bytes
    return chosen, left_out
