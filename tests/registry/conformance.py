"""
What our client makes of registries: of real ones, and of one that misbehaves at every step.

`page()` is docs/registry-conformance.md; run this file to write it anew. The tests fail when the
page is out of date, and when something else is seen than is written here.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

if __name__ == "__main__":  # Run as a file: Python has put this folder on its path.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from registry.behaviours import BEHAVIOURS, REGISTRIES
from registry.login_misdeeds import CHALLENGES, COLUMNS, TOKENS
from registry.misdeeds import GROUPS, STEPS, Row

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "registry-conformance.md"

WORDS: Final = {
    "A": ("as ever", "what an honest registry would have given"),
    "R": ("refused", "403, also under `failurePolicy: Ignore`"),
    "U": ("undecided", "503 under `failurePolicy: Fail`, admitted with a warning under `Ignore`"),
    "N": ("none", "the registry is taken for one without such a list, so no signature counts"),
}

_HEAD = """# What Landwaiter makes of registries

This page is what `tests/system/test_registry_conformance.py` and `tests/registry/test_misdeeds.py`
prove. A test fails when it is out of date; `.venv/bin/python tests/registry/conformance.py` writes
it anew. What an admin can set is told in [registries](registries.md); what becomes of a
verification when one of its requests fails, in [verification faults](verification-faults.md).

## Real registries

Each is read over TLS by the same client, in the same way.

"""

_MISDEEDS = """
## A registry that misbehaves

A registry of ours is honest up to one step of a read, and there writes something else to the
connection. The image in it is private, and the password is right.

| outcome | what it means |
|---|---|
{words}

Under every misdeed:

- no message holds a password or a token, and nobody but the registry is sent a credential;
- no cookie is sent back, and what is taken from a connection is bounded;
- other content than the digest says is never taken for it;
- the same client reads the truth as soon as it is told; a refused login ten minutes later.

The steps are {steps}.
"""

_LOGIN = """
## While logging in

Here the registry, or its token service, misbehaves when it is to say who may pull.

"""


def page() -> str:
    """Return the page that the tables are written to."""
    words = "\n".join(f"| {word} | {meaning} |" for word, meaning in WORDS.values())
    steps = "; ".join(f"*{step}*, {what}" for step, what in STEPS.items())
    parts = [_HEAD, _behaviours(), _MISDEEDS.format(words=words, steps=steps)]
    parts += [
        f"\n### {title}\n\n{_table('what the registry sends', list(STEPS), rows)}"
        for title, rows in GROUPS.items()
    ]
    parts.append(_LOGIN + "In the columns: " + "; ".join(_columns()) + ".\n")
    for title, rows in (("The challenge", CHALLENGES), ("The token", TOKENS)):
        parts.append(f"\n### {title}\n\n{_table('what is sent', list(COLUMNS), rows)}")
    return "".join(parts)


def _columns() -> Iterable[str]:
    return (f"*{column}*, {what}" for column, what in COLUMNS.items())


def _table(first: str, columns: Sequence[str], rows: Mapping[str, Row]) -> str:
    lines = [f"| name | {first} | {' | '.join(columns)} |", "|---" * (len(columns) + 2) + "|"]
    for name, row in rows.items():
        outcomes = " | ".join(WORDS[letter][0] for letter in row.outcomes)
        lines.append(f"| {name} | {row.happens} | {outcomes} |")
    return "\n".join(lines) + "\n"


def _behaviours() -> str:
    lines = [
        f"| behaviour | {' | '.join(REGISTRIES.values())} |",
        "|---" * (len(REGISTRIES) + 1) + "|",
    ]
    for name, behaviour in BEHAVIOURS.items():
        cells = (behaviour.outcomes.get(registry, "") for registry in REGISTRIES)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
