"""Tools of Debian are found, or installed, or named where neither can be."""

import io
import os
import sys

import pytest

from realparts.debian_tools import (
    PACKAGES,
    NoToolError,
    ensure_tools,
    missing_tools,
    why_no_image,
)
from realparts.progress import step
from realparts_tests.workplace import Workplace

APT_GET = """#!{python} -I
import os, sys

with open("{folder}/asked", "a") as asked:
    asked.write(" ".join(sys.argv[1:]) + "\\n")
if {fails}:
    sys.exit("E: Unable to locate package")
if sys.argv[1] == "install":
    for program in {programs}:
        os.close(os.open("{folder}/programs/" + program, os.O_CREAT, 0o755))
"""


@pytest.fixture(autouse=True)
def _as_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the tests say the same whoever runs them."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def put_apt_get(workplace: Workplace, *, fails: bool = False) -> None:
    text = APT_GET.format(
        python=sys.executable, folder=workplace.folder, fails=fails, programs=list(PACKAGES)
    )
    workplace.put_program("apt-get", text)


def install() -> None:
    with step("tools", 1, io.StringIO()) as current:
        ensure_tools(current)


def test_missing_tools_are_installed_once(workplace: Workplace) -> None:
    """All that is missing comes with one installation, after the lists were brought up to date."""
    put_apt_get(workplace)

    for _ in range(2):
        install()

    packages = " ".join(PACKAGES.values())
    wanted = f"update\ninstall --yes --no-install-recommends {packages}\n"
    assert ([], wanted) == (missing_tools(), (workplace.folder / "asked").read_text("utf-8"))


def test_only_what_is_missing_is_installed(workplace: Workplace) -> None:
    """A tool on PATH is used as it is."""
    put_apt_get(workplace)
    for program in PACKAGES:
        if program != "runc":
            workplace.put_program(program, "#!/bin/sh\n")

    install()

    last = (workplace.folder / "asked").read_text("utf-8").splitlines()[-1]
    assert "install --yes --no-install-recommends runc" == last


def test_what_cannot_be_installed_is_named(workplace: Workplace) -> None:
    """The message has the packages, and what apt-get said."""
    put_apt_get(workplace, fails=True)

    with pytest.raises(NoToolError) as caught:
        install()

    text = str(caught.value)
    assert text.startswith(f"Debian's {', '.join(PACKAGES.values())} are missing, and ")
    assert "E: Unable to locate package" in text


def test_without_apt_get_the_missing_tools_are_named(workplace: Workplace) -> None:
    """A machine that is no Debian can have the tools from elsewhere."""
    for program in PACKAGES:
        if program not in {"buildah", "runc"}:
            workplace.put_program(program, "#!/bin/sh\n")

    assert "the image needs buildah and runc, and there is no apt-get to install them" == (
        why_no_image()
    )


def test_without_root_there_is_no_image(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Building and running without a Docker engine mounts file systems."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert "the image is built and run without a Docker engine, which needs root" == (
        why_no_image()
    )
