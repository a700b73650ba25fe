"""The forms that other programs read: SARIF, JUnit XML and GitHub's workflow commands."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import Result
from sarif_kit.validate import validation_errors

from cli.manifests import BAD, GOOD, PINNED, PULLABLE, pod, policies, run, written
from landwaiter.cli.reports.checked import Checked
from landwaiter.cli.reports.sarif_form import sarif_report, uri_of
from landwaiter.images.reference import ImageReference
from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.rules.protocol import RuleId, Undecided
from landwaiter.rules.verdict import Action, FailurePolicy, Finding, UseVerdict, Verdict
from landwaiter.workloads.values import ImagePlace, ImageUse, Workload

WARNING = PINNED.replace("[Deny]", "[Warn]").replace("name: pinned", "name: warning")
AUDITING = PINNED.replace("[Deny]", "[Audit]").replace("name: pinned", "name: auditing")
SECOND = PINNED.replace("name: pinned", "name: second")
HOSTILE = "::error::%0A</failure>]]>&\r\n##[set-env]\u2028\x1b[2J\u202e"
"""What would end, begin or hide something in each of the forms."""


def a_deployment(image: str, *, sidecar: str = "auto") -> str:
    """Return a template whose images stand in lines 7 and 9."""
    return (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\n"
        "spec:\n  template:\n    spec:\n      containers:\n"
        f"      - name: app\n        image: {json.dumps(image)}\n"
        f"      - name: sidecar\n        image: {json.dumps(sidecar)}\n"
    )


def reported(output: str, folder: Path, *arguments: str | Path, stdin: str = "") -> Result:
    """Return the result of a check by policies that are in `folder` already."""
    return run("check", f"--output={output}", f"--policies={folder}", *arguments, stdin=stdin)


def sarif(folder: Path, *arguments: str | Path, stdin: str = "") -> dict[str, Any]:
    """Return the only run of a SARIF log that the schema of the standard accepts."""
    log = json.loads(reported("sarif", folder, *arguments, stdin=stdin).stdout)
    assert [] == validation_errors(log)
    (found,) = log["runs"]
    only: dict[str, Any] = found
    return only


def junit(folder: Path, *arguments: str | Path, stdin: str = "") -> ET.Element:
    return ET.fromstring(  # noqa: S314  # Our own report.
        reported("junit", folder, *arguments, stdin=stdin).stdout
    )


def commands(folder: Path, *arguments: str | Path, stdin: str = "") -> list[str]:
    """Return what the runner of GitHub Actions reads, line by line, as .NET takes lines apart."""
    output = reported("github", folder, *arguments, stdin=stdin).stdout
    return re.split(r"\r\n|\r|\n", output.removesuffix("\n"))


def test_sarif_has_a_result_a_finding_at_the_line_of_the_image(tmp_path: Path) -> None:
    """Equal findings of several policies are one result; another level is another one."""
    manifest = written(tmp_path / "web.yaml", a_deployment("nginx", sidecar=GOOD))
    found = sarif(policies(tmp_path, PINNED, SECOND, WARNING, AUDITING), manifest)["results"]
    text = (
        "Deployment shop/web, container app: nginx: no tag is written, and "
        '"latest" can be moved to another image at any time; a digest is wanted; '
        "add the digest of the image: NAME:TAG@sha256:..."
    )
    path = "Deployment shop/web: spec.template.spec.containers[0].image"

    assert [
        {
            "ruleId": "pinnedTags",
            "ruleIndex": list(CATALOGUE).index(RuleId("pinnedTags")),
            "level": level,
            "message": {"text": f"{text} ({said_by})"},
            "locations": [
                {
                    "logicalLocations": [{"fullyQualifiedName": path}],
                    "physicalLocation": {
                        "artifactLocation": {"uri": manifest.as_uri()},
                        "region": {"startLine": 9},
                    },
                }
            ],
            "partialFingerprints": found[0]["partialFingerprints"],
            "properties": {"reason": "image without digest", "policies": names},
        }
        for level, said_by, names in [
            ("error", "policies pinned, second", ["pinned", "second"]),
            ("warning", "policy warning", ["warning"]),
            ("note", "policy auditing", ["auditing"]),
        ]
    ] == found


def test_sarif_names_every_rule_that_a_result_can_have(tmp_path: Path) -> None:
    """What the results point to is described in the tool, also for a name that does not parse."""
    text = "---\n".join([pod("a b"), pod(BAD), pod(GOOD)])
    run_ = sarif(policies(tmp_path, PINNED, PULLABLE), stdin=text)
    ids = [each["id"] for each in run_["tool"]["driver"]["rules"]]

    assert {"imageReference", "pinnedTags", "pullSecrets"} == {
        ids[each["ruleIndex"]] for each in run_["results"]
    }
    assert [each["ruleId"] for each in run_["results"]] == [
        ids[each["ruleIndex"]] for each in run_["results"]
    ]


def test_sarif_fingerprints_stay_when_lines_move(tmp_path: Path) -> None:
    """An alert is known again when something else in the file changes."""
    folder = policies(tmp_path, PINNED)
    runs = [sarif(folder, stdin=text) for text in (pod(BAD), "# a comment\n" + pod(BAD))]

    assert 1 == len({run_["results"][0]["partialFingerprints"]["imageFinding/v1"] for run_ in runs})


def test_sarif_remarks_raise_no_alert(tmp_path: Path) -> None:
    """What is passed over for now is told as a notification of the run."""
    run_ = sarif(policies(tmp_path, PINNED), stdin=a_deployment(GOOD))
    (invocation,) = run_["invocations"]
    place = "spec.template.spec.containers[1].image"

    assert ([], True) == (run_["results"], invocation["executionSuccessful"])
    assert [
        {
            "level": "note",
            "message": {
                "text": f'{place}: "auto" is to be filled in later, so it is judged on the Pod'
            },
            "locations": [
                {
                    "logicalLocations": [{"fullyQualifiedName": "Deployment shop/web"}],
                    "physicalLocation": {
                        "artifactLocation": {"uri": "%3Cstdin%3E"},
                        "region": {"startLine": 1},
                    },
                }
            ],
        }
    ] == invocation["toolExecutionNotifications"]


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        ("manifests/web.yaml", "manifests/web.yaml"),
        ("../a b#c?d%e.yaml", "../a%20b%23c%3Fd%25e.yaml"),
        ("http:evil.yaml", "http%3Aevil.yaml"),
        ("/srv/über.yaml", "file:///srv/%C3%BCber.yaml"),
    ],
)
def test_file_names_are_uris(source: str, uri: str) -> None:
    """No character of a name is taken for a scheme, a query or a fragment."""

    assert uri == uri_of(source)


def test_junit_has_a_suite_a_file_and_a_case_an_object(tmp_path: Path) -> None:
    """Refused is a failure, undecided an error, and each case says where it stands."""
    first = written(
        tmp_path / "1.yaml", "---\n".join([pod(BAD, name="bad"), pod(GOOD, name="good")])
    )
    second = written(tmp_path / "2.yaml", pod("other.example.com/app:1", name="warned"))
    folder = policies(
        tmp_path,
        PULLABLE,
        PINNED.replace("spec:", "spec:\n  match: {images: [%s]}") % "r.example.com/app",
        WARNING,
    )
    root = junit(folder, first, second)

    def told(element: ET.Element) -> object:
        return (element.tag, element.attrib, [told(child) for child in element])

    counts = {"failures": "1", "errors": "1", "skipped": "0"}
    place = {"classname": str(first), "file": str(first)}

    assert (
        "testsuites",
        {"name": "landwaiter", "tests": "3", **counts},
        [
            (
                "testsuite",
                {"name": str(first), "tests": "2", **counts},
                [
                    (
                        "testcase",
                        {"name": "Pod default/bad", **place, "line": "1"},
                        [
                            (
                                "failure",
                                {
                                    "type": "refused",
                                    "message": "The image in Pod default/bad is refused:",
                                },
                                [],
                            )
                        ],
                    ),
                    (
                        "testcase",
                        {"name": "Pod default/good", **place, "line": "6"},
                        [
                            (
                                "error",
                                {
                                    "type": "undecided",
                                    "message": (
                                        "The image in Pod default/good is not decided, and what "
                                        "is not known is not admitted; try again later, or ask "
                                        "whoever runs this cluster:"
                                    ),
                                },
                                [],
                            )
                        ],
                    ),
                ],
            ),
            (
                "testsuite",
                {
                    "name": str(second),
                    "tests": "1",
                    "failures": "0",
                    "errors": "0",
                    "skipped": "0",
                },
                [
                    (
                        "testcase",
                        {
                            "name": "Pod default/warned",
                            "classname": str(second),
                            "file": str(second),
                            "line": "1",
                        },
                        [("system-out", {}, [])],
                    )
                ],
            ),
        ],
    ) == told(root)


def test_junit_failures_hold_the_text_of_the_answer(tmp_path: Path) -> None:
    """Who reads the report in CI reads what kubectl would show, with the line."""
    root = junit(policies(tmp_path, PINNED), stdin=pod(BAD))

    assert """\
The image in Pod default/web is refused:

spec.containers[0].image (container app): r.example.com/app:1
  at <stdin>:4
  ✗ pinnedTags (policy pinned): tag "1" can be moved to another image at any time; a digest is
    wanted
    → add the digest of the image: NAME:TAG@sha256:...""" == root.findtext(
        "./testsuite/testcase/failure"
    )


def test_github_commands_are_at_the_line_and_the_worst_come_first(tmp_path: Path) -> None:
    """Errors before warnings before notices, for ten of a kind are shown."""
    manifest = written(
        tmp_path / "web.yaml", "---\n".join([a_deployment(GOOD), pod("nginx"), pod(BAD)])
    )
    folder = policies(
        tmp_path,
        WARNING,
        AUDITING.replace("digest", "fixedTag"),
        PINNED.replace("spec:", "spec:\n  match: {images: [r.example.com/app]}"),
    )
    file = f"file={manifest}"
    unpinned = "can be moved to another image at any time; a digest is wanted"
    hint = "add the digest of the image: NAME:TAG@sha256:..."
    at = "spec.template.spec.containers[1].image"

    assert [
        (
            f"::error {file},line=21,title=pinnedTags::Pod default/web, container app: {BAD}: "
            f'tag "1" {unpinned}; {hint} (policy pinned)'
        ),
        (
            f"::warning {file},line=16,title=pinnedTags::Pod default/web, container app: nginx: "
            f'no tag is written, and "latest" {unpinned}; {hint} (policy warning)'
        ),
        (
            f"::warning {file},line=21,title=pinnedTags::Pod default/web, container app: {BAD}: "
            f'tag "1" {unpinned}; {hint} (policy warning)'
        ),
        (
            f"::notice {file},line=1,title=Landwaiter::{at}: "
            '"auto" is to be filled in later, so it is judged on the Pod'
        ),
        (
            f"::notice {file},line=16,title=pinnedTags::Pod default/web, container app: nginx: "
            'no tag is written, and "latest" floats; a fixed tag or a digest is wanted; '
            "name a version that stays, or add the digest: NAME:TAG@sha256:... (policy auditing)"
        ),
        "3 checked: 2 admitted, 1 refused, 0 undecided",
    ] == commands(folder, manifest)


def test_github_commands_about_standard_input_name_no_file(tmp_path: Path) -> None:
    """No file of the repository is blamed for what came through a pipe; the line is told."""
    command, _ = commands(policies(tmp_path, PINNED), stdin=pod(BAD))

    assert command.startswith("::error title=pinnedTags::<stdin>:4: Pod default/web, container app")


def test_no_name_can_add_a_github_command(tmp_path: Path) -> None:
    """Whatever an author writes, there is one command a finding, with its own properties."""
    folder = policies(tmp_path, PINNED)
    name = tmp_path / "::error file=x,line=1::%25,a:b.yaml"
    manifest = written(
        name,
        a_deployment(HOSTILE, sidecar=BAD).replace("name: web", f"name: {json.dumps(HOSTILE)}"),
    )
    lines = commands(folder, manifest)
    command = re.compile(r"::(?P<name>\w+) (?P<properties>[^:]*)::(?P<data>.*)")
    found = [command.fullmatch(line) for line in lines[:-1]]

    assert ["error", "error"] == [each["name"] for each in found if each]
    assert [
        {
            "file": str(name).replace("%", "%25").replace(":", "%3A").replace(",", "%2C"),
            "line": line,
            "title": rule,
        }
        for line, rule in (("9", "imageReference"), ("11", "pinnedTags"))
    ] == [
        dict(part.split("=", 1) for part in each["properties"].split(",")) for each in found if each
    ]
    assert [True, True] == [each["data"].isprintable() for each in found if each]
    assert "1 checked: 0 admitted, 1 refused, 0 undecided" == lines[-1]


def test_no_name_can_break_the_xml(tmp_path: Path) -> None:
    """Markup is escaped, and what XML cannot hold is shown as an escape."""
    text = a_deployment(HOSTILE).replace("name: app", f"name: {json.dumps(HOSTILE)}")
    root = junit(policies(tmp_path, PINNED), stdin=text)
    failure = root.findtext("./testsuite/testcase/failure") or ""

    assert (1, True) == (
        len(root.findall("./testsuite/testcase/*[@type='refused']")),
        r"::error::%0A</failure>]]>&\r\n##[set-env]\u2028\x1b[2J\u202e" in failure,
    )


def test_hostile_names_are_escaped_in_sarif(tmp_path: Path) -> None:
    """Messages hold only characters that print."""
    text = a_deployment(HOSTILE).replace("name: app", f"name: {json.dumps(HOSTILE)}")
    (result,) = sarif(policies(tmp_path, PINNED), stdin=text)["results"]

    assert result["message"]["text"].isprintable()
    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"].isprintable()


@pytest.mark.parametrize("output", ["sarif", "junit", "github"])
def test_endless_names_are_cut(tmp_path: Path, output: str) -> None:
    """A megabyte for an image's name does not become megabytes of reports."""
    result = reported(output, policies(tmp_path, PINNED), stdin=pod("a" * 1_000_000))

    assert (1, True) == (result.exit_code, len(result.stdout) < 20_000)


@pytest.mark.parametrize("output", ["text", "json", "sarif", "junit", "github"])
@pytest.mark.parametrize(("image", "code"), [(BAD, 1), (GOOD, 0)])
def test_the_form_does_not_change_the_exit_code(
    tmp_path: Path, output: str, image: str, code: int
) -> None:
    """The verdict is the same in each form."""
    result = reported(output, policies(tmp_path, PINNED), stdin=pod(image))

    assert code == result.exit_code


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("text", "0 checked: 0 admitted, 0 refused, 0 undecided\n"),
        ("json", "[]\n"),
        ("github", "0 checked: 0 admitted, 0 refused, 0 undecided\n"),
        (
            "junit",
            (
                "<?xml version='1.0' encoding='utf-8'?>\n"
                '<testsuites name="landwaiter" tests="0" failures="0" errors="0" skipped="0" />\n'
            ),
        ),
    ],
)
def test_nothing_to_check_is_a_report_too(tmp_path: Path, output: str, said: str) -> None:
    """A chart without workloads is no failure."""

    assert said == reported(output, policies(tmp_path, PINNED), stdin="").stdout


EXCEPTION = """
apiVersion: landwaiter.dev/v1alpha1
kind: ImagePolicyException
metadata: {name: hotfix}
spec:
  policies: [{name: pinned, rules: [pinnedTags]}]
  images: [r.example.com/app]
  namespaces: [default]
  requestedBy: ann@example.com
  reason: an incident
  expires: %s
"""


def test_what_an_exception_lifts_is_told_and_refuses_nothing(tmp_path: Path) -> None:
    """A notice that names the exception; in SARIF the result is suppressed."""
    until = f"{datetime.now(UTC) + timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}"
    folder = policies(tmp_path, PINNED, EXCEPTION % until)
    (result,) = sarif(folder, stdin=pod(BAD))["results"]
    lifted = f"lifted by exception hotfix until {until}, asked for by ann@example.com: an incident"
    notice, summary = commands(folder, stdin=pod(BAD))

    assert ("note", [{"kind": "external", "justification": lifted}]) == (
        result["level"],
        result["suppressions"],
    )
    assert (True, True) == (notice.startswith("::notice title=pinnedTags::"), lifted in notice)
    assert "1 checked: 1 admitted, 0 refused, 0 undecided" == summary


def test_images_that_no_policy_is_about_are_results_too(tmp_path: Path) -> None:
    """What refuses is no rule of the catalogue, and is described all the same."""
    folder = policies(
        tmp_path, PINNED.replace("spec:", "spec:\n  match: {images: [o.example.com]}")
    )
    run_ = sarif(folder, "--unmatched-images=Deny", stdin=pod(BAD))
    (result,) = run_["results"]

    assert ("unmatchedImages", "error") == (result["ruleId"], result["level"])
    assert result["ruleId"] == run_["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]


def test_a_rule_that_is_not_described_is_a_result_all_the_same() -> None:
    """What policies learn to say before their rules is reported by its name."""
    place = ImagePlace("spec.containers[0].image", "app", BAD)
    use = ImageUse(place, ImageReference.parse(BAD))
    finding = Finding(
        policy="p",
        rule=RuleId("somethingNew"),
        actions=frozenset({Action.DENY}),
        failure_policy=FailurePolicy.FAIL,
        outcome=Undecided("not known", "nobody knows"),
    )
    workload = Workload("Pod", "shop", "web", False, {}, "", (), (use,))  # noqa: FBT003
    verdict = Verdict((UseVerdict(use, findings=(finding,)),))
    log = json.loads(sarif_report([Checked("web.yaml", workload, verdict=verdict)]))
    (found,) = log["runs"]

    assert [] == validation_errors(log)
    assert (
        "somethingNew" == found["tool"]["driver"]["rules"][found["results"][0]["ruleIndex"]]["id"]
    )
