"""From where `landwaiter check` takes manifests, and how it refuses bad ones."""

import json
import os
import threading
from pathlib import Path

import pytest

from cli.manifests import BAD, GOOD, PINNED, pod, policies, run, written


def checked(*arguments: str | Path, folder: Path, stdin: str = "") -> list[tuple[str, str]]:
    """Return namespace and name of every object that is judged, in order."""
    result = run(
        "check", "--output=json", "--policies", policies(folder, PINNED), *arguments, stdin=stdin
    )
    return [(each["namespace"], each["name"]) for each in json.loads(result.stdout)]


def test_standard_input_is_read_when_nothing_is_named_or_a_dash(tmp_path: Path) -> None:
    """Both ways read the same."""
    assert [("default", "web")] == checked(folder=tmp_path, stdin=pod(GOOD))
    assert [("default", "web")] == checked("-", folder=tmp_path, stdin=pod(GOOD))


def test_arguments_are_read_in_order(tmp_path: Path) -> None:
    """Files, standard input and folders come as they are named."""
    first = written(tmp_path / "1.yaml", pod(GOOD, name="first"))
    third = written(
        tmp_path / "in" / "3.json",
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "third"},
                "spec": {"containers": [{"name": "a", "image": GOOD}]},
            }
        ),
    )

    assert [("default", "third"), ("default", "second"), ("default", "first")] == checked(
        third.parent, "-", first, folder=tmp_path, stdin=pod(GOOD, name="second")
    )


def test_folders_are_searched_in_their_whole_depth_and_hidden_names_skipped(
    tmp_path: Path,
) -> None:
    """Only manifests are read, in the order of their paths, whatever case a suffix has."""
    root = tmp_path / "manifests"
    for name in ("b/deep/2.yml", "a/1.yaml", "c.YAML", "d.json", ".git/x.yaml", "b/.y.yaml"):
        written(root / name, pod(GOOD, name=f"p{Path(name).stem}"))
    written(root / "README.md", "no manifest")

    assert [("default", each) for each in ("p1", "p2", "pc", "pd")] == checked(
        root, folder=tmp_path
    )


def test_documents_and_lists_are_taken_apart(tmp_path: Path) -> None:
    """Several documents, a List in a List, empty documents, and objects without images."""
    text = f"""
---
{pod(GOOD, name="one")}
---
# nothing
---
apiVersion: v1
kind: List
items:
- {{apiVersion: v1, kind: Service, metadata: {{name: none}}}}
- apiVersion: v1
  kind: PodList
  items:
  - apiVersion: v1
    kind: Pod
    metadata: {{name: two, namespace: shop}}
    spec: {{containers: [{{name: a, image: "{GOOD}"}}]}}
"""
    assert [("default", "one"), ("shop", "two")] == checked(folder=tmp_path, stdin=text)


def test_a_pipe_is_read_as_a_file(tmp_path: Path) -> None:
    """A shell's `<(command)` is a pipe; what it carries is not passed over."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(pod(BAD),))
    writer.start()
    result = run("check", "--policies", policies(tmp_path, PINNED), pipe)
    writer.join()

    assert 1 == result.exit_code


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\n", "FILE:2: "),
        ("---\njust text\n", "FILE:2: str given, a Kubernetes object wanted\n"),
        ("- 1\n", "FILE:1: list given, a Kubernetes object wanted\n"),
        ("kind: Pod\n", "FILE:1: apiVersion: seen nothing, wanted a string\n"),
        ("\napiVersion: v1\nkind: 7\n", "FILE:2: kind: seen 7, wanted a string\n"),
        ("apiVersion: v1\nkind: Pod\n", "FILE:1: spec: seen nothing, wanted an object\n"),
        (
            "apiVersion: v1\nkind: Pod\nspec: {containers: {}}\n",
            "FILE:1: spec.containers: seen an object, wanted a list\n",
        ),
    ],
)
def test_bad_manifests_are_refused_with_file_and_line(text: str, said: str, tmp_path: Path) -> None:
    """A manifest that cannot be read is never passed over."""
    manifest = written(tmp_path / "bad.yaml", text)
    result = run("check", "--policies", policies(tmp_path, PINNED), manifest)

    assert (2, "", True) == (
        result.exit_code,
        result.stdout,
        result.stderr.startswith("landwaiter: " + said.replace("FILE", str(manifest))),
    )


def test_what_does_not_exist_is_refused(tmp_path: Path) -> None:
    """A mistyped path does not count as nothing to check."""
    missing = tmp_path / "missing"
    result = run("check", "--policies", policies(tmp_path, PINNED), missing)

    assert (
        2,
        f'landwaiter: "{missing}" does not exist; a file, a folder or - is wanted\n',
    ) == (result.exit_code, result.stderr)


def test_a_folder_without_manifests_is_refused(tmp_path: Path) -> None:
    """A folder that holds something else does not count as checked."""
    folder = written(tmp_path / "charts" / "NOTES.txt", "").parent
    result = run("check", "--policies", policies(tmp_path, PINNED), folder)

    assert (
        2,
        (
            f'landwaiter: "{folder}" holds no manifest; '
            "a file that ends with .json, .yaml, .yml is wanted\n"
        ),
    ) == (result.exit_code, result.stderr)


def test_bad_policies_are_refused_with_file_line_and_field(tmp_path: Path) -> None:
    """Nothing is judged by the policies that did load."""
    folder = policies(tmp_path, PINNED, PINNED.replace("Deny", "Dny").replace("pinned}", "b}"))
    result = run("check", "--policies", folder, stdin=pod(GOOD))

    assert (
        2,
        (
            f"landwaiter: {folder / 'all.yaml'}:14: field spec.validationActions[0]: "
            '"Dny" given, "Deny", "Warn" or "Audit" wanted\n'
        ),
    ) == (result.exit_code, result.stderr)


def test_standard_input_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 are a bad manifest, and no traceback."""
    result = run("check", "--policies", policies(tmp_path, PINNED), stdin=b"kind: \xff")

    assert (2, "landwaiter: <stdin>:1: not UTF-8, which is wanted\n") == (
        result.exit_code,
        result.stderr,
    )


def test_standard_input_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than is ever rendered is refused before it is parsed."""
    monkeypatch.setattr("landwaiter.cli.manifests.STDIN_MAX_BYTES", 10)
    result = run("check", "--policies", policies(tmp_path, PINNED), stdin=pod(GOOD))

    assert (2, "landwaiter: <stdin>: over 10 bytes given, less is wanted\n") == (
        result.exit_code,
        result.stderr,
    )


def test_an_empty_namespace_is_none(tmp_path: Path) -> None:
    """`namespace: ""` means for Kubernetes that there is none."""
    text = pod(GOOD, metadata=', namespace: ""')

    assert [("default", "web")] == checked(folder=tmp_path, stdin=text)
