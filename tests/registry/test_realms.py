"""Which token service may be given a registry's credentials."""

import pytest
from yarl import URL

from landwaiter.registry.realms import host_of, may_receive_credentials
from landwaiter.registry.settings import HostSettings, RegistrySettings

SETTINGS = RegistrySettings(
    {
        "registry.corp.example": HostSettings(realms=("login.corp.example:8443",)),
        "plain.corp.example": HostSettings(plain_http=True),
    }
)
HUB = "https://registry-1.docker.io"


@pytest.mark.parametrize(
    ("registry", "realm", "allowed"),
    [
        # The registry's own host.
        ("https://r.example", "https://r.example/token", True),
        ("https://r.example", "https://r.example:443/token", True),
        ("https://r.example", "https://R.Example/token", True),
        ("https://r.example:5000", "https://r.example:5000/token", True),
        ("https://r.example", "http://r.example/token", False),
        ("https://r.example:5000", "https://r.example/token", False),
        ("https://r.example", "https://r.example:5000/token", False),
        ("https://r.example", "https://r.example.evil.example/token", False),
        ("https://r.example", "https://evil.example/r.example/token", False),
        ("http://plain.corp.example", "http://plain.corp.example/token", True),
        ("http://plain.corp.example", "https://plain.corp.example/token", True),
        # Known services.
        (HUB, "https://auth.docker.io/token", True),
        (HUB, "http://auth.docker.io/token", False),
        (HUB, "https://auth.docker.io.evil.example/token", False),
        (HUB, "https://auth.docker.io:8443/token", False),
        ("https://evil.example", "https://auth.docker.io/token", False),
        ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth", True),
        ("https://registry.gitlab.example", "https://gitlab.example/jwt/auth", False),
        ("https://registry.gitlab.com.evil.example", "https://gitlab.com/jwt/auth", False),
        (
            "https://registry.cn-hangzhou.aliyuncs.com",
            "https://dockerauth.cn-hangzhou.aliyuncs.com/auth",
            True,
        ),
        (
            "https://registry-vpc.cn-hangzhou.aliyuncs.com",
            "https://dockerauth-vpc.cn-hangzhou.aliyuncs.com/auth",
            True,
        ),
        (
            "https://corp-registry.cn-hangzhou.cr.aliyuncs.com",
            "https://dockerauth-ee.cn-hangzhou.aliyuncs.com/auth",
            True,
        ),
        (
            "https://crpi-1.cn-hangzhou.personal.cr.aliyuncs.com",
            "https://dockerauth.cn-hangzhou.aliyuncs.com/auth",
            True,
        ),
        (
            "https://registry.cn-zhangjiakou.aliyuncs.com",
            "https://dockerauth-cn-zhangjiakou.aliyuncs.com/auth",
            True,
        ),
        (
            "https://registry.cn-hangzhou.aliyuncs.com",
            "https://dockerauth.cn-beijing.aliyuncs.com/auth",
            False,
        ),
        (
            "https://registry.cn-hangzhou.aliyuncs.com",
            "https://dockerauth.oss-cn-hangzhou.aliyuncs.com/auth",
            False,
        ),
        (
            "https://registry.cn-hangzhou.aliyuncs.com",
            "https://dockerauth-evil.cn-hangzhou.aliyuncs.com/auth",
            False,
        ),
        (
            "https://bucket.oss-cn-hangzhou.aliyuncs.com",
            "https://dockerauth.cn-hangzhou.aliyuncs.com/auth",
            False,
        ),
        # Services that the admin named.
        ("https://registry.corp.example", "https://login.corp.example:8443/t", True),
        ("https://registry.corp.example", "https://login.corp.example/t", False),
        ("https://registry.corp.example", "http://login.corp.example:8443/t", False),
        ("https://other.corp.example", "https://login.corp.example:8443/t", False),
    ],
)
def test_semantics_11_who_may_be_given_credentials(
    registry: str,
    realm: str,
    allowed: bool,  # noqa: FBT001
) -> None:
    """Credentials go to the registry itself and to services known for it, over https."""
    assert allowed == may_receive_credentials(URL(realm), URL(registry), SETTINGS)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://R.Example/x", "r.example"),
        ("https://r.example:443/x", "r.example"),
        ("https://r.example:5000/x", "r.example:5000"),
        ("http://r.example/x", "r.example"),
        ("http://r.example:80/x", "r.example"),
        ("https://r.example:80/x", "r.example:80"),
        ("https://[::1]:5000/x", "[::1]:5000"),
        ("https://docker.io/x", "registry-1.docker.io"),
    ],
)
def test_hosts_are_compared_in_one_spelling(url: str, host: str) -> None:
    """Case, default ports and Docker Hub's names do not make another host."""
    assert host == host_of(URL(url))
