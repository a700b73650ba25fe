"""How the host of a repository is reached."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class HostSettings:
    """How a host is reached: `ca_file` has authorities besides the system's."""

    plain_http: bool = False
    ca_file: Path | None = None


def unnamed(_host: str) -> HostSettings:
    """Return what holds for a host that nobody has named."""
    return HostSettings()
