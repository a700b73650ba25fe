"""What the client makes of real registries: a table for the tests and for the page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

REGISTRIES: Final[Mapping[str, str]] = {
    "private": "distribution 3, with passwords, without the referrers API",
    "tokens": "the same, with a token service on another host",
    "referrers": "go-containerregistry's, open, with the referrers API",
}

READ: Final = "read"
MISSING: Final = "missing"
REFUSED: Final = "refused"
UNDECIDED: Final = "undecided"
NONE: Final = "none listed"
LISTED: Final = "listed"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What becomes of a question at each registry that it can be put to."""

    outcomes: Mapping[str, str]


def alike(outcome: str) -> Behaviour:
    """Return a behaviour that is the same at every registry."""
    return Behaviour(dict.fromkeys(REGISTRIES, outcome))


def apart(closed: str, opened: str) -> Behaviour:
    """Return a behaviour that differs, because one of them wants no password."""
    return Behaviour({"private": closed, "tokens": closed, "referrers": opened})


BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    "a tag": alike(READ),
    "a tag that has moved": alike(READ),
    "no tag, which is `latest`": alike(READ),
    "an OCI image by its digest": alike(READ),
    "a Docker image by its digest": alike(READ),
    "an index by its digest": alike(READ),
    "the configuration of an image": alike(READ),
    "a blob of five MiB": alike(READ),
    "a blob over the limit": alike(REFUSED),
    "sixteen questions at once": alike(READ),
    "a tag that is not there": alike(MISSING),
    "a digest that is not there": alike(MISSING),
    "a blob that is not there": alike(MISSING),
    "a repository that is not there": alike(MISSING),
    "an image that was deleted": alike(MISSING),
    "what refers to an unsigned image": alike(NONE),
    "what refers to a signed image": alike(LISTED),
    "what refers to a digest that is not there": alike(NONE),
    "the tag of a signature in the old format": alike(READ),
    "no password": apart(REFUSED, READ),
    "a wrong password": apart(REFUSED, READ),
    "a wrong password, and then the right one": alike(READ),
    "`checkAccess` with the right password": alike("granted"),
    "`checkAccess` with a wrong password": apart("login refused", "granted"),
    "`checkAccess` with a user who may not pull": Behaviour({"tokens": "pull refused"}),
    "a token service that the admin has not named": Behaviour({"tokens": REFUSED}),
    "`checkAccess` by a token service that the admin has not named": Behaviour(
        {"tokens": UNDECIDED}
    ),
    "`checkAccess` of an image that is not there": alike("not shown"),
    "a certificate of an authority that is not trusted": alike(UNDECIDED),
    "plain HTTP to a registry that speaks TLS": alike(REFUSED),
    "while it is away": alike(UNDECIDED),
    "while it is silent": alike(UNDECIDED),
    "after a restart": apart(READ, MISSING),
}
