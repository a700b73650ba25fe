"""
A network namespace in which every address is loopback: what is asked for is refused and counted.

To be used within what `isolated` returns. All addresses are routed to the loopback
interface, where nothing listens but what the process itself opens, so that each connection that
anybody tries comes by, the question for a name included.

Source: Linux man pages packet(7), rtnetlink(7), netdevice(7), read 2026-11.
"""

import fcntl
import os
import select
import shutil
import socket
import struct
import subprocess
from threading import Event, Thread
from types import TracebackType
from typing import Self

import pytest

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
RTM_NEWROUTE, NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE, NLMSG_ERROR = 24, 0x1, 0x4, 0x400, 0x2
RT_TABLE_LOCAL, RTPROT_STATIC, RT_SCOPE_HOST, RTN_LOCAL, RTA_OIF = 255, 4, 254, 2, 4
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x3, 0x0800, 0x86DD
PROTOCOL_TCP, PROTOCOL_UDP, TCP_SYN, TCP_ACK = 6, 17, 0x02, 0x10
ETHERNET_BYTES, IPV6_BYTES = 14, 40

Destination = tuple[str, int]

WAYS = (("--user", "--map-root-user", "--net"), ("--net",))
"""For anybody where namespaces of users are allowed, and for root where they are not."""


def isolated() -> list[str]:
    """
    Return what runs a command in a namespace of its own.

    Where that cannot be had, as without root where users may make none, a test is passed over; but
    for continuous integration, where nobody would notice.
    """
    unshare = shutil.which("unshare") or "unshare"
    for way in WAYS:
        command = [unshare, *way]
        try:
            if subprocess.run([*command, "true"], check=False, capture_output=True).returncode == 0:
                return command
        except OSError:
            break
    if os.environ.get("CI"):
        pytest.fail("network namespaces are needed to take the network away")
    pytest.skip("network namespaces are needed to take the network away")


def close() -> None:
    """Bring the loopback interface up, and send all there is to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14s", b"lo", 0, b"")
        flags = struct.unpack("16sH14s", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", flags | IFF_UP, b""))
    loopback = socket.if_nametoindex("lo")
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as netlink:
        for family in (socket.AF_INET, socket.AF_INET6):
            netlink.send(_local_route(family, loopback))
            _, kind, _, _, _, error = struct.unpack_from("=IHHIIi", netlink.recv(4096))
            if kind == NLMSG_ERROR and error:
                raise OSError(-error, "no route to loopback")


def _local_route(family: int, interface: int) -> bytes:
    route = struct.pack(
        "=BBBBBBBBI",
        *(family, 0, 0, 0, RT_TABLE_LOCAL, RTPROT_STATIC, RT_SCOPE_HOST, RTN_LOCAL, 0),
    )
    route += struct.pack("=HHI", 8, RTA_OIF, interface)
    flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE
    return struct.pack("=IHHII", 16 + len(route), RTM_NEWROUTE, flags, 1, 0) + route


class Watch:
    """The destinations of all connections and datagrams that are begun within the context."""

    def __init__(self) -> None:
        self.destinations: set[Destination] = set()
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._end = Event()
        self._thread = Thread(target=self._read)

    def _read(self) -> None:
        while not (self._end.is_set() and not self._readable(0)):
            if self._readable(0.05) and (seen := _begun(self._socket.recv(65_536))) is not None:
                self.destinations.add(seen)

    def _readable(self, seconds: float) -> bool:
        return bool(select.select([self._socket], [], [], seconds)[0])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._thread.join()
        self._socket.close()


def _begun(frame: bytes) -> Destination | None:
    """Return where a frame begins to talk to, None for answers and what goes on."""
    kind, packet = struct.unpack_from("!H", frame, 12)[0], frame[ETHERNET_BYTES:]
    if kind == ETH_P_IP:
        protocol, content = packet[9], packet[(packet[0] & 0xF) * 4 :]
        address = socket.inet_ntop(socket.AF_INET, packet[16:20])
    elif kind == ETH_P_IPV6:
        protocol, content = packet[6], packet[IPV6_BYTES:]
        address = socket.inet_ntop(socket.AF_INET6, packet[24:40])
    else:
        return None
    if protocol not in {PROTOCOL_TCP, PROTOCOL_UDP}:
        return None
    if protocol == PROTOCOL_TCP and content[13] & (TCP_SYN | TCP_ACK) != TCP_SYN:
        return None
    return address, struct.unpack_from("!H", content, 2)[0]
