"""
A tiny read-only registry on loopback, from which cosign reads what we fetched, and nothing else.

It knows four things of the OCI distribution protocol: the version check, manifests, blobs and
referrers, all from memory. Each run has a prefix that cannot be guessed and that holds for this
run alone, so that nobody else on the loopback interface can read another namespace's signatures
or be taken for the endpoint (a process that does not hold the port cannot answer on it).

What was asked for and what was answered is recorded: a non-zero exit of cosign is a verdict only
about an image whose signatures it was given completely.

cosign first tries TLS, as with every registry. The answer to that is a 400, which it takes, on
loopback, as the sign to go on without.

Only the lower half of aiohttp's server is used: applications and routes of its upper half
would be loaded for nothing.

Source: OCI distribution specification 1.1.0; go-containerregistry v0.21.7,
pkg/v1/remote/transport/ping.go.
"""

import asyncio
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server

from landwaiter.cosign.documents import ServedRepository
from landwaiter.cosign.outcome import AskedImage
from landwaiter.images.reference import ImageReference

PREFIX_BYTES = 16
"""128 random bits cannot be guessed."""

LINE_MAX_BYTES = 1024
"""A path has a prefix of 32 digits and a digest of 71 characters: 150 in all."""

CLOSE_SECONDS = 1.0
"""How long open connections are waited for; runs have ended before the endpoint is closed."""


@dataclass(slots=True)
class _Served:
    """One image of one run, and what has been asked of it."""

    subject: ImageReference
    operand: str
    repository: ServedRepository
    times_listed: int = 0
    missed: bool = False
    under_way: int = 0


class Service:
    """The images that are served to one run; holds until its context is left."""

    def __init__(self, images: Sequence[_Served]) -> None:
        self._images = images

    @property
    def operands(self) -> tuple[str, ...]:
        """What cosign has to be asked about, in order."""
        return tuple(image.operand for image in self._images)

    def asked(self) -> tuple[AskedImage, ...]:
        """Return what has been asked about each image so far, in order."""
        return tuple(
            AskedImage(
                image.subject,
                image.operand,
                times_listed=image.times_listed,
                complete=not image.missed and not image.under_way,
            )
            for image in self._images
        )


class LoopbackEndpoint:
    """Serves signatures to the runs of this process. Its state is used on one event loop only."""

    def __init__(self) -> None:
        self._runs: dict[str, tuple[_Served, ...]] = {}
        self._port = 0
        self._server: Server | None = None
        self._listener: asyncio.Server | None = None

    async def open(self) -> None:
        """Begin to listen on a port of 127.0.0.1 that the system chooses. Raises `OSError`."""
        self._server = Server(
            self._answer,
            access_log=None,
            max_line_size=LINE_MAX_BYTES,
            auto_decompress=False,
            lingering_time=0,
        )
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._server, "127.0.0.1", 0)
        self._port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._listener is not None:
            self._listener.close()
        if self._server is not None:
            self._server.pre_shutdown()
            await self._server.shutdown(CLOSE_SECONDS)

    @contextmanager
    def serving(
        self, images: Sequence[tuple[ImageReference, ServedRepository]]
    ) -> Iterator[Service]:
        """Serve these images, whose references have digests, under a prefix of their own."""
        prefix = secrets.token_hex(PREFIX_BYTES)
        served = tuple(
            _Served(subject, self._operand(prefix, number, subject), repository)
            for number, (subject, repository) in enumerate(images)
        )
        self._runs[prefix] = served
        try:
            yield Service(served)
        finally:
            del self._runs[prefix]

    def _operand(self, prefix: str, number: int, subject: ImageReference) -> str:
        return f"127.0.0.1:{self._port}/{prefix}/{number}@{subject.digest}"

    async def _answer(self, request: BaseRequest) -> StreamResponse:
        if request.method != "GET":
            return Response(status=405)
        if request.path == "/v2/":
            return Response()
        match request.path.split("/", 4):
            case ["", "v2", prefix, number, path] if (
                (run := self._runs.get(prefix)) is not None
                and number.isascii()
                and number.isdecimal()
                and int(number) < len(run)
            ):
                return await _deliver(request, run[int(number)], path)
        return Response(status=404)


async def _deliver(request: BaseRequest, image: _Served, path: str) -> StreamResponse:
    """Answer, and record whether cosign got the whole of what it asked for."""
    document = image.repository.documents.get(path)
    is_list = path in {image.repository.listing, image.repository.absent}
    if document is None:
        image.missed |= not is_list
        image.times_listed += is_list
        return Response(status=404)
    response = Response(
        body=document.content,
        headers={"Content-Type": document.media_type, "Docker-Content-Digest": document.digest},
    )
    image.under_way += 1
    try:
        await response.prepare(request)
        await response.write_eof()
    except (ConnectionError, asyncio.CancelledError):
        image.missed = True
        raise
    finally:
        image.under_way -= 1
    image.times_listed += is_list
    return response
