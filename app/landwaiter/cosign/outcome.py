"""
What a finished run of cosign proves about the images it was asked about; pure.

`cosign verify` judges its images in the order given. For each good one it prints one line, a
JSON array of the payloads whose signatures verified; the first image that is not good ends the
run with a non-zero exit code, and what comes after it stays unjudged.

Exit 0 is not yet a signature: cosign also verifies signed attestations, and in the old format
signatures that were made for another name. So a payload counts only if it names our digest, its
type is that of a cosign signature, it has the annotations that are wanted and, in the old format,
its docker-reference is a name of the image. A bundle names a digest only; its printed
docker-reference is the name that was asked for, which tells whose line it is.

A non-zero exit is a refusal only if cosign had begun with that image and got everything it
asked for; otherwise nothing is known (ADR 4). Standard error is never read for a meaning, its
wording changes with each release: it is quoted to people.

Source: github.com/sigstore/cosign v3.1.3, cmd/cosign/cli/verify/{verify,common}.go.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from landwaiter.cosign.payloads import (
    MalformedPayloadError,
    Payload,
    SignedName,
    as_written,
    is_name_of,
    payloads_in,
)
from landwaiter.cosign.quoting import quoted, quoted_value
from landwaiter.errors import CosignUnavailable
from landwaiter.images.reference import ImageReference


class SignatureFormat(StrEnum):
    """How a signature is stored beside its image."""

    BUNDLE = "bundle"
    """A Sigstore bundle of version 0.3, attached as a referrer; cosign 3 writes it."""
    SIMPLE_SIGNING = "simple signing"
    """A layer of the manifest tagged `sha256-<hex>.sig`; cosign 1 and 2 write it."""


class AttestationFormat(StrEnum):
    """How an attestation is stored beside its image."""

    BUNDLE = "bundle of an attestation"
    """A Sigstore bundle of version 0.3, as that of a signature."""
    ENVELOPE = "envelope"
    """A layer of the manifest tagged `sha256-<hex>.att`; cosign 1 and 2 write it."""


SIGNATURE_TYPE: Mapping[SignatureFormat, str] = {
    SignatureFormat.BUNDLE: "https://sigstore.dev/cosign/sign/v1",
    SignatureFormat.SIMPLE_SIGNING: "cosign container image signature",
}
"""The type of a payload that is a signature (cosign pkg/types; sigstore pkg/signature/payload)."""


@dataclass(frozen=True, slots=True)
class Verified:
    """
    The authority has signed this digest.

    `at` is when finding that out began, on the clock of whoever found it out.
    """

    format: SignatureFormat
    at: float = field(default=0.0, compare=False)


@dataclass(frozen=True, slots=True)
class NotVerified:
    """
    The authority has not signed this digest, which is now known.

    `reason` is a few words without values; `detail` is one sentence, without full stop, that
    tells what was seen instead.
    """

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Unjudged:
    """The run ended before it came to this image."""


Outcome = Verified | NotVerified


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """
    How a process ended and what it printed.

    `exit_code` is None when a signal ended it, whose number is then `signal`. `stderr` may have
    lost its beginning.
    """

    exit_code: int | None
    signal: int | None = None
    stdout: bytes = field(default=b"", repr=False)
    stderr: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class AskedImage:
    """
    One image that a run was asked about, and what the loopback endpoint saw of it.

    `operand` is its name on the command line. `times_listed` says how often the list of its
    signatures was read, `complete` that nothing which was asked for was missing or cut.
    """

    subject: ImageReference
    operand: str
    times_listed: int
    complete: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What a signature has to be, besides one of the image.

    `by` is a word for who signs; `annotations` have to be signed along, with these values.
    """

    by: str = "key"
    annotations: tuple[tuple[str, str], ...] = ()


A_KEY: Final = Wanted()


def meaning_of(
    run: FinishedRun,
    asked: Sequence[AskedImage],
    signature_format: SignatureFormat,
    wanted: Wanted = A_KEY,
    signed_name: SignedName = as_written,
) -> tuple[Outcome | Unjudged, ...]:
    """
    Return what the run proves about each image, in the order asked.

    `signed_name` gives all names of an image as one.

    Raises `CosignUnavailable` when it proves nothing: ended by a signal, failed before or beside
    the images, or printed something that does not fit what it was asked.
    """
    names = {image.operand.partition("@")[0]: image.subject.name for image in asked}
    said = quoted(run.stderr, names)
    if run.exit_code is None:
        raise CosignUnavailable(f"cosign was ended by signal {run.signal}{said}")
    lines = [line for line in run.stdout.split(b"\n") if line.strip()]
    if len(lines) > len(asked) or (run.exit_code == 0) != (len(lines) == len(asked)):
        raise CosignUnavailable(
            f"cosign ended with exit code {run.exit_code} and answers for {len(lines)} of "
            f"{len(asked)} images, which do not go together{said}"
        )
    judged: list[Outcome | Unjudged] = [
        _judge(line, image, signature_format, wanted, signed_name)
        for line, image in zip(lines, asked, strict=False)
    ]
    if run.exit_code != 0:
        begun = asked[len(lines)].times_listed >= _times_listed(len(lines), signature_format)
        _require_complete(run.exit_code, asked[len(lines)], said, begun=begun)
        judged.append(_by_nobody(wanted, said))
    judged += [Unjudged()] * (len(asked) - len(judged))
    return tuple(judged)


def refusal_of(
    run: FinishedRun, image: AskedImage, signature_format: SignatureFormat
) -> str | None:
    """
    Return what cosign says where it found nothing good of its one image, None where it did.

    Raises `CosignUnavailable` when the run proves neither.
    """
    said = quoted(run.stderr, {image.operand.partition("@")[0]: image.subject.name})
    if run.exit_code is None:
        raise CosignUnavailable(f"cosign was ended by signal {run.signal}{said}")
    if run.exit_code == 0:
        return None
    begun = image.times_listed >= _times_listed(0, signature_format)
    _require_complete(run.exit_code, image, said, begun=begun)
    return said


def _times_listed(position: int, signature_format: SignatureFormat) -> int:
    """
    Return how often cosign has listed an image's signatures once it has begun to judge them.

    The bundles of the first image are listed once more: before it reads key and trusted root,
    cosign looks whether there are any.
    """
    return 2 if position == 0 and signature_format is SignatureFormat.BUNDLE else 1


def _require_complete(exit_code: int, image: AskedImage, said: str, *, begun: bool) -> None:
    """Raise `CosignUnavailable` unless cosign was given all that the image has."""
    if not begun:
        raise CosignUnavailable(
            f"cosign ended with exit code {exit_code} before it looked at the image{said}"
        )
    if not image.complete:
        raise CosignUnavailable(
            f"cosign ended with exit code {exit_code} and had not been given all it asked for{said}"
        )


def _by_nobody(wanted: Wanted, said: str = "") -> NotVerified:
    return NotVerified("no valid signature", f"none of its signatures is by this {wanted.by}{said}")


def _judge(
    line: bytes,
    image: AskedImage,
    signature_format: SignatureFormat,
    wanted: Wanted,
    signed_name: SignedName,
) -> Outcome:
    try:
        found = payloads_in(line)
    except MalformedPayloadError:
        return NotVerified("unreadable signature", "what its signature signs cannot be read")
    problems = []
    for payload in found:
        if (problem := _problem(payload, image, signature_format, wanted, signed_name)) is None:
            return Verified(signature_format)
        problems.append(problem)
    if not problems:
        return _by_nobody(wanted)
    return NotVerified("signed for something else", problems[0])


def _problem(
    payload: Payload,
    image: AskedImage,
    signature_format: SignatureFormat,
    wanted: Wanted,
    signed_name: SignedName,
) -> str | None:
    """Return why a payload with a verified signature is not a signature of this image."""
    wanted_type = SIGNATURE_TYPE[signature_format]
    signed = f"the {wanted.by} has signed"
    if signature_format is SignatureFormat.BUNDLE and payload.reference != image.operand:
        raise CosignUnavailable("cosign's answer is about another image than the one asked for")
    if payload.type != wanted_type:
        return f'{signed} a {quoted_value(payload.type)}, a "{wanted_type}" is wanted'
    if payload.digest != image.subject.digest:
        return f"{signed} {quoted_value(payload.digest)}, not this digest"
    if signature_format is SignatureFormat.SIMPLE_SIGNING and not is_name_of(
        payload.reference, image.subject, signed_name
    ):
        return (
            f"{signed} this digest for {quoted_value(payload.reference)}, "
            f'"{image.subject.name}" is wanted'
        )
    for name, value in wanted.annotations:
        if (seen := payload.annotations.get(name)) != value:
            said = f" {quoted_value(seen)}" if isinstance(seen, str) else ""
            return f'{signed} this digest with the annotation "{name}"{said}, "{value}" is wanted'
    return None
