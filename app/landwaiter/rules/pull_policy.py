"""
Every image is pulled as often as its name asks for.

Refused:  a tag that floats without `Always`, since a node that has an older image of the tag
          would run that; `Never`, besides for images that the admin has put on the nodes.
Admitted: a digest, or a tag that does not float, with `Always` or `IfNotPresent`.
Default:  where none is written, the API server sets `Always` for the tag `latest`, also beside a
          digest, and where neither tag nor digest is written; `IfNotPresent` otherwise. It does so
          in templates too, and before admission; offline the manifest is as it was written.
Limits:   the policy stays when only the image is changed: `kubectl set image` from a fixed tag to
          `latest` keeps `IfNotPresent`, which is refused here.
Source:   SetDefaults_Container, SetDefaults_EphemeralContainer and SetDefaults_Volume in
          pkg/apis/core/v1/defaults.go, and pkg/util/parsers/parsers.go, of Kubernetes 1.36.3.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from landwaiter.images.patterns import DEFAULT_TAG, ImagePattern, TagPattern
from landwaiter.images.reference import ImageReference, quoted
from landwaiter.rules.allowed_registries import PATTERNS_MAX
from landwaiter.rules.pinned_tags import FLOATING_MAX, LATEST
from landwaiter.rules.protocol import Facts, Question, RuleId, Unpinned, Violation
from landwaiter.rules.settings import PatternField, RuleSettings, TagPatternField
from landwaiter.workloads.values import ImageRole, ImageUse

ALWAYS, IF_NOT_PRESENT, NEVER = "Always", "IfNotPresent", "Never"
POLICIES = (ALWAYS, IF_NOT_PRESENT, NEVER)


@dataclass(frozen=True, slots=True)
class PullPolicy:
    """
    Refuses images that a node would not pull when it should.

    `floating` are the tags that want `Always`; `preloaded` are the images that may have `Never`.
    """

    id: ClassVar[RuleId] = RuleId("pullPolicy")
    reads: ClassVar[frozenset[str]] = frozenset({"pull_policy"})
    judges_content: ClassVar[bool] = False
    vouches_for_registry: ClassVar[bool] = False
    unpinned: ClassVar[Unpinned] = "Deny"

    floating: tuple[TagPattern, ...]
    preloaded: tuple[ImagePattern, ...] = ()

    def needs(self, use: ImageUse) -> tuple[Question[Any], ...]:
        """Ask for nothing: the Pod says it all."""
        return ()

    def judge(self, use: ImageUse, facts: Facts) -> Violation | None:
        """Return what is wrong with one image use, None where nothing is."""
        policy = use.place.pull_policy or default_for(use.reference)
        if policy == NEVER:
            return self._never(use)
        if policy == ALWAYS:
            return None
        if policy == IF_NOT_PRESENT:
            return self._kept(use)
        return Violation(
            self.id,
            reason="unknown pull policy",
            detail=f"{_field(use)} is {quoted(policy)}; one of {', '.join(POLICIES)} is wanted",
            remedy=f"write {_field(use)}: {default_for(use.reference)}",
        )

    def _never(self, use: ImageUse) -> Violation | None:
        if any(pattern.matches(use.reference) for pattern in self.preloaded):
            return None
        only = "" if not self.preloaded else ", besides for images that are preloaded"
        return Violation(
            self.id,
            reason="image never pulled",
            detail=(
                f"{_field(use)} is Never, so the node would run whatever it has under this name; "
                f"an image that is pulled is wanted{only}"
            ),
            remedy=f"write {_field(use)}: {default_for(use.reference)}",
        )

    def _kept(self, use: ImageUse) -> Violation | None:
        """Judge an image that is pulled only where the node has none of its name."""
        reference = use.reference
        if reference.digest is not None:
            return None
        by = next((each for each in self.floating if each.matches(reference.tag)), None)
        if by is None:
            return None
        tag = reference.tag
        seen = f'no tag is written, and "{DEFAULT_TAG}"' if tag is None else f'tag "{tag}"'
        as_pattern = "" if str(by) == (tag or DEFAULT_TAG) else f' (matches "{by}")'
        return Violation(
            self.id,
            reason="floating tag not pulled",
            detail=(
                f"{seen} floats{as_pattern}, and {_seen(use)}: a node that has an older image "
                "of this tag would run that; Always is wanted"
            ),
            remedy=f"write {_field(use)}: Always, or name a digest: NAME:TAG@sha256:...",
        )


def default_for(reference: ImageReference) -> str:
    """Return the policy that the API server sets where none is written."""
    is_latest = reference.tag == DEFAULT_TAG
    has_neither = reference.tag is None and reference.digest is None
    return ALWAYS if is_latest or has_neither else IF_NOT_PRESENT


def _field(use: ImageUse) -> str:
    return "pullPolicy" if use.place.role is ImageRole.VOLUME else "imagePullPolicy"


def _seen(use: ImageUse) -> str:
    """Return the policy that is in force, and whether Kubernetes would have chosen it."""
    default = default_for(use.reference)
    if use.place.pull_policy is None:
        return f"no {_field(use)} is written, so Kubernetes sets {default}"
    if use.place.pull_policy == default:
        return f"{_field(use)} is {default}, as Kubernetes sets it where none is written"
    return f"{_field(use)} is {use.place.pull_policy}"


class PullPolicySettings(RuleSettings):
    """Every image is pulled as often as its name asks for."""

    floating: list[TagPatternField] = Field(
        default_factory=list, min_length=1, max_length=FLOATING_MAX
    )
    """
    The tags that float besides `latest`, with `*` for anything; they want `Always`.

    `latest` floats whether it is listed or not.
    """
    preloaded: list[PatternField] = Field(
        default_factory=list, min_length=1, max_length=PATTERNS_MAX
    )
    """Patterns of images that are on the nodes already, and so may have `Never`."""

    def rule(self, folder: Path) -> PullPolicy:
        """Return the rule; it reads no file."""
        floating = tuple(dict.fromkeys((LATEST, *self.floating)))
        return PullPolicy(floating, tuple(self.preloaded))
