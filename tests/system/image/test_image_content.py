"""What is in the image, and what is not, for both architectures."""

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile

from landwaiter import __version__
from realparts.built_image import BuiltImage, dockerfile_defaults
from realparts.image_build import ROOT
from realparts.pins import read_pins

PYTHON = Path("usr/lib/python3.11")
PACKAGES = Path("opt/landwaiter/lib/python3.11/site-packages")
LISTED = Path("usr/share/doc/landwaiter/sbom.cdx.json")
MACHINES = {"amd64": "EM_X86_64", "arm64": "EM_AARCH64"}
ELF = b"\x7fELF"
MIB = 2**20
LARGEST_MIB = 360


def files(image: BuiltImage) -> Iterator[Path]:
    """Yield every file that is no link."""
    return (each for each in image.root.rglob("*") if each.is_file() and not each.is_symlink())


def named(image: BuiltImage, path: Path) -> str:
    return str(path.relative_to(image.root))


def test_the_configuration_is_the_one_in_the_documents(any_image: BuiltImage) -> None:
    """A node learns the user, the command and the place to write from the image alone."""
    defaults = dockerfile_defaults()

    assert (any_image.architecture, "linux") == (
        any_image.configuration["architecture"],
        any_image.configuration["os"],
    )
    assert {
        "User": "65532:65532",
        "Entrypoint": ["/opt/landwaiter/bin/landwaiter"],
        "Env": [
            "PATH=/opt/landwaiter/bin:/usr/bin",
            "HOME=/tmp",
            "TMPDIR=/tmp",
            "TUF_ROOT=/tmp/tuf",
        ],
        "ExposedPorts": {"8443/tcp": {}, "8080/tcp": {}},
        "Labels": {
            "org.opencontainers.image.title": "Landwaiter",
            "org.opencontainers.image.description": (
                "Decides which container images may run in a Kubernetes cluster"
            ),
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.version": __version__,
            "org.opencontainers.image.revision": "unknown",
            "dev.landwaiter.image.cosign": read_pins().modules["cosign3"].version,
            "dev.landwaiter.image.debian-base": defaults["DEBIAN_BASE"],
            "dev.landwaiter.image.go-base": defaults["GO_BASE"],
            "io.buildah.version": any_image.configuration["config"]["Labels"]["io.buildah.version"],
        },
        "StopSignal": "SIGTERM",
        "WorkingDir": "/",
    } == any_image.configuration["config"]


def test_these_are_all_programs(any_image: BuiltImage) -> None:
    """There is no shell, no package manager and no pip: Python, cosign and Landwaiter."""
    programs = {
        named(any_image, each)
        for each in files(any_image)
        if each.stat().st_mode & 0o111 and ".so" not in each.name and each.suffix != ".py"
    }

    assert {
        "opt/landwaiter/bin/cosign",
        "opt/landwaiter/bin/landwaiter",
        "usr/bin/python3.11",
    } == programs
    assert not any((any_image.root / each).exists() for each in (PACKAGES / "pip", "bin", "sbin"))


def test_nobody_but_root_may_change_anything(any_image: BuiltImage) -> None:
    """Everything is root's, readable for all and writable for nobody else, without setuid."""
    wrong = []
    for each in any_image.root.rglob("*"):
        status = each.lstat()
        wanted = 0o005 if stat.S_ISDIR(status.st_mode) else 0o004
        mode = stat.S_IMODE(status.st_mode)
        is_root = (status.st_uid, status.st_gid) == (0, 0)
        is_safe = not mode & 0o7022 and mode & wanted == wanted
        if not (is_root and (each.is_symlink() or is_safe)):
            wrong.append((named(any_image, each), oct(mode)))

    assert [("tmp", "0o1777")] == wrong


def linked_with(elf: ELFFile) -> list[str]:
    """Return the libraries that a program or module wants to have loaded."""
    section = elf.get_section_by_name(".dynamic")
    if not isinstance(section, DynamicSection):
        return []
    tags = section.iter_tags("DT_NEEDED")
    return [tag.needed for tag in tags]  # type: ignore[attr-defined]  # Set by name.


def test_every_library_that_is_loaded_is_there(any_image: BuiltImage) -> None:
    """Each program and module is for this architecture and finds what it was linked with."""
    libraries = {each.name for each in any_image.root.glob("**/*-linux-gnu/*.so*")}
    problems = []
    for each in files(any_image):
        with each.open("rb") as file:
            if file.read(4) != ELF:
                continue
            elf = ELFFile(file)
            if elf["e_machine"] != MACHINES[any_image.architecture]:
                problems.append((named(any_image, each), elf["e_machine"]))
            problems += [
                (named(any_image, each), library)
                for library in linked_with(elf)
                if library not in libraries and not library.startswith("ld-linux")
            ]

    assert [] == problems


def test_no_link_leads_nowhere(any_image: BuiltImage) -> None:
    """Links lead to files in the image, not to those of the machine that built it."""
    broken = [
        named(any_image, each)
        for each in any_image.root.rglob("*")
        if each.is_symlink() and not _target(any_image.root, each).exists()
    ]

    assert [] == broken


def _target(root: Path, link: Path) -> Path:
    """Follow one link as if the root file system were the machine's."""
    target = link.readlink()
    return root / target.relative_to("/") if target.is_absolute() else link.parent / target


@pytest.mark.parametrize("folder", [PYTHON, PACKAGES], ids=["python", "packages"])
def test_nothing_is_compiled_at_the_start(any_image: BuiltImage, folder: Path) -> None:
    """Each module has its bytecode, which could not be written at run time."""
    missing = [
        named(any_image, each)
        for each in (any_image.root / folder).rglob("*.py")
        if not (each.parent / "__pycache__" / f"{each.stem}.cpython-311.pyc").exists()
    ]

    assert [] == missing


def bill_of_materials(image: BuiltImage) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((image.root / LISTED).read_text("utf-8"))
    return document


def listed(image: BuiltImage, kind: str) -> dict[str, str]:
    """Return name and version of every component whose package URL has this type."""
    components = bill_of_materials(image)["components"]
    return {
        each["name"]: each["version"]
        for each in components
        if each["purl"].startswith(f"pkg:{kind}/")
    }


def normal(name: str) -> str:
    """Return a Python package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_list_has_every_locked_python_package(any_image: BuiltImage) -> None:
    """What the lock file says is what is in there, and nothing besides."""
    locked = re.findall(
        r"^([a-z0-9.-]+)==(\S+)",
        (ROOT / "requirements/runtime.txt").read_text("utf-8"),
        re.MULTILINE,
    )

    assert dict(locked) == {
        normal(name): version for name, version in listed(any_image, "pypi").items()
    }


def test_the_list_has_cosign_and_its_modules(any_image: BuiltImage) -> None:
    """The program is there in its version, with Go's library and the modules that it is made of."""
    modules = listed(any_image, "golang")
    cosign = read_pins().modules["cosign3"]
    goes_in = "github.com/sigstore/sigstore"

    assert cosign.version == modules[cosign.path]
    assert {"stdlib", goes_in} < set(modules)


def test_the_list_has_every_debian_package(any_image: BuiltImage) -> None:
    """The list and the files in which scanners look say the same."""
    folder = any_image.root / "var/lib/dpkg/status.d"
    fields = (
        dict(re.findall(r"^(\w+): (\S+)", each.read_text("utf-8"), re.MULTILINE))
        for each in folder.iterdir()
    )

    assert {each["Package"]: each["Version"] for each in fields} == listed(any_image, "deb")


def test_the_list_is_of_landwaiter_and_in_good_form(image: BuiltImage) -> None:
    """Its subject is this version, and the standard's own schema accepts it."""
    text = (image.root / LISTED).read_text("utf-8")
    subject = bill_of_materials(image)["metadata"]["component"]

    assert ("landwaiter", __version__) == (subject["name"], subject["version"])
    assert None is JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


def test_the_image_is_small(any_image: BuiltImage, capsys: pytest.CaptureFixture[str]) -> None:
    """Its size is bounded, and shown whenever the tests run."""
    sizes = {each: each.stat().st_size / MIB for each in files(any_image)}
    whole = sum(sizes.values())
    cosign = sizes[any_image.root / "opt/landwaiter/bin/cosign"]
    packages = sum(
        size for each, size in sizes.items() if each.is_relative_to(any_image.root / PACKAGES)
    )
    with capsys.disabled():
        print(
            f"\nimage for {any_image.architecture}: {whole:.0f} MiB, of which cosign "
            f"{cosign:.0f}, Python packages {packages:.0f}, Debian {whole - cosign - packages:.0f}"
        )

    assert whole < LARGEST_MIB
