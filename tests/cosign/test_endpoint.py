import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from cosign.fakes import a_bundle, a_criterion, an_image
from landwaiter.cosign.documents import ServedRepository, served_repository
from landwaiter.cosign.endpoint import LoopbackEndpoint, Service
from landwaiter.cosign.material import SignatureMaterial
from landwaiter.cosign.outcome import AskedImage, SignatureFormat
from landwaiter.images.reference import ImageReference

IMAGE = an_image()
REPOSITORY = served_repository(
    SignatureMaterial(IMAGE, bundles=(a_bundle(str(IMAGE.digest)),)),
    SignatureFormat.BUNDLE,
    a_criterion(),
)
LISTING = REPOSITORY.documents[REPOSITORY.listing]
SERVED: tuple[ImageReference, ServedRepository] = (IMAGE, REPOSITORY)


@contextlib.asynccontextmanager
async def an_endpoint() -> AsyncIterator[tuple[LoopbackEndpoint, aiohttp.ClientSession]]:
    endpoint = LoopbackEndpoint()
    await endpoint.open()
    try:
        async with aiohttp.ClientSession() as session:
            yield endpoint, session
    finally:
        await endpoint.close()


def root_of(service: Service, number: int = 0) -> str:
    """Return the address of an image's repository."""
    host, path = service.operands[number].partition("@")[0].split("/", 1)
    return f"http://{host}/v2/{path}"


def asked(service: Service, *, listed: int = 0, complete: bool = True) -> AskedImage:
    return AskedImage(IMAGE, service.operands[0], times_listed=listed, complete=complete)


async def status(session: aiohttp.ClientSession, url: str, method: str = "GET") -> int:
    async with session.request(method, url) as response:
        return response.status


async def test_documents_are_served_as_they_are() -> None:
    """Content, media type and digest of a document reach the client."""
    async with an_endpoint() as (endpoint, session):
        with endpoint.serving([SERVED]) as service:
            async with session.get(f"{root_of(service)}/{REPOSITORY.listing}") as response:
                answer = (
                    response.status,
                    response.headers["Content-Type"],
                    response.headers["Docker-Content-Digest"],
                    await response.read(),
                )

    assert (200, LISTING.media_type, LISTING.digest, LISTING.content) == answer


async def test_the_version_check_needs_no_prefix() -> None:
    """The ping before everything else knows no repository."""
    async with an_endpoint() as (endpoint, session):
        with endpoint.serving([SERVED]) as service:
            host = root_of(service).partition("/v2/")[0]
            code = await status(session, f"{host}/v2/")

    assert 200 == code


async def test_what_is_asked_completely_is_recorded() -> None:
    """Reading the list of signatures is counted, and all is complete while nothing was missing."""
    async with an_endpoint() as (endpoint, session):
        with endpoint.serving([SERVED]) as service:
            records = [service.asked()]
            for path in REPOSITORY.documents:
                await status(session, f"{root_of(service)}/{path}")
            records.append(service.asked())
            expected = [(asked(service),), (asked(service, listed=1),)]

    assert expected == records


async def test_what_was_not_fetched_makes_the_service_incomplete() -> None:
    """A question that we cannot answer turns a refusal into not knowing."""
    async with an_endpoint() as (endpoint, session):
        with endpoint.serving([SERVED]) as service:
            code = await status(session, f"{root_of(service)}/manifests/latest")
            expected = (404, (asked(service, complete=False),))
            record = (code, service.asked())

    assert expected == record


async def test_old_signatures_are_known_to_be_absent() -> None:
    """Cosign looks for them where no bundle is one to it, which is no gap in the service."""
    async with an_endpoint() as (endpoint, session):
        with endpoint.serving([SERVED]) as service:
            code = await status(session, f"{root_of(service)}/{REPOSITORY.absent}")
            expected = (404, (asked(service, listed=1),))
            record = (code, service.asked())

    assert expected == record


async def test_an_answer_that_is_cut_makes_the_service_incomplete() -> None:
    """A client that goes away in the middle has not been given all it asked for."""
    large = SignatureMaterial(IMAGE, bundles=(b"x" * 20_000_000,))
    repository = served_repository(large, SignatureFormat.BUNDLE, a_criterion())
    path = next(path for path, each in repository.documents.items() if len(each.content) > 1000)
    async with an_endpoint() as (endpoint, _):
        with endpoint.serving([(IMAGE, repository)]) as service:
            root = root_of(service)
            host, port = root.partition("/v2/")[0].removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(
                f"GET {root[root.index('/v2/') :]}/{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            )
            await reader.readexactly(1000)
            under_way = service.asked()
            writer.transport.abort()
            await _until_noticed(service, root)
            expected = (asked(service, complete=False),)
            records = [under_way, service.asked()]

    assert [expected, expected] == records


async def _until_noticed(service: Service, root: str) -> None:
    """Ask something else, behind which the broken answer has been noticed."""
    async with aiohttp.ClientSession() as session:
        await status(session, f"{root.partition('/v2/')[0]}/v2/")


async def test_a_prefix_holds_for_its_run_alone() -> None:
    """After a run its signatures are not served any more, and no prefix comes twice."""
    async with an_endpoint() as (endpoint, session):
        with endpoint.serving([SERVED]) as first, endpoint.serving([SERVED]) as second:
            roots = [root_of(first), root_of(second)]
            during = [await status(session, f"{root}/{REPOSITORY.listing}") for root in roots]
        after = [await status(session, f"{root}/{REPOSITORY.listing}") for root in roots]

    assert ([200, 200], [404, 404], True) == (during, after, roots[0] != roots[1])


@pytest.mark.parametrize(
    "change",
    [
        lambda root: root.replace("/0", "/1"),
        lambda root: root.replace("/0", "/-1"),
        lambda root: root.replace("/0", "/00x"),
        lambda root: root.replace("/0", "/²"),
        lambda root: f"{root.rpartition('/')[0][:-1]}/0",
        lambda root: root.replace("/v2/", "/v2//"),
        lambda root: root.replace("/v2/", "/v1/"),
    ],
)
async def test_other_paths_are_not_found(change: Callable[[str], str]) -> None:
    """A wrong number, prefix or form of path finds nothing and breaks nothing."""
    async with an_endpoint() as (endpoint, session):
        with endpoint.serving([SERVED]) as service:
            code = await status(session, f"{change(root_of(service))}/{REPOSITORY.listing}")
            expected = (404, (asked(service),))
            record = (code, service.asked())

    assert expected == record


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD"])
async def test_the_endpoint_is_read_only(method: str) -> None:
    """Nothing but reading is understood."""
    async with an_endpoint() as (endpoint, session):
        with endpoint.serving([SERVED]) as service:
            code = await status(session, f"{root_of(service)}/{REPOSITORY.listing}", method)

    assert 405 == code


async def test_images_of_one_run_are_served_apart() -> None:
    """Each image of a run has a number of its own, in the order given."""
    other = an_image("registry.example.com/other")
    empty = served_repository(SignatureMaterial(other), SignatureFormat.BUNDLE, a_criterion())
    async with an_endpoint() as (endpoint, session):
        with endpoint.serving([SERVED, (other, empty)]) as service:
            await status(session, f"{root_of(service, 1)}/{empty.listing}")
            ends = [operand.rpartition("/")[2] for operand in service.operands]
            listed = [image.times_listed for image in service.asked()]

    assert ([f"0@{IMAGE.digest}", f"1@{other.digest}"], [0, 1]) == (ends, listed)


async def test_tls_is_answered_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """The first try of every client is TLS, which must not be waited out, nor fill the log."""
    async with an_endpoint() as (endpoint, _):
        with endpoint.serving([SERVED]) as service:
            host, port = root_of(service).split("/")[2].split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"\x16\x03\x01\x00\xf1\x01\x00\x00\xed\x03\x03" + b"x" * 300)
            async with asyncio.timeout(5):
                answer = await reader.read()
            writer.close()

    assert (b"HTTP/1.0 400 Bad Request", []) == (
        answer.partition(b"\r\n")[0],
        [record for record in caplog.records if record.levelname != "DEBUG"],
    )


async def test_only_loopback_is_listened_on() -> None:
    """Nobody outside this machine, or Pod, reaches the endpoint."""
    async with an_endpoint() as (endpoint, _):
        with endpoint.serving([SERVED]) as service:
            host = service.operands[0].split(":")[0]

    assert "127.0.0.1" == host


async def test_a_closed_endpoint_answers_nothing() -> None:
    """After the end the port is free."""
    async with an_endpoint() as (endpoint, session):
        with endpoint.serving([SERVED]) as service:
            root = root_of(service)
        await endpoint.close()
        with pytest.raises(aiohttp.ClientConnectorError):
            await status(session, root)
