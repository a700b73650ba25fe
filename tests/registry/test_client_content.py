"""What the client returns, and that nothing a registry says about content is believed."""

import gzip
import hashlib
import json

import pytest

from landwaiter.errors import ContentMalformed, ContentMissing
from landwaiter.images.content import Descriptor, Manifest
from landwaiter.registry.client import MAX_MANIFEST_BYTES
from landwaiter.registry.keychain import EMPTY_KEYCHAIN
from registry.clients import client_for, named, reference, soon
from registry.fake_registry import IMAGE, INDEX, FakeRegistry, answer, digest_of, endless

DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


async def fetch_manifest(registry: FakeRegistry, rest: str = "team/app:1") -> Manifest:
    async with client_for(named(registry)) as client:
        return await client.manifest(
            reference(registry, rest), keychain=EMPTY_KEYCHAIN, deadline=soon()
        )


async def fetch_blob(registry: FakeRegistry, descriptor: Descriptor, limit_bytes: int) -> bytes:
    async with client_for(named(registry)) as client:
        return await client.blob(
            reference(registry),
            descriptor,
            limit_bytes,
            keychain=EMPTY_KEYCHAIN,
            deadline=soon(),
        )


async def test_semantics_09_a_tag_is_resolved_to_the_digest_of_what_it_points_to() -> None:
    """A tag resolves to the digest of the content that it names, also after it has moved."""
    async with FakeRegistry() as registry, client_for(named(registry)) as client:
        first = registry.add_image(note="first")
        seen = [await client.resolve(reference(registry), keychain=EMPTY_KEYCHAIN, deadline=soon())]
        second = registry.add_image(note="second")
        seen.append(
            await client.resolve(reference(registry), keychain=EMPTY_KEYCHAIN, deadline=soon())
        )

        assert [first, second] == seen


async def test_a_reference_without_tag_and_digest_means_latest() -> None:
    """Where neither tag nor digest is written, the tag `latest` is asked for."""
    async with FakeRegistry() as registry:
        digest = registry.add_image(tag="latest")
        manifest = await fetch_manifest(registry, "team/app")

        assert (digest, ["/v2/team/app/manifests/latest"]) == (manifest.digest, registry.paths())


async def test_a_digest_wins_over_a_tag() -> None:
    """With tag and digest, what the digest names is returned and the tag is not asked for."""
    async with FakeRegistry() as registry:
        pinned = registry.add_image(tag=None, note="pinned")
        registry.add_image(tag="1", note="moved")
        manifest = await fetch_manifest(registry, f"team/app:1@{pinned}")

        assert (pinned, [f"/v2/team/app/manifests/{pinned}"]) == (
            manifest.digest,
            registry.paths(),
        )


@pytest.mark.parametrize(
    ("media_type", "document"),
    [
        (IMAGE, {"schemaVersion": 2, "mediaType": IMAGE, "layers": []}),
        (IMAGE, {"schemaVersion": 2, "layers": []}),
        (INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}),
        (DOCKER_IMAGE, {"schemaVersion": 2, "mediaType": DOCKER_IMAGE, "layers": []}),
        (DOCKER_LIST, {"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": []}),
    ],
)
async def test_all_kinds_of_manifests_are_accepted(media_type: str, document: object) -> None:
    """Images and indexes of OCI and of Docker are asked for and returned as received."""
    async with FakeRegistry() as registry:
        content = json.dumps(document).encode()
        digest = registry.add_manifest("team/app", content, media_type=media_type, tag="1")
        manifest = await fetch_manifest(registry)
        accept = registry.seen[0].headers["Accept"].split(", ")

        assert (Manifest(media_type, digest, content), True) == (manifest, media_type in accept)


async def test_a_content_type_that_says_nothing_leaves_it_to_the_manifest() -> None:
    """A manifest served as plain JSON is what its own `mediaType` says."""
    async with FakeRegistry() as registry:
        content = json.dumps({"mediaType": IMAGE}).encode()
        registry.on("/manifests/", answer(200, content, Content_Type="application/json"))
        manifest = await fetch_manifest(registry)

        assert Manifest(IMAGE, digest_of(content), content) == manifest


async def test_a_sha512_digest_is_checked_as_such() -> None:
    """Content named by a sha512 digest is compared with that digest."""
    content = json.dumps({"mediaType": IMAGE}).encode()
    digest = "sha512:" + hashlib.sha512(content).hexdigest()
    async with FakeRegistry() as registry:
        registry.on("/manifests/", answer(200, content, Content_Type=IMAGE))
        manifest = await fetch_manifest(registry, f"team/app@{digest}")

        assert digest == manifest.digest


async def test_a_tag_filed_under_sha512_resolves_to_that_digest() -> None:
    """The algorithm under which the registry files a tag is kept, and the digest computed."""
    content = json.dumps({"mediaType": IMAGE}).encode()
    digest = "sha512:" + hashlib.sha512(content).hexdigest()
    async with FakeRegistry() as registry:
        registry.on(
            "/manifests/",
            answer(200, content, Content_Type=IMAGE, Docker_Content_Digest=digest),
        )

        assert digest == (await fetch_manifest(registry)).digest


A_DIGEST = "sha256:" + "a" * 64
BOTH = {"schemaVersion": 2, "mediaType": IMAGE, "layers": [], "manifests": []}


@pytest.mark.parametrize(
    ("body", "headers", "problem"),
    [
        (b"{}", {"Docker-Content-Digest": A_DIGEST}, f"wanted is {A_DIGEST}"),
        (b"no json", {}, "is not JSON"),
        (b'{"a": NaN}', {}, "is not JSON"),
        (b"\xff", {}, "is not JSON"),
        (b"[" * 100_000, {}, "is not JSON"),
        (b"[]", {}, "is no JSON object"),
        (gzip.compress(b" " * 10_000_000), {}, "is not JSON"),
        (
            gzip.compress(b" " * 10_000_000),
            {"Content-Encoding": "gzip"},
            "is compressed in transit, which was not asked for",
        ),
        (
            json.dumps({"mediaType": INDEX}).encode(),
            {},
            f"was sent as '{IMAGE}' and calls itself another type",
        ),
        (json.dumps(BOTH).encode(), {}, "is more than one kind of manifest at once"),
        (
            json.dumps({"mediaType": IMAGE, "fsLayers": []}).encode(),
            {},
            "is more than one kind of manifest at once",
        ),
        (
            b'{"schemaVersion": 1}',
            {"Content-Type": "application/vnd.docker.distribution.manifest.v1+prettyjws"},
            "(schema 1 is not accepted)",
        ),
        (b"{}", {"Content-Type": "text/html"}, "(schema 1 is not accepted)"),
        (
            b" " * (MAX_MANIFEST_BYTES + 1),
            {},
            f"has more than {MAX_MANIFEST_BYTES} bytes",
        ),
    ],
)
async def test_semantics_14_a_malformed_manifest_is_the_images_problem(
    body: bytes, headers: dict[str, str], problem: str
) -> None:
    """What is not the manifest it claims to be is refused, with the reason."""
    async with FakeRegistry() as registry:
        registry.on("/manifests/", answer(200, body, **{"Content-Type": IMAGE, **headers}))
        with pytest.raises(ContentMalformed) as caught:
            await fetch_manifest(registry)

        what = f"the manifest of {registry.host}/team/app:1 "
        assert (True, True) == (
            str(caught.value).startswith(what),
            str(caught.value).endswith(problem),
        )


async def test_another_manifest_than_the_digest_names_is_refused() -> None:
    """A registry that serves something else for a digest is caught."""
    async with FakeRegistry() as registry:
        registry.on("/manifests/", answer(200, b"{}", Content_Type=IMAGE))
        with pytest.raises(ContentMalformed) as caught:
            await fetch_manifest(registry, f"team/app@{A_DIGEST}")

        assert (
            f"the manifest of {registry.host}/team/app@{A_DIGEST} has the digest"
            f" {digest_of(b'{}')}, wanted is {A_DIGEST}"
        ) == str(caught.value)


async def test_an_endless_manifest_is_left_at_its_limit() -> None:
    """A body without end is read up to the limit, and is the image's problem."""
    async with FakeRegistry() as registry:
        registry.on("/manifests/", endless())
        with pytest.raises(ContentMalformed) as caught:
            await fetch_manifest(registry)

        assert (f"the manifest of {registry.host}/team/app:1 has more than 4194304 bytes") == str(
            caught.value
        )


async def test_a_missing_manifest_is_missing() -> None:
    """A 404 says that there is no such content, and for whom it was asked."""
    async with FakeRegistry() as registry:
        with pytest.raises(ContentMissing) as caught:
            await fetch_manifest(registry)

        assert (
            f"{registry.host} does not have the manifest of {registry.host}/team/app:1 (404)"
        ) == str(caught.value)


async def test_a_blob_comes_back_whole() -> None:
    """A blob of the size and digest of its descriptor is returned."""
    async with FakeRegistry() as registry:
        descriptor = registry.add_blob("team/app", b"content")

        assert b"content" == await fetch_blob(registry, descriptor, 7)


@pytest.mark.parametrize(
    ("size", "limit_bytes", "problem"),
    [
        (7, 6, "has 7 bytes, at most 6 are accepted"),
        (-1, 6, "has -1 bytes, at most 6 are accepted"),
        (8, 100, "has 7 bytes, its descriptor says 8"),
        (6, 100, "has more than 6 bytes"),
    ],
)
async def test_a_blob_of_another_size_is_refused(size: int, limit_bytes: int, problem: str) -> None:
    """Neither a larger nor a smaller blob is accepted, and none over the caller's limit."""
    async with FakeRegistry() as registry:
        digest = registry.add_blob("team/app", b"content").digest
        with pytest.raises(ContentMalformed) as caught:
            await fetch_blob(registry, Descriptor("a/b", digest, size), limit_bytes)

        assert f"the blob {digest} of {registry.host}/team/app {problem}" == str(caught.value)


async def test_a_blob_over_the_limit_is_not_asked_for() -> None:
    """A descriptor that says too much costs no request."""
    async with FakeRegistry() as registry:
        with pytest.raises(ContentMalformed):
            await fetch_blob(registry, Descriptor("a/b", A_DIGEST, 10**12), 100)

        assert [] == registry.seen


async def test_a_blob_of_another_content_is_refused() -> None:
    """A blob of the right size and another digest is not accepted."""
    async with FakeRegistry() as registry:
        descriptor = registry.add_blob("team/app", b"content")
        registry.on("/blobs/", answer(200, b"tampers"))
        with pytest.raises(ContentMalformed) as caught:
            await fetch_blob(registry, descriptor, 100)

        assert (
            f"the blob {descriptor.digest} of {registry.host}/team/app has the digest"
            f" {digest_of(b'tampers')}, wanted is {descriptor.digest}"
        ) == str(caught.value)


async def test_a_descriptor_cannot_name_another_path() -> None:
    """A digest that is none is refused before it gets into a URL."""
    async with FakeRegistry() as registry:
        with pytest.raises(ContentMalformed):
            await fetch_blob(registry, Descriptor("a/b", "../../x?y", 1), 100)

        assert [] == registry.seen
