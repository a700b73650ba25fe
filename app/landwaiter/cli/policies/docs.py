"""`landwaiter policies docs`: the reference of policy documents."""

import click

from landwaiter.policy.reference import markdown


@click.command()
def docs() -> None:
    """Print the reference of policy documents as Markdown: every field of this version."""
    click.echo(markdown(), nl=False)
