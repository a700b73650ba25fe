"""How it is said that a field of an object does not have its type."""

from collections.abc import Mapping

from landwaiter.errors import InvalidReview
from landwaiter.images.reference import quoted


def malformed(path: str, seen: object, wanted: str) -> InvalidReview:
    """Return the error that names the field, what was seen there and what is wanted."""
    return InvalidReview(f"{path}: seen {_shown(seen)}, wanted {wanted}")


def _shown(value: object) -> str:
    """Return a value for people: bounded, and of lists and objects only what they are."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return quoted(value) if isinstance(value, str) else f"{value!r:.80}"
