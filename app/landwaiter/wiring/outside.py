"""Builds what finds out facts: the registry client, cosign, and the cluster or its stand-in."""

import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from landwaiter.cluster.view import ClusterView
from landwaiter.cosign.attestations import AttestationVerifier
from landwaiter.cosign.indexes import IndexVerifier
from landwaiter.cosign.kms import KMSKeys
from landwaiter.cosign.kms_settings import NO_KMS, KMSSettings
from landwaiter.cosign.program import CosignProgram
from landwaiter.cosign.verifier import SignatureVerifier, VerifierSettings
from landwaiter.inventory.ledger import Ledger
from landwaiter.policy.matching import Policy
from landwaiter.providers.asking import Warn, silently
from landwaiter.registry.client import RegistryClient
from landwaiter.registry.credentials import ImageCoverage
from landwaiter.registry.hosts import api_host
from landwaiter.registry.keychain import Keychain
from landwaiter.registry.settings import RegistrySettings
from landwaiter.rules.attestations import AttestationQuestion
from landwaiter.rules.cosign_signatures import SignatureQuestion
from landwaiter.rules.image_content import ConfigurationsQuestion, PlatformsQuestion
from landwaiter.rules.protocol import CurrentDigest, FactSource
from landwaiter.rules.pull_secret_answers import PullSecretQuestion
from landwaiter.rules.signing_authority import AuthorityAtHand
from landwaiter.telemetry.observers import (
    ConditionMetrics,
    CosignMetrics,
    ProgramMetrics,
    RegistryMetrics,
)
from landwaiter.trust.hosts import HostSettings
from landwaiter.trust.tuf_repositories import TUFRepositories
from landwaiter.wiring.at_hand import AuthoritiesAtHand
from landwaiter.wiring.attestations import AttestationAnswers
from landwaiter.wiring.credentials import (
    NO_CREDENTIAL_SETTINGS,
    CredentialSettings,
    further_credentials,
    patterns_of,
)
from landwaiter.wiring.current_digests import CurrentDigests
from landwaiter.wiring.facts import FactSources
from landwaiter.wiring.image_contents import ImageContents
from landwaiter.wiring.keychains import PullSecretReader
from landwaiter.wiring.pull_secrets import PullSecretStates
from landwaiter.wiring.pull_trials import PullTrials
from landwaiter.wiring.registries import ObservedRegistry, named_by, registry_settings
from landwaiter.wiring.signatures import Signatures
from landwaiter.wiring.statement_conditions import statement_conditions
from landwaiter.wiring.trust import AuthorityReader

UNNAMED_LANE = "not named"
"""What all registries share that no admin has named; no host has a space in its name."""


@dataclass(frozen=True, slots=True)
class OutsideSettings:
    """
    What the admin says about the world outside.

    `cosign` is a name on PATH or a path; `cosign_runs` is None for as many as
    `sizing.py` finds room for. `credentials`
    are where the install's own come from.
    """

    registries: Path | None
    cosign: str
    cosign_runs: int | None = None
    kms: KMSSettings = NO_KMS
    credentials: CredentialSettings = NO_CREDENTIAL_SETTINGS


@asynccontextmanager
async def fact_source(  # noqa: PLR0913  # What each user of facts gives, passed by name.
    settings: OutsideSettings,
    *,
    policies: Callable[[], Iterable[Policy]],
    view: ClusterView,
    collectors: CollectorRegistry | None = None,
    clock: Callable[[], float] = time.time,
    expressions: ConditionMetrics | None = None,
    warn: Warn = silently,
    ledger: Ledger | None = None,
) -> AsyncIterator[FactSource]:
    """
    Give a source of all facts for the body of the context; all work has ended behind it.

    `clock` tells how old attestations are, in seconds of Unix; `expressions` counts what they say;
    what is verified goes into the `ledger`.
    `warn` is told of credentials that cannot be had, whether or not an image needs them.
    Raises `InvalidInput` when a file about registries or credentials does not load.
    """
    collectors = collectors or CollectorRegistry()
    registries = registry_settings(settings.registries)
    providers = settings.credentials.providers()
    client = RegistryClient(registries, named_by_policy=named_by(policies))
    of_nodes = ImageCoverage((*registries.node_credentials, *patterns_of(providers)))

    def lane_of(host: str) -> str:
        return api_host(host) if client.is_named(host) else UNNAMED_LANE

    programs = ProgramMetrics(collectors)
    async with (
        client,
        further_credentials(
            settings.credentials, providers, warn=warn, observer=programs
        ) as further,
    ):
        reader = PullSecretReader(view, registries.mirrors, further)
        registry = ObservedRegistry(client, RegistryMetrics(collectors))
        verifier: SignatureVerifier[Keychain] = SignatureVerifier(
            registry,
            _verifier_settings(settings),
            observer=CosignMetrics(collectors),
            lane_of=lane_of,
            signed_name=registries.mirrors.signed_name,
        )
        async with (
            verifier,
            TUFRepositories(lambda host: reached(registries, host)) as repositories,
            _kms_keys(verifier.program, settings.kms) as kms,
            IndexVerifier(verifier, registry) as signatures,
            AttestationVerifier(registry, verifier.program, lane_of=lane_of) as attestations,
            CurrentDigests(registry, reader, lane_of=lane_of) as digests,
            ImageContents(registry, reader, lane_of=lane_of) as contents,
            statement_conditions(clock=clock, metrics=expressions) as conditions,
            PullTrials(registry, lane_of=lane_of) as trials,
        ):
            authorities = AuthorityReader(view, repositories, kms)
            ledger = ledger or Ledger()
            yield FactSources(
                {
                    CurrentDigest: digests.answer,
                    AuthorityAtHand: AuthoritiesAtHand(authorities, reader).answer,
                    PlatformsQuestion: contents.platforms,
                    ConfigurationsQuestion: contents.configurations,
                    SignatureQuestion: Signatures(
                        signatures,
                        reader,
                        authorities,
                        ledger,
                        verifier.version,
                        registries.mirrors,
                    ).answer,
                    AttestationQuestion: AttestationAnswers(
                        attestations,
                        reader,
                        authorities,
                        conditions,
                        ledger,
                        verifier.version,
                        registries.mirrors,
                    ).answer,
                    PullSecretQuestion: PullSecretStates(
                        reader, of_nodes=of_nodes, trials=trials
                    ).answer,
                }
            )


def reached(registries: RegistrySettings, host: str) -> HostSettings:
    """Say how the host of a TUF repository is reached: as the admin says of any host."""
    found = registries.of(host)
    return HostSettings(found.plain_http, found.ca_file)


@asynccontextmanager
async def _kms_keys(program: CosignProgram, settings: KMSSettings) -> AsyncIterator[KMSKeys]:
    keys = KMSKeys(program, settings)
    try:
        yield keys
    finally:
        await keys.close()


def _verifier_settings(settings: OutsideSettings) -> VerifierSettings:
    program = Path(shutil.which(settings.cosign) or settings.cosign)
    if settings.cosign_runs is None:
        return VerifierSettings(program)
    return VerifierSettings(program, runs_at_once=settings.cosign_runs)
