"""
Verifies one image where there is no network but loopback; run by `test_real_cosign.py`.

    unshare --net ... python offline_probe.py COSIGN KEY IMAGE BUNDLE PAYLOAD SIGNATURE

Prints the formats in which the image verifies, one a line.
"""

import asyncio
import fcntl
import socket
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "app")]

from cosign.fakes import FakeKeychain, FakeRegistry  # noqa: E402
from landwaiter.cosign.authority import Authority  # noqa: E402
from landwaiter.cosign.material import SimpleSignature  # noqa: E402
from landwaiter.cosign.outcome import Verified  # noqa: E402
from landwaiter.cosign.verifier import SignatureVerifier, VerifierSettings  # noqa: E402
from landwaiter.deadline import Deadline  # noqa: E402
from landwaiter.images.content import Manifest  # noqa: E402
from landwaiter.images.reference import ImageReference  # noqa: E402
from landwaiter.public_keys import PublicKey  # noqa: E402

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


def raise_loopback() -> None:
    """Bring the loopback interface of this network namespace up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14s", b"lo", 0, b"")
        flags = struct.unpack("16sH14s", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", flags | IFF_UP, b""))


async def verify(
    cosign: Path, authority: Authority, image: ImageReference, bundle: bytes, old: SimpleSignature
) -> None:
    """Judge the bundle, then the old signature, each as the image's only one."""
    for bundles, signatures in (([bundle], []), ([], [old])):
        registry = FakeRegistry()
        registry.manifests[str(image)] = Manifest("any", str(image.digest), b"{}")
        for each in bundles:
            registry.attach(image, each)
        if signatures:
            registry.tag_signatures(image, *signatures)
        async with SignatureVerifier(registry, VerifierSettings(cosign)) as verifier:
            outcome = await verifier.verify(
                image, authority, keychain=FakeKeychain(), deadline=Deadline.after(60)
            )
        print(outcome.format if isinstance(outcome, Verified) else outcome)


def main(cosign: str, key: str, image: str, bundle: str, payload: str, signature: str) -> None:
    """Read the arguments and verify."""
    raise_loopback()
    annotations = {"dev.cosignproject.cosign/signature": signature}
    asyncio.run(
        verify(
            Path(cosign),
            Authority("ci", PublicKey.parse(Path(key).read_text()), "Ignored"),
            ImageReference.parse(image),
            Path(bundle).read_bytes(),
            SimpleSignature(Path(payload).read_bytes(), annotations),
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
