"""Registries that misbehave: what each fault means, and that none of them hangs or leaks."""

import asyncio
import gc
import socket
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from landwaiter.deadline import Deadline
from landwaiter.errors import (
    AccessDenied,
    ContentMalformed,
    ContentMissing,
    DeadlineExceeded,
    LandwaiterError,
    RegistryUnavailable,
)
from landwaiter.images.content import Descriptor
from landwaiter.images.reference import ImageReference
from landwaiter.registry.exchange import TransportLimits
from landwaiter.registry.keychain import EMPTY_KEYCHAIN, Keychain
from landwaiter.registry.settings import HostSettings, RegistrySettings
from realparts.certificates import Authority
from registry.clients import (
    PATIENT,
    FastClock,
    client_for,
    keychain,
    named,
    reference,
    soon,
)
from registry.fake_registry import (
    FakeRegistry,
    Fault,
    answer,
    cut,
    digest_of,
    endless,
    server_context,
    silent,
)

REFUSALS = {400: ContentMalformed, 401: AccessDenied, 403: AccessDenied, 404: ContentMissing}
FAULTS = dict.fromkeys((408, 425, 429, 500, 501, 502, 503, 504, 206, 204), RegistryUnavailable)


def kind_of(error: BaseException) -> type[BaseException]:
    """Return the class of the public error tree that an error belongs to."""
    return next(kind for kind in type(error).__mro__ if kind.__module__ == "landwaiter.errors")


async def resolve(
    registry: FakeRegistry,
    settings: RegistrySettings | None = None,
    *,
    clock: FastClock | None = None,
    deadline: Deadline | None = None,
    limits: TransportLimits = PATIENT,
) -> str:
    async with client_for(settings or named(registry), clock=clock, limits=limits) as client:
        return await client.resolve(
            reference(registry), keychain=EMPTY_KEYCHAIN, deadline=deadline or soon()
        )


@pytest.mark.parametrize(("status", "expected"), [*REFUSALS.items(), *FAULTS.items()])
async def test_semantics_14_what_each_status_of_a_manifest_means(
    status: int, expected: type[LandwaiterError]
) -> None:
    """What the registry says about the image is a refusal, what it cannot say is undecided."""
    async with FakeRegistry() as registry:
        registry.add_image()
        registry.on("/manifests/", answer(status))
        with pytest.raises(LandwaiterError) as caught:
            await resolve(registry)

        assert expected is kind_of(caught.value)


@pytest.mark.parametrize(("status", "expected"), [*REFUSALS.items(), *FAULTS.items()])
async def test_semantics_14_what_each_status_of_a_blob_means(
    status: int, expected: type[LandwaiterError]
) -> None:
    """A blob's refusals and faults mean what a manifest's mean."""
    async with FakeRegistry() as registry, client_for(named(registry)) as client:
        descriptor = registry.add_blob("team/app", b"content")
        registry.on("/blobs/", answer(status))
        with pytest.raises(LandwaiterError) as caught:
            await client.blob(
                reference(registry), descriptor, 100, keychain=EMPTY_KEYCHAIN, deadline=soon()
            )

        assert expected is kind_of(caught.value)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_passing_fault_is_tried_again(status: int) -> None:
    """A fault that has passed by the third attempt is never seen."""
    async with FakeRegistry() as registry:
        digest = registry.add_image()
        registry.on("/manifests/", answer(status), times=2)

        assert (digest, 3) == (await resolve(registry), len(registry.seen))


async def test_a_lasting_fault_is_tried_three_times() -> None:
    """A registry that stays down is asked three times, and no more."""
    async with FakeRegistry() as registry:
        registry.on("/manifests/", answer(503))
        with pytest.raises(RegistryUnavailable) as caught:
            await resolve(registry)

        assert (
            f"the manifest of {registry.host}/team/app:1: {registry.host} answered 503",
            3,
        ) == (str(caught.value), len(registry.seen))


async def test_retry_after_is_honoured() -> None:
    """A registry that says when to come back is left alone until then."""
    clock = FastClock()
    async with FakeRegistry() as registry:
        digest = registry.add_image()
        registry.on("/manifests/", answer(429, Retry_After="7"), times=1)

        assert (digest, [7.0]) == (
            await resolve(registry, clock=clock),
            [wait for wait in clock.waits if wait],
        )


async def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    """A registry that wants more time than there is leaves it undecided at once."""
    clock = FastClock()
    async with FakeRegistry() as registry:
        registry.on("/manifests/", answer(429, Retry_After="100"))
        with pytest.raises(RegistryUnavailable) as caught:
            await resolve(registry, clock=clock)

        assert (
            f"{registry.host} asked to be left alone for another 100 s (it throttles)",
            1,
            [],
        ) == (str(caught.value), len(registry.seen), [wait for wait in clock.waits if wait])


async def test_ratify_throttling_does_not_spiral() -> None:
    """While a registry throttles, not one more request is sent to it, by any of many callers."""
    async with FakeRegistry() as registry, client_for(named(registry)) as client:
        registry.add_image()
        registry.on("/manifests/", answer(429, Retry_After="1000"), times=1)
        with pytest.raises(RegistryUnavailable):
            await client.resolve(reference(registry), keychain=EMPTY_KEYCHAIN, deadline=soon())
        outcomes = await asyncio.gather(
            *(
                client.resolve(reference(registry), keychain=EMPTY_KEYCHAIN, deadline=soon())
                for _ in range(50)
            ),
            return_exceptions=True,
        )

        assert ([RegistryUnavailable] * 50, 1) == (
            [type(outcome) for outcome in outcomes],
            len(registry.seen),
        )


async def test_one_registrys_throttling_is_not_anothers() -> None:
    """A registry that throttles holds up nobody else."""
    async with FakeRegistry() as throttling, FakeRegistry() as other:
        digest = other.add_image()
        throttling.on("/manifests/", answer(429, Retry_After="1000"))
        async with client_for(named(throttling, other)) as client:
            with pytest.raises(RegistryUnavailable):
                await client.resolve(
                    reference(throttling), keychain=EMPTY_KEYCHAIN, deadline=soon()
                )

            assert digest == await client.resolve(
                reference(other), keychain=EMPTY_KEYCHAIN, deadline=soon()
            )


@pytest.mark.parametrize("throttled", [None, "mallory"])
async def test_one_users_throttling_is_not_anothers(throttled: str | None) -> None:
    """Whoever uses up what is left to nobody, or to them, keeps nobody else from their images."""
    users = {"ann": "pw", "mallory": "pw"}
    async with FakeRegistry(users=users, public=True) as registry:
        digest = registry.add_image()
        chains: dict[str | None, Keychain] = {None: EMPTY_KEYCHAIN}
        chains |= {user: keychain(registry, (user, "pw")) for user in users}
        async with client_for(named(registry)) as client:
            registry.on("/manifests/", answer(429, Retry_After="1000"), times=1)
            with pytest.raises(RegistryUnavailable, match="it throttles"):
                await client.resolve(
                    reference(registry), keychain=chains[throttled], deadline=soon()
                )
            outcomes = [
                await client.resolve(reference(registry), keychain=chain, deadline=soon())
                for user, chain in chains.items()
                if user != throttled
            ]
            with pytest.raises(RegistryUnavailable, match="it throttles"):
                await client.resolve(
                    reference(registry), keychain=chains[throttled], deadline=soon()
                )

    assert [digest] * 2 == outcomes


async def test_a_registry_that_is_not_there_for_a_while_is_so_for_everybody() -> None:
    """A 503 with `Retry-After` is about the registry, and not about whoever met it."""
    async with FakeRegistry(users={"ann": "pw"}, public=True) as registry:
        registry.add_image()
        async with client_for(named(registry)) as client:
            registry.on("/manifests/", answer(503, Retry_After="1000"), times=1)
            for chain in (EMPTY_KEYCHAIN, keychain(registry, ("ann", "pw"))):
                with pytest.raises(RegistryUnavailable, match="it throttles"):
                    await client.resolve(reference(registry), keychain=chain, deadline=soon())

        assert 1 == len(registry.seen)


@pytest.mark.parametrize("fault", [cut(b"{", 100), cut(b"", 100)])
async def test_an_answer_cut_in_the_middle_is_tried_again(fault: Fault) -> None:
    """A connection that ends within an answer is a fault that may pass, not malformed content."""
    async with FakeRegistry() as registry:
        digest = registry.add_image()
        registry.on("/manifests/", fault, times=2)

        assert digest == await resolve(registry)


async def test_answers_that_stay_cut_are_undecided() -> None:
    """An answer that never arrives whole is not the image's problem."""
    async with FakeRegistry() as registry:
        registry.on("/manifests/", cut(b"{", 100))
        with pytest.raises(RegistryUnavailable) as caught:
            await resolve(registry)

        assert (
            f"the manifest of {registry.host}/team/app:1: the connection to {registry.host} failed"
            " or was cut"
        ) == str(caught.value)


@pytest.mark.parametrize("begun", [b"", b"{"])
async def test_a_registry_that_falls_silent_is_left(begun: bytes) -> None:
    """An answer that stops arriving is left after our own limit, and undecided."""
    limits = TransportLimits(silence_seconds=0.3)
    async with FakeRegistry() as registry:
        registry.on("/manifests/", silent(registry, begun))
        with pytest.raises(RegistryUnavailable) as caught:
            await resolve(registry, limits=limits)

        assert (
            f"the manifest of {registry.host}/team/app:1: {registry.host} took too long",
            1,
        ) == (str(caught.value), len(registry.seen))


async def test_slow_bytes_do_not_outlive_the_request() -> None:
    """A body that never falls silent, and never ends, is left when the request's time is up."""
    limits = TransportLimits(silence_seconds=5, request_seconds=0.3)
    async with FakeRegistry() as registry:
        descriptor = Descriptor("a/b", "sha256:" + "a" * 64, 10**12)
        registry.on("/blobs/", endless(b" "))
        async with client_for(named(registry), limits=limits) as client:
            with pytest.raises(RegistryUnavailable) as caught:
                await client.blob(
                    reference(registry),
                    descriptor,
                    10**12,
                    keychain=EMPTY_KEYCHAIN,
                    deadline=soon(),
                )

        assert (
            f"the blob {descriptor.digest} of {registry.host}/team/app: {registry.host} took too"
            " long"
        ) == str(caught.value)


async def test_semantics_15_the_deadline_ends_every_wait() -> None:
    """A registry that never answers is left at the request's deadline, as such."""
    limits = TransportLimits(silence_seconds=60, request_seconds=60)
    async with FakeRegistry() as registry:
        registry.on("/manifests/", silent(registry))
        with pytest.raises(DeadlineExceeded) as caught:
            await resolve(registry, deadline=Deadline.after(0.2), limits=limits)

        assert (
            f"the manifest of {registry.host}/team/app:1 did not arrive before the deadline"
        ) == str(caught.value)


async def test_semantics_15_a_deadline_that_has_passed_asks_nobody() -> None:
    """With no time left, no request is sent."""
    async with FakeRegistry() as registry:
        with pytest.raises(DeadlineExceeded):
            await resolve(registry, deadline=Deadline(0.0))

        assert [] == registry.seen


async def test_cancelling_leaves_nothing_behind() -> None:
    """A cancelled request closes its connection, and the next one is answered."""
    limits = TransportLimits(silence_seconds=60, request_seconds=60, connections_a_host=1)
    async with FakeRegistry() as registry, client_for(named(registry), limits=limits) as client:
        digest = registry.add_image()
        registry.on("/manifests/slow", silent(registry))
        for _ in range(3):
            with pytest.raises(DeadlineExceeded):
                await client.resolve(
                    reference(registry, "team/app:slow"),
                    keychain=EMPTY_KEYCHAIN,
                    deadline=Deadline.after(0.1),
                )

        assert digest == await client.resolve(
            reference(registry), keychain=EMPTY_KEYCHAIN, deadline=soon()
        )
    gc.collect()  # A socket left open would warn here, and warnings are errors.


async def test_a_registry_that_is_down_is_undecided() -> None:
    """A refused connection is tried again, then undecided."""
    async with FakeRegistry() as registry:
        settings = named(registry)
        image = reference(registry)
    async with client_for(settings) as client:
        with pytest.raises(RegistryUnavailable) as caught:
            await client.resolve(image, keychain=EMPTY_KEYCHAIN, deadline=soon())

    assert (
        f"the manifest of {image}: the connection to {image.registry} failed or was cut"
    ) == str(caught.value)


async def test_a_name_that_does_not_resolve_is_undecided() -> None:
    """A registry's name that nobody knows is a fault of the network, not of the image."""
    image = ImageReference.parse("registry.invalid/team/app:1")
    async with client_for(RegistrySettings()) as client:
        with pytest.raises(RegistryUnavailable) as caught:
            await client.resolve(image, keychain=EMPTY_KEYCHAIN, deadline=soon())

    assert (
        "the manifest of registry.invalid/team/app:1: the name registry.invalid does not resolve"
    ) == str(caught.value)


@asynccontextmanager
async def babbling() -> AsyncIterator[str]:
    """Yield the host of a server that answers, but not in HTTP."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_what_does_not_speak_http_is_undecided() -> None:
    """A server of another protocol is a fault, whatever it sends."""
    async with babbling() as host:
        settings = RegistrySettings({host: HostSettings(plain_http=True)})
        async with client_for(settings) as client:
            with pytest.raises(RegistryUnavailable) as caught:
                await client.resolve(
                    ImageReference.parse(f"{host}/app:1"),
                    keychain=EMPTY_KEYCHAIN,
                    deadline=soon(),
                )

    assert f"the manifest of {host}/app:1: {host} does not answer in proper HTTP" == str(
        caught.value
    )


async def test_no_cause_of_an_error_shows_a_query() -> None:
    """A traceback in the log has neither the signature in a presigned URL nor a header."""
    async with babbling() as host, FakeRegistry() as registry:
        plain = HostSettings(plain_http=True)
        registry.on("/manifests/", answer(307, Location=f"http://{host}/x?signature=hunter2"))
        with pytest.raises(RegistryUnavailable) as caught:
            await resolve(registry, RegistrySettings({host: plain, registry.host: plain}))

    assert [] == [line for line in traceback.format_exception(caught.value) if "hunter2" in line]


async def test_a_tls_handshake_that_never_ends_is_left() -> None:
    """A server that accepts and then says nothing is left after the time to connect."""
    limits = TransportLimits(connect_seconds=0.2, silence_seconds=60, request_seconds=60)
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
        async with client_for(RegistrySettings({host: HostSettings()}), limits=limits) as client:
            with pytest.raises(RegistryUnavailable) as caught:
                await client.resolve(
                    ImageReference.parse(f"{host}/app:1"),
                    keychain=EMPTY_KEYCHAIN,
                    deadline=soon(),
                )

    assert f"the manifest of {host}/app:1: {host} took too long" == str(caught.value)


async def test_headers_have_a_limit() -> None:
    """A header of megabytes is not read into memory."""
    async with FakeRegistry() as registry:
        registry.on("/manifests/", answer(200, b"{}", X_Long="x" * 1_000_000))
        with pytest.raises(RegistryUnavailable):
            await resolve(registry)


async def test_a_header_of_some_kilobytes_fits() -> None:
    """Headers as long as the presigned URLs of object stores are read."""
    async with FakeRegistry() as registry:
        content = b'{"mediaType": "application/vnd.oci.image.manifest.v1+json"}'
        registry.on("/manifests/", answer(200, content, X_Long="x" * 12_000))

        assert digest_of(content) == await resolve(registry)


async def test_no_cookie_is_kept_and_nothing_compressed_is_asked_for() -> None:
    """A registry gets no cookie back, and is asked for content as it is digested."""
    async with FakeRegistry() as registry:
        registry.add_image()
        registry.on("/manifests/", answer(503, Set_Cookie="a=b"), times=1)
        host = f"localhost:{registry.port}"  # No client keeps cookies of bare addresses.
        async with client_for(RegistrySettings({host: HostSettings(plain_http=True)})) as client:
            await client.resolve(
                ImageReference.parse(f"{host}/team/app:1"),
                keychain=EMPTY_KEYCHAIN,
                deadline=soon(),
            )

        assert [(None, "identity"), (None, "identity")] == [
            (seen.headers.get("Cookie"), seen.headers["Accept-Encoding"]) for seen in registry.seen
        ]


async def test_the_environments_proxy_and_netrc_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Neither a proxy nor a password of the environment finds its way into a request."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with FakeRegistry() as registry:
        digest = registry.add_image()

        assert (digest, None) == (await resolve(registry), registry.seen[0].authorization)


@pytest.mark.parametrize("connections", [1, 3])
async def test_connections_to_one_registry_are_bounded(connections: int) -> None:
    """However many requests there are, no more than the limit are under way at one registry."""
    limits = TransportLimits(connections_a_host=connections)
    under_way = most = 0

    async with FakeRegistry() as registry, client_for(named(registry), limits=limits) as client:
        digest = registry.add_image()
        truthful = registry.truthful()

        async def counted(request: web.Request) -> web.StreamResponse:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            for _ in range(20):
                await asyncio.sleep(0)
            under_way -= 1
            return await truthful(request)

        registry.on("/manifests/", counted)
        found = await asyncio.gather(
            *(
                client.resolve(reference(registry), keychain=EMPTY_KEYCHAIN, deadline=soon())
                for _ in range(12)
            )
        )

    assert ([digest] * 12, connections) == (found, most)


async def test_tls_with_a_trusted_authority(tmp_path: Path) -> None:
    """`caFile` lets a registry present a certificate of the admin's own authority."""
    authority = Authority(tmp_path)
    async with FakeRegistry(tls=server_context(authority)) as registry:
        digest = registry.add_image()

        assert digest == await resolve(registry, named(registry, ca_file=authority.certificate))


async def test_tls_with_an_unknown_authority_is_undecided(tmp_path: Path) -> None:
    """A certificate of an unknown authority is a fault of the network, with its reason."""
    server, other = Authority(tmp_path / "a", "A"), Authority(tmp_path / "b", "B")
    async with FakeRegistry(tls=server_context(server)) as registry:
        with pytest.raises(RegistryUnavailable) as caught:
            await resolve(registry, named(registry, ca_file=other.certificate))

        assert (
            f"the manifest of {registry.host}/team/app:1: the certificate of {registry.host} is"
            " not trusted (unable to get local issuer certificate)"
        ) == str(caught.value)


async def test_tls_for_another_host_is_undecided(tmp_path: Path) -> None:
    """A good certificate for another name does not do."""
    authority = Authority(tmp_path)
    tls = server_context(authority, hosts=("registry.example.com",))
    async with FakeRegistry(tls=tls) as registry:
        with pytest.raises(RegistryUnavailable) as caught:
            await resolve(registry, named(registry, ca_file=authority.certificate))

        assert "IP address mismatch" in str(caught.value)


async def test_tls_is_never_given_up_for_plain_http(tmp_path: Path) -> None:
    """A registry that is not named for plain HTTP is asked over TLS, and only so."""
    async with FakeRegistry() as registry:
        settings = RegistrySettings({registry.host: HostSettings()})
        with pytest.raises(RegistryUnavailable) as caught:
            await resolve(registry, settings)

        assert (
            (
                f"the manifest of {registry.host}/team/app:1: {registry.host} does not speak TLS as"
                " it should"
            ),
            [],
        ) == (str(caught.value), registry.seen)


async def test_a_rotated_ca_file_is_read_again(tmp_path: Path) -> None:
    """A new authority in the CA file is trusted without a restart."""
    old, new = Authority(tmp_path / "a", "A"), Authority(tmp_path / "b", "Another")
    file = tmp_path / "ca.pem"
    file.write_bytes(old.certificate.read_bytes())
    async with FakeRegistry(tls=server_context(new)) as registry:
        digest = registry.add_image()
        async with client_for(named(registry, ca_file=file)) as client:
            with pytest.raises(RegistryUnavailable):
                await client.resolve(reference(registry), keychain=EMPTY_KEYCHAIN, deadline=soon())
            file.write_bytes(new.certificate.read_bytes())

            assert digest == await client.resolve(
                reference(registry), keychain=EMPTY_KEYCHAIN, deadline=soon()
            )


async def test_a_broken_ca_file_leaves_the_last_good_one(tmp_path: Path) -> None:
    """While the CA file cannot be read, the authorities that were read last stay trusted."""
    authority = Authority(tmp_path)
    async with FakeRegistry(tls=server_context(authority)) as registry:
        digest = registry.add_image()
        async with client_for(named(registry, ca_file=authority.certificate)) as client:
            await client.resolve(reference(registry), keychain=EMPTY_KEYCHAIN, deadline=soon())
            authority.certificate.write_text("broken")

            assert digest == await client.resolve(
                reference(registry), keychain=EMPTY_KEYCHAIN, deadline=soon()
            )


async def test_a_ca_file_that_never_was_is_undecided(tmp_path: Path) -> None:
    """Without its CA file a registry is not asked under weaker terms."""
    async with FakeRegistry() as registry:
        missing = tmp_path / "missing.pem"
        with pytest.raises(RegistryUnavailable) as caught:
            await resolve(registry, named(registry, ca_file=missing))

        assert (True, []) == (
            str(caught.value).startswith(f"the CA file '{missing}' of {registry.host} cannot"),
            registry.seen,
        )


def test_digests_of_the_fake_are_real() -> None:
    """The fake registry names content as everybody does."""
    assert ("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855") == digest_of(
        b""
    )


async def test_a_manifest_for_nobody_is_denied_with_its_reason() -> None:
    """The message of a refusal names host, content and status."""
    async with FakeRegistry() as registry:
        registry.on("/v2/", answer(403))
        async with client_for(named(registry)) as client:
            with pytest.raises(AccessDenied) as caught:
                await client.resolve(
                    reference(registry),
                    keychain=keychain(registry, ("ann", "pw")),
                    deadline=soon(),
                )

        assert (
            f"{registry.host} does not show the manifest of {registry.host}/team/app:1"
            " with a credential (403)"
        ) == str(caught.value)
