"""
Which users of Windows containers are administrators, for the rule `nonRootUser`.

A container of Windows runs as its `windowsOptions.runAsUserName`, else its Pod's, else as the USER
of its image, and without any of them as ContainerAdministrator. Names are compared without regard
to case and whatever domain is written before them, as Windows does. Whoever builds an image can
make any other name an administrator, as on Linux any name can have the number 0.

Source: verifyRunAsNonRoot in pkg/kubelet/kuberuntime/security_context_windows.go and
validateWindowsSecurityContextOptions in pkg/apis/core/validation/validation.go of Kubernetes
1.36.3; "Secure Windows containers" in Microsoft's documentation (read November 2026).
"""

import re
from typing import Final

from landwaiter.images.reference import quoted

USUAL: Final = "ContainerUser"
"""Whom every image of Windows has, and who may do nothing but run."""

_ADMINISTRATORS: Final = frozenset(
    {
        "administrator",
        "administrators",
        "containeradministrator",
        "localsystem",
        "system",
        "s-1-5-18",
        "s-1-5-32-544",
        "s-1-5-93-2-1",
    }
)
"""Names and identifiers of those who may do anything in a container, or on the node itself."""

_LIMITED: Final = frozenset(
    {
        "containeruser",
        r"user manager\containeruser",
        r"nt authority\local service",
        r"nt authority\localservice",
        r"nt authority\network service",
        r"nt authority\networkservice",
    }
)
_DOMAIN: Final = re.compile(r".*[\\/]", re.DOTALL)


def problem_of_name(name: str, *, named_users_are_trusted: bool) -> str:
    """Return what is wrong with the name of a Windows user, empty where nothing is."""
    folded = name.strip().casefold()
    if folded in _LIMITED:
        return ""
    account = _DOMAIN.sub("", folded).partition("@")[0].strip(" .")
    if not account or account in _ADMINISTRATORS:
        return f"{quoted(name)}, who is an administrator; another user is wanted"
    if named_users_are_trusted:
        return ""
    return (
        f"{quoted(name)}, whom the image itself may make an administrator; {USUAL} or a limited "
        "service account is wanted"
    )
