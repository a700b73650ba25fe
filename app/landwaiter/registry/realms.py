"""
Which token service may be given a registry's credentials.

A registry names its token service (the realm) in its answer, so whoever answers in its place
would choose who gets the password. Credentials go to the registry's own host, as safely as to
the registry itself, and to another host only over https and only when that service is known for
this registry: from the list here, or because the admin said so (`tokenRealms`).

Source of the list: Docker's token authentication specification (Docker Hub), GitLab's container
registry documentation, the endpoints in Alibaba Cloud's ACK and ACR documentation (zhangjiakou
is written with a hyphen there), DigitalOcean's and Red Hat's registry documentation; read
November 2026.
"""

import re
from typing import Final

from yarl import URL

from landwaiter.registry.hosts import DOCKER_HUB_API, api_host
from landwaiter.registry.settings import RegistrySettings

_KNOWN: Final = {
    DOCKER_HUB_API: "auth.docker.io",
    "registry.gitlab.com": "gitlab.com",
    "registry.digitalocean.com": "api.digitalocean.com",
    "registry.connect.redhat.com": "sso.redhat.com",
    "registry.redhat.io": "sso.redhat.com",
}
_ALIBABA_REGISTRY: Final = re.compile(
    r"(?:registry(?:-vpc|-internal)?\.(?P<old>[a-z]{2}-[a-z0-9-]+)"
    r"|[a-z0-9-]+\.(?P<region>[a-z]{2}-[a-z0-9-]+)(?:\.personal)?\.cr)\.aliyuncs\.com"
)


def host_of(url: URL) -> str:
    """Return the host[:port] of an http or https URL, in the spelling that is compared."""
    name = url.raw_host or ""
    host = f"[{name}]" if ":" in name else name
    default = 443 if url.scheme == "https" else 80
    return api_host(host if url.port in (None, default) else f"{host}:{url.port}")


def may_receive_credentials(realm: URL, registry: URL, settings: RegistrySettings) -> bool:
    """Say whether credentials for the registry at this URL may be sent to the realm."""
    host = host_of(registry)
    if realm.scheme == registry.scheme and host_of(realm) == host:
        return True
    if realm.scheme != "https":
        return False
    return host_of(realm) in (host, *settings.of(host).realms) or _is_known(host_of(realm), host)


def _is_known(realm: str, registry: str) -> bool:
    if _KNOWN.get(registry) == realm:
        return True
    if not (alibaba := _ALIBABA_REGISTRY.fullmatch(registry)):
        return False
    region = alibaba["old"] or alibaba["region"]
    # The region is compared, since other names below aliyuncs.com are given to customers.
    service = rf"dockerauth(?:-ee)?(?:-vpc|-internal)?[.-]{re.escape(region)}\.aliyuncs\.com"
    return re.fullmatch(service, realm) is not None
