"""What is removed of what is kept, and what is told of it."""

from dataclasses import dataclass, field, replace
from typing import Any

from cluster.an_api import FakeAPI
from inventory.observed import Observed
from inventory.sealed import DAY, HOUR, NOW, SEAL, a_record, an_object
from landwaiter.cluster.events import Note, Regarding
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.inventory.collecting import NOT_BELIEVED_SECONDS, Collector, CollectorSettings
from landwaiter.inventory.records import RESOURCE
from landwaiter.inventory.sealing import Seal

OTHER = Seal(b"x" * 32)
LIMIT = 10


@dataclass
class World:
    """An API server with objects that were made at `NOW`, and what is told."""

    api: FakeAPI = field(default_factory=FakeAPI)
    observed: Observed = field(default_factory=Observed)
    notes: list[Note] = field(default_factory=list)
    seconds: float = NOW
    leads: bool = True
    seal: Seal | None = SEAL

    def put(self, *objects: dict[str, Any]) -> None:
        for each in objects:
            self.api.put(RESOURCE.path(name=each["metadata"]["name"]), each)

    def collector(self) -> Collector:
        settings = CollectorSettings(
            lambda: self.seal, lambda: self.leads, LIMIT, lambda: self.seconds, self.notes.append
        )
        return Collector(ClusterObjects(self.api), settings, self.observed)

    def names(self) -> list[str]:
        return [path.rpartition("/")[2] for path in self.api.objects]


def copied(name: str) -> dict[str, Any]:
    content = an_object()
    return {**content, "metadata": {**content["metadata"], "name": name}}


async def test_what_has_expired_is_removed() -> None:
    """That happens every day, and nobody is told."""
    world = World()
    expired, kept = a_record("old", when=NOW - DAY), a_record("new", when=NOW - DAY + 1)
    world.put(an_object(expired), an_object(kept))
    await world.collector().round()

    assert ([kept.name], ["expired"], []) == (
        world.names(),
        world.observed.removed_for,
        world.notes,
    )


async def test_what_expired_long_ago_is_told_of() -> None:
    """Somebody has put it there again, or nobody has removed anything for hours."""
    world = World()
    expired = a_record(when=NOW - DAY - HOUR - 1)
    world.put(an_object(expired))
    await world.collector().round()

    assert ([], ["expired"], ["its time is over"]) == (
        world.names(),
        world.observed.removed_for,
        [each.text.partition(": ")[2] for each in world.notes],
    )


async def test_what_is_not_believed_is_told_of_at_once_and_removed_after_an_hour() -> None:
    """Until then people can look at it."""
    world = World()
    forged = an_object(a_record("b"), seal=OTHER)
    world.put(forged, copied("copied"))
    names = []
    for later in (0.0, NOT_BELIEVED_SECONDS, NOT_BELIEVED_SECONDS + 1):
        world.seconds = NOW + later
        await world.collector().round()
        names.append(world.names())
    name, uid = forged["metadata"]["name"], forged["metadata"]["uid"]

    assert [[name, "copied"], [name, "copied"], []] == names
    assert ["not believed"] * 2 == world.observed.removed_for
    assert world.notes[0] == Note(
        Regarding("landwaiter.dev/v1alpha1", "VerifiedImage", name, uid=uid),
        "NotBelieved",
        "Verify",
        (
            "this VerifiedImage is ignored and will be removed: its seal is not by "
            "Landwaiter's key over these fields"
        ),
        is_warning=True,
    )


async def test_where_there_are_too_many_the_oldest_go() -> None:
    """A tenth at once, so that this is not done for each of them."""
    world = World()
    records = [a_record(f"{age}", when=NOW - age) for age in (5, 1, 4, 2, 3, 0, 6, 7, 8)]
    world.put(*(an_object(each) for each in records))
    await world.collector().round()
    fewer = len(world.names())
    world.put(an_object(a_record("9", when=NOW - 9)))
    await world.collector().round()

    oldest = a_record("9", when=NOW - 9)
    assert (len(records), len(records), ["surplus"]) == (
        fewer,
        len(world.names()),
        world.observed.removed_for,
    )
    assert oldest.name not in world.names()


async def test_only_who_holds_the_lease_and_the_seal_removes_and_tells() -> None:
    """The others would do the same at once."""
    for changes in ({"leads": False}, {"seal": None}):
        world = replace(World(), **changes)
        world.put(an_object(a_record(when=NOW - DAY)), copied("copied"))
        await world.collector().round()

        assert (2, [], []) == (len(world.names()), world.observed.removed_for, world.notes)


async def test_what_was_written_anew_meanwhile_stays() -> None:
    """Only the version that was looked at is removed."""
    world = World()
    record = a_record(when=NOW - DAY)
    path = RESOURCE.path(name=record.name)
    world.put(an_object(record))
    send = world.api.send

    async def renewed(request: Any) -> Any:  # noqa: ANN401  # As the API has it.
        if request.method == "DELETE":
            world.api.put(path, an_object(a_record()))
        return await send(request)

    world.api.send = renewed  # type: ignore[method-assign]  # Somebody writes in between.
    await world.collector().round()

    assert ([record.name], []) == (world.names(), world.observed.removed_for)
