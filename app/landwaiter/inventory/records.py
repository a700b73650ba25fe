"""
What an install keeps of a success, as a `VerifiedImage` object of the cluster.

Its fields are for people who read the inventory, and for the seal: none is believed without it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from landwaiter.cluster.requests import ApiResource
from landwaiter.inventory.verifications import Success
from landwaiter.policy.crd import Column, ResourceKind
from landwaiter.policy.metadata_models import Metadata
from landwaiter.policy.models import API_VERSION
from landwaiter.rules.settings import Settings

KIND: Final = "VerifiedImage"
NAME_CHARACTERS: Final = 32
"""Of the key: 128 bits, which no two share by chance, and which a line has room for."""

AUTHORITY_MAX_CHARACTERS: Final = 253

_HASH: Final = r"^[0-9a-f]{64}$"
_TIME: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$"

Hash = Annotated[str, Field(pattern=_HASH)]
Time = Annotated[str, Field(pattern=_TIME, json_schema_extra={"format": "date-time"})]


class VerifiedImageSpec(Settings):
    """What was verified, by whom, and when."""

    repository: str = Field(min_length=1, max_length=512)
    """The registry and the repository of the image, as it is signed."""
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")
    """The digest of the image."""
    authority: str = Field(min_length=1, max_length=AUTHORITY_MAX_CHARACTERS)
    """What a policy calls whoever has signed it."""
    evidence: str = Field(min_length=1, max_length=1024)
    """The type of the attestation that it was verified by, or `signature`."""
    key: Hash
    """A hash of the image and of everything that shapes its verification."""
    when: Time
    """When it was last verified."""
    until: Time
    """When this is removed, unless it is verified again."""
    hmac: Hash
    """The seal over all other fields, by a key that Landwaiter keeps in a Secret."""


class VerifiedImage(Settings):
    """
    An image that Landwaiter has verified; nobody else writes it, and one that is forged is ignored.

    While it cannot be found out whether an image is signed, a policy with `staleIfUndecided` admits
    what was verified before under the same key and settings.
    """

    api_version: Literal["landwaiter.dev/v1alpha1"]
    """The version of the object's form."""
    kind: Literal["VerifiedImage"]
    """The kind of object."""
    metadata: Metadata
    """Its name, which belongs to its key."""
    spec: VerifiedImageSpec
    """What was verified."""


VERIFIED_IMAGES: Final = ResourceKind(
    VerifiedImage,
    "verifiedimages",
    "Cluster",
    ("verimg",),
    (
        Column("Repository", ".spec.repository"),
        Column("Digest", ".spec.digest"),
        Column("Authority", ".spec.authority"),
        Column("Evidence", ".spec.evidence", priority=1),
        Column("Verified", ".spec.when", "date"),
        Column("Until", ".spec.until", priority=1),
    ),
    has_status=False,
)

_GROUP, _, _VERSION = API_VERSION.partition("/")
RESOURCE: Final = ApiResource(_GROUP, _VERSION, VERIFIED_IMAGES.plural, namespaced=False)


@dataclass(frozen=True, slots=True)
class Record:
    """A success as it is kept; times are in whole seconds of Unix."""

    repository: str
    digest: str
    authority: str
    evidence: str
    key: str
    when: int
    until: int

    @classmethod
    def of(cls, success: Success, *, keep_seconds: float) -> "Record":
        """Return what is kept of a success for so long, or as long as it is one."""
        subject, when = success.verification.subject, int(success.when)
        until = when + int(keep_seconds)
        return cls(
            subject.name,
            str(subject.digest),
            success.authority.encode(errors="replace").decode()[:AUTHORITY_MAX_CHARACTERS],
            success.evidence,
            success.verification.key,
            when,
            until if success.ends is None else min(until, int(success.ends)),
        )

    @property
    def name(self) -> str:
        """Return the name of the object, one for each key."""
        return name_of(self.key)

    def fields(self) -> dict[str, str]:
        """Return the fields that are sealed, as they are written."""
        return {
            "repository": self.repository,
            "digest": self.digest,
            "authority": self.authority,
            "evidence": self.evidence,
            "key": self.key,
            "when": _written(self.when),
            "until": _written(self.until),
        }


def name_of(key: str) -> str:
    """Return the name of the object that keeps a key."""
    return key[:NAME_CHARACTERS]


def record_of(spec: VerifiedImageSpec) -> Record:
    """Return the record that fields say. Raises `ValueError` for a time that is none."""
    return Record(
        spec.repository,
        spec.digest,
        spec.authority,
        spec.evidence,
        spec.key,
        _read(spec.when),
        _read(spec.until),
    )


def content_of(record: Record, seal: str) -> dict[str, Any]:
    """Return the object that keeps a record."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": record.name,
            "labels": {"app.kubernetes.io/managed-by": "landwaiter"},
        },
        "spec": {**record.fields(), "hmac": seal},
    }


def _written(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(text: str) -> int:
    if not re.fullmatch(_TIME, text, re.ASCII):
        raise ValueError("a time of another form")
    return int(datetime.fromisoformat(text).timestamp())
