"""
A name server on loopback that knows every name of one domain, and can fall silent.

It answers A with 127.0.0.1, AAAA with nothing, and everything else with NXDOMAIN. It has an address
of loopback of its own, for resolvers ask port 53 alone; that needs root.

Source: RFC 1035, section 4.1.
"""

import contextlib
import ipaddress
import random
import socket
import struct
import threading
from types import TracebackType
from typing import Self

PORT = 53
TRIES = 20
MESSAGE_MAX_BYTES = 512
LOOK_SECONDS = 0.1
"""How often the thread looks whether it should end."""
HEADER = struct.Struct("!6H")
ANSWERED, NO_SUCH_NAME = 0x8180, 0x8183
A = 1
POINTER_TO_QUESTION = 0xC00C
LOOPBACK = ipaddress.IPv4Address("127.0.0.1").packed


class NameServer:
    """The server, from `with` to its end; `is_silent` may be set at any time."""

    def __init__(self, domain: str) -> None:
        self.is_silent = False
        self._ending = domain.encode()
        self._is_ended = False
        self._socket, self.address = _bound()
        self._socket.settimeout(LOOK_SECONDS)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while not self._is_ended:
            with contextlib.suppress(TimeoutError):
                message, caller = self._socket.recvfrom(MESSAGE_MAX_BYTES)
                if not self.is_silent and (answer := self._answer(message)):
                    self._socket.sendto(answer, caller)

    def _answer(self, message: bytes) -> bytes:
        number, _, questions, *_ = HEADER.unpack_from(message)
        if questions != 1:
            return b""
        labels, end = [], HEADER.size
        while size := message[end]:
            labels.append(message[end + 1 : end + 1 + size])
            end += 1 + size
        question = message[HEADER.size : end + 5]
        if not b".".join(labels).endswith(self._ending):
            return HEADER.pack(number, NO_SUCH_NAME, 1, 0, 0, 0) + question
        if struct.unpack_from("!H", message, end + 1)[0] != A:
            return HEADER.pack(number, ANSWERED, 1, 0, 0, 0) + question
        record = struct.pack("!HHHIH", POINTER_TO_QUESTION, A, 1, 0, len(LOOPBACK)) + LOOPBACK
        return HEADER.pack(number, ANSWERED, 1, 1, 0, 0) + question + record

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_ended = True
        self._thread.join(10)
        self._socket.close()


def _bound() -> tuple[socket.socket, str]:
    """Return a socket on an address of loopback whose port 53 nobody else has."""
    for _ in range(TRIES):
        address = str(ipaddress.IPv4Address(random.randint(0x7F010001, 0x7FFFFFFE)))  # noqa: S311
        candidate = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            candidate.bind((address, PORT))
        except OSError:
            candidate.close()
        else:
            return candidate, address
    raise OSError(f"no port {PORT} could be had on loopback")
