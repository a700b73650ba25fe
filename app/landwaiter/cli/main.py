"""The `landwaiter` command, which only names its verbs."""

import importlib
from typing import Final

import click

from landwaiter import __version__

VERBS: Final = ("check", "doctor", "policies", "serve")
"""Each is the name of a module here, and of the command in it."""


class Verbs(click.Group):
    """Loads a verb when it is asked for: a server keeps in memory what others would bring."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature.
        """Return the names of all verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return a verb, None where there is none of that name."""
        if cmd_name not in VERBS:
            return None
        verb: click.Command = getattr(
            importlib.import_module(f"landwaiter.cli.{cmd_name}"), cmd_name
        )
        return verb


@click.group(
    cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="landwaiter")
def main() -> None:
    """Decide which container images may run in a Kubernetes cluster."""
