"""Reads the install's file about key management services."""

from pathlib import Path

from landwaiter.cosign.kms_settings import NO_KMS, KMSFile, KMSSettings
from landwaiter.errors import InvalidInput
from landwaiter.wiring.registries import one_document


def kms_settings(file: Path | None) -> KMSSettings:
    """Return what the admin's file says about services. Raises `InvalidInput`."""
    if file is None:
        return NO_KMS
    document = one_document(file, empty={"kms": []})
    try:
        return KMSFile.of(document).settings(file.parent)
    except InvalidInput as problem:
        raise InvalidInput(f"{file}: {problem}") from problem
