"""
For GitHub Actions: one workflow command a finding, which the runner shows at the line of the file.

A command is one line, `::error file=F,line=N,title=T::MESSAGE`. Every text is escaped, so nothing
that an author of manifests writes can end a command early, begin another or add a property: `%`,
CR and LF everywhere, and `:` and `,` in properties. Ten of a kind are shown a step, so the worst
come first. Source: github.com/actions/toolkit, packages/core/src/command.ts (read 2026-11-23).
"""

from collections.abc import Iterator, Sequence

from landwaiter.admission.text import visible
from landwaiter.cli.reports.checked import (
    STDIN,
    Checked,
    Level,
    entries_of,
    remarks_of,
    summary,
)
from landwaiter.workloads.values import ImagePlace


def github_report(checked: Sequence[Checked]) -> str:
    """Return the commands, the worst first, and a line that counts."""
    commands = [command for each in checked for command in _commands(each)]
    worst_first = sorted(commands, key=lambda command: list(Level).index(command[0]))
    return "\n".join([*(text for _, text in worst_first), summary(checked)]) + "\n"


def _commands(checked: Checked) -> Iterator[tuple[Level, str]]:
    for entry in entries_of(checked.verdict):
        text = entry.sentence(checked.workload)
        yield entry.level, _command(entry.level, checked, entry.place, entry.rule, text)
    for place, text in remarks_of(checked.verdict):
        yield Level.NOTICE, _command(Level.NOTICE, checked, place, "Landwaiter", text)


def _command(
    level: Level, checked: Checked, place: ImagePlace | None, title: str, text: str
) -> str:
    line = checked.line if place is None else checked.lines.get(place.path)
    properties = {"title": title}
    if line is not None and checked.source != STDIN:
        properties = {"file": checked.source, "line": str(line), **properties}
    elif line is not None:
        text = f"{checked.source}:{line}: {text}"
    written = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{level} {written}::{_data(text)}"


def _data(text: str) -> str:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return visible(escaped)


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
