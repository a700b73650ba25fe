"""What pull secrets hold is read once for each version, and never more than is bounded."""

import base64
import json
from dataclasses import dataclass, replace

from landwaiter.cluster.values import ConfigMap, Namespace, Secret, ServiceAccount
from landwaiter.deadline import Deadline
from landwaiter.images.reference import ImageReference
from landwaiter.registry.docker_config import MAX_CONFIG_PIECES
from landwaiter.rules.protocol import Inquiry
from landwaiter.rules.pull_secret_answers import NamedSecret, PullSecretQuestion, SecretState
from landwaiter.wiring.docker_configs import DockerConfigs
from landwaiter.wiring.keychains import PullSecretReader
from landwaiter.wiring.pull_secrets import PullSecretStates
from landwaiter.workloads.values import Workload

IMAGE = ImageReference.parse("registry.example.com/team/app:1")
DOCKER_CONFIG = "kubernetes.io/dockerconfigjson"


def a_secret(name: str, *keys: str, version: str = "1") -> Secret:
    """Return a pull secret with an entry for each key."""
    auth = base64.b64encode(b"ci:pass").decode()
    config = json.dumps({"auths": {key: {"auth": auth} for key in keys}})
    return Secret("shop", name, DOCKER_CONFIG, {".dockerconfigjson": config.encode()}, version)


@dataclass
class FixedCluster:
    """A cluster with these Secrets and nothing else."""

    secrets: dict[str, Secret]

    async def get_namespace(
        self, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> Namespace | None:
        return None

    def known_namespace(self, name: str) -> Namespace | None:
        return None

    async def get_service_account(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> ServiceAccount | None:
        return None

    async def get_secret(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> Secret | None:
        return self.secrets.get(name)

    async def get_config_map(
        self, namespace: str, name: str, *, deadline: Deadline, fresh: bool = False
    ) -> ConfigMap | None:
        return None


def an_inquiry(*names: str) -> Inquiry:
    workload = Workload("Pod", "shop", "web", False, {}, "", names, ())  # noqa: FBT003
    return Inquiry(workload, Deadline.after(5), credentials_allowed=True)


async def states_of(*secrets: Secret) -> tuple[NamedSecret, ...]:
    """Return what the Secrets of a Pod are worth for the image."""
    cluster = FixedCluster({secret.name: secret for secret in secrets})
    states = PullSecretStates(PullSecretReader(cluster))
    inquiry = an_inquiry(*cluster.secrets)
    return (await states.answer(PullSecretQuestion(IMAGE), inquiry)).secrets


def test_a_flood_of_images_reads_a_secret_once() -> None:
    """A Secret is read once for a version, however many images and authorities ask about it."""
    configs, secret = DockerConfigs(), a_secret("acr", "registry.example.com")
    first = configs.of(secret)
    again = configs.of(replace(secret))
    keychain = configs.keychain([secret])

    assert (True, True) == (first is again, keychain is configs.keychain([replace(secret)]))


def test_a_changed_secret_is_read_again() -> None:
    """Another version has its own content, and so has a Secret of the same name elsewhere."""
    configs = DockerConfigs()
    old, new = a_secret("acr", "old.example.com"), a_secret("acr", "new.example.com", version="2")
    elsewhere = replace(a_secret("acr", "else.example.com"), namespace="other")

    assert [["old.example.com"], ["new.example.com"], ["else.example.com"]] == [
        [each.key for each in configs.keychain([secret]).credentials]
        for secret in (old, new, elsewhere)
    ]


def test_a_secret_without_version_is_not_remembered() -> None:
    """Manifests have no versions, so that only their content tells them apart."""
    configs = DockerConfigs()
    secrets = [a_secret("acr", host, version="") for host in ("a.example.com", "b.example.com")]

    assert [["a.example.com"], ["b.example.com"]] == [
        [each.key for each in configs.keychain([secret]).credentials] for secret in secrets
    ]


async def test_a_secret_of_70_000_keys_stops_nobody() -> None:
    """A Secret as large as the API server takes is not read; another one still counts."""
    huge = a_secret("huge", *(f"a{number}" for number in range(MAX_CONFIG_PIECES)))
    good = a_secret("good", "registry.example.com")

    assert (
        NamedSecret(
            "huge",
            SecretState.TOO_LARGE,
            remark=f"the document has {4 * MAX_CONFIG_PIECES + 2} members and items, "
            f"at most {MAX_CONFIG_PIECES} are read",
        ),
        NamedSecret("good", SecretState.USABLE),
    ) == await states_of(huge, good)


async def test_a_secret_with_300_registries_is_read() -> None:
    """What people have fits, with room."""
    many = a_secret("many", "registry.example.com", *(f"r{n}.example.com" for n in range(300)))

    assert (NamedSecret("many", SecretState.USABLE),) == await states_of(many)


def test_failing_logins_count_in_the_namespace_of_the_secrets() -> None:
    """Those without any are nobody's."""
    configs = DockerConfigs()
    owners = [configs.keychain(named).owner for named in ((a_secret("acr", "a.example"),), ())]

    assert ["shop", ""] == owners
