"""Which image names a pattern covers, and which texts are no pattern."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.errors import InvalidPattern, InvalidReference
from landwaiter.images.patterns import ImagePattern, TagPattern
from landwaiter.images.reference import ImageReference, quoted

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"
OTHER_DIGEST = f"sha256:{HEX[::-1]}"
TEAM = "registry.example.com/team"


def covers(pattern: str, text: str) -> bool:
    return ImagePattern.parse(pattern).matches(ImageReference.parse(text))


COVERED = [
    ("**", "nginx"),
    ("**", f"[::1]:5000/a/b:1@{DIGEST}"),
    ("registry.example.com", "registry.example.com/team/app:1"),
    ("registry.example.com", "registry.example.com:443/team/app"),
    ("registry.example.com:443", "registry.example.com/team/app"),
    ("registry.example.com:443", "registry.example.com:00443/team/app"),
    ("registry.example.com:5000", "registry.example.com:5000/app"),
    ("registry.example.com:5000", "registry.example.com:05000/app"),
    ("REGISTRY.example.com/team", "registry.EXAMPLE.com/team/app"),
    (TEAM, "registry.example.com/team"),
    (TEAM, "registry.example.com/team/app"),
    (TEAM, f"registry.example.com/team/deep/app:1@{DIGEST}"),
    ("docker.io/library", "nginx"),
    ("docker.io/library/nginx", "nginx:1.27"),
    ("docker.io", "myns/app"),
    ("index.docker.io/library", "nginx"),
    ("docker.io/library", "index.docker.io/nginx"),
    ("docker.io/library", "registry-1.docker.io/library/nginx"),
    ("docker.io/library", "registry-1.docker.io/nginx"),
    ("docker.io/library", "registry.hub.docker.com/library/nginx"),
    ("docker.io/library", "docker.io:443/nginx"),
    ("registry-1.docker.io", "nginx"),
    ("*.docker.io", "nginx"),
    ("*.example.com/team", "registry.example.com/team/app"),
    ("registry-*.example.com", "registry-eu.example.com/app"),
    ("10.0.*.*:5000", "10.0.3.4:5000/app"),
    ("localhost", "localhost/app"),
    ("*:5000", "registry:5000/app"),
    ("[::1]:5000", "[0:0:0:0:0:0:0:1]:5000/app"),
    ("[:::]", "[:::]/app"),
    (f"{TEAM}/*", f"{TEAM}/app"),
    (f"{TEAM}/**", f"{TEAM}/deep/app"),
    ("registry.example.com/team-*", "registry.example.com/team-a"),
    ("registry.example.com/*/app", "registry.example.com/team/app"),
    ("registry.example.com/*/app", "registry.example.com/team/app/part"),
    ("registry.example.com/**/app", "registry.example.com/app"),
    ("registry.example.com/**/app", "registry.example.com/a/b/app"),
    ("docker.io/library/nginx:1.*", "nginx:1.27"),
    ("docker.io/library/nginx:latest", "nginx"),
    ("registry.example.com/**:latest", "registry.example.com/a/b"),
    (f"docker.io/library/nginx@{DIGEST}", f"nginx:1.27@{DIGEST}"),
    (f"registry.example.com@{DIGEST}", f"registry.example.com/a/b@{DIGEST}"),
]


@pytest.mark.parametrize(("pattern", "text"), COVERED)
def test_semantics_03_a_pattern_covers(pattern: str, text: str) -> None:
    """What the admin means by a pattern is covered, in every spelling of the same place."""
    assert covers(pattern, text)


NOT_COVERED = [
    ("registry.example.com", "registry.example.com:5000/app"),
    ("registry.example.com:5000", "registry.example.com/app"),
    ("registry.example.com", "registry.example.com:80/app"),
    ("registry.example.com", "nginx"),
    (TEAM, "registry.example.com/teams/app"),
    (TEAM, "registry.example.com"),
    (TEAM, "registry.example.com/other/team/app"),
    ("docker.io/library", "myns/app"),
    ("docker.io/nginx", "nginx"),
    ("docker.io", "docker.io:5000/library/nginx"),
    ("docker.io", "docker.io.evil.example/library/nginx"),
    ("*.example.com", "example.com/app"),
    ("*.example.com", "a.b.example.com/app"),
    ("*.example.com", "registry.example.com:5000/app"),
    ("*.example.com", "registry.example.com.evil.example/app"),
    ("*:5000", "[::1]:5000/app"),
    ("*:5000", "registry.example.com:5000/app"),
    (f"{TEAM}/*", f"{TEAM}/deep/app"),
    (f"{TEAM}/*", TEAM),
    (f"{TEAM}/**", TEAM),
    ("registry.example.com/team-*", "registry.example.com/team-a/app"),
    ("registry.example.com/*/app", "registry.example.com/a/b/app"),
    ("registry.example.com/**/app", "registry.example.com/a/evil-app"),
    ("docker.io/library/nginx:1.*", "nginx:2.0"),
    ("docker.io/library/nginx:1.*", "nginx"),
    ("docker.io/library/nginx:latest", "nginx:LATEST"),
    (f"docker.io/library/nginx@{DIGEST}", "nginx:1.27"),
    (f"docker.io/library/nginx@{DIGEST}", f"nginx@{OTHER_DIGEST}"),
]


@pytest.mark.parametrize(("pattern", "text"), NOT_COVERED)
def test_semantics_03_a_pattern_does_not_cover(pattern: str, text: str) -> None:
    """Parts are compared whole, at their boundaries."""
    assert not covers(pattern, text)


@pytest.mark.parametrize(
    "text",
    [
        "registry.io.evil.com/app",
        "registry.io/team-evil/app",
        "registry.io.evil.com/registry.io/team/app",
    ],
)
def test_gatekeeper_library_529_and_538_a_raw_prefix_lets_nothing_through(text: str) -> None:
    """A host or a path that only begins like the allowed one is not covered."""
    assert not covers("registry.io/team", text)


@pytest.mark.parametrize(
    "text",
    [
        "evil.example/registry.example.com/team/app",
        "evil.example:5000/registry.example.com/team",
        "registry.example.com.evil/team",
        "evil-registry.example.com/team",
    ],
)
def test_portieris_a_pattern_is_anchored(text: str) -> None:
    """The allowed host inside a path, or inside another host, is not covered."""
    assert not covers(TEAM, text)


@pytest.mark.parametrize("pattern", ["*:*", "registry.example.com:*", "localhost:*/app"])
def test_kyverno_no_pattern_takes_a_port_for_a_tag(pattern: str) -> None:
    """A star behind the host's colon could be either, so it is refused."""
    with pytest.raises(InvalidPattern, match="the port is"):
        ImagePattern.parse(pattern)


def test_semantics_02_a_tag_beside_a_digest_is_not_believed() -> None:
    """Whoever writes a digest can write any tag beside it, so a tag pattern does not cover it."""
    assert not covers("docker.io/library/nginx:1.*", f"nginx:1.27@{DIGEST}")


REFUSED = {
    "": "0 characters given, 1 to 1024 are wanted",
    "a.io/" + "b" * 1020: "1025 characters given, 1 to 1024 are wanted",
    "a.io/ b": "printable ASCII characters without spaces are wanted",
    "a.io/b\n": "printable ASCII characters without spaces are wanted",
    "a.io/\u0430": "printable ASCII characters without spaces are wanted",
    "https://a.io/b": 'no scheme is wanted; write "a.io/b" without "https"',
    "*": 'in a host "*" is one label; write "**" for every image',
    "**/b": 'a host is wanted first; "**" is every image, but only where it stands alone',
    "**:latest": 'a host is wanted first; "**" is every image, but only where it stands alone',
    "nginx": "a host is wanted first; for Docker Hub write docker.io/library/nginx",
    "nginx:1.*": "a host is wanted first; for Docker Hub write docker.io/library/nginx:1.*",
    "myns/app": "a host is wanted first; for Docker Hub write docker.io/myns/app",
    "Foo/app": "a host is wanted first; for Docker Hub write docker.io/Foo/app",
    "a.io:latest": 'the port is "latest", a number is wanted; a tag follows a path',
    "a.io:/b": 'the port is "", a number is wanted; a tag follows a path',
    "a_b.io/c": 'the host is "a_b.io", a host name or an address is wanted',
    "a**.io/c": 'the host is "a**.io", labels with at most single stars are wanted',
    "a*..io/c": 'the host is "a*..io", labels with at most single stars are wanted',
    "[*]/c": 'the host is "[*]", labels with at most single stars are wanted',
    "a.io/B": 'the path is "B", lower-case letters are wanted',
    "a.io/": 'it ends with "/"; without it, it covers all that is below',
    "a.io/b/": 'it ends with "/"; without it, it covers all that is below',
    "a.io/b..c": 'the path is "b..c", which no repository can have',
    "a.io//b": 'the path is "/b", which no repository can have',
    "a.io/b?": 'the path is "b?", which no repository can have',
    "a.io/[ab]*": ("the path is \"[ab]*\", letters, digits, '.', '_', '-', '/' and '*' are wanted"),
    "a.io/*//b": "the path is \"*//b\", letters, digits, '.', '_', '-', '/' and '*' are wanted",
    "a.io/b@sha256:1": 'the digest is "sha256:1", a whole sha256 or sha512 is wanted',
    "a.io/b@": 'the digest is "", a whole sha256 or sha512 is wanted',
    f"a.io/b:1@sha256:{HEX}": ("either a tag or a digest is wanted, for a digest wins over a tag"),
}


@pytest.mark.parametrize(("text", "why"), REFUSED.items(), ids=lambda value: quoted(value[:40]))
def test_what_is_no_pattern_is_refused_with_what_to_write(text: str, why: str) -> None:
    """A pattern that would mean two things, or could never match, is not accepted."""
    with pytest.raises(InvalidPattern) as refused:
        ImagePattern.parse(text)

    assert f"image pattern {quoted(text)}: {why}" == str(refused.value)


@pytest.mark.parametrize("tag", ["", "**", "a b", "-a", ".a", "a/b", "a:b", "t" * 129, "ä"])
def test_what_is_no_tag_pattern_is_refused(tag: str) -> None:
    """A tag pattern has the characters of a tag, and `*`."""
    with pytest.raises(InvalidPattern, match="tag pattern"):
        TagPattern.parse(tag)


@pytest.mark.parametrize(
    ("pattern", "tag", "covered"),
    [
        ("latest", "latest", True),
        ("latest", None, True),
        ("latest", "latest-1", False),
        ("latest", "Latest", False),
        ("*-snapshot", "1.0-snapshot", True),
        ("*-snapshot", "1.0-snapshot.2", False),
        ("*-snapshot", None, False),
        ("1.*", "1.27.3", True),
        ("1.*", "1", False),
        ("1.*", "11.0", False),
        ("*", None, True),
    ],
)
def test_tag_patterns_are_anchored_and_no_tag_is_latest(
    pattern: str,
    tag: str | None,
    covered: bool,  # noqa: FBT001
) -> None:
    """The whole tag is compared; one that was not written counts as `latest`."""
    assert covered == TagPattern.parse(pattern).matches(tag)


@pytest.mark.parametrize(
    ("pattern", "host", "named"),
    [
        ("registry.example.com/team", "Registry.example.com:443", True),
        ("10.0.0.1:5000", "10.0.0.1:5000", True),
        ("docker.io/library", "registry-1.docker.io", True),
        ("registry.example.com", "registry.example.com:5000", False),
        ("*.example.com", "registry.example.com", False),
        ("**", "registry.example.com", False),
    ],
)
def test_semantics_11_only_a_host_without_wildcard_is_named(
    pattern: str,
    host: str,
    named: bool,  # noqa: FBT001
) -> None:
    """A wildcard never counts as naming a host, however well it covers it."""
    assert named == ImagePattern.parse(pattern).names_host(host)


def test_patterns_are_values() -> None:
    """Equal texts are equal patterns, and `str()` gives the text as written."""
    one, two = ImagePattern.parse("A.io/*"), ImagePattern.parse("A.io/*")

    assert ({one}, "A.io/*") == ({two}, str(two))


LABEL = st.from_regex(r"[a-z0-9]{1,6}", fullmatch=True)
HOSTS = st.lists(LABEL, min_size=2, max_size=4).map(".".join)
PATHS = st.lists(LABEL, min_size=1, max_size=4).map("/".join)


@settings(deadline=None, max_examples=300)
@given(HOSTS, PATHS, HOSTS, PATHS)
def test_semantics_03_no_host_is_ever_taken_for_another(
    host: str, path: str, other_host: str, other_path: str
) -> None:
    """A pattern for one host covers another one exactly when the hosts are equal."""
    text = f"{other_host}/{other_path}"

    assert (other_host == host) == covers(host, text)
    assert not covers(f"{host}/{path}", f"{other_host}/{host}/{path}") or other_host == host


@settings(deadline=None, max_examples=300)
@given(HOSTS, PATHS, LABEL)
def test_semantics_03_a_path_covers_itself_and_what_is_below_and_nothing_beside(
    host: str, path: str, word: str
) -> None:
    """A slash is the only boundary: neither a letter nor a hyphen nor a dot is one."""
    pattern = f"{host}/{path}"

    assert [covers(pattern, f"{pattern}{end}") for end in ("", f"/{word}", ":1", f"@{DIGEST}")] == [
        True
    ] * 4
    assert [covers(pattern, f"{pattern}{end}{word}") for end in ("", "-", ".", "_")] == [False] * 4


@settings(deadline=None, max_examples=500)
@given(st.text("aA0.-_:/@*[] \n", max_size=40) | st.text(max_size=40))
def test_parsing_a_pattern_raises_nothing_but_its_own_error(text: str) -> None:
    """Whatever is written either is a pattern whose text is the same, or `InvalidPattern`."""
    try:
        pattern = ImagePattern.parse(text)
    except InvalidPattern:
        return

    assert text == str(pattern)


@settings(deadline=None, max_examples=300)
@given(st.text("ab.:/@*", max_size=30), st.text("ab.:/@", max_size=30))
def test_matching_never_fails(pattern: str, text: str) -> None:
    """Any pattern can be asked about any reference."""
    try:
        covered = covers(pattern, text)
    except (InvalidPattern, InvalidReference):
        return

    assert covered in (True, False)


def test_the_worst_pattern_is_matched_in_bounded_time() -> None:
    """A pattern of a thousand stars takes milliseconds over the longest repository."""
    pattern = ImagePattern.parse("a.io/" + "*a" * 500 + "*b")
    reference = ImageReference.parse("a.io/" + "a" * 255)
    began = time.process_time()
    covered = pattern.matches(reference)

    assert (False, True) == (covered, time.process_time() - began < 0.1)
