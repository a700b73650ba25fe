"""For people: what the webhook would say about each object, and where it stands in the file."""

from collections.abc import Mapping, Sequence

from landwaiter.admission.message import message_of, object_name
from landwaiter.admission.remarks import warnings_of
from landwaiter.cli.reports.checked import WORD_OF, Checked, summary
from landwaiter.rules.verdict import Decision, Verdict


def text_report(checked: Sequence[Checked]) -> str:
    """Return what the webhook would say about each object, and a line that counts."""
    return "\n".join([*map(_text, checked), summary(checked)]) + "\n"


def _text(checked: Checked) -> str:
    verdict = checked.verdict
    lines = [f"{checked.where}: {object_name(checked.workload)}: {WORD_OF[verdict.decision]}"]
    places = _places_of_warnings(checked)
    lines += [f"  {places.get(line, '')}warning: {line}" for line in warnings_of(verdict)]
    if verdict.decision is not Decision.ALLOW:
        message = message_of(checked.workload, verdict, places=checked.places)
        lines.append(message.strip("\n") + "\n")
    return "\n".join(lines)


def _places_of_warnings(checked: Checked) -> Mapping[str, str]:
    """Return where the image stands that each warning is about; two that say the same share it."""
    places: dict[str, str] = {}
    for use in checked.verdict.uses:
        for line in warnings_of(Verdict((use,))):
            if (place := checked.places.get(use.use.place.path)) is not None:
                places.setdefault(line, f"{place}: ")
    return places
