"""The text that a person reads at `kubectl apply` and in `landwaiter check`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from admission.builders import (
    A_DIGEST,
    WARN,
    a_finding,
    a_use,
    a_verdict,
    a_violation,
    a_workload,
    an_unreadable_use,
    not_known,
)
from landwaiter.admission.message import MESSAGE_LIMIT_BYTES, message_of
from landwaiter.rules.protocol import RuleId
from landwaiter.rules.verdict import FailurePolicy, UseVerdict, Verdict
from landwaiter.workloads.values import ImagePlace, ImageUse


def test_semantics_17_every_refused_image_is_in_one_message() -> None:
    """Images come in the order of the object; each rule says what was seen, wanted, to be done."""
    uses = (
        a_use("nginx:latest", at=0),
        a_use(f"quay.io/team/ok@{A_DIGEST}", at=1, name="good"),
        a_use("registry.example.com/team/api:1.2", at=2, name="api"),
    )
    registries = a_violation(
        "allowedRegistries",
        detail="registry.example.com/team is not among the registries that may be used here; "
        "wanted one of quay.io/team, docker.io/library",
        remedy="push the image to quay.io/team",
    )
    verdict = Verdict(
        (
            UseVerdict(
                uses[0],
                findings=(a_finding(), a_finding(policy="baseline")),
                not_checked=(RuleId("cosignSignatures"), RuleId("pullSecrets")),
            ),
            UseVerdict(uses[1]),
            UseVerdict(uses[2], findings=(a_finding(registries, rule="allowedRegistries"),)),
        )
    )

    assert f"""
2 of 3 images in Deployment shop/web are refused:

spec.template.spec.containers[0].image (container app): nginx:latest
  ✗ pinnedTags (policies production-images, baseline): tag "latest" floats; a digest is wanted
    → use
      docker.io/library/nginx:latest@{A_DIGEST}
  · not checked, since the image is refused already: cosignSignatures, pullSecrets

spec.template.spec.containers[2].image (container api): registry.example.com/team/api:1.2
  ✗ allowedRegistries (policy production-images): registry.example.com/team is not among the
    registries that may be used here; wanted one of quay.io/team, docker.io/library
    → push the image to quay.io/team""" == message_of(a_workload(*uses), verdict)


def test_undecided_images_are_told_apart_from_refused_ones() -> None:
    """What could not be found out has another mark, and is counted for itself."""
    uses = (a_use(), a_use("redis:7", at=1, name="cache"))
    verdict = Verdict(
        (
            UseVerdict(uses[0], findings=(a_finding(a_violation(remedy="")),)),
            UseVerdict(uses[1], findings=(a_finding(not_known(), rule="cosignSignatures"),)),
        )
    )

    assert """
1 of 2 images in Deployment shop/web is refused, and 1 more could not be decided:

spec.template.spec.containers[0].image (container app): nginx:latest
  ✗ pinnedTags (policy production-images): tag "latest" floats; a digest is wanted

spec.template.spec.containers[1].image (container cache): redis:7
  ? cosignSignatures (policy production-images): registry.example.com answers 503""" == message_of(
        a_workload(*uses), verdict
    )


@pytest.mark.parametrize(
    ("retry", "headline"),
    [
        (True, "The image in Pod shop/web is not decided yet; try again in a moment:"),
        (
            False,
            "The image in Pod shop/web is not decided, and what is not known is not admitted;",
        ),
    ],
)
def test_the_headline_says_whether_waiting_helps(*, retry: bool, headline: str) -> None:
    """Work that goes on is worth a moment's wait; a fault is worth a question."""
    message = message_of(
        a_workload(a_use(), kind="Pod"), a_verdict(a_finding(not_known(retry=retry)))
    )

    assert headline == message.splitlines()[1][: len(headline)]


def test_all_images_are_refused() -> None:
    """Two of two are all."""
    uses = (a_use(), a_use("redis", at=1))
    verdict = Verdict(tuple(UseVerdict(use, findings=(a_finding(),)) for use in uses))

    assert (
        "All 2 images in Deployment shop/web are refused:"
        == (message_of(a_workload(*uses), verdict).splitlines()[1])
    )


def test_an_object_without_name_is_named_by_its_namespace() -> None:
    """`generateName` has not been filled in yet when a Pod of a Deployment is judged."""
    message = message_of(a_workload(a_use(), kind="Pod", name=""), a_verdict(a_finding()))

    assert "The image in Pod (not named yet) in shop is refused:" == message.splitlines()[1]


def test_the_image_of_a_volume_is_called_so() -> None:
    """An image volume has a name too, but no container."""
    use = a_use()._replace(place=ImagePlace("spec.volumes[0].image.reference", "models", "a:1"))

    assert (
        "spec.volumes[0].image.reference (volume models): a:1"
        == (message_of(a_workload(use), a_verdict(a_finding(), use=use)).splitlines()[3])
    )


def test_findings_that_refuse_nothing_are_not_in_the_message() -> None:
    """What only warns, or is let through by failurePolicy Ignore, belongs to the warnings."""
    verdict = a_verdict(
        a_finding(),
        a_finding(rule="pullSecrets", actions=WARN),
        a_finding(not_known(), failure_policy=FailurePolicy.IGNORE, rule="cosignSignatures"),
    )

    assert message_of(a_workload(), a_verdict(a_finding())) == message_of(a_workload(), verdict)


def test_many_policies_are_counted() -> None:
    """Equal findings of two hundred policies are one entry that names three of them."""
    findings = [a_finding(a_violation(remedy=""), policy=f"p{number}") for number in range(200)]

    assert [
        '  ✗ pinnedTags (policies p0, p1, p2 and 197 more): tag "latest" floats; a digest is wanted'
    ] == message_of(a_workload(), a_verdict(*findings)).splitlines()[4:]


def test_different_findings_of_one_rule_are_not_merged() -> None:
    """Two policies that want different things are two entries."""
    other = a_violation(detail='tag "latest" is not a fixed tag', remedy="use a version")
    message = message_of(a_workload(), a_verdict(a_finding(), a_finding(other, policy="p2")))

    assert [
        '  ✗ pinnedTags (policy production-images): tag "latest" floats; a digest is wanted',
        '  ✗ pinnedTags (policy p2): tag "latest" is not a fixed tag',
    ] == [line for line in message.splitlines() if "✗" in line]


def test_control_characters_in_an_image_name_are_made_visible() -> None:
    """An image name cannot draw over the message that refuses it."""
    use = an_unreadable_use("ok\x1b[1A\n\u202eevil", 'no repository: "ok\x1b"')
    finding = a_finding(a_violation("imageReference", detail=use.problem, remedy=""))
    message = message_of(a_workload(use), Verdict((UseVerdict(use, findings=(finding,)),)))

    assert [
        "spec.template.spec.containers[0].image (container app): ok\\x1b[1A\\n\\u202eevil",
        '  ✗ pinnedTags (policy production-images): no repository: "ok\\x1b"',
    ] == message.splitlines()[3:]


def test_what_does_not_fit_into_4_kb_is_counted() -> None:
    """Of a hundred refused images those are shown that fit, and the others are counted."""
    uses = tuple(a_use(f"registry.example.com/team/app{at}:latest", at=at) for at in range(100))
    verdict = Verdict(tuple(UseVerdict(use, findings=(a_finding(),)) for use in uses))
    message = message_of(a_workload(*uses), verdict)
    shown = message.count("(container app)")

    assert (True, True, f"… and {100 - shown} more images") == (
        len(message.encode()) <= MESSAGE_LIMIT_BYTES,
        shown > 5,
        message.splitlines()[-1],
    )


def test_one_image_with_too_many_findings_is_shown_in_part() -> None:
    """What is left out of one image is counted, and so are the images after it."""
    findings = tuple(
        a_finding(a_violation(f"rule{number}", detail="x" * 500), rule=f"rule{number}")
        for number in range(30)
    )
    uses = (a_use(), a_use("redis", at=1))
    verdict = Verdict(
        (UseVerdict(uses[0], findings=findings), UseVerdict(uses[1], findings=findings[:1]))
    )
    message = message_of(a_workload(*uses), verdict)
    shown = message.count("✗")

    assert (
        True,
        [f"  … and {30 - shown} more lines on this image", "", "… and 1 more image"],
    ) == (len(message.encode()) <= MESSAGE_LIMIT_BYTES, message.splitlines()[-3:])


texts = st.text(max_size=2000)


@given(st.lists(st.tuples(texts, texts, texts, texts), min_size=1, max_size=30), texts, texts)
@settings(deadline=None, max_examples=60)
def test_no_text_makes_a_message_long_or_invisible(
    parts: list[tuple[str, str, str, str]], name: str, kind: str
) -> None:
    """At most 4 kB of printable lines, whatever images, details, remedies and names hold."""
    uses = []
    verdicts = []
    for image, container, detail, remedy in parts:
        use = ImageUse(ImagePlace("spec.containers[0].image", container, image), a_use().reference)
        uses.append(use)
        violation = a_violation(detail=detail, remedy=remedy)
        verdicts.append(UseVerdict(use, findings=(a_finding(violation, policy=name),)))
    message = message_of(a_workload(*uses, name=name, kind=kind), Verdict(tuple(verdicts)))

    assert (True, "\n", []) == (
        len(message.encode()) <= MESSAGE_LIMIT_BYTES,
        message[0],
        [line for line in message.split("\n") if not line.isprintable()],
    )
