"""
The folder outside the tree that keeps what was built, and its locks.

`LANDWAITER_CACHE`, else `$XDG_CACHE_HOME/landwaiter`, else `~/.cache/landwaiter`. Anything in it
may be deleted at any time; it is then made again. What lies under a final name is complete: it was
made under another name and renamed.
"""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_POLL_SECONDS = 0.2
LOCK_SECONDS = 3600.0
"""The longest build, of a whole API server on one slow core, with room."""


class CacheError(Exception):
    """The cache folder cannot be used; the message says why and what to do."""


def cache_folder() -> Path:
    """Return the cache folder, which need not exist yet."""
    if given := os.environ.get("LANDWAITER_CACHE"):
        return Path(given).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "landwaiter"


@contextmanager
def locked(key: str, *, on_wait: Callable[[], None]) -> Iterator[None]:
    """
    Hold the lock of a cache entry against other processes; the kernel frees it if a holder dies.

    `on_wait` is called again and again while another holds it. Raises `CacheError` after an hour.
    """
    file = cache_folder() / "locks" / key
    file.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_SECONDS
    with file.open("w") as handle:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > deadline:
                raise CacheError(f"{file}: another process holds it for over {LOCK_SECONDS:.0f} s")
            on_wait()
            time.sleep(LOCK_POLL_SECONDS)
        yield


@contextmanager
def made_whole(final: Path) -> Iterator[Path]:
    """
    Give a folder to fill, which becomes `final` when the block ends well and vanishes otherwise.

    The caller holds the lock of `final`; what an earlier holder left unfinished is removed.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    for remains in final.parent.glob(f".{final.name}.*"):
        shutil.rmtree(remains)
    unfinished = final.with_name(f".{final.name}.{os.getpid()}")
    unfinished.mkdir()
    try:
        yield unfinished
        unfinished.rename(final)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def require_free(folder: Path, needed_mib: int, *, what: str) -> None:
    """Raise `CacheError` unless the disk that holds the folder, made if missing, has that much."""
    folder.mkdir(parents=True, exist_ok=True)
    free_mib = shutil.disk_usage(folder).free // 2**20
    if free_mib < needed_mib:
        raise CacheError(
            f"{what}: about {needed_mib} MiB are needed on the disk of {folder}, "
            f"{free_mib} MiB are free; make room, or have LANDWAITER_CACHE, GOCACHE and "
            "GOMODCACHE name folders on another disk"
        )
