"""
Fetches what is beside an image once for all authorities that ask about it at that time.

A fetch goes on within the limit of whoever asked first. What it gave is held by those who judge it,
and by nobody else. Who comes while somebody does, having waited for a place, judges the same: it is
then no older than the two minutes that a verification may take.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakValueDictionary

from landwaiter.cosign.failure import Failure
from landwaiter.cosign.fetching import beside
from landwaiter.cosign.flights import Flights
from landwaiter.cosign.material import SignatureMaterial
from landwaiter.cosign.pieces import Keychain
from landwaiter.deadline import Deadline
from landwaiter.errors import DeadlineExceeded, ImageProblem, Unavailable
from landwaiter.images.reference import ImageReference


class SharedMaterial:
    """
    What is being fetched; at most `limit` of it. Owns its tasks: `close` ends them.

    Used on one event loop only, so it needs no lock.
    """

    def __init__(self, limit: int) -> None:
        self._flights: Flights[tuple[Any, ...], SignatureMaterial | Failure] = Flights(limit)
        self._held: WeakValueDictionary[tuple[Any, ...], SignatureMaterial] = WeakValueDictionary()

    async def of(
        self,
        key: tuple[Any, ...],
        fetch: Callable[[], Awaitable[SignatureMaterial]],
        *,
        limit: Deadline,
    ) -> SignatureMaterial:
        """
        Return what is fetched for all who ask with the key meanwhile.

        The key says all that shapes the fetch: the image, where to look, the credentials. Raises
        what `fetch` raises, and `DeadlineExceeded` at the limit.
        """
        held = self._held.get(key)
        if held is not None:
            return held

        async def settled() -> SignatureMaterial | Failure:
            try:
                async with limit.timeout():
                    return await fetch()
            except TimeoutError:
                return Failure(DeadlineExceeded, "")
            except (ImageProblem, Unavailable) as error:
                return Failure.of(error)

        found = await self._flights.join(key, settled, deadline=limit)
        if isinstance(found, Failure):
            raise found.error()
        self._held[key] = found
        return found

    async def close(self) -> None:
        """End all fetches that are under way."""
        await self._flights.close()


def credentials_of(
    keychain: Keychain, subject: ImageReference, repository: ImageReference | None
) -> str:
    """Return a text that differs where other credentials would be used for an image's material."""
    credentials = keychain.fingerprint(subject)
    if repository is not None:
        credentials += f" {keychain.fingerprint(beside(subject, repository))}"
    return credentials
