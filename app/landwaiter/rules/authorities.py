"""
Who may sign, as policies say it: a key, an identity that is vouched for, or a certificate.

A key's signature proves that its holder signed; a log adds that each use of the key is public, so
it can be left out. Who signs without a key gets a certificate for ten minutes, and the log and
the certificate's own log are what makes a stolen login visible: leaving one out has a name that
begins with `unsafe`. Certificates of an authority of one's own are as good as that authority is.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from landwaiter.errors import InvalidPolicy
from landwaiter.identities import ANYBODY, Identity, Name
from landwaiter.rules.references import CertificatesSettings, KeySettings, TrustedRootSettings
from landwaiter.rules.settings import ClusterOnly, RepositoryField, Settings
from landwaiter.rules.signing_authority import Signers, SigningAuthority, Trust
from landwaiter.trusted_roots import NO_CHECKS, Checks, TrustedRoot

Required = Literal["Ignored", "Required"]

A_REPOSITORY = ClusterOnly("it is a repository that Landwaiter would read")

IDENTITIES_MAX = 10
"""Each identity costs a cosign run of a cold image."""


class IdentitySettings(Settings):
    """Whom a certificate names, and who vouches for that; each exactly or by an expression."""

    issuer: str | None = None
    """The address of the issuer that vouches for the subject."""
    issuer_reg_exp: str | None = None
    """An expression in Go's syntax that the whole address has to match."""
    subject: str | None = None
    """The e-mail address, or the address of a workflow."""
    subject_reg_exp: str | None = None
    """An expression in Go's syntax that the whole subject has to match."""

    @model_validator(mode="after")
    def _both_are_named(self) -> Self:
        self.identity()
        return self

    def identity(self) -> Identity:
        """Return the identity. Raises `ValueError` where one of both is missing or said twice."""
        return Identity(
            _name("issuer", self.issuer, self.issuer_reg_exp),
            _name("subject", self.subject, self.subject_reg_exp),
        )


def _name(field: str, text: str | None, expression: str | None) -> Name:
    if text is not None and expression is None:
        return Name.exactly(text)
    if expression is not None and text is None:
        return Name.matching(expression)
    seen = "nothing" if text is None else f"{field} and {field}RegExp"
    raise ValueError(f"{seen} given, exactly one of {field} and {field}RegExp wanted")


class KeylessSettings(Settings):
    """Identities to whom a Fulcio of the trusted root gives certificates."""

    identities: list[IdentitySettings] = Field(min_length=1, max_length=IDENTITIES_MAX)
    """Whom the certificate may name; one of them is enough."""
    unsafe_ignore_transparency_log: bool = False
    """
    Whether a signature counts that is in no transparency log.

    Whoever steals a login can then sign without anybody's noticing.
    """
    unsafe_ignore_certificate_transparency: bool = False
    """
    Whether a certificate counts that is in no log of certificates.

    A Fulcio that has been broken into can then issue certificates without anybody's noticing.
    """


class OwnCertificateSettings(Settings):
    """Somebody to whom an authority of one's own has given a certificate for signing code."""

    authorities: CertificatesSettings
    """Certificates of the authorities: a root at least, and what stands between."""
    subject: str | None = None
    """What the certificate names: an e-mail address or a URI."""
    subject_reg_exp: str | None = None
    """An expression in Go's syntax that the whole subject has to match."""

    @model_validator(mode="after")
    def _somebody_is_named(self) -> Self:
        self.identity()
        return self

    def identity(self) -> Identity:
        """Return the identity. Raises `ValueError` where it is missing or said twice."""
        return Identity(ANYBODY, _name("subject", self.subject, self.subject_reg_exp))


class AuthoritySettings(Settings):
    """Somebody who may sign: exactly one of `key`, `keyless` and `certificate`."""

    name: str = Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    """What messages call the authority."""
    key: KeySettings | None = None
    """The public key."""
    keyless: KeylessSettings | None = None
    """Identities that sign without a key of their own."""
    certificate: OwnCertificateSettings | None = None
    """A certificate by an authority of one's own."""
    transparency_log: Required | None = None
    """
    Whether the signature must be in a transparency log that `trustedRoot` names.

    By default `Required` with `keyless`, and `Ignored` otherwise: a signature by a key proves who
    signed, and the log adds that the use of the key is public.
    """
    timestamps: Required = "Ignored"
    """
    Whether a timestamp authority that `trustedRoot` names must have signed when it was made.

    Where it is `Ignored`, a log's own time is enough for a certificate, and without a log it has
    to be valid now. Logs that keep no time (Rekor 2) need a timestamp in any case.
    """
    trusted_root: TrustedRootSettings | None = None
    """The logs and authorities to trust; needed where something of it is read."""
    repository: Annotated[RepositoryField | None, A_REPOSITORY] = None
    """The repository that has the signatures, as `COSIGN_REPOSITORY` names it to cosign."""

    @model_validator(mode="after")
    def _one_signer(self) -> Self:
        names = ("key", "keyless", "certificate")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            seen = " and ".join(given) or "nothing"
            raise ValueError(f"{seen} given, exactly one of key, keyless and certificate wanted")
        return self

    @model_validator(mode="after")
    def _unsafe_is_said(self) -> Self:
        if self.keyless is None:
            return self
        ignored = self.keyless.unsafe_ignore_transparency_log
        if self.transparency_log == "Ignored":
            raise ValueError(
                "transparencyLog: Ignored given, keyless.unsafeIgnoreTransparencyLog: true wanted "
                "where that is meant"
            )
        if self.transparency_log == "Required" and ignored:
            raise ValueError(
                "transparencyLog: Required and keyless.unsafeIgnoreTransparencyLog: true given, "
                "one of them wanted"
            )
        if ignored and self.timestamps == "Ignored":
            raise ValueError(
                "neither transparencyLog nor timestamps is Required, one of them wanted: "
                "certificates without key are valid for ten minutes"
            )
        return self

    @model_validator(mode="after")
    def _root_where_it_is_read(self) -> Self:
        if self.keyless is not None or self.checks != NO_CHECKS:
            if self.trusted_root is None:
                raise ValueError(f"trustedRoot is missing; {self._reading or 'keyless'} needs one")
        elif self.trusted_root is not None:
            raise ValueError(
                "trustedRoot given, but with transparencyLog: Ignored and timestamps: Ignored "
                "nothing reads it"
            )
        return self

    @property
    def _reading(self) -> str:
        """The checks that need a trusted root, in the words of the fields."""
        fields = {
            "transparencyLog: Required": self.checks.transparency_log,
            "timestamps: Required": self.checks.timestamps,
        }
        return " and ".join(text for text, is_read in fields.items() if is_read)

    @property
    def checks(self) -> Checks:
        """What has to be proven of a signature besides who made it."""
        log = self.transparency_log == "Required"
        certificates = False
        if self.keyless is not None:
            log = not self.keyless.unsafe_ignore_transparency_log
            certificates = not self.keyless.unsafe_ignore_certificate_transparency
        return Checks(log, certificates, self.timestamps == "Required")

    def authority(self, folder: Path) -> SigningAuthority:
        """Return the authority. Raises `InvalidPolicy` for a file that cannot be used."""
        root = (
            None if self.trusted_root is None else self.trusted_root.source(folder, "trustedRoot")
        )
        if isinstance(root, TrustedRoot):
            lacking = root.lacks(self.checks, certificates=self.keyless is not None)
            if lacking:
                raise InvalidPolicy(f"trustedRoot: it has no {lacking[0]}, which are needed")
        certificates = None
        if self.certificate is not None:
            authorities = self.certificate.authorities
            certificates = authorities.value(folder, "certificate.authorities")
        return SigningAuthority(
            self.name,
            self._signers(folder),
            self.checks,
            Trust(root, certificates),
            repository=self.repository,
        )

    def _signers(self, folder: Path) -> Signers:
        if self.key is not None:
            return self.key.signer(folder)
        given = self.keyless.identities if self.keyless is not None else [self.certificate]
        return tuple(each.identity() for each in given if each is not None)


def authorities_of(
    settings: Iterable[AuthoritySettings], folder: Path
) -> tuple[SigningAuthority, ...]:
    """Return the authorities. Raises `InvalidPolicy`, which names the field."""
    authorities = []
    for index, each in enumerate(settings):
        try:
            authorities.append(each.authority(folder))
        except InvalidPolicy as problem:
            raise InvalidPolicy(f"authorities[{index}].{problem}") from problem
    return tuple(authorities)
