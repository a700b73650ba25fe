"""
A key management service on this machine, as cosign finds one: a plugin that holds private keys.

cosign starts the program `sigstore-kms-local` for each question and reads its answer; keys never
leave it, signatures and public keys do. Whoever is to reach it needs `FOLDER` in the environment.
Every question is written down.

Source: github.com/sigstore/sigstore v1.10.8, pkg/signature/kms/cliplugin/common/interface.go.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from realparts.signing import SigningKey

SCHEME = "local"
FOLDER = "LOCAL_KMS_FOLDER"

_PLUGIN = """\
import base64, json, os, sys
from pathlib import Path
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.serialization import (
    Encoding, PublicFormat, load_pem_private_key,
)

HASHES = {5: hashes.SHA256(), 6: hashes.SHA384(), 7: hashes.SHA512()}


def public_key(key, asked, initial):
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {"publicKeyPEM": base64.b64encode(pem).decode()}


def sign_message(key, asked, initial):
    options = asked["signOptions"]["messageOptions"]
    algorithm = HASHES[options.get("hashFunc") or initial["hashFunc"]]
    if options.get("digest"):
        data, algorithm = base64.b64decode(options["digest"]), utils.Prehashed(algorithm)
    else:
        data = sys.stdin.buffer.read()
    if hasattr(key, "curve"):
        signature = key.sign(data, ec.ECDSA(algorithm))
    else:
        signature = key.sign(data, padding.PKCS1v15(), algorithm)
    return {"signature": base64.b64encode(signature).decode()}


def answer(arguments):
    initial, method = arguments["initOptions"], arguments["methodName"]
    folder = Path(os.environ["LOCAL_KMS_FOLDER"])
    with (folder / "log").open("a") as log:
        print(method, initial["keyResourceID"], *sorted(os.environ), file=log)
    try:
        private = (folder / "keys" / initial["keyResourceID"]).read_bytes()
    except OSError:
        return {"errorMessage": "AccessDenied: no such key, or not for you; token=s3cret"}
    key = load_pem_private_key(private, None)
    return {method: METHODS[method](key, arguments[method], initial)}


METHODS = {
    "publicKey": public_key,
    "signMessage": sign_message,
    "defaultAlgorithm": lambda *_: {"defaultAlgorithm": "ecdsa-p256"},
    "supportedAlgorithms": lambda *_: {"supportedAlgorithms": ["ecdsa-p256"]},
}
print(json.dumps(answer(json.loads(sys.argv[2]))))
"""


class LocalKMS:
    """The service, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plugins = folder / "plugins"
        for each in (self.plugins, folder / "keys"):
            each.mkdir(parents=True)
        plugin = self.plugins / f"sigstore-kms-{SCHEME}"
        plugin.write_text(f"#!{sys.executable} -I\n{_PLUGIN}", encoding="utf-8")
        plugin.chmod(0o755)

    @property
    def environment(self) -> Mapping[str, str]:
        """What cosign needs in its environment to reach the service."""
        return {FOLDER: str(self.folder), "PATH": str(self.plugins)}

    @property
    def questions(self) -> list[list[str]]:
        """Each question: its name, the key, and the names in the environment."""
        log = self.folder / "log"
        return [line.split() for line in log.read_text().splitlines()] if log.exists() else []

    def create_key(self, name: str, *, is_rsa: bool = False) -> SigningKey:
        """Make a key, another one where there is one of the name; return what cosign signs with."""
        key = (
            rsa.generate_private_key(65537, 2048)
            if is_rsa
            else ec.generate_private_key(ec.SECP256R1())
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "keys" / name).write_bytes(private)
        public = self.folder / f"{name}.pub"
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        public.write_bytes(pem)
        return SigningKey(private=f"{SCHEME}://{name}", public=public)

    def deny(self, name: str) -> None:
        """Let nobody use a key any more."""
        (self.folder / "keys" / name).unlink()
