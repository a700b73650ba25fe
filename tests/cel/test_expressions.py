"""Which expressions load, and what is said of those that do not."""

from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.cel.expressions import EXPRESSION_MAX_CHARACTERS, compile_expression
from landwaiter.cel.names import Members, paths_in
from landwaiter.errors import InvalidExpression

KNOWN: Mapping[str, Members | None] = {
    "object": None,
    "request": {"operation": None, "userInfo": {"username": None, "groups": None}},
}


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "object.spec.replicas > 2",
        "object.metadata.labels.app",
        'has(object.metadata.labels) && object.metadata.labels["app"] == "x"',
        'object.spec.containers.all(c, c.image.startsWith("registry.example.com/"))',
        "object.spec.containers.exists(c, c.name == 'a') ? true : false",
        "request.userInfo.groups.exists(g, g == 'ops')",
        "request.operation in ['CREATE', 'UPDATE']",
        'object.metadata.name.matches("^web-[0-9]+$")',
        "object.metadata.name.lowerAscii().split('-').size() == 2",
        "timestamp(object.metadata.creationTimestamp) < timestamp('2027-01-01T00:00:00Z')",
        "'request.nope' == r'request.nope' // request.nope",
    ],
)
def test_expressions_that_give_true_or_false_load(text: str) -> None:
    """The standard definitions and the functions on strings, over the known variables."""
    expression = compile_expression(text, KNOWN)

    assert (text, ("object", "request")) == (expression.text, expression.variables)


@pytest.mark.parametrize(
    "text",
    [
        "1 + 2 - 3 * 4 / 5 % 6 == 0 && !(1 > 2) || (1 in [1] ? 1 : 2) != 1",
        "[1].exists_one(x, x == 1) && [1].filter(x, x > 1).map(x, x).size() == 0",
        "int('1') == 1 && uint(1) == 1u && double(1) == 1.0 && string(1) == '1' && bool('true')",
        "bytes('a') == b'a' && duration('1s') < duration('2s') && type(1) == int && dyn(1) == 1",
        "'a'.contains('a') && 'a'.startsWith('a') && 'a'.endsWith('a') && 'a'.charAt(0) == 'a'",
        "'a'.indexOf('a') == 0 && 'a'.lastIndexOf('a') == 0 && ['a'].join(',') == 'a'",
        "'a'.upperAscii() == 'A' && 'a'.replace('a', 'b') == 'b' && 'ab'.substring(1) == 'b'",
        "' a'.trim() == 'a' && 'ab'.reverse() == 'ba' && '%s'.format(['a']) == 'a'",
        "timestamp('2026-01-01T00:00:00Z').getFullYear() == 2026",
        "timestamp('2026-01-01T00:00:00Z').getMonth() == 0",
    ],
)
def test_the_functions_that_are_documented_are_there(text: str) -> None:
    """docs/conditions.md lists them."""

    assert text == compile_expression(text, KNOWN).text


@pytest.mark.parametrize(
    "text",
    [
        "quantity('1') == quantity('1')",
        "url('https://a.example').getHost() == 'a.example'",
        "'a1'.find('[0-9]') == '1'",
        "[1].isSorted()",
        "object.?spec.orValue('') == ''",
        "variables.a",
    ],
)
def test_the_functions_of_kubernetes_alone_are_not_there(text: str) -> None:
    """What could not be evaluated is refused when it is loaded."""
    with pytest.raises(InvalidExpression):
        compile_expression(text, KNOWN)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "true &&",
            (
                "line 1, column 8: Syntax error: mismatched input '<EOF>' expecting {'[', '{', "
                "'(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, "
                "STRING, BYTES, IDENTIFIER}; an expression of CEL is wanted"
            ),
        ),
        (
            "true &&\n  nope.x == 1",
            "line 2, column 7: undeclared reference to 'nope.x'; an expression of CEL is wanted",
        ),
        (
            '"a" + 1 == "a1"',
            (
                "line 1, column 5: found no matching overload for '_+_' applied to "
                "'(string, int)'; an expression of CEL is wanted"
            ),
        ),
        (
            "object.exists(x, true, 1)",
            "line 1, column 15: undeclared reference to 'x'; an expression of CEL is wanted",
        ),
        ("1 + 1", "an expression of type INT given, BOOL is wanted"),
        ("'yes'", "an expression of type STRING given, BOOL is wanted"),
        (
            "request.resource == 'pods'",
            "request.resource given, of request there are operation, userInfo",
        ),
        (
            "object.x || request.userInfo.uid == '1'",
            "request.userInfo.uid given, of request.userInfo there are username, groups",
        ),
        (
            "x" * (EXPRESSION_MAX_CHARACTERS + 1),
            (
                f"{EXPRESSION_MAX_CHARACTERS + 1} characters given, "
                f"at most {EXPRESSION_MAX_CHARACTERS} wanted"
            ),
        ),
    ],
)
def test_an_expression_that_does_not_compile_says_where_and_why(text: str, problem: str) -> None:
    """Types are checked when it is loaded, and so are the members of what is known."""
    with pytest.raises(InvalidExpression) as refused:
        compile_expression(text, KNOWN)

    assert problem == str(refused.value)


@pytest.mark.parametrize("text", ["(" * 200 + "true" + ")" * 200, "[" * 200 + "]" * 200])
def test_deep_expressions_are_refused_and_do_not_end_the_process(text: str) -> None:
    """Whoever writes a document cannot exhaust the stack of whoever loads it."""
    with pytest.raises(InvalidExpression):
        compile_expression(text, KNOWN)


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("a.b.c == d", [("a", "b", "c"), ("d",)]),
        ("a . b /* 1 */", [("a", "b")]),
        ("a // b.c\n .d", [("a", "d")]),
        ("f(a.b).c", [("f",), ("a", "b")]),
        ("[a][0].b", [("a",)]),
        ("\"a.b\" + r\"\\\" + a.c + '''x \" a.d'''", [("a", "c")]),
        ("1.5 == a.b", [("a", "b")]),
        ('a["b"].c', [("a",)]),
    ],
)
def test_the_members_that_are_written_are_found(text: str, paths: list[tuple[str, ...]]) -> None:
    """Strings and comments name nothing, and what is computed is not followed."""

    assert paths == [path for path in paths_in(text) if path != ("1",)]


@given(st.text(max_size=200))
@settings(deadline=None, max_examples=200)
def test_any_text_loads_or_is_refused(text: str) -> None:
    """No text raises anything else."""
    with suppress(InvalidExpression):
        compile_expression(text, KNOWN)
