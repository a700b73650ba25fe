"""What makes and signs the images of the tests: a maker and a signer for each registry."""

import json
from dataclasses import dataclass
from pathlib import Path

from realparts.images import ImageMaker
from realparts.registries import Registry
from realparts.signing import Signer, SigningKey


@dataclass(frozen=True, slots=True)
class Bench:
    """A registry, with what pushes to it and what signs in it."""

    registry: Registry
    images: ImageMaker
    signer: Signer

    @classmethod
    def at(cls, registry: Registry, folder: Path) -> "Bench":
        """Return a bench whose files are in a folder."""
        images = ImageMaker(folder / "images", registry)
        return cls(registry, images, Signer(folder / "signer", registry))

    @property
    def host(self) -> str:
        """Return what stands before the first slash of its images' names."""
        return self.registry.host


@dataclass(frozen=True, slots=True)
class Workshop:
    """
    The registries of the tests and two keys, of which policies trust `ci`.

    `referrers` has the referrers API, `plain` and `private` use the fallback tag; `private` wants
    a password. `absent` is the host of a registry that nobody runs.
    """

    referrers: Bench
    plain: Bench
    private: Bench
    absent: str
    ci: SigningKey
    stranger: SigningKey

    def registries(self) -> str:
        """Return what Landwaiter has to know about the registries."""
        trusted = [
            {"host": bench.host, "caFile": str(bench.registry.ca)}
            for bench in (self.referrers, self.private)
        ]
        open_ = [{"host": host, "plainHTTP": True} for host in (self.plain.host, self.absent)]
        of_nodes = ["*.dkr.ecr.*.amazonaws.com"]
        return json.dumps({"registries": [*trusted, *open_], "nodeCredentials": of_nodes})
