"""
How the kubelet reads the keys of a docker config, and which images such a key covers.

A key is no plain host name: the kubelet puts it through Go's URL parser twice (once when it
files the key, once for every comparison) and compares host parts with Go's file name globs.
Odd keys therefore match in odd ways, and a key that Go cannot parse is dropped in silence. This
module gives the same answers, so that `pullSecrets` neither promises nor denies a pull wrongly.

Source: `Add`, `SplitURL` and `URLsMatch` in pkg/credentialprovider/keyring.go of Kubernetes
1.36.3; `parse`, `parseHost` and `unescape` in net/url/url.go, `SplitHostPort` in net/ipsock.go
and `Match` in path/filepath/match.go of Go 1.26.8.
"""

import ipaddress
import re
import string
from dataclasses import dataclass
from typing import Final

_PLAIN: Final = re.compile(
    r"(?P<host>[A-Za-z0-9*.-]+(?::[0-9]*)?)(?P<path>(?:/[A-Za-z0-9*._~/-]*)?)", re.ASCII
)
"""What nearly all keys look like; Go changes nothing in them."""

_HOST_BYTES: Final = frozenset(
    (string.ascii_letters + string.digits + "-_.~!$&'()*+,;=:[]<>\"").encode()
)
_USERINFO: Final = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*", re.ASCII)
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})")
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ASCII_ESCAPE: Final = re.compile(rb"%(?!25)[0-7]")
_PORT: Final = re.compile(r"(?::[0-9]*)?", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class _NotParsed(ValueError):
    """Go's parser reports an error."""


@dataclass(frozen=True, slots=True)
class KeyURL:
    """What takes part in a match, unescaped; `name` is the host without its port."""

    name: str
    port: str
    path: str


@dataclass(frozen=True, slots=True)
class FiledKey:
    """
    A key as the kubelet files it: the text that decides the order, and what it is matched as.

    `url` is None where Go cannot parse the filed text again; such a key matches nothing.
    """

    text: str
    url: KeyURL | None


def parse_schemeless(text: str) -> KeyURL | None:
    """Return what Go makes of `https://` followed by the text, None where it reports an error."""
    parsed = _parsed(text)
    return None if parsed is None else _key_url(*parsed)


def file_key(key: str) -> FiledKey | None:
    """
    Return how the kubelet files a key, None where it drops the key.

    A scheme is dropped, and so is a leading `/v1/` or `/v2/` of the path: Docker Hub's key
    `https://index.docker.io/v1/` is filed as `index.docker.io`.
    """
    for scheme in ("https://", "http://"):
        if key.startswith(scheme):
            key = key.removeprefix(scheme)
            break
    parsed = _parsed(key)
    if parsed is None:
        return None
    host, path = parsed
    if path.startswith(("/v2/", "/v1/")):
        path = path[3:]
    if path == "/":
        path = ""
    if _PLAIN.fullmatch(key):  # Nothing was unescaped, so parsing it again changes nothing.
        return FiledKey(host + path, _key_url(host, path))
    return FiledKey(host + path, parse_schemeless(host + path))


def is_glob(name: str) -> bool:
    """Say whether a key's host can match another host than itself."""
    return "*" in name or "[" in name


def host_matches(name: str, image_name: str) -> bool:
    """Say whether a key's host matches an image's: as many parts, each matching as a glob."""
    parts = name.split(".")
    image_parts = image_name.split(".")
    return len(parts) == len(image_parts) and all(map(_glob_matches, parts, image_parts))


def _parsed(text: str) -> tuple[str, str] | None:
    """Return host and path, None where Go reports an error."""
    if plain := _PLAIN.fullmatch(text):
        return plain["host"], plain["path"]
    try:
        return _parse(text)
    except _NotParsed:
        return None


def _key_url(host: str, path: str) -> KeyURL:
    return KeyURL(*_split_host(host), path)


def _parse(text: str) -> tuple[str, str]:
    rest, _, fragment = text.partition("#")
    if _CONTROL.search(rest):
        raise _NotParsed("control character")
    _unescape(fragment)
    authority, slash, path = rest.partition("?")[0].partition("/")
    userinfo, at, host = authority.rpartition("@")
    if at:
        if not _USERINFO.fullmatch(userinfo):
            raise _NotParsed("user")
        _unescape(userinfo)
    return _parse_host(host), _unescape(slash + path)


def _parse_host(host: str) -> str:
    bracket = host.rfind("[")
    if bracket > 0:
        raise _NotParsed("bracket")
    if bracket == 0:
        return _parse_ip_literal(host)
    if (colon := host.find(":")) >= 0 and not _PORT.fullmatch(host[colon:]):
        raise _NotParsed("port")
    return _unescape_host(host)


def _parse_ip_literal(host: str) -> str:
    name, closing, port = host[1:].rpartition("]")
    if not closing or not _PORT.fullmatch(port):
        raise _NotParsed("IP literal")
    address, zone_mark, zone = name.partition("%25")
    unescaped = _unescape_host(address) + _unescape(zone_mark + zone)
    try:
        ipaddress.IPv6Address(unescaped)
    except ValueError as error:
        raise _NotParsed("IP literal") from error
    return f"[{unescaped}]{port}"


def _unescape_host(host: str) -> str:
    raw = _encoded(host)
    if _ASCII_ESCAPE.search(raw):
        raise _NotParsed("escape in host")
    if any(byte < 0x80 and byte not in _HOST_BYTES for byte in raw.replace(b"%", b"")):  # noqa: PLR2004
        raise _NotParsed("character in host")
    return _unescape(host)


def _unescape(text: str) -> str:
    raw = _encoded(text)
    if _BAD_ESCAPE.search(raw):
        raise _NotParsed("escape")
    decoded = _ESCAPE.sub(lambda escape: bytes([int(escape[1], 16)]), raw)
    return decoded.decode("utf-8", "surrogateescape")


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise _NotParsed("text") from error


def _split_host(host: str) -> tuple[str, str]:
    """Return host and port; all of it is the host where Go's SplitHostPort reports an error."""
    name, colon, port = host.rpartition(":")
    if not colon:
        return host, ""
    if name.startswith("["):
        if host.find("]") != len(name) - 1:
            return host, ""
        name = name[1:-1]
    elif ":" in name:
        return host, ""
    if "[" in name or "]" in name:
        return host, ""
    return name, port


def _glob_matches(pattern: str, part: str) -> bool:
    """
    Match one host part as filepath.Match does, in time linear in both.

    Besides `*`, a host that Go parsed can only hold the brackets of an address without port,
    which the glob takes for a set of characters.
    """
    if pattern.startswith("["):
        return (
            pattern.endswith("]")
            and "%" not in pattern
            and len(part) == 1
            and part in pattern[1:-1]
        )
    first, *middle = pattern.split("*")
    if not middle:
        return pattern == part
    last = middle.pop()
    if not part.startswith(first) or not part.endswith(last) or len(part) < len(first + last):
        return False
    position, end = len(first), len(part) - len(last)
    for piece in middle:
        found = part.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True
