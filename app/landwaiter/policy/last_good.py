"""
The last good set of policies as a ConfigMap: what new replicas start from when a folder is broken.

Without it a typo in a policy, followed by a node drain, would leave no replica that can start, and
a webhook that fails closed refuses every Pod then (design, semantics 22). Whoever may write the
ConfigMap decides what is in force after such a start; it stands in Landwaiter's own namespace,
where the same people could replace Landwaiter itself.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from landwaiter.errors import InvalidPolicy
from landwaiter.policy.snapshot import FolderSnapshot

ENTRY: Final = "policies.json.zlib"
DIGEST: Final = "digest"

PACKED_MAX_BYTES: Final = 700_000
"""What fits into an object of 1 MiB as base64, with room to spare."""

LABELS: Final = {"app.kubernetes.io/managed-by": "landwaiter"}


def config_map_of(snapshot: FolderSnapshot, *, namespace: str, name: str) -> dict[str, Any]:
    """Return the ConfigMap of a set. Raises `InvalidPolicy` where it has no room in one."""
    packed = snapshot.packed()
    if len(packed) > PACKED_MAX_BYTES:
        raise InvalidPolicy(
            f"the policies have {len(packed)} bytes when packed, at most {PACKED_MAX_BYTES} can "
            "be kept for the start of new replicas"
        )
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": namespace, "name": name, "labels": dict(LABELS)},
        "data": {DIGEST: snapshot.digest},
        "binaryData": {ENTRY: base64.b64encode(packed).decode()},
    }


def digest_in(config_map: Mapping[str, Any]) -> str | None:
    """Return the hash of the set in a ConfigMap, None where it holds none."""
    data = config_map.get("data")
    digest = data.get(DIGEST) if isinstance(data, dict) else None
    return digest if isinstance(digest, str) else None


def snapshot_in(config_map: Mapping[str, Any]) -> FolderSnapshot:
    """Return the set in a ConfigMap. Raises `InvalidPolicy` where there is none, or another."""
    entries = config_map.get("binaryData")
    packed = entries.get(ENTRY) if isinstance(entries, dict) else None
    if not isinstance(packed, str):
        raise InvalidPolicy(f'no entry "{ENTRY}" given, a packed set of policies is wanted')
    try:
        snapshot = FolderSnapshot.unpacked(base64.b64decode(packed, validate=True))
    except binascii.Error as cause:
        raise InvalidPolicy(f'entry "{ENTRY}" is not base64, which is wanted') from cause
    if snapshot.digest != digest_in(config_map):
        raise InvalidPolicy(f'entry "{ENTRY}" does not have the digest that stands beside it')
    return snapshot
