"""
Judges what was fetched of attestations, by each signer of an authority and in both formats.

All signers and both formats are judged, for statements are counted. cosign verifies when a
statement was signed and does not say it; `times.py` tells how it is known. What it prints is the
envelope, and copies of one envelope can be proven otherwise: where their times differ and cosign
found only some of them good, each copy is judged alone.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from landwaiter.cosign.authority import Authority, Criterion
from landwaiter.cosign.command import Command, files_for, verify_attestation_command
from landwaiter.cosign.documents import ATTESTATIONS, served_repository
from landwaiter.cosign.failure import Failure
from landwaiter.cosign.material import SignatureMaterial, SimpleSignature
from landwaiter.cosign.outcome import (
    AskedImage,
    AttestationFormat,
    FinishedRun,
    SignatureFormat,
    refusal_of,
)
from landwaiter.cosign.program import CosignProgram
from landwaiter.cosign.selection import selected
from landwaiter.cosign.statements import (
    Attestation,
    Envelope,
    MalformedError,
    attested,
    envelope_in,
    envelope_in_bundle,
)
from landwaiter.cosign.times import tells_time, timed_bundle, timed_envelope
from landwaiter.cosign.vetting import UnusableError
from landwaiter.errors import CosignUnavailable

PROBLEMS_SHOWN = 3
"""What a refusal tells of one authority; more would hide what matters."""

_FORMS = {
    SignatureFormat.BUNDLE: AttestationFormat.BUNDLE,
    SignatureFormat.SIMPLE_SIGNING: AttestationFormat.ENVELOPE,
}


@dataclass(frozen=True, slots=True)
class Attested:
    """
    The different statements that an authority has signed, as far as that is known.

    `detail` tells in one sentence why there are no more; `fault` is why that is not certain, None
    where it is. `at` is when finding that out began, on the clock of whoever found it out.
    """

    attestations: tuple[Attestation, ...]
    detail: str = ""
    fault: Failure | None = None
    at: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class _Copy:
    """An envelope as it is served, and the oldest time beside it."""

    envelope: Envelope
    served: bytes | SimpleSignature
    signed_at: float | None


@dataclass(slots=True)
class _Seen:
    """What has come of the runs so far."""

    attestations: dict[str, Attestation]
    problems: list[str]
    faults: list[CosignUnavailable]

    def add(self, attestation: Attestation) -> None:
        """Take note of a statement; of one that is signed twice the newest time counts."""
        known = self.attestations.setdefault(attestation.digest, attestation)
        times = [each.signed_at for each in (known, attestation) if each.signed_at is not None]
        self.attestations[attestation.digest] = replace(known, signed_at=max(times, default=None))


async def judge_attestations(
    program: CosignProgram, material: SignatureMaterial, authority: Authority, predicate_type: str
) -> Attested:
    """Return what the authority has attested of the material's subject. Raises nothing."""
    seen = _Seen({}, [], [])
    for criterion in authority.criteria():
        chosen = selected(material, criterion)
        run = _Runs(program, chosen, criterion, predicate_type)
        for signature_format, pieces in (
            (SignatureFormat.BUNDLE, chosen.bundles),
            (SignatureFormat.SIMPLE_SIGNING, chosen.simple),
        ):
            copies, unusable = _copies(pieces, criterion)
            seen.problems += unusable
            try:
                if copies:
                    await run.judge(copies, signature_format, seen)
            except CosignUnavailable as fault:
                seen.faults.append(fault)
        seen.problems += chosen.left_out[len(material.left_out) :]
    seen.problems += material.left_out
    unsure = Failure.of(seen.faults[0]) if seen.faults else material.unread
    attestations = tuple(seen.attestations.values())
    if not attestations and not seen.problems:
        return Attested((), "it carries no attestation of this type", unsure)
    return Attested(attestations, summary(seen.problems), unsure)


def summary(problems: Iterable[str]) -> str:
    """Return the most frequent problems with how many there are of each, empty without any."""
    counted = Counter(problems).most_common()
    told = [f"{count} x {each}" if count > 1 else each for each, count in counted]
    if more := sum(count for _, count in counted[PROBLEMS_SHOWN:]):
        told[PROBLEMS_SHOWN:] = [f"and {more} more"]
    return "; ".join(told)


def _copies(
    pieces: Iterable[bytes | SimpleSignature], criterion: Criterion
) -> tuple[list[_Copy], list[str]]:
    """Return the pieces as they are to be served, and what those are that are not."""
    copies: list[_Copy] = []
    unusable: list[str] = []
    for piece in pieces:
        try:
            copies.append(_copy(piece, criterion))
        except (UnusableError, MalformedError) as problem:
            unusable.append(str(problem))
    return copies, unusable


def _copy(piece: bytes | SimpleSignature, criterion: Criterion) -> _Copy:
    times = tells_time(criterion)
    if isinstance(piece, SimpleSignature):
        served, signed_at = timed_envelope(piece) if times else (piece, None)
        return _Copy(envelope_in(piece.payload), served, signed_at)
    bundle, signed_at = timed_bundle(piece) if times else (piece, None)
    return _Copy(envelope_in_bundle(piece), bundle, signed_at)


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of cosign about the attestations of one image, by one criterion."""

    program: CosignProgram
    material: SignatureMaterial
    criterion: Criterion
    predicate_type: str

    async def judge(
        self, copies: Sequence[_Copy], signature_format: SignatureFormat, seen: _Seen
    ) -> None:
        """Take note of what is good among the copies. Raises `CosignUnavailable`."""
        verified, said = await self._verified(copies, signature_format)
        if said is not None:
            form = _FORMS[signature_format]
            seen.problems.append(
                f"{form}: none of its attestations is by this {self.criterion.wanted.by}{said}"
            )
        by_envelope: dict[Envelope, list[_Copy]] = defaultdict(list)
        for copy in copies:
            by_envelope[copy.envelope].append(copy)
        if foreign := verified.keys() - by_envelope.keys():
            raise CosignUnavailable(
                f"cosign prints {len(foreign)} attestations that it was not given"
            )
        for envelope, count in verified.items():
            same = by_envelope[envelope]
            if count < len(same) and len({copy.signed_at for copy in same}) > 1:
                same = [
                    copy for copy in same if (await self._verified([copy], signature_format))[0]
                ]
            times = [copy.signed_at for copy in same if copy.signed_at is not None]
            try:
                seen.add(self._attestation(envelope, max(times, default=None)))
            except MalformedError as problem:
                seen.problems.append(str(problem))

    def _attestation(self, envelope: Envelope, signed_at: float | None) -> Attestation:
        digest = str(self.material.subject.digest)
        return attested(envelope, digest, self.predicate_type, signed_at)

    async def _verified(
        self, copies: Sequence[_Copy], signature_format: SignatureFormat
    ) -> tuple[Counter[Envelope], str | None]:
        """Return which envelopes cosign finds good and how often, or what it says of none."""
        served = replace(
            self.material,
            bundles=tuple(copy.served for copy in copies if isinstance(copy.served, bytes)),
            simple=tuple(copy.served for copy in copies if not isinstance(copy.served, bytes)),
        )
        repository = served_repository(served, signature_format, self.criterion, ATTESTATIONS)
        async with self.program.runner.place() as place:
            with self.program.endpoint.serving([(served.subject, repository)]) as service:

                def build(folder: Path) -> Command:
                    return verify_attestation_command(
                        self.program.path,
                        folder,
                        service.operands[0],
                        predicate_type=self.predicate_type,
                        signature_format=signature_format,
                        criterion=self.criterion,
                        limit_seconds=place.limit_seconds,
                    )

                form = _FORMS[signature_format]
                files = files_for(self.criterion)
                run = await self.program.run(place, build, files, form=form, images=1)
                return _printed(run, service.asked()[0], signature_format)


def _printed(
    run: FinishedRun, image: AskedImage, signature_format: SignatureFormat
) -> tuple[Counter[Envelope], str | None]:
    said = refusal_of(run, image, signature_format)
    if said is not None:
        if run.stdout.strip():
            raise CosignUnavailable(
                f"cosign ended with exit code {run.exit_code} and prints attestations, "
                f"which do not go together{said}"
            )
        return Counter(), said
    try:
        printed = Counter(map(envelope_in, _values(run.stdout)))
    except MalformedError as cause:
        raise CosignUnavailable(f"what cosign prints is not understood: {cause}") from cause
    if not printed:
        raise CosignUnavailable("cosign ended with exit code 0 and prints no attestation")
    return printed, None


def _values(stdout: bytes) -> Iterator[bytes]:
    """Give each JSON value: an old envelope is printed as it is, be it in many lines."""
    decoder = json.JSONDecoder()
    try:
        text = stdout.decode().strip()
        while text:
            _, end = decoder.raw_decode(text)
            yield text[:end].encode()
            text = text[end:].lstrip()
    except (ValueError, RecursionError) as cause:
        raise MalformedError("it is not JSON") from cause
