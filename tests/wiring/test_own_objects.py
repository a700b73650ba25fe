"""The Secret of the certificate, as several replicas read and write it."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cluster.a_watch import FakeSource, Resource
from cluster.an_api import FakeAPI
from landwaiter.cluster import following
from landwaiter.cluster.objects import ClusterObjects
from landwaiter.errors import ClusterConflict, ClusterUnavailable
from landwaiter.wiring.own_objects import ClusterSecret, OwningRole

PATH = "/api/v1/namespaces/lw/secrets/guard-tls"
ROLE = "/apis/rbac.authorization.k8s.io/v1/namespaces/lw/roles/guard"
OWNER = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "name": "guard", "uid": "r"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "BACK_OFF_SECONDS", 0.001)
    monkeypatch.setattr(following, "BACK_OFF_MAX_SECONDS", 0.002)


def an_api(*, with_role: bool = True) -> FakeAPI:
    role = {"metadata": {"name": "guard", "namespace": "lw", "uid": "r"}}
    return FakeAPI({ROLE: role} if with_role else {})


def a_secret(**data: str) -> dict[str, Any]:
    metadata = {"name": "guard-tls", "namespace": "lw", "uid": "u", "resourceVersion": "1"}
    return {"metadata": {**metadata, "labels": {"a": "b"}}, "type": "Opaque", "data": data}


async def with_secret(
    api: FakeAPI, secrets: Resource, use: Callable[[ClusterSecret], Awaitable[None]]
) -> None:
    """Use a Secret of which this list and these events are heard."""
    objects = ClusterObjects(api)
    secret = ClusterSecret(
        FakeSource({"secrets": secrets}),
        objects,
        OwningRole(objects, namespace="lw", name="guard"),
        namespace="lw",
        name="guard-tls",
        changed=lambda: None,
    )
    secret.start()
    try:
        async with asyncio.timeout(10):
            await use(secret)
    finally:
        secrets.events.put(None)
        await secret.close()


async def known(secret: ClusterSecret) -> None:
    while secret.problem() is not None:  # noqa: ASYNC110  # Another thread decides.
        await asyncio.sleep(0.002)


async def test_what_is_there_is_read() -> None:
    """Decoded; what is no base64 is left out, and so is missed."""
    content = a_secret(**{"tls.crt": base64.b64encode(b"chain").decode(), "tls.key": "junk!"})

    async def use(secret: ClusterSecret) -> None:
        await known(secret)
        found = secret.latest()
        assert found is not None

        assert ({"tls.crt": b"chain"}, content) == (found.entries, found.token)

    await with_secret(an_api(), Resource([content]), use)


async def test_one_that_is_missing_is_made_and_belongs_to_the_install() -> None:
    """It goes with the Role; and it is known at once what it holds."""
    api = an_api()

    async def use(secret: ClusterSecret) -> None:
        await known(secret)
        before = secret.latest()
        await secret.write({"tls.crt": b"chain"}, None)
        after = secret.latest()
        assert after is not None

        assert (None, {"tls.crt": b"chain"}) == (before, after.entries)
        assert [OWNER] == api.objects[PATH]["metadata"]["ownerReferences"]
        with pytest.raises(ClusterConflict):
            await secret.write({"tls.crt": b"other"}, None)

    await with_secret(api, Resource(), use)


async def test_one_is_written_over_the_version_that_was_read() -> None:
    """Labels of others stay; another version than that is not overwritten."""
    api = an_api()
    api.put(PATH, a_secret())
    stored = api.objects[PATH]

    async def use(secret: ClusterSecret) -> None:
        await known(secret)
        found = secret.latest()
        await secret.write({"tls.crt": b"chain"}, found)
        written = api.objects[PATH]

        assert ({"a": "b"}, [OWNER], {"tls.crt": "Y2hhaW4="}) == (
            written["metadata"]["labels"],
            written["metadata"]["ownerReferences"],
            written["data"],
        )
        with pytest.raises(ClusterConflict):
            await secret.write({"tls.crt": b"other"}, found)

    await with_secret(api, Resource([stored]), use)


async def test_news_takes_the_place_of_what_was_written() -> None:
    """Somebody else's change is seen, and a deletion."""
    api, secrets = an_api(), Resource()

    async def use(secret: ClusterSecret) -> None:
        await known(secret)
        await secret.write({"tls.crt": b"chain"}, None)
        secrets.say("ADDED", api.objects[PATH])
        secrets.say("DELETED", api.objects[PATH])
        while secret.latest() is not None:  # noqa: ASYNC110  # Another thread decides.
            await asyncio.sleep(0.002)

    await with_secret(api, secrets, use)


@pytest.mark.parametrize("status", [403, 500])
async def test_what_cannot_be_read_is_unknown(status: int) -> None:
    """It is never taken for missing; a right that is missing is told."""

    async def use(secret: ClusterSecret) -> None:
        told = "Landwaiter may not list it" if status == 403 else "not read yet"
        while secret.problem() != told:  # noqa: ASYNC110  # Another thread decides.
            await asyncio.sleep(0.002)

    await with_secret(an_api(), Resource(status=status), use)


async def test_what_is_made_after_the_role_has_gone_goes_with_it() -> None:
    """Or it would stay behind when an install is removed in an unlucky order."""
    api = an_api()
    owner = OwningRole(ClusterObjects(api), namespace="lw", name="guard")
    before = await owner.references()
    del api.objects[ROLE]

    assert ([OWNER], [OWNER]) == (before, await owner.references())


async def test_a_secret_that_is_made_anew_belongs_to_whom_it_belonged() -> None:
    """Also where this process has never seen the Role: the other replica has made the Secret."""
    api = an_api(with_role=False)
    content = a_secret()
    content["metadata"]["ownerReferences"] = [OWNER]
    secrets = Resource([content])

    async def use(secret: ClusterSecret) -> None:
        await known(secret)
        secrets.say("DELETED", content)
        while secret.latest() is not None:  # noqa: ASYNC110  # Another thread decides.
            await asyncio.sleep(0.002)
        await secret.write({"tls.crt": b"chain"}, None)

        assert [OWNER] == api.objects[PATH]["metadata"]["ownerReferences"]

    await with_secret(api, secrets, use)


async def test_without_a_role_nobody_owns_what_is_made() -> None:
    """Nor where it may not be read; it is made all the same."""
    missing = OwningRole(ClusterObjects(an_api(with_role=False)), namespace="lw", name="guard")
    down = FakeAPI(down=ClusterUnavailable("down"))
    unreadable = OwningRole(ClusterObjects(down), namespace="lw", name="guard")

    assert ([], []) == (await missing.references(), await unreadable.references())
