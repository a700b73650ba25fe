"""`landwaiter policies`: what can be done with policy documents before they meet a cluster."""

import click

from landwaiter.cli.policies.docs import docs
from landwaiter.cli.policies.lint import lint_
from landwaiter.cli.policies.schema import schema
from landwaiter.cli.policies.test import test
from landwaiter.cli.policies.validate import validate


@click.group()
def policies() -> None:
    """Look at policy documents before they meet a cluster."""


for verb in (validate, lint_, test, schema, docs):
    policies.add_command(verb)

__all__ = ["policies"]
