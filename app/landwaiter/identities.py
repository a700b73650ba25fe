"""
Whom the certificate of a signature has to name.

A certificate by Fulcio names who logged in (the subject: an e-mail address, or the address of a
workflow) and where (the issuer). Either is given exactly, or as a regular expression in Go's
syntax that the whole text has to match: cosign by itself looks for a match anywhere in it, so
that `.*@example.com` would also match `eve@example.com.evil`.

An expression is compiled when it is loaded, alone and as it is handed to cosign, so that a
mistake is found then and not at the first Pod, and that no parenthesis in it can end the group
that holds it.

Source: RE2 syntax (github.com/google/re2/wiki/Syntax, read 2026-11-25), which Go's package
regexp shares but for its single bytes.
"""

from dataclasses import dataclass
from typing import Self

from landwaiter.errors import InvalidIdentity

TEXT_MAX_CHARACTERS = 1_024
"""An address of a workflow has about 120; the longest that GitHub can make has some 500."""


@dataclass(frozen=True, slots=True)
class Name:
    """
    A text that a certificate must hold; built by `exactly` and `matching`.

    `text` is the text itself, or with `is_expression` the anchored expression.
    """

    text: str
    is_expression: bool = False

    @classmethod
    def exactly(cls, text: str) -> Self:
        """Return the name that is this text. Raises `InvalidIdentity`."""
        return cls(_printable(text))

    @classmethod
    def matching(cls, expression: str) -> Self:
        """Return the name that is matched whole by an expression. Raises `InvalidIdentity`."""
        anchored = f"^(?:{_printable(expression)})$"
        if r"\C" in expression:
            raise InvalidIdentity(r'an expression with "\C" is given, which Go has not')
        if not (_compiles(expression) and _compiles(anchored)):
            raise InvalidIdentity(
                f'"{expression}" is given, which is no regular expression in Go\'s syntax'
            )
        return cls(anchored, is_expression=True)


ANYBODY = Name("^(?:.*)$", is_expression=True)
"""The issuer of certificates that name none, which those of an authority of one's own do not."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a certificate names, and who vouches for that."""

    issuer: Name
    subject: Name

    def excludes(self, other: "Identity") -> bool:
        """Whether no certificate can name both, for certain; expressions may always overlap."""
        return _differ(self.issuer, other.issuer) or _differ(self.subject, other.subject)


def _compiles(expression: str) -> bool:
    import re2  # noqa: PLC0415  # Most installs have no expression of an identity.

    options = re2.Options()
    options.log_errors = False  # It is told to whoever wrote it, and not to standard error.
    try:
        re2.compile(expression, options)
    except re2.error:
        return False
    return True


def _differ(one: Name, other: Name) -> bool:
    return not one.is_expression and not other.is_expression and one.text != other.text


def _printable(text: str) -> str:
    if not text or len(text) > TEXT_MAX_CHARACTERS or not text.isprintable():
        raise InvalidIdentity(
            f"{len(text)} characters are given; 1 to {TEXT_MAX_CHARACTERS} that can be printed "
            "are wanted"
        )
    return text
