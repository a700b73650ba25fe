"""Reading YAML and JSON as kubectl does, with the line of each value and within limits."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.errors import InvalidManifest
from landwaiter.manifests.documents import Document, read_documents, read_file, steps_of
from landwaiter.manifests.scalars import meaning_of
from landwaiter.manifests.tree import VALUES_MAX


def read(text: str | bytes) -> tuple[Document, ...]:
    content = text.encode() if isinstance(text, str) else text
    return read_documents(content, source="f.yaml")


def values(text: str) -> list[Any]:
    return [document.value for document in read(text)]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("no", False),
        ("On", True),
        ("y", True),
        ("nO", "nO"),
        ("null", None),
        ("~", None),
        ("0755", 493),
        ("0o17", 15),
        ("-0x1F", -31),
        ("0b11", 3),
        ("1_000", 1000),
        ("08", 8.0),
        ("1.10", 1.1),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("._5", "._5"),
        ("1:30", "1:30"),
        ("2026-11-23", "2026-11-23"),
        ("1.27.3", "1.27.3"),
        ("+", "+"),
        ("18446744073709551616", 18446744073709551616.0),
        ("9" * 400, "9" * 400),
        ("1" * 5000, "1" * 5000),
    ],
)
def test_plain_scalars_mean_what_they_mean_to_kubectl(text: str, meaning: object) -> None:
    """YAML 1.1 as go-yaml reads it, not as PyYAML does."""

    assert (type(meaning), meaning) == (type(meaning_of(text)), meaning_of(text))


@given(st.text(max_size=80))
@settings(deadline=None, max_examples=300)
def test_a_scalar_never_fails_but_by_its_own_error(text: str) -> None:
    """Whatever is written plainly, it means something or is refused."""
    try:
        problem = f"{meaning_of(text)!s:.0}"
    except ValueError as refused:
        problem = str(refused)

    assert problem in {"", f"{text} given, a number that JSON has is wanted"}


def test_quoted_scalars_and_string_tags_stay_text() -> None:
    """Quotes and `!!str` keep a scalar from being read as something else."""

    assert [{"a": "no", "b": "0755", "c": "no"}] == values("a: 'no'\nb: \"0755\"\nc: !!str no\n")


def test_keys_become_text_as_in_kubectl() -> None:
    """Booleans and integers as keys are written as JSON writes them."""

    assert [{"true": 1, "10": 2}] == values("on: 1\n10: 2\n")


def test_documents_of_a_file_come_in_order_without_the_empty_ones() -> None:
    """Comments and bare separators are not documents."""

    assert [{"a": 1}, {"b": 2}] == values("---\n# nothing\n---\na: 1\n---\n...\n---\nb: 2\n")


def test_json_is_read_with_surrogate_pairs_and_tabs() -> None:
    """What a JSON program writes is read, also characters beyond the basic plane."""
    written = {"a": "\U0001f600 \\ud83d\\ude00 /", "b": [1, True, None, 1.5]}

    assert [written] == values(json.dumps(written, indent="\t"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=9), json_values, min_size=1))
@settings(deadline=None, max_examples=150)
def test_what_json_writes_is_read_back(written: dict[str, Any]) -> None:
    """Every JSON object is read as the same values."""

    assert [written] == values(json.dumps(written))


@given(st.binary(max_size=200) | st.text("{}[]:,&*!-? \n\"'a1<#|>%", max_size=60).map(str.encode))
@settings(deadline=None, max_examples=300)
def test_any_bytes_are_read_or_refused_with_the_source(content: bytes) -> None:
    """Nothing but `InvalidManifest` comes out, and it names the source."""
    try:
        outcomes = [f"f.yaml:{document.line_of()}" for document in read(content)]
    except InvalidManifest as problem:
        outcomes = [str(problem)]

    assert [] == [outcome for outcome in outcomes if not outcome.startswith("f.yaml:")]


def test_aliases_and_merge_keys_are_written_out() -> None:
    """Anchors are read as kubectl reads them; what is written after a merge wins."""
    text = "x: &x {a: 1, b: {c: 2}}\nz:\n  <<: *x\n  a: 3\nl: [*x]\n"

    assert [
        {"x": {"a": 1, "b": {"c": 2}}, "z": {"a": 3, "b": {"c": 2}}, "l": [{"a": 1, "b": {"c": 2}}]}
    ] == values(text)


def test_the_first_of_several_merged_mappings_wins() -> None:
    """A list after `<<` is taken in its order."""

    assert [{"m": {"a": 1, "b": 2}}] == values("m: {<<: [{a: 1}, {a: 9, b: 2}]}")


def bomb() -> str:
    """Nine levels of ten aliases each: a billion values in 400 bytes."""
    lines = ["l0: &l0 [1,1,1,1,1,1,1,1,1,1]"]
    lines += [f"l{n}: &l{n} [{','.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    return "\n".join(lines)


def deep_by_aliases() -> str:
    """Each line nests the one before it 90 deep."""
    lines = ["l0: &l0 x"]
    lines += [f"l{n}: &l{n} {'[' * 90}*l{n - 1}{']' * 90}" for n in range(1, 4)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2\n", 'f.yaml:2: key "a" given twice'),
        ('{"a": 1,\n "a": 2}', 'f.yaml:2: key "a" given twice'),
        ("a: 1\n<<: {a: 2}\n", 'f.yaml:2: key "a" given before << brings it'),
        ("<<: 1\n", "f.yaml:1: a mapping is wanted after the merge key <<"),
        ("a: !foo 1\n", "f.yaml:1: tag !foo given, none is wanted"),
        ("a: !!map {}\n", "f.yaml:1: tag tag:yaml.org,2002:map given, none is wanted"),
        ("a:\n - .inf\n", "f.yaml:2: .inf given, a number that JSON has is wanted"),
        ("? [1]\n: 2\n", "f.yaml:1: a key is not text, which is wanted"),
        ("~: 2\n", "f.yaml:1: a key is not text, which is wanted"),
        ("a: *b\n", "f.yaml:1: alias *b stands for nothing before it"),
        ("a: &a [*a]\n", "f.yaml:1: alias *a stands for nothing before it"),
        ("a: &x 1\n---\nb: *x\n", "f.yaml:3: alias *x stands for nothing before it"),
        (
            "a:\n b: c: d\n",
            "f.yaml:2: not YAML: mapping values are not allowed in this context",
        ),
        ("[" * 300_000, "f.yaml:1: nested over 200 deep, less is wanted"),
        (deep_by_aliases(), "f.yaml:4: nested over 200 deep, less is wanted"),
        (bomb(), f"f.yaml:6: over {VALUES_MAX} values given, less is wanted"),
        ("a: 1\nb: \xe9".encode("latin-1"), "f.yaml:2: not UTF-8, which is wanted"),
    ],
)
def test_what_misleads_or_floods_is_refused_with_its_line(text: str | bytes, problem: str) -> None:
    """Duplicate keys, tags, recursion, nesting, alias bombs and broken text are refused."""
    with pytest.raises(InvalidManifest) as refused:
        read(text)

    assert problem == str(refused.value)


def test_a_control_character_is_refused() -> None:
    """The parser refuses it without a line."""
    with pytest.raises(InvalidManifest) as refused:
        read("a: \x01")

    assert (
        "f.yaml: not YAML: unacceptable character #x0001: control characters are not allowed"
        == str(refused.value)
    )


def test_too_many_bytes_are_refused_before_they_are_parsed() -> None:
    """The limit is the caller's."""
    with pytest.raises(InvalidManifest) as refused:
        read_documents(b"a: 1234", source="f.yaml", limit_bytes=6)

    assert "f.yaml: over 6 bytes given, less is wanted" == str(refused.value)


def test_lines_are_those_of_keys_and_items() -> None:
    """The line of a value is that of its key, and what is missing has that of what is around."""
    (document,) = read("kind: Pod\nspec:\n  containers:\n  - name: a\n    image: x\n")
    paths = ["spec", "spec.containers[0].image", "spec.containers[1].image", "spec.volumes", ""]

    assert [2, 5, 3, 2, 1] == [document.line_of(steps_of(path)) for path in paths]


def test_the_items_of_a_list_keep_their_own_lines() -> None:
    """A `List`, also one in another, gives its items one by one."""
    text = "kind: List\nitems:\n- kind: Pod\n  spec: 1\n- kind: PodList\n  items:\n  - kind: Job\n"
    (document,) = read(text)
    objects = list(document.objects())

    assert [{"kind": "Pod", "spec": 1}, {"kind": "Job"}] == [each.value for each in objects]
    assert [4, 7] == [objects[0].line_of(["spec"]), objects[1].line_of(["kind"])]


def test_an_object_with_items_that_is_no_list_is_given_as_it_is() -> None:
    """Only a kind that ends in List is taken apart."""
    (document,) = read("kind: Menu\nitems: [1]\n")

    assert [document] == list(document.objects())


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(InvalidManifest) as refused:
        read_file(tmp_path / "none.yaml")

    assert f"{tmp_path}/none.yaml: cannot be read: No such file or directory" == str(refused.value)


def test_values_are_not_in_a_document_s_representation() -> None:
    """A manifest can hold a Secret, so a log line with a document must not."""
    (document,) = read("data: {password: hunter2}")

    assert "Document(source='f.yaml')" == repr(document)
