"""
For CI systems that show tests: JUnit XML, one suite a file and one case an object.

A refused object is a failed case, one that could not be decided is a case with an error. XML 1.0
has no way to write control characters, so all texts have them as visible escapes.
Source: the common part of what Jenkins (xunit-plugin, junit-10.xsd) and GitLab read (2026-11-23).
"""

from collections.abc import Sequence
from itertools import groupby
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from landwaiter.admission.message import message_of, object_name
from landwaiter.admission.remarks import warnings_of
from landwaiter.admission.text import visible
from landwaiter.cli.reports.checked import WORD_OF, Checked
from landwaiter.rules.verdict import Decision

_TAG_OF = {Decision.DENY: "failure", Decision.UNDECIDED: "error"}


def junit_report(checked: Sequence[Checked]) -> str:
    """Return the report as an XML document."""
    root = Element("testsuites", {"name": "landwaiter", **_counts(checked)})
    for source, group in groupby(checked, key=lambda each: each.source):
        cases = list(group)
        suite = SubElement(root, "testsuite", {"name": visible(source), **_counts(cases)})
        for each in cases:
            _add_case(suite, each)
    indent(root)
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return document.decode() + "\n"


def _counts(cases: Sequence[Checked]) -> dict[str, str]:
    decisions = [each.verdict.decision for each in cases]
    return {
        "tests": str(len(decisions)),
        "failures": str(decisions.count(Decision.DENY)),
        "errors": str(decisions.count(Decision.UNDECIDED)),
        "skipped": "0",
    }


def _add_case(suite: Element, checked: Checked) -> None:
    source, name = visible(checked.source), object_name(checked.workload)
    case = SubElement(suite, "testcase", name=name, classname=source, file=source)
    if checked.line is not None:
        case.set("line", str(checked.line))
    decision = checked.verdict.decision
    if decision is not Decision.ALLOW:
        text = message_of(checked.workload, checked.verdict, places=checked.places).strip("\n")
        headline = text.partition("\n\n")[0].replace("\n", " ")
        problem = SubElement(case, _TAG_OF[decision], type=WORD_OF[decision], message=headline)
        problem.text = text
    if warnings := warnings_of(checked.verdict):
        SubElement(case, "system-out").text = "\n".join(f"warning: {each}" for each in warnings)
