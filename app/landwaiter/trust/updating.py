"""
Reads one target as its repository has it now, with the library that knows how that is done.

Source: The Update Framework 1.0.34, "Detailed client workflow"; python-tuf 7, tuf.ngclient.
"""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import Metadata
from tuf.ngclient.config import UpdaterConfig
from tuf.ngclient.updater import Updater

from landwaiter.trust.downloads import Downloads
from landwaiter.trust.hosts import HostSettings
from landwaiter.trusted_roots import ROOT_MAX_BYTES, TUFTarget

WORK_SECONDS: Final = 60.0
"""What one refresh may take: some ten files, each with its retries."""
_ROLES: Final = ("root", "timestamp", "snapshot", "targets")
_LIMITS: Final = UpdaterConfig(max_root_rotations=64, targets_max_length=1_000_000)


def current_content(
    target: TUFTarget, host: HostSettings, *, is_ended: Callable[[], bool]
) -> tuple[bytes, float]:
    """
    Return the content of a target and when its repository says that it expires.

    Raises `OSError` and `ValueError`, saying why it cannot be read.
    """
    downloads = Downloads(host, until_seconds=time.monotonic() + WORK_SECONDS, is_ended=is_ended)
    try:
        with TemporaryDirectory(prefix="landwaiter-tuf-") as folder:
            updater = Updater(
                folder,
                metadata_base_url=target.mirror,
                target_dir=folder,
                target_base_url=f"{target.mirror.rstrip('/')}/targets/",
                fetcher=downloads,
                config=_LIMITS,
                bootstrap=target.root,
            )
            return _current(updater, target, Path(folder))
    except (RepositoryError, DownloadError) as problem:
        raise ValueError(str(problem)) from problem
    finally:
        downloads.close()


def _current(updater: Updater, target: TUFTarget, folder: Path) -> tuple[bytes, float]:
    info = updater.get_targetinfo(target.name)
    if info is None:
        raise ValueError(f"it has no target {target.name!r}")
    if info.length > ROOT_MAX_BYTES:
        raise ValueError(f"the target has {info.length} bytes, at most {ROOT_MAX_BYTES} are read")
    file = folder / hashlib.sha256(target.name.encode()).hexdigest()
    content = Path(updater.download_target(info, str(file))).read_bytes()
    dates = (Metadata.from_file(str(folder / f"{role}.json")).signed.expires for role in _ROLES)
    return content, min(dates).timestamp()
