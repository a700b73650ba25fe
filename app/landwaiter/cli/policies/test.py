"""`landwaiter policies test`: whether policies decide declared cases as is declared."""

import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from landwaiter.admission.text import visible
from landwaiter.cli.exits import EXIT_BAD_INPUT, EXIT_REFUSED
from landwaiter.cli.options import policy_paths
from landwaiter.cli.policies.differences import differences
from landwaiter.errors import InvalidInput, LandwaiterError
from landwaiter.policy.declared import read_tests
from landwaiter.wiring.declared import Decided, decide

SUFFIXES = frozenset({".yaml", ".yml", ".json"})


@click.command("test", epilog="Exit status: 2 bad input, else 1 a case differs, else 0.")
@policy_paths
def test(paths: Sequence[Path]) -> None:
    """
    Try policies on declared cases, and print what is not as declared.

    PATH is a file of ImagePolicyTest documents, or a folder of such files; folders below it are
    not read. No registry and no cluster is asked: what is known of them is declared too.
    """
    try:
        decided = asyncio.run(_decide_all([file for path in paths for file in _files(path)]))
    except LandwaiterError as problem:
        click.echo(f"landwaiter: {problem}", err=True)
        sys.exit(EXIT_BAD_INPUT)
    differing = sum(map(_tell, decided))
    click.echo(f"{len(decided)} cases: {len(decided) - differing} as declared, {differing} not")
    sys.exit(EXIT_REFUSED if differing else 0)


async def _decide_all(files: Sequence[Path]) -> list[Decided]:
    return [
        decided
        for file in files
        for document, declared in read_tests(file)
        for decided in await decide(document, declared)
    ]


def _tell(decided: Decided) -> bool:
    """Print what came of a case, and return whether it differs."""
    lines = differences(decided)
    click.echo(f"{decided.place}: {visible(decided.case.name)}: {'DIFFERS' if lines else 'ok'}")
    for line in lines:
        click.echo(f"  {line}")
    return bool(lines)


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    found = sorted(
        each
        for each in path.iterdir()
        if each.suffix.lower() in SUFFIXES and not each.name.startswith(".") and each.is_file()
    )
    if not found:
        raise InvalidInput(f'"{path}" holds no test; a file that ends with .yaml is wanted')
    yield from found
