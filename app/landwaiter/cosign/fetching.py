"""
Fetches what a repository holds that may be a signature of one image, within limits.

No document of the repository reaches cosign as it is: a bundle is taken out of its manifest, a
simple signature out of its layer, and the loopback endpoint serves them in documents of our own
making (`documents.py`). What has to be left out, and what has to be told, is in `pieces.py`.

Source: github.com/sigstore/cosign v3.1.3, specs/BUNDLE_SPEC.md, specs/SIGNATURE_SPEC.md,
pkg/oci/remote/signatures.go.
"""

from dataclasses import replace

from landwaiter.cosign.material import (
    PORTIONS_MAX,
    SIGNATURE_LIMITS,
    SignatureMaterial,
    SimpleSignature,
    portions,
)
from landwaiter.cosign.pieces import (
    Found,
    KeychainT,
    Leases,
    PieceReader,
    SignatureSource,
    settled,
    together,
    unread,
)
from landwaiter.cosign.vetting import (
    UnusableError,
    check_bundle,
    check_referrer,
    only_layer,
    signature_layers,
)
from landwaiter.deadline import Deadline
from landwaiter.errors import ContentMalformed, ContentMissing
from landwaiter.images.content import Descriptor
from landwaiter.images.reference import ImageReference


async def fetch_material(
    source: SignatureSource[KeychainT],
    subject: ImageReference,
    *,
    keychain: KeychainT,
    deadline: Deadline,
    leases: Leases,
    repository: ImageReference | None = None,
) -> SignatureMaterial:
    """
    Return all that may be a signature of the subject, a reference with a digest.

    The subject itself is fetched too, for what is not there needs no signature. Signatures are
    looked for in the `repository`, by default the subject's own. Each format is read for itself.
    Raises, where the subject or neither format can be read, `ImageProblem` when the image or its
    repository is at fault, and `Unavailable` when something else is.
    """
    pinned = replace(subject, tag=None)
    reader = PieceReader(
        source,
        beside(pinned, repository),
        SIGNATURE_LIMITS,
        leases,
        keychain=keychain,
        deadline=deadline,
    )
    _, bundles, simple = await together(
        source.manifest(pinned, keychain=keychain, deadline=deadline),
        settled(_bundles(reader, str(pinned.digest))),
        settled(_simple_signatures(reader)),
    )
    return SignatureMaterial(
        pinned,
        bundles=tuple(dict.fromkeys(bundles.pieces)),
        simple=tuple(simple.pieces),
        left_out=(*bundles.left_out, *simple.left_out),
        unread=unread(bundles.failure, simple.failure),
        lease=reader.lease,
    )


def beside(subject: ImageReference, repository: ImageReference | None) -> ImageReference:
    """Return the digest of the subject as it is looked for where its signatures are."""
    if repository is None:
        return subject
    return replace(subject, registry=repository.registry, repository=repository.repository)


async def _bundles(reader: PieceReader[KeychainT], digest: str) -> Found[bytes]:
    """Return the bundles that say they are signatures of the digest."""

    async def bundle(referrer: Descriptor) -> bytes:
        content = await reader.blob(only_layer(await reader.manifest_of(referrer)))
        check_bundle(content, digest)
        return content

    candidates = []
    others = []
    for referrer in await reader.referrers():
        try:
            check_referrer(referrer)
        except UnusableError as problem:
            others.append(str(problem))
        else:
            candidates.append(referrer)
    found = await reader.each(bundle, candidates, "bundles")
    return Found(found.pieces, others + found.left_out)


async def _simple_signatures(reader: PieceReader[KeychainT]) -> Found[SimpleSignature]:
    """Return the signatures in the manifest that the `.sig` tag names."""

    async def signature(layer: Descriptor) -> SimpleSignature:
        payload = await reader.blob(layer)
        found = SimpleSignature.of(payload, layer.annotations)
        await reader.spend(found.size_bytes - len(payload))
        return found

    try:
        layers = signature_layers(await reader.tagged("sig"))
    except ContentMissing:
        return Found()
    except UnusableError as problem:
        return Found(left_out=[str(problem)])
    listed = [SimpleSignature.of(b"", each.annotations) for each in layers]
    if len(tuple(portions(listed))) > PORTIONS_MAX:
        size_bytes = sum(each.listed_bytes for each in listed)
        raise ContentMalformed(
            f"{reader.beside} has {len(layers)} signatures in a list of {size_bytes} bytes, "
            "which is more than is judged"
        )
    return await reader.each(signature, layers, "signatures")
