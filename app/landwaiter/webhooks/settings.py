"""
What an admin says about the webhook object that Landwaiter makes.

Its name, where the API server finds us, whom it is to trust there, which namespaces are left out.
Everything here is checked before anything is served: a wrong address in the object would keep
every Pod out.
"""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeAlias
from urllib.parse import urlsplit

from landwaiter.errors import InvalidInput
from landwaiter.manifests.names import is_dns_label, is_dns_subdomain

KUBE_SYSTEM: Final = "kube-system"
"""Left out always: what a cluster needs to start must not wait for Landwaiter."""

DEFAULT_TIMEOUT_SECONDS: Final = 10
LEAST_TIMEOUT_SECONDS: Final = 1
MOST_TIMEOUT_SECONDS: Final = 30
"""What the API server takes as `timeoutSeconds`."""

_SERVICE: Final = re.compile(r"(?P<namespace>[^/:]+)/(?P<name>[^/:]+):(?P<port>[0-9]{1,5})")
_PORT_MAX: Final = 65535


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """A Service of the cluster that leads to Landwaiter."""

    namespace: str
    name: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address in `NAMESPACE/NAME:PORT`. Raises `InvalidInput`."""
        found = _SERVICE.fullmatch(text)
        if (
            found is None
            or not is_dns_label(found["namespace"])
            or not is_dns_label(found["name"])
            or not 0 < int(found["port"]) <= _PORT_MAX
        ):
            raise InvalidInput(f'"{text:.100}" given, NAMESPACE/NAME:PORT of a Service is wanted')
        return cls(found["namespace"], found["name"], int(found["port"]))

    @property
    def host(self) -> str:
        """The name that the API server wants to see in the certificate."""
        return f"{self.name}.{self.namespace}.svc"

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a certificate for it should have."""
        return (self.host, f"{self.host}.cluster.local")

    def client_config(self, path: str) -> dict[str, Any]:
        """Return what stands in a webhook's `clientConfig`, but for the `caBundle`."""
        service = {"namespace": self.namespace, "name": self.name, "path": path, "port": self.port}
        return {"service": service}

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class UrlAddress:
    """A Landwaiter outside of the cluster."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address in `https://HOST[:PORT]`. Raises `InvalidInput`."""
        wrong = InvalidInput(f'"{text:.100}" given, https://HOST[:PORT] and no more is wanted')
        try:
            parts = urlsplit(text)
            port = parts.port or 443
        except ValueError as cause:
            raise wrong from cause
        host = _normal(parts.hostname or "")
        rest = (parts.path.rstrip("/"), parts.query, parts.fragment, parts.username, parts.password)
        if parts.scheme != "https" or any(rest) or not _is_host(host):
            raise wrong
        return cls(host, port)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a certificate for it should have."""
        return (self.host,)

    def client_config(self, path: str) -> dict[str, Any]:
        """Return what stands in a webhook's `clientConfig`, but for the `caBundle`."""
        return {"url": f"{self}{path}"}

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"


def _normal(host: str) -> str:
    """Return an address as certificates have it, and any other text as it is."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return is_dns_subdomain(text)
    return True


Address: TypeAlias = ServiceAddress | UrlAddress


@dataclass(frozen=True, slots=True)
class TrustFile:
    """A file of CA certificates in PEM, kept by somebody else and read again when it changes."""

    path: Path


@dataclass(frozen=True, slots=True)
class TrustSecret:
    """A Secret in our own namespace, in which Landwaiter keeps a CA and certificate of its own."""

    name: str


@dataclass(frozen=True, slots=True)
class WebhookSettings:
    """
    One ValidatingWebhookConfiguration, which belongs to the ClusterRole of the same name.

    `own_namespace` and `kube-system` are left out always, `excluded` besides.
    """

    name: str
    address: Address
    trust: TrustFile | TrustSecret
    own_namespace: str
    excluded: frozenset[str] = frozenset()
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS

    @property
    def left_out(self) -> tuple[str, ...]:
        """Every namespace that is not judged, in order."""
        return tuple(sorted({KUBE_SYSTEM, self.own_namespace, *self.excluded}))
