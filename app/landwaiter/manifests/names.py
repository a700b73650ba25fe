"""
The forms that names, label keys and label values have in Kubernetes.

Names also come from whoever writes a Pod and end in the path of a request, where `..` or a slash
would ask for something else: what cannot be a name is never asked for.
Source: k8s.io/apimachinery pkg/util/validation (1.36).
"""

import re
from typing import Final

from pydantic.config import JsonDict

_DNS_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_QUALIFIED_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?")
_LABEL_MAX_CHARACTERS = 63
_SUBDOMAIN_MAX_CHARACTERS = 253

DNS_LABEL_PATTERN: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
"""The form of a namespace's name for schemas, which need anchors beside it, and its length."""

NAMESPACE_SCHEMA: Final[JsonDict] = {
    "type": "string",
    "pattern": f"^{DNS_LABEL_PATTERN}$",
    "maxLength": _LABEL_MAX_CHARACTERS,
}


def is_dns_label(text: str) -> bool:
    """Whether a text can be the name of a namespace."""
    return len(text) <= _LABEL_MAX_CHARACTERS and _DNS_LABEL.fullmatch(text) is not None


def is_dns_subdomain(text: str) -> bool:
    """Whether a text can be the name of a Secret, a ServiceAccount or a policy."""
    return len(text) <= _SUBDOMAIN_MAX_CHARACTERS and all(
        _DNS_LABEL.fullmatch(label) for label in text.split(".")
    )


def is_label_key(text: str) -> bool:
    """Whether a text can be the key of a label: a name, or a domain, a slash and a name."""
    prefix, slash, name = text.rpartition("/")
    return (
        len(name) <= _LABEL_MAX_CHARACTERS
        and _QUALIFIED_NAME.fullmatch(name) is not None
        and (not slash or is_dns_subdomain(prefix))
    )


def is_label_value(text: str) -> bool:
    """Whether a text can be the value of a label; it may be empty."""
    return len(text) <= _LABEL_MAX_CHARACTERS and (
        not text or _QUALIFIED_NAME.fullmatch(text) is not None
    )
