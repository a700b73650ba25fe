"""
An install that goes through faults: two replicas behind one address.

Each has a small disk, a name server, a clock and a cosign that a test can do harm to.
"""

import base64
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from landwaiter.tls.making import make_identity
from landwaiter.tls.stored import Stored, encode
from realparts import impatient, private_mounts
from realparts.balancer import Balancer
from realparts.control_plane import ControlPlane
from realparts.debian_tools import faketime_library
from realparts.guard import SECRET, SECRETS, Guard, Replica, Surroundings
from realparts.install import ensure
from realparts.landwaiter import OK
from realparts.processes import http_status, wait_until
from system.faults.any_repository import AnyRepository
from system.faults.asking import Images
from system.faults.name_server import NameServer
from system.faults.places import HANGS, Place, end_what_hangs, fill, put
from system.faults.table import RUN_SECONDS, WEBHOOK_TIMEOUT_SECONDS
from system.installation import documents
from system.policies import DIGEST, signed_by
from system.workshop import Workshop

DOMAIN: Final = "faults.test"
NAMES: Final = 40
"""Hosts with a name, so that most lookups are new ones."""
DISK_MEBIBYTES: Final = 4
REPLICAS: Final = 2
PATIENCE_SECONDS: Final = 60.0
FOLDER: Final = "faults"
VALIDATE: Final = "validate.landwaiter.dev"


class Victim:
    """The install, with everything that it depends on within reach; see `a_victim`."""

    def __init__(self, guard: Guard, images: Images, names: NameServer, folder: Path) -> None:
        self.guard = guard
        self.images = images
        self.names = names
        self.places: list[Place] = []
        self._folder = folder
        self._cosign = ensure(["cosign3"])["cosign3"]

    @property
    def replicas(self) -> list[Replica]:
        """Return its replicas."""
        return self.guard.replicas

    def start_replica(self) -> None:
        """Start a replica with a disk of its own; return when it is ready."""
        place = Place(self._folder / f"place-{len(self.replicas)}")
        place.disk.mkdir(parents=True)
        place.resolv_conf.write_text(f"nameserver {self.names.address}\n", encoding="utf-8")
        place.cosign.symlink_to(self._cosign)
        place.clock.write_text("+0", encoding="ascii")
        self.places.append(place)
        mounts = (str(place.disk), str(DISK_MEBIBYTES), str(place.resolv_conf))
        surroundings = Surroundings(
            cosign=place.cosign,
            environment={
                "TMPDIR": str(place.disk),
                "IMPATIENT_SECONDS": f"{RUN_SECONDS:g}",
                "LD_PRELOAD": str(faketime_library()),
                "FAKETIME_TIMESTAMP_FILE": str(place.clock),
                "FAKETIME_NO_CACHE": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "NO_FAKE_STAT": "1",
            },
            program=Path(impatient.__file__),
            prefix=(sys.executable, "-I", "-S", private_mounts.__file__, *mounts),
        )
        self.guard.start(surroundings=surroundings)

    def wait_until_the_known_is_known(self, ask: Callable[[], object]) -> None:
        """Ask until each replica remembers an image that it has verified."""
        balancer = self.guard.balancer

        def remembers(replica: Replica) -> bool:
            ask()
            return replica.metric("landwaiter_cosign_cache_total", answer="verified") > 0

        for replica in self.replicas:
            # A connection stays with its replica.
            balancer.ports = (replica.port,)
            balancer.drop()
            wait_until(
                partial(remembers, replica),
                within_seconds=PATIENCE_SECONDS,
                what="a replica that remembers",
            )
        balancer.ports = tuple(each.port for each in self.replicas)
        balancer.drop()

    def readiness(self) -> list[int | None]:
        """Return what `/readyz` of each replica answers."""
        return [http_status(f"{each.metrics_url}/readyz") for each in self.replicas]

    @contextmanager
    def full_disks(self) -> Iterator[None]:
        """Fill the temporary folder of each replica inside the block."""
        fillers = [
            place.filler(replica.process.pid)
            for replica, place in zip(self.replicas, self.places, strict=True)
        ]
        try:
            for filler in fillers:
                fill(filler)
            yield
        finally:
            for filler in fillers:
                filler.unlink(missing_ok=True)

    @contextmanager
    def hanging_cosign(self) -> Iterator[None]:
        """Have a program in the place of cosign inside the block that does not end."""
        try:
            for place in self.places:
                put(place.cosign, HANGS, mode=0o755)
            yield
        finally:
            for place in self.places:
                new = place.cosign.with_suffix(".new")
                new.unlink(missing_ok=True)
                new.symlink_to(self._cosign)
                new.rename(place.cosign)

    @contextmanager
    def moved_clocks(self, offset: str) -> Iterator[None]:
        """Let the time of day of each replica be another one inside the block, such as `+2d`."""
        try:
            for place in self.places:
                put(place.clock, offset)
            yield
        finally:
            for place in self.places:
                put(place.clock, "+0")

    @contextmanager
    def silent_names(self) -> Iterator[None]:
        """Let the name server answer nobody inside the block."""
        self.names.is_silent = True
        try:
            yield
        finally:
            self.names.is_silent = False

    @contextmanager
    def no_api_server(self) -> Iterator[None]:
        """Have no API server inside the block."""
        self.guard.cluster.stop_api_server()
        try:
            yield
        finally:
            self.guard.cluster.start_api_server()

    @contextmanager
    def no_etcd(self) -> Iterator[None]:
        """Have no etcd inside the block."""
        self.guard.cluster.stop_etcd()
        try:
            yield
        finally:
            self.guard.cluster.start_etcd()

    def swap_certificate(self) -> None:
        """Put a good certificate of another CA into the Secret."""
        foreign = make_identity(["127.0.0.1"], now=datetime.now(UTC))
        self._write_secret(encode(Stored(foreign)))

    def spoil_certificate(self) -> None:
        """Put something into the Secret that is no certificate."""
        self._write_secret({"tls.crt": b"no certificate"})

    def secret(self) -> dict[str, bytes]:
        """Return what the Secret of the certificate holds."""
        found = self.guard.cluster.request("GET", f"{SECRETS}/{SECRET}").body["data"]
        return {name: base64.b64decode(value) for name, value in found.items()}

    def _write_secret(self, entries: Mapping[str, bytes]) -> None:
        encoded = {name: base64.b64encode(value).decode() for name, value in entries.items()}
        answer = self.guard.cluster.request(
            "PATCH",
            f"{SECRETS}/{SECRET}",
            {"data": encoded},
            content_type="application/merge-patch+json",
        )
        if answer.status != OK:
            raise RuntimeError(f"the Secret was not written: {answer.status}")

    def kill(self, replica: Replica) -> None:
        """Kill a replica alone, as `kill -9` does."""
        os.kill(replica.process.pid, signal.SIGKILL)
        wait_until(lambda: not replica.process.is_running, within_seconds=10, what="its end")

    def restart_what_has_ended(self) -> int:
        """Do the kubelet's part: start each replica anew that has ended; return how many had."""
        ended = [each for each in self.replicas if not each.process.is_running]
        for each in ended:
            each.restart()
        return len(ended)


@contextmanager
def a_victim(cluster: ControlPlane, workshop: Workshop, folder: Path) -> Iterator[Victim]:
    """Give an install that judges by signatures, and leave nothing behind."""
    with ExitStack() as stack:
        names = stack.enter_context(NameServer(DOMAIN))
        upstream = workshop.plain.host
        registry = stack.enter_context(AnyRepository(upstream, FOLDER))
        images = _images(workshop, registry.port)
        key = {"data": workshop.ci.public.read_text("utf-8")}
        policy = {
            "apiVersion": "landwaiter.dev/v1alpha1",
            "kind": "ClusterImagePolicy",
            "metadata": {"name": "signed"},
            "spec": {"validationActions": ["Deny"], "rules": {**DIGEST, **signed_by(key)}},
        }
        hosts = [{"host": host, "plainHTTP": True} for host in images.hosts]
        balancer = stack.enter_context(Balancer())
        guard = Guard(
            folder,
            cluster,
            balancer,
            policies=documents(policy),
            registries=json.dumps({"registries": hosts}),
            arguments=[f"--webhook-timeout-seconds={WEBHOOK_TIMEOUT_SECONDS}"],
        )
        guard.install()
        stack.callback(end_what_hangs)
        stack.callback(guard.uninstall)
        victim = Victim(guard, images, names, folder)
        for _ in range(REPLICAS):
            victim.start_replica()
        guard.wait_until_armed(VALIDATE)
        yield victim


_NAMES: Final = ("signed", "unsigned", "other")


def _images(workshop: Workshop, port: int) -> Images:
    maker, signer = workshop.plain.images, workshop.plain.signer
    made = {name: maker.make_image(f"{FOLDER}/{name}:1.0") for name in _NAMES}
    signer.sign_with_cosign3(made["signed"], workshop.ci)
    signer.sign_with_cosign3(made["other"], workshop.stranger)
    digests = {name: image.partition("@")[2] for name, image in made.items()}
    return Images(_hosts(port), digests["signed"], digests["unsigned"], digests["other"])


def _hosts(port: int) -> Sequence[str]:
    named = [f"r{number}.{DOMAIN}:{port}" for number in range(NAMES)]
    return (f"127.0.0.1:{port}", *named)
