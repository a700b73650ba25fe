"""
The list of what refers to a digest: whether there is one, its pages, and the fallback tag.

The list is found evidence, never missing evidence: leaving something out of it can only make a
signature be missed. So a registry that answers the API in a way that says "not here" is taken
to have none, and the fallback tag is read, as other clients do.

Source: OCI distribution specification 1.1.1, "Listing Referrers" and "Referrers Tag Schema".
"""

import re
from http import HTTPStatus
from typing import Final

from yarl import URL

from landwaiter.errors import ContentMalformed, RegistryUnavailable
from landwaiter.images.content import Descriptor
from landwaiter.registry.documents import OCI_INDEX, read_referrers
from landwaiter.registry.exchange import Reply
from landwaiter.registry.hosts import api_host
from landwaiter.registry.reading import Wanted

MAX_REFERRERS: Final = 1000
"""Signatures, attestations and the like of one image; each costs whoever verifies it a request."""

_TAG_CHARACTERS: Final = 64
"""Of the digest that go into the fallback tag, so that a sha512 fits into a tag."""

_NO_API: Final = frozenset({400, 404, 405, 406, 410, 501})
_NEXT: Final = re.compile(r'<([^<>]*)>[^,<>]*;\s*rel\s*=\s*"?next\b', re.IGNORECASE)


class ReferrerListing:
    """Collects the descriptors of the pages of one list, each digest once, up to the limit."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._found: dict[str, Descriptor] = {}

    def add(self, page: bytes) -> None:
        """Add a page; raises `ContentMalformed` when it is no index or goes over the limit."""
        for descriptor in read_referrers(page, self._what):
            self._found.setdefault(descriptor.digest, descriptor)
        if len(self._found) > MAX_REFERRERS:
            raise ContentMalformed(
                f"{self._what} has more than {MAX_REFERRERS} entries, which is the limit"
            )

    @property
    def descriptors(self) -> tuple[Descriptor, ...]:
        """What was found, in the order of the list."""
        return tuple(self._found.values())


def lists_referrers(reply: Reply) -> bool:
    """Say whether an answer comes from a registry that has the referrers API."""
    if reply.status == HTTPStatus.OK:
        return reply.media_type == OCI_INDEX
    return reply.status not in _NO_API


def fallback_tag(digest: str) -> str:
    """Return the tag that lists what refers to the digest, where there is no API."""
    algorithm, _, encoded = digest.partition(":")
    return f"{algorithm}-{encoded[:_TAG_CHARACTERS]}"


def next_path(reply: Reply, wanted: Wanted) -> str | None:
    """
    Return the path of the next page, below the repository, None after the last page.

    Only path and query are taken from the link, which names the scheme and host of a proxy's
    inside as often as not; they have to stay within the repository.
    """
    link = _NEXT.search(", ".join(reply.headers.getall("Link", ())))
    if link is None:
        return None
    prefix = f"/v2/{wanted.reference.repository}/"
    try:
        here = URL(f"https://registry.invalid{prefix}{wanted.path}", encoded=True)
        target = here.join(URL(link[1], encoded=True)).raw_path_qs
    except ValueError:
        target = ""
    if not target.startswith(f"{prefix}referrers/"):
        host = api_host(wanted.reference.registry)
        raise RegistryUnavailable(f"{wanted.what}: {host} continues it at another place")
    return target.removeprefix(prefix)
