"""The forms in which `landwaiter check` reports; the words are those of the webhook's answers."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from landwaiter.cli.reports.checked import STDIN, Checked
from landwaiter.cli.reports.github_form import github_report
from landwaiter.cli.reports.json_form import json_report
from landwaiter.cli.reports.junit_form import junit_report
from landwaiter.cli.reports.sarif_form import sarif_report
from landwaiter.cli.reports.text_form import text_report

REPORTS: Final[Mapping[str, Callable[[Sequence[Checked]], str]]] = MappingProxyType(
    {
        "text": text_report,
        "json": json_report,
        "sarif": sarif_report,
        "junit": junit_report,
        "github": github_report,
    }
)
"""What writes each form, by the name that `--output` gives it."""

__all__ = ["REPORTS", "STDIN", "Checked"]
