"""Commands of the image: in a container, and in an emulator of the other architecture."""

import os
from pathlib import Path

import pytest

from cli.manifests import BAD, GOOD, PINNED, pod, policies
from landwaiter import __version__
from realparts.built_image import BuiltImage
from realparts.container import Container
from realparts.debian_tools import EMULATOR
from realparts.pins import read_pins
from realparts.processes import run

SECONDS = 60.0
EMULATED_SECONDS = 240.0
"""An emulator takes some six seconds; it shares the machine with the other tests."""


def answer(image: BuiltImage, folder: Path, *arguments: str, mounted: Path) -> tuple[int, str]:
    """Return exit code and output of one command that reads a folder at /etc/landwaiter."""
    container = Container(
        folder / "container", image, arguments, mounts={"/etc/landwaiter": mounted}
    )
    try:
        ended = run(
            container.command,
            environment={"PATH": os.environ["PATH"]},
            timeout_seconds=SECONDS,
            check=False,
        )
    finally:
        container.remove()
    return ended.returncode, ended.stdout + ended.stderr


def test_the_image_says_its_version(image: BuiltImage, tmp_path: Path) -> None:
    """The entry point is Landwaiter, which needs no shell to be started."""
    assert (0, f"landwaiter, version {__version__}\n") == answer(
        image, tmp_path, "--version", mounted=tmp_path
    )


@pytest.mark.parametrize(("reference", "code"), [(GOOD, 0), (BAD, 1)], ids=["good", "bad"])
def test_the_image_checks_manifests(
    image: BuiltImage, tmp_path: Path, reference: str, code: int
) -> None:
    """A pipeline can use the same image for the offline check."""
    given = tmp_path / "given"
    given.mkdir()
    policies(given, PINNED)
    (given / "pod.yaml").write_text(pod(reference), encoding="utf-8")
    for each in [tmp_path, given, *given.rglob("*")]:
        each.chmod(0o755 if each.is_dir() else 0o644)

    exit_code, output = answer(
        image,
        tmp_path,
        "check",
        "--policies=/etc/landwaiter/policies",
        "/etc/landwaiter/pod.yaml",
        mounted=given,
    )

    assert (code, "✗ pinnedTags" in output) == (exit_code, code == 1)


def emulated(image: BuiltImage, program: str, *arguments: str) -> str:
    """Return what a program of an image for another architecture prints."""
    root = image.root
    packages = root / "opt/landwaiter/lib/python3.11/site-packages"
    environment = {
        "PATH": os.environ["PATH"],
        "QEMU_LD_PREFIX": str(root),
        "PYTHONHOME": str(root / "usr"),
        "PYTHONPATH": str(packages),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return run(
        [EMULATOR, root / program, *arguments],
        environment=environment,
        timeout_seconds=EMULATED_SECONDS,
    ).stdout


def test_the_foreign_image_runs_landwaiter(foreign_image: BuiltImage) -> None:
    """Interpreter, libraries and compiled packages of the other architecture fit together."""
    program = (
        "import uvloop, httptools, cryptography.x509, pydantic, aiohttp._http_parser\n"
        "import re2, rfc3161_client\n"
        "import landwaiter.wiring.application\n"
        "from landwaiter.cli import main\n"
        "main(['--version'])"
    )

    assert f"landwaiter, version {__version__}\n" == emulated(
        foreign_image, "usr/bin/python3.11", "-c", program
    )


def test_the_foreign_image_runs_cosign(foreign_image: BuiltImage) -> None:
    """The program was built for the other architecture, with its version stamped in."""
    lines = emulated(foreign_image, "opt/landwaiter/bin/cosign", "version").splitlines()
    said = dict(line.split(":", 1) for line in lines if ":" in line)

    assert (read_pins().modules["cosign3"].version, f"linux/{foreign_image.architecture}") == (
        said["GitVersion"].strip(),
        said["Platform"].strip(),
    )
