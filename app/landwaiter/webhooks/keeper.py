"""
Keeps the webhook object as it should be, by the one replica that writes.

It is made when this process serves and a policy needs it, set right within the moment when
somebody has changed or deleted it, and removed with the last policy that needs it, with the
ClusterRole that it belongs to, or with our namespace. What is written can be answered: the CA
bundle has to vouch for the certificate that is served here, and before the webhook that refuses is
there for the first time its address has to answer.

Ending leaves the object alone: the other replicas answer, and if there are none, refusing is what
the policies ask for.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

import structlog
from structlog.typing import FilteringBoundLogger

from landwaiter.cluster.events import Note, Regarding
from landwaiter.cluster.listing import Content
from landwaiter.cluster.objects import FIELD_MANAGER, ClusterObjects
from landwaiter.cluster.version import ServerVersion
from landwaiter.errors import ClusterConflict, ClusterUnavailable
from landwaiter.webhooks.configuration import (
    API_VERSION,
    CLUSTER_ROLES,
    CONFIGURATIONS,
    KIND,
    Wanted,
    WebhookPath,
    configuration,
)
from landwaiter.webhooks.drift import by_name, differences, last_manager
from landwaiter.webhooks.plan import Create, Delete, Replace, Step, step_to
from landwaiter.webhooks.settings import WebhookSettings
from landwaiter.webhooks.view import DoorState, Seen

TICK_SECONDS: Final = 1.0
"""How often the policies in force are looked at; what changes in the cluster is seen at once."""

RETRY_SECONDS: Final = 3.0
"""How long to leave a cluster alone that could not be written to."""

VERSION_SECONDS: Final = 600.0
"""How often the API server's version is asked for; an upgrade takes longer."""

FREE_REPAIRS: Final = 5
REPAIRS_WITHIN_SECONDS: Final = 60.0
REPAIR_PAUSE_SECONDS: Final = 5.0
"""After some repairs within a minute there is a pause before each: a quarrel must cost little."""

_log = cast("FilteringBoundLogger", structlog.get_logger())


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    What the keeper asks of the rest of the process.

    `paths`: those that the policies in force need. `bundle`: what to tell the API server to
    trust, in PEM, None as long as that is not known. `distrust`: why whoever trusts a bundle does
    not trust what is served here, None where it does. `reached`: returns when our address has
    answered, or will not. `leads`: whether this replica is to write. `version`: asks which
    Kubernetes it is. `note`: takes a note for an Event. `repaired`: counts.
    """

    paths: Callable[[], Collection[WebhookPath]]
    bundle: Callable[[], bytes | None]
    distrust: Callable[[bytes], str | None]
    reached: Callable[[], Awaitable[None]]
    leads: Callable[[], bool]
    version: Callable[[], Awaitable[ServerVersion]]
    note: Callable[[Note], None]
    repaired: Callable[[], None]


class WebhookKeeper:
    """Keeps one object; used on one event loop."""

    def __init__(
        self,
        objects: ClusterObjects,
        view: Seen,
        settings: WebhookSettings,
        surroundings: Surroundings,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objects = objects
        self._view = view
        self._settings = settings
        self._around = surroundings
        self._clock = clock
        self._woken = asyncio.Event()
        self._reaching: asyncio.Task[None] | None = None
        self._version: ServerVersion | None = None
        self._version_due = clock()
        self._written: Content | None = None
        self._settled: tuple[Content, tuple[str, ...], Any] | None = None
        self._repairs: deque[float] = deque(maxlen=FREE_REPAIRS)
        self._problem: str | None = None
        self._door = DoorState.UNKNOWN

    def wake(self) -> None:
        """Look again at once: something has changed."""
        self._woken.set()

    async def run(self) -> None:
        """Keep the object until cancelled."""
        try:
            while True:
                pause = TICK_SECONDS
                self._woken.clear()
                try:
                    await self.round()
                except ClusterConflict:
                    pause = 0.1  # The news of what was written meanwhile is on its way.
                except ClusterUnavailable as fault:
                    self._note_problem(str(fault))
                    pause = RETRY_SECONDS
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._woken.wait()
        finally:
            if self._reaching is not None:
                self._reaching.cancel()

    async def round(self) -> None:
        """Do what is due, if this replica is to do it. Raises `ClusterUnavailable`."""
        if not self._around.leads():
            self._written = None
            return
        if (problem := self._view.problem()) is not None:
            self._note_problem(problem)
            return
        live = self._view.live
        self._note_door()
        wanted = await self._wanted(live)
        if isinstance(wanted, str):
            self._note_problem(wanted)
            return
        step = step_to(live, wanted)
        if step is None or self._is_settled(step, wanted, live):
            self._note_problem(None)
        elif not await self._has_waited(step, wanted):
            return
        elif isinstance(step, Delete):
            await self._delete(step)
        elif wanted is not None:
            await self._write(step, wanted)

    async def _wanted(self, live: Content | None) -> Content | str | None:
        """Return the object that should be there, None for none, or why that is not known."""
        door = self._view.door
        if door.state is not DoorState.CLOSED:
            return None
        paths = self._paths(live)
        if not paths:
            return None
        bundle = self._around.bundle()
        if bundle is None:
            return "it is not known yet which CA the API server has to trust"
        if (distrust := self._around.distrust(bundle)) is not None:
            return f"whoever trusts the CA does not trust the certificate served here: {distrust}"
        await self._learn_version()
        return configuration(
            self._settings, Wanted(paths, bundle, owner_uid=door.uid, version=self._version)
        )

    def _paths(self, live: Content | None) -> Collection[WebhookPath]:
        """Return the paths to be armed now: the one that refuses when its address has answered."""
        paths = self._around.paths()
        validate = WebhookPath.VALIDATE
        if validate not in paths or validate.webhook_name in by_name(live or {}):
            return paths
        if self._reaching is None:
            self._reaching = asyncio.ensure_future(self._around.reached())
            self._reaching.add_done_callback(lambda _: self.wake())
        if self._reaching.done():
            return paths
        return frozenset(paths) - {validate}

    async def _learn_version(self) -> None:
        if self._clock() < self._version_due:
            return
        self._version_due = self._clock() + VERSION_SECONDS
        try:
            self._version = await self._around.version()
        except ClusterUnavailable as fault:
            self._version_due = self._clock() + TICK_SECONDS * 60
            _log.warning("the version of Kubernetes is not known", error=str(fault))

    def _is_settled(self, step: Step, wanted: Content | None, live: Content | None) -> bool:
        """Whether the API server itself has made the difference, out of what was written to it."""
        return (
            isinstance(step, Replace)
            and live is not None
            and self._settled == (wanted, step.found, live.get("webhooks"))
        )

    async def _has_waited(self, step: Step, wanted: Content | None) -> bool:
        """Pause before one repair of many; return whether it is still for this replica to do."""
        if self._is_repair(step, wanted):
            now, repairs = self._clock(), self._repairs
            if len(repairs) == FREE_REPAIRS and now - repairs[0] < REPAIRS_WITHIN_SECONDS:
                await asyncio.sleep(REPAIR_PAUSE_SECONDS)
            repairs.append(self._clock())
        return self._around.leads()

    def _is_repair(self, step: Step, wanted: Content | None) -> bool:
        """Whether somebody else has changed what was written before, and is wanted still."""
        return not isinstance(step, Delete) and self._written == wanted

    async def _delete(self, step: Delete) -> None:
        await self._objects.delete(CONFIGURATIONS, self._settings.name, uid=step.uid)
        self._written = None
        if self._view.door.state is DoorState.CLOSED:
            self._tell("WebhookRemoved", "no policy in force needs it")
        self._note_problem(None)

    async def _write(self, step: Create | Replace, wanted: Content) -> None:
        if isinstance(step, Create) and not await self._door_is_shut(wanted):
            return
        is_repair, before = self._is_repair(step, wanted), self._view.live
        write = self._objects.create if isinstance(step, Create) else self._objects.replace
        stored = await write(CONFIGURATIONS, step.content)
        self._written = wanted
        found = differences(stored, wanted)
        self._settled = (wanted, found, stored.get("webhooks")) if found else None
        self._note_problem(None)
        if is_repair:
            self._around.repaired()
            self._tell("WebhookRepaired", _repaired(step, before), is_warning=True)
        elif isinstance(step, Replace):
            self._tell("WebhookUpdated", f"changed {'; '.join(step.found)}")
        else:
            self._tell("WebhookMade", f"made with {', '.join(by_name(stored))}")

    async def _door_is_shut(self, wanted: Content) -> bool:
        """Ask for the role itself: news of its deletion may be late, and it is what counts."""
        role = await self._objects.get(CLUSTER_ROLES, self._settings.name)
        metadata = (role or {}).get("metadata", {})
        owner = wanted["metadata"]["ownerReferences"][0]["uid"]
        return metadata.get("uid") == owner and "deletionTimestamp" not in metadata

    def _note_door(self) -> None:
        """Tell once that the door has been opened, whoever did it, and once that it is shut."""
        door = self._view.door
        if door.state is self._door or DoorState.UNKNOWN is door.state:
            return
        was, self._door = self._door, door.state
        if door.state is DoorState.OPEN:
            self._written = None
            text = f"{door.why}: nothing is judged until it is there"
            self._tell("DoorOpened", text, is_warning=True)
        elif was is DoorState.OPEN:
            self._tell("DoorClosed", f'the ClusterRole "{self._settings.name}" is there again')

    def _tell(self, reason: str, text: str, *, is_warning: bool = False) -> None:
        log = _log.warning if is_warning else _log.info
        log("webhook object", webhook=self._settings.name, reason=reason, text=text)
        regarding = Regarding(API_VERSION, KIND, self._settings.name)
        self._around.note(Note(regarding, reason, "KeepWebhook", text, is_warning))

    def _note_problem(self, problem: str | None) -> None:
        """Log each kind of problem once, until it is over."""
        if problem is not None and problem != self._problem:
            _log.warning("webhook object not kept", webhook=self._settings.name, error=problem)
        self._problem = problem


def _repaired(step: Create | Replace, before: Content | None) -> str:
    if isinstance(step, Create):
        return "it had been deleted, and is there again"
    who = last_manager(before or {}, ours=FIELD_MANAGER)
    return f"{who} had changed {'; '.join(step.found)}"
