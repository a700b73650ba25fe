"""
A cold decision asks one thing after the other only where the next question needs the last answer.

The longest way, of an image that is written with a tag, in the order of what needs what:

1. its service account, which names pull secrets, where the Pod names none;
2. these pull secrets;
3. the manifest that the tag names: the registry wants a token;
4. the token;
5. the manifest again, which tells the digest;
6. what may be signatures of the digest: the list of what refers to it, and cosign's own tag;
7. the manifest of each that is listed;
8. the content of each; cosign then asks nobody.

Keys and roots that policies have in the cluster are read meanwhile. A digest spares 3 to 5, but for
the token, after which 6 comes again. Other images and authorities add nothing to the length, and
what was asked for of late is remembered.
"""

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from cosign.fakes import a_bundle, a_key, a_root, fake_cosign
from landwaiter.cluster.client import ClusterClient
from landwaiter.cluster.keys import ObjectKey
from landwaiter.cluster.view import NamespaceLabels
from landwaiter.deadline import Deadline
from landwaiter.images.patterns import ImagePattern
from landwaiter.images.reference import ImageReference
from landwaiter.policy.case import Case, Operation, Side
from landwaiter.policy.judge import Judge
from landwaiter.policy.matching import Policy
from landwaiter.policy.policy_set import PolicySet
from landwaiter.public_keys import PublicKey
from landwaiter.registry.exchange import Ask, Reply
from landwaiter.registry.transport import Transport
from landwaiter.rules.allowed_registries import AllowedRegistries
from landwaiter.rules.cosign_signatures import CosignSignatures
from landwaiter.rules.protocol import Rule
from landwaiter.rules.pull_secrets import PullSecrets
from landwaiter.rules.references import ConfigMapEntry, SecretEntry
from landwaiter.rules.requirement import Requirement
from landwaiter.rules.signing_authority import NO_TRUST, SigningAuthority, Trust
from landwaiter.rules.verdict import Action, Decision
from landwaiter.trusted_roots import Checks
from landwaiter.wiring.outside import OutsideSettings, fact_source
from policy.builders import a_policy
from registry.fake_registry import FakeRegistry
from wiring.a_cluster import DOCKER_JSON, an_inquiry
from wiring.an_outside import use
from wiring.rounds import Rounds
from wiring.signed_images import REPOSITORY, unsigned

IN_SECRET = SecretEntry("trust", "keys", "cosign.pub")


ROOT = ConfigMapEntry("trust", "roots", "root.json")
ACCOUNT, PULL_SECRET, KEY = "serviceaccounts default", "secrets pull", "secrets keys"
SIGNATURES = ["manifests/sha256-image.sig", "manifests/sha256:image", "referrers/sha256:image"]
LISTED, BUNDLE = ["manifests/sha256:listed"], ["blobs/sha256:bundle"]


@dataclass
class Cluster:
    """An API server that gives objects by name, question by question."""

    rounds: Rounds
    objects: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    async def get(self, key: ObjectKey) -> bytes | None:
        async with self.rounds.question(f"{key.resource.plural} {key.name}"):
            found = self.objects.get(key.name)
            return None if found is None else json.dumps(found).encode()

    def close(self) -> None:
        """Do nothing."""

    def add(self, name: str, namespace: str, **fields: object) -> None:
        """Let the cluster have an object."""
        self.objects[name] = {"metadata": {"name": name, "namespace": namespace}, **fields}


@dataclass
class World:
    """A cluster and a registry that are asked round by round, and who judges by them."""

    registry: FakeRegistry
    cluster: Cluster
    rounds: Rounds
    judge: Judge
    policies: list[Policy]
    names: dict[str, str]

    def image(self, note: str = "") -> ImageReference:
        """Return an image with a signature in the newer format, by tag and digest."""
        image = unsigned(self.registry, tag=f"v{note}", note=note)
        digest = str(image.digest)
        referrer = self.registry.add_referrer(REPOSITORY, digest, a_bundle(digest, a_key()))
        listed = json.loads(self.registry.content_of(REPOSITORY, referrer.digest))
        for name, each in (
            ("image", digest),
            ("listed", referrer.digest),
            ("bundle", listed["layers"][0]["digest"]),
        ):
            self.names[each.removeprefix("sha256:")] = f"{name}{note}"
        return image

    async def asked(
        self, *images: ImageReference | str, policies: tuple[Policy, ...]
    ) -> tuple[Decision, list[list[str]]]:
        """Return what is decided of a Pod with these images, and what is asked for that."""
        self.policies[:] = policies
        self.rounds.asked.clear()
        workload = replace(an_inquiry().workload, uses=tuple(use(str(each)) for each in images))
        case = Case(Operation.CREATE, workload, Deadline.after(60), credentials_allowed=True)
        verdict = await self.rounds.during(self.judge.judge(case, Side.ALL))
        return verdict.decision, self.rounds.asked


@asynccontextmanager
async def a_world(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, users: Mapping[str, str]
) -> AsyncIterator[World]:
    rounds, policies, names = Rounds(), list[Policy](), dict[str, str]()
    cluster = Cluster(rounds)
    view = ClusterClient(cluster)
    send = Transport.send

    async def in_rounds(transport: Transport, ask: Ask) -> Reply:
        text = ask.url.path.removeprefix(f"/v2/{REPOSITORY}/")
        for digest, name in names.items():
            text = text.replace(digest, name)
        async with rounds.question(text):
            return await send(transport, ask)

    monkeypatch.setattr(Transport, "send", in_rounds)
    async with FakeRegistry(users=users) as registry:
        _fill(cluster, registry)
        file = folder / "registries.yaml"
        file.write_text(f'{{"registries": [{{"host": "{registry.host}", "plainHTTP": true}}]}}')
        settings = OutsideSettings(file, str(fake_cosign(folder)))
        async with fact_source(settings, policies=lambda: policies, view=view) as source:
            judge = Judge(
                policies=lambda: PolicySet(tuple(policies)),
                source=source,
                namespaces=NamespaceLabels(view),
            )
            yield World(registry, cluster, rounds, judge, policies, names)
    await view.close()


def _fill(cluster: Cluster, registry: FakeRegistry) -> None:
    login = {"auths": {registry.host: {"username": "ann", "password": "pw"}}}
    cluster.add("default", "shop", imagePullSecrets=[{"name": "pull"}])
    cluster.add("pull", "shop", type=DOCKER_JSON, data={".dockerconfigjson": encoded(login)})
    cluster.add("keys", "trust", stringData={"cosign.pub": a_key().pem})
    cluster.add("roots", "trust", data={"root.json": a_root().content.decode()})


def encoded(content: object) -> str:
    return base64.b64encode(json.dumps(content).encode()).decode()


@pytest.fixture
async def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Give a world whose registry gives tokens to whoever has a password."""
    async with a_world(tmp_path, monkeypatch, users={"ann": "pw"}) as world:
        yield world


@pytest.fixture
async def public(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Give a world whose registry asks nobody for anything."""
    async with a_world(tmp_path, monkeypatch, users={}) as world:
        yield world


def signed_by(*keys: PublicKey | SecretEntry, trust: Trust = NO_TRUST) -> CosignSignatures:
    checks = Checks(transparency_log=trust.root is not None)
    authorities = tuple(
        SigningAuthority(f"by{number}", key, checks, trust) for number, key in enumerate(keys)
    )
    names = tuple(each.name for each in authorities)
    return CosignSignatures(authorities, Requirement(names), unpinned="Warn")


def wanting(*rules: Rule, actions: tuple[Action, ...] = (Action.DENY,)) -> Policy:
    return replace(a_policy(actions=actions), rules=rules)


async def test_a_tag_takes_eight_rounds_at_most(private: World) -> None:
    """A key in a Secret is read while the tag is resolved, and adds none."""
    image = str(private.image()).partition("@")[0]

    assert (
        Decision.ALLOW,
        [
            [KEY, ACCOUNT],
            [PULL_SECRET],
            ["manifests/v"],
            ["/token"],
            ["manifests/v"],
            SIGNATURES,
            LISTED,
            BUNDLE,
        ],
    ) == await private.asked(image, policies=(wanting(signed_by(IN_SECRET)),))


async def test_a_digest_takes_seven_rounds_at_most(private: World) -> None:
    """All that may be signatures is asked for at once, and the token for it once."""
    image = private.image()

    assert (
        Decision.ALLOW,
        [[KEY, ACCOUNT], [PULL_SECRET], SIGNATURES, ["/token"], SIGNATURES, LISTED, BUNDLE],
    ) == await private.asked(image, policies=(wanting(signed_by(IN_SECRET)),))


async def test_what_was_asked_of_late_is_not_asked_again(private: World) -> None:
    """Of the next image of the same repository only its signatures are not known yet."""
    policies = (wanting(signed_by(IN_SECRET)),)
    await private.asked(private.image("-before"), policies=policies)

    assert (Decision.ALLOW, [SIGNATURES, LISTED, BUNDLE]) == await private.asked(
        private.image(), policies=policies
    )


async def test_images_and_authorities_are_looked_at_together(public: World) -> None:
    """Two images by three authorities take as many rounds as one by one."""
    images = public.image("1"), public.image("2")
    both = [sorted(each.replace("image", f"image{n}") for each in SIGNATURES) for n in "12"]
    rule = signed_by(a_key(2), a_key(3), a_key())

    assert (
        Decision.ALLOW,
        [
            [ACCOUNT],
            [PULL_SECRET],
            sorted(both[0] + both[1]),
            [f"{LISTED[0]}{n}" for n in "12"],
            [f"{BUNDLE[0]}{n}" for n in "12"],
        ],
    ) == await public.asked(*images, policies=(wanting(rule),))


async def test_all_of_an_authority_is_read_at_once(public: World) -> None:
    """Its key, its root, and the credentials of the workload."""
    rule = signed_by(IN_SECRET, trust=Trust(ROOT))
    _, asked = await public.asked(public.image(), policies=(wanting(rule),))

    assert [["configmaps roots", KEY, ACCOUNT], [PULL_SECRET], SIGNATURES] == asked[:3]


PULLABLE = PullSecrets((ImagePattern.parse("**"),))


async def test_semantics_10_what_refuses_is_waited_for(public: World) -> None:
    """An image that lacks a pull secret, also when it is looked for anew, is not looked up."""
    public.cluster.add("default", "shop", imagePullSecrets=[])

    assert (Decision.DENY, [[ACCOUNT], [ACCOUNT]]) == await public.asked(
        public.image(), policies=(wanting(PULLABLE, signed_by(IN_SECRET)),)
    )


async def test_semantics_10_what_only_warns_is_not_waited_for(public: World) -> None:
    """It spares nothing, so that the key is read at the same time."""
    policies = (wanting(PULLABLE, actions=(Action.WARN,)), wanting(signed_by(IN_SECRET)))

    assert (
        Decision.ALLOW,
        [[KEY, ACCOUNT], [PULL_SECRET], SIGNATURES, LISTED, BUNDLE],
    ) == await public.asked(public.image(), policies=policies)


@pytest.mark.parametrize("is_asked_about", [True, False])
async def test_nothing_is_read_for_what_is_refused_or_no_policy_is_about(
    public: World,
    is_asked_about: bool,  # noqa: FBT001
) -> None:
    """Neither keys nor pull secrets, neither of a tag nor of a digest."""
    elsewhere = ImagePattern.parse("elsewhere.example.com")
    policy = wanting(AllowedRegistries((elsewhere,), ()), signed_by(IN_SECRET))
    if not is_asked_about:
        policy = replace(policy, images=(elsewhere,))
    image = public.image()
    decision = Decision.DENY if is_asked_about else Decision.ALLOW

    assert (decision, []) == await public.asked(
        image, str(image).partition("@")[0], policies=(policy,)
    )
