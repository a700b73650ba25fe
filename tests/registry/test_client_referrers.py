"""Listing what refers to a digest: the API, its pages, and the fallback tag."""

import json

import pytest

from landwaiter.errors import (
    AccessDenied,
    ContentMalformed,
    LandwaiterError,
    RegistryUnavailable,
)
from landwaiter.images.content import Descriptor
from landwaiter.registry.client import MAX_PAGES
from landwaiter.registry.keychain import EMPTY_KEYCHAIN
from landwaiter.registry.referrers import MAX_REFERRERS
from registry.clients import client_for, named, reference, soon
from registry.fake_registry import INDEX, FakeRegistry, answer

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
EMPTY = "application/vnd.oci.empty.v1+json"


async def list_referrers(registry: FakeRegistry, digest: str) -> tuple[Descriptor, ...]:
    async with client_for(named(registry)) as client:
        return await client.referrers(
            reference(registry, f"team/app@{digest}"), keychain=EMPTY_KEYCHAIN, deadline=soon()
        )


@pytest.mark.parametrize("referrers_api", [True, False])
@pytest.mark.parametrize("count", [0, 1, 3])
async def test_lists_what_refers_to_a_digest(referrers_api: bool, count: int) -> None:  # noqa: FBT001
    """The same referrers are listed with the API and with the fallback tag, also none."""
    async with FakeRegistry(referrers_api=referrers_api, page_size=2) as registry:
        digest = registry.add_image()
        added = tuple(
            registry.add_referrer(
                "team/app", digest, f"bundle {number}".encode(), annotations={"n": str(number)}
            )
            for number in range(count)
        )

        assert added == await list_referrers(registry, digest)


async def test_pages_are_followed() -> None:
    """Each page that the registry links to is asked for once."""
    async with FakeRegistry(page_size=1) as registry:
        digest = registry.add_image()
        for number in range(3):
            registry.add_referrer("team/app", digest, f"bundle {number}".encode())
        await list_referrers(registry, digest)

        assert ["", "from=1", "from=2"] == [seen.query for seen in registry.seen]


@pytest.mark.parametrize("status", [400, 404, 405, 406, 410, 501])
async def test_a_registry_without_the_api_is_asked_for_the_fallback_tag(status: int) -> None:
    """Whatever way a registry has of saying that it has no API, the fallback tag is read."""
    async with FakeRegistry(referrers_api=False) as registry:
        digest = registry.add_image()
        added = registry.add_referrer("team/app", digest, b"bundle")
        registry.on("/referrers/", answer(status))

        assert (added,) == await list_referrers(registry, digest)


async def test_a_page_for_people_is_no_referrers_api() -> None:
    """A 200 that is no index (a page for people, say) leads to the fallback tag."""
    async with FakeRegistry(referrers_api=False) as registry:
        digest = registry.add_image()
        added = registry.add_referrer("team/app", digest, b"bundle")
        registry.on("/referrers/", answer(200, b"<html>", Content_Type="text/html"))

        assert (added,) == await list_referrers(registry, digest)


async def test_ghcr_names_an_empty_type_which_says_nothing() -> None:
    """The type of an empty config, which GHCR repeats, is no artifact type."""
    async with FakeRegistry(referrers_api=False) as registry:
        digest = registry.add_image()
        added = registry.add_referrer("team/app", digest, b"bundle", artifact_type=EMPTY)
        expected = Descriptor(added.media_type, added.digest, added.size, None)

        assert (expected,) == await list_referrers(registry, digest)


async def test_a_digest_is_listed_once() -> None:
    """A registry that repeats itself does not make more work."""
    async with FakeRegistry() as registry:
        digest = registry.add_image()
        added = registry.add_referrer("team/app", digest, b"bundle")
        registry.add_referrer("team/app", digest, b"bundle")

        assert (added,) == await list_referrers(registry, digest)


def index_of(*entries: object) -> bytes:
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()


A_DIGEST = "sha256:" + "a" * 64
GOOD = {"mediaType": "a/b", "digest": A_DIGEST, "size": 1}


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"{", " is not JSON"),
        (b"[]", " is no JSON object"),
        (b"{}", " is no image index with a list of manifests"),
        (b'{"manifests": {}}', " is no image index with a list of manifests"),
        (b'{"mediaType": "x/y", "manifests": []}', " is no image index with a list of manifests"),
        (index_of("x"), "entry 1 of "),
        (index_of(GOOD, {**GOOD, "digest": "sha256:x"}), "entry 2 of "),
        (index_of({**GOOD, "digest": None}), "entry 1 of "),
        (index_of({**GOOD, "size": -1}), "entry 1 of "),
        (index_of({**GOOD, "size": True}), "entry 1 of "),
        (index_of({**GOOD, "size": 1.5}), "entry 1 of "),
        (index_of({**GOOD, "mediaType": "a b"}), "entry 1 of "),
        (index_of({**GOOD, "mediaType": None}), "entry 1 of "),
        (index_of({**GOOD, "artifactType": 5}), "entry 1 of "),
        (index_of({**GOOD, "annotations": []}), "entry 1 of "),
        (index_of({**GOOD, "annotations": {"a": 1}}), "entry 1 of "),
        (index_of({**GOOD, "annotations": {"a": "\ud800"}}), "entry 1 of "),
        (index_of({**GOOD, "annotations": {str(n): "" for n in range(300)}}), "entry 1 of "),
    ],
)
async def test_semantics_14_a_malformed_list_is_the_images_problem(
    body: bytes, problem: str
) -> None:
    """Whoever may push cannot make a list undecided by breaking it."""
    async with FakeRegistry() as registry:
        registry.on("/referrers/", answer(200, body, Content_Type=INDEX))
        with pytest.raises(ContentMalformed) as caught:
            await list_referrers(registry, A_DIGEST)

        assert problem in str(caught.value)


async def test_semantics_14_too_many_referrers_are_the_images_problem() -> None:
    """More referrers than the limit are refused, not undecided and not cut off."""
    many = [{**GOOD, "digest": f"sha256:{n:064x}"} for n in range(MAX_REFERRERS + 1)]
    async with FakeRegistry() as registry:
        registry.on("/referrers/", answer(200, index_of(*many), Content_Type=INDEX))
        with pytest.raises(ContentMalformed) as caught:
            await list_referrers(registry, A_DIGEST)

        assert (
            f"the list of what refers to {registry.host}/team/app@{A_DIGEST}"
            " has more than 1000 entries, which is the limit"
        ) == str(caught.value)


async def test_pages_without_end_are_left() -> None:
    """A list whose pages go round in a circle is left after a bounded number."""
    async with FakeRegistry() as registry:
        link = f'</v2/team/app/referrers/{A_DIGEST}>; rel="next"'
        registry.on("/referrers/", answer(200, index_of(GOOD), Content_Type=INDEX, Link=link))
        with pytest.raises(ContentMalformed):
            await list_referrers(registry, A_DIGEST)

        assert MAX_PAGES == len(registry.seen)


@pytest.mark.parametrize(
    "link",
    [
        "</v2/other/app/referrers/x>; rel=next",
        "</v2/team/app/blobs/x>; rel=next",
        "</admin>; rel=next",
        "<https://evil.example/v2/team/app/x>; rel=next",
        "</v2/team/app/referrers/../../../../admin>; rel=next",
        "<//[>; rel=next",
    ],
)
async def test_a_page_elsewhere_is_not_followed(link: str) -> None:
    """A link that leaves the repository's referrers is a fault of the registry."""
    async with FakeRegistry() as registry:
        registry.on("/referrers/", answer(200, index_of(GOOD), Content_Type=INDEX, Link=link))
        with pytest.raises(RegistryUnavailable):
            await list_referrers(registry, A_DIGEST)

        assert 1 == len(registry.seen)


async def test_only_path_and_query_of_a_link_are_used() -> None:
    """A link to the host behind a proxy is followed at the host that was asked."""
    async with FakeRegistry() as registry:
        digest = registry.add_image()
        inside = f'<http://inside.example/v2/team/app/referrers/{digest}?from=0>; rel="next"'
        registry.on(
            "/referrers/", answer(200, index_of(GOOD), Content_Type=INDEX, Link=inside), times=1
        )

        assert (Descriptor("a/b", A_DIGEST, 1),) == await list_referrers(registry, digest)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, AccessDenied),
        (403, AccessDenied),
        (429, RegistryUnavailable),
        (500, RegistryUnavailable),
    ],
)
@pytest.mark.parametrize("at", ["/referrers/", "/manifests/"])
async def test_a_refused_or_failing_list_is_not_an_empty_one(
    at: str, status: int, expected: type[LandwaiterError]
) -> None:
    """Neither at the API nor at the fallback tag does a fault pass for "nothing refers to it"."""
    async with FakeRegistry(referrers_api=False) as registry:
        registry.on(at, answer(status))
        with pytest.raises(expected):
            await list_referrers(registry, A_DIGEST)


async def test_a_reference_without_digest_has_no_referrers_to_list() -> None:
    """A tag cannot be asked for: what refers to an image refers to its digest."""
    async with FakeRegistry() as registry, client_for(named(registry)) as client:
        with pytest.raises(ValueError, match="has no digest"):
            await client.referrers(reference(registry), keychain=EMPTY_KEYCHAIN, deadline=soon())
