"""`landwaiter policies validate`: whether documents load, in the sentences of the start."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from landwaiter.cli.exits import EXIT_BAD_INPUT
from landwaiter.cli.options import policy_paths
from landwaiter.errors import LandwaiterError
from landwaiter.policy.install import ANY_INSTALL
from landwaiter.policy.sources import load_documents


@click.command(epilog="Exit status: 2 something does not load, else 0.")
@policy_paths
def validate(paths: Sequence[Path]) -> None:
    """
    Say whether policy documents load, and everything that is wrong with them.

    PATH is a file, or a folder as --policies of the other commands takes it. All of them together
    are one set of policies, in which each has a name of its own. How long exceptions may last, and
    whether namespaces may have them, is a matter of the install, and not looked at.
    """
    try:
        loaded = load_documents(*paths, install=ANY_INSTALL)
    except LandwaiterError as problem:
        click.echo(f"landwaiter: {problem}", err=True)
        sys.exit(EXIT_BAD_INPUT)
    for one, several, names in (
        ("policy loads", "policies load", [each.name for each in loaded.policies]),
        ("exception loads", "exceptions load", [each.name for each in loaded.exceptions]),
    ):
        if names:
            click.echo(f"{len(names)} {one if len(names) == 1 else several}: {', '.join(names)}")
