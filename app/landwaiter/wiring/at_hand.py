"""
Has what signatures are judged with read while a tag is still being resolved.

What was read is remembered where it comes from, so whoever needs it a moment later finds it there.
"""

from landwaiter.rules.protocol import Inquiry
from landwaiter.rules.signing_authority import AuthorityAtHand
from landwaiter.wiring.keychains import PullSecretReader
from landwaiter.wiring.trust import AuthorityReader, at_once


class AuthoritiesAtHand:
    """Reads an authority and the workload's credentials at the same time."""

    def __init__(self, authorities: AuthorityReader, reader: PullSecretReader) -> None:
        self._authorities = authorities
        self._reader = reader

    async def answer(self, question: AuthorityAtHand, inquiry: Inquiry) -> bool:
        """Return whether both are there. Raises `Unavailable` where one of them is not."""
        await at_once(
            self._authorities.authority(question.authority, deadline=inquiry.deadline),
            self._reader.keychain(inquiry),
        )
        return True
