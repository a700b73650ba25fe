"""What `pullSecrets` asks about the Secrets named for a Pod, and what it is answered."""

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from landwaiter.images.reference import ImageReference
from landwaiter.rules.protocol import Question

SECRETS_MAX = 50
"""Each name costs a question to the API server, and whoever writes a Pod could name thousands."""

CheckAccess = Literal["Never", "Cached", "Always"]
"""Whether credentials are tried against the registry, and whether a success is remembered."""


class SecretState(Enum):
    """What a Secret is worth for one image; the value is what a message says about it."""

    USABLE = "has an entry for it"
    NOT_SHOWN = "logs in, and the registry has no such image for it"
    PULL_REFUSED = "logs in, and the registry does not let it pull this image"
    LOGIN_REFUSED = "is refused by the registry: its user name or password is wrong or revoked"
    EXPIRED = "has an entry whose token has expired"
    MISSING = "does not exist"
    OTHER_PATH = "has an entry for another path of this registry alone"
    TOKEN_ALONE = "has an entry with an identity token alone, which the kubelet does not read"  # noqa: S105  # It says that there is no other.
    NO_PASSWORD = "has an entry without user name and password"  # noqa: S105  # It says that there is none.
    EMPTY = "has no entries at all"
    NO_ENTRY = "has entries for other registries alone"
    WRONG_TYPE = "is of another type than kubernetes.io/dockerconfigjson"
    TOO_LARGE = "holds more than is looked at"
    UNPARSABLE = "does not parse"


CARRYING = frozenset(
    {
        SecretState.USABLE,
        SecretState.NOT_SHOWN,
        SecretState.PULL_REFUSED,
        SecretState.LOGIN_REFUSED,
        SecretState.EXPIRED,
    }
)
"""The states of Secrets with which the kubelet would log in, whatever comes of it."""


@dataclass(frozen=True, slots=True)
class NamedSecret:
    """
    One Secret that is named for a Pod; nothing of what it holds.

    `remark` is the type for WRONG_TYPE, when for EXPIRED, and for UNPARSABLE and TOO_LARGE what is
    wrong, without quoting it; it is empty for any other state.
    """

    name: str
    state: SecretState
    remark: str = ""

    @property
    def worth(self) -> str:
        """What the Secret is worth, to follow its name in a sentence."""
        return f"{self.state.value} ({self.remark:.200})" if self.remark else self.state.value

    def __str__(self) -> str:
        return f'"{self.name:.100}" {self.worth}'


@dataclass(frozen=True, slots=True)
class PullSecretAnswer:
    """
    The Secrets with which the node could pull an image, in the order in which they are named.

    `service_account` is the account that was looked up because the Pod names no Secret, with its
    effective name ("default" where none is written), and None where the Pod names one itself.
    `account_missing` is True when there is no such account; `left_out` counts names beyond the
    first `SECRETS_MAX`. Names that are empty, or given before, are not among `secrets`; `repeated`
    are those given before. `node_credentials` is True where nodes have credentials of their own
    for the image, and these were asked about. `is_late` is True for a Pod that is there already and
    names no Secret: it gets none of its account's any more.
    """

    namespace: str
    secrets: tuple[NamedSecret, ...]
    service_account: str | None = None
    account_missing: bool = False
    left_out: int = 0
    repeated: tuple[str, ...] = ()
    node_credentials: bool = False
    is_late: bool = False

    def in_state(self, *states: SecretState) -> tuple[NamedSecret, ...]:
        """Return the Secrets that are in one of these states, in order."""
        return tuple(secret for secret in self.secrets if secret.state in states)


@dataclass(frozen=True, slots=True)
class PullSecretQuestion(Question[PullSecretAnswer]):
    """
    Tell which of the Secrets named for a Pod let the node pull this image.

    Whose Secrets is a matter of the inquiry: those that its workload names, else, where it names
    none at all, those of its ServiceAccount. Before what speaks against the image is answered it is
    read anew, since the person may have mended it a moment ago: with `forbidden` that is a Secret
    with an entry for the image, else that there is none. With `node_credentials` those of the nodes
    count too. `check_access` tells whether what would be used is tried.
    """

    reference: ImageReference
    forbidden: bool = False
    node_credentials: bool = False
    check_access: CheckAccess = "Never"
