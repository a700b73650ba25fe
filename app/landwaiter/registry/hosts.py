"""
Which host serves a registry, and which registries can be asked at all.

The grammar of image names lets registries pass that are no address: `registry.example:99999`,
`[:::]`, `127.1`, a label of seventy letters. They stand in the name alone, so they are refused as
the image's own fault; taken for a fault of the network they would be let through under
`failurePolicy: Ignore`, at the choice of whoever writes the Pod.

Source: RFC 1035 (2.3.4) for names; the URL standard for names that end in a number.
"""

import ipaddress
import re
from typing import Final

from landwaiter.errors import ContentMalformed

NAME_MAX_CHARACTERS: Final = 253
LABEL_MAX_CHARACTERS: Final = 63
PORTS: Final = range(1, 65536)

DOCKER_HUB_API: Final = "registry-1.docker.io"
_DOCKER_HUB_NAMES: Final = frozenset({"docker.io", "index.docker.io", DOCKER_HUB_API})

_PARTS: Final = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<name>[^:]*))(?::(?P<port>[0-9]+))?")
_NUMBER: Final = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


def api_host(registry: str) -> str:
    """Return the host[:port] that serves a registry's API, in the spelling that is compared."""
    host = registry.lower().removesuffix(":443")
    return DOCKER_HUB_API if host in _DOCKER_HUB_NAMES else host


def check_can_be_asked(registry: str) -> None:
    """Raise `ContentMalformed` for a registry that no request can be sent to, whoever runs it."""
    parts = _PARTS.fullmatch(registry)
    if parts is None or not _is_host(parts["v6"], parts["name"]):
        wanted = "a name of DNS, or an address of IPv4 or in brackets of IPv6"
    elif parts["port"] is not None and int(parts["port"]) not in PORTS:
        wanted = f"a port of {PORTS.start} to {PORTS[-1]}"
    else:
        return
    raise ContentMalformed(f"no registry can be asked at {registry:.300}; {wanted} is wanted")


def _is_host(address: str | None, name: str) -> bool:
    try:
        if address is not None:
            ipaddress.IPv6Address(address)
            return True
        *_, last = labels = name.split(".")
        if _NUMBER.fullmatch(last):
            ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return len(name) <= NAME_MAX_CHARACTERS and all(
        0 < len(label) <= LABEL_MAX_CHARACTERS for label in labels
    )
