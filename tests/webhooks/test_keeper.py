"""How the object is kept, by one replica against an API server in memory."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from cluster.an_api import FakeAPI
from landwaiter.cluster.events import Note
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.cluster.version import ServerVersion
from landwaiter.errors import ClusterConflict, ClusterUnavailable
from landwaiter.webhooks import keeper as module
from landwaiter.webhooks.configuration import WebhookPath
from landwaiter.webhooks.keeper import FREE_REPAIRS, Surroundings, WebhookKeeper
from landwaiter.webhooks.view import Door, DoorState
from webhooks.objects import BOTH, NEW, OBSERVE, SETTINGS, VALIDATE, View, an_object

ROLE = "/apis/rbac.authorization.k8s.io/v1/clusterroles/guard"
PATH = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/guard"
OPEN = Door(DoorState.OPEN, why="the ClusterRole is missing")


@dataclass
class Place:
    """Everything around a keeper, which the test sets."""

    api: FakeAPI = field(default_factory=FakeAPI)
    view: View = field(default_factory=View)
    paths: frozenset[WebhookPath] = BOTH
    bundle: bytes | None = b"CA"
    distrust: str | None = None
    leads: bool = True
    version: ServerVersion | ClusterUnavailable = NEW
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    notes: list[Note] = field(default_factory=list)
    repairs: int = 0
    now: float = 0.0

    def __post_init__(self) -> None:
        self.reached.set()
        self.role("role-1")
        self.keeper = WebhookKeeper(
            ClusterObjects(self.api),
            self.view,
            SETTINGS,
            Surroundings(
                paths=lambda: self.paths,
                bundle=lambda: self.bundle,
                distrust=lambda _: self.distrust,
                reached=self._reach,
                leads=lambda: self.leads,
                version=self._version,
                note=self.notes.append,
                repaired=self._repaired,
            ),
            clock=lambda: self.now,
        )

    def role(self, uid: str, **metadata: str) -> None:
        """Put another ClusterRole in the place of the one that there is."""
        self.api.objects[ROLE] = {"metadata": {"name": "guard", "uid": uid, **metadata}}

    @property
    def writes(self) -> list[str]:
        """What has been asked for besides the ClusterRole."""
        return [asked.split()[0] for asked in self.api.asked if ROLE not in asked]

    async def _reach(self) -> None:
        await self.reached.wait()

    async def _version(self) -> ServerVersion:
        if isinstance(self.version, ClusterUnavailable):
            raise self.version
        return self.version

    def _repaired(self) -> None:
        self.repairs += 1

    async def rounds(self, count: int = 2) -> None:
        """Let the keeper look several times, each time with the newest view."""
        for _ in range(count):
            self.view.live = self.object
            await self.keeper.round()
        self.view.live = self.object

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the object as somebody else."""
        content = self.object
        assert content is not None
        change(content)
        self.api.put(PATH, content)

    @property
    def object(self) -> dict[str, Any] | None:
        return self.api.objects.get(PATH)

    @property
    def names(self) -> list[str]:
        return [each["name"].partition(".")[0] for each in (self.object or {}).get("webhooks", [])]

    @property
    def told(self) -> list[tuple[str, str, bool]]:
        return [(note.reason, note.text, note.is_warning) for note in self.notes]


@pytest.fixture
async def place() -> Place:
    """Give a keeper whose address has been reached already."""
    place = Place()
    await place.rounds(1)
    await asyncio.sleep(0)
    return place


async def test_an_object_is_made_and_left_alone(place: Place) -> None:
    """One write, and none after it."""
    await place.rounds(3)
    wanted = an_object()
    found = place.object or {}

    assert wanted["webhooks"] == found["webhooks"]
    assert wanted["metadata"].items() <= found["metadata"].items()
    # Before its address had answered, the path that refuses was left out.
    assert ["POST", "PUT"] == place.writes
    assert [
        ("WebhookMade", "made with observe.landwaiter.dev", False),
        ("WebhookUpdated", "changed validate.landwaiter.dev: missing", False),
    ] == place.told


async def test_the_path_that_refuses_waits_for_its_address() -> None:
    """The other one does not."""
    place = Place()
    place.reached.clear()
    await place.rounds(3)
    before = place.names
    place.reached.set()
    await asyncio.sleep(0.01)
    await place.rounds()

    assert (["observe"], ["observe", "validate"]) == (before, place.names)


async def test_a_path_that_is_there_is_not_waited_for() -> None:
    """A replica that takes over keeps what there is, and removes nothing meanwhile."""
    place = Place()
    place.reached.clear()
    place.api.put(PATH, an_object(bundle=b"old CA"))
    await place.rounds()

    assert ["observe", "validate"] == place.names
    assert an_object()["webhooks"] == (place.object or {})["webhooks"]


async def test_semantics_18_the_object_goes_with_the_last_policy(place: Place) -> None:
    """And the path with the last policy that needs it."""
    await place.rounds()
    seen = []
    for paths in (frozenset({VALIDATE}), frozenset({OBSERVE}), frozenset[WebhookPath]()):
        place.paths = paths
        await place.rounds()
        seen.append(place.names)

    assert [["validate"], ["observe"], []] == seen
    assert (None, "WebhookRemoved") == (place.object, place.told[-1][0])


async def test_only_the_one_that_leads_writes(place: Place) -> None:
    """The others look on."""
    await place.rounds()
    place.leads = False
    place.edit(lambda content: content["webhooks"].pop())
    await place.rounds()

    assert ["observe"] == place.names


async def test_what_is_not_known_is_not_written() -> None:
    """No view, no CA, or a CA that does not vouch for what is served: whatever is there stays."""
    for changed in (
        {"view": View(unknown="not heard yet")},
        {"bundle": None},
        {"distrust": "self-signed certificate"},
    ):
        place = Place(**changed)
        await place.rounds()

        assert (None, []) == (place.object, place.api.asked)


async def test_an_open_door_stays_open(place: Place) -> None:
    """The object goes, nothing makes it again, and it is told once; so is that it is shut."""
    await place.rounds()
    place.view.door = OPEN
    await place.rounds(5)
    gone = place.object
    told = place.told
    place.notes.clear()
    place.role("role-2")
    place.view.door = Door(DoorState.CLOSED, "role-2")
    await place.rounds(3)
    owner = (place.object or {})["metadata"]["ownerReferences"][0]["uid"]

    assert (None, "role-2") == (gone, owner)
    text = "the ClusterRole is missing: nothing is judged until it is there"
    assert [("DoorOpened", text, True)] == [each for each in told if each[0].startswith("Door")]
    assert ["DoorClosed", "WebhookMade"] == [each[0] for each in place.told]


@pytest.mark.parametrize(
    "role", [None, {"uid": "role-2"}, {"uid": "role-1", "deletionTimestamp": "x"}]
)
async def test_news_of_an_open_door_may_be_late(place: Place, role: dict[str, str] | None) -> None:
    """The role is asked for itself before an object is made again: gone, another, or going."""
    await place.rounds()
    del place.api.objects[PATH]
    if role is None:
        del place.api.objects[ROLE]
    else:
        place.role(**role)
    await place.rounds(3)

    assert (None, 0) == (place.object, place.repairs)


async def test_a_door_that_was_never_shut_is_told_too() -> None:
    """An install without its ClusterRole judges nothing, and says so."""
    place = Place(view=View(door=OPEN))
    await place.rounds(3)

    assert (["DoorOpened"], []) == ([each[0] for each in place.told], place.api.asked)


async def test_another_replica_that_writes_is_left_to_it() -> None:
    """What is told is told once, and nothing is asked for."""
    place = Place(view=View(door=OPEN), leads=False)
    await place.rounds(3)

    assert ([], []) == (place.told, place.api.asked)


async def test_an_edit_is_a_repair_and_a_change_of_ours_is_none(place: Place) -> None:
    """An Event names who and what; it is a warning, and counted."""
    await place.rounds()
    place.notes.clear()
    place.edit(
        lambda content: (
            content["webhooks"][0].update(failurePolicy="Fail"),
            content["metadata"].update(managedFields=[{"manager": "kubectl-edit"}]),
        )
    )
    await place.rounds()
    del place.api.objects[PATH]
    await place.rounds()
    place.bundle = b"next CA"
    await place.rounds()

    both = "observe.landwaiter.dev: clientConfig; validate.landwaiter.dev: clientConfig"
    assert [
        ("WebhookRepaired", "kubectl-edit had changed observe.landwaiter.dev: failurePolicy", True),
        ("WebhookRepaired", "it had been deleted, and is there again", True),
        ("WebhookUpdated", f"changed {both}", False),
    ] == place.told
    assert 2 == place.repairs


@pytest.mark.parametrize("webhooks", [None, [], "gone"])
async def test_an_object_without_webhooks_is_repaired(place: Place, webhooks: object) -> None:
    """The API server leaves an empty list away."""
    await place.rounds()
    place.edit(
        lambda content: (
            content.pop("webhooks") if webhooks == "gone" else content.update(webhooks=webhooks)
        )
    )
    await place.rounds()

    assert ["observe", "validate"] == place.names


async def test_a_quarrel_costs_little(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some repairs within a minute there is a pause before each one."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    await place.rounds()
    monkeypatch.setattr(asyncio, "sleep", sleep)
    for _ in range(FREE_REPAIRS + 2):
        del place.api.objects[PATH]
        place.view.live = None
        # What the fake API waits with has been taken away as well.
        await place.keeper.round()
    quarrel = [each for each in pauses if each]
    place.now = 120.0
    del place.api.objects[PATH]
    place.view.live = None
    await place.keeper.round()

    assert [module.REPAIR_PAUSE_SECONDS] * 2 == quarrel == [each for each in pauses if each]


async def test_what_the_api_server_makes_of_it_is_no_quarrel(place: Place) -> None:
    """A server that drops or fills in a field is written to once, until we want something else."""
    original = place.api._stored

    def stored(path: str, body: dict[str, Any], status: int = 200) -> Any:  # noqa: ANN401
        for webhook in body.get("webhooks", []):
            webhook.pop("matchConditions", None)
            webhook["newField"] = "default"
        return original(path, body, status)

    place.api._stored = stored  # type: ignore[method-assign]  # This server is an odd one.
    await place.rounds(5)
    writes = len(place.writes)
    place.edit(lambda content: content["webhooks"][0].update(failurePolicy="Fail"))
    await place.rounds(5)

    assert (2, 3, 1) == (writes, len(place.writes), place.repairs)


async def test_the_version_is_asked_for_now_and_then(place: Place) -> None:
    """Conditions come with the first version that knows them, and go when it is taken back."""
    await place.rounds()
    place.version = ServerVersion(1, 27)
    await place.rounds()
    before = ["matchConditions" in each for each in (place.object or {})["webhooks"]]
    place.now = module.VERSION_SECONDS
    await place.rounds()
    after = ["matchConditions" in each for each in (place.object or {})["webhooks"]]

    assert ([True, True], [False, False]) == (before, after)


async def test_a_version_that_cannot_be_asked_for_keeps_nothing_waiting() -> None:
    """Conditions only save requests."""
    place = Place(version=ClusterUnavailable("may not"))
    await place.rounds(3)

    assert ["observe", "validate"] == place.names
    assert an_object(version=None)["webhooks"] == (place.object or {})["webhooks"]


async def test_an_older_view_ends_in_a_conflict(place: Place) -> None:
    """What somebody has written meanwhile is never overwritten unseen."""
    await place.rounds()
    place.view.live = {**(place.object or {}), "metadata": {**(place.object or {})["metadata"]}}
    place.view.live["metadata"]["resourceVersion"] = "1"
    place.view.live["webhooks"] = []
    with pytest.raises(ClusterConflict):
        await place.keeper.round()

    assert ["observe", "validate"] == place.names


async def test_it_runs_through_outages_until_it_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cluster that cannot be written to is tried again; news is looked at once it comes."""
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.001)
    place = Place(api=FakeAPI(down=ClusterUnavailable("down")))
    running = asyncio.create_task(place.keeper.run())
    async with asyncio.timeout(10):
        while len(place.api.asked) < 3:  # noqa: ASYNC110  # Another task decides.
            await asyncio.sleep(0)
        place.api.down = None
        while "validate" not in place.names:
            place.view.live = place.object
            place.keeper.wake()
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert running.cancelled()
    assert ["observe", "validate"] == place.names
