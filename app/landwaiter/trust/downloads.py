"""
Downloads the files of a repository, within limits of size, silence and time.

The library knows what a file must be and how large it may get; here is how it is fetched: over
https, by HTTP only where the admin has named the host so, without redirects, and never for longer
than one refresh may take.
"""

import ssl
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Final

from tuf.api.exceptions import DownloadError, DownloadHTTPError
from tuf.ngclient.fetcher import FetcherInterface
from urllib3 import BaseHTTPResponse, PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from landwaiter.trust.hosts import HostSettings

CONNECT_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 5.0
PIECE_BYTES: Final = 65_536
_RETRIES: Final = Retry(2, redirect=False, backoff_factor=0.2, status_forcelist=(502, 503, 504))


class Downloads(FetcherInterface):
    """
    Gets files until an instant on the monotonic clock, or until it `is_ended`.

    To be used in one thread at a time.
    """

    def __init__(
        self, host: HostSettings, *, until_seconds: float, is_ended: Callable[[], bool]
    ) -> None:
        self._host = host
        self._until_seconds = until_seconds
        self._is_ended = is_ended
        context = ssl.create_default_context()
        if host.ca_file is not None:
            context.load_verify_locations(host.ca_file)
        self._pool = PoolManager(ssl_context=context, retries=_RETRIES)

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def _fetch(self, url: str) -> Iterator[bytes]:
        if parse_url(url).scheme != "https" and not self._host.plain_http:
            raise DownloadError(
                f"{url} is asked over https only, or by HTTP where its host is named so"
            )
        self._check_time(url)
        answer = self._pool.request(
            "GET",
            url,
            preload_content=False,
            decode_content=False,
            redirect=False,
            timeout=Timeout(connect=CONNECT_SECONDS, read=SILENCE_SECONDS),
        )
        if answer.status != HTTPStatus.OK:
            answer.release_conn()
            raise DownloadHTTPError(f"{url} answered {answer.status}", answer.status)
        return self._pieces(url, answer)

    def _pieces(self, url: str, answer: BaseHTTPResponse) -> Iterator[bytes]:
        try:
            while piece := answer.read1(PIECE_BYTES):
                self._check_time(url)
                yield piece
        except HTTPError as cause:
            # What goes wrong before the first piece, the library tells as this itself.
            raise DownloadError(f"{url} was cut: {cause}") from cause
        finally:
            answer.close()

    def _check_time(self, url: str) -> None:
        if self._is_ended() or time.monotonic() >= self._until_seconds:
            raise DownloadError(f"{url} took too long")
