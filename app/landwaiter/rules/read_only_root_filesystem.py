"""
Every container keeps the files of its image as they are.

Refused:  a container, init container or ephemeral container whose own security context does not
          say `readOnlyRootFilesystem: true`; there is no such field for a whole Pod.
Admitted: image volumes, which have no root file system and are mounted read-only; with
          `ephemeralContainers: Allow` the containers that `kubectl debug` adds; Pods that can run
          on Windows nodes alone, where containers have to write (the API server refuses the field
          beside `os.name: windows`).
Source:   pkg/securitycontext/util.go and validateWindows in pkg/apis/core/validation/validation.go
          of Kubernetes 1.36.3; kubernetes.io/docs/concepts/storage/volumes, "image" (1.36).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from landwaiter.rules.protocol import Facts, Question, RuleId, Unpinned, Violation
from landwaiter.rules.settings import RuleSettings
from landwaiter.workloads.values import ImageRole, ImageUse

EphemeralContainers = Literal["Deny", "Allow"]


@dataclass(frozen=True, slots=True)
class ReadOnlyRootFilesystem:
    """Refuses containers that can change the files of their image."""

    id: ClassVar[RuleId] = RuleId("readOnlyRootFilesystem")
    reads: ClassVar[frozenset[str]] = frozenset({"read_only_root_filesystem", "nodes"})
    judges_content: ClassVar[bool] = False
    vouches_for_registry: ClassVar[bool] = False
    unpinned: ClassVar[Unpinned] = "Deny"

    ephemeral_containers: EphemeralContainers = "Deny"

    def needs(self, use: ImageUse) -> tuple[Question[Any], ...]:
        """Ask for nothing: the Pod says it all."""
        return ()

    def judge(self, use: ImageUse, facts: Facts) -> Violation | None:
        """Return what is wrong with one image use, None where nothing is."""
        place = use.place
        if place.read_only_root_filesystem or place.role is ImageRole.VOLUME:
            return None
        is_ephemeral = place.role is ImageRole.EPHEMERAL_CONTAINER
        if is_ephemeral and self.ephemeral_containers == "Allow":
            return None
        if place.nodes.is_only("windows"):
            return None
        at = f"{place.path.removesuffix('.image')}.securityContext"
        seen = "not written" if place.read_only_root_filesystem is None else "false"
        return Violation(
            self.id,
            reason="root file system can be written",
            detail=(
                f"readOnlyRootFilesystem is {seen}, so the {place.role} could change the files of "
                "its image; true is wanted"
            ),
            remedy=(
                f"write readOnlyRootFilesystem: true in {at}, and mount an emptyDir where the "
                "program has to write"
            ),
        )


class ReadOnlyRootFilesystemSettings(RuleSettings):
    """Every container keeps the files of its image as they are."""

    ephemeral_containers: EphemeralContainers = "Deny"
    """What becomes of a container that `kubectl debug` adds and that could write."""

    def rule(self, folder: Path) -> ReadOnlyRootFilesystem:
        """Return the rule; it reads no file."""
        return ReadOnlyRootFilesystem(self.ephemeral_containers)
