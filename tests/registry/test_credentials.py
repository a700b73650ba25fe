"""Which keys of a docker config the kubelet would try, in its order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.images.reference import ImageReference
from landwaiter.registry.credentials import Credential, FiledKeys, ImageCoverage, matching_keys
from registry.clients import BOUNDED
from registry.keyring_rows import HUB, ROWS


@pytest.mark.parametrize(("keys", "image", "expected"), ROWS)
def test_tries_the_keys_that_the_kubelet_tries(
    keys: list[str], image: str, expected: list[str]
) -> None:
    """Exactly the keys that the kubelet would try are returned, as written, in its order."""
    reference = ImageReference.parse(image)

    assert expected == matching_keys(keys, reference)


def test_tag_and_digest_play_no_part() -> None:
    """An image's tag and digest do not change which keys match."""
    reference = ImageReference.parse(f"registry.example.com/app:1@sha256:{'a' * 64}")

    assert ["registry.example.com/app"] == matching_keys(
        ["registry.example.com/app:1", "registry.example.com/app"], reference
    )


def test_a_key_of_many_stars_takes_no_time() -> None:
    """A key made to blow up a regular expression is matched in linear time."""
    reference = ImageReference.parse(f"{'a' * 200}.example.com/app")

    assert [] == matching_keys([f"{'*a' * 5000}b.example.com"], reference)


def test_filed_keys_are_matched_with_many_images() -> None:
    """Keys that are filed once answer for every image as they would for it alone."""
    keys = ["registry.example.com", "*.example.com/team", HUB]
    filed = FiledKeys(keys)
    images = ["registry.example.com/team/app", "other.example.com/team/app", "nginx", "quay.io/a"]

    assert [[0, 1], [1], [2], []] == [
        filed.positions(ImageReference.parse(image)) for image in images
    ]


@settings(BOUNDED, max_examples=300)
@given(st.lists(st.text(max_size=40), max_size=6))
def test_any_text_may_be_a_key(keys: list[str]) -> None:
    """Whatever text a key is, it is taken or passed over, and those taken are among the given."""
    reference = ImageReference.parse("registry.example.com/team/app")

    assert [] == [key for key in matching_keys(keys, reference) if key not in keys]


@settings(BOUNDED, max_examples=200)
@given(st.from_regex(r"[a-z0-9]{1,10}(\.[a-z0-9]{1,10}){1,4}", fullmatch=True))
def test_connaisseur_a_host_without_wildcard_gives_its_credentials_to_no_other_host(
    host: str,
) -> None:
    """Credentials of a host are tried for an image of that host, and of no other."""
    keys = [host, f"https://{host}/v2/"]
    images = [f"{host}/app", f"{host}.evil.example/app", f"evil.example/{host}/app", f"x{host}/app"]

    assert [keys, [], [], []] == [
        matching_keys(keys, ImageReference.parse(image)) for image in images
    ]


def test_a_credential_shows_no_secret() -> None:
    """The repr of a credential has neither password, token nor key."""
    credential = Credential(
        key="user:hidden@r.example", username="ann", password="hidden", identity_token="hidden"
    )

    assert "Credential(username='ann')" == repr(credential)


@pytest.mark.parametrize(
    ("keys", "image", "is_named"),
    [
        (["registry.example.com/other"], "registry.example.com/app", True),
        (["*.example.com/other"], "registry.example.com/app", True),
        (["https://registry.example.com/v1/other"], "registry.example.com/app", True),
        (["registry.example.com:5000/other"], "registry.example.com/app", False),
        (["*.example.com:5000"], "registry.example.com/app", False),
        (["registry.example.org"], "registry.example.com/app", False),
        ([], "registry.example.com/app", False),
    ],
)
def test_a_key_for_another_path_of_the_registry_is_told_from_others(
    keys: list[str],
    image: str,
    is_named: bool,  # noqa: FBT001
) -> None:
    """Only host and port decide whether a key is for the registry of an image."""
    assert is_named == FiledKeys(keys).names_registry(ImageReference.parse(image))


@pytest.mark.parametrize(
    "pattern", ["", "/team", "https://a.example", "a example", "a.example/%zz"]
)
def test_an_image_of_nodes_is_one_that_the_kubelet_takes(pattern: str) -> None:
    """What the kubelet would not take is refused, so that no typo declares nothing."""
    with pytest.raises(ValueError, match="an image of `matchImages` is wanted"):
        ImageCoverage((pattern,))
