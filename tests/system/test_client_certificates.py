"""A registry behind a server that wants a client certificate, read to verify with real cosign."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from landwaiter.cluster.state import ClusterState
from landwaiter.errors import RegistryUnavailable
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from landwaiter.rules.cosign_signatures import SignatureQuestion
from landwaiter.rules.signing_authority import SigningAuthority
from landwaiter.wiring.outside import OutsideSettings, fact_source
from realparts.certificates import Authority
from realparts.install import ensure
from system.workshop import Workshop
from wiring.a_cluster import an_inquiry

READ_BYTES = 65_536


@asynccontextmanager
async def guarded(host: str, authority: Authority) -> AsyncIterator[str]:
    """Give the host[:port] of a server that lets whoever shows a certificate reach a registry."""
    pair = authority.issue_server("guard")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=authority.certificate)
    name, _, port = host.partition(":")

    async def let_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection(name, int(port))
        await asyncio.gather(relay(reader, behind_writer), relay(behind_reader, writer))

    server = await asyncio.start_server(let_in, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while arrived := await reader.read(READ_BYTES):
        writer.write(arrived)
        await writer.drain()
    writer.close()


async def is_verified(folder: Path, entry: dict[str, str], image: str, workshop: Workshop) -> bool:
    """Return whether the image carries a signature by the key of CI."""
    file = folder / "registries.yaml"
    file.write_text(json.dumps({"registries": [entry]}), encoding="utf-8")
    settings = OutsideSettings(file, str(ensure(["cosign3"])["cosign3"]))
    key = PublicKey.parse(workshop.ci.public.read_text("utf-8"))
    question = SignatureQuestion(ImageReference.parse(image), SigningAuthority("ci", key))
    async with fact_source(settings, policies=list, view=ClusterState()) as source:
        return (await source.answer(question, an_inquiry())).verified


async def test_what_is_read_with_a_client_certificate_is_verified(
    workshop: Workshop, authority: Authority, tmp_path: Path
) -> None:
    """
    Cosign itself speaks to no registry, so it needs none of it (semantics 12).

    Without the certificate it cannot be found out.
    """
    plain = workshop.plain
    names = [plain.images.make_image(f"guarded/{name}:1") for name in ("signed", "unsigned")]
    plain.signer.sign_with_cosign3(names[0], workshop.ci)
    pair = authority.issue_client("landwaiter")
    pair.key.chmod(0o600)
    async with guarded(plain.host, authority) as host:
        known = {"host": host, "caFile": str(authority.certificate)}
        shown = {"clientCertificate": str(pair.certificate), "clientKey": str(pair.key)}
        images = [name.replace(plain.host, host) for name in names]
        found = [
            await is_verified(tmp_path, {**known, **shown}, image, workshop) for image in images
        ]
        with pytest.raises(RegistryUnavailable):
            await is_verified(tmp_path, known, images[0], workshop)

    assert [True, False] == found
