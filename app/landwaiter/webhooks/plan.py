"""
What has to be done about the webhook object, as a pure function of what there is and should be.

The door comes first: without the ClusterRole there is no object, whatever the policies say.
"""

from dataclasses import dataclass
from typing import TypeAlias

from landwaiter.cluster.listing import Content
from landwaiter.webhooks.drift import differences


@dataclass(frozen=True, slots=True)
class Create:
    """There is none, and there should be."""

    content: Content


@dataclass(frozen=True, slots=True)
class Replace:
    """There is one that differs; `content` has its resource version, `found` is what differs."""

    content: Content
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delete:
    """There is one, and there should be none."""

    uid: str


Step: TypeAlias = Create | Replace | Delete


def step_to(live: Content | None, wanted: Content | None) -> Step | None:
    """Return what leads from the object that there is to the one that is wanted, None for both."""
    if wanted is None or not wanted["webhooks"]:
        return None if live is None else Delete(str(live["metadata"].get("uid", "")))
    if live is None:
        return Create(wanted)
    if found := differences(live, wanted):
        return Replace(_over(live, wanted), found)
    return None


def _over(live: Content, wanted: Content) -> Content:
    """Return the wanted object as a new version of what there is."""
    metadata = {key: value for key, value in live["metadata"].items() if key != "managedFields"}
    for key in ("labels", "annotations"):
        others = metadata.get(key)
        metadata[key] = {
            **(others if isinstance(others, dict) else {}),
            **wanted["metadata"][key],
        }
    metadata["ownerReferences"] = wanted["metadata"]["ownerReferences"]
    return {**wanted, "metadata": metadata}
