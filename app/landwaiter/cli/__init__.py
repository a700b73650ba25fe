"""The command line: one file a verb, each option also from the environment."""

from landwaiter.cli.main import main

__all__ = ["main"]
