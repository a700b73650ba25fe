"""
What an UPDATE changes, as far as a decision depends on it (design, semantics 6).

Nothing that the author can write makes a use old but the object that is stored already.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any, Final

from landwaiter.workloads.values import ImagePlace, ImageUse, UnreadableUse, Workload
from landwaiter.workloads.walker import TEMPLATE_OF

PLACE_FIELDS: Final = frozenset(ImagePlace._fields)
READABLE_FIELDS: Final = PLACE_FIELDS | {field.name for field in fields(Workload) if field.init}
"""Every name that a rule may put into its `reads`."""

READ_METADATA: Final = ("labels", "annotations", "ownerReferences")
"""
What the conditions of a policy may read of a template's object beside its spec.

What is left is kept by the API server, but for finalizers: whoever makes a condition of these is
asked anew only when something else changes as well.
"""


def is_old(use: ImageUse | UnreadableUse, old: Workload) -> bool:
    """Return whether the old object has the same image at the same place of the same container."""
    return _same_in(old, use.place) is not None


def fields_changed(
    use: ImageUse | UnreadableUse, new: Workload, old: Workload, reads: frozenset[str]
) -> bool:
    """
    Return whether a field that `reads` names differs between the new object and the old one.

    Fields of `ImagePlace` are compared for this use; for one that is not old the answer is True.
    """
    before = _same_in(old, use.place)
    if before is None:
        return True
    return any(
        getattr(use.place, name) != getattr(before, name)
        if name in PLACE_FIELDS
        else getattr(new, name) != getattr(old, name)
        for name in reads
    )


def changes_what_is_read(
    new: Mapping[str, Any], old: Mapping[str, Any], *, is_template: bool
) -> bool:
    """
    Return whether an UPDATE can bring anything to judge, whatever the policies are.

    It cannot with the same spec, and for a template with the same of its metadata that is read. An
    object without spec, as a PodTemplate is, may always.
    """
    if new.get("spec") is None or new.get("spec") != old.get("spec"):
        return True
    return is_template and any(
        _value_at(new, ("metadata", each)) != _value_at(old, ("metadata", each))
        for each in READ_METADATA
    )


def is_unchanged(new: Mapping[str, Any], old: Mapping[str, Any], *, group: str, kind: str) -> bool:
    """
    Return whether two objects of one kind hold the same Pod spec, or Pod template, to the letter.

    Neither has to be readable: an object with longer lists than are read may have been stored
    when nobody looked, and an UPDATE that only drops its finalizer brings nothing new.
    """
    steps = TEMPLATE_OF[group, kind] or ("spec",)
    return _value_at(new, steps) == _value_at(old, steps)


def _value_at(obj: object, steps: Iterable[str]) -> object:
    for step in steps:
        obj = obj.get(step) if isinstance(obj, Mapping) else None
    return obj


def _same_in(old: Workload, place: ImagePlace) -> ImagePlace | None:
    before = old.place_at(place.path)
    if before is None or (before.container, before.text) != (place.container, place.text):
        return None
    return before
