"""Servers of the tests' own process, each answering in a thread."""

from socketserver import BaseServer
from threading import Thread
from types import TracebackType
from typing import Self

POLL_SECONDS = 0.05
END_SECONDS = 10.0


class InAThread:
    """A server that is bound already; it answers from `with` or `start` to `stop`."""

    def __init__(self, server: BaseServer) -> None:
        self._answering = server
        self._thread = Thread(target=server.serve_forever, kwargs={"poll_interval": POLL_SECONDS})

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stop answering and free the port."""
        self._answering.shutdown()
        self._thread.join(timeout=END_SECONDS)
        self._answering.server_close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
