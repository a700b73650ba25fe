"""Our client makes of each real registry what docs/registry-conformance.md says."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from realparts.certificates import Authority
from realparts.images import ImageMaker
from realparts.registries import OTHER, TESTER, DistributionRegistry, ReferrersRegistry, Registry
from realparts.signing import Signer
from realparts.token_service import TokenService
from registry.behaviours import BEHAVIOURS
from system.registry_behaviours import BEHAVING, THROUGH, Room

CASES = [(name, kind) for name in BEHAVING for kind in BEHAVIOURS[name].outcomes]
FAULTS = [(name, kind) for name in THROUGH for kind in BEHAVIOURS[name].outcomes]


@pytest.fixture(scope="module")
def tokens(authority: Authority) -> Iterator[TokenService]:
    """Give a token service that lets one user do everything, and another one nothing."""
    with TokenService(authority, logins=[TESTER], visitors=[OTHER]) as service:
        yield service


@pytest.fixture(scope="module")
def registries(
    private_registry: DistributionRegistry,
    referrers_registry: ReferrersRegistry,
    tokens: TokenService,
    authority: Authority,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, Registry]]:
    """Give a registry of each kind, for tests that do nothing to it."""
    folder = tmp_path_factory.mktemp("tokens")
    with DistributionRegistry(folder, authority=authority, tokens=tokens) as registry:
        yield {
            "private": private_registry,
            "tokens": registry,
            "referrers": referrers_registry,
        }


def own_registry(kind: str, folder: Path, authority: Authority, tokens: TokenService) -> Registry:
    """Return a registry of a kind that nobody else uses."""
    match kind:
        case "private":
            return DistributionRegistry(folder, authority=authority, logins=[TESTER])
        case "tokens":
            return DistributionRegistry(folder, authority=authority, tokens=tokens)
        case _:
            return ReferrersRegistry(folder, authority=authority)


def room_of(
    kind: str, registry: Registry, tokens: TokenService, folder: Path, repository: str
) -> Room:
    """Return a room in a registry, for one test."""
    images = ImageMaker(folder / "images", registry)
    signer = Signer(folder / "signer", registry)
    return Room(registry, images, signer, repository, tokens.host if kind == "tokens" else "")


def test_each_behaviour_of_the_page_is_tried() -> None:
    """And none besides."""
    assert set(BEHAVIOURS) == {*BEHAVING, *THROUGH}


@pytest.mark.parametrize(("name", "kind"), CASES)
async def test_real_registries_are_read_alike(
    name: str,
    kind: str,
    registries: Mapping[str, Registry],
    tokens: TokenService,
    tmp_path: Path,
) -> None:
    """Where they differ it is because one of them wants no password."""
    repository = f"conformance/behaviour-{list(BEHAVING).index(name)}"
    room = room_of(kind, registries[kind], tokens, tmp_path, repository)

    assert BEHAVIOURS[name].outcomes[kind] == await BEHAVING[name](room)


@pytest.mark.parametrize(("name", "kind"), FAULTS)
async def test_real_registries_may_go_away(
    name: str, kind: str, tokens: TokenService, authority: Authority, tmp_path: Path
) -> None:
    """What was read before is neither missing nor refused for it, unless it is lost."""
    with own_registry(kind, tmp_path / "registry", authority, tokens) as registry:
        room = room_of(kind, registry, tokens, tmp_path, "conformance/through")
        outcome = await THROUGH[name](room)

    assert BEHAVIOURS[name].outcomes[kind] == outcome
