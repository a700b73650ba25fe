"""Authorities of policies with what stands in the cluster, as cosign judges by them."""

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cosign.fakes import CountingObserver, a_key, a_root, an_identity
from landwaiter.cluster.values import ConfigMap, Secret
from landwaiter.cosign.authority import Authority
from landwaiter.cosign.kms import KMSKeys
from landwaiter.cosign.kms_settings import NO_KMS
from landwaiter.cosign.program import CosignProgram
from landwaiter.cosign.runner import RunLimits
from landwaiter.deadline import Deadline
from landwaiter.errors import ClusterUnavailable, TrustUnavailable
from landwaiter.images.reference import ImageReference
from landwaiter.rules.references import ConfigMapEntry, SecretEntry
from landwaiter.rules.signing_authority import SigningAuthority, Trust
from landwaiter.trust.hosts import HostSettings
from landwaiter.trust.tuf_repositories import TUFRepositories
from landwaiter.trusted_roots import MEDIA_TYPE, AuthorityCertificates, Checks, TrustedRoot
from landwaiter.wiring.outside import reached
from landwaiter.wiring.registries import registry_settings
from landwaiter.wiring.trust import AuthorityReader, may_change
from realparts.certificates import Authority as CertificateAuthority
from trust.a_tuf_repository import a_repository
from wiring.a_cluster import FakeCluster

LOG = Checks(transparency_log=True)
IN_CONFIG_MAP = ConfigMapEntry("trust", "sigstore", "root.json")
IN_SECRET = SecretEntry("trust", "sigstore", "root.json")
LOGGED = SigningAuthority("ci", (an_identity(),), LOG, Trust(IN_CONFIG_MAP))


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def put(cluster: FakeCluster, content: str) -> None:
    """Give both a ConfigMap and a Secret an entry with this content."""
    cluster.config_maps["trust/sigstore"] = ConfigMap("trust", "sigstore", {"root.json": content})
    cluster.add_secret(Secret("trust", "sigstore", "Opaque", {"root.json": content.encode()}))


def no_kms() -> KMSKeys:
    program = CosignProgram(Path("/no/cosign"), RunLimits(1, 5), CountingObserver())
    return KMSKeys(program, NO_KMS)


async def read(cluster: FakeCluster, asked: SigningAuthority, *, fresh: bool = False) -> Authority:
    async with TUFRepositories() as repositories:
        reader = AuthorityReader(cluster, repositories, no_kms())
        return await reader.authority(asked, deadline=Deadline.after(5), fresh=fresh)


async def test_what_stands_in_the_policy_is_asked_of_nobody(cluster: FakeCluster) -> None:
    """The cluster may be away where a policy needs nothing from it."""
    asked = SigningAuthority("ci", a_key(), LOG, Trust(a_root()))

    assert (Authority("ci", (a_key(),), LOG, a_root()), [], False) == (
        await read(cluster, asked),
        cluster.asked,
        may_change(asked),
    )


async def test_annotations_and_the_place_of_signatures_are_handed_on(cluster: FakeCluster) -> None:
    """What a policy says of them is what cosign's answer is held to."""
    place = ImageReference.parse("r.example.com/signatures")
    more: dict[str, Any] = {"annotations": (("stage", "prod"),), "repository": place}

    assert Authority("ci", (a_key(),), **more) == await read(
        cluster, SigningAuthority("ci", a_key(), **more)
    )


@pytest.mark.parametrize("entry", [IN_CONFIG_MAP, IN_SECRET])
async def test_a_root_is_read_from_where_it_stands(
    cluster: FakeCluster, entry: ConfigMapEntry | SecretEntry
) -> None:
    """A ConfigMap does as well as a Secret."""
    put(cluster, a_root().content.decode())
    asked = SigningAuthority("ci", (an_identity(),), LOG, Trust(entry))

    assert (Authority("ci", (an_identity(),), LOG, a_root()), True) == (
        await read(cluster, asked),
        may_change(asked),
    )


@pytest.mark.parametrize("root", [None, a_root()])
async def test_certificates_of_ones_own_are_put_into_a_root(
    cluster: FakeCluster, tmp_path: Path, root: TrustedRoot | None
) -> None:
    """They stand alone, or in the place of those that the root has."""
    pem = CertificateAuthority(tmp_path).certificate.read_text("utf-8")
    put(cluster, pem)
    certificates = AuthorityCertificates.parse(pem)
    checks = Checks() if root is None else LOG
    asked = SigningAuthority("ci", (an_identity(),), checks, Trust(root, IN_SECRET))
    expected = (
        TrustedRoot.of_certificates(certificates)
        if root is None
        else root.with_authorities(certificates)
    )

    assert Authority(
        "ci", (an_identity(),), checks, expected, certificate_chains=True
    ) == await read(cluster, asked)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, 'ConfigMap "trust/sigstore", entry "root.json": there is no such entry'),
        (
            "hush",
            (
                'ConfigMap "trust/sigstore", entry "root.json": something else than a trusted '
                f'root is given; JSON with the mediaType "{MEDIA_TYPE}" is wanted'
            ),
        ),
        (
            json.dumps({"mediaType": MEDIA_TYPE, "certificateAuthorities": [{}]}),
            'authority "ci": the trusted root has no tlogs, which are needed',
        ),
    ],
)
async def test_a_root_that_cannot_be_used_leaves_the_rule_undecided(
    cluster: FakeCluster, content: str | None, said: str
) -> None:
    """It is the policy's fault and not the image's; the message quotes nothing of it."""
    if content is not None:
        put(cluster, content)

    with pytest.raises(ClusterUnavailable) as fault:
        await read(cluster, LOGGED)

    assert said == str(fault.value)


async def test_a_root_that_tuf_distributes_is_as_good_as_one_in_the_policy(
    cluster: FakeCluster, tmp_path: Path
) -> None:
    """It is read by HTTP where the file about registries says so of the host."""
    with a_repository() as repository:
        repository.publish(a_root().content)
        asked = SigningAuthority("ci", (an_identity(),), LOG, Trust(repository.target()))
        file = tmp_path / "registries.yaml"
        host = repository.url.removeprefix("http://")
        file.write_text(f"registries: [{{host: '{host}', plainHTTP: true}}]")
        settings = registry_settings(file)
        async with TUFRepositories(lambda host: reached(settings, host)) as repositories:
            reader = AuthorityReader(cluster, repositories, no_kms())
            found = await reader.authority(asked, deadline=Deadline.after(20))

    assert Authority("ci", (an_identity(),), LOG, a_root()) == found
    assert not may_change(asked)


async def test_what_tuf_distributes_is_asked_for_each_time(cluster: FakeCluster) -> None:
    """An authority that is kept would go on being trusted when its repository has expired."""
    now = [time.time()]
    async with TUFRepositories(
        lambda _: HostSettings(plain_http=True), clock=lambda: now[0]
    ) as repositories:
        reader = AuthorityReader(cluster, repositories, no_kms())
        with a_repository() as repository:
            repository.publish(a_root().content)
            asked = SigningAuthority("ci", (an_identity(),), LOG, Trust(repository.target()))
            await reader.authority(asked, deadline=Deadline.after(20))
        now[0] += timedelta(days=3650).total_seconds()
        with pytest.raises(TrustUnavailable):
            await reader.authority(asked, deadline=Deadline.after(20))


@pytest.mark.parametrize(
    ("content", "fault", "said"),
    [
        (b"hush", TrustUnavailable, "something else than a trusted root is given"),
        (
            json.dumps({"mediaType": MEDIA_TYPE, "certificateAuthorities": [{}]}).encode(),
            ClusterUnavailable,
            "the trusted root has no tlogs, which are needed",
        ),
    ],
)
async def test_what_tuf_distributes_may_be_of_no_use(
    cluster: FakeCluster, content: bytes, fault: type[Exception], said: str
) -> None:
    """The rule is then undecided, and nothing of the content is quoted."""
    with a_repository() as repository:
        repository.publish(content)
        asked = SigningAuthority("ci", (an_identity(),), LOG, Trust(repository.target()))
        async with TUFRepositories(lambda _: HostSettings(plain_http=True)) as repositories:
            reader = AuthorityReader(cluster, repositories, no_kms())
            with pytest.raises(fault, match=said) as raised:
                await reader.authority(asked, deadline=Deadline.after(20))

    assert "hush" not in str(raised.value)


async def test_what_is_asked_for_anew_is_read_anew(cluster: FakeCluster) -> None:
    """Before a refusal nothing is taken from memory, and what cannot be used neither."""
    put(cluster, a_root().content.decode())
    await read(cluster, LOGGED)
    await read(cluster, LOGGED, fresh=True)
    del cluster.config_maps["trust/sigstore"]
    with pytest.raises(ClusterUnavailable):
        await read(cluster, LOGGED)

    assert [
        "config map trust/sigstore",
        "config map trust/sigstore fresh",
        "config map trust/sigstore",
        "config map trust/sigstore fresh",
    ] == cluster.asked
