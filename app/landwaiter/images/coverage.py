"""
How patterns relate to one another: whether one covers another, or has nothing in common with it.

The answers are for hints to people, never for verdicts. True is proven; False may only mean that
it was not.
"""

from typing import Final

from landwaiter.images.glob import Glob
from landwaiter.images.patterns import (
    EVERYTHING,
    HostPattern,
    ImagePattern,
    PatternParts,
    TagPattern,
)

_ANY_PATH: Final = (Glob(EVERYTHING, separator="/"),)


def covers(wide: ImagePattern, narrow: ImagePattern) -> bool:
    """Return whether the first certainly matches every reference that the second one matches."""
    one, other = wide.parts, narrow.parts
    if one.host is None or other.host is None:
        return one.host is None
    return (
        _host_covers(one.host, other.host)
        and _path_covers(one.path, other.path)
        and _content_covers(one, other)
    )


def covers_tags(wide: TagPattern, narrow: TagPattern) -> bool:
    """Return whether the first certainly matches every tag that the second one matches."""
    return wide.glob.covers(narrow.glob)


def are_apart(one: ImagePattern, other: ImagePattern) -> bool:
    """Return whether certainly no reference is matched by both."""
    first, second = one.parts, other.parts
    if first.host is None or second.host is None:
        return False
    if _hosts_are_apart(first.host, second.host):
        return True
    mine, theirs = _beginning(first.path), _beginning(second.path)
    return not (mine.startswith(theirs) or theirs.startswith(mine))


def _host_covers(one: HostPattern, other: HostPattern) -> bool:
    if other.glob is None:
        return one.matches(other.name, other.port)
    return one.port == other.port and one.glob is not None and one.glob.covers(other.glob)


def _hosts_are_apart(one: HostPattern, other: HostPattern) -> bool:
    if one.port != other.port:
        return True
    if other.glob is None:
        return not one.matches(other.name, other.port)
    return one.glob is None and not other.matches(one.name, one.port)


def _content_covers(one: PatternParts, other: PatternParts) -> bool:
    """Compare what comes behind the path; a pattern with a tag leaves out names with digest."""
    if one.digest is not None:
        return one.digest == other.digest
    if one.tag is not None:
        return other.tag is not None and covers_tags(one.tag, other.tag)
    return True


def _path_covers(one: str | tuple[Glob, ...], other: str | tuple[Glob, ...]) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one in ("", other) or other.startswith(f"{one}/")
    return all(any(a.covers(b) for a in _globs(one)) for b in _globs(other))


def _globs(path: str | tuple[Glob, ...]) -> tuple[Glob, ...]:
    """Return a path as globs that together match what it covers."""
    if isinstance(path, tuple):
        return path
    return tuple(Glob(f"{path}{end}", separator="/") for end in ("", "/**")) if path else _ANY_PATH


def _beginning(path: str | tuple[Glob, ...]) -> str:
    """Return the characters with which everything that the path covers begins."""
    text = path if isinstance(path, str) else path[0].text
    return text.partition("*")[0]
