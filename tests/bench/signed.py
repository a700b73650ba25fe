"""Images that are signed, in a registry that anybody may read, and what plain cosign needs."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from landwaiter.cosign.authority import Authority
from landwaiter.cosign.material import SignatureMaterial
from landwaiter.images.reference import ImageReference
from landwaiter.public_keys import PublicKey
from realparts.images import ImageMaker
from realparts.install import ensure
from realparts.registries import ReferrersRegistry
from realparts.signing import Signer, SigningKey

STORM_IMAGES = 200
SIGNATURES = 10


@dataclass(frozen=True, slots=True)
class Signed:
    """A registry with signed images, and the files that plain cosign needs."""

    registry: ReferrersRegistry
    key: SigningKey
    cosign: Path
    folder: Path
    bundle: ImageReference
    old: ImageReference
    many: ImageReference
    storm: tuple[ImageReference, ...]

    @property
    def authority(self) -> Authority:
        """The key as an authority."""
        return Authority("ci", (PublicKey.parse(self.key.public.read_text()),))

    def run(self, *arguments: str | Path, environment: Mapping[str, str] | None = None) -> None:
        """Run plain cosign, which has to succeed."""
        subprocess.run(
            [self.cosign, *arguments],
            check=True,
            capture_output=True,
            env={"HOME": str(self.folder), "PATH": os.defpath, **(environment or {})},
        )

    def verify(
        self, image: ImageReference, *, environment: Mapping[str, str] | None = None
    ) -> None:
        """Verify as anybody would at the command line."""
        self.run(*self.arguments(image), environment=environment)

    def verify_bundle_files(self, material: SignatureMaterial) -> None:
        """Verify each bundle from a file: a run judges one of them."""
        file = self.folder / "bundle.json"
        for bundle in material.bundles:
            file.write_bytes(bundle)
            self.run(
                "verify-blob-attestation",
                f"--bundle={file}",
                f"--key={self.key.public}",
                "--insecure-ignore-tlog=true",
                f"--digest={str(material.subject.digest).removeprefix('sha256:')}",
                "--digestAlg=sha256",
                "--type=https://sigstore.dev/cosign/sign/v1",
            )

    def verify_local(self, folder: Path) -> None:
        """Verify an image in the old format that `cosign save` has put into a folder."""
        log = "--insecure-ignore-tlog=true"
        self.run("verify", "--local-image=true", f"--key={self.key.public}", log, str(folder))

    def arguments(self, image: ImageReference) -> tuple[str, ...]:
        """Return the arguments of that."""
        log = "--insecure-ignore-tlog=true"
        return ("verify", f"--key={self.key.public}", log, str(image))


@contextmanager
def signed_images(folder: Path) -> Iterator[Signed]:
    """Give a registry with images for the body of the context."""
    with ReferrersRegistry(folder / "registry") as registry:
        maker, signer = ImageMaker(folder / "i", registry), Signer(folder / "s", registry)
        key = signer.generate_key_pair()
        names = [maker.make_image(f"bench/{n}:1") for n in ("bundle", "old", "many")]
        storm = [maker.make_image(f"storm/{n}:1") for n in range(STORM_IMAGES)]
        for image in [names[0], *storm, *[names[2]] * SIGNATURES]:
            signer.sign_with_cosign3(image, key)
        signer.sign_with_cosign2(names[1], key)
        bundle, old, many = map(ImageReference.parse, names)
        yield Signed(
            registry,
            key,
            ensure(["cosign3"])["cosign3"],
            folder,
            bundle=bundle,
            old=old,
            many=many,
            storm=tuple(map(ImageReference.parse, storm)),
        )
