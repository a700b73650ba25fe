"""Which credentials may be tried for whom, and what a fault of the cluster means for an image."""

import pytest

from landwaiter.errors import (
    AccessDenied,
    ClusterUnavailable,
    ContentMalformed,
    ContentMissing,
    DeadlineExceeded,
    ImageProblem,
    RegistryUnavailable,
)
from landwaiter.registry.credentials import Credential
from landwaiter.registry.keychain import EMPTY_KEYCHAIN, Keychain
from landwaiter.rules.pull_secret_answers import SECRETS_MAX
from landwaiter.wiring.keychains import NamedSecrets, PullSecretReader, TriedKeychain
from wiring.a_cluster import FakeCluster, a_secret, an_inquiry, docker_secret

HOST = "r.example.com"


def a_credential(password: str, host: str = HOST) -> Credential:
    return Credential(host, "ann", password)


@pytest.fixture
def cluster() -> FakeCluster:
    """Give a cluster with two pull secrets, of which the accounts name one or none."""
    cluster = FakeCluster()
    cluster.add_secret(docker_secret("one", HOST, password="1"))
    cluster.add_secret(docker_secret("two", HOST, password="2"))
    cluster.add_account("default", "one")
    cluster.add_account("builder", "two", "", "two", "missing")
    cluster.add_account("bare")
    return cluster


@pytest.mark.parametrize(
    ("named", "account", "expected"),
    [
        ((), "", ["1"]),
        ((), "builder", ["2"]),
        ((), "bare", []),
        ((), "missing", []),
        (("two",), "", ["2"]),
        (("two", "one"), "builder", ["2", "1"]),
        (("missing",), "", []),
        (("",), "", []),
    ],
)
async def test_the_pods_secrets_count_else_those_of_its_account(
    cluster: FakeCluster, named: tuple[str, ...], account: str, expected: list[str]
) -> None:
    """A list in the Pod, also one without a name, leaves out the account's, as for the kubelet."""
    tried = await PullSecretReader(cluster).keychain(an_inquiry(*named, account=account))

    assert TriedKeychain(Keychain(tuple(map(a_credential, expected)))) == tried


async def test_semantics_20_without_a_trusted_caller_no_credential_is_read(
    cluster: FakeCluster,
) -> None:
    """Whoever can post reviews must not borrow the credentials of a namespace."""
    tried = await PullSecretReader(cluster).keychain(an_inquiry("one", trusted=False))

    assert (TriedKeychain(EMPTY_KEYCHAIN), []) == (tried, cluster.asked)


async def test_a_secret_that_does_not_parse_adds_nothing(cluster: FakeCluster) -> None:
    """That it breaks the kubelet's keyring is for the rule about pull secrets to say."""
    cluster.add_secret(a_secret("broken", b"{"))
    cluster.add_secret(a_secret("opaque", b"{}", secret_type="Opaque"))

    tried = await PullSecretReader(cluster).keychain(an_inquiry("broken", "opaque", "two"))

    assert TriedKeychain(Keychain((a_credential("2"),))) == tried


async def test_a_pod_may_name_thousands_of_secrets_and_only_some_are_read(
    cluster: FakeCluster,
) -> None:
    """Each name is a question to the API server, so there is a limit, and the rest is counted."""
    names = [f"s{number}" for number in range(SECRETS_MAX + 7)]
    reader = PullSecretReader(cluster)

    named = await reader.named_secrets(an_inquiry("", *names, *names))

    assert (
        NamedSecrets(
            tuple(names[:SECRETS_MAX]),
            (None,) * SECRETS_MAX,
            left_out=7,
            repeated=tuple(names),
        ),
        SECRETS_MAX,
    ) == (named, len(cluster.asked))


async def test_the_account_whose_secrets_count_is_told(cluster: FakeCluster) -> None:
    """A message can say which account names nothing, or does not exist."""
    reader = PullSecretReader(cluster)
    found = [
        await reader.named_secrets(an_inquiry(account=account))
        for account in ("", "bare", "missing")
    ]

    assert [("default", True), ("bare", True), ("missing", False)] == [
        (each.account, each.account_exists) for each in found
    ]


async def test_a_fault_of_the_cluster_leaves_public_images_to_be_judged() -> None:
    """Without the cluster's word nothing is tried, and what is public can still be read."""
    fault = ClusterUnavailable("the API server is down")
    tried = await PullSecretReader(FakeCluster(fault=fault)).keychain(an_inquiry("one"))

    assert TriedKeychain(EMPTY_KEYCHAIN, fault) == tried


async def test_semantics_15_a_late_cluster_is_asked_again() -> None:
    """Credentials that are still being read make the image wait, and are no fault of it."""
    with pytest.raises(DeadlineExceeded):
        await PullSecretReader(FakeCluster(fault=DeadlineExceeded("late"))).keychain(an_inquiry())


@pytest.mark.parametrize("problem", [AccessDenied("401"), ContentMissing("404")])
def test_what_is_hidden_while_credentials_are_unknown_is_undecided(problem: ImageProblem) -> None:
    """It may be there for whoever has the credentials: not the image's fault, and no pass."""
    tried = TriedKeychain(EMPTY_KEYCHAIN, ClusterUnavailable("down"))

    with pytest.raises(ClusterUnavailable) as raised, tried.excused():
        raise problem

    assert f"{problem}; pull secrets unknown: down" == str(raised.value)


@pytest.mark.parametrize("problem", [AccessDenied("401"), ContentMissing("404")])
def test_semantics_14_what_is_hidden_from_known_credentials_is_refused(
    problem: ImageProblem,
) -> None:
    """Every credential that there is was refused."""
    with pytest.raises(type(problem)), TriedKeychain(EMPTY_KEYCHAIN).excused():
        raise problem


@pytest.mark.parametrize("problem", [ContentMalformed("x"), RegistryUnavailable("503")])
def test_a_fault_of_the_cluster_excuses_nothing_else(problem: Exception) -> None:
    """Malformed content is the image's fault, whatever credentials there are."""
    tried = TriedKeychain(EMPTY_KEYCHAIN, ClusterUnavailable("down"))

    with pytest.raises(type(problem)), tried.excused():
        raise problem
