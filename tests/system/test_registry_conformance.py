"""Our client makes of each real registry what docs/registry-conformance.md says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from realparts.certificates import Authority
from realparts.images import ImageMaker
from realparts.registries import TESTER, DistributionRegistry, ReferrersRegistry, Registry
from realparts.signing import Signer
from registry.behaviours import BEHAVIOURS, REGISTRIES
from system.registry_behaviours import BEHAVING, THROUGH, Room

KINDS = list(REGISTRIES)


def own_registry(kind: str, folder: Path, authority: Authority) -> Registry:
    """Return a registry of a kind that nobody else uses."""
    if kind == "private":
        return DistributionRegistry(folder, authority=authority, logins=[TESTER])
    return ReferrersRegistry(folder, authority=authority)


def room_of(registry: Registry, folder: Path, repository: str) -> Room:
    """Return a room in a registry, for one test."""
    images = ImageMaker(folder / "images", registry)
    return Room(registry, images, Signer(folder / "signer", registry), repository)


@pytest.fixture
def shared(
    private_registry: DistributionRegistry, referrers_registry: ReferrersRegistry, tmp_path: Path
) -> Callable[[str, str], Room]:
    """Give a room in one of the registries that all tests share."""
    registries: dict[str, Registry] = {"private": private_registry, "referrers": referrers_registry}

    def room(kind: str, name: str) -> Room:
        number = list(BEHAVING).index(name)
        return room_of(registries[kind], tmp_path, f"conformance/behaviour-{number}")

    return room


def test_each_behaviour_of_the_page_is_tried() -> None:
    """And none besides."""
    assert set(BEHAVIOURS) == {*BEHAVING, *THROUGH}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", BEHAVING)
async def test_real_registries_are_read_alike(
    kind: str, name: str, shared: Callable[[str, str], Room]
) -> None:
    """Where they differ it is because only one of them wants a password."""
    outcome = await BEHAVING[name](shared(kind, name))

    assert BEHAVIOURS[name].outcomes[kind] == outcome


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", THROUGH)
async def test_real_registries_may_go_away(
    kind: str, name: str, tmp_path: Path, authority: Authority
) -> None:
    """What was read before is neither missing nor refused for it, unless it is lost."""
    with own_registry(kind, tmp_path / "registry", authority) as registry:
        outcome = await THROUGH[name](room_of(registry, tmp_path, "conformance/through"))

    assert BEHAVIOURS[name].outcomes[kind] == outcome
