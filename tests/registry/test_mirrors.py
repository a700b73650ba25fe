"""Which names an image has, and where it is looked for."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landwaiter.errors import InvalidInput
from landwaiter.images.reference import ImageReference
from landwaiter.registry.mirrors import Mirror, Mirrors, Place
from landwaiter.registry.settings import HostSettings, RegistriesFile

HERE = Path(__file__).parent
DIGEST = f"sha256:{'a' * 64}"
PUBLIC = "registry.cn-hangzhou.aliyuncs.com"
WITHIN = "registry-vpc.cn-hangzhou.aliyuncs.com"
HARBOR = "harbor.corp.example/dockerhub"


def mirrors(*entries: dict[str, object]) -> Mirrors:
    return RegistriesFile.of({"mirrors": list(entries)}).settings(HERE).mirrors


def names(text: str, of: Mirrors) -> tuple[str, list[str]]:
    """Return the name that is signed, and the places to read, as texts."""
    reference = ImageReference.parse(text)
    return str(of.signed_name(reference)), [str(each) for each in of.places(reference)]


def test_two_names_of_one_registry_are_signed_as_one_and_read_from_the_nearest() -> None:
    """Both names of Alibaba's registry are judged under one, and read within the VPC first."""
    both = mirrors({"signedAs": PUBLIC, "pulledAs": [WITHIN]})

    places = [f"{WITHIN}/ns/app@{DIGEST}", f"{PUBLIC}/ns/app@{DIGEST}"]
    assert [(f"{PUBLIC}/ns/app@{DIGEST}", places)] * 2 == [
        names(f"{host}/ns/app@{DIGEST}", both) for host in (PUBLIC, WITHIN)
    ]


def test_a_proxy_cache_stands_for_its_upstream() -> None:
    """A part of Harbor is Docker Hub; its other parts are themselves."""
    cache = mirrors({"signedAs": "docker.io", "pulledAs": [HARBOR], "readFrom": [HARBOR]})

    assert [
        (f"docker.io/library/nginx:1@{DIGEST}", [f"{HARBOR}/library/nginx:1@{DIGEST}"]),
        (f"docker.io/library/nginx:1@{DIGEST}", [f"{HARBOR}/library/nginx:1@{DIGEST}"]),
        ("harbor.corp.example/team/nginx", ["harbor.corp.example/team/nginx"]),
        ("harbor.corp.example/dockerhub2/nginx", ["harbor.corp.example/dockerhub2/nginx"]),
        ("docker.io/team/app:2", [f"{HARBOR}/team/app:2"]),
    ] == [
        names(f"{HARBOR}/library/nginx:1@{DIGEST}", cache),
        names(f"nginx:1@{DIGEST}", cache),
        names("harbor.corp.example/team/nginx", cache),
        names("harbor.corp.example/dockerhub2/nginx", cache),
        names("team/app:2", cache),
    ]


def test_a_name_of_one_part_is_in_the_library_of_docker_hub() -> None:
    """What a cache calls `nginx` is `library/nginx` upstream; it is read as it is called first."""
    cache = mirrors({"signedAs": "docker.io", "pulledAs": [HARBOR]})

    expected = [f"{HARBOR}/nginx", f"{HARBOR}/library/nginx", "docker.io/library/nginx"]
    signed, places = names(f"{HARBOR}/nginx", cache)
    assert ("docker.io/library/nginx", expected[0], expected[-1]) == (
        signed,
        places[0],
        places[-1],
    )


def test_mirrors_of_nodes_are_read_in_order() -> None:
    """`readFrom` alone says where images are read whose name stays as it is."""
    nodes = mirrors({"signedAs": "quay.io", "readFrom": ["one.example", "two.example/quay"]})

    assert ("quay.io/org/app:1", ["one.example/org/app:1", "two.example/quay/org/app:1"]) == names(
        "quay.io/org/app:1", nodes
    )


def test_what_is_pulled_is_looked_for_there_first() -> None:
    """The place that a Pod names comes before those that are read for other names."""
    both = mirrors({"signedAs": PUBLIC, "pulledAs": [WITHIN], "readFrom": [PUBLIC]})

    assert [f"{WITHIN}/a/b:1", f"{PUBLIC}/a/b:1"] == names(f"{WITHIN}/a/b:1", both)[1]


def test_a_name_that_is_too_long_at_a_place_is_not_looked_for_there() -> None:
    """A repository has 255 characters at most, also below a mirror's path."""
    deep = mirrors({"signedAs": "quay.io", "readFrom": ["m.example/a/path", "quay.io"]})
    long = f"quay.io/{'a' * 255}"

    assert (long, [long]) == names(long, deep)


def test_the_hosts_that_are_named_may_have_private_addresses() -> None:
    """Whoever names a mirror in the install's settings has named its host."""
    file = {
        "registries": [{"host": "harbor.corp.example", "plainHTTP": True}],
        "mirrors": [{"signedAs": "quay.io", "pulledAs": [HARBOR], "readFrom": ["m.example:5000"]}],
    }
    settings = RegistriesFile.of(file).settings(HERE)

    asked = ["harbor.corp.example", "quay.io", "m.example:5000", "m.example", "docker.io"]
    assert [True, True, True, False, False] == [settings.names(host) for host in asked]
    assert HostSettings(plain_http=True) == settings.of("harbor.corp.example")


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([{"signedAs": "quay.io"}], "mirrors[0]: pulledAs, readFrom or both are wanted"),
        ([{"signedAs": "quay.io/", "readFrom": ["a.example"]}], "mirrors[0]: 'quay.io/'"),
        ([{"signedAs": "quay.io", "readFrom": ["*.example"]}], "mirrors[0]: '*.example'"),
        ([{"signedAs": "quay.io", "readFrom": ["a.example/UP"]}], "mirrors[0]: 'a.example/UP'"),
        ([{"signedAs": "quay.io", "readFrom": ["a.example:1/b:2"]}], "mirrors[0]: 'a.example:1/b"),
        (
            [{"signedAs": "quay.io", "pulledAs": ["QUAY.io/team"]}],
            "mirrors: QUAY.io/team and quay.io have images in common",
        ),
        (
            [
                {"signedAs": "docker.io", "pulledAs": ["a.example"]},
                {"signedAs": "index.docker.io", "pulledAs": ["b.example"]},
            ],
            "mirrors: index.docker.io and docker.io have images in common",
        ),
        ([{"signedAs": "quay.io", "mirror": "a.example"}], "mirrors[0].mirror"),
        ([{"pulledAs": ["a.example"]}], "mirrors[0].signedAs"),
        (
            [{"signedAs": "quay.io", "readFrom": [f"m{each}.example" for each in range(9)]}],
            "mirrors[0].readFrom",
        ),
    ],
)
def test_what_is_no_mirror_is_refused(entries: list[dict[str, object]], problem: str) -> None:
    """A mirror that does nothing, no place, and names that are not clear are named with reason."""
    with pytest.raises(InvalidInput, match=re.escape(problem)):
        mirrors(*entries)


NAMES = st.sampled_from(["a.example", "b.example/x", "b.example/y/z", "docker.io", "c.example:1"])
PARTS = st.lists(st.sampled_from(["x", "y", "z", "library", "app"]), min_size=1, max_size=4)


@given(
    names=st.lists(NAMES, min_size=2, max_size=4, unique=True),
    host=st.sampled_from(["a.example", "b.example", "docker.io", "c.example:1", "d.example"]),
    parts=PARTS,
)
def test_all_names_of_an_image_are_signed_as_one(
    names: list[str], host: str, parts: list[str]
) -> None:
    """The signed name of a signed name is itself, and tag and digest are never another's."""
    signed_as, *pulled_as = map(Place.parse, names)
    all_mirrors = Mirrors((Mirror(signed_as, tuple(pulled_as)),))
    reference = ImageReference(host, "/".join(parts), "1", DIGEST)

    signed = all_mirrors.signed_name(reference)
    assert signed == all_mirrors.signed_name(signed)
    assert {("1", DIGEST)} == {
        (each.tag, each.digest) for each in (signed, *all_mirrors.places(reference))
    }
