"""
A public key infrastructure of one's own for signing code: a root, what stands between, signers.

The signers' keys are imported into files that both versions of cosign read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

A_DAY = timedelta(days=1)
AN_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """The files of a signer's key and certificate, and of all certificates above, root last."""

    key: Path
    certificate: Path
    chain: Path


class CodeSigningAuthority:
    """A root and one authority below it, which issues the signers' certificates."""

    def __init__(self, folder: Path, name: str = "code signing") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        root_key, self._key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        root_name, self._name = (_named(f"{name} {level}") for level in ("root", "between"))
        root = _ca(root_name, root_key, root_name, root_key)
        between = _ca(self._name, self._key, root_name, root_key)
        self.root = _written(folder / "root.pem", root)
        self.between = _written(folder / "between.pem", between)
        self._chain = folder / "chain.pem"
        self._chain.write_text(self.between.read_text("utf-8") + self.root.read_text("utf-8"))

    @property
    def both(self) -> str:
        """Return the certificates of both authorities."""
        return self._chain.read_text("utf-8")

    def issue(
        self,
        subject: str,
        *,
        file: str,
        also: Sequence[str] = (),
        purpose: ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
        ends_in: timedelta = A_DAY,
    ) -> Issued:
        """Return a new signer that is named by an e-mail address, or by several."""
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        names = [x509.RFC822Name(each) for each in (subject, *also)]
        builder = (
            x509.CertificateBuilder()
            .subject_name(_named("a signer"))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - A_DAY)
            .not_valid_after(now + ends_in)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        )
        file_of_key = self._folder / f"{file}.pem"
        file_of_key.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        return Issued(file_of_key, _written(self._folder / f"{file}.crt", certificate), self._chain)


def _ca(
    name: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * A_DAY)
        .not_valid_after(now + 2 * A_DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return builder.sign(issuer_key, hashes.SHA256())


def _named(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _written(file: Path, certificate: x509.Certificate) -> Path:
    file.write_bytes(certificate.public_bytes(Encoding.PEM))
    return file
