"""
What is looked at: the install's settings, and how its cluster stands at one moment.

The picture is taken first and judged afterwards, by functions that ask nothing.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from landwaiter.cluster.access import Right
from landwaiter.cluster.listing import Content
from landwaiter.doctor.findings import Unknown
from landwaiter.sizing import CosignRuns
from landwaiter.webhooks.configuration import WebhookPath
from landwaiter.webhooks.settings import DEFAULT_TIMEOUT_SECONDS, KUBE_SYSTEM

OF_THE_CLUSTER: Final = "cluster"
"""How the set of policies of the cluster is called; `wiring.application` says so too."""


@dataclass(frozen=True, slots=True)
class Install:
    """
    What the install was told, as far as it is examined.

    `paths` are those that its policies need, None where these are not known; `tls_secret` is
    empty where the certificate is somebody else's, `verified_images` where what was verified is not
    kept, and else the Secret of its seal. `broken` says what keeps the folder of policies
    from being loaded, and `needs_pull_secrets` that a policy which is known asks for them.
    `cosign_runs` is None where this is not a Pod of the install, of whose memory nothing is known.
    """

    webhook_name: str
    own_namespace: str
    excluded: frozenset[str] = frozenset()
    timeout_seconds: int = DEFAULT_TIMEOUT_SECONDS
    tls_secret: str = ""
    last_good: tuple[str, str] | None = None
    paths: Collection[WebhookPath] | None = None
    policies_from_cluster: bool = False
    events: bool = False
    broken: str = ""
    needs_pull_secrets: bool = False
    verified_images: str = ""
    cosign_runs: CosignRuns | None = None

    @property
    def last_good_sets(self) -> tuple[tuple[str, str], ...]:
        """Where sets are kept, each as namespace and name: that of files, that of the cluster."""
        if self.last_good is None:
            return ()
        namespace, name = self.last_good
        beside = ((namespace, f"{name}-{OF_THE_CLUSTER}"),) if self.policies_from_cluster else ()
        return ((namespace, name), *beside)

    @property
    def left_out(self) -> tuple[str, ...]:
        """Every namespace that should not be judged."""
        return tuple(sorted({KUBE_SYSTEM, self.own_namespace, *self.excluded}))


@dataclass(frozen=True, slots=True)
class Picture:
    """
    How the cluster stands; None where it could not be looked at, which `unknown` tells.

    `live` and `role` are empty tuples where there is no such object, else they have it, and
    `last_good` has those sets that are there. `now` is the API server's time, in seconds since the
    epoch, and `ahead_seconds` what it is ahead of us. `missing` are rights that we lack;
    `registries` has what keeps us from reaching each, None for those that answered.
    """

    install: Install
    now: float
    ahead_seconds: float = 0.0
    live: tuple[Content, ...] | None = ()
    role: tuple[Content, ...] | None = ()
    lease: tuple[Content, ...] | None = ()
    last_good: tuple[Content, ...] | None = ()
    mutating: tuple[Content, ...] | None = ()
    validating: tuple[Content, ...] | None = ()
    namespaces: tuple[Content, ...] | None = ()
    daemon_sets: tuple[Content, ...] | None = ()
    own_pods: tuple[Content, ...] | None = ()
    missing: tuple[Right, ...] = ()
    registries: Mapping[str, str | None] = field(default_factory=dict)
    unknown: tuple[Unknown, ...] = ()


def in_the_dark(install: Install, *, now: float, unknown: tuple[Unknown, ...]) -> Picture:
    """Return the picture of a cluster that cannot be looked at."""
    return Picture(
        install,
        now,
        live=None,
        role=None,
        lease=None,
        last_good=None,
        mutating=None,
        validating=None,
        namespaces=None,
        daemon_sets=None,
        own_pods=None,
        unknown=unknown,
    )
