"""Loading a folder of policies: all of them, or none with every reason."""

import json
import os
from pathlib import Path

import pytest

from landwaiter.errors import InvalidPolicy
from landwaiter.policy.sources import FILE_MAX_BYTES, FILES_MAX, PROBLEMS_MAX, load_policies
from landwaiter.rules.verdict import Action
from policy.builders import A_KEY

TEXT = (
    "apiVersion: landwaiter.dev/v1alpha1\nkind: ClusterImagePolicy\n"
    "metadata: {{name: {name}}}\n"
    "spec: {{validationActions: [Deny], rules: {{pinnedTags: {{require: digest}}}}}}\n"
)


def a_text(name: str) -> str:
    return TEXT.format(name=name)


def names(folder: Path) -> list[str]:
    return [policy.name for policy in load_policies(folder)]


def refusal(folder: Path) -> list[str]:
    with pytest.raises(InvalidPolicy) as refused:
        load_policies(folder)
    return str(refused.value).replace(str(folder), "FOLDER").splitlines()


def test_policies_come_in_the_order_of_files_and_documents(tmp_path: Path) -> None:
    """YAML, several documents, a List and JSON are read; other files and folders are not."""
    (tmp_path / "b.yml").write_text(a_text("b1") + "---\n---\n" + a_text("b2"))
    (tmp_path / "a.yaml").write_text(a_text("a"))
    document = {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": "c"},
        "spec": {"validationActions": ["Warn"], "rules": {"pinnedTags": {"require": "digest"}}},
    }
    (tmp_path / "c.JSON").write_text(json.dumps({"kind": "List", "items": [document]}))
    (tmp_path / "README.md").write_text("{{{")
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "trusted_root.json").write_text("{{{")

    assert ["a", "b1", "b2", "c"] == names(tmp_path)


def test_a_mounted_config_map_is_read_once(tmp_path: Path) -> None:
    """Kubernetes mounts each file as a link through `..data`, which is not read itself."""
    version = tmp_path / "..2026_11_23"
    version.mkdir()
    (version / "p.yaml").write_text(a_text("p"))
    (tmp_path / "..data").symlink_to(version.name)
    (tmp_path / "p.yaml").symlink_to("..data/p.yaml")
    (tmp_path / ".hidden.yaml").write_text("{{{")

    assert ["p"] == names(tmp_path)


def test_a_folder_without_policies_is_refused(tmp_path: Path) -> None:
    """It would admit everything and look as if it did not."""
    (tmp_path / "empty.yaml").write_text("# nothing yet\n---\n")

    assert ["FOLDER: no policy given, at least one is wanted"] == refusal(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A typo in the option does not end in no policies, nor does a file in place of a folder."""
    (tmp_path / "p.yaml").write_text(a_text("p"))
    refusals = [refusal(tmp_path / name)[0] for name in ("none", "p.yaml")]

    assert [
        "FOLDER: cannot be read as a folder: No such file or directory",
        "FOLDER: cannot be read as a folder: Not a directory",
    ] == refusals


def test_a_name_given_twice_is_refused_with_both_places(tmp_path: Path) -> None:
    """Names are how messages, metrics and people tell policies apart."""
    (tmp_path / "a.yaml").write_text(a_text("p"))
    (tmp_path / "b.yaml").write_text("# a comment\n" + a_text("p"))

    assert [
        (
            'FOLDER/b.yaml:4: field metadata.name: "p" given, '
            "but FOLDER/a.yaml:3 has it too; a name of its own wanted"
        )
    ] == refusal(tmp_path)


def test_problems_of_all_files_are_told_at_once(tmp_path: Path) -> None:
    """One run shows everything there is to mend, and one fault refuses all policies."""
    (tmp_path / "a.yaml").write_text(a_text("Bad"))
    (tmp_path / "b.yaml").write_text("a: [\n")
    (tmp_path / "c.yaml").write_text(a_text("good"))
    (tmp_path / "d.yaml").symlink_to("nowhere")
    (tmp_path / "e.yaml").write_text(a_text("good2") + "---\nkind: Secret\n")

    assert [
        (
            'FOLDER/a.yaml:3: field metadata.name: "Bad" given, '
            'at most 253 lower-case letters, digits, "-" and "." are wanted'
        ),
        "FOLDER/b.yaml:2: not YAML: did not find expected node content",
        "FOLDER/d.yaml: cannot be read: No such file or directory",
        (
            'FOLDER/e.yaml:6: field kind: "Secret" given, '
            '"ClusterImagePolicy", "ImagePolicy" or "ImagePolicyException" wanted; '
            "a file that policies name goes into a folder below, or has another suffix"
        ),
    ] == refusal(tmp_path)


def test_the_report_is_bounded(tmp_path: Path) -> None:
    """A file of another kind does not fill the log; what is left out is counted."""
    (tmp_path / "a.yaml").write_text("---\n- x\n" * (PROBLEMS_MAX + 7))
    report = refusal(tmp_path)

    assert (PROBLEMS_MAX + 1, "and 7 more problems") == (len(report), report[-1])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            " " * (FILE_MAX_BYTES + 1),
            f"FOLDER/a.yaml: over {FILE_MAX_BYTES} bytes given, less is wanted",
        ),
        (
            "a: &a [x, x]\nb: &b [*a, *a]\nc: *c\n",
            "FOLDER/a.yaml:3: alias *c stands for nothing before it",
        ),
        ("[" * 1000, "FOLDER/a.yaml:1: nested over 200 deep, less is wanted"),
    ],
)
def test_a_file_that_floods_is_refused(text: str, problem: str, tmp_path: Path) -> None:
    """Size, aliases and nesting have limits."""
    (tmp_path / "a.yaml").write_text(text)

    assert [problem] == refusal(tmp_path)


def test_a_pipe_in_the_folder_does_not_hang_the_start(tmp_path: Path) -> None:
    """Only regular files are opened."""
    os.mkfifo(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text(a_text("b"))

    assert ["FOLDER/a.yaml: not a file, which is wanted"] == refusal(tmp_path)


def test_too_many_files_are_refused(tmp_path: Path) -> None:
    """Every policy costs time for every request."""
    for number in range(FILES_MAX + 1):
        (tmp_path / f"{number}.yaml").touch()

    assert [f"FOLDER: {FILES_MAX + 1} files given, at most {FILES_MAX} wanted"] == refusal(tmp_path)


def test_too_many_policies_are_refused(tmp_path: Path) -> None:
    """Also when they stand in one file."""
    short = (
        "---\n{{apiVersion: landwaiter.dev/v1alpha1, kind: ClusterImagePolicy, metadata: "
        "{{name: p{}}}, spec: {{validationActions: [Deny], rules: {{pinnedTags: "
        "{{require: digest}}}}}}}}\n"
    )
    (tmp_path / "a.yaml").write_text("".join(short.format(number) for number in range(1001)))

    assert ["FOLDER: 1001 policies given, at most 1000 wanted"] == refusal(tmp_path)


def test_files_that_rules_name_are_taken_from_the_folder(tmp_path: Path) -> None:
    """A key file is named relative to the policy, wherever the process runs."""
    (tmp_path / "ci.pub").write_text(A_KEY)
    rules = "{{cosignSignatures: {{authorities: [{{name: ci, key: {{file: ci.pub}}}}]}}}}"
    text = TEXT.replace("{{pinnedTags: {{require: digest}}}}", rules).format(name="p")
    (tmp_path / "p.yaml").write_text(text)
    (policy,) = load_policies(tmp_path)

    assert ({Action.DENY}, ["cosignSignatures"]) == (
        set(policy.actions),
        [str(rule.id) for rule in policy.rules],
    )
