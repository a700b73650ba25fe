"""
Where policies come from: a folder that is watched, and the last good set where it is broken.

The folder's files are looked at twice a second, by what the file system says of them; what has
changed is loaded in a thread, and put in force as a whole. What does not load leaves the set in
force that was, and says so. Every good set is kept in a ConfigMap, off the request path.
"""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, cast

import structlog
import tenacity
from structlog.typing import FilteringBoundLogger

from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiResource
from landwaiter.errors import ClusterConflict, ClusterUnavailable, InvalidInput, InvalidPolicy
from landwaiter.manifests.names import is_dns_label, is_dns_subdomain
from landwaiter.policy.install import DEFAULTS, PolicyInstallSettings
from landwaiter.policy.last_good import config_map_of, digest_in, snapshot_in
from landwaiter.policy.live import PoliciesInForce, load_folder
from landwaiter.policy.policy_set import PolicySet
from landwaiter.policy.snapshot import DEPTH_MAX, FolderSnapshot

SOURCE: Final = "files"

POLL_SECONDS: Final = 0.5
"""How often the folder is looked at: a change is in force within 2 s, of which loading takes 1."""

KEEP_RETRY_SECONDS: Final = 1.0
KEEP_RETRY_MAX_SECONDS: Final = 30.0
"""When a set is tried to be kept again; it is in force all the while."""

CONFIG_MAPS: Final = ApiResource("", "v1", "configmaps")

_log = cast("FilteringBoundLogger", structlog.get_logger())

_State: TypeAlias = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class ConfigMapName:
    """Where the last good set is kept."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str) -> "ConfigMapName":
        """Return what `NAMESPACE/NAME` names. Raises `InvalidInput`."""
        namespace, _, name = text.partition("/")
        if not (is_dns_label(namespace) and is_dns_subdomain(name)):
            raise InvalidInput(
                f'--last-good-set: "{text:.100}" given, NAMESPACE/NAME of a ConfigMap is wanted'
            )
        return cls(namespace, name)

    def beside(self, suffix: str) -> "ConfigMapName":
        """Return the name of another ConfigMap beside this one."""
        return ConfigMapName(self.namespace, f"{self.name}-{suffix}")

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class LastGoodSet:
    """The ConfigMap with the last good set."""

    def __init__(
        self,
        objects: ClusterObjects,
        where: ConfigMapName,
        install: PolicyInstallSettings = DEFAULTS,
    ) -> None:
        self._objects = objects
        self._where = where
        self._install = install

    async def policies(self) -> PolicySet:
        """Return the policies that were kept. Raises `InvalidPolicy`, `ClusterUnavailable`."""
        snapshot = await self.snapshot()
        try:
            return await asyncio.to_thread(_policies_of, snapshot, self._install)
        except InvalidPolicy as problem:
            raise InvalidPolicy(f"ConfigMap {self._where}: {problem}") from problem

    async def snapshot(self) -> FolderSnapshot:
        """Return the files that were kept. Raises `InvalidPolicy`, `ClusterUnavailable`."""
        found = await self._objects.get(
            CONFIG_MAPS, self._where.name, namespace=self._where.namespace
        )
        if found is None:
            raise InvalidPolicy(f"ConfigMap {self._where} does not exist: no set was kept yet")
        try:
            return snapshot_in(found)
        except InvalidPolicy as problem:
            raise InvalidPolicy(f"ConfigMap {self._where}: {problem}") from problem

    async def keep(self, snapshot: FolderSnapshot) -> None:
        """Keep a set, for as long as it takes; only one that has no room is given up on."""
        try:
            wanted = config_map_of(snapshot, namespace=self._where.namespace, name=self._where.name)
        except InvalidPolicy as problem:
            _log.error("the last good set cannot be kept", error=str(problem))
            return
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_result(lambda is_kept: not is_kept),
            wait=tenacity.wait_random_exponential(KEEP_RETRY_SECONDS, KEEP_RETRY_MAX_SECONDS),
        )
        await retrying(self._is_kept, wanted)

    async def _is_kept(self, wanted: dict[str, object]) -> bool:
        """Write the ConfigMap where another set stands in it; return whether it is as wanted."""
        where = self._where
        try:
            found = await self._objects.get(CONFIG_MAPS, where.name, namespace=where.namespace)
            if found is not None and digest_in(found) == digest_in(wanted):
                return True
            if found is None:
                await self._objects.create(CONFIG_MAPS, wanted)
            else:
                await self._objects.replace(CONFIG_MAPS, {**found, **_content(wanted)})
        except ClusterConflict:
            return False
        except ClusterUnavailable as fault:
            _log.warning("the last good set is not kept yet", error=str(fault))
            return False
        _log.info("the last good set is kept", config_map=str(where), digest=digest_in(wanted))
        return True


def _content(wanted: dict[str, object]) -> dict[str, object]:
    return {key: wanted[key] for key in ("data", "binaryData")}


def _policies_of(snapshot: FolderSnapshot, install: PolicyInstallSettings) -> PolicySet:
    with tempfile.TemporaryDirectory(prefix="landwaiter-policies-") as folder:
        snapshot.write_to(Path(folder))
        return load_folder(Path(folder), install)[0]


class PolicyFolder:
    """
    Keeps what stands in a folder in force.

    `last_good` is None where no set is kept: then a folder that does not load stops the start.
    """

    def __init__(
        self,
        folder: Path,
        in_force: PoliciesInForce,
        last_good: LastGoodSet | None,
        install: PolicyInstallSettings = DEFAULTS,
    ) -> None:
        self._install = install
        self._folder = folder
        self._in_force = in_force
        self._last_good = last_good
        self._state: _State | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """
        Put the first set in force.

        Raises `InvalidPolicy` when neither the folder nor the last good set can be used.
        """
        self._state = await asyncio.to_thread(_state_of, self._folder)
        try:
            await self._load()
        except InvalidPolicy as problem:
            if self._last_good is None:
                raise
            self._in_force.replace(SOURCE, await self._kept_policies(self._last_good, problem))
            self._in_force.keep(SOURCE, str(problem))
            _log.error("policies do not load, started from the last good set", error=str(problem))

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Put changes in force inside the block."""
        watching = asyncio.create_task(self._watch())
        watching.add_done_callback(self._ended)
        try:
            yield
        finally:
            tasks = [task for task in (watching, self._keeping) if task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            state = await asyncio.to_thread(_state_of, self._folder)
            if state != self._state:
                self._state = state
                await self._reload()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Say of a bug that no change is seen any more; the set in force still judges."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._in_force.keep(SOURCE, "the folder is not watched any more: see the log")
            _log.critical("a bug ended the watch of the policies", exc_info=error)

    async def _reload(self) -> None:
        try:
            await self._load()
        except InvalidPolicy as problem:
            self._in_force.keep(SOURCE, str(problem))
            _log.error("policies do not load, the last good set stays in force", error=str(problem))
        else:
            names = [policy.name for policy in self._in_force()]
            _log.info("policies changed", policies=names)

    async def _load(self) -> None:
        policies, snapshot = await asyncio.to_thread(load_folder, self._folder, self._install)
        self._in_force.replace(SOURCE, policies)
        if self._last_good is not None:
            if self._keeping is not None:
                self._keeping.cancel()
            self._keeping = asyncio.create_task(self._last_good.keep(snapshot))

    async def _kept_policies(self, last_good: LastGoodSet, problem: InvalidPolicy) -> PolicySet:
        try:
            return await last_good.policies()
        except (InvalidPolicy, ClusterUnavailable) as worse:
            raise InvalidPolicy(f"{problem}\nno last good set to start from: {worse}") from worse


def _state_of(folder: Path) -> _State:
    """Return what tells that something in a folder may have changed, links followed."""
    return tuple(_stamps(folder, depth=0))


def _stamps(folder: Path, *, depth: int) -> Iterator[tuple[str, int, int, int]]:
    try:
        with os.scandir(folder) as entries:
            found = sorted((e.name, e.path, e.stat(), e.is_dir()) for e in entries if _counts(e))
    except OSError:
        return
    for _, path, status, is_folder in found:
        yield path, status.st_ino, status.st_ctime_ns, status.st_size
        if is_folder and depth < DEPTH_MAX:
            yield from _stamps(Path(path), depth=depth + 1)


def _counts(entry: "os.DirEntry[str]") -> bool:
    return not entry.name.startswith(".") and (entry.is_file() or entry.is_dir())
