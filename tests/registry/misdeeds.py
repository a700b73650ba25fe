"""
The misdeeds of a registry, and what becomes of each at each step.

The letters stand for the words in `conformance.py`, which writes them into the page.
"""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from registry.hostile_answers import (
    AGAIN,
    ENDLESS_PIECE,
    SLOW_SECONDS,
    Misdeed,
    a_bomb,
    altered,
    before_the_body,
    chunk,
    chunked,
    falling_silent,
    filed_as,
    going_on,
    once,
    redirect,
    smuggled,
    status,
    with_lines,
)

STEPS: Final[Mapping[str, str]] = {
    "tag": "the manifest of a tag",
    "digest": "a manifest by its digest",
    "blob": "a blob by its digest",
    "list": "what refers to a digest, from the referrers API",
    "fallback": "the same from the fallback tag",
    "token": "a token, to read the manifest of a tag with",
    "trial": "the HEAD request with which `checkAccess` tries a pull",
}
"""The requests that meet a misdeed, in the order of the columns."""

_DIGEST: Final = ("Docker-Content-Digest",)
_TYPE: Final = ("Content-Type",)
_LENGTH: Final = ("Content-Length",)
_NO_DIGEST: Final = f"Docker-Content-Digest: sha256:{'0' * 64}"
_DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
_HTML: Final = "Content-Type: text/html"
_METADATA: Final = "169.254.169.254/latest/meta-data/"


@dataclass(frozen=True, slots=True)
class Row:
    """
    What the registry does, and the outcome at each step as a letter.

    `is_slow` is True for what ends by the limits of time alone, which the test then shortens.
    """

    happens: str
    misdeed: Misdeed
    outcomes: str
    is_slow: bool = False


CONTENT: Final[Mapping[str, Row]] = {
    "altered": Row("one byte more than the truth, under the true digest", once(altered), "RRRARAA"),
    "too short": Row(
        "one byte less than the truth", once(lambda truth: truth.answer(truth.body[:-1])), "RRRRRUA"
    ),
    "wrong digest": Row(
        "the truth under another digest in the header",
        with_lines(_NO_DIGEST, without=_DIGEST),
        "RAAARAA",
    ),
    "two digests": Row(
        "the truth with two digests in headers, the first another one",
        once(
            lambda truth: truth.answer(
                None,
                _NO_DIGEST,
                f"Docker-Content-Digest: {truth.headers.get(_DIGEST[0], '')}",
                without=_DIGEST,
            )
        ),
        "RAAARAA",
    ),
    "two encodings": Row(
        "the truth, compressed, with two headers: `identity` and then `gzip`",
        once(
            lambda truth: truth.answer(
                gzip.compress(truth.body),
                "Content-Encoding: identity",
                "Content-Encoding: gzip",
            )
        ),
        "RRRRRUA",
    ),
    "no digest": Row(
        "the truth under a digest that is none (`sha256:../../x`)",
        with_lines("Docker-Content-Digest: sha256:../../x", without=_DIGEST),
        "AAAAAAA",
    ),
    "no JSON": Row("one brace, under the digest of a brace", filed_as(b"{"), "RRRRRUA"),
    "deep JSON": Row("a hundred thousand lists in one another", filed_as(b"[" * 10**5), "RRRRRUA"),
    "null": Row("`null`", filed_as(b"null"), "RRRRRUA"),
    "a page": Row(
        "a page for people, with status 200 and as `text/html`",
        once(lambda truth: truth.answer(b"<html></html>", _HTML, without=_TYPE + _DIGEST)),
        "RRRNRUA",
    ),
    "wrong type": Row(
        "the truth under the type of a list of images",
        with_lines(f"Content-Type: {_DOCKER_LIST}", without=_TYPE),
        "RRANRAA",
    ),
    "two types": Row(
        "the truth under its type, and in a second header as `text/html`",
        with_lines(_HTML),
        "AAAAAAA",
    ),
    "no type": Row("the truth without a type", with_lines(without=_TYPE), "AAANAAA"),
}
"""Answers in proper HTTP that are not what was asked for."""

FRAMING: Final[Mapping[str, Row]] = {
    "endless": Row(
        "chunks without an end",
        going_on(chunked, chunk(ENDLESS_PIECE)),
        "RRRRRUA",
    ),
    "endless, no length": Row(
        "a body without length and without an end",
        going_on(lambda truth: truth.answer(b"", without=_LENGTH)),
        "RRRRRUA",
    ),
    "a petabyte": Row(
        "a length of a petabyte",
        falling_silent(
            lambda truth: truth.answer(None, f"Content-Length: {10**15}", without=_LENGTH)
        ),
        "RRRRRUA",
    ),
    "gzip bomb": Row(
        "kilobytes that become 64 MiB, as `Content-Encoding: gzip`",
        once(lambda truth: truth.answer(a_bomb(), "Content-Encoding: gzip")),
        "RRRRRUA",
    ),
    "gzip": Row(
        "the truth, compressed",
        once(lambda truth: truth.answer(gzip.compress(truth.body), "Content-Encoding: gzip")),
        "RRRRRUA",
    ),
    "gzip in transfer": Row(
        "the truth, compressed, as `Transfer-Encoding: gzip, chunked`",
        once(
            lambda truth: truth.answer(
                chunk(gzip.compress(truth.body)) + chunk(b""),
                "Transfer-Encoding: gzip, chunked",
                without=_LENGTH,
            )
        ),
        "RRRRRUA",
    ),
    "length too large": Row(
        "ten bytes more are announced than come",
        once(
            lambda truth: truth.answer(
                None, f"Content-Length: {len(truth.body) + 10}", without=_LENGTH
            )
        ),
        "UURUUUA",
    ),
    "length twice": Row("two lengths that differ", with_lines("Content-Length: 1"), "UUUUUUU"),
    "length twice, alike": Row(
        "the true length in two headers",
        once(lambda truth: truth.answer(None, f"Content-Length: {len(truth.body)}")),
        "UUUUUUU",
    ),
    "transfer twice": Row(
        "chunks, as two headers say",
        once(
            lambda truth: truth.answer(
                chunk(truth.body) + chunk(b""),
                "Transfer-Encoding: chunked",
                "Transfer-Encoding: chunked",
                without=_LENGTH,
            )
        ),
        "AAAAAAA",
    ),
    "negative length": Row(
        "a length below nothing", with_lines("Content-Length: -1", without=_LENGTH), "UUUUUUU"
    ),
    "length and chunks": Row(
        "a length, and chunks beside it",
        once(
            lambda truth: truth.answer(chunk(truth.body) + chunk(b""), "Transfer-Encoding: chunked")
        ),
        "UUUUUUU",
    ),
    "chunks cut": Row(
        "the whole truth in a chunk, and none that ends it",
        once(lambda truth: chunked(truth, truth.body)),
        "UUUUUUA",
    ),
    "chunk size": Row(
        "a chunk whose size is no number",
        once(lambda truth: chunked(truth) + b"zz\r\n" + truth.body),
        "UUUUUUU",
    ),
    "surplus": Row(
        "an answer that is a byte short, and a second one that nobody has asked for",
        once(smuggled),
        "RRRRRUA",
    ),
    "closed": Row("the connection ends without a byte", once(lambda _: b""), "UUUUUUU"),
    "no HTTP": Row(
        "the greeting of another protocol",
        once(lambda _: b"SSH-2.0-OpenSSH_9.9\r\n"),
        "UUUUUUU",
    ),
    "long header": Row("a header of a megabyte", with_lines(f"X-Long: {'x' * 10**6}"), "UUUUUUU"),
    "many headers": Row(
        "a hundred thousand headers",
        with_lines(*(f"X-{number}: y" for number in range(10**5))),
        "UUUUUUU",
    ),
    "NUL": Row("a NUL in a header", with_lines("X-Nul: a\0b"), "UUUUUUU"),
    "cookie": Row("the truth and a cookie", with_lines("Set-Cookie: a=b"), "AAAAAAA"),
}
"""Answers that are not proper HTTP, or have no proper end."""

TIME: Final[Mapping[str, Row]] = {
    "slow body": Row(
        "one byte now and then",
        going_on(chunked, chunk(b" "), every_seconds=SLOW_SECONDS),
        "UURUUUA",
        is_slow=True,
    ),
    "slow header": Row(
        "a header, one byte now and then",
        before_the_body(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        "UUUUUUU",
        is_slow=True,
    ),
    "silent": Row(
        "the beginning of an answer, and no more",
        falling_silent(lambda truth: chunked(truth, b"{")),
        "UUUUUUA",
        is_slow=True,
    ),
    "no answer": Row("nothing", before_the_body(b""), "UUUUUUU", is_slow=True),
    "only hints": Row(
        "answers of status 103 without an end",
        before_the_body(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
        "UUUUUUU",
        is_slow=True,
    ),
}
"""Answers that never come."""

STATUSES: Final[Mapping[str, Row]] = {
    "204": Row("no content", status("204 No Content"), "UUUUUUU"),
    "206": Row(
        "a part of the content, which nobody has asked for",
        once(lambda truth: truth.answer(truth.body[:10], status="206 Partial Content")),
        "UUUUUUU",
    ),
    "101": Row(
        "another protocol from here on",
        status("101 Switching Protocols", "Upgrade: x", "Connection: upgrade"),
        "UUUUUUU",
    ),
    "304": Row("not modified", status("304 Not Modified"), "UUUUUUU"),
    "400": Row("no such request", status("400 Bad Request"), "RRRNRRU"),
    "403": Row("not for you", status("403 Forbidden"), "RRRRRRR"),
    "404, endless": Row(
        "not found, with a body without an end",
        going_on(lambda truth: chunked(truth, status="404 Not Found"), chunk(ENDLESS_PIECE)),
        "RRRNNRR",
    ),
    "429": Row(
        "too many requests; `Retry-After` has a thousand digits",
        status("429 Too Many Requests", f"Retry-After: {'9' * 1000}"),
        "UUUUUUU",
    ),
    "429, two times": Row(
        "too many requests, with two `Retry-After`, the first of which is nonsense",
        status("429 Too Many Requests", "Retry-After: soon", "Retry-After: 999999999"),
        "UUUUUUU",
    ),
    "429, a date": Row(
        "too many requests until the end of the year 9999",
        status("429 Too Many Requests", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT"),
        "UUUUUUU",
    ),
    "503": Row("not now", status("503 Service Unavailable"), "UUUUUUU"),
    "999": Row("a status that there is not", status("999 What"), "UUUUUUU"),
    "loop": Row("a redirect to itself", redirect(lambda truth: f"{truth.path}?{AGAIN}"), "UUUUUUU"),
    "nowhere": Row(
        "a redirect that does not say where to", status("307 Temporary Redirect"), "UUUUUUU"
    ),
    "to the metadata": Row(
        "a redirect to a cloud's metadata service, over http",
        redirect(lambda _: f"http://{_METADATA}"),
        "UUUUUUU",
    ),
    "to the metadata, TLS": Row(
        "the same over https",
        redirect(lambda _: f"https://{_METADATA}"),
        "RRRRRUR",
    ),
    "inside": Row(
        "a redirect to a non-public address that the admin has not named",
        redirect(lambda _: "https://127.0.0.1:1/x"),
        "RRRRRUR",
    ),
    "two places": Row(
        "two redirects in one answer, the first to a cloud's metadata service",
        status("307 Temporary Redirect", f"Location: http://{_METADATA}", "Location: /v2/"),
        "UUUUUUU",
    ),
    "to a file": Row(
        "a redirect to `file:///etc/passwd`", redirect(lambda _: "file:///etc/passwd"), "UUUUUUU"
    ),
    "with a password": Row(
        "a redirect to a URL with user and password",
        redirect(lambda truth: truth.stranger.replace("//", "//ann:pw@") + truth.path),
        "UUUUUUU",
    ),
    "to a stranger": Row(
        "a redirect to another registry, which asks for a password",
        redirect(lambda truth: truth.stranger + truth.path),
        "RRRRRUU",
    ),
}
"""Answers of another status, and redirects."""

GROUPS: Final[Mapping[str, Mapping[str, Row]]] = {
    "What the content is": CONTENT,
    "How it is sent": FRAMING,
    "When it comes": TIME,
    "What comes in its place": STATUSES,
}
