"""
No container runs as root.

The user of a container is its `runAsUser`, else its Pod's, else the USER of its image, which is a
number, a name, or nothing, which is root. What stands behind a colon is a group. All of it is the
kubelet's way; it checks it at the start of a container, and only where `runAsNonRoot` is true.

Refused:  the number 0; no USER; the name `root`; a number that is no user's (runtimes look it up
          as a name); a name where `runAsNonRoot` is true, for the kubelet does not start what it
          cannot verify; any other name, which the image may give the number 0, unless
          `namedUsers: Allow`. On Windows, which ignores `runAsUser`: an administrator, no USER,
          any other name likewise, and a container that runs on the node itself (`hostProcess`).
Admitted: a number from 1 to 2147483647; on Windows ContainerUser and limited service accounts. With
          `runAsUser`, and for Windows nodes with `runAsUserName`, the image is not looked at. An
          image volume is run by nobody.
Limits:   a Pod with `runAsUser` that may run on any node is not judged by what it would be on
          Windows, which ignores it.
Source:   verifyRunAsNonRoot in pkg/kubelet/kuberuntime/security_context_others.go, getImageUser
          in helpers.go beside it, DetermineEffectiveSecurityContext in pkg/securitycontext/util.go
          of Kubernetes 1.36.3; getUserFromImage of containerd (internal/cri/server/images) and of
          CRI-O (server/image_status.go), which are alike; WithUser in pkg/oci/spec_opts.go of
          containerd 2.1, where CVE-2024-40635 was.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from landwaiter.images.configuration import ImageConfiguration
from landwaiter.images.platforms import Platform
from landwaiter.images.reference import quoted
from landwaiter.rules.image_content import (
    PLATFORMS_MAX,
    Configurations,
    ConfigurationsQuestion,
    said_once,
)
from landwaiter.rules.protocol import Facts, RuleId, Undecided, Unpinned, Violation
from landwaiter.rules.settings import PlatformField, RuleSettings
from landwaiter.rules.windows_users import USUAL, problem_of_name
from landwaiter.workloads.values import ImagePlace, ImageRole, ImageUse, WindowsUser

NamedUsers = Literal["Deny", "Allow"]

USER_MAX = 2**31 - 1
_INT64 = range(-(2**63), 2**63)
_NUMBER = re.compile(r"([+-]?)0*([0-9]{1,19})", re.ASCII)
"""What Go's ParseInt takes; one with more digits is out of range for it, and so a name."""
_ROOT = "root"
_WINDOWS = "windows"
_NOT_SAID = WindowsUser()


@dataclass(frozen=True, slots=True)
class NonRootUser:
    """Refuses containers that run as root, or as somebody of whom that is not known."""

    id: ClassVar[RuleId] = RuleId("nonRootUser")
    reads: ClassVar[frozenset[str]] = frozenset(
        {"run_as_user", "run_as_non_root", "windows", "nodes"}
    )
    judges_content: ClassVar[bool] = True
    vouches_for_registry: ClassVar[bool] = False

    named_users: NamedUsers = "Deny"
    platforms: tuple[Platform, ...] = ()
    unpinned: Unpinned = "Deny"

    def needs(self, use: ImageUse) -> tuple[ConfigurationsQuestion, ...]:
        """Ask for the image's own user where the Pod does not say who runs it."""
        place = use.place
        if place.role is ImageRole.VOLUME or _on_windows(place).host_process:
            return ()
        is_windows = place.nodes.is_only(_WINDOWS)
        said = _on_windows(place).name if is_windows else place.run_as_user
        if said is not None:
            return ()
        return (ConfigurationsQuestion(use.reference, self.platforms, place.nodes),)

    def judge(self, use: ImageUse, facts: Facts) -> Violation | Undecided | None:
        """Return what is wrong with one image use, None where nothing is."""
        for question in self.needs(use):
            answer = facts.about(question)
            return answer if isinstance(answer, Undecided) else self._by_images(use, answer)
        return self._by_pod(use)

    def _by_images(self, use: ImageUse, answer: Configurations) -> Violation | None:
        """Return what is wrong where the image says who runs it."""
        place = use.place
        problems = [
            (image, problem) for image in answer.images if (problem := self._problem(image, place))
        ]
        if not problems:
            return None
        # Where nothing of the image may be told, the remedy goes by the Pod alone.
        told = answer.may_be_told and all(_is_windows(image, place) for image, _ in problems)
        return self._violation(
            said_once(problems, answer, untold="its user is or may be root"),
            _remedy(use, is_windows=told or place.nodes.is_only(_WINDOWS)),
        )

    def _by_pod(self, use: ImageUse) -> Violation | None:
        """Return what is wrong where the Pod says it all."""
        place = use.place
        if place.role is ImageRole.VOLUME:
            return None
        if _on_windows(place).host_process:
            return self._violation(
                "hostProcess is true, so it runs on the Windows node itself; a container is wanted",
                f"take hostProcess out of {_windows(use)}, or of the Pod's",
            )
        if place.nodes.is_only(_WINDOWS):
            return self._of_windows_pod(use, _on_windows(place).name or "")
        return self._of_pod(use, place.run_as_user or 0)

    def _violation(self, detail: str, remedy: str) -> Violation:
        return Violation(self.id, reason="root or unknown user", detail=detail, remedy=remedy)

    def _of_pod(self, use: ImageUse, user: int) -> Violation | None:
        if 0 < user <= USER_MAX:
            return None
        seen = "root" if user == 0 else f"no user's number (1 to {USER_MAX})"
        return self._violation(
            f"runAsUser is {user}, which is {seen}; another user is wanted",
            f"write the number of another user, such as 1000, as {_security(use)}.runAsUser",
        )

    def _of_windows_pod(self, use: ImageUse, name: str) -> Violation | None:
        problem = problem_of_name(name, named_users_are_trusted=self.named_users == "Allow")
        if not problem:
            return None
        return self._violation(
            f"runAsUserName is {problem}", f"write {USUAL} as {_windows(use)}.runAsUserName"
        )

    def _problem(self, image: ImageConfiguration, place: ImagePlace) -> str:
        """Return what is wrong with the image's own user, empty where nothing is."""
        if _is_windows(image, place):
            return self._problem_on_windows(image, place)
        number, name = user_of(image.user)
        if number is not None:
            return _problem_of_number(image.user, number)
        if name == _ROOT:
            return 'its USER is "root"; another user is wanted'
        if place.run_as_non_root:
            return (
                f"its USER is {quoted(name)}, and with runAsNonRoot: true the kubelet starts no "
                "container whose user it cannot verify; a number is wanted"
            )
        if self.named_users == "Deny":
            return (
                f"its USER is {quoted(name)}, which the image itself may give the number 0; a "
                "number is wanted"
            )
        return ""

    def _problem_on_windows(self, image: ImageConfiguration, place: ImagePlace) -> str:
        trusted = self.named_users == "Allow"
        if (said := _on_windows(place).name) is not None:
            problem = problem_of_name(said, named_users_are_trusted=trusted)
            return problem and f"on Windows its runAsUserName is {problem}"
        if not image.user:
            return "it has no USER, so it runs as ContainerAdministrator; another user is wanted"
        problem = problem_of_name(image.user, named_users_are_trusted=trusted)
        return problem and f"its USER is {problem}"


def _on_windows(place: ImagePlace) -> WindowsUser:
    return place.windows or _NOT_SAID


def _is_windows(image: ImageConfiguration, place: ImagePlace) -> bool:
    """Whether a container of the image would be one of Windows at this place."""
    if place.nodes.is_only(_WINDOWS):
        return True
    return image.platform is not None and image.platform.os == _WINDOWS


def user_of(user: str) -> tuple[int | None, str]:
    """Return the number of an image's USER, None where it is a name, and the name."""
    first = user.partition(":")[0]
    if not first:
        return 0, ""
    digits = _NUMBER.fullmatch(first)
    if digits and (number := int(digits[1] + digits[2])) in _INT64:
        return number, ""
    return None, first


def _problem_of_number(user: str, number: int) -> str:
    if 0 < number <= USER_MAX:
        return ""
    if not user:
        return "it has no USER, so it runs as root; another user is wanted"
    if number == 0:
        return f"its USER is {quoted(user)}, which is root; another user is wanted"
    return f"its USER is {quoted(user)}, which is no user's number; 1 to {USER_MAX} is wanted"


def _security(use: ImageUse) -> str:
    return f"{use.path.removesuffix('.image')}.securityContext"


def _windows(use: ImageUse) -> str:
    return f"{_security(use)}.windowsOptions"


def _remedy(use: ImageUse, *, is_windows: bool) -> str:
    if is_windows:
        return (
            f"write {USUAL} as {_windows(use)}.runAsUserName, or build the image with it: "
            f"USER {USUAL}"
        )
    return (
        f"write the user's number, such as 1000, as {_security(use)}.runAsUser, or build the image "
        "with it: USER 1000"
    )


class NonRootUserSettings(RuleSettings):
    """No container runs as root."""

    named_users: NamedUsers = "Deny"
    """
    What becomes of an image whose USER is a name other than `root`, where nothing asks for a
    number: the image itself says which number the name has.
    """
    platforms: list[PlatformField] = Field(
        default_factory=list, min_length=1, max_length=PLATFORMS_MAX
    )
    """The platforms of your nodes: of an index only images for them are judged, else all."""
    unpinned: Unpinned = "Deny"
    """What becomes of a reference without digest whose current image has another user than root."""

    def rule(self, folder: Path) -> NonRootUser:
        """Return the rule; it reads no file."""
        return NonRootUser(self.named_users, tuple(self.platforms), self.unpinned)
