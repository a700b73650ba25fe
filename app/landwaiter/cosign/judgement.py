"""
Judges what was fetched: by each signer of an authority, and each format for itself.

Any signer and either format may pass (design, semantics 13). What could not be judged or read
matters only where nothing passes, and then goes before a refusal.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from landwaiter.cosign.authority import Authority
from landwaiter.cosign.batches import Batches
from landwaiter.cosign.material import SignatureMaterial
from landwaiter.cosign.outcome import NotVerified, Outcome, Verified
from landwaiter.cosign.selection import selected
from landwaiter.errors import CosignUnavailable

REFUSALS_SHOWN = 4
"""Refusals that are told of one authority: two formats and two identities."""

LEFT_OUT_SHOWN = 3
"""Kinds of content that a refusal names as left out; more would hide what matters."""


async def judge(batches: Batches, material: SignatureMaterial, authority: Authority) -> Outcome:
    """
    Return whether one of the signatures is by the authority.

    Raises `CosignUnavailable` when cosign could not say, and why a format could not be read where
    the other one holds no good signature.
    """
    refusals: list[NotVerified] = []
    faults: list[CosignUnavailable] = []
    left_out: list[str] = []
    for criterion in authority.criteria():
        chosen = selected(material, criterion)
        for signature_format, portion in chosen.runs():
            try:
                outcome = await batches.judge(criterion, portion, signature_format)
            except CosignUnavailable as fault:
                faults.append(fault)
                continue
            if isinstance(outcome, Verified):
                return outcome
            refusals.append(replace(outcome, detail=f"{signature_format}: {outcome.detail}"))
        left_out = max(left_out, list(chosen.left_out), key=len)
    if faults:
        raise faults[0]
    if material.unread is not None:
        raise material.unread.error()
    if not refusals:
        detail = f"it carries no cosign signature{_left_out(left_out)}"
        return NotVerified("no signature", detail)
    details = list(dict.fromkeys(refusal.detail for refusal in refusals))
    if len(details) > REFUSALS_SHOWN:
        details[REFUSALS_SHOWN:] = [f"and {len(details) - REFUSALS_SHOWN} more"]
    return NotVerified(refusals[0].reason, f"{'; '.join(details)}{_left_out(left_out)}")


def _left_out(pieces: Iterable[str]) -> str:
    """Return what was left out, the most frequent first."""
    counted = Counter(pieces).most_common()
    if not counted:
        return ""
    shown = [f"{count} x {piece}" for piece, count in counted[:LEFT_OUT_SHOWN]]
    if more := sum(count for _, count in counted[LEFT_OUT_SHOWN:]):
        shown.append(f"{more} more")
    return f"; left out: {', '.join(shown)}"
