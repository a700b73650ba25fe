"""
The policies in force, replaced as a whole.

A set is loaded beside the one in force and takes its place in one step, so no request is judged
by half of a set. A set that does not load changes nothing but what `problems` says.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from landwaiter.errors import InvalidPolicy
from landwaiter.policy.install import DEFAULTS, PolicyInstallSettings
from landwaiter.policy.policy_set import PolicySet
from landwaiter.policy.snapshot import FolderSnapshot
from landwaiter.policy.sources import load_policies

READ_ATTEMPTS: Final = 5

NO_POLICIES: Final = PolicySet()


def load_folder(
    folder: Path, install: PolicyInstallSettings = DEFAULTS
) -> tuple[PolicySet, FolderSnapshot]:
    """
    Return the policies of a folder and all files they came from, as they were at one time.

    Raises `InvalidPolicy` with all that is wrong, also for a folder that is never the same twice.
    """
    for _ in range(READ_ATTEMPTS):
        before = FolderSnapshot.read(folder)
        problem: InvalidPolicy | None = None
        policies = PolicySet()
        try:
            policies = load_policies(folder, install)
        except InvalidPolicy as found:
            problem = found
        if FolderSnapshot.read(folder).files == before.files:
            if problem is not None:
                raise problem
            return policies, before
    raise InvalidPolicy(f"{folder}: changes faster than it can be read; a stable one is wanted")


class PoliciesInForce:
    """
    What every request is judged by: the sets of all sources together.

    Used on one event loop only, so it needs no lock. `changed` is called after each replacement,
    and after each change of `problems`.
    """

    def __init__(self, policies: PolicySet = NO_POLICIES) -> None:
        self._policies = policies
        self._sets: dict[str, PolicySet] = {}
        self._problems: dict[str, str] = {}
        self._listeners: list[Callable[[], None]] = []

    def __call__(self) -> PolicySet:
        """Return the policies in force."""
        return self._policies

    @property
    def problems(self) -> Mapping[str, str]:
        """Return, by source, why what it holds is not in force; empty when all is."""
        return dict(self._problems)

    @property
    def is_degraded(self) -> bool:
        """Whether what is in force is not what a source holds."""
        return bool(self._problems)

    def listen(self, changed: Callable[[], None]) -> None:
        """Have a function called after every change."""
        self._listeners.append(changed)

    def replace(self, source: str, policies: PolicySet) -> None:
        """Put a set in force, which its source holds as it is."""
        self._sets[source] = policies
        self._policies = PolicySet.together(self._sets.values())
        self._problems.pop(source, None)
        self._tell()

    def keep(self, source: str, problem: str) -> None:
        """Leave the set in force, though its source holds another one that does not load."""
        if self._problems.get(source) != problem:
            self._problems[source] = problem
            self._tell()

    def _tell(self) -> None:
        for changed in self._listeners:
            changed()
