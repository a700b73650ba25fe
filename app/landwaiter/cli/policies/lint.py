"""`landwaiter policies lint`: what in policies their author hardly means."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from landwaiter.cli.exits import EXIT_BAD_INPUT, EXIT_REFUSED
from landwaiter.cli.options import option, policy_paths
from landwaiter.errors import LandwaiterError
from landwaiter.policy.install import ANY_INSTALL
from landwaiter.policy.lint import LintCode, LintWarning, lint, lint_expressions
from landwaiter.policy.sources import LoadedPolicy, load_documents


@click.command("lint", epilog="Exit status: 2 something does not load, else 1 warnings, else 0.")
@policy_paths
@option(
    "--allow",
    multiple=True,
    type=click.Choice([code.value for code in LintCode]),
    help="A kind of warning that is not wanted; can be repeated.",
)
def lint_(paths: Sequence[Path], allow: Sequence[str]) -> None:
    """
    Warn of shadowed, contradictory and over-broad policies.

    PATH is a file or a folder; all of them together are one set of policies. What is said is
    certain, as far as patterns and selectors can be compared; silence proves nothing.
    """
    try:
        loaded = load_documents(*paths, install=ANY_INSTALL).policies
    except LandwaiterError as problem:
        click.echo(f"landwaiter: {problem}", err=True)
        sys.exit(EXIT_BAD_INPUT)
    places = {each.policy.name: each for each in loaded}
    found = [warning for warning in _warnings(loaded) if warning.code not in allow]
    for warning in found:
        click.echo(f"{places[warning.policy].place_of(warning.path)}: {warning}")
    warned = len({warning.policy for warning in found})
    click.echo(f"{len(loaded)} linted: {len(found)} warnings about {warned} of them")
    sys.exit(EXIT_REFUSED if found else 0)


def _warnings(loaded: Sequence[LoadedPolicy]) -> Iterator[LintWarning]:
    yield from lint([each.policy for each in loaded])
    for each in loaded:
        yield from lint_expressions(each.policy.name, each.document.value)
