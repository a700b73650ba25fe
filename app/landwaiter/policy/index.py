"""
Which policies can have a word about an object, found without looking at every policy.

Most policies of a large cluster are about other namespaces, or about images of other registries.
What a policy is to the objects of a namespace depends on the namespace's name and labels alone, and
whether its hosts cover a registry on nothing but their names: so both are found out once, and kept
as long as the set of policies is in force. Labels are compared at each request, so they are never
those of yesterday (design, semantics 8). What is left is looked at for each object: who asks for
what, the labels of the Pod, and the images.

The index leaves out only what looking would leave out: one policy too few would be a bypass. So it
asks the selectors and the patterns themselves, and where an image's registry cannot be told, or an
object has images of many, all policies of the namespace are looked at.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias, TypeVar

from landwaiter.images.patterns import HostPattern
from landwaiter.policy.applicable import Applicable, in_namespace, is_met
from landwaiter.policy.case import Case, Side
from landwaiter.policy.matching import Policy
from landwaiter.rules.verdict import Action
from landwaiter.workloads.values import ImageUse, Workload

PLACES_MAX: Final = 4_000
"""Namespaces, by kind of object and side; a busy cluster of a thousand namespaces fits in."""

REGISTRIES_MAX: Final = 4
"""For an object with images of more registries all policies of its namespace are looked at."""

REGISTRY_SETS_MAX: Final = 16
"""Which registries are named together in one namespace; whoever writes Pods can name any."""

_Labels: TypeAlias = Mapping[str, str] | None
_Registries: TypeAlias = frozenset[str]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class _Place(NamedTuple):
    """A kind of object in a namespace, on one side; `as_match` as in `Applicable.has_a_word`."""

    namespace: str
    is_template: bool
    side: Side
    as_match: bool


class _Indexed:
    """
    A policy, and the hosts that its images can be on, None where that is any.

    What it is to the objects of a namespace takes one of few values: each is made once.
    """

    __slots__ = ("_made", "hosts", "policy")

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        hosts = frozenset(pattern.parts.host for pattern in policy.images)
        self.hosts: tuple[HostPattern, ...] | None = (
            None if None in hosts else tuple(each for each in hosts if each is not None)
        )
        self._made: dict[
            tuple[Literal[True] | None, frozenset[frozenset[Action]], bool], Applicable
        ] = {}

    def at(self, place: _Place, labels: _Labels) -> Applicable | None:
        """Return what the policy is there, None where it has no word."""
        found = in_namespace(self.policy, place.namespace, labels, is_template=place.is_template)
        if found is None or not found.has_a_word(place.side, as_match=place.as_match):
            return None
        return self._made.setdefault((found.applies, found.here, place.is_template), found)

    def may_cover(self, registries: _Registries) -> bool:
        """Whether an image of one of the registries can be one that the policy is about."""
        return self.hosts is None or any(
            host.matches_registry(registry) for registry in registries for host in self.hosts
        )


class _Known:
    """What is known of a place as long as the namespace's labels are these."""

    __slots__ = ("_by_registries", "_found", "all", "labels")

    def __init__(self, labels: _Labels, found: Iterable[tuple[_Indexed, Applicable]]) -> None:
        self.labels = None if labels is None else dict(labels)
        self._found = tuple(found)
        self.all = tuple(each for _, each in self._found)
        self._by_registries: dict[_Registries, tuple[Applicable, ...]] = {}

    def about(self, registries: _Registries | None) -> tuple[Applicable, ...]:
        """Return the policies that can be about an image of these registries, None for any."""
        if registries is None:
            return self.all
        if (found := self._by_registries.get(registries)) is None:
            found = tuple(each for one, each in self._found if one.may_cover(registries))
            _make_room(self._by_registries, REGISTRY_SETS_MAX)
            self._by_registries[registries] = found
        return found


class PolicyIndex:
    """
    The policies of one set, which never change, by the namespaces that they name.

    What has been found out is kept by place and registries, bounded; the oldest makes room. Used on
    one event loop only, so it needs no lock.
    """

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._indexed = tuple(map(_Indexed, policies))
        self._anywhere: list[int] = []
        self._named: dict[str, list[int]] = {}
        for number, each in enumerate(self._indexed):
            if (names := each.policy.namespaces) is None:
                self._anywhere.append(number)
            else:
                for name in names:
                    self._named.setdefault(name, []).append(number)
        self._known: dict[_Place, _Known] = {}

    def candidates(
        self, case: Case, side: Side, labels: _Labels, *, as_match: bool
    ) -> list[Applicable]:
        """
        Return the policies that could have a word on this side, in the order of the set.

        `labels` are those of the namespace, None where they are not known. Only where one of these
        policies depends on them they have to be asked for: an UPDATE that drops a finalizer needs
        no lookup, and what depends on labels keeps nothing waiting that does not.
        """
        workload = case.workload
        place = _Place(workload.namespace, workload.is_template, side, as_match)
        known = self._known.get(place)
        if known is None or known.labels != labels:
            known = _Known(labels, self._found(place, labels))
            _make_room(self._known, PLACES_MAX)
            self._known[place] = known
        return [each for each in known.about(_registries(workload)) if is_met(each.policy, case)]

    def _found(self, place: _Place, labels: _Labels) -> Iterator[tuple[_Indexed, Applicable]]:
        """Ask each policy that can be about the namespace, and leave out those that are not."""
        for number in sorted((*self._anywhere, *self._named.get(place.namespace, ()))):
            one = self._indexed[number]
            if (found := one.at(place, labels)) is not None:
                yield one, found


def _make_room(known: dict[_Key, _Value], most: int) -> None:
    """Let the oldest go where one more would be too many."""
    if len(known) >= most:
        del known[next(iter(known))]


def _registries(workload: Workload) -> _Registries | None:
    """
    Return the registries of all images, as they are written; None where they are not to go by.

    A name that does not parse could be of any, and so could one that is still to be filled in.
    """
    if workload.placeholders:
        return None
    found = set[str]()
    for use in workload.uses:
        if not isinstance(use, ImageUse):
            return None
        found.add(use.reference.registry)
    return frozenset(found) if len(found) <= REGISTRIES_MAX else None
