"""
What the person at `kubectl apply` reads when an object is refused, and `landwaiter check` prints.

One text for the whole object: every image that is refused or not decided, in the order of the
object; under it each rule with what was seen and what is wanted, what to do, and the policies that
say so. Equal findings of several policies are one entry. The text starts with a newline, since the
API server puts its own sentence before it, fits a terminal of 100 columns, and has at most 4 kB:
what does not fit is counted.

    2 of 3 images in Deployment shop/web are refused:

    spec.template.spec.containers[0].image (container app): nginx:latest
      ✗ pinnedTags (policy production-images): tag "latest" floats; a digest is wanted
        → use
          docker.io/library/nginx:latest@sha256:...
      · not checked, since the image is refused already: cosignSignatures

The offline check also says `at web.yaml:12` under each image.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from landwaiter.admission.text import cut, visible, wrapped
from landwaiter.rules.protocol import Undecided, Violation
from landwaiter.rules.verdict import Decision, Finding, UseVerdict, Verdict
from landwaiter.workloads.values import ImagePlace, Workload

MESSAGE_LIMIT_BYTES: Final = 4096
"""One screen and a half; the whole answer then fits into one TLS record with its warnings."""

IMAGE_LIMIT_BYTES: Final = 800
"""The longest reference that parses has 776 characters; what does not parse can be megabytes."""

DETAIL_LIMIT_BYTES: Final = 600
REMEDY_LIMIT_BYTES: Final = 1000
NAME_LIMIT_BYTES: Final = 253
"""The longest name that Kubernetes takes."""

POLICIES_NAMED: Final = 3
"""How many policies an entry names before it counts the others."""

NO_PLACES: Final[Mapping[str, str]] = MappingProxyType({})

Outcome = Violation | Undecided


def message_of(
    workload: Workload, verdict: Verdict, *, places: Mapping[str, str] = NO_PLACES
) -> str:
    """
    Return the text for a verdict that is not to allow; it starts with a newline.

    `places` says for JSON paths where in a file they stand, in characters that print; in the
    cluster there is no file.
    """
    told = [use for use in verdict.uses if any(map(_is_told, use.findings))]
    text = "\n" + _headline(workload, verdict, told)
    for position, use in enumerate(told):
        # Written one by one: of thousands of images only the first find room.
        block = _block(use, places.get(use.use.place.path))
        left = len(told) - position
        shown = f"\n\n{block.text()}"
        if _fits(text + shown, left - 1):
            text += shown
            continue
        for entries in range(len(block.entries) - 1, 0, -1):
            shown = f"\n\n{block.text(entries)}"
            if _fits(text + shown, left - 1):
                return text + shown + _more_images(left - 1)
        return text + _more_images(left)
    return text


def _is_told(finding: Finding) -> bool:
    return finding.refuses or finding.blocks


@dataclass(frozen=True, slots=True)
class _Block:
    """What is said about one image; `entries` are its findings, then what was not checked."""

    head: str
    entries: tuple[str, ...]

    def text(self, shown: int | None = None) -> str:
        """Return the lines of the image, with as many entries as may be shown."""
        lines = [self.head, *self.entries[:shown]]
        if shown is not None:
            lines.append(f"  … and {_count(len(self.entries) - shown, 'more line')} on this image")
        return "\n".join(lines)


def _block(use: UseVerdict, at: str | None) -> _Block:
    by_outcome: dict[tuple[str, Outcome], list[str]] = {}
    for finding in filter(_is_told, use.findings):
        by_outcome.setdefault((finding.rule, finding.outcome), []).append(finding.policy)
    entries = [_entry(rule, outcome, policies) for (rule, outcome), policies in by_outcome.items()]
    if use.not_checked:
        text = f"not checked, since the image is refused already: {', '.join(use.not_checked)}"
        entries.append(_lines(wrapped(text, first="  · ", rest="    ")))
    place = use.use.place
    image = cut(visible(place.text), IMAGE_LIMIT_BYTES)
    head = [*wrapped(f"{subject_of(place)}: {image}", first="", rest="  ")]
    if at is not None:
        head.append(f"  at {at}")
    return _Block(_lines(head), tuple(entries))


def subject_of(place: ImagePlace) -> str:
    """Return where an image is named: the path, and whose image it is."""
    return f"{visible(place.path)} ({owner_of(place)})"


def owner_of(place: ImagePlace) -> str:
    """Return `container app`, or `volume models` for the image of a volume."""
    kind = "volume" if place.path.endswith(".image.reference") else "container"
    return f"{kind} {cut(visible(place.container), NAME_LIMIT_BYTES)}"


def _entry(rule: str, outcome: Outcome, policies: Sequence[str]) -> str:
    mark = "✗" if isinstance(outcome, Violation) else "?"
    detail = cut(visible(outcome.detail), DETAIL_LIMIT_BYTES)
    text = f"{rule} ({policies_named(policies)}): {detail}"
    lines = list(wrapped(text, first=f"  {mark} ", rest="    "))
    if isinstance(outcome, Violation) and outcome.remedy:
        remedy = cut(visible(outcome.remedy), REMEDY_LIMIT_BYTES)
        lines.extend(wrapped(remedy, first="    → ", rest="      "))
    return _lines(lines)


def policies_named(policies: Iterable[str]) -> str:
    """Return `policy a`, `policies a, b` or `policies a, b, c and 4 more`."""
    names = [cut(visible(name), NAME_LIMIT_BYTES) for name in dict.fromkeys(policies)]
    if len(names) == 1:
        return f"policy {names[0]}"
    listed = ", ".join(names[:POLICIES_NAMED])
    more = len(names) - POLICIES_NAMED
    return f"policies {listed}" + (f" and {more} more" if more > 0 else "")


def _headline(workload: Workload, verdict: Verdict, told: Sequence[UseVerdict]) -> str:
    refused = sum(any(finding.refuses for finding in use.findings) for use in told)
    unknown = len(told) - refused
    total = max(len(workload.uses), len(told))
    name = object_name(workload)
    if verdict.decision is Decision.DENY:
        text = f"{_share(refused, total, name)} refused"
        if unknown:
            text += f", and {unknown} more could not be decided"
    elif verdict.retry_soon:
        text = f"{_share(unknown, total, name)} not decided yet; try again in a moment"
    else:
        text = (
            f"{_share(unknown, total, name)} not decided, and what is not known is not admitted; "
            "try again later, or ask whoever runs this cluster"
        )
    return _lines(wrapped(f"{text}:", first="", rest=""))


def _share(part: int, total: int, name: str) -> str:
    if total == 1:
        return f"The image in {name} is"
    if part == total:
        return f"All {total} images in {name} are"
    return f"{part} of {total} images in {name} {'is' if part == 1 else 'are'}"


def object_name(workload: Workload) -> str:
    """Return `Deployment shop/web`; an object without name yet is named by its namespace."""
    kind = cut(visible(workload.kind), NAME_LIMIT_BYTES)
    namespace = cut(visible(workload.namespace), NAME_LIMIT_BYTES)
    if not workload.name:
        return f"{kind} (not named yet) in {namespace}"
    return f"{kind} {namespace}/{cut(visible(workload.name), NAME_LIMIT_BYTES)}"


def _fits(text: str, images_left: int) -> bool:
    return len((text + _more_images(images_left)).encode()) <= MESSAGE_LIMIT_BYTES


def _more_images(count: int) -> str:
    return f"\n\n… and {_count(count, 'more image')}" if count else ""


def _count(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _lines(lines: Iterable[str]) -> str:
    return "\n".join(lines)
