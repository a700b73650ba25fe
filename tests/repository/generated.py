"""
The parts of documents that are generated, each from the one place that knows the fact.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`. Run this file to
write all of them anew (`make generate`); the tests of this folder fail when one is out of date.
"""

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml
from click import Command, Context, Group
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.documents import parts, sizing, targets, whole
from landwaiter.cli import main
from landwaiter.policy.declared import KIND, PolicyTest
from landwaiter.policy.reference import markdown, section
from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.sizing import BASE_MIB, PARTS, RUN_MIB
from repository.chart_values import values_table
from repository.readme_refusal import refusal_block

ROOT = Path(__file__).resolve().parents[2]
HELP_COLUMNS = 100
BLOCK = re.compile(
    r"(<!-- generated: (?P<name>[^>]+?) -->\n)(?P<text>.*?)(<!-- end -->)", re.DOTALL
)


def help_text(*verb: str) -> str:
    """Return the real help text of a verb, as a fenced block."""
    command: Command | None = main
    for name in verb:
        assert isinstance(command, Group)
        command = command.get_command(Context(command), name)
    assert command is not None
    shown = CliRunner().invoke(
        main, [*verb, "--help"], prog_name="landwaiter", terminal_width=HELP_COLUMNS, color=False
    )
    return f"```text\n$ {' '.join(('landwaiter', *verb, '--help'))}\n{shown.output}```\n"


def rules_table() -> str:
    """Return the table of all rules: id, first sentence, and the page that tells more."""
    rows = ["| rule | what it asks for |", "|---|---|"]
    for rule_id, settings in sorted(CATALOGUE.items()):
        sentence = (settings.__doc__ or "").strip().splitlines()[0]
        page = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", rule_id).lower()
        rows.append(f"| [`{rule_id}`](docs/rules/{page}.md) | {sentence} |")
    return "\n".join(rows) + "\n"


def bad_day() -> str:
    """Return the table of what can be in memory at once, within the memory limit of the chart."""
    values = yaml.safe_load((ROOT / "charts/landwaiter/values.yaml").read_text("utf-8"))
    limit = int(values["resources"]["limits"]["memory"].removesuffix("Mi"))
    runs = (limit - BASE_MIB) // RUN_MIB
    parts = [(part.what, part.mebibytes) for part in PARTS]
    parts.append((f"{runs} runs of cosign, {RUN_MIB} MiB each", runs * RUN_MIB))
    parts.append(("in all", sum(mebibytes for _, mebibytes in parts)))
    rows = [f"| {what} | {mebibytes:,} |" for what, mebibytes in parts]
    return "\n".join(["| | MiB |", "|---|---|", *rows]) + "\n"


GENERATORS: Mapping[str, Callable[[], str]] = {
    "rules": rules_table,
    "targets of the bench": targets,
    "what the bench printed": whole,
    "parts": parts,
    "sizing": sizing,
    "a bad day": bad_day,
    "landwaiter policies docs": lambda: f"{markdown()}\n",
    "refusal": lambda: refusal_block(ROOT / "README.md"),
    "values of the chart": values_table,
    "policy test fields": lambda: f"{section(KIND, PolicyTest)}\n",
    "landwaiter policies --help": lambda: help_text("policies"),
    "landwaiter serve --help": lambda: help_text("serve"),
    "landwaiter doctor --help": lambda: help_text("doctor"),
    "landwaiter check --help": lambda: help_text("check"),
}


def up_to_date(document: str) -> str:
    """Return the document with every generated part written anew."""
    return BLOCK.sub(lambda m: m[1] + GENERATORS[m["name"]]() + m[4], document)


def documents() -> list[Path]:
    """Return every Markdown document of the project."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("charts/**/*.md")])


def write_all() -> None:
    """Write the generated parts of all documents anew."""
    for path in documents():
        old = path.read_text(encoding="utf-8")
        new = up_to_date(old)
        if new != old:
            path.write_text(new, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    write_all()
