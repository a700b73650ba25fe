"""What images say of themselves, fetched from a registry once and remembered for those who may."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from landwaiter.errors import (
    AccessDenied,
    ContentMalformed,
    ContentMissing,
    DeadlineExceeded,
    RegistryUnavailable,
)
from landwaiter.images.configuration import ImageConfiguration, ImageIndex, IndexEntry
from landwaiter.images.platforms import Platform
from landwaiter.images.reference import ImageReference
from landwaiter.rules.image_content import (
    Configurations,
    ConfigurationsQuestion,
    OfferedPlatforms,
    PlatformsQuestion,
)
from landwaiter.rules.protocol import Inquiry
from landwaiter.wiring.image_contents import (
    CONTENT_MAX,
    CONTENT_MAX_BYTES,
    CONTENT_SECONDS,
    FAULT_SECONDS,
    PROBLEM_SECONDS,
    ImageContents,
    size_of,
)
from landwaiter.wiring.image_indexes import IMAGES_MAX
from landwaiter.wiring.keychains import PullSecretReader
from landwaiter.workloads.nodes import ANY_NODE, Choice, NodeSelection, NodeTerm
from registry.clients import client_for, named
from registry.fake_registry import INDEX, FakeRegistry, answer
from wiring.a_cluster import FakeCluster, an_inquiry, docker_secret

IMAGE = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
REPOSITORY = "team/app"
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


def add_image(
    registry: FakeRegistry,
    platform: Platform | None = AMD64,
    *,
    user: str = "1000",
    kind: str = CONFIG,
) -> str:
    """Store an image of two layers, and return its digest."""
    config: dict[str, Any] = {"config": {"User": user}}
    if platform is not None:
        config |= {"os": platform.os, "architecture": platform.architecture}
    blob = registry.add_blob(REPOSITORY, json.dumps(config).encode(), kind)
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": blob.digest}
    manifest = {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": {"mediaType": kind, "digest": blob.digest, "size": blob.size},
        "layers": [{**layer, "size": 3}, {**layer, "size": 4}],
    }
    return registry.add_manifest(REPOSITORY, json.dumps(manifest).encode())


def add_index(
    registry: FakeRegistry, entries: Sequence[tuple[str, Platform | None]], **more: object
) -> str:
    """Store an index, and return its digest."""
    manifests = [
        {
            "mediaType": IMAGE,
            "digest": digest,
            "size": 1,
            **({} if at is None else {"platform": {"os": at.os, "architecture": at.architecture}}),
        }
        for digest, at in entries
    ]
    document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, **more}
    return registry.add_manifest(REPOSITORY, json.dumps(document).encode(), media_type=INDEX)


def an_image(
    digest: str, platform: Platform | None = AMD64, *, user: str = "1000"
) -> ImageConfiguration:
    return ImageConfiguration(digest, platform, user, layer_sizes=(3, 4))


@dataclass
class Setting:
    """What is asked, of which registry, in which cluster, at which time."""

    registry: FakeRegistry
    cluster: FakeCluster
    contents: ImageContents
    now: float = 1000.0

    def reference(self, digest: str, tag: str = "") -> ImageReference:
        return ImageReference.parse(f"{self.registry.host}/{REPOSITORY}{tag}@{digest}")

    async def platforms(self, digest: str, inquiry: Inquiry | None = None) -> OfferedPlatforms:
        question = PlatformsQuestion(self.reference(digest))
        return await self.contents.platforms(question, inquiry or an_inquiry())

    async def images(
        self,
        digest: str,
        *platforms: Platform,
        nodes: NodeSelection = ANY_NODE,
        tag: str = "",
        inquiry: Inquiry | None = None,
    ) -> tuple[ImageConfiguration, ...]:
        question = ConfigurationsQuestion(self.reference(digest, tag), platforms, nodes)
        return (await self.contents.configurations(question, inquiry or an_inquiry())).images


@asynccontextmanager
async def a_setting(**registry_settings: Any) -> AsyncIterator[Setting]:  # noqa: ANN401  # As FakeRegistry takes them.
    cluster = FakeCluster()
    cluster.add_account("default")
    async with (
        FakeRegistry(**registry_settings) as registry,
        client_for(named(registry)) as client,
    ):
        times: list[Setting] = []
        contents = ImageContents(client, PullSecretReader(cluster), clock=lambda: times[0].now)
        times.append(Setting(registry, cluster, contents))
        async with contents:
            yield times[0]


async def test_a_single_image_is_read_whatever_is_chosen() -> None:
    """A runtime does not compare its platform with the node's, so nobody steps out by that."""
    async with a_setting() as at:
        digest = add_image(at.registry, ARM64, user="app")

        assert (an_image(digest, ARM64, user="app"),) == await at.images(
            digest, AMD64, nodes=NodeSelection((NodeTerm(architecture=Choice(frozenset())),))
        )
        assert OfferedPlatforms((ARM64,), is_index=False) == await at.platforms(digest)


async def test_an_index_is_read_by_its_images_for_the_nodes() -> None:
    """All of them, or those for the nodes that there are and that the Pod can run on."""
    async with a_setting() as at:
        amd64, arm64 = add_image(at.registry, AMD64), add_image(at.registry, ARM64)
        index = add_index(at.registry, [(amd64, AMD64), (arm64, ARM64)])
        nodes = NodeSelection((NodeTerm(architecture=Choice(frozenset({"arm64"}))),))

        assert (an_image(amd64), an_image(arm64, ARM64)) == await at.images(index)
        assert (an_image(amd64),) == await at.images(index, AMD64)
        assert (an_image(arm64, ARM64),) == await at.images(index, nodes=nodes)
        assert OfferedPlatforms((AMD64, ARM64), is_index=True) == await at.platforms(index)


async def test_where_no_image_fits_all_of_them_are_read() -> None:
    """A name that does not fit must not be a way past a rule."""
    async with a_setting() as at:
        arm64 = add_image(at.registry, ARM64)
        index = add_index(at.registry, [(arm64, ARM64)])

        assert (an_image(arm64, ARM64),) == await at.images(index, AMD64)


async def test_an_image_without_platform_in_an_index_is_looked_into() -> None:
    """It counts as the platform that it names itself, and could be chosen by any node."""
    async with a_setting() as at:
        arm64, silent = add_image(at.registry, ARM64), add_image(at.registry, None)
        index = add_index(at.registry, [(arm64, None), (silent, None), (arm64, ARM64)])

        assert OfferedPlatforms((ARM64,), is_index=True) == await at.platforms(index)
        assert (an_image(arm64, ARM64), an_image(silent, None)) == await at.images(index, AMD64)


async def test_what_the_index_says_goes_before_what_the_image_says() -> None:
    """A node chooses by the index."""
    async with a_setting() as at:
        digest = add_image(at.registry, ARM64)
        index = add_index(at.registry, [(digest, AMD64)])

        assert (an_image(digest, AMD64),) == await at.images(index)


async def test_an_artifact_is_an_image_that_says_nothing() -> None:
    """Its config is not even fetched, for no runtime would run it."""
    async with a_setting() as at:
        digest = add_image(at.registry, kind="application/vnd.example.model")

        assert (ImageConfiguration(digest, None, layer_sizes=(3, 4)),) == await at.images(digest)
        assert [] == at.registry.paths("/blobs/")


async def test_semantics_14_an_index_of_indexes_is_refused() -> None:
    """A list within a list would hide an image from us that a node finds."""
    async with a_setting() as at:
        inner = add_index(at.registry, [(add_image(at.registry), AMD64)])
        index = add_index(at.registry, [(inner, AMD64)])
        with pytest.raises(ContentMalformed) as refused:
            await at.images(index)

    assert f"{at.reference(index)} lists {inner}, which is no image" == str(refused.value)


async def test_semantics_14_an_index_of_too_many_images_is_refused() -> None:
    """Each would cost two requests; those that could not run do not count."""
    async with a_setting() as at:
        digest = add_image(at.registry)
        others = [(f"sha256:{n:064x}", Platform("linux", f"x{n}")) for n in range(IMAGES_MAX)]
        index = add_index(at.registry, [(digest, AMD64), *others])
        with pytest.raises(ContentMalformed) as refused:
            await at.images(index)

        assert (an_image(digest),) == await at.images(index, AMD64)
        assert (
            f"{at.reference(index)} has 65 images that could run, at most 64 are looked at"
            == str(refused.value)
        )


async def test_semantics_14_a_missing_image_of_an_index_is_refused() -> None:
    """A copy of an index without all its images is for nodes that find theirs."""
    async with a_setting() as at:
        index = add_index(
            at.registry, [(add_image(at.registry), AMD64), (f"sha256:{9:064}", ARM64)]
        )
        with pytest.raises(ContentMissing):
            await at.images(index)

        assert 1 == len(await at.images(index, AMD64))


async def test_a_problem_of_one_image_goes_before_a_fault_of_another() -> None:
    """It will be there at the next try, too, also where the fault came first."""
    async with a_setting() as at:
        failing, missing = add_image(at.registry), f"sha256:{9:064}"
        index = add_index(at.registry, [(failing, AMD64), (missing, ARM64)])
        at.registry.on(f"/manifests/{failing}", answer(503))
        with pytest.raises(RegistryUnavailable):
            await at.images(index, AMD64)
        with pytest.raises(ContentMissing):
            await at.images(index)


async def test_semantics_21_content_is_fetched_once_for_all_who_ask_at_once() -> None:
    """By two rules, for fifty Pods, with other tags beside the digest."""
    async with a_setting() as at:
        amd64, arm64 = add_image(at.registry, AMD64), add_image(at.registry, ARM64)
        index = add_index(at.registry, [(amd64, AMD64), (arm64, ARM64)])
        asking = [at.images(index, tag=f":{n % 5}") for n in range(50)]
        await asyncio.gather(*asking, at.platforms(index))

        manifests = sorted(path.rpartition("/")[2] for path in at.registry.paths("/manifests/"))
        assert (sorted([index, amd64, arm64]), 2) == (
            manifests,
            len(at.registry.paths("/blobs/")),
        )


async def test_semantics_21_content_is_remembered_for_its_time() -> None:
    """A digest does not change, so it is asked for again only to look whether it may be read."""
    async with a_setting() as at:
        digest = add_image(at.registry)
        await at.images(digest)
        at.now += CONTENT_SECONDS - 1
        await at.images(digest)
        remembered = len(at.registry.seen)
        at.now += 2
        await at.images(digest)

        assert (2, 4) == (remembered, len(at.registry.seen))


@pytest.mark.parametrize(
    ("status", "error", "seconds"),
    [(404, ContentMissing, PROBLEM_SECONDS), (503, RegistryUnavailable, FAULT_SECONDS)],
)
async def test_semantics_21_what_failed_is_remembered_shortly(
    status: int, error: type[Exception], seconds: float
) -> None:
    """A problem of the image spares a storm of retries, a fault only the next of them."""
    async with a_setting() as at:
        digest = add_image(at.registry)
        at.registry.on("/manifests/", answer(status))
        for _ in range(2):
            with pytest.raises(error):
                await at.images(digest)
        asked = len(at.registry.seen)
        at.now += seconds - 0.5
        with pytest.raises(error):
            await at.images(digest)
        assert asked == len(at.registry.seen)
        at.now += 1
        with pytest.raises(error):
            await at.images(digest)

        assert 2 * asked == len(at.registry.seen)


async def test_semantics_21_a_private_image_is_told_only_to_those_who_can_read_it() -> None:
    """What one Pod's pull secret could read is not remembered for a Pod without one."""
    async with a_setting(users={"ann": "pw"}, auth="basic") as at:
        digest = add_image(at.registry)
        at.cluster.add_secret(docker_secret("pull", at.registry.host))
        private = await at.images(digest, inquiry=an_inquiry("pull"))
        with pytest.raises(AccessDenied):
            await at.images(digest)

        assert (an_image(digest),) == private


async def test_semantics_20_who_may_be_anybody_has_no_credentials_tried() -> None:
    """Without the API server's certificate a private image stays private."""
    async with a_setting(users={"ann": "pw"}, auth="basic") as at:
        digest = add_image(at.registry)
        at.cluster.add_secret(docker_secret("pull", at.registry.host))
        await at.images(digest, inquiry=an_inquiry("pull"))
        with pytest.raises(AccessDenied):
            await at.images(digest, inquiry=an_inquiry("pull", trusted=False))


async def test_semantics_20_what_an_image_says_is_not_told_to_who_may_be_anybody() -> None:
    """It is read anonymously, and the answer says that its words are not to be quoted."""
    async with a_setting() as at:
        digest = add_image(at.registry)
        inquiry = an_inquiry(trusted=False)
        question = ConfigurationsQuestion(at.reference(digest), (), ANY_NODE)

        assert (
            OfferedPlatforms((AMD64,), is_index=False, may_be_told=False),
            Configurations((an_image(digest),), may_be_told=False),
        ) == (
            await at.platforms(digest, inquiry),
            await at.contents.configurations(question, inquiry),
        )


async def test_a_secret_that_was_mended_a_moment_ago_is_used() -> None:
    """What is remembered of the old credentials does not stand in the way."""
    async with a_setting(users={"ann": "pw"}, auth="basic") as at:
        digest = add_image(at.registry)
        old = docker_secret("pull", at.registry.host, password="old", version="1")
        at.cluster.remembered["shop/pull"] = old
        at.cluster.add_secret(docker_secret("pull", at.registry.host, version="2"))

        assert (an_image(digest),) == await at.images(digest, inquiry=an_inquiry("pull"))


async def test_semantics_15_what_is_slower_than_a_request_is_found_by_the_next() -> None:
    """The first who asks is told to come back, and fetching goes on meanwhile."""
    async with a_setting() as at:
        digest = add_image(at.registry)
        held, truthful = asyncio.Event(), at.registry.truthful()

        async def hold(request: Any) -> Any:  # noqa: ANN401  # As the fake's faults are.
            await held.wait()
            return await truthful(request)

        at.registry.on("/manifests/", hold)
        with pytest.raises(DeadlineExceeded):
            await at.images(digest, inquiry=an_inquiry(seconds=0.05))
        held.set()

        assert (an_image(digest),) == await at.images(digest)
        assert 1 == len(at.registry.paths("/manifests/"))


async def test_what_goes_on_is_ended_with_the_server() -> None:
    """Nothing is left behind."""
    async with a_setting() as at:
        digest = add_image(at.registry)

        async def never(_request: Any) -> Any:  # noqa: ANN401  # As the fake's faults are.
            await at.registry.until_ended()

        at.registry.on("/manifests/", never)
        with pytest.raises(DeadlineExceeded):
            await at.images(digest, inquiry=an_inquiry(seconds=0.05))
        await at.contents.__aexit__(None, None, None)

        assert not [task for task in asyncio.all_tasks() if "_fetched" in repr(task)]


def test_memory_is_bounded_by_bytes_and_by_entries() -> None:
    """What is small counts for its share, what is large for what it takes."""
    small = ImageConfiguration("d", AMD64)
    large = ImageConfiguration("d", AMD64, labels={"a": "x" * 1_000_000, "b": "é" * 1_000_000})
    index = ImageIndex("d", (IndexEntry("d", AMD64),) * 256)

    assert (CONTENT_MAX_BYTES // CONTENT_MAX, True, 128_000) == (
        size_of(small),
        2_000_000 < size_of(large) < 2_001_000,
        size_of(index),
    )
