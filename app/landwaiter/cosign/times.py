"""
When something was signed, as far as somebody else vouches for it; pure.

cosign verifies the times in a bundle and does not print them. So they are read here, and two things
make that safe. Of all times that a piece holds the oldest counts: one of them at least is verified,
so what was signed is no older than that, and whoever puts another time into a copy can only make
the copy older. And what is served to cosign is written anew from what was read here, in the one
spelling that both of us read alike: Go takes other names for the same fields, and of two that are
alike it takes the last.

Source: github.com/sigstore/cosign v3.1.3, pkg/cosign/verify.go (verificationOptions) and
bundle/rekor.go; sigstore-go v1.2.2, pkg/verify/{tlog,tsa}.go; RFC 3161, section 2.4.2.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from landwaiter.cosign.annotations import LOG_ENTRY, TIMESTAMP
from landwaiter.cosign.authority import Criterion
from landwaiter.cosign.material import SimpleSignature
from landwaiter.cosign.statements import distinct
from landwaiter.cosign.vetting import UnusableError
from landwaiter.identities import Identity

_SECONDS = re.compile(r"[1-9][0-9]{0,10}")
_OTHERWISE = "a piece whose times could be read in two ways"


def tells_time(criterion: Criterion) -> bool:
    """
    Whether cosign verifies a time with each signature that it finds good.

    With timestamps it does, and for certificates with a log, which are judged by its time. A key
    is good at any time, so with a log alone it asks for none.
    """
    checks = criterion.checks
    return checks.timestamps or (checks.transparency_log and isinstance(criterion.signer, Identity))


def timed_bundle(bundle: bytes) -> tuple[bytes, float | None]:
    """
    Return a bundle as it is to be served, and the oldest time in it, None where there is none.

    Raises `UnusableError` where a time cannot be read for certain.
    """
    try:
        value = json.loads(bundle, object_pairs_hook=_of_one_spelling)
    except (ValueError, RecursionError) as cause:
        raise UnusableError(_OTHERWISE) from cause
    proof = value.get("verificationMaterial") if isinstance(value, dict) else None
    if not isinstance(proof, dict):
        raise UnusableError("a bundle without what proves it")
    entries = _list(proof.get("tlogEntries"))
    stamps = _list(_object(proof.get("timestampVerificationData")).get("rfc3161Timestamps"))
    times = [
        *_integrated(_object(entry).get("integratedTime") for entry in entries),
        *(_stamped(_object(stamp).get("signedTimestamp")) for stamp in stamps),
    ]
    return json.dumps(value, separators=(",", ":")).encode(), min(times, default=None)


def timed_envelope(signature: SimpleSignature) -> tuple[SimpleSignature, float | None]:
    """Return an envelope of the old format as it is to be served, and the oldest time beside it."""
    annotations = dict(signature.annotations)
    times: list[float] = []
    if annotations.get(LOG_ENTRY):
        entry = _annotation(annotations[LOG_ENTRY])
        payload = _object(entry.get("Payload"))
        times += _integrated([payload.get("integratedTime")])
        names = ("body", "integratedTime", "logIndex", "logID")
        annotations[LOG_ENTRY] = _written(
            {
                "SignedEntryTimestamp": entry.get("SignedEntryTimestamp"),
                "Payload": {name: payload.get(name) for name in names},
            }
        )
    if annotations.get(TIMESTAMP):
        stamp = _annotation(annotations[TIMESTAMP]).get("SignedRFC3161Timestamp")
        times.append(_stamped(stamp))
        annotations[TIMESTAMP] = _written({"SignedRFC3161Timestamp": stamp})
    return replace(signature, annotations=annotations), min(times, default=None)


def _annotation(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text, object_pairs_hook=distinct)
    except (ValueError, RecursionError) as cause:
        raise UnusableError(_OTHERWISE) from cause
    return _object(value)


def _of_one_spelling(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse the second spelling of a field that protobuf's JSON has, as in `integrated_time`."""
    if any("_" in name for name, _ in pairs):
        raise UnusableError(_OTHERWISE)
    return distinct(pairs)


def _integrated(values: Iterable[object]) -> Iterator[float]:
    """Give the times of log entries; those of Rekor 2 have none."""
    for value in values:
        if value in (None, 0, "0", ""):
            continue
        if isinstance(value, bool) or not _SECONDS.fullmatch(str(value)):
            raise UnusableError(_OTHERWISE)
        yield float(str(value))


def _stamped(value: object) -> float:
    """Return the time in the answer of a timestamp authority, in base64."""
    import rfc3161_client  # noqa: PLC0415  # Most installs have no authority that wants one.

    if not isinstance(value, str):
        raise UnusableError(_OTHERWISE)
    try:
        answer = rfc3161_client.decode_timestamp_response(base64.b64decode(value, validate=True))
        return answer.tst_info.gen_time.timestamp()
    except (binascii.Error, ValueError) as cause:
        raise UnusableError("a piece with a timestamp that cannot be read") from cause


def _list(value: object) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise UnusableError(_OTHERWISE)
    return value


def _object(value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UnusableError(_OTHERWISE)
    return value


def _written(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
