"""
Leads connections to Services on to Pods, for an API server that is not in their network.

The API server asks by `CONNECT`, through a socket in the file system, as it does where its network
is another than that of the Pods (EgressSelectorConfiguration). Which Pods a Service has is read
from the API for each connection, as it is then: of all that are ready, or else of those that still
serve while they end.

Source: kubernetes.io/docs/tasks/extend-kubernetes/setup-konnectivity, and k8s.io/apiserver v0.36,
pkg/server/egressselector.
"""

import asyncio
import itertools
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

CHUNK_BYTES = 65_536
HEAD_MAX_BYTES = 8_192

Read = Callable[[str], Mapping[str, Any] | None]


def write_egress_configuration(file: Path, socket: Path) -> None:
    """Write the file that makes an API server reach Services through a socket."""
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": str(socket)}}}
    document = {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }
    file.write_text(json.dumps(document, indent=2), encoding="utf-8")


class ServiceProxy:
    """
    Listens on a socket in a thread of its own, for as long as its process lives.

    `read` returns an object of the API; `addresses` has for each Pod's address one of loopback.
    """

    def __init__(self, socket: Path, read: Read, addresses: Mapping[str, str]) -> None:
        self._socket = socket
        self._read = read
        self._addresses = addresses
        self._turn = itertools.count()

    def start(self) -> None:
        """Begin to listen; return when it does."""
        listening = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(listening)), daemon=True)
        thread.start()
        listening.wait()

    async def _serve(self, listening: threading.Event) -> None:
        server = await asyncio.start_unix_server(self._accept, self._socket)
        listening.set()
        await server.serve_forever()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            head = await reader.readuntil(b"\r\n\r\n")
            target = head[:HEAD_MAX_BYTES].split()[1].decode()
            pod = await self._reached(target)
            if pod is None:
                writer.write(b"HTTP/1.1 503 Service Unavailable\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                await asyncio.gather(_forward(reader, pod[1]), _forward(pod[0], writer))
        writer.close()

    async def _reached(
        self, target: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        host, _, port = target.rpartition(":")
        places = await asyncio.to_thread(lambda: list(self._places(host, int(port))))
        for index in range(len(places)):
            address, target_port = places[(next(self._turn) + index) % len(places)]
            with suppress(OSError):
                return await asyncio.open_connection(self._addresses[address], target_port)
        return None

    def _places(self, cluster_ip: str, port: int) -> Iterator[tuple[str, int]]:
        """Yield address and port of every Pod behind a Service."""
        for service in _items(self._read("/api/v1/services")):
            if service["spec"].get("clusterIP") != cluster_ip:
                continue
            names = {each.get("name") for each in service["spec"]["ports"] if each["port"] == port}
            metadata = service["metadata"]
            slices = (
                f"/apis/discovery.k8s.io/v1/namespaces/{metadata['namespace']}/endpointslices"
                f"?labelSelector=kubernetes.io/service-name={metadata['name']}"
            )
            found = [
                (endpoint, each["port"])
                for one in _items(self._read(slices))
                for endpoint in one.get("endpoints") or ()
                for each in one.get("ports") or ()
                if each.get("name") in names
            ]
            ready = [each for each in found if each[0]["conditions"].get("ready")]
            for endpoint, number in ready or [
                each for each in found if each[0]["conditions"].get("serving")
            ]:
                yield endpoint["addresses"][0], number


def _items(answer: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return (answer or {}).get("items") or []


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()
