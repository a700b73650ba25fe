"""
In what an object differs from what it should be, in words for people.

Labels and annotations that others add decide nothing and are left alone; everything else is ours
to say.
"""

from collections.abc import Mapping
from typing import Any, Final

from landwaiter.cluster.listing import Content

NOBODY: Final = "somebody"
MANAGER_MAX_CHARACTERS: Final = 64


def differences(there: Content, wanted: Content) -> tuple[str, ...]:
    """Return the names of what differs, such as `validate.landwaiter.dev: rules`; in order."""
    found = [
        f"metadata.{key}"
        for key in ("labels", "annotations")
        if not _mapping(wanted["metadata"], key).items() <= _texts(there, key).items()
    ]
    if _metadata(there).get("ownerReferences") != wanted["metadata"]["ownerReferences"]:
        found.append("metadata.ownerReferences")
    have, want = by_name(there), by_name(wanted)
    found += [f"{name}: missing" for name in want if name not in have]
    found += [f"{name}: not wanted" for name in have if name not in want]
    for name in (each for each in want if each in have):
        keys = sorted({*have[name], *want[name]})
        found += [f"{name}: {key}" for key in keys if have[name].get(key) != want[name].get(key)]
    return tuple(found)


def by_name(configuration: Content) -> dict[str, Mapping[str, Any]]:
    """Return the webhooks of an object by their names."""
    webhooks = configuration.get("webhooks")
    if not isinstance(webhooks, list):
        return {}
    return {str(each.get("name")): each for each in webhooks if isinstance(each, dict)}


def last_manager(there: Content, *, ours: str) -> str:
    """Return what the API server calls the program that wrote last, besides ourselves."""
    fields = _metadata(there).get("managedFields")
    entries = [
        each
        for each in (fields if isinstance(fields, list) else ())
        if isinstance(each, dict) and each.get("manager") != ours
    ]
    last = max(entries, key=lambda each: str(each.get("time", "")), default={})
    return str(last.get("manager", NOBODY))[:MANAGER_MAX_CHARACTERS]


def _metadata(content: Content) -> Mapping[str, Any]:
    return _mapping(content, "metadata")


def _texts(content: Content, key: str) -> Mapping[str, Any]:
    return _mapping(_metadata(content), key)


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = content.get(key)
    return value if isinstance(value, dict) else {}
