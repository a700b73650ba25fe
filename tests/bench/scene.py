"""
What the cases are measured on: real parts on loopback, brought up once and only when asked for.

The registry wants passwords and speaks TLS, the images in it are signed, the pull secrets are in a
real cluster, and Landwaiter asks for the API server's client certificate, as in a careful install.
"""

import json
import os
import socket
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from bench.machine import SERVER_CORE, keep_on_core
from bench.reviews import Rollout
from bench.signed import Signed, signed_images
from realparts.certificates import Authority, KeyPair
from realparts.control_plane import ControlPlane
from realparts.images import ImageMaker
from realparts.landwaiter import Landwaiter
from realparts.processes import ChildProcess, free_port, retried_on_port_clash
from realparts.registries import TESTER, DistributionRegistry
from realparts.signing import Signer, SigningKey

HERE = Path(__file__).resolve().parent
API_SERVER = "kube-apiserver"
NAMESPACES = ("shop", "search", "billing", "mail")
REPOSITORIES = 12
ROLLOUTS = 16
READY_SECONDS = 30.0
IMAGES_A_POD = 3

Made = TypeVar("Made")


class Scene:
    """The parts, each started when it is first asked for, all ended together."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._made: dict[object, Any] = {}

    def once(self, make: "Callable[[Scene], Made]") -> "Made":
        """Return what is made of the scene, which is made once, whoever asks for it."""
        if make not in self._made:
            self._made[make] = make(self)
        made: Made = self._made[make]
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @cached_property
    def authority(self) -> Authority:
        """Who vouches for the registry, the API server's client certificate, and the echo."""
        return Authority(self.folder / "authority", "bench CA")

    @cached_property
    def client(self) -> KeyPair:
        """The certificate that the load shows."""
        return self.authority.issue_client(API_SERVER)

    @cached_property
    def registry(self) -> DistributionRegistry:
        """The private registry."""
        return self._stack.enter_context(
            DistributionRegistry(
                self.folder / "registry", authority=self.authority, logins=[TESTER]
            )
        )

    @cached_property
    def maker(self) -> ImageMaker:
        """Whoever pushes images."""
        return ImageMaker(self.folder / "images", self.registry, login=TESTER)

    @cached_property
    def signer(self) -> Signer:
        """Whoever signs them."""
        return Signer(self.folder / "signer", self.registry, login=TESTER)

    @cached_property
    def key(self) -> SigningKey:
        """What they are signed with."""
        return self.signer.generate_key_pair()

    def signed_image(self, name: str) -> str:
        """Push and sign an image, and return its reference by digest."""
        image = self.maker.make_image(name, user="65532", labels={"team": "shop"})
        self.signer.sign_with_cosign3(image, self.key)
        return image

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The images of the workloads, all signed."""
        return tuple(self.signed_image(f"shop/part-{n}:1.0") for n in range(REPOSITORIES))

    @cached_property
    def signed(self) -> Signed:
        """The images that are verified when nothing is in memory; it takes a minute."""
        folder = self.folder / "signed"
        folder.mkdir()
        return self._stack.enter_context(signed_images(folder))

    @cached_property
    def rollouts(self) -> tuple[Rollout, ...]:
        """The workloads: three images each, four in each namespace."""
        return tuple(
            Rollout(
                f"web-{number}",
                NAMESPACES[number % len(NAMESPACES)],
                tuple(
                    self.images[(number + 5 * part) % REPOSITORIES] for part in range(IMAGES_A_POD)
                ),
            )
            for number in range(ROLLOUTS)
        )

    @cached_property
    def cluster(self) -> ControlPlane:
        """The control plane, with the namespaces and their pull secrets."""
        cluster = self._stack.enter_context(
            ControlPlane(self.folder / "cluster", webhook_client_name=API_SERVER)
        )
        for namespace in NAMESPACES:
            cluster.create_namespace(namespace, labels={"env": "production", "team": namespace})
            cluster.kubectl("apply", "-f", "-", stdin=json.dumps(self.pull_secret(namespace)))
        return cluster

    def pull_secret(self, namespace: str) -> dict[str, Any]:
        """Return the pull secret of a namespace."""
        config = {"auths": {self.registry.host: {"auth": TESTER.basic}}}
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": "pull", "namespace": namespace},
            "data": {".dockerconfigjson": b64encode(json.dumps(config).encode()).decode()},
        }

    @property
    def registries(self) -> str:
        """The admin's word about the private registry."""
        ca = {"host": self.registry.host, "caFile": str(self.authority.certificate)}
        return json.dumps({"registries": [ca]})

    @property
    def registries_of_signed(self) -> str:
        """The admin's word about the registry of `signed`."""
        return json.dumps({"registries": [{"host": self.signed.registry.host, "plainHTTP": True}]})

    def landwaiter(
        self,
        name: str,
        policies: Sequence[Mapping[str, Any]],
        *,
        cluster: ControlPlane | None = None,
        registries: str | None = None,
        client_ca: Path | None = None,
        on_one_core: bool = True,
        **further: Any,  # noqa: ANN401  # What `prepared` takes besides.
    ) -> Landwaiter:
        """Start a Landwaiter with policies, on the core of servers; it ends with the scene."""
        landwaiter = self.prepared(
            name, policies, cluster=cluster, registries=registries, client_ca=client_ca, **further
        )
        self._stack.callback(landwaiter.stop)
        retried_on_port_clash(landwaiter.start)
        if on_one_core:
            keep_on_core(landwaiter.process.pid, SERVER_CORE)
        return landwaiter

    def prepared(
        self,
        name: str,
        policies: Sequence[Mapping[str, Any]],
        *,
        cluster: ControlPlane | None = None,
        registries: str | None = None,
        client_ca: Path | None = None,
        kind: type[Landwaiter] = Landwaiter,
        arguments: Sequence[str] = (),
        rights: Sequence[Mapping[str, Any]] | None = None,
    ) -> Landwaiter:
        """Return a Landwaiter with policies that has not been started."""
        folder = self.folder / name
        folder.mkdir()
        return kind(
            folder,
            policies="\n---\n".join(map(json.dumps, policies)),
            registries=registries or self.registries,
            cluster=cluster,
            arguments=[
                f"--client-ca={client_ca or self.authority.certificate}",
                f"--client-name={API_SERVER}",
                *arguments,
            ],
            rights=rights,
        )

    def echo(self) -> "Echo":
        """Start a bare echo on the core of servers; it ends with the scene."""
        return self._stack.enter_context(Echo(self.folder / "echo", self.authority))


class Echo:
    """The bare echo as a process, from `with` on."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.folder = folder
        self.authority = authority
        self.port = free_port()

    def __enter__(self) -> Self:
        pair = self.authority.issue_server("echo")
        command = [sys.executable, str(HERE / "echo.py"), str(self.port)]
        self.process = ChildProcess(
            "echo",
            [*command, str(pair.certificate), str(pair.key), str(self.authority.certificate)],
            log=self.folder / "echo.log",
            environment={"HOME": str(self.folder), "PATH": os.defpath},
            directory=self.folder,
        )
        self.process.wait_until_ready(lambda: listens(self.port), within_seconds=READY_SECONDS)
        keep_on_core(self.process.pid, SERVER_CORE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()


def listens(port: int) -> bool:
    """Whether something takes connections on a port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


def full_policy_set(registry: str, key: str) -> list[dict[str, Any]]:
    """Return five policies that have all rules between them, and refuse what they refuse."""
    return [
        a_policy(
            "where-from",
            {
                "allowedRegistries": {
                    "allow": ["docker.io/library", "registry.example.com/*", f"{registry}/shop"],
                    "deny": [f"{registry}/shop/retired"],
                },
                "deniedImages": {
                    "entries": [
                        {
                            "images": ["docker.io/library/xz-tools:5.6.*"],
                            "reason": "CVE-2024-3094",
                            "expires": "2099-06-30T00:00:00Z",
                        },
                        {"images": [f"{registry}/**/log4j-demo"], "reason": "CVE-2021-44228"},
                    ]
                },
            },
        ),
        a_policy(
            "pinned",
            {"pinnedTags": {"require": "digest"}, "pullPolicy": {"floating": ["main", "edge"]}},
        ),
        a_policy(
            "signed",
            {
                "cosignSignatures": {"authorities": [{"name": "ci", "key": {"data": key}}]},
                "pullSecrets": {"requireFor": [registry]},
            },
        ),
        a_policy(
            "content",
            {
                "platforms": {"require": ["linux/amd64"], "followNodeSelection": True},
                "imageLimits": {
                    "maxCompressedSize": "500Mi",
                    "maxLayers": 40,
                    "requiredLabels": {"team": "*"},
                },
            },
        ),
        a_policy(
            "hardened",
            {
                "nonRootUser": {"platforms": ["linux/amd64"]},
                "readOnlyRootFilesystem": {"ephemeralContainers": "Allow"},
            },
        ),
    ]


def a_policy(name: str, rules: Mapping[str, Any], **spec: object) -> dict[str, Any]:
    """Return a policy that denies in production."""
    return {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": name},
        "spec": {
            "validationActions": ["Deny"],
            "match": {"namespaceSelector": {"matchLabels": {"env": "production"}}},
            "rules": dict(rules),
            **spec,
        },
    }
