"""Runs the command line as `python -m landwaiter`."""

from landwaiter.cli import main

main()
