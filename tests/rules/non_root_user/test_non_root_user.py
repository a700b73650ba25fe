"""Who runs a container, as the kubelet finds it out, and which of them `nonRootUser` refuses."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from landwaiter.images.configuration import ImageConfiguration
from landwaiter.images.platforms import Platform
from landwaiter.images.reference import ImageReference
from landwaiter.rules.image_content import Configurations, ConfigurationsQuestion
from landwaiter.rules.non_root_user import (
    USER_MAX,
    NamedUsers,
    NonRootUser,
    NonRootUserSettings,
    user_of,
)
from landwaiter.rules.protocol import NO_FACTS, Facts, Undecided, Violation
from landwaiter.workloads.nodes import Choice, NodeSelection, NodeTerm
from landwaiter.workloads.values import ImagePlace, ImageRole, ImageUse, WindowsUser

A_DIGEST = f"sha256:{'a' * 64}"
IMAGE = f"registry.example.com/app@{A_DIGEST}"
AMD64 = Platform("linux", "amd64")
PLACE = ImagePlace("spec.containers[0].image", "app", IMAGE)
WINDOWS = NodeSelection((NodeTerm(Choice(frozenset({"windows"}))),))


def a_use(**changes: Any) -> ImageUse:  # noqa: ANN401  # Any field of a place.
    return ImageUse(PLACE._replace(**changes), ImageReference.parse(IMAGE))


def verdict_on(
    use: ImageUse, user: str, rule: NonRootUser | None = None, platform: Platform = AMD64
) -> str:
    """Return the detail of the refusal, empty where the image with this USER is admitted."""
    rule = rule or NonRootUser()
    answer = Configurations((ImageConfiguration(A_DIGEST, platform, user),))
    found = rule.judge(use, Facts(dict.fromkeys(rule.needs(use), answer)))
    assert not isinstance(found, Undecided)
    return found.detail if found else ""


@pytest.mark.parametrize(
    ("written", "user"),
    [
        ("", (0, "")),
        (":1000", (0, "")),
        ("0", (0, "")),
        ("00", (0, "")),
        ("+0", (0, "")),
        ("-0", (0, "")),
        ("0:1000", (0, "")),
        ("1000", (1000, "")),
        ("1000:0", (1000, "")),
        ("1000:staff:x", (1000, "")),
        ("+7", (7, "")),
        ("-7", (-7, "")),
        ("0" * 5000 + "7", (7, "")),
        ("9223372036854775807", (9223372036854775807, "")),
        ("9223372036854775808", (None, "9223372036854775808")),
        ("-9223372036854775808", (-9223372036854775808, "")),
        ("9" * 5000, (None, "9" * 5000)),
        ("root", (None, "root")),
        ("app:app", (None, "app")),
        (" 0", (None, " 0")),
        ("0x0", (None, "0x0")),
        ("1_000", (None, "1_000")),
        ("1e3", (None, "1e3")),
        ("٣", (None, "٣")),
    ],
)
def test_the_user_of_an_image_is_read_as_the_runtimes_read_it(
    written: str, user: tuple[int | None, str]
) -> None:
    """What is before the first colon is a number where Go's ParseInt takes it, else a name."""
    assert user == user_of(written)


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1), st.text())
def test_every_number_is_read_as_one(number: int, group: str) -> None:
    """Whatever the group is."""
    assert (number, "") == user_of(f"{number}:{group}")


@pytest.mark.parametrize(
    ("place", "user", "refused"),
    [
        # (runAsUser, runAsNonRoot), USER of the image, and what is said, None where it may run.
        ((None, None), "1000", None),
        ((None, True), "1000", None),
        ((None, False), "1000", None),
        ((None, None), "", "it has no USER, so it runs as root"),
        ((None, True), "", "it has no USER, so it runs as root"),
        ((None, None), "0", 'its USER is "0", which is root'),
        ((None, None), "root", 'its USER is "root"'),
        ((None, True), "root", 'its USER is "root"'),
        ((None, None), "app", 'its USER is "app", which the image itself may give the number 0'),
        ((None, True), "app", "with runAsNonRoot: true the kubelet starts no container"),
        ((None, None), str(USER_MAX), None),
        ((None, None), str(USER_MAX + 1), "which is no user's number"),
        ((None, None), "4294967296", "which is no user's number"),
        ((None, None), "-1", "which is no user's number"),
        ((1000, None), "0", None),
        ((1000, True), "app", None),
        ((1000, False), "", None),
        ((USER_MAX, None), "0", None),
        ((0, None), "1000", "runAsUser is 0, which is root"),
        ((0, False), "1000", "runAsUser is 0, which is root"),
        ((0, True), "1000", "runAsUser is 0, which is root"),
        ((USER_MAX + 1, None), "1000", "which is no user's number"),
        ((-1, None), "1000", "runAsUser is -1, which is no user's number"),
    ],
)
def test_pod_and_image_say_together_who_runs_a_container(
    place: tuple[int | None, bool | None], user: str, refused: str | None
) -> None:
    """The Pod's number goes before the image's USER, as the kubelet's verifyRunAsNonRoot has it."""
    run_as_user, run_as_non_root = place
    said = verdict_on(a_use(run_as_user=run_as_user, run_as_non_root=run_as_non_root), user)

    assert (refused or "") in said
    assert (refused is None) == (said == "")


@pytest.mark.parametrize(
    ("user", "run_as_non_root", "refused"),
    [
        ("app", None, ""),
        ("app", False, ""),
        ("app", True, "cannot verify"),
        ("root", None, "another user is wanted"),
        ("", None, "another user is wanted"),
        ("0:app", None, "another user is wanted"),
    ],
)
def test_names_that_are_allowed_are_not_root(
    user: str,
    run_as_non_root: bool | None,  # noqa: FBT001
    refused: str,
) -> None:
    """`namedUsers: Allow` trusts a name, and neither root nor what the kubelet would not start."""
    use = a_use(run_as_non_root=run_as_non_root)
    said = verdict_on(use, user, NonRootUser(named_users="Allow"))

    assert refused in said
    assert (refused == "") == (said == "")


def test_a_number_in_the_pod_needs_no_image() -> None:
    """Whatever the tag comes to mean, it runs as that user: no registry is asked."""
    assert () == NonRootUser().needs(a_use(run_as_user=1000))


def test_an_image_volume_is_run_by_nobody() -> None:
    """Nothing is asked about it, and nothing is found."""
    use = a_use(role=ImageRole.VOLUME)

    assert ((), None) == (NonRootUser().needs(use), NonRootUser().judge(use, NO_FACTS))


ADMINISTRATOR = "who is an administrator; another user is wanted"
MADE = "whom the image itself may make an administrator"


@pytest.mark.parametrize(
    ("name", "named_users", "refused"),
    [
        ("ContainerUser", "Deny", ""),
        ("containeruser", "Deny", ""),
        (r"User Manager\ContainerUser", "Deny", ""),
        (r"NT AUTHORITY\NETWORK SERVICE", "Deny", ""),
        (r"NT AUTHORITY\LocalService", "Deny", ""),
        ("ContainerAdministrator", "Allow", ADMINISTRATOR),
        ("CONTAINERADMINISTRATOR", "Allow", ADMINISTRATOR),
        (" ContainerAdministrator ", "Allow", ADMINISTRATOR),
        (r"User Manager\ContainerAdministrator", "Allow", ADMINISTRATOR),
        (r".\ContainerAdministrator", "Allow", ADMINISTRATOR),
        ("ContainerAdministrator@host", "Allow", ADMINISTRATOR),
        (r"NT AUTHORITY\SYSTEM", "Allow", ADMINISTRATOR),
        ("Administrator", "Allow", ADMINISTRATOR),
        ("S-1-5-93-2-1", "Allow", ADMINISTRATOR),
        ("", "Allow", ADMINISTRATOR),
        ("app", "Deny", MADE),
        (r"OTHER\ContainerUser", "Deny", MADE),
        ("1000", "Deny", MADE),
        ("app", "Allow", ""),
        (r"CORP\app", "Allow", ""),
    ],
)
@pytest.mark.parametrize("run_as_non_root", [None, True, False])
def test_the_name_of_a_windows_user_says_what_it_may_do(
    name: str,
    named_users: NamedUsers,
    refused: str,
    run_as_non_root: bool | None,  # noqa: FBT001
) -> None:
    """Of the Pod as of the image; `runAsNonRoot` wants no number there, and lifts nothing."""
    rule = NonRootUser(named_users)
    place = {"nodes": WINDOWS, "run_as_non_root": run_as_non_root}
    of_pod = rule.judge(a_use(windows=WindowsUser(name), **place), NO_FACTS)
    said = [of_pod.detail if isinstance(of_pod, Violation) else ""]
    if name:
        said.append(verdict_on(a_use(**place), name, rule, Platform("windows", "amd64")))

    assert [refused in each for each in said] == [True] * len(said)
    assert [bool(refused)] * len(said) == [bool(each) for each in said]


def test_an_image_for_windows_without_user_runs_as_its_administrator() -> None:
    """Which images of Windows have one tells their USER."""
    said = verdict_on(a_use(), "", platform=Platform("windows", "amd64"))

    assert "it has no USER, so it runs as ContainerAdministrator; another user is wanted" == said


def test_a_pod_for_windows_alone_that_names_a_user_needs_no_image() -> None:
    """Whatever the tag comes to mean; a number, which Windows ignores, is not enough for it."""
    named, numbered = (
        a_use(nodes=WINDOWS, **said)
        for said in ({"windows": WindowsUser("x")}, {"run_as_user": 1000})
    )

    assert (0, 1) == (len(NonRootUser().needs(named)), len(NonRootUser().needs(numbered)))


def test_the_images_of_an_index_are_judged_by_their_own_system() -> None:
    """Where the Pod may run on any node, the name counts for Windows and the USER for Linux."""
    rule, use = NonRootUser(), a_use(windows=WindowsUser("ContainerAdministrator"))
    images = (
        ImageConfiguration(f"sha256:{1:064x}", AMD64, "1000"),
        ImageConfiguration(f"sha256:{2:064x}", Platform("windows", "amd64"), "ContainerUser"),
    )
    found = rule.judge(use, Facts(dict.fromkeys(rule.needs(use), Configurations(images))))

    assert isinstance(found, Violation)
    assert (
        (
            'windows/amd64: on Windows its runAsUserName is "ContainerAdministrator", who is an '
            "administrator; another user is wanted"
        ),
        (
            "write ContainerUser as spec.containers[0].securityContext.windowsOptions."
            "runAsUserName, or build the image with it: USER ContainerUser"
        ),
    ) == (found.detail, found.remedy)


def test_a_container_on_the_node_itself_is_refused_whoever_runs_it() -> None:
    """`hostProcess` is no container at all."""
    use = a_use(nodes=WINDOWS, windows=WindowsUser("ContainerUser", host_process=True))
    found = NonRootUser("Allow").judge(use, NO_FACTS)

    assert isinstance(found, Violation)
    assert (
        "hostProcess is true, so it runs on the Windows node itself; a container is wanted",
        (
            "take hostProcess out of spec.containers[0].securityContext.windowsOptions, or of the "
            "Pod's"
        ),
    ) == (found.detail, found.remedy)


def test_semantics_20_the_remedy_does_not_tell_the_system_of_an_image() -> None:
    """Whoever may be anybody gets the same one for either."""
    rule, use = NonRootUser(), a_use()
    remedies = set()
    for system in ("linux", "windows"):
        image = ImageConfiguration(A_DIGEST, Platform(system, "amd64"), "")
        answer = Configurations((image,), may_be_told=False)
        found = rule.judge(use, Facts(dict.fromkeys(rule.needs(use), answer)))
        assert isinstance(found, Violation)
        remedies.add((found.detail, found.remedy))

    assert 1 == len(remedies)


def test_of_several_images_those_that_are_wrong_are_named() -> None:
    """Equal sentences are said once, for the first platforms and the number of the others."""
    rule, use = NonRootUser(), a_use()
    images = tuple(
        ImageConfiguration(f"sha256:{n:064x}", Platform("linux", name), user)
        for n, (name, user) in enumerate(
            [("386", "1"), ("amd64", ""), ("arm64", ""), ("s390x", ""), ("ppc64le", ""), ("x", "0")]
        )
    )
    unnamed = ImageConfiguration(f"sha256:{'f' * 64}", None, "root")
    facts = Facts(dict.fromkeys(rule.needs(use), Configurations((*images, unnamed))))
    found = rule.judge(use, facts)

    assert isinstance(found, Violation)
    assert (
        "linux/amd64, linux/arm64, linux/s390x and 1 more: it has no USER, so it runs as root; "
        'another user is wanted; linux/x: its USER is "0", which is root; another user is wanted; '
        f'sha256:{"f" * 64}: its USER is "root"; another user is wanted'
    ) == found.detail


def test_semantics_20_who_may_be_anybody_is_told_nothing_of_the_image() -> None:
    """The verdict is the same, without the user and the platform."""
    rule, use = NonRootUser(), a_use()
    answer = Configurations((ImageConfiguration(A_DIGEST, AMD64, "alice"),), may_be_told=False)
    found = rule.judge(use, Facts(dict.fromkeys(rule.needs(use), answer)))

    assert isinstance(found, Violation)
    assert (
        "its user is or may be root; what the image says of itself is not told without --client-ca"
        == found.detail
    )


def test_what_is_not_known_is_undecided() -> None:
    """A fault outside is for the evaluator to weigh."""
    use, down = a_use(), Undecided("could not be found out", "503")
    question = ConfigurationsQuestion(use.reference, (), use.place.nodes)

    assert down == NonRootUser().judge(use, Facts({question: down}))


def test_semantics_06_a_template_is_judged_again_when_its_users_or_nodes_change() -> None:
    """Each of them can change who runs the container."""
    assert NonRootUser.reads == {
        "run_as_user",
        "run_as_non_root",
        "windows",
        "nodes",
    }


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({}, NonRootUser()),
        (
            {"namedUsers": "Allow", "platforms": ["linux/x86_64"], "unpinned": "Warn"},
            NonRootUser("Allow", (AMD64,), "Warn"),
        ),
    ],
)
def test_settings_become_the_rule(settings: dict[str, Any], rule: NonRootUser) -> None:
    """Without settings nothing is trusted and every image of an index is judged."""
    assert rule == NonRootUserSettings.model_validate(settings).rule(Path())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"namedUsers": "Warn"}, "Input should be 'Deny' or 'Allow'"),
        ({"platforms": []}, "at least 1 item"),
        ({"platforms": ["linux/amd64"] * 65}, "at most 64 items"),
        ({"platforms": ["amd64"]}, "an operating system and an architecture are wanted"),
        ({"unpinned": "Allow"}, "Input should be 'Deny' or 'Warn'"),
        ({"users": []}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_would_not_do_what_they_say_are_refused(
    settings: dict[str, Any], message: str
) -> None:
    """A value, a platform and a field that are not known do not load."""
    with pytest.raises(ValidationError) as refused:
        NonRootUserSettings.model_validate(settings)

    assert message in str(refused.value)
