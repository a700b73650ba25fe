"""Which hosts policies name, what the file about registries says, and what is counted."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from cosign.fakes import a_key
from landwaiter.deadline import Deadline
from landwaiter.errors import InvalidInput, LandwaiterError
from landwaiter.images.content import Descriptor
from landwaiter.images.patterns import ImagePattern
from landwaiter.images.reference import ImageReference
from landwaiter.policy.matching import Policy
from landwaiter.registry.keychain import EMPTY_KEYCHAIN
from landwaiter.registry.settings import HostSettings, RegistrySettings
from landwaiter.rules.allowed_registries import AllowedRegistries
from landwaiter.rules.attestations import Attestations, RequiredAttestation
from landwaiter.rules.cosign_signatures import CosignSignatures
from landwaiter.rules.protocol import Rule
from landwaiter.rules.pull_secrets import PullSecrets
from landwaiter.rules.requirement import Requirement
from landwaiter.rules.signing_authority import SigningAuthority
from landwaiter.telemetry.observers import REQUEST_OUTCOMES, RegistryMetrics
from landwaiter.wiring.registries import ObservedRegistry, named_by, registry_settings
from policy.builders import a_policy
from registry.clients import client_for, named
from registry.fake_registry import FakeRegistry, answer, silent

HOST = "r.corp.example:5000"


def patterns(*texts: str) -> tuple[ImagePattern, ...]:
    return tuple(map(ImagePattern.parse, texts))


def with_rule(rule: Rule) -> Policy:
    policy = a_policy()
    return Policy(
        name=policy.name,
        actions=policy.actions,
        failure_policy=policy.failure_policy,
        templates=None,
        namespace_selector=policy.namespace_selector,
        object_selector=policy.object_selector,
        images=policy.images,
        rules=(rule,),
    )


def signed_in(repository: str) -> CosignSignatures:
    """Return a rule that wants signatures in a repository, and others beside images."""
    there = SigningAuthority("ci", a_key(), repository=ImageReference.parse(repository))
    authorities = (SigningAuthority("beside", a_key()), there)
    return CosignSignatures(authorities, Requirement(("beside", "ci")))


def attested_in(repository: str) -> Attestations:
    """Return a rule that wants attestations in a repository, and others beside images."""
    there = SigningAuthority("ci", a_key(), repository=ImageReference.parse(repository))
    authorities = (SigningAuthority("beside", a_key()), there)
    required = RequiredAttestation(
        "https://slsa.dev/provenance/v1", authorities, Requirement(("beside", "ci"))
    )
    return Attestations((required,))


@pytest.mark.parametrize(
    ("policy", "is_named"),
    [
        (a_policy(), False),
        (a_policy(images=(HOST,)), True),
        (a_policy(images=(f"{HOST}/team/**",)), True),
        (a_policy(images=("R.Corp.example:5000",)), True),
        (a_policy(images=("r.corp.example",)), False),
        (a_policy(images=("*.corp.example:5000",)), False),
        (with_rule(AllowedRegistries(allow=patterns("docker.io", HOST))), True),
        (with_rule(AllowedRegistries(allow=patterns("*.corp.example:5000"))), False),
        (with_rule(AllowedRegistries(deny=patterns(HOST))), False),
        (with_rule(AllowedRegistries(allow=patterns("docker.io"), deny=patterns(HOST))), False),
        (with_rule(PullSecrets(patterns(f"{HOST}/team"))), True),
        (with_rule(signed_in(f"{HOST}/signatures")), True),
        (with_rule(attested_in(f"{HOST}/attestations")), True),
        (with_rule(attested_in("other.corp.example/attestations")), False),
        (with_rule(signed_in("other.corp.example/signatures")), False),
        (replace(with_rule(signed_in(f"{HOST}/signatures")), namespace="shop"), False),
    ],
)
def test_semantics_11_hosts_that_policies_name_without_wildcard(
    policy: Policy,
    is_named: bool,  # noqa: FBT001
) -> None:
    """Only these may have addresses that are not public; to deny a host is not to name it."""
    assert is_named == named_by(lambda: (a_policy(), policy))(HOST)


def test_semantics_11_the_policies_in_force_now_are_asked() -> None:
    """A policy that is taken back takes its hosts with it."""
    policies = [a_policy(images=(HOST,))]
    is_named = named_by(lambda: policies)
    before = is_named(HOST)
    policies.clear()

    assert (True, False) == (before, is_named(HOST))


def test_without_a_file_no_registry_has_settings() -> None:
    """Everything is then reached over https, at public addresses."""
    assert RegistrySettings() == registry_settings(None)


def test_relative_names_in_the_file_are_taken_from_its_folder(tmp_path: Path) -> None:
    """The file can be mounted anywhere together with what it names."""
    (tmp_path / "ca.pem").write_text("")
    file = tmp_path / "registries.yaml"
    file.write_text(f"registries: [{{host: '{HOST}', caFile: ca.pem}}]")

    expected = RegistrySettings({HOST: HostSettings(ca_file=tmp_path / "ca.pem")})
    assert expected == registry_settings(file)


def test_an_empty_file_names_no_registry(tmp_path: Path) -> None:
    """A file that is to be filled in later is no fault."""
    file = tmp_path / "registries.yaml"
    file.write_text("# none yet\n")

    assert RegistrySettings() == registry_settings(file)


@pytest.mark.parametrize("text", ["a: [", "registries: {}", "registries: []\n---\nregistries: []"])
def test_a_file_that_does_not_load_is_named(tmp_path: Path, text: str) -> None:
    """The message begins with the file, whatever is wrong with it."""
    file = tmp_path / "registries.yaml"
    file.write_text(text)

    with pytest.raises(InvalidInput) as raised:
        registry_settings(file)

    assert str(raised.value).startswith(str(file))


IMAGE_OF = {
    "resolve": lambda it, image, deadline: it.resolve(
        image, keychain=EMPTY_KEYCHAIN, deadline=deadline
    ),
    "manifest": lambda it, image, deadline: it.manifest(
        image, keychain=EMPTY_KEYCHAIN, deadline=deadline
    ),
    "referrers": lambda it, image, deadline: it.referrers(
        image, keychain=EMPTY_KEYCHAIN, deadline=deadline
    ),
    "blob": lambda it, image, deadline: it.blob(
        image,
        Descriptor("any", image.digest, 2),
        10,
        keychain=EMPTY_KEYCHAIN,
        deadline=deadline,
    ),
}
Ask = Callable[[ObservedRegistry, ImageReference, Deadline], Awaitable[object]]


@pytest.mark.parametrize("ask", IMAGE_OF.values(), ids=IMAGE_OF)
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("404", "missing"),
        ("403", "denied"),
        ("500", "unavailable"),
        ("large", "malformed"),
        ("slow", "late"),
        (None, "answered"),
    ],
)
async def test_each_question_is_counted_once_by_its_outcome(
    ask: Ask, fault: str | None, expected: str
) -> None:
    """Every method of the client is observed, whatever comes of it."""
    collectors = CollectorRegistry()
    async with FakeRegistry() as registry:
        content = registry.add_blob("team/app", b"{}")
        digest = registry.add_image("team/app")
        image = ImageReference.parse(f"{registry.host}/team/app@{digest}")
        if ask is IMAGE_OF["blob"]:
            image = image.with_digest(content.digest)
        faults = {
            "large": answer(
                200, b" " * 5_000_000, Content_Type="application/vnd.oci.image.index.v1+json"
            ),
            "slow": silent(registry),
        }
        if fault is not None:
            registry.on("/v2/", faults.get(fault) or answer(int(fault)))
        deadline = Deadline.after(0.2 if fault == "slow" else 20)
        async with client_for(named(registry)) as client:
            observed = ObservedRegistry(client, RegistryMetrics(collectors))
            with suppress(LandwaiterError):
                await ask(observed, image, deadline)

    counted = {
        outcome: collectors.get_sample_value(
            "landwaiter_registry_request_seconds_count", {"outcome": outcome}
        )
        for outcome in REQUEST_OUTCOMES
    }
    # A registry without referrers API, and without the fallback tag, has none: that is an answer.
    if ask is IMAGE_OF["referrers"] and fault == "404":
        expected = "answered"
    assert {name: float(name == expected) for name in REQUEST_OUTCOMES} == counted
