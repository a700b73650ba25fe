"""
Verifies images where there is no network but loopback; run by `test_real_offline.py`.

    unshare --user --map-root-user --net python offline_probe.py COSIGN CASES

`CASES` holds pickled triples of material, authority, and the type of attestations, None for
signatures. Prints in JSON what became of each, and which destinations besides our endpoint
somebody tried to reach.
"""

import asyncio
import json
import pickle
import socket
import sys
from contextlib import suppress
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "app")]

from cosign.closed_network import Destination, Watch, close  # noqa: E402
from cosign.fakes import FakeKeychain, FakeRegistry  # noqa: E402
from landwaiter.cosign.attestation_judging import judge_attestations  # noqa: E402
from landwaiter.cosign.authority import Authority  # noqa: E402
from landwaiter.cosign.material import SignatureMaterial  # noqa: E402
from landwaiter.cosign.outcome import Verified  # noqa: E402
from landwaiter.cosign.verifier import SignatureVerifier, VerifierSettings  # noqa: E402
from landwaiter.deadline import Deadline  # noqa: E402
from landwaiter.images.content import Manifest  # noqa: E402

Judged = tuple[str, Destination]
A_STRANGER: Destination = ("203.0.113.1", 443)


async def verify(
    cosign: Path, material: SignatureMaterial, authority: Authority, type_: str | None
) -> Judged:
    """Judge one image; return what came out, and where our endpoint was."""
    registry, image = FakeRegistry(), material.subject
    registry.manifests[str(image)] = Manifest("any", str(image.digest), b"{}")
    for each in material.bundles:
        registry.attach(image, each)
    registry.tag_signatures(image, *material.simple)
    async with SignatureVerifier(registry, VerifierSettings(cosign)) as verifier:
        endpoint = ("127.0.0.1", verifier.program.endpoint._port)
        if type_ is not None:
            found = await judge_attestations(verifier.program, material, authority, type_)
            return found.detail or f"{len(found.attestations)} attested", endpoint
        outcome = await verifier.verify(
            image, authority, keychain=FakeKeychain(), deadline=Deadline.after(60)
        )
        said = outcome.format if isinstance(outcome, Verified) else outcome.detail
        return said, endpoint


def be_refused() -> None:
    """Show that somebody who talks to the network is seen: by address, and by name."""
    with suppress(OSError):
        socket.create_connection(A_STRANGER, timeout=5)
    with suppress(OSError):
        socket.getaddrinfo("stranger.example.com", 443)


def main(cosign: str, cases: str) -> None:
    """Verify the cases, and then be refused."""
    close()
    with Watch() as of_cosign:
        judged = [
            asyncio.run(verify(Path(cosign), *case))
            for case in pickle.loads(Path(cases).read_bytes())  # noqa: S301
        ]
    with Watch() as of_ours:
        be_refused()
    print(
        json.dumps(
            {
                "outcomes": [said for said, _ in judged],
                "elsewhere": sorted(of_cosign.destinations - {endpoint for _, endpoint in judged}),
                "counted": [
                    A_STRANGER in of_ours.destinations,
                    any(port == 53 for _, port in of_ours.destinations),
                ],
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
