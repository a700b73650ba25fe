"""The Dockerfile says what other files say too, and its build is given all that it copies."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from landwaiter import __version__
from realparts.built_image import INPUTS, dockerfile_defaults
from realparts.image_build import DOCKERFILE, ROOT, SUITE
from realparts.pins import BUILD_FLAGS, numbers_of, read_pins

PINS = read_pins()
TEXT = DOCKERFILE.read_text("utf-8")
INSTRUCTIONS = [
    " ".join(each.split())
    for each in re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", TEXT, flags=re.MULTILINE)).splitlines()
    if each.strip()
]


def of_kind(word: str) -> list[str]:
    """Return what stands after the word in each instruction that begins with it."""
    return [each.removeprefix(f"{word} ") for each in INSTRUCTIONS if each.startswith(f"{word} ")]


def test_cosign_is_the_one_that_the_tests_run() -> None:
    """Its version is the pinned one, which go.mod and go.sum beside the pin hold to hashes."""
    assert PINS.modules["cosign3"].version == dockerfile_defaults()["COSIGN_VERSION"]


def test_cosign_is_built_as_the_tests_build_it() -> None:
    """The same flags, stamps and settings make the same program, for whatever architecture."""
    (build,) = (each for each in of_kind("RUN") if " go build " in each)
    module, part = PINS.modules["cosign3"], PINS.parts["cosign3"]
    (command,) = re.findall(r"(GOOS=\S+ GOARCH=\S+ go build .*?) &&", build)
    flags = module.linker_flags.replace(module.version, "${COSIGN_VERSION}")

    assert [
        *("GOOS=linux", "GOARCH=${TARGETARCH}", "go", "build", *BUILD_FLAGS),
        *("-ldflags", flags, "-o", "/built/cosign", part.package),
    ] == shlex.split(command)
    assert "CGO_ENABLED=0" in " ".join(of_kind("ENV")).split()


def test_the_version_is_the_programs() -> None:
    """The label and the list of components say what `landwaiter --version` says."""
    assert __version__ == dockerfile_defaults()["VERSION"]


def test_bases_are_named_by_arguments() -> None:
    """Whoever builds can give each base with its digest; each runs on the builder's platform."""
    bases = [each for each in of_kind("FROM") if not re.match(r"(tools|packages|scratch)\b", each)]

    assert [
        "--platform=$BUILDPLATFORM ${GO_BASE} AS cosign",
        "--platform=$BUILDPLATFORM ${DEBIAN_BASE} AS tools",
    ] == bases


def test_bases_are_what_the_tests_stand_on() -> None:
    """Go is new enough for the pinned module, and Debian's release is the one of the tests."""
    defaults = dockerfile_defaults()
    go = re.fullmatch(r"docker\.io/library/golang:([\d.]+)-(\w+)", defaults["GO_BASE"])
    assert go is not None

    assert numbers_of(go[1]) >= numbers_of(PINS.go.minimum)
    assert (SUITE, f"docker.io/library/debian:{SUITE}-slim") == (go[2], defaults["DEBIAN_BASE"])


def test_the_build_is_sent_what_it_copies_and_no_more() -> None:
    """A file that is copied gets into the build, and counts for the cache of built images."""
    copied = {
        source
        for each in of_kind("COPY")
        if not each.startswith("--from=")
        for source in each.split()[:-1]
        if not source.startswith("--")
    }
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    sent = {each.removeprefix("!") for each in ignored if each.startswith("!")}

    assert {each for each in INPUTS if each not in {"Dockerfile", ".dockerignore"}} == sent
    assert [] == [
        each
        for each in sorted(copied)
        if not any(Path(each).is_relative_to(s) for s in sent)
        and not any(Path(s).is_relative_to(each) for s in sent)
    ]
    assert "*" in ignored


def test_nothing_says_where_to_download_from() -> None:
    """Package registries are the business of whoever builds: no address, only secrets and bases."""
    assert [] == re.findall(r"https?://\S+|--(?:extra-)?index-url|GOPROXY=", TEXT)


@pytest.mark.parametrize("secret", ["pip.conf", "go.env", "ca.pem"])
def test_secrets_leave_no_trace(secret: str) -> None:
    """What may hold a password is mounted while it is read, and never copied."""
    mounts = [each for each in INSTRUCTIONS if f"id={secret}," in each]

    assert mounts
    assert [] == [each for each in mounts if not each.startswith("RUN --mount=type=secret,")]


def test_make_image_passes_on_what_it_is_given() -> None:
    """Engine, name, platform, pinned bases and further options get to the build."""
    given = {
        "ENGINE": "an-engine",
        "IMAGE": "r.example.com/landwaiter:1",
        "PLATFORM": "linux/arm64",
        "REVISION": "abc",
        "DEBIAN_BASE": "debian@sha256:1",
        "GO_BASE": "golang@sha256:2",
        "BUILD_OPTIONS": "--secret=id=ca.pem,src=ca.pem",
    }
    assignments = [f"{name}={value}" for name, value in given.items()]

    shown = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", "image", *assignments],  # noqa: S607
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout

    assert [
        *("an-engine", "build", "--file", "Dockerfile", "--tag", "r.example.com/landwaiter:1"),
        *("--build-arg", "REVISION=abc", "--platform", "linux/arm64"),
        *("--build-arg", "DEBIAN_BASE=debian@sha256:1", "--build-arg", "GO_BASE=golang@sha256:2"),
        *("--secret=id=ca.pem,src=ca.pem", "."),
    ] == shlex.split(shown.splitlines()[-1])
