"""What image names mean, and which are refused."""

import time
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.errors import InvalidReference
from landwaiter.images.reference import ImageReference, ShortNames, quoted

HEX = "0123456789abcdef" * 4
SHA256 = f"sha256:{HEX}"
SHA512 = f"sha512:{HEX}{HEX}"


class Good(NamedTuple):
    text: str
    registry: str
    repository: str
    tag: str | None = None
    digest: str | None = None


GOOD = [
    Good("nginx", "docker.io", "library/nginx"),
    Good("nginx:1.27", "docker.io", "library/nginx", "1.27"),
    Good(f"nginx@{SHA256}", "docker.io", "library/nginx", None, SHA256),
    Good(f"nginx:1.27@{SHA512}", "docker.io", "library/nginx", "1.27", SHA512),
    Good("myns/app", "docker.io", "myns/app"),
    Good("docker.io/nginx", "docker.io", "library/nginx"),
    Good("docker.io/myns/app", "docker.io", "myns/app"),
    Good("index.docker.io/nginx", "docker.io", "library/nginx"),
    Good("index.docker.io/myns/app:1", "docker.io", "myns/app", "1"),
    Good("registry-1.docker.io/nginx", "registry-1.docker.io", "nginx"),
    Good("localhost/app", "localhost", "app"),
    Good("localhost:5000/app:1", "localhost:5000", "app", "1"),
    Good("localhosts/app", "docker.io", "localhosts/app"),
    Good("registry:5000/app", "registry:5000", "app"),
    Good("registry:5000", "docker.io", "library/registry", "5000"),
    Good("test.com", "docker.io", "library/test.com"),
    Good("test.com:tag", "docker.io", "library/test.com", "tag"),
    Good("Upper/app", "Upper", "app"),
    Good("Registry.Example.COM/app", "Registry.Example.COM", "app"),
    Good("sub-dom1.foo.com/bar/baz/quux", "sub-dom1.foo.com", "bar/baz/quux"),
    Good("xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com"),
    Good("192.168.1.1/repo:tag", "192.168.1.1", "repo", "tag"),
    Good("[2001:db8::1]/repo", "[2001:db8::1]", "repo"),
    Good("[2001:db8::1]:5000/repo:tag", "[2001:db8::1]:5000", "repo", "tag"),
    Good("a.io/foo_bar/foo__bar/foo--bar/foo.bar", "a.io", "foo_bar/foo__bar/foo--bar/foo.bar"),
    Good("a.io/b:_T.a-g", "a.io", "b", "_T.a-g"),
    Good(f"a.io/{'b' * 255}:{'t' * 128}", "a.io", "b" * 255, "t" * 128),
    Good(f"sha256@{SHA256}", "docker.io", "library/sha256", None, SHA256),
    Good("deadbeef:deadbeef", "docker.io", "library/deadbeef", "deadbeef"),
]


def parts(reference: ImageReference) -> tuple[str, str, str | None, str | None]:
    return reference.registry, reference.repository, reference.tag, reference.digest


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.text[:60])
def test_semantics_02_a_name_is_read_as_the_runtime_reads_it(good: Good) -> None:
    """Docker Hub and `library/` are filled in, everything else is kept as written."""
    assert good[1:] == parts(ImageReference.parse(good.text))


BAD = {
    # Nothing, and what is no name at all.
    "": "name",
    " nginx": "name",
    "nginx ": "name",
    "ngi\tnx": "name",
    "nginx\n": "name",
    "nginx\x00": "name",
    "nginx\u200b": "name",
    "n\u0434inx": "name",
    "https://registry.example.com/app": "name",
    "docker://nginx": "name",
    "a" * 1025: "name",
    # What containerd takes for the id of an image on the node.
    HEX: "name",
    SHA256: "name",
    SHA512: "name",
    "sha256:0123abc": "name",
    "sha384:0123abc": "name",
    # Registry.
    "-a.io/app": "registry",
    "a-.io/app": "registry",
    "a..io/app": "registry",
    ".io/app": "registry",
    "a.io./app": "registry",
    "foo_bar.com:8080/app": "registry",
    "a.io:/app": "registry",
    "a.io:port/app": "registry",
    "a.io:123456/app": "registry",
    "[fe80::1%eth0]:5000/app": "registry",
    "[::1/app": "registry",
    ":5000/app": "registry",
    # Repository.
    "docker.io": "repository",
    "docker.io:latest": "repository",
    "index.docker.io": "repository",
    "registry-1.docker.io": "repository",
    "docker.io/": "repository",
    "a.io/": "repository",
    "/app": "repository",
    "a//b": "repository",
    "a.io//app": "repository",
    "Nginx": "repository",
    "a.io/App": "repository",
    "a.io/app_": "repository",
    "a.io/_app": "repository",
    "a.io/a___b": "repository",
    "a.io/a..b": "repository",
    "a.io/../b": "repository",
    f"a.io/{'b' * 256}": "repository",
    "[::1]": "repository",
    # Tag.
    "nginx:": "tag",
    "nginx:-a": "tag",
    "nginx:.a": "tag",
    "nginx:a:b": "tag",
    "nginx:a/b:c/d": "registry",
    f"nginx:{'t' * 129}": "tag",
    # Digest.
    "nginx@": "digest",
    "a@b": "digest",
    "nginx@sha256": "digest",
    f"nginx@sha256:{HEX[:-1]}": "digest",
    f"nginx@sha256:{HEX}0": "digest",
    f"nginx@sha256:{HEX.upper()}": "digest",
    f"nginx@SHA256:{HEX}": "digest",
    f"nginx@sha384:{HEX}{HEX[:32]}": "digest",
    f"nginx@md5:{HEX[:32]}": "digest",
    f"nginx@{SHA256}@{SHA256}": "digest",
    f"nginx@{SHA256}:latest": "digest",
    "user@evil.example/app": "digest",
}


@pytest.mark.parametrize(("text", "part"), BAD.items(), ids=lambda value: quoted(value[:60]))
def test_semantics_01_what_does_not_parse_is_refused_with_the_wrong_part(
    text: str, part: str
) -> None:
    """A name outside the grammar is refused, and the error names the part that is wrong."""
    with pytest.raises(InvalidReference) as refused:
        ImageReference.parse(text)

    assert part == refused.value.part


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "https://a.io/app",
            'name "https://a.io/app" given, no scheme: leave "https://" out wanted',
        ),
        ("a.io/App", 'repository "App" given, lower-case letters wanted'),
        (
            "docker.io",
            (
                'repository "docker.io" given, '
                "a repository as well, such as docker.io/library/nginx wanted"
            ),
        ),
        (
            "a@b",
            (
                'digest "b" given, '
                "sha256: and 64, or sha512: and 128, hexadecimal digits in lower case wanted"
            ),
        ),
        (
            "sha256:abc",
            (
                'name "sha256:abc" given, '
                "a name before the digest, for this is a local image's id wanted"
            ),
        ),
        (
            "ng\x1b[31minx",
            'name "ng\\u001b[31minx" given, printable ASCII characters without spaces wanted',
        ),
        (
            "a.io/" + "b" * 300,
            (
                f'repository "{"b" * 80}..." given, at most 255 characters: '
                "parts of lower-case letters and digits, joined by '/', "
                "and within a part by '.', '_', '__' or '-' wanted"
            ),
        ),
    ],
)
def test_a_refusal_says_what_was_seen_and_what_is_wanted(text: str, message: str) -> None:
    """The value seen is quoted, bounded and printable; the value wanted follows."""
    with pytest.raises(InvalidReference) as refused:
        ImageReference.parse(text)

    assert message == str(refused.value)


@pytest.mark.parametrize("text", ["nginx", "myns/app", "nginx:1.27", f"nginx@{SHA256}"])
def test_semantics_01_short_names_can_be_refused(text: str) -> None:
    """With `shortNames: Refuse` a name without registry does not parse."""
    with pytest.raises(InvalidReference) as refused:
        ImageReference.parse(text, short_names=ShortNames.REFUSE)

    assert "registry" == refused.value.part


@pytest.mark.parametrize("text", ["docker.io/nginx", "localhost/app", "a.io/app:1"])
def test_semantics_01_names_with_registry_parse_where_short_names_are_refused(text: str) -> None:
    """`shortNames: Refuse` changes nothing for a name that has its registry."""
    expected = ImageReference.parse(text)

    assert expected == ImageReference.parse(text, short_names=ShortNames.REFUSE)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("index.docker.io/nginx:1", "docker.io/library/nginx:1"),
        ("Registry.Example.com/app", "Registry.Example.com/app"),
        (f"a.io/app:1@{SHA256}", f"a.io/app:1@{SHA256}"),
    ],
)
def test_semantics_02_the_text_of_a_reference_is_normal_and_adds_nothing(
    text: str, normal: str
) -> None:
    """`str()` fills in Docker Hub, and never a tag."""
    assert normal == str(ImageReference.parse(text))


def test_semantics_02_references_are_compared_without_case_of_the_registry() -> None:
    """Hosts are equal whatever their case, and so are the hashes."""
    lower, mixed = map(ImageReference.parse, ("a.io/app:1", "A.Io/app:1"))

    assert ({lower}, True) == ({mixed}, hash(lower) == hash(mixed))


@pytest.mark.parametrize("other", ["a.io/app:V1", "a.io/app", f"a.io/app:v1@{SHA256}", "b.io/app"])
def test_references_that_differ_in_any_other_part_are_not_equal(other: str) -> None:
    """Only the registry is folded: tags that differ in case are two tags."""
    assert ImageReference.parse("a.io/app:v1") != ImageReference.parse(other)


def test_a_digest_can_be_added_and_the_tag_stays() -> None:
    """What is offered in a message keeps the tag, for people; what is asked for leaves it out."""
    pinned = ImageReference.parse("nginx:1.27").with_digest(SHA256)

    assert (
        f"docker.io/library/nginx:1.27@{SHA256}",
        f"docker.io/library/nginx@{SHA256}",
        "docker.io/library/nginx",
    ) == (str(pinned), pinned.at_digest, pinned.name)


@pytest.mark.parametrize("digest", ["", "sha256:abc", f"{SHA256}\n", SHA256.upper(), "latest"])
def test_what_a_registry_calls_a_digest_is_checked(digest: str) -> None:
    """A registry's answer cannot smuggle another name into a reference."""
    reference = ImageReference.parse("nginx")

    with pytest.raises(InvalidReference):
        reference.with_digest(digest)


def test_there_is_no_name_at_a_digest_without_digest() -> None:
    """Asking for `name@digest` of a tag is a mistake in the code, not an empty text."""
    with pytest.raises(ValueError, match="has no digest"):
        _ = ImageReference.parse("nginx:1").at_digest


@pytest.mark.parametrize(
    ("registry", "repository"), [("a/b", "c"), ("a.io", "b@c"), ("a.io", "b:c"), ("", "b")]
)
def test_the_constructor_checks_every_part(registry: str, repository: str) -> None:
    """No reference exists whose text would be read as another one."""
    with pytest.raises(InvalidReference):
        ImageReference(registry, repository)


WORDS = st.text("aA0z.-_:/@[] \n\x00é*", max_size=40) | st.text(max_size=40)


@settings(deadline=None, max_examples=500)
@given(WORDS)
def test_parsing_raises_nothing_but_its_own_error(text: str) -> None:
    """Whatever is written either parses, and round-trips, or is an `InvalidReference`."""
    try:
        reference = ImageReference.parse(text)
    except InvalidReference:
        return

    assert parts(reference) == parts(ImageReference.parse(str(reference)))


HOSTS = st.from_regex(r"[a-z0-9]{1,8}(\.[a-z0-9]{1,8}){1,3}(:[1-9][0-9]{0,3})?", fullmatch=True)
PATHS = st.from_regex(r"[a-z0-9]{1,5}([._-][a-z0-9]{1,5})?(/[a-z0-9]{1,5}){1,3}", fullmatch=True)
TAGS = st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,9}", fullmatch=True)


@settings(deadline=None, max_examples=200)
@given(HOSTS, PATHS, TAGS, st.sampled_from([None, SHA256, SHA512]))
def test_the_parts_that_went_in_come_out(
    host: str, path: str, tag: str | None, digest: str | None
) -> None:
    """No part of a name is ever taken for another part."""
    text = f"{host}/{path}" + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    expected = "docker.io" if host == "index.docker.io" else host

    assert (expected, path, tag, digest) == parts(ImageReference.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "a" * 100_000_000,
        "a-" * 500,
        "a.io/" + "a-" * 500,
        "a." * 500 + "/a",
        "a.io/" + "a_" * 500,
        "a/" * 512,
        "-" * 1024,
        ":" * 1024,
        "@" * 1024,
    ],
    ids=lambda text: text[:8],
)
def test_hostile_names_are_refused_at_once(text: str) -> None:
    """No text takes longer than some microseconds for each of its first characters."""
    began = time.process_time()
    with pytest.raises(InvalidReference):
        ImageReference.parse(text)

    assert time.process_time() - began < 0.1
