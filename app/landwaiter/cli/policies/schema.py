"""`landwaiter policies schema`: the JSON schema of policy documents."""

import json

import click

from landwaiter.policy.reference import json_schema


@click.command()
def schema() -> None:
    """
    Print the JSON schema of policy documents, for editors and other tools.

    It knows every field, its type and its choices. What depends on several fields at once is
    found by "landwaiter policies validate" alone.
    """
    click.echo(json.dumps(json_schema(), indent=2))
