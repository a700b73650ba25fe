"""What can be a name, the key of a label, and its value."""

import pytest

from landwaiter.manifests.names import (
    is_dns_label,
    is_dns_subdomain,
    is_label_key,
    is_label_value,
)


@pytest.mark.parametrize(
    ("text", "label", "subdomain", "key", "value"),
    [
        ("a", True, True, True, True),
        ("a-b", True, True, True, True),
        ("a.b", False, True, True, True),
        ("A_b.c", False, False, True, True),
        ("example.com/a", False, False, True, False),
        ("x" * 63, True, True, True, True),
        ("x" * 64, False, True, False, False),
        (".".join(["x" * 50] * 5)[:253], False, True, False, False),
        ("x" * 254, False, False, False, False),
        ("", False, False, False, True),
        ("-a", False, False, False, False),
        ("a-", False, False, False, False),
        (".", False, False, False, False),
        ("..", False, False, False, False),
        ("a..b", False, False, True, True),
        ("a/", False, False, False, False),
        ("/a", False, False, False, False),
        ("a/b/c", False, False, False, False),
        ("Example.com/a", False, False, False, False),
        ("a\n", False, False, False, False),
        ("é", False, False, False, False),
        ("٣", False, False, False, False),
    ],
)
def test_names_have_the_forms_of_kubernetes(
    text: str,
    label: bool,  # noqa: FBT001
    subdomain: bool,  # noqa: FBT001
    key: bool,  # noqa: FBT001
    value: bool,  # noqa: FBT001
) -> None:
    """Each form accepts what the API server accepts, and no more."""
    found = (
        is_dns_label(text),
        is_dns_subdomain(text),
        is_label_key(text),
        is_label_value(text),
    )

    assert (label, subdomain, key, value) == found
