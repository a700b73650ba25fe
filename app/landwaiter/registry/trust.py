"""Which certificate authorities are trusted for which registry."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from landwaiter.errors import RegistryUnavailable
from landwaiter.registry.settings import RegistrySettings


@dataclass(frozen=True, slots=True)
class _Loaded:
    state: tuple[int, int]
    context: ssl.SSLContext


class TrustStore:
    """
    TLS contexts by host: the system's authorities, and those of the host's CA file.

    A CA file is read again when its time or size has changed, so that a rotated authority is
    trusted without a restart. While the new file does not load, the last good one stays.
    One context a file is kept; files are only those of the settings.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._system = ssl.create_default_context()
        self._by_file: dict[Path, _Loaded] = {}

    def context(self, host: str) -> ssl.SSLContext:
        """
        Return the context for connections to a host[:port].

        Raises `RegistryUnavailable` when the host's CA file has never been readable.
        """
        path = self._settings.of(host).ca_file
        if path is None:
            return self._system
        loaded = self._by_file.get(path)
        try:
            status = path.stat()
            state = (status.st_mtime_ns, status.st_size)
            if loaded is None or loaded.state != state:
                context = ssl.create_default_context()
                context.load_verify_locations(cafile=path)
                loaded = self._by_file[path] = _Loaded(state, context)
        except OSError as error:  # Also ssl.SSLError.
            if loaded is None:
                raise RegistryUnavailable(
                    f"the CA file {str(path)!r} of {host} cannot be used: {error}"
                ) from error
        return loaded.context
