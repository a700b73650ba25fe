"""Policies of a folder that changes, and of the ConfigMap that stands in for a broken one."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.requests import ApiAnswer, ApiRequest
from landwaiter.errors import ClusterUnavailable, InvalidInput, InvalidPolicy
from landwaiter.policy.live import PoliciesInForce
from landwaiter.wiring import policies as module
from landwaiter.wiring.policies import ConfigMapName, LastGoodSet, PolicyFolder

WHERE = ConfigMapName("lw", "last-good")
PATH = "/api/v1/namespaces/lw/configmaps"
A_POLICY = """\
apiVersion: landwaiter.dev/v1alpha1
kind: ClusterImagePolicy
metadata: {name: %s}
spec: {validationActions: [Deny], rules: {pinnedTags: {require: digest}}}
"""


@dataclass
class ConfigMaps:
    """An API server with one ConfigMap; versions count up, `away` makes it unreachable."""

    content: dict[str, Any] | None = None
    away: bool = False
    writes: int = 0
    conflicts: int = 0
    version: int = field(default=0)

    async def send(self, request: ApiRequest) -> ApiAnswer:
        await asyncio.sleep(0)
        if self.away:
            raise ClusterUnavailable("the API server is away")
        if request.method == "GET":
            return self._answer(404 if self.content is None else 200)
        assert request.body is not None
        given = request.body["metadata"].get("resourceVersion")
        if self.conflicts:
            self.conflicts -= 1
            return ApiAnswer(409, b"{}")
        if (request.method == "POST") != (self.content is None) or (
            request.method == "PUT" and given != str(self.version)
        ):
            return ApiAnswer(409, b"{}")
        self.version += 1
        self.writes += 1
        metadata = {**request.body["metadata"], "resourceVersion": str(self.version)}
        self.content = {**request.body, "metadata": metadata}
        return self._answer(200)

    def _answer(self, status: int) -> ApiAnswer:
        return ApiAnswer(status, json.dumps(self.content).encode())


def write(folder: Path, *names: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "p.yaml").write_text("---\n".join(A_POLICY % name for name in names))


def names(in_force: PoliciesInForce) -> list[str]:
    return [each.name for each in in_force()]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # A thread reads the folder.
            await asyncio.sleep(0.005)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(module, "KEEP_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(module, "KEEP_RETRY_MAX_SECONDS", 0.01)


def last_good(server: ConfigMaps) -> LastGoodSet:
    return LastGoodSet(ClusterObjects(server), WHERE)


async def test_a_change_is_put_in_force_and_a_mistake_is_not(tmp_path: Path) -> None:
    """A broken file leaves what was good, and mending it ends that."""
    folder, in_force = tmp_path / "policies", PoliciesInForce()
    write(folder, "first")
    source = PolicyFolder(folder, in_force, None)
    await source.start()
    async with source.watched():
        write(folder, "second")
        await until(lambda: names(in_force) == ["second"])
        (folder / "p.yaml").write_text("kind: Nonsense")
        await until(lambda: in_force.is_degraded)
        kept = names(in_force)
        problem = in_force.problems["files"]
        write(folder, "third")
        await until(lambda: names(in_force) == ["third"])

    assert ["second"] == kept
    assert "p.yaml:1: field kind" in problem
    assert {} == in_force.problems


async def test_a_swapped_link_is_a_change(tmp_path: Path) -> None:
    """The kubelet replaces the whole of a mounted ConfigMap by one link."""
    folder, in_force = tmp_path / "policies", PoliciesInForce()
    folder.mkdir()
    for number, name in enumerate(("first", "second")):
        write(folder / f"..{number}", name)
    (folder / "..data").symlink_to("..0")
    (folder / "p.yaml").symlink_to("..data/p.yaml")
    source = PolicyFolder(folder, in_force, None)
    await source.start()
    before = names(in_force)
    async with source.watched():
        (folder / "..new").symlink_to("..1")
        (folder / "..new").rename(folder / "..data")
        await until(lambda: names(in_force) == ["second"])

    assert ["first"] == before


async def test_a_file_that_policies_name_is_part_of_the_set(tmp_path: Path) -> None:
    """A key in a folder below is read again when it changes."""
    folder, in_force = tmp_path / "policies", PoliciesInForce()
    write(folder, "first")
    (folder / "keys").mkdir()
    (folder / "keys" / "ci.pub").write_text("one")
    source = PolicyFolder(folder, in_force, None)
    told: list[int] = []
    in_force.listen(lambda: told.append(1))
    await source.start()
    async with source.watched():
        (folder / "keys" / "ci.pub").write_text("two")
        await until(lambda: len(told) == 2)

    assert ["first"] == names(in_force)


async def test_semantics_22_a_new_replica_starts_from_the_last_good_set(tmp_path: Path) -> None:
    """What one replica had in force is what the next one starts from, and it says so."""
    server, folder = ConfigMaps(), tmp_path / "policies"
    write(folder, "good")
    source = PolicyFolder(folder, PoliciesInForce(), last_good(server))
    await source.start()
    async with source.watched():
        await until(lambda: server.content is not None)
    (folder / "p.yaml").write_text("kind: Nonsense")

    in_force = PoliciesInForce()
    await PolicyFolder(folder, in_force, last_good(server)).start()

    assert ["good"] == names(in_force)
    assert "p.yaml:1: field kind" in in_force.problems["files"]
    assert 1 == server.writes


async def test_semantics_22_without_a_last_good_set_the_start_is_refused(tmp_path: Path) -> None:
    """Both reasons are told: what is wrong, and why nothing stands in for it."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "p.yaml").write_text("kind: Nonsense")

    with pytest.raises(InvalidPolicy) as problem:
        await PolicyFolder(folder, PoliciesInForce(), last_good(ConfigMaps())).start()

    first, last = str(problem.value).splitlines()
    assert "p.yaml:1: field kind" in first
    assert (
        "no last good set to start from: ConfigMap lw/last-good does not exist: "
        "no set was kept yet" == last
    )


async def test_semantics_22_a_last_good_set_that_was_broken_is_not_used(tmp_path: Path) -> None:
    """Nobody's half of a set is put in force."""
    server, folder = ConfigMaps(), tmp_path / "policies"
    server.content = {"metadata": {"name": "last-good"}, "data": {"digest": "0"}}
    folder.mkdir()
    (folder / "p.yaml").write_text("kind: Nonsense")

    with pytest.raises(InvalidPolicy, match="ConfigMap lw/last-good: no entry"):
        await PolicyFolder(folder, PoliciesInForce(), last_good(server)).start()


async def test_a_set_is_kept_once_the_api_server_is_back(tmp_path: Path) -> None:
    """An outage keeps nobody from starting, and a conflict is tried again."""
    server, folder = ConfigMaps(away=True, conflicts=1), tmp_path / "policies"
    write(folder, "good")
    in_force = PoliciesInForce()
    source = PolicyFolder(folder, in_force, last_good(server))
    await source.start()
    async with source.watched():
        names_meanwhile = names(in_force)
        server.away = False
        await until(lambda: server.writes == 1)

    assert ["good"] == names_meanwhile


async def test_the_same_set_is_not_written_again(tmp_path: Path) -> None:
    """Replicas that start with what is kept leave it alone; another set replaces it."""
    server, folder = ConfigMaps(), tmp_path / "policies"
    for name in ("good", "good", "other"):
        write(folder, name)
        source = PolicyFolder(folder, PoliciesInForce(), last_good(server))
        await source.start()
        async with source.watched():
            wanted = source._keeping
            assert wanted is not None
            await wanted

    assert 2 == server.writes


@pytest.mark.parametrize("text", ["", "lw", "lw/", "/x", "lw/UPPER", "a/b/c", "a b/c"])
def test_a_config_map_is_named_with_its_namespace(text: str) -> None:
    """What is wanted is said."""
    with pytest.raises(InvalidInput, match="NAMESPACE/NAME of a ConfigMap is wanted"):
        ConfigMapName.parse(text)
