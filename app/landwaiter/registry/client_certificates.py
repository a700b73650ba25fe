"""The certificates that we show to registries which want to know who asks."""

import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from landwaiter.errors import InvalidInput

_NO_PASSWORD: Final = ""
"""OpenSSL would ask on the terminal for the password of an encrypted key."""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Files in PEM: a certificate, with those between it and an authority, and its private key."""

    certificate: Path
    key: Path

    def load_into(self, context: ssl.SSLContext) -> None:
        """
        Have it shown by the connections of a context. Raises `InvalidInput`, which quotes neither.

        A key that everybody on the machine can read is not used.
        """
        try:
            mode = self.key.stat().st_mode
            if mode & stat.S_IRWXO:
                raise InvalidInput(
                    f"clientKey: everybody may read or write {str(self.key)!r} "
                    f"({stat.S_IMODE(mode):o}), a file with mode 600, 440 or the like is wanted"
                )
            context.load_cert_chain(self.certificate, self.key, password=_NO_PASSWORD)
        except OSError as problem:  # Also ssl.SSLError.
            raise InvalidInput(
                f"clientCertificate: {str(self.certificate)!r} and {str(self.key)!r} cannot be "
                f"used together: {problem.strerror or problem}"
            ) from problem


def check_client_certificate(certificate: ClientCertificate) -> None:
    """Raise `InvalidInput` where the files cannot be used."""
    certificate.load_into(ssl.create_default_context())
