"""
Runs the Dockerfile without a Docker engine, with Debian's buildah.

No registry of images is at hand, so the bases are made here, of Debian's own packages as the real
`debian:bookworm-slim` is, under both names that the Dockerfile gives; the Go of this machine is
mounted where the real `golang` has its own. What is in the image comes from neither.

buildah's layers are kept in the cache, so that only what changed is built again. How this machine
reaches package registries goes into the build as the Dockerfile's optional secrets.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from realparts.cache import cache_folder, require_free
from realparts.pins import BUILD_ENVIRONMENT, read_pins
from realparts.processes import run, run_logged
from realparts.progress import Step
from realparts.toolchain import find_or_install_go

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "Dockerfile"
SUITE = "bookworm"
"""Which Debian the bases are made of: the one in the tag of the real base."""

PATH_IN_BASES = "/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
PIP_SETTING = re.compile(
    r"\S+\.(?P<name>index-url|extra-index-url|trusted-host|proxy)='(?P<value>.*)'"
)
GO_SETTINGS = (
    *("GOPROXY", "GOSUMDB", "GOPRIVATE", "GONOPROXY", "GONOSUMDB", "GOINSECURE", "GOAUTH"),
)
BUILD_SECONDS = 3600.0
SHORT_SECONDS = 120.0
DISK_MIB = 6000
"""Bases, layers and two images, and what Go adds to its caches for a second architecture."""
LAYERS_MAX = 600
"""Each state of the sources leaves some layers more; beyond this all are dropped."""


class ImageBuild:
    """One run of the Dockerfile; the caller holds the lock of the store."""

    def __init__(self, architecture: str, native: str, step: Step) -> None:
        self._architecture = architecture
        self._native = native
        self._step = step
        self._store = cache_folder() / "image-store"
        self._log = cache_folder() / "logs" / f"image-{architecture}.log"
        self._environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}

    def into(self, folder: Path, *, bases: Sequence[str]) -> None:
        """Build the image on the bases; leave root file system and configuration in the folder."""
        require_free(cache_folder(), DISK_MIB, what="the image")
        self._log.unlink(missing_ok=True)
        self._buildah("rm", "--all")  # A build that was killed leaves its containers.
        if len(self._buildah("images", "--all", "--quiet").split()) > LAYERS_MAX:
            shutil.rmtree(self._store)
        self._ensure_bases(bases)
        name = f"localhost/landwaiter:{self._architecture}"
        go = find_or_install_go(read_pins().go, tick=self._step.tick)
        (folder / "root").mkdir()
        (folder / "root").chmod(0o755)  # What runtimes make of it; layers do not say.
        with tempfile.TemporaryDirectory(prefix="landwaiter-image-") as secrets:
            options = [*self._options(name), f"--output=type=local,dest={folder / 'root'}"]
            options += [*_secrets(Path(secrets), go), *_go_volumes(go)]
            self._logged("building", [*self._program(), "build", *options, str(ROOT)])
        self._describe(name, folder)

    def _options(self, name: str) -> list[str]:
        return [
            # Each layer is a whole copy without overlays: better to start anew then.
            f"--layers={'true' if self._driver() == 'overlay' else 'false'}",
            *("--pull-never", f"--tag={name}", f"--file={DOCKERFILE}"),
            f"--platform=linux/{self._architecture}",
            # BuildKit knows this one by itself; buildah 1.28 does not.
            f"--build-arg=BUILDPLATFORM=linux/{self._native}",
        ]

    def _ensure_bases(self, names: Sequence[str]) -> None:
        """Make one image of Debian's packages under every name, where one of them is missing."""
        if all(self._buildah("images", "--quiet", f"--filter=reference={each}") for each in names):
            return
        with tempfile.TemporaryDirectory(prefix="landwaiter-base-") as folder:
            archive = Path(folder) / "base.tar"
            # The real base does not wait for the disk after each package either.
            packages = ["--variant=apt", "--include=ca-certificates", "--dpkgopt=force-unsafe-io"]
            self._logged("making the base", ["mmdebstrap", *packages, SUITE, archive])
            container = self._buildah("from", "scratch")
            self._buildah("add", container, archive, "/")
        self._buildah("config", f"--env=PATH={PATH_IN_BASES}", container)
        self._buildah("commit", "--rm", container, names[0])
        self._buildah("tag", names[0], *names[1:])

    def _describe(self, name: str, folder: Path) -> None:
        described = json.loads(self._buildah("inspect", "--type=image", name))
        text = json.dumps(described["OCIv1"], indent=1)
        (folder / "configuration.json").write_text(text, encoding="utf-8")

    def _logged(self, doing: str, command: Sequence[str | Path]) -> None:
        run_logged(
            f"{doing} for {self._architecture}",
            command,
            log=self._log,
            environment=self._environment,
            timeout_seconds=BUILD_SECONDS,
            on_wait=lambda: self._step.tick(doing),
        )

    def _buildah(self, *arguments: str | Path) -> str:
        return self._run([*self._program(), *arguments])

    def _run(self, command: Sequence[str | Path]) -> str:
        answer = run(command, environment=self._environment, timeout_seconds=SHORT_SECONDS)
        return answer.stdout.strip()

    def _program(self) -> list[str]:
        store = [f"--root={self._store / 'root'}", f"--runroot={self._store / 'run'}"]
        # In a namespace of its own, whatever it mounts is gone with it, also when it is killed.
        alone = ["unshare", "--mount"]
        return [*alone, "buildah", f"--storage-driver={self._driver()}", *store]

    def _driver(self) -> str:
        """Return how layers are stored: an overlay cannot lie on another one, as in a container."""
        self._store.mkdir(parents=True, exist_ok=True)
        asked = ["findmnt", "--noheadings", "--output=FSTYPE", f"--target={self._store}"]
        return "vfs" if self._run(asked) == "overlay" else "overlay"


def _secrets(folder: Path, go: Path) -> list[str]:
    """Write how this machine reaches package registries, as the tools themselves have it."""
    (folder / "pip.conf").write_text(_pip_settings(), encoding="utf-8")
    values = zip(GO_SETTINGS, _asked(go, *GO_SETTINGS), strict=True)
    text = "".join(f"{name}={value}\n" for name, value in values if value)
    (folder / "go.env").write_text(text, encoding="utf-8")
    files = {"pip.conf": folder / "pip.conf", "go.env": folder / "go.env"}
    if CERTIFICATES.exists():
        files["ca.pem"] = CERTIFICATES
    return [f"--secret=id={name},src={file}" for name, file in files.items()]


def _pip_settings() -> str:
    shown = run(
        [sys.executable, "-m", "pip", "config", "list"],
        environment=os.environ,
        timeout_seconds=SHORT_SECONDS,
    ).stdout
    found = (PIP_SETTING.fullmatch(line) for line in shown.splitlines())
    settings = {match["name"]: match["value"] for match in found if match}
    lines = (f"{name} = {value}\n" for name, value in settings.items())
    return "".join(["[global]\n", *lines])


def _go_volumes(go: Path) -> list[str]:
    """Give the build this machine's Go, with what it has compiled and downloaded."""
    root, compiled, downloaded = _asked(go, "GOROOT", "GOCACHE", "GOMODCACHE")
    for place in (compiled, downloaded):
        Path(place).mkdir(parents=True, exist_ok=True)
    volumes = (f"{root}:/usr/local/go:ro", f"{compiled}:/go/cache", f"{downloaded}:/go/mod")
    return [f"--volume={volume}" for volume in volumes]


def _asked(go: Path, *names: str) -> list[str]:
    environment = {**os.environ, **BUILD_ENVIRONMENT}
    answer = run([go, "env", *names], environment=environment, timeout_seconds=SHORT_SECONDS)
    return answer.stdout.splitlines()
