"""
Real OCI registries on loopback: the lightest, one with passwords and TLS, one with referrers.

| class                  | referrers API | passwords | TLS | images survive a restart |
|------------------------|---------------|-----------|-----|--------------------------|
| `CraneRegistry`        | 404           | no        | no  | no                       |
| `DistributionRegistry` | 404           | yes       | yes | yes                      |
| `ReferrersRegistry`    | 200           | no        | yes | no                       |

All of them delete manifests.
"""

import base64
import json
import os
import ssl
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from realparts.certificates import Authority, KeyPair
from realparts.install import ensure
from realparts.processes import ChildProcess, free_port, http_status, retried_on_port_clash

READY_SECONDS = 20.0
ANSWERS = (200, 401)


@dataclass(frozen=True, slots=True)
class Login:
    """A user of a registry; `htpasswd` is the line that lets them in."""

    user: str
    password: str
    htpasswd: str

    @property
    def basic(self) -> str:
        """User and password as basic authentication and `auth` entries send them (RFC 7617)."""
        return base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def is_told_in(self, text: str) -> bool:
        """Return whether somebody who reads the text can log in."""
        return self.password in text or self.basic in text


# The lines hold bcrypt, the only kind that distribution takes, at cost 5: these are no secrets.
TESTER = Login(
    user="tester",
    password="test-password",
    htpasswd="tester:$2a$05$5vVzO9Da4MVDFKTw8LPjP.45AOPPgMzYRycd.B4SoR9ThQWc19EJa",
)
OTHER = Login(
    user="other",
    password="other-password",
    htpasswd="other:$2a$05$5TYbOhqyHuYz5o4stnsa0uCO41noP9Th9zA/8/KZBEZu/QWrP.hai",
)


class Registry(ABC):
    """A registry in a folder, from `with` or `start` to `stop`; started again it keeps its port."""

    def __init__(self, folder: Path, *, authority: Authority | None = None) -> None:
        self.folder = folder
        self.ca = None if authority is None else authority.certificate
        self.logins: Sequence[Login] = ()
        self._authority = authority
        self._process: ChildProcess | None = None
        self._port = 0

    @property
    def host(self) -> str:
        """Return what stands before the first slash of its images' names."""
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """Return its address."""
        return f"{'http' if self.ca is None else 'https'}://{self.host}"

    @property
    def process(self) -> ChildProcess:
        """Return its process, to freeze or kill it; raise `RuntimeError` before the start."""
        if self._process is None:
            raise RuntimeError(f"{type(self).__name__} has not been started")
        return self._process

    def start(self) -> None:
        """Bring it up; return once it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._port:
            self._process = self._launch(self._port)
        else:
            self._process = retried_on_port_clash(lambda: self._launch(free_port()))

    def stop(self) -> None:
        """Make it vanish, as in an outage: connections break, then are refused."""
        if self._process is not None:
            self._process.kill()

    @abstractmethod
    def _command(self, address: str, tls: KeyPair | None) -> list[str]:
        """Return what to start for an address such as `127.0.0.1:5000`."""

    def _launch(self, port: int) -> ChildProcess:
        self._port = port
        tls = None if self._authority is None else self._authority.issue_server(f"registry-{port}")
        process = ChildProcess(
            type(self).__name__,
            self._command(self.host, tls),
            log=self.folder / "registry.log",
            # Without the setting distribution 3 offers its traces to a collector.
            environment={
                "HOME": str(self.folder),
                "PATH": os.defpath,
                "OTEL_TRACES_EXPORTER": "none",
            },
            directory=self.folder,
        )
        context = None if self.ca is None else ssl.create_default_context(cafile=str(self.ca))
        process.wait_until_ready(
            lambda: http_status(f"{self.url}/v2/", context=context) in ANSWERS,
            within_seconds=READY_SECONDS,
        )
        return process

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class CraneRegistry(Registry):
    """The lightest registry: in memory, open to everyone, plain http."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)

    def _command(self, address: str, tls: KeyPair | None) -> list[str]:
        return [str(ensure(["crane"])["crane"]), "registry", "serve", f"--address={address}"]


class Tokens(Protocol):
    """What gives out the tokens that a registry wants."""

    logins: tuple[Login, ...]

    def configuration(self) -> dict[str, Any]:
        """Return what a registry has to know of it, but for the file of its key."""
        ...

    def key_set(self) -> dict[str, Any]:
        """Return the document that its tokens are verified with."""
        ...


class DistributionRegistry(Registry):
    """
    Docker's own registry, version 3: on disk, with TLS and passwords where they are given.

    With `tokens` it wants those of a token service, which takes the passwords.
    """

    def __init__(
        self,
        folder: Path,
        *,
        authority: Authority | None = None,
        logins: Sequence[Login] = (),
        tokens: Tokens | None = None,
    ) -> None:
        super().__init__(folder, authority=authority)
        self.logins = tuple(logins) if tokens is None else tokens.logins
        self._tokens = tokens

    def _command(self, address: str, tls: KeyPair | None) -> list[str]:
        file = self.folder / "config.json"  # JSON is YAML too.
        file.write_text(json.dumps(self._configuration(address, tls)), encoding="utf-8")
        return [str(ensure(["registry"])["registry"]), "serve", str(file)]

    def _configuration(self, address: str, tls: KeyPair | None) -> dict[str, object]:
        http: dict[str, object] = {"addr": address, "secret": "for one process alone"}
        if tls is not None:
            http["tls"] = {"certificate": str(tls.certificate), "key": str(tls.key)}
        configuration: dict[str, object] = {
            "version": "0.1",
            "log": {"level": "warn"},
            "http": http,
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder / "images")},
                "delete": {"enabled": True},
            },
        }
        if self._tokens is not None:
            keys = self.folder / "keys.json"
            keys.write_text(json.dumps(self._tokens.key_set()), encoding="utf-8")
            configuration["auth"] = {"token": {**self._tokens.configuration(), "jwks": str(keys)}}
        elif self.logins:
            passwords = self.folder / "htpasswd"
            lines = "".join(f"{login.htpasswd}\n" for login in self.logins)
            passwords.write_text(lines, encoding="utf-8")
            configuration["auth"] = {"htpasswd": {"realm": "test", "path": str(passwords)}}
        return configuration


class ReferrersRegistry(Registry):
    """
    A registry in memory that answers the referrers API as OCI's specification 1.1 says.

    With `page` it gives at most that many referrers in one answer, and a `Link` to the next.
    """

    def __init__(
        self, folder: Path, *, authority: Authority | None = None, page: int | None = None
    ) -> None:
        super().__init__(folder, authority=authority)
        self._page = page

    def _command(self, address: str, tls: KeyPair | None) -> list[str]:
        command = [str(ensure(["refregistry"])["refregistry"]), f"--address={address}"]
        if self._page is not None:
            command.append(f"--page={self._page}")
        if tls is not None:
            command += [f"--tls-cert={tls.certificate}", f"--tls-key={tls.key}"]
        return command
