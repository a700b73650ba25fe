"""
What is told in the cluster about a review: refused images, and exceptions that were used.

A refusal that a person has asked for is in front of them. One of a controller is not, so it is told
about the object that a person would look at: the controller's own, such as the ReplicaSet or Job
whose Pod was refused; what is changed itself; or, of something that does not exist because it was
refused, its name, by which `kubectl events` finds it in the namespace. Who owns a Pod is what the
Pod says of itself: that decides where a note is found, and nothing else.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from landwaiter.admission.outcome import Outcome
from landwaiter.admission.review import PodCreation, Request
from landwaiter.admission.text import cut, visible
from landwaiter.rules.protocol import Undecided
from landwaiter.rules.verdict import Finding, UseVerdict

QUOTE_LIMIT_BYTES: Final = 200
LINES_MAX: Final = 8
"""Findings that one note tells of; an Event has room for 1,024 bytes."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,252}\Z")
_API_VERSION: Final = re.compile(r"([a-z0-9][a-z0-9.-]{0,252}/)?v[a-z0-9]{1,62}\Z")


@dataclass(frozen=True, slots=True)
class Subject:
    """The object to tell about; `uid` is empty where it does not exist, or nobody knows."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """
    One thing to tell.

    `exception` is the name of the one that was used, None for what was refused; `is_known` is
    False where it was refused because something could not be found out.
    """

    subject: Subject
    text: str
    exception: str | None = None
    is_known: bool = True


class Teller(Protocol):
    """Whatever tells the cluster; returns at once."""

    def tell(self, told: Told) -> None:
        """Take one thing to tell."""
        ...


def subject_of(request: Request) -> Subject:
    """Return what a person would look at; the request still has its objects."""
    kind = request.kind
    metadata = _new_metadata(request)
    if request.operation == "CREATE" and (owner := _controller(metadata, request.namespace)):
        return owner
    name = _text(metadata, "name") or request.name or _text(metadata, "generateName")
    return Subject(
        f"{kind.group}/{kind.version}" if kind.group else kind.version,
        kind.kind,
        request.namespace,
        name if _NAME.match(name) else "",
        _text(_metadata(request.old_object), "uid"),
    )


def things_to_tell(subject: Subject, kind: str, outcome: Outcome) -> Iterator[Told]:
    """Yield what an outcome is worth telling; what goes on and is asked again is not."""
    verdict = outcome.verdict
    if not subject.name:
        return
    refusing = [
        (use, each) for use in verdict.uses for each in use.findings if each.refuses or each.blocks
    ]
    if refusing and not outcome.reply.is_allowed and not verdict.retry_soon:
        lines = [_line(use, finding) for use, finding in refusing[:LINES_MAX]]
        more = f"; … and {len(refusing) - LINES_MAX} more" if len(refusing) > LINES_MAX else ""
        is_known = any(finding.refuses for _, finding in refusing)
        begin = f"{kind} refused: " if is_known else f"{kind} not admitted: "
        yield Told(subject, begin + "; ".join(dict.fromkeys(lines)) + more, is_known=is_known)
    if outcome.reply.is_allowed:
        for use in verdict.uses[:LINES_MAX]:
            for each in use.findings[:LINES_MAX]:
                if each.exception is not None:
                    where = f"{subject.kind} {subject.namespace}/{subject.name}"
                    yield Told(
                        subject, f"{where}: {_line(use, each)}", exception=each.exception.name
                    )


def _line(use: UseVerdict, finding: Finding) -> str:
    image = cut(visible(use.use.place.text), QUOTE_LIMIT_BYTES)
    unknown = " (not known)" if isinstance(finding.outcome, Undecided) else ""
    return f"{image}: {finding.rule} ({finding.policy}): {finding.outcome.reason}{unknown}"


def _controller(metadata: Mapping[str, Any], namespace: str) -> Subject | None:
    owners = metadata.get("ownerReferences")
    for owner in owners if isinstance(owners, list) else ():
        if not isinstance(owner, Mapping) or owner.get("controller") is not True:
            continue
        version, kind = _text(owner, "apiVersion"), _text(owner, "kind")
        name, uid = _text(owner, "name"), _text(owner, "uid")
        if _API_VERSION.match(version) and all(map(_NAME.match, (kind, name, uid))):
            return Subject(version, kind, namespace, name, uid)
    return None


def _new_metadata(request: Request) -> Mapping[str, Any]:
    if not isinstance(request, PodCreation):
        return _metadata(request.object)
    found = request.object.metadata
    if found is None:
        return {}
    return {
        "name": found.name,
        "generateName": found.generate_name,
        "ownerReferences": found.owner_references,
    }


def _metadata(obj: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found = (obj or {}).get("metadata")
    return found if isinstance(found, Mapping) else {}


def _text(values: Mapping[str, Any], key: str) -> str:
    found = values.get(key)
    return found if isinstance(found, str) else ""
