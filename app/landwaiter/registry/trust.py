"""Which certificate authorities are trusted for which registry, and who we are to it."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from landwaiter.errors import InvalidInput, RegistryUnavailable
from landwaiter.registry.client_certificates import ClientCertificate
from landwaiter.registry.settings import HostSettings, RegistrySettings

_Files = tuple[Path | None, ClientCertificate | None]
_State = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Loaded:
    state: _State
    context: ssl.SSLContext


class TrustStore:
    """
    TLS contexts by host: the system's authorities and those of the host's CA file, our certificate.

    Files are read again when the time or size of one has changed, so that what is rotated counts
    without a restart. While the new ones do not load, the last good ones stay. One context is kept
    for files that go together; files are only those of the settings. Our certificate is shown to
    the host of its entry alone, for no other has a context with it.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._system = ssl.create_default_context()
        self._by_files: dict[_Files, _Loaded] = {}

    def context(self, host: str) -> ssl.SSLContext:
        """
        Return the context for connections to a host[:port].

        Raises `RegistryUnavailable` when the host's files have never been readable.
        """
        settings = self._settings.of(host)
        files = (settings.ca_file, settings.client)
        if files == (None, None):
            return self._system
        loaded = self._by_files.get(files)
        try:
            state = _state(settings)
            if loaded is None or loaded.state != state:
                loaded = self._by_files[files] = _Loaded(state, _context(settings))
        except OSError as error:  # Also ssl.SSLError.
            if loaded is None:
                raise RegistryUnavailable(
                    f"the CA file {str(settings.ca_file)!r} of {host} cannot be used: {error}"
                ) from error
        except InvalidInput as error:
            if loaded is None:
                raise RegistryUnavailable(f"{host}: {error}") from error
        return loaded.context


def _state(settings: HostSettings) -> _State:
    client = settings.client
    files = (settings.ca_file, *((client.certificate, client.key) if client else ()))
    stats = (file.stat() for file in files if file is not None)
    return tuple((each.st_mtime_ns, each.st_size) for each in stats)


def _context(settings: HostSettings) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if settings.ca_file is not None:
        context.load_verify_locations(cafile=settings.ca_file)
    if settings.client is not None:
        settings.client.load_into(context)
    return context
