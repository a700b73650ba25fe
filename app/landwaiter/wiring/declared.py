"""
Judges declared cases: the webhook's own judge, with declared facts for the world.

Pull secrets are read from the declared cluster state as they are from a cluster. What a case does
not declare is undecided, and says what to declare.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from landwaiter.cluster.state import ClusterState
from landwaiter.cluster.view import ClusterView, NamespaceLabels
from landwaiter.cosign.attestation_judging import summary
from landwaiter.cosign.statements import Attestation
from landwaiter.deadline import Deadline
from landwaiter.errors import InvalidManifest, InvalidReview, RegistryUnavailable
from landwaiter.images.configuration import ImageConfiguration, ImageIndex, IndexEntry
from landwaiter.images.platforms import Platform
from landwaiter.images.reference import ImageReference, ShortNames
from landwaiter.manifests.documents import Document, read_file
from landwaiter.policy.case import Case, Operation, Requester, RequestObjects, Side
from landwaiter.policy.declared import (
    AttestationFactSettings,
    DeclaredCase,
    FactSettings,
    PolicyTest,
)
from landwaiter.policy.exceptions import Clock, utc_now
from landwaiter.policy.install import ANY_INSTALL
from landwaiter.policy.judge import Judge
from landwaiter.policy.policy_set import PolicySet
from landwaiter.policy.sources import load_documents
from landwaiter.registry.image_reading import Content
from landwaiter.rules.attestations import AttestationAnswer, AttestationQuestion
from landwaiter.rules.cosign_signatures import SignatureAnswer, SignatureQuestion
from landwaiter.rules.image_content import (
    Configurations,
    ConfigurationsQuestion,
    OfferedPlatforms,
    PlatformsQuestion,
)
from landwaiter.rules.protocol import CurrentDigest, Inquiry, Rule
from landwaiter.rules.pull_secret_answers import PullSecretQuestion
from landwaiter.rules.signing_authority import AuthorityAtHand
from landwaiter.rules.verdict import Verdict
from landwaiter.wiring.expressions import match_conditions
from landwaiter.wiring.facts import FactSources
from landwaiter.wiring.image_indexes import offered_platforms, runnable_images
from landwaiter.wiring.keychains import PullSecretReader
from landwaiter.wiring.pull_secrets import PullSecretStates
from landwaiter.wiring.statement_conditions import StatementConditions, statement_conditions
from landwaiter.workloads.values import Workload
from landwaiter.workloads.walker import read_workload

CASE_SECONDS: Final = 60.0
"""Nothing outside is waited for, so this only ends what would never end."""


@dataclass(frozen=True, slots=True)
class DeclaredFacts:
    """Answers about registries from what a document declares."""

    facts: FactSettings
    conditions: StatementConditions

    async def digest(self, question: CurrentDigest, _: Inquiry) -> str:
        """Return the declared digest of a tag. Raises `RegistryUnavailable`."""
        name = str(question.reference)
        if (digest := self.facts.digests.get(name)) is None:
            raise RegistryUnavailable(f'facts.digests does not name "{name}"')
        return digest

    async def at_hand(self, _: AuthorityAtHand, __: Inquiry) -> bool:
        """Return True: who has signed is declared, so nothing has to be read."""
        return True

    async def signature(self, question: SignatureQuestion, _: Inquiry) -> SignatureAnswer:
        """Return whether an authority is declared to have signed. Raises `RegistryUnavailable`."""
        name = question.subject.at_digest
        if (signed_by := self.facts.signatures.get(name)) is None:
            raise RegistryUnavailable(f'facts.signatures does not name "{name}"')
        if question.authority.name in signed_by:
            return SignatureAnswer(verified=True)
        return SignatureAnswer(verified=False, detail="it is not declared to have signed this")

    async def attestation(
        self, question: AttestationQuestion, inquiry: Inquiry
    ) -> AttestationAnswer:
        """Return how many declared statements count. Raises `RegistryUnavailable`."""
        name, by = question.subject.at_digest, question.authority.name
        if (declared := self.facts.attestations.get(name)) is None:
            raise RegistryUnavailable(f'facts.attestations does not name "{name}"')
        found = [
            _statement(each)
            for each in declared
            if each.predicate_type == question.predicate_type and by in each.attested_by
        ]
        if not found:
            return AttestationAnswer(0, "it is not declared to have attested this", by)
        count, problems = await self.conditions.counted(
            found, question.conditions, question.at_least, deadline=inquiry.deadline
        )
        return AttestationAnswer(count, summary(problems), by)

    async def platforms(self, question: PlatformsQuestion, _: Inquiry) -> OfferedPlatforms:
        """Return the platforms of a declared image. Raises `RegistryUnavailable`."""
        return await offered_platforms(question.subject, self._content, may_be_told=True)

    async def configurations(self, question: ConfigurationsQuestion, _: Inquiry) -> Configurations:
        """Return what declared images say. Raises `RegistryUnavailable`."""
        return await runnable_images(question, self._content, may_be_told=True)

    async def _content(self, reference: ImageReference) -> Content:
        name = reference.at_digest
        if (image := self.facts.images.get(name)) is None:
            raise RegistryUnavailable(f'facts.images does not name "{name}"')
        digest = str(reference.digest)
        if image.index is not None:
            entries = (IndexEntry(each, self._platform(reference, each)) for each in image.index)
            return ImageIndex(digest, tuple(entries))
        return ImageConfiguration(
            digest,
            image.platform,
            image.user,
            image.labels,
            None if image.created is None else image.created.at,
            tuple(image.layer_sizes),
        )

    def _platform(self, index: ImageReference, digest: str) -> Platform | None:
        """Return what an index says of an image: the platform that is declared for the image."""
        image = self.facts.images.get(index.with_digest(digest).at_digest)
        return None if image is None else image.platform


def _statement(declared: AttestationFactSettings) -> Attestation:
    at = declared.signed_at
    statement = json.dumps({"predicate": declared.predicate}, sort_keys=True).encode()
    digest = hashlib.sha256(statement).hexdigest()
    return Attestation(digest, statement, None if at is None else at.at.timestamp())


@dataclass(frozen=True, slots=True)
class Decided:
    """One case, where it stands, and what came of it."""

    case: DeclaredCase
    place: str
    verdict: Verdict


async def decide(document: Document, test: PolicyTest) -> list[Decided]:
    """
    Return what the policies decide about each case of a document, in order.

    Raises `InvalidInput` when a policy, a manifest or the cluster's state does not load.
    """
    folder = Path(document.source).parent

    def clock() -> datetime:
        return utc_now() if test.now is None else test.now.at

    paths = (folder / name for name in test.policies)
    install = replace(ANY_INSTALL, unmatched_images=test.unmatched_images)
    policies = _at_time(load_documents(*paths, install=install, clock=clock).policy_set, clock)
    view = ClusterState(_state(document, test), advice="add its manifest to clusterState")
    decided = []
    async with (
        match_conditions() as conditions,
        statement_conditions(clock=lambda: clock().timestamp()) as of_statements,
    ):
        source = declared_source(test.facts, view, of_statements)
        judge = Judge(
            policies=lambda: policies,
            source=source,
            namespaces=NamespaceLabels(view),
            install=install,
            clock=clock,
            conditions=conditions,
        )
        for index, case in enumerate(test.cases):
            verdict = await judge.judge(_case(document, test, index), Side.ALL)
            place = f"{document.source}:{document.line_of(('cases', index))}"
            decided.append(Decided(case, place, verdict.without_retry()))
    return decided


def _at_time(policies: PolicySet, clock: Clock) -> PolicySet:
    """Return the policies with rules that take the time from a clock."""
    return replace(
        policies,
        policies=tuple(
            replace(policy, rules=tuple(_rule_at_time(rule, clock) for rule in policy.rules))
            for policy in policies
        ),
    )


def _rule_at_time(rule: Rule, clock: Clock) -> Rule:
    value: Any = rule  # Every rule is a dataclass; those that ask for the time have a clock.
    if any(field.name == "clock" for field in fields(value)):
        timed: Rule = replace(value, clock=clock)
        return timed
    return rule


def declared_source(
    declared: FactSettings, view: ClusterView, conditions: StatementConditions
) -> FactSources:
    """Return what answers the questions of rules from what is declared."""
    facts = DeclaredFacts(declared, conditions)
    return FactSources(
        {
            CurrentDigest: facts.digest,
            AuthorityAtHand: facts.at_hand,
            SignatureQuestion: facts.signature,
            AttestationQuestion: facts.attestation,
            PlatformsQuestion: facts.platforms,
            ConfigurationsQuestion: facts.configurations,
            PullSecretQuestion: PullSecretStates(PullSecretReader(view)).answer,
        }
    )


def _state(document: Document, test: PolicyTest) -> Iterator[Document]:
    for index in range(len(test.cluster_state)):
        yield document.part(("clusterState", index))


def _case(document: Document, test: PolicyTest, index: int) -> Case:
    declared = test.cases[index]
    place, manifest = _manifest(document, declared, index)
    workload = _workload(place, manifest, declared, test.short_names)
    old: Workload | None = None
    if declared.old is not None:
        place = f"{document.source}:{document.line_of(('cases', index, 'old'))}"
        old = _workload(place, declared.old, declared, test.short_names)
    by = declared.requester
    requester = None if by is None else Requester(by.name, tuple(by.groups))
    return Case(
        Operation.CREATE if old is None else Operation.UPDATE,
        workload,
        Deadline.after(CASE_SECONDS),
        old=old,
        credentials_allowed=True,
        requester=requester,
        objects=RequestObjects.of_manifest(
            manifest, namespace=workload.namespace, requester=requester, old=declared.old
        ),
    )


def _manifest(
    document: Document, declared: DeclaredCase, index: int
) -> tuple[str, Mapping[str, Any]]:
    """Return where the object of a case stands, and the object."""
    if declared.manifest is not None:
        place = document.line_of(("cases", index, "manifest"))
        return f"{document.source}:{place}", declared.manifest
    file = Path(document.source).parent / (declared.file or "")
    found = [each for one in read_file(file) for each in one.objects()]
    if len(found) != 1 or not isinstance(found[0].value, dict):
        raise InvalidManifest(f"{file}: {len(found)} objects given, one is wanted")
    return f"{file}:{found[0].line_of()}", found[0].value


def _workload(
    place: str, value: Mapping[str, Any], declared: DeclaredCase, short_names: ShortNames
) -> Workload:
    metadata = value.get("metadata")
    own = metadata.get("namespace") if isinstance(metadata, Mapping) else None
    namespace = own if isinstance(own, str) and own else declared.namespace
    try:
        workload = read_workload(value, namespace=namespace, short_names=short_names)
    except InvalidReview as problem:
        raise InvalidManifest(f"{place}: {problem}") from problem
    if workload is None:
        raise InvalidManifest(f"{place}: an object without images given, one with is wanted")
    return workload
