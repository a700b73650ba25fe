"""
Every image carries a cosign signature by one of the authorities.

Refused:  an image without signature, with signatures by other keys only, with a signature that
          was copied from another image, with only a signed attestation; a reference without
          digest, unless `unpinned: Warn`, for the node resolves its tag again later.
Admitted: an image whose digest is named by a signature of at least one authority, made by
          cosign 3 (a bundle) or cosign 2 (a `.sig` tag).
Source:   github.com/sigstore/cosign, specs/SIGNATURE_SPEC.md and BUNDLE_SPEC.md
          (cosign 3.1.3, read 2026-11-23); design, semantics 9, 12, 13 and 14.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from landwaiter.errors import InvalidPolicy, InvalidPublicKey
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PEM_MAX_CHARACTERS, PublicKey
from landwaiter.rules.protocol import Facts, Question, RuleId, Undecided, Unpinned, Violation
from landwaiter.rules.settings import ClusterOnly, OwnNamespace, RuleSettings, Settings
from landwaiter.workloads.values import ImageUse

TransparencyLog = Literal["Ignored", "Required"]

AUTHORITIES_MAX = 20
"""Each authority costs a cosign run of a cold image: more would not end within a deadline."""

TRUSTED_ROOT_MAX_BYTES = 1_048_576
"""Sigstore's public trusted root has 7 kB; a Secret or ConfigMap cannot hold more than 1 MiB."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """Where a public key stands in the cluster: one entry of a Secret."""

    namespace: str
    name: str
    entry: str


@dataclass(frozen=True, slots=True)
class SigningAuthority:
    """
    A key that may sign, and what else its signatures have to bring.

    `trusted_root` is the content of a Sigstore trusted root, None where no log is required.
    """

    name: str
    key: PublicKey | SecretKey
    transparency_log: TransparencyLog
    trusted_root: bytes | None


@dataclass(frozen=True, slots=True)
class SignatureAnswer:
    """Whether an authority has signed; `detail` says in one sentence why not."""

    verified: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SignatureQuestion(Question[SignatureAnswer]):
    """Has this authority signed this image? `subject` has a digest."""

    subject: ImageReference
    authority: SigningAuthority


@dataclass(frozen=True, slots=True)
class CosignSignatures:
    """Refuses images that none of the authorities has signed."""

    id: ClassVar[RuleId] = RuleId("cosignSignatures")
    reads: ClassVar[frozenset[str]] = frozenset()
    judges_content: ClassVar[bool] = True
    vouches_for_registry: ClassVar[bool] = False

    authorities: tuple[SigningAuthority, ...]
    unpinned: Unpinned = "Deny"

    def needs(self, use: ImageUse) -> tuple[SignatureQuestion, ...]:
        """Ask every authority about the digest."""
        return tuple(SignatureQuestion(use.reference, each) for each in self.authorities)

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided | None:
        """Return None as soon as one authority has signed, whatever became of the others."""
        answers = [(q.authority, _answer(q, facts)) for q in self.needs(use)]
        settled = [(by, each) for by, each in answers if isinstance(each, SignatureAnswer)]
        if any(answer.verified for _, answer in settled):
            return None
        open_ = [(by, each) for by, each in answers if isinstance(each, Undecided)]
        if open_:
            return Undecided(
                reason="signature not verified yet",
                detail=_sentence((by.name, each.detail) for by, each in open_),
                retry=any(each.retry for _, each in open_),
            )
        return Violation(
            self.id,
            reason="no valid signature",
            detail=_sentence((by.name, each.detail) for by, each in settled)
            + f"; a cosign signature by {_names(self.authorities)} is wanted",
            remedy=f"sign it: `cosign sign --key KEY {use.reference.at_digest}`",
        )


def _answer(question: SignatureQuestion, facts: Facts) -> SignatureAnswer | Undecided:
    answer = facts.about(question)
    return answer  # noqa: RET504  # mypy infers another type parameter from a return.


def _sentence(parts: Iterable[tuple[str, str]]) -> str:
    """Return what each authority's answer was, equal answers said once."""
    by_detail: dict[str, list[str]] = {}
    for name, detail in parts:
        by_detail.setdefault(detail, []).append(name)
    return "; ".join(f"{', '.join(names)}: {detail}" for detail, names in by_detail.items())


def _names(authorities: tuple[SigningAuthority, ...]) -> str:
    return " or ".join(f'"{authority.name}"' for authority in authorities)


A_FILE = ClusterOnly("it is a file where Landwaiter runs")


class SecretKeySettings(Settings):
    """One entry of a Secret."""

    namespace: Annotated[str, OwnNamespace()] = Field(min_length=1, max_length=63)
    """The Secret's namespace."""
    name: str = Field(min_length=1, max_length=253)
    """The Secret's name."""
    key: str = Field(default="cosign.pub", min_length=1, max_length=253)
    """The entry that holds the PEM."""


class KeySettings(Settings):
    """A public key: exactly one of `data`, `file` and `secretRef`."""

    data: str | None = Field(default=None, max_length=PEM_MAX_CHARACTERS)
    """The key itself, as a PEM block."""
    file: Annotated[str | None, A_FILE] = Field(default=None, min_length=1, max_length=4096)
    """A file that holds the PEM block, relative to the folder of the policy."""
    secret_ref: SecretKeySettings | None = None
    """A Secret in the cluster; it is read when it is needed, so a new key is used at once."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in ("data", "file", "secret_ref") if getattr(self, name)]
        if len(given) != 1:
            seen = " and ".join(given).replace("secret_ref", "secretRef") or "nothing"
            raise ValueError(f"{seen} given, exactly one of data, file and secretRef wanted")
        if self.data is not None:
            PublicKey.parse(self.data)
        return self

    def source(self, folder: Path) -> PublicKey | SecretKey:
        """Return the key, or where it stands in the cluster. Raises `InvalidPolicy`."""
        if self.secret_ref is not None:
            ref = self.secret_ref
            return SecretKey(ref.namespace, ref.name, ref.key)
        if self.data is not None:
            return PublicKey.parse(self.data)
        text = _content(folder / (self.file or ""), PEM_MAX_CHARACTERS, "key.file")
        try:
            return PublicKey.parse(text.decode(errors="replace"))
        except InvalidPublicKey as problem:
            raise InvalidPolicy(f'key.file: "{self.file}": {problem}') from problem


class TrustedRootSettings(Settings):
    """A Sigstore trusted root: exactly one of `data` and `file`."""

    data: str | None = Field(default=None, max_length=TRUSTED_ROOT_MAX_BYTES)
    """The JSON text of the trusted root."""
    file: Annotated[str | None, A_FILE] = Field(default=None, min_length=1, max_length=4096)
    """A file that holds it, relative to the folder of the policy."""

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.data is None) == (self.file is None):
            raise ValueError("exactly one of data and file is wanted")
        if self.data is not None and not _is_trusted_root(self.data.encode()):
            raise ValueError(f"data given that is no trusted root; {_ROOT_WANTED}")
        return self

    def content(self, folder: Path) -> bytes:
        """Return the JSON text. Raises `InvalidPolicy`."""
        if self.data is not None:
            return self.data.encode()
        field = "trustedRoot.file"
        content = _content(folder / (self.file or ""), TRUSTED_ROOT_MAX_BYTES, field)
        if not _is_trusted_root(content):
            raise InvalidPolicy(f'{field}: "{self.file}" is no trusted root; {_ROOT_WANTED}')
        return content


_ROOT_MEDIA_TYPE = "application/vnd.dev.sigstore.trustedroot"
_ROOT_WANTED = f"JSON with a mediaType that begins with {_ROOT_MEDIA_TYPE} wanted"


def _is_trusted_root(content: bytes) -> bool:
    """Whether it looks like one; cosign, which reads it whole, would say so only at a Pod."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    media_type = document.get("mediaType") if isinstance(document, dict) else None
    return isinstance(media_type, str) and media_type.startswith(_ROOT_MEDIA_TYPE)


class AuthoritySettings(Settings):
    """A key that may sign."""

    name: str = Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    """What messages call the authority."""
    key: KeySettings
    """The public key."""
    transparency_log: TransparencyLog = "Ignored"
    """
    Whether the signature must be in a transparency log that `trustedRoot` names.

    A signature by the key proves who signed; the log adds that the use of the key is public.
    """
    trusted_root: TrustedRootSettings | None = None
    """The logs and timestamp authorities to trust; needed where the log is `Required`."""

    @model_validator(mode="after")
    def _root_where_it_is_read(self) -> Self:
        if self.transparency_log == "Required" and self.trusted_root is None:
            raise ValueError("trustedRoot is missing; transparencyLog: Required needs one")
        if self.transparency_log == "Ignored" and self.trusted_root is not None:
            raise ValueError("trustedRoot given, but transparencyLog: Ignored reads none")
        return self

    def authority(self, folder: Path) -> SigningAuthority:
        """Return the authority. Raises `InvalidPolicy`."""
        root = None if self.trusted_root is None else self.trusted_root.content(folder)
        return SigningAuthority(self.name, self.key.source(folder), self.transparency_log, root)


class CosignSignaturesSettings(RuleSettings):
    """Every image carries a cosign signature by one of the authorities."""

    authorities: list[AuthoritySettings] = Field(min_length=1, max_length=AUTHORITIES_MAX)
    """Who may sign; the signature of one of them is enough."""
    unpinned: Unpinned = "Deny"
    """What becomes of a reference without digest whose current image is signed."""

    @model_validator(mode="after")
    def _distinct_names(self) -> Self:
        names = [authority.name for authority in self.authorities]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"authority {twice[0]!r} is given twice, distinct names wanted")
        return self

    def rule(self, folder: Path) -> CosignSignatures:
        """Return the rule. Raises `InvalidPolicy` when a key file cannot be used."""
        authorities = []
        for index, each in enumerate(self.authorities):
            try:
                authorities.append(each.authority(folder))
            except InvalidPolicy as problem:
                raise InvalidPolicy(f"authorities[{index}].{problem}") from problem
        return CosignSignatures(tuple(authorities), self.unpinned)


def _content(path: Path, limit_bytes: int, field: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(limit_bytes + 1)
    except OSError as cause:
        raise InvalidPolicy(f'{field}: "{path}" cannot be read: {cause.strerror}') from cause
    if len(content) > limit_bytes:
        raise InvalidPolicy(f'{field}: "{path}" has over {limit_bytes} bytes, less is wanted')
    return content
