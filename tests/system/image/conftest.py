"""
Gives the tests of this folder the image: built before the first test, once a session.

Where it can neither be built nor run (no root, or no Debian tools), its tests are skipped and say
what they need; in CI they fail instead.
"""

import os
from pathlib import Path

import pytest

from realparts.building import BuildError
from realparts.built_image import (
    BuiltImage,
    find_or_build_image,
    foreign_architecture,
    native_architecture,
)
from realparts.cache import CacheError
from realparts.debian_tools import NoToolError, why_no_image
from realparts.processes import ProcessError
from realparts.progress import step
from realparts.toolchain import NoGoError

HERE = Path(__file__).parent
EXPECTED_SECONDS = 120
FOREIGN = frozenset({"foreign_image", "any_image"})
"""Fixtures that need the image for the other architecture too."""
Outcome = BuiltImage | str
IMAGES = pytest.StashKey[dict[str, Outcome]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Find or build the images that the chosen tests need, with progress on the terminal."""
    chosen = [item for item in session.items if item.path.is_relative_to(HERE)]
    if not chosen or session.config.option.collectonly or why_no_image() is not None:
        return
    wanted = [native_architecture()]
    if any(FOREIGN & set(getattr(item, "fixturenames", ())) for item in chosen):
        wanted.append(foreign_architecture())
    capture = session.config.pluginmanager.getplugin("capturemanager")
    images = session.config.stash.setdefault(IMAGES, {})
    for architecture in wanted:
        if capture is None:
            images[architecture] = _outcome(architecture)
        else:
            with capture.global_and_fixture_disabled():
                images[architecture] = _outcome(architecture)


def _outcome(architecture: str) -> Outcome:
    """Return the image, or what went wrong: the other tests of the session go on."""
    try:
        with step(f"image for {architecture}", EXPECTED_SECONDS) as current:
            return find_or_build_image(architecture, current)
    except (BuildError, CacheError, NoGoError, NoToolError, ProcessError) as error:
        return str(error)


@pytest.fixture(scope="session")
def image(pytestconfig: pytest.Config) -> BuiltImage:
    """Give the image for this machine's architecture."""
    return _given(pytestconfig, native_architecture())


@pytest.fixture(scope="session")
def foreign_image(pytestconfig: pytest.Config) -> BuiltImage:
    """Give the image for the architecture that this machine can only build for."""
    return _given(pytestconfig, foreign_architecture())


@pytest.fixture(scope="session", params=["native", "foreign"])
def any_image(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> BuiltImage:
    """Give one image after the other."""
    native = request.param == "native"
    return _given(pytestconfig, native_architecture() if native else foreign_architecture())


def _given(pytestconfig: pytest.Config, architecture: str) -> BuiltImage:
    if (reason := why_no_image()) is not None:
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    outcome = pytestconfig.stash[IMAGES][architecture]
    if isinstance(outcome, str):
        pytest.fail(f"the image for {architecture} was not built: {outcome}", pytrace=False)
    return outcome
