"""What `landwaiter check` says and how it ends, for each kind of verdict."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli.manifests import (
    A_DIGEST,
    BAD,
    GOOD,
    PINNED,
    PRODUCTION,
    PULLABLE,
    pod,
    policies,
    run,
    written,
)

WARNING = PINNED.replace("[Deny]", "[Warn]").replace("name: pinned", "name: warning")
AUDITING = PINNED.replace("[Deny]", "[Audit]").replace("name: pinned", "name: auditing")
IGNORING = PULLABLE.replace("  rules", "  failurePolicy: Ignore\n  rules")

EXCEPTION = """
apiVersion: landwaiter.dev/v1alpha1
kind: ImagePolicyException
metadata: {{name: hotfix}}
spec:
  policies: [{{name: pinned, rules: [pinnedTags]}}]
  images: [r.example.com/app]
  namespaces: [default]
  requestedBy: alice
  reason: the registry is down
  expires: {expires}
"""


@pytest.mark.parametrize(
    ("documents", "manifests", "code"),
    [
        ([PINNED], [pod(GOOD)], 0),
        ([PINNED], [pod(BAD)], 1),
        ([PINNED], [pod(GOOD), pod(BAD)], 1),
        ([PULLABLE], [pod(GOOD)], 3),
        ([PULLABLE, PINNED], [pod(GOOD), pod(BAD)], 1),
        ([PULLABLE, PINNED], [pod(BAD)], 1),
        ([PRODUCTION], [pod(BAD)], 3),
        ([PRODUCTION], [pod(GOOD)], 3),
        ([IGNORING], [pod(GOOD)], 0),
        ([WARNING], [pod(BAD)], 0),
        ([AUDITING], [pod(BAD)], 0),
        ([WARNING, AUDITING, PULLABLE], [pod(BAD)], 3),
        ([PINNED], ["apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"], 0),
        ([PINNED], [""], 0),
        ([PINNED], [pod("a b")], 1),
        (["kind: Nonsense\n"], [pod(GOOD)], 2),
        ([PINNED], ["kind: Pod\n  spec: [\n"], 2),
        ([PINNED], [pod(BAD), "just text\n"], 2),
    ],
)
def test_the_exit_code_is_the_worst_of_all(
    documents: list[str], manifests: list[str], code: int, tmp_path: Path
) -> None:
    """2 bad input or policy, else 1 refused, else 3 undecided, else 0; Warn and Audit never."""
    folder = policies(tmp_path, *documents)
    result = run("check", "--policies", folder, stdin="---\n".join(manifests))

    assert (code, None) == (
        result.exit_code,
        None if isinstance(result.exception, SystemExit) else result.exception,
    )


def test_json_lists_the_exceptions_that_were_used(tmp_path: Path) -> None:
    """What is lifted is no violation, and names who asked for it, why and until when."""
    end = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
    exception = EXCEPTION.format(expires=end.isoformat())
    folder = policies(tmp_path, PINNED, exception)
    result = run("check", "--output=json", "--policies", folder, stdin=pod(BAD))
    (entry,) = json.loads(result.stdout)
    (image,) = entry["images"]

    assert ("allow", [], []) == (entry["decision"], image["violations"], image["undecided"])
    assert [
        {
            "policy": "pinned",
            "rule": "pinnedTags",
            "reason": "image without digest",
            "detail": image["exceptions"][0]["detail"],
            "action": "Deny",
            "exception": "hotfix",
            "requestedBy": "alice",
            "because": "the registry is down",
            "expires": end.isoformat(),
        }
    ] == image["exceptions"]


def test_exceptions_are_bounded_as_the_install_says(tmp_path: Path) -> None:
    """What ends too far ahead, and what a namespace has written, needs the admin's word."""
    end = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    exception = EXCEPTION.format(expires=end).replace("hotfix", "hotfix, namespace: default")
    folder = policies(tmp_path, PINNED, exception)
    long, of_a_namespace = "--exception-max-days=9", "--namespaced-exceptions=Allow"
    codes = [
        run("check", "--policies", folder, *options, stdin=pod(BAD)).exit_code
        for options in ((), (long,), (of_a_namespace,), (long, of_a_namespace))
    ]

    assert [2, 2, 2, 0] == codes


def test_json_has_the_stable_form(tmp_path: Path) -> None:
    """Every object with images is an entry; every image is in it, whether refused or not."""
    text = f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web, namespace: shop}}
spec:
  template:
    spec:
      initContainers: [{{name: init, image: {GOOD}}}]
      containers:
      - {{name: app, image: "nginx"}}
      - {{name: proxy, image: "a b"}}
      - {{name: sidecar, image: auto}}
"""
    manifest = written(tmp_path / "web.yaml", text)
    result = run(
        "check", "--output=json", "--policies", policies(tmp_path, PINNED, WARNING), manifest
    )
    at = "spec.template.spec"
    unpinned = {
        "rule": "pinnedTags",
        "reason": "image without digest",
        "detail": 'no tag is written, and "latest" can be moved to another image at any time; '
        "a digest is wanted; add the digest of the image: NAME:TAG@sha256:...",
    }
    unreadable = {
        "rule": "imageReference",
        "reason": "unreadable image name",
        "detail": json.loads(result.stdout)[0]["images"][2]["violations"][0]["detail"],
    }
    deny = {"policy": "pinned", "action": "Deny"}
    warn = {"policy": "warning", "action": "Warn"}

    assert [
        {
            "source": str(manifest),
            "line": 2,
            "kind": "Deployment",
            "namespace": "shop",
            "name": "web",
            "alike": {},
            "decision": "deny",
            "images": [
                {
                    "path": f"{at}.initContainers[0].image",
                    "line": 8,
                    "container": "init",
                    "image": GOOD,
                    "reference": GOOD,
                    "digest": A_DIGEST,
                    "violations": [],
                    "undecided": [],
                    "exceptions": [],
                },
                {
                    "path": f"{at}.containers[0].image",
                    "line": 10,
                    "container": "app",
                    "image": "nginx",
                    "reference": "docker.io/library/nginx",
                    "digest": None,
                    "violations": [{**deny, **unpinned}, {**warn, **unpinned}],
                    "undecided": [],
                    "exceptions": [],
                },
                {
                    "path": f"{at}.containers[1].image",
                    "line": 11,
                    "container": "proxy",
                    "image": "a b",
                    "reference": None,
                    "digest": None,
                    "violations": [{**deny, **unreadable}, {**warn, **unreadable}],
                    "undecided": [],
                    "exceptions": [],
                },
            ],
            "warnings": json.loads(result.stdout)[0]["warnings"],
        }
    ] == json.loads(result.stdout)
    assert [
        f'{at}.containers[2].image: "auto" is to be filled in later, so it is judged on the Pod'
    ] == json.loads(result.stdout)[0]["warnings"][-1:]


def test_json_tells_what_is_undecided(tmp_path: Path) -> None:
    """What was not found out is told apart from what is refused."""
    result = run(
        "check", "--output=json", "--policies", policies(tmp_path, PULLABLE), stdin=pod(GOOD)
    )
    (entry,) = json.loads(result.stdout)

    assert (
        "undecided",
        [],
        [
            {
                "policy": "pullable",
                "rule": "pullSecrets",
                "reason": "could not be found out",
                "detail": 'service account "default" in namespace "default" is not known here; '
                "give --cluster-state with its manifest",
                "action": "Deny",
            }
        ],
    ) == (entry["decision"], entry["images"][0]["violations"], entry["images"][0]["undecided"])


def test_undecided_under_ignore_is_allowed_in_json(tmp_path: Path) -> None:
    """The decision is to allow; what was not found out is still told."""
    result = run(
        "check", "--output=json", "--policies", policies(tmp_path, IGNORING), stdin=pod(GOOD)
    )
    (entry,) = json.loads(result.stdout)

    assert ("allow", 1, 1) == (
        entry["decision"],
        len(entry["images"][0]["undecided"]),
        len(entry["warnings"]),
    )


def test_json_of_nothing_is_an_empty_list(tmp_path: Path) -> None:
    """Objects without images are skipped, and the form stays."""
    result = run(
        "check",
        "--output=json",
        "--policies",
        policies(tmp_path, PINNED),
        stdin="apiVersion: v1\nkind: Service\nmetadata: {name: a}\n",
    )

    assert ("[]\n", 0) == (result.stdout, result.exit_code)


def test_text_says_what_the_webhook_says(tmp_path: Path) -> None:
    """Each object and image with its line, the answer's own text, then a line that counts."""
    text = "---\n".join(
        [pod(GOOD, name="good"), pod(BAD, name="bad", metadata=", namespace: shop")]
    )
    manifest = written(tmp_path / "pods.yaml", text)
    result = run("check", "--policies", policies(tmp_path, PINNED), manifest)

    assert (
        f"""\
{manifest}:1: Pod default/good: admitted
{manifest}:6: Pod shop/bad: refused
The image in Pod shop/bad is refused:

spec.containers[0].image (container app): r.example.com/app:1
  at {manifest}:9
  ✗ pinnedTags (policy pinned): tag "1" can be moved to another image at any time; a digest is
    wanted
    → add the digest of the image: NAME:TAG@sha256:...

2 checked: 1 admitted, 1 refused, 0 undecided
"""
        == result.stdout
    )


def test_text_tells_warnings_of_what_is_admitted(tmp_path: Path) -> None:
    """A policy that warns is heard, and changes nothing else."""
    result = run("check", "--policies", policies(tmp_path, WARNING), stdin=pod(BAD))

    assert (
        """\
<stdin>:1: Pod default/web: admitted
  <stdin>:4: warning: pinnedTags: container app: tag "1" can be moved to another image at any \
time; a digest is wanted (policy warning)
1 checked: 1 admitted, 0 refused, 0 undecided
"""
        == result.stdout
    )
