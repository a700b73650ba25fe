"""
Which nodes a Pod can run on, as far as their operating system and architecture tell.

A Pod says it in `os.name`, in `nodeSelector` and in the node affinity that is required. The
kubelet holds a Pod to all three, also one that names its node itself: AdmissionCheck in
pkg/scheduler/eventhandlers.go and rejectPodAdmissionBasedOnOSField in
pkg/kubelet/lifecycle/predicate.go of Kubernetes 1.36.3; and it sets the two labels of its node
anew from its own build, in pkg/kubelet/kubelet_node_status.go. What is only preferred is not read.

An operator that is not understood leaves the choice as wide as it was: whoever judges images by
it then judges too many, and never too few.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

OS_LABEL: Final = "kubernetes.io/os"
ARCHITECTURE_LABEL: Final = "kubernetes.io/arch"


@dataclass(frozen=True, slots=True)
class Choice:
    """The values of one label that are chosen: `among` these, None for any, `without` those."""

    among: frozenset[str] | None = None
    without: frozenset[str] = frozenset()

    @classmethod
    def of(cls, operator: str, values: Iterable[str]) -> "Choice":
        """Return what one requirement chooses."""
        match operator:
            case "In":
                return cls(frozenset(values))
            case "NotIn":
                return cls(None, frozenset(values))
            case _:
                return ANY

    def narrowed(self, other: "Choice") -> "Choice":
        """Return what both choose."""
        without = self.without | other.without
        if self.among is None and other.among is None:
            return Choice(None, without)
        among = [each.among for each in (self, other) if each.among is not None]
        return Choice(frozenset.intersection(*among) - without)

    def admits(self, value: str) -> bool:
        """Whether a value is chosen."""
        return value not in self.without and (self.among is None or value in self.among)


ANY: Final = Choice()


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """Nodes of these operating systems that have these architectures."""

    os: Choice = ANY
    architecture: Choice = ANY

    def narrowed(self, other: "NodeTerm") -> "NodeTerm":
        """Return the nodes that both mean."""
        return NodeTerm(self.os.narrowed(other.os), self.architecture.narrowed(other.architecture))

    def with_label(self, key: str, choice: Choice) -> "NodeTerm":
        """Return the nodes that also have a chosen value of a label."""
        if key == OS_LABEL:
            return NodeTerm(self.os.narrowed(choice), self.architecture)
        if key == ARCHITECTURE_LABEL:
            return NodeTerm(self.os, self.architecture.narrowed(choice))
        return self

    def admits(self, os: str, architecture: str) -> bool:
        """Whether such a node is meant."""
        return self.os.admits(os) and self.architecture.admits(architecture)


@dataclass(frozen=True, slots=True)
class NodeSelection:
    """The nodes that at least one of the terms means; equal selections choose alike."""

    terms: tuple[NodeTerm, ...] = (NodeTerm(),)
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash(self.terms))

    def __hash__(self) -> int:
        # What is asked about an image is looked up by it, too, and most Pods choose no nodes.
        return self._hash

    def admits(self, os: str, architecture: str) -> bool:
        """Whether the Pod can run on such a node."""
        return any(term.admits(os, architecture) for term in self.terms)

    def is_only(self, os: str) -> bool:
        """Whether the Pod can run on nodes of one operating system alone."""
        return all(term.os.among == frozenset((os,)) for term in self.terms)


ANY_NODE: Final = NodeSelection()
