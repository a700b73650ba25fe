"""
How many images may be in hand at once: in all, of one registry, and for one namespace.

An image in hand holds memory, so there is a limit in all. A registry that answers slowly keeps
its images in hand for long, and anybody who may write Pods can name such a registry: the limit
for one of them leaves places for the others. So does the limit for one namespace. And namespaces
take turns, so that a thousand Pods with images that nobody has seen before wait behind each other,
and not before the images of somebody else.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class _Turn:
    """An image that waits for these namespaces; `given` will be the one whose turn it was."""

    registry: str
    given: asyncio.Future[str]
    namespaces: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Registry:
    """The places of a registry that are taken, and which images wait for whom, the next first."""

    taken: int = 0
    waiting: dict[str, dict[_Turn, None]] = field(default_factory=dict)


class ImagePlaces:
    """
    Places for images. Used on one event loop only, so it needs no lock.

    Remembers a registry or a namespace only while one of its images has, or waits for, a place.
    """

    def __init__(self, *, in_all: int, of_one_registry: int, of_one_namespace: int) -> None:
        self._free = in_all
        self._of_one_registry = of_one_registry
        self._of_one_namespace = of_one_namespace
        self._registries: dict[str, _Registry] = {}
        self._taken_for: Counter[str] = Counter()
        self._turns: dict[Hashable, _Turn] = {}

    @asynccontextmanager
    async def of(self, registry: str, namespace: str, image: Hashable) -> AsyncIterator[None]:
        """
        Wait for a place for an image of the registry, in the namespace's turn, and hold it.

        `image` is what `ask_too` knows it by.
        """
        turn = _Turn(registry.lower(), asyncio.get_running_loop().create_future())
        self._turns[image] = turn
        self._line_up(turn, namespace)
        self._give()
        try:
            taken_for = await turn.given
        except asyncio.CancelledError:
            self._leave(turn)
            if not turn.given.cancelled():
                self._take_back(turn.registry, turn.given.result())
            raise
        finally:
            del self._turns[image]
        try:
            yield
        finally:
            self._take_back(turn.registry, taken_for)

    def ask_too(self, image: Hashable, namespace: str) -> None:
        """Let an image, if it waits for a place, wait in another namespace's turn as well."""
        turn = self._turns.get(image)
        if turn is not None and not turn.given.done():
            self._line_up(turn, namespace)
            self._give()

    def _line_up(self, turn: _Turn, namespace: str) -> None:
        registry = self._registries.setdefault(turn.registry, _Registry())
        registry.waiting.setdefault(namespace, {})[turn] = None
        turn.namespaces.add(namespace)

    def _leave(self, turn: _Turn) -> None:
        """Let an image wait no more, in nobody's turn."""
        while turn.namespaces:
            namespace, registry = turn.namespaces.pop(), self._registries[turn.registry]
            del registry.waiting[namespace][turn]
            if not registry.waiting[namespace]:
                del registry.waiting[namespace]
            self._forget(turn.registry)

    def _give(self) -> None:
        """Give places as long as there are some, and somebody may have one."""
        while self._free and (found := next(self._candidates(), None)) is not None:
            turn, namespace = found
            if turn.given.cancelled():  # Whoever waited has not noticed yet.
                self._leave(turn)
                continue
            registry = self._registries.pop(turn.registry)
            self._registries[turn.registry] = registry
            registry.waiting[namespace] = registry.waiting.pop(namespace)
            registry.taken += 1
            self._leave(turn)
            self._free -= 1
            self._taken_for[namespace] += 1
            turn.given.set_result(namespace)

    def _candidates(self) -> Iterator[tuple[_Turn, str]]:
        """Yield who may have a place, in the order of turns: of registries, then of namespaces."""
        for registry in self._registries.values():
            if registry.taken < self._of_one_registry:
                for namespace, turns in registry.waiting.items():
                    if self._taken_for[namespace] < self._of_one_namespace:
                        yield next(iter(turns)), namespace

    def _take_back(self, name: str, namespace: str) -> None:
        registry = self._registries[name]
        registry.taken -= 1
        self._forget(name)
        self._free += 1
        self._taken_for[namespace] -= 1
        self._taken_for += Counter()  # Namespaces without images are forgotten.
        self._give()

    def _forget(self, name: str) -> None:
        """Remember nothing of a registry of which no image has, or waits for, a place."""
        registry = self._registries[name]
        if not registry.taken and not registry.waiting:
            del self._registries[name]
