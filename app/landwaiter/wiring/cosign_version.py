"""Which cosign verifies: what was verified by another version is not relied on."""

from typing import Protocol

from landwaiter.deadline import Deadline


class CosignVersion(Protocol):
    """Tells which cosign verifies."""

    async def __call__(self, *, deadline: Deadline) -> str:
        """Return its version. Raises `CosignUnavailable`."""
        ...
