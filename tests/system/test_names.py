"""What images may be called, asked by the real API server: tags, registries, names that lie."""

import pytest

from system.installation import Installation
from system.objects import A_DIGEST, A_TAG, a_pod, refusal_of
from system.workshop import Workshop

PATH = "spec.containers[0].image"
TEAM_APP = "registry.example.com/team/app:1.0"


def verdict_on(installation: Installation, policy: str, image: str) -> tuple[int, list[str]]:
    """Return the status for a Pod of one image and the rules that refuse it."""
    answer = installation.dry_run(installation.namespace(policy), a_pod(image))
    status, findings = refusal_of(answer)
    return status, [rule for _, rule in findings]


def message_about(installation: Installation, policy: str, image: str) -> str:
    answer = installation.dry_run(installation.namespace(policy), a_pod(image))
    return " ".join(str(answer.body["message"]).split())


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("registry.example.com/team/app:1.27.3", (201, [])),
        (f"registry.example.com/team/app:latest@{A_DIGEST}", (201, [])),
        (f"registry.example.com/team/app@sha512:{'a' * 128}", (201, [])),
        ("registry.example.com/team/app", (403, ["pinnedTags"])),
        ("registry.example.com/team/app:latest", (403, ["pinnedTags"])),
        ("registry.example.com/team/app:1.2-snapshot", (403, ["pinnedTags"])),
        ("registry.example.com:5000/team/app", (403, ["pinnedTags"])),
    ],
)
def test_fixed_tags(
    installation: Installation, image: str, expected: tuple[int, list[str]]
) -> None:
    """`require: fixedTag` refuses what floats, no tag included; a digest wins; a port is no tag."""

    assert expected == verdict_on(installation, "fixed-tag", image)


def test_semantics_10_the_digest_is_offered_where_the_registry_is_allowed(
    installation: Installation, workshop: Workshop
) -> None:
    """A tag of an allowed registry is refused with what to write instead."""
    digest = workshop.referrers.images.make_image("team/offered:1.0").partition("@")[2]
    image = f"{workshop.referrers.host}/team/offered:1.0"

    message = message_about(installation, "digest-of-team", image)

    assert message.endswith(f"→ use {image}@{digest}")


def test_semantics_10_the_digest_offered_is_the_tags_current_one(
    installation: Installation, workshop: Workshop
) -> None:
    """After a tag has moved, the message offers what it points to now."""
    images = workshop.referrers.images
    images.make_image("team/moved:1.0")
    image = f"{workshop.referrers.host}/team/moved:1.0"
    message_about(installation, "digest-of-team", image)
    newer = images.make_image("team/moved:2.0").partition("@")[2]
    images.tag("team/moved:2.0", "1.0")

    message = message_about(installation, "digest-of-team", image)

    assert message.endswith(f"→ use {image}@{newer}")


def test_semantics_10_no_digest_is_looked_up_where_the_registry_is_not_allowed(
    installation: Installation, workshop: Workshop
) -> None:
    """A registry that the registry rule refuses is not asked, though it would answer."""
    made = workshop.plain.images.make_image("team/elsewhere:1.0")
    image = f"{workshop.plain.host}/team/elsewhere:1.0"

    message = message_about(installation, "digest-of-team", image)

    digest = made.partition("@")[2]
    assert (True, False) == (f"{image} is not allowed" in message, digest in message)


@pytest.mark.parametrize(
    "image",
    [
        TEAM_APP,
        "registry.example.com/team",
        "registry.example.com:443/team/deep/app:1.0",
        "Registry.Example.com/team/app:1.0",
        "nginx:1.27.3",
        "docker.io/library/nginx",
        "index.docker.io/library/nginx",
    ],
)
def test_semantics_03_what_is_allowed_is_admitted(installation: Installation, image: str) -> None:
    """A pattern covers its repository and what is below, under all names of its host."""

    assert (201, []) == verdict_on(installation, "allowed", image)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param("registry.example.com/team-evil/app:1.0", id="gatekeeper-library-538"),
        pytest.param("registry.example.com.evil.com/team/app:1.0", id="gatekeeper-library-529"),
        pytest.param("evil.com/registry.example.com/team/app:1.0", id="portieris-0.14.2"),
        pytest.param("registry.example.com:5000/team/app:1.0", id="another-port"),
        pytest.param("registry.example.com/teams/app:1.0", id="a-longer-name"),
        pytest.param("someone/nginx:1.0", id="docker-hub-user"),
        pytest.param("localhost/team/app:1.0", id="localhost"),
    ],
)
def test_semantics_03_lookalikes_are_refused(installation: Installation, image: str) -> None:
    """Names that contain an allowed one, before, behind or inside, are others."""

    assert (403, ["allowedRegistries"]) == verdict_on(installation, "allowed", image)


def test_deny_alone_allows_the_rest(installation: Installation) -> None:
    """A deny list refuses what it covers and nothing else."""
    denied = "registry.example.com/team/old/app:1.0"

    assert ((403, ["allowedRegistries"]), (201, [])) == (
        verdict_on(installation, "denied", denied),
        verdict_on(installation, "denied", A_TAG),
    )


@pytest.mark.parametrize(
    "image",
    [
        pytest.param("sha256:" + "a" * 64, id="local-image-id"),
        pytest.param("a" * 64, id="bare-hex"),
        pytest.param("registry.example.com/team/app@md5:" + "a" * 32, id="md5"),
        pytest.param("registry.example.com/team/app@sha256:abc", id="short-digest"),
        pytest.param("registry.example.com/team/app:1.0@", id="empty-digest"),
        pytest.param("registry.example.com/team/../evil/app:1.0", id="path-tricks"),
        pytest.param("https://registry.example.com/team/app:1.0", id="url"),
        pytest.param("registry.example.com/team/app:1.0 nginx", id="two-words"),
        pytest.param("registry.example.com/team/\u202eppa:1.0", id="turned-text"),
    ],
)
def test_semantics_01_kubewarden_trusted_repos_what_does_not_parse_is_refused(
    installation: Installation, image: str
) -> None:
    """No policy has to ask for it: an image that cannot be read is not admitted by any."""

    assert (403, ["imageReference"]) == verdict_on(installation, "denied", image)
