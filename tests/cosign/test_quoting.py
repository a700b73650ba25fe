from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.cosign.quoting import QUOTE_MAX_CHARACTERS, quoted, quoted_value


def test_the_last_line_is_quoted() -> None:
    """Go programs print the cause of their end last, and that is what people are shown."""
    stderr = b"WARNING: deprecated\nError: first\nerror during command execution: no match\n"

    assert '; cosign says: "no match"' == quoted(stderr, {})


def test_nothing_printed_is_not_quoted() -> None:
    """Silence adds nothing to a message."""
    assert "" == quoted(b" \r\n\n", {})


def test_our_own_names_are_put_back() -> None:
    """The name of an image on the endpoint is shown as the image that it stands for."""
    names = {"127.0.0.1:5000/abc/0": "registry.example.com/app"}

    assert '; cosign says: "GET registry.example.com/app@sha256:1"' == quoted(
        b"GET 127.0.0.1:5000/abc/0@sha256:1", names
    )


def test_credentials_are_removed() -> None:
    """Whatever looks like a credential is not shown, whoever put it there."""
    lines = {
        b"Authorization: Bearer abc.def-ghi": '; cosign says: "Authorization: [removed] [removed]"',
        b"GET https://user:pass@host/v2/": '; cosign says: "GET https://[removed]@host/v2/"',
        b"password=hunter2 given": '; cosign says: "password: [removed] given"',
        b"basic dXNlcjpwYXNz": '; cosign says: "basic [removed]"',
    }

    assert list(lines.values()) == [quoted(line, {}) for line in lines]


def test_control_characters_are_removed() -> None:
    """Text that somebody pushed cannot move the cursor, nor turn the direction of writing."""
    assert '; cosign says: "a [31mb c d"' == quoted("a\x1b[31mb\tc\u202ed\x00".encode(), {})


def test_a_long_value_is_cut() -> None:
    """One value cannot fill a message."""
    assert f'"{"x" * (QUOTE_MAX_CHARACTERS - 1)}…"' == quoted_value("x" * 10_000)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=8_000))
def test_a_quote_is_one_short_printable_line(stderr: bytes) -> None:
    """Whatever was printed, the quote is printable and bounded."""
    quote = quoted(stderr, {})

    assert (True, True) == (quote.isprintable(), len(quote) <= 2 * QUOTE_MAX_CHARACTERS + 20)
