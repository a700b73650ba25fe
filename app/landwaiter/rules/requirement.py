"""
Which of the authorities have to have signed: one of them, each of some, or so many different ones.

A threshold counts signers and not names: two authorities with one key are one signer. Identities
count as one as well where a certificate could name both, for an expression may match the name of
anybody. Of all names those are counted that are certainly different, each from each other, so that
one more signature never makes them fewer. What cannot be met, or would be met by nothing, is
refused when it is loaded.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations
from typing import Annotated, Self

from pydantic import Field, model_validator

from landwaiter.errors import InvalidPolicy
from landwaiter.identities import ANYBODY, Identity
from landwaiter.rules.authorities import AuthoritySettings
from landwaiter.rules.settings import Settings
from landwaiter.rules.signing_authority import SigningAuthority

AUTHORITIES_MAX = 20
"""Each authority costs a cosign run of a cold image: more would not end within a deadline."""

Seal = tuple[str, tuple[tuple[str, str], ...]]
"""Whose signature it is, as a fingerprint, and what has been signed along."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """
    What has to hold of the authorities that have signed; all of it.

    Each of `all_of` has signed, each with a seal of its own; one of `any_of` has, in which there is
    one at least; and `threshold` different signers have. `alike` are names that may be one signer.
    """

    any_of: tuple[str, ...]
    all_of: tuple[str, ...] = ()
    threshold: int = 1
    alike: tuple[frozenset[str], ...] = ()

    def met_by(self, signed: Mapping[str, Seal], maybe: Iterable[str] = ()) -> bool:
        """Whether it is met by those that have signed, were the others to sign that still may."""
        names = {*signed, *maybe}
        seals = [signed[name] for name in self.all_of if name in signed]
        return (
            names.issuperset(self.all_of)
            and len(set(seals)) == len(seals)
            and not names.isdisjoint(self.any_of)
            and (self.threshold == 1 or self._different(names, signed) >= self.threshold)
        )

    def _different(self, names: Iterable[str], signed: Mapping[str, Seal]) -> int:
        """Return how many of the names are certainly different signers."""
        by_signer: dict[str, set[str]] = {}
        for name, (signer, _) in signed.items():
            by_signer.setdefault(signer, set()).add(name)
        return _most_apart(names, (*self.alike, *by_signer.values()))

    def __str__(self) -> str:
        """Return who is wanted, as it stands in a sentence after "by"."""
        wanted = []
        if self.all_of:
            wanted.append(_listed(self.all_of, "and"))
        if set(self.any_of) != set(self.all_of):
            wanted.append(_listed(self.any_of, "or"))
        if self.threshold > 1:
            wanted.append(f"{self.threshold} different signers")
        return " and by ".join(wanted)


def sentence(parts: Iterable[tuple[str, str]]) -> str:
    """Return what each authority's answer was, equal answers said once."""
    by_detail: dict[str, list[str]] = {}
    for name, detail in parts:
        by_detail.setdefault(detail, []).append(name)
    return "; ".join(f"{', '.join(names)}: {detail}" for detail, names in by_detail.items())


def _most_apart(names: Iterable[str], alike: Iterable[AbstractSet[str]]) -> int:
    """Return how many names there are at most of which no two stand in one of the sets."""
    near: dict[str, set[str]] = {name: set() for name in names}
    for each in alike:
        for name in each & near.keys():
            near[name] |= each & near.keys() - {name}
    return _most_of(frozenset(near), near)


def _most_of(names: frozenset[str], near: Mapping[str, AbstractSet[str]]) -> int:
    """
    Return the same for some of the names; `near` tells who may not stand beside a name.

    A name with nobody near counts. Of any other, with whom it is best to begin, there are the most
    either with it or without: of twenty names a few hundred cases.
    """
    if not names:
        return 0
    name = max(sorted(names), key=lambda each: len(near[each] & names))
    without = names - {name}
    if not near[name] & names:
        return len(names)
    return max(_most_of(without, near), 1 + _most_of(without - near[name], near))


def _listed(names: Sequence[str], word: str) -> str:
    return f" {word} ".join(f'"{name}"' for name in names)


def _may_be_one(one: SigningAuthority, other: SigningAuthority) -> bool:
    """Whether one signature could be by both; a key that stands elsewhere is another until read."""
    mine, theirs = one.signers, other.signers
    if not isinstance(mine, tuple) or not isinstance(theirs, tuple):
        return mine == theirs
    return _is_vouched_for(mine) is _is_vouched_for(theirs) and not all(
        each.excludes(another) for each in mine for another in theirs
    )


def _is_vouched_for(identities: Iterable[Identity]) -> bool:
    """Whether an issuer vouches for the names, and not an authority of one's own."""
    return all(each.issuer != ANYBODY for each in identities)


AuthorityName = Annotated[str, Field(min_length=1, max_length=63)]


class RequirementSettings(Settings):
    """Authorities, and which of them have to have signed: one of them unless more is said."""

    authorities: Sequence[AuthoritySettings]
    all_of: list[AuthorityName] = Field(
        default_factory=list, min_length=1, max_length=AUTHORITIES_MAX
    )
    """Names of authorities, each of which has to have signed."""
    any_of: list[AuthorityName] = Field(
        default_factory=list, min_length=1, max_length=AUTHORITIES_MAX
    )
    """Names of authorities, one of which has to have signed."""
    threshold: int = Field(default=1, ge=1, le=AUTHORITIES_MAX)
    """How many different signers have to have signed; one key under two names is one signer."""

    @model_validator(mode="after")
    def _names_are_those_of_authorities(self) -> Self:
        names = [authority.name for authority in self.authorities]
        for field, given in (("authority", names), ("allOf", self.all_of), ("anyOf", self.any_of)):
            if twice := sorted({name for name in given if given.count(name) > 1}):
                raise ValueError(f"{field} {twice[0]!r} is given twice, distinct names wanted")
            if unknown := [name for name in given if name not in names]:
                raise ValueError(f'{field}: "{unknown[0]}" given, the name of an authority wanted')
        if both := [name for name in self.any_of if name in self.all_of]:
            raise ValueError(f'anyOf: "{both[0]}" given, which allOf asks for already')
        asked = {*self.all_of, *self.any_of} if self.threshold == 1 else set()
        if asked and (idle := [name for name in names if name not in asked]):
            raise ValueError(f'authority "{idle[0]}" given, which nothing asks for')
        return self

    def requirement(self, authorities: Sequence[SigningAuthority]) -> Requirement:
        """Return the requirement. Raises `InvalidPolicy` where nothing could meet it."""
        names = tuple(each.name for each in authorities)
        alike = tuple(_pairs_that_may_be_one(authorities))
        different = _most_apart(names, alike)
        if different < self.threshold:
            told = f": {_listed(sorted(alike[0]), 'and')} may be one" if alike else ""
            raise InvalidPolicy(
                f"threshold: {self.threshold} given, but of the authorities only {different} are "
                f"certainly different signers{told}"
            )
        for one, other in combinations(authorities, 2):
            if {one.name, other.name} <= set(self.all_of) and _sealed_alike(one, other):
                raise InvalidPolicy(
                    f'allOf: "{one.name}" and "{other.name}" given, which one signature is by; '
                    "different signers wanted"
                )
        return Requirement(
            any_of=tuple(self.any_of) or tuple(self.all_of) or names,
            all_of=tuple(self.all_of),
            threshold=self.threshold,
            alike=alike,
        )


def _pairs_that_may_be_one(authorities: Sequence[SigningAuthority]) -> Iterator[frozenset[str]]:
    for one, other in combinations(authorities, 2):
        if _may_be_one(one, other):
            yield frozenset({one.name, other.name})


def _sealed_alike(one: SigningAuthority, other: SigningAuthority) -> bool:
    return one.signers == other.signers and one.annotations == other.annotations
