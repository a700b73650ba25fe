"""The `landwaiter` command, which only names its verbs."""

import click

from landwaiter import __version__
from landwaiter.cli.check import check
from landwaiter.cli.doctor import doctor
from landwaiter.cli.policies import policies
from landwaiter.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="landwaiter")
def main() -> None:
    """Decide which container images may run in a Kubernetes cluster."""


main.add_command(check)
main.add_command(doctor)
main.add_command(policies)
main.add_command(serve)
