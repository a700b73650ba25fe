"""
What becomes of a verification when one of its requests fails: the table that the tests prove.

`page()` is docs/verification-faults.md; run this file to write it anew. The tests of this folder
fail when the page is out of date, and when an outcome is not the one written here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "verification-faults.md"

ADMITTED: Final = "admitted"
REFUSED: Final = "refused"
UNDECIDED: Final = "undecided"
LATE: Final = "undecided, goes on"
RACE: Final = "admitted or undecided"

_LETTERS: Final = {"A": ADMITTED, "R": REFUSED, "U": UNDECIDED, "L": LATE, "X": RACE}


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a request, and what a message about it has at least one of."""

    happens: str
    says: tuple[str, ...]


FAULTS: Final[Mapping[str, Fault]] = {
    "401": Fault("the answer is a 401 that names no way to log in", ("(401)",)),
    "403": Fault("the answer is a 403", ("(403)",)),
    "404": Fault(
        "the answer is a 404",
        ("(404)", "listed and missing", "no cosign signature", "no attestation"),
    ),
    "429": Fault("the answer is a 429 that asks for five minutes", ("asked to be left alone",)),
    "500": Fault("the answer is a 500, at every attempt", ("answered 500",)),
    "slow": Fault(
        "no answer comes before the deadline", ("did not come in time", "still under way")
    ),
    "cut": Fault(
        "the connection ends in the middle of the answer, at every attempt",
        ("failed or was cut",),
    ),
    "reset": Fault(
        "the connection is reset before an answer, at every attempt", ("failed or was cut",)
    ),
    "altered": Fault(
        "the content is not what its digest says; in a list, each entry's digest is another",
        ("has the digest", "listed and missing"),
    ),
    "no JSON": Fault(
        "one brace comes, under its own digest where a header tells one",
        ("is not JSON", "has the digest", "its descriptor says"),
    ),
    "too large": Fault("five megabytes come", ("has more than",)),
}
"""What can happen to one request, in the order of the columns."""

BUNDLE: Final = "bundle, listed by the referrers API"
FALLBACK: Final = "bundle, listed by the fallback tag"
SIMPLE: Final = "simple signing"

ATTESTED: Final = "attestation, listed by the referrers API"
ATTESTED_FALLBACK: Final = "attestation, listed by the fallback tag"
ATTESTED_OLD: Final = "attestation in the old format"

FORMATS: Final[Mapping[str, str]] = {
    BUNDLE: "Signed by cosign 3, in a registry with the referrers API.",
    FALLBACK: "Signed by cosign 3, in a registry without the referrers API.",
    SIMPLE: "Signed by cosign 2, in a registry without the referrers API.",
    ATTESTED: "Attested as by cosign 3, in a registry with the referrers API.",
    ATTESTED_FALLBACK: "Attested as by cosign 3, in a registry without the referrers API.",
    ATTESTED_OLD: "Attested as by cosign 2, in a registry without the referrers API.",
}

TAG: Final = "tag"
SUBJECT: Final = "image by digest"
REFERRERS: Final = "referrers API"
FALLBACK_TAG: Final = "fallback tag"
BUNDLE_MANIFEST: Final = "bundle's manifest"
BUNDLE_BLOB: Final = "bundle"
SIG_MANIFEST: Final = ".sig tag"
SIG_BLOB: Final = ".sig payload"
ATT_MANIFEST: Final = ".att tag"
ATT_BLOB: Final = ".att envelope"


def _row(letters: str) -> Mapping[str, str]:
    return dict(zip(FAULTS, (_LETTERS[each] for each in letters.split()), strict=True))


EXPECTED: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    #                        401 403 404 429 500 slow cut reset altered JSON large
    BUNDLE: {
        TAG: _row("           R   R   R   U   U   L    U    U      R     R    R"),
        SUBJECT: _row("       R   R   R   U   U   L    U    U      R     R    R"),
        REFERRERS: _row("     R   R   R   U   U   L    U    U      R     R    R"),
        BUNDLE_MANIFEST: _row("R  R   R   U   U   L    U    U      R     R    R"),
        BUNDLE_BLOB: _row("   R   R   R   U   U   L    U    U      R     R    R"),
        SIG_MANIFEST: _row("  A   A   A   X   A   L    A    A      A     A    A"),
    },
    FALLBACK: {
        TAG: _row("           R   R   R   U   U   L    U    U      R     R    R"),
        SUBJECT: _row("       R   R   R   U   U   L    U    U      R     R    R"),
        REFERRERS: _row("     R   R   A   U   U   L    U    U      A     R    R"),
        FALLBACK_TAG: _row("  R   R   R   U   U   L    U    U      R     R    R"),
        BUNDLE_MANIFEST: _row("R  R   R   U   U   L    U    U      R     R    R"),
        BUNDLE_BLOB: _row("   R   R   R   U   U   L    U    U      R     R    R"),
        SIG_MANIFEST: _row("  A   A   A   X   A   L    A    A      A     A    A"),
    },
    SIMPLE: {
        TAG: _row("           R   R   R   U   U   L    U    U      R     R    R"),
        SUBJECT: _row("       R   R   R   U   U   L    U    U      R     R    R"),
        REFERRERS: _row("     A   A   A   X   A   L    A    A      A     A    A"),
        FALLBACK_TAG: _row("  A   A   A   X   A   L    A    A      A     A    A"),
        SIG_MANIFEST: _row("  R   R   R   U   U   L    U    U      R     R    R"),
        SIG_BLOB: _row("      R   R   R   U   U   L    U    U      R     R    R"),
    },
    ATTESTED: {
        TAG: _row("           R   R   R   U   U   L    U    U      R     R    R"),
        SUBJECT: _row("       R   R   R   U   U   L    U    U      R     R    R"),
        REFERRERS: _row("     R   R   R   U   U   L    U    U      R     R    R"),
        BUNDLE_MANIFEST: _row("R  R   R   U   U   L    U    U      R     R    R"),
        BUNDLE_BLOB: _row("   R   R   R   U   U   L    U    U      R     R    R"),
        ATT_MANIFEST: _row("  A   A   A   X   A   L    A    A      A     A    A"),
    },
    ATTESTED_FALLBACK: {
        TAG: _row("           R   R   R   U   U   L    U    U      R     R    R"),
        SUBJECT: _row("       R   R   R   U   U   L    U    U      R     R    R"),
        REFERRERS: _row("     R   R   A   U   U   L    U    U      A     R    R"),
        FALLBACK_TAG: _row("  R   R   R   U   U   L    U    U      R     R    R"),
        BUNDLE_MANIFEST: _row("R  R   R   U   U   L    U    U      R     R    R"),
        BUNDLE_BLOB: _row("   R   R   R   U   U   L    U    U      R     R    R"),
        ATT_MANIFEST: _row("  A   A   A   X   A   L    A    A      A     A    A"),
    },
    ATTESTED_OLD: {
        TAG: _row("           R   R   R   U   U   L    U    U      R     R    R"),
        SUBJECT: _row("       R   R   R   U   U   L    U    U      R     R    R"),
        REFERRERS: _row("     A   A   A   X   A   L    A    A      A     A    A"),
        FALLBACK_TAG: _row("  A   A   A   X   A   L    A    A      A     A    A"),
        ATT_MANIFEST: _row("  R   R   R   U   U   L    U    U      R     R    R"),
        ATT_BLOB: _row("      R   R   R   U   U   L    U    U      R     R    R"),
    },
}
"""By format and request: what becomes of an image whose signature is good, by fault."""

REGISTRY_FAULTS: Final[Mapping[str, tuple[str, str]]] = {
    "TLS": ("its certificate is of an authority that is not trusted", UNDECIDED),
    "down": ("nothing listens at its address", UNDECIDED),
}
"""What can be wrong with the registry as a whole, and what becomes of the image."""

COSIGN_FAULTS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("there is no such program", UNDECIDED),
    "not executable": ("the file may not be executed", UNDECIDED),
    "another version": ("it says that it is cosign 2", UNDECIDED),
    "hangs at its version": ("it does not end when asked for its version", LATE),
    "hangs": ("it does not end when asked about the image", LATE),
    "prints 1 GB": ("it prints a gigabyte", UNDECIDED),
    "killed": ("a signal ends it", UNDECIDED),
    "fails at once": ("it ends with exit code 1 and has not looked at the image", UNDECIDED),
    "says nothing": ("it ends with exit code 0 and prints nothing", UNDECIDED),
}
"""What can be wrong with cosign, and what becomes of the image."""

_COSIGN_LETTERS: Final = ("403", "404", "500", "slow", "cut", "altered", "no JSON")


def _cosign_row(letters: str) -> Mapping[str, str]:
    return dict(zip(_COSIGN_LETTERS, (_LETTERS[each] for each in letters.split()), strict=True))


_BY_LIST: Final = {
    #                        403 404 500 slow cut altered JSON
    "greeting": _cosign_row("U   U   A   U    A   A       A"),
    "list": _cosign_row("    R   U   A   U    R   U       R"),
    "manifest": _cosign_row("R   R   A   U    R   R       R"),
    "bundle": _cosign_row("  R   R   A   U    R   R       R"),
    "list again": _cosign_row("R U  A   U    R   U       R"),
    "manifest again": _cosign_row("R R A U   R   R       R"),
    "bundle again": _cosign_row("R R A   U    R   R       R"),
}
_BY_TAG: Final = {
    "greeting": _cosign_row("U   U   A   U    A   A       A"),
    "tag": _cosign_row("     R   R   A   U    R   R       R"),
    "payload": _cosign_row(" R   R   A   U    R   R       R"),
}
COSIGN_REQUESTS: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    "bundle": _BY_LIST,
    "simple signing": _BY_TAG,
    "bundle of an attestation": _BY_LIST,
    "envelope": _BY_TAG,
}
"""
By what cosign judges, and by its own requests in order: what becomes of a good image, by fault.

To our endpoint all has been delivered, so that what cosign finds wrong is a refusal.
"""

_HEAD = """# What becomes of a verification that fails

This page is the table that `tests/wiring/test_verification_faults.py` proves, with images that
cosign 3 and cosign 2 have signed: each request of a verification meets each fault behind a proxy,
and no verification makes a request that has no row here.
A test fails when it is out of date; `.venv/bin/python tests/wiring/fault_table.py` writes it anew.

| outcome | what it means |
|---|---|
| admitted | the image is admitted, as it is without the fault |
| refused | 403, also under `failurePolicy: Ignore`, for whoever may push can cause it |
| undecided | 503 under `failurePolicy: Fail`, admitted with a warning under `Ignore` |
| undecided, goes on | 503 under both; kubectl asks again by itself and finds the result |
| admitted or undecided | as the signature was read before the registry throttled, or not |

No fault admits an image that is refused without it. Under every fault an image that another key
has signed is refused or undecided too.

A registry that denies access or does not work is never taken for one that has no signature. Where
one of the two formats cannot be read, a good signature in the other one still admits the image, and
without one the answer is what kept the format from being read.
"""


_COSIGN_HEAD = """## cosign's own requests

cosign reads what was fetched from an endpoint of Landwaiter's on loopback, where nothing stands
between. `tests/wiring/test_cosign_request_faults.py` puts a proxy there, which the endpoint takes
for cosign: each request meets each fault once. None admits an image that another key has signed.
"""


_ELSEWHERE_HEAD = """## What is asked besides the registry

Each fault of each question, one at a time, by `tests/wiring/test_trust_faults.py` and
`tests/trust/test_tuf_faults.py`. None admits an image that another key has signed.

| asked | faults | outcome |
|---|---|---|"""
_ELSEWHERE: Final = (
    (
        "the cluster, for a key, a root or a pull secret",
        "it is away, or does not answer in time",
        "undecided; a pull secret is asked for once more first",
    ),
    ("the cluster, for a key or a root", "it is not there, cut or empty", UNDECIDED),
    (
        "a KMS, for its public key",
        "it fails, hangs, is killed, prints without end, or gives less or more than one key",
        "undecided; a key that it gave before counts for its 15 minutes",
    ),
    (
        "a TUF mirror, for any of its files",
        "401, 403, 404, 429, 500, cut, reset, altered, no JSON, empty, too large",
        "undecided; what was read before counts until its own date. 403 and 404 mean no newer root",
    ),
    (
        "a plugin or helper, for credentials",
        "it fails, is killed, says nothing, half of an answer, or without end",
        "undecided, where nothing else can read the image",
    ),
    (
        "a plugin or helper, for credentials",
        "it has none, those of another registry, or a wrong password",
        "refused, as without it",
    ),
)


def meets(outcome: str, expected: str) -> bool:
    """Whether an outcome is what a cell of the table says."""
    return outcome in {ADMITTED, UNDECIDED} if expected == RACE else outcome == expected


def page() -> str:
    """Return the page that the table is written to."""
    parts = [_HEAD, "## One request fails\n"]
    rows = ["| fault | what happens | what the message says |", "|---|---|---|"]
    for name, fault in FAULTS.items():
        says = " or ".join(f"“… {text} …”" for text in fault.says)
        rows.append(f"| {name} | {fault.happens} | {says} |")
    parts.append("\n".join(rows) + "\n")
    for name, sentence in FORMATS.items():
        columns = list(FAULTS)
        rows = [f"| request | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for request, outcomes in EXPECTED[name].items():
            rows.append(f"| {request} | {' | '.join(outcomes[fault] for fault in columns)} |")
        parts.append(f"### {name[0].upper()}{name[1:]}\n\n{sentence}\n\n" + "\n".join(rows) + "\n")
    for title, faults in (
        ("The registry as a whole", REGISTRY_FAULTS),
        ("cosign", COSIGN_FAULTS),
    ):
        rows = ["| fault | what happens | outcome |", "|---|---|---|"]
        rows += [f"| {fault} | {text} | {outcome} |" for fault, (text, outcome) in faults.items()]
        parts.append(f"## {title}\n\n" + "\n".join(rows) + "\n")
    parts.append(_COSIGN_HEAD)
    for forms, asked in (
        ("Bundles, of signatures and of attestations", _BY_LIST),
        ("The old format, of both", _BY_TAG),
    ):
        rows = [f"| request | {' | '.join(_COSIGN_LETTERS)} |"]
        rows.append("|---" * (len(_COSIGN_LETTERS) + 1) + "|")
        for request, outcomes in asked.items():
            rows.append(f"| {request} | {' | '.join(outcomes.values())} |")
        parts.append(f"### {forms}\n\n" + "\n".join(rows) + "\n")
    rows = [f"| {' | '.join(row)} |" for row in _ELSEWHERE]
    parts.append("\n".join([_ELSEWHERE_HEAD, *rows]) + "\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
