"""Which keys of a docker config the kubelet would try, in its order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.images.reference import ImageReference
from landwaiter.registry.credentials import Credential, FiledKeys, ImageCoverage, matching_keys
from registry.clients import BOUNDED

HUB = "https://index.docker.io/v1/"

# Each row: the keys as written, the image, the keys that are tried, in order.
ROWS: list[tuple[list[str], str, list[str]]] = [
    # Plain hosts.
    (["registry.example.com"], "registry.example.com/app", ["registry.example.com"]),
    (["registry.example.com"], "registry.example.com/team/app:1", ["registry.example.com"]),
    (["registry.example.com"], "other.example.com/app", []),
    (["registry.example.com"], "example.com/app", []),
    (["example.com"], "registry.example.com/app", []),
    ([], "registry.example.com/app", []),
    ([""], "registry.example.com/app", []),
    # Scheme and trailing slash are dropped.
    (
        ["https://registry.example.com"],
        "registry.example.com/app",
        ["https://registry.example.com"],
    ),
    (["http://registry.example.com"], "registry.example.com/app", ["http://registry.example.com"]),
    (["registry.example.com/"], "registry.example.com/app", ["registry.example.com/"]),
    (["HTTPS://registry.example.com"], "registry.example.com/app", []),
    (["ftp://registry.example.com"], "registry.example.com/app", []),
    # A leading /v1/ or /v2/ is dropped, and only with its slash.
    (["registry.example.com/v1/"], "registry.example.com/app", ["registry.example.com/v1/"]),
    (["registry.example.com/v2/"], "registry.example.com/app", ["registry.example.com/v2/"]),
    (["registry.example.com/v1"], "registry.example.com/app", []),
    (["registry.example.com/v1"], "registry.example.com/v1/app", ["registry.example.com/v1"]),
    (
        ["registry.example.com/v2/team"],
        "registry.example.com/team/app",
        ["registry.example.com/v2/team"],
    ),
    (["registry.example.com/v3/"], "registry.example.com/app", []),
    (["registry.example.com/v1/v2/"], "registry.example.com/app", []),
    # Paths are raw string prefixes.
    (["registry.example.com/team"], "registry.example.com/team/app", ["registry.example.com/team"]),
    (
        ["registry.example.com/team"],
        "registry.example.com/team-evil/app",
        ["registry.example.com/team"],
    ),
    (
        ["registry.example.com/team/"],
        "registry.example.com/team/app",
        ["registry.example.com/team/"],
    ),
    (["registry.example.com/team/"], "registry.example.com/team-evil/app", []),
    (["registry.example.com/team/app"], "registry.example.com/team", []),
    (["registry.example.com/tea"], "registry.example.com/team/app", ["registry.example.com/tea"]),
    (["registry.example.com/*"], "registry.example.com/team/app", []),
    (["registry.example.com/Team"], "registry.example.com/team/app", []),
    # Case matters.
    (["Registry.example.com"], "registry.example.com/app", []),
    (["registry.example.com"], "Registry.example.com/app", []),
    (["Registry.example.com"], "Registry.example.com/app", ["Registry.example.com"]),
    # Ports have to be equal.
    (["registry.example.com:5000"], "registry.example.com:5000/app", ["registry.example.com:5000"]),
    (["registry.example.com:5000"], "registry.example.com/app", []),
    (["registry.example.com"], "registry.example.com:5000/app", []),
    (["registry.example.com:443"], "registry.example.com/app", []),
    (["registry.example.com:"], "registry.example.com/app", ["registry.example.com:"]),
    (["*.example.com:5000"], "registry.example.com:5000/app", ["*.example.com:5000"]),
    (["registry.example.com:*"], "registry.example.com:5000/app", []),
    (["registry.example.com:50:00"], "registry.example.com:5000/app", []),
    (["localhost:5000"], "localhost:5000/app", ["localhost:5000"]),
    (["10.0.0.5:5000"], "10.0.0.5:5000/app", ["10.0.0.5:5000"]),
    (["[::1]:5000"], "[::1]:5000/app", ["[::1]:5000"]),
    # Globs stay within one part of the host.
    (["*.example.com"], "registry.example.com/app", ["*.example.com"]),
    (["*.example.com"], "a.b.example.com/app", []),
    (["*.example.com"], "example.com/app", []),
    (["*.*.com"], "registry.example.com/app", ["*.*.com"]),
    (["*.io"], "registry.example.io/app", []),
    (["*"], "registry.example.com/app", []),
    (["*"], "localhost/app", ["*"]),
    (["reg*.example.com"], "registry.example.com/app", ["reg*.example.com"]),
    (["*try.example.com"], "registry.example.com/app", ["*try.example.com"]),
    (["r*i*y.example.com"], "registry.example.com/app", ["r*i*y.example.com"]),
    (["r*x*y.example.com"], "registry.example.com/app", []),
    (["re*gistry*istry.example.com"], "registry.example.com/app", []),
    (["registry.*.com/team"], "registry.example.com/team/app", ["registry.*.com/team"]),
    (["registry?.example.com"], "registry1.example.com/app", []),
    (["registry[12].example.com"], "registry1.example.com/app", []),
    # Bugs of others: a host is never a prefix of another host.
    (["registry.io"], "registry.io.evil.com/app", []),
    (["registry.io"], "registry.io-evil.com/app", []),
    (["registry.io/team"], "evil.example.com/registry.io/team/app", []),
    # Docker Hub.
    ([HUB], "nginx", [HUB]),
    ([HUB], "docker.io/library/nginx", [HUB]),
    ([HUB], "index.docker.io/team/app", [HUB]),
    (["https://index.docker.io/v1"], "nginx", []),
    (["index.docker.io"], "nginx", ["index.docker.io"]),
    (["https://index.docker.io"], "nginx", ["https://index.docker.io"]),
    (["index.docker.io/v2/"], "nginx", ["index.docker.io/v2/"]),
    (["docker.io"], "nginx", ["docker.io"]),
    (["docker.io/library"], "nginx", ["docker.io/library"]),
    (["docker.io/nginx"], "nginx", []),
    (["https://registry-1.docker.io"], "nginx", []),
    ([HUB, "docker.io"], "nginx", ["docker.io"]),
    ([HUB, "*.io"], "nginx", ["*.io"]),
    ([HUB], "registry.example.com/app", []),
    ([HUB], "localhost/app", [HUB]),
    ([HUB], "localhost:5000/app", []),
    ([HUB, "index.docker.io"], "nginx", [HUB, "index.docker.io"]),
    (["index.docker.io", HUB], "nginx", ["index.docker.io", HUB]),
    # Reverse byte order of what is filed, ties as given.
    (
        ["registry.example.com", "registry.example.com/team"],
        "registry.example.com/team/app",
        ["registry.example.com/team", "registry.example.com"],
    ),
    (
        ["*.example.com/team/app", "registry.example.com"],
        "registry.example.com/team/app",
        ["registry.example.com", "*.example.com/team/app"],
    ),
    (
        ["registry.*.com", "*.example.com", "registry.example.com"],
        "registry.example.com/app",
        ["registry.example.com", "registry.*.com", "*.example.com"],
    ),
    (
        [
            "https://registry.example.com",
            "registry.example.com/",
            "http://registry.example.com/v1/",
        ],
        "registry.example.com/app",
        [
            "https://registry.example.com",
            "registry.example.com/",
            "http://registry.example.com/v1/",
        ],
    ),
    (
        ["registry.example.com/team/a", "registry.example.com/team/", "registry.example.com/team"],
        "registry.example.com/team/app",
        ["registry.example.com/team/a", "registry.example.com/team/", "registry.example.com/team"],
    ),
    # What Go's parser makes of odd keys.
    (
        ["user:secret@registry.example.com"],
        "registry.example.com/app",
        ["user:secret@registry.example.com"],
    ),
    (["registry.example.com?x=1"], "registry.example.com/app", ["registry.example.com?x=1"]),
    (["registry.example.com#x"], "registry.example.com/app", ["registry.example.com#x"]),
    (["registry.example.com#%zz"], "registry.example.com/app", []),
    (
        ["registry.example.com/te%61m"],
        "registry.example.com/team/app",
        ["registry.example.com/te%61m"],
    ),
    (
        ["registry.example.com/te%2561m"],
        "registry.example.com/team/app",
        ["registry.example.com/te%2561m"],
    ),
    (["registry.example.com/%zz"], "registry.example.com/team/app", []),
    (["registry%2eexample.com"], "registry.example.com/app", []),
    (["registry.example.com\n"], "registry.example.com/app", []),
    (["registry example.com"], "registry.example.com/app", []),
    (["\ud800.example.com"], "registry.example.com/app", []),
    (["[::1"], "[::1]:5000/app", []),
    (["[::1]"], "[::1]:5000/app", []),
    (["[::1]x"], "[::1]:5000/app", []),
    (["[::1]:"], "[::1]:5000/app", []),
    (["[::F]"], "F/app", ["[::F]"]),
    (["[::1]:5000x"], "[::1]:5000/app", []),
    (["a]b:5000"], "localhost:5000/app", []),
    (["a]:80.b"], "localhost:5000/app", []),
    (["user:%zz@registry.example.com"], "registry.example.com/app", []),
    (["[evil.example]"], "registry.example.com/app", []),
    (["a@b c@registry.example.com"], "registry.example.com/app", []),
]


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
