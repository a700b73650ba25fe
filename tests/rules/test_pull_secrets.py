"""Which pull secrets are good enough, and what a person is told when none is."""

import re

import pytest
from pydantic import ValidationError

from landwaiter.images.patterns import ImagePattern
from landwaiter.images.reference import ImageReference
from landwaiter.rules.protocol import NO_FACTS, Facts, Undecided, Violation
from landwaiter.rules.pull_secrets import (
    NamedSecret,
    PullSecretAnswer,
    PullSecretQuestion,
    PullSecrets,
    PullSecretsSettings,
    SecretState,
)
from landwaiter.workloads.values import ImagePlace, ImageUse

AN_IMAGE = "registry.cn-hangzhou.aliyuncs.com/myns/app:1"
A_PATH = "spec.template.spec.containers[0].image"
USABLE = NamedSecret("good", SecretState.USABLE)
MISSING = NamedSecret("acr", SecretState.MISSING)
NO_ENTRY = NamedSecret("other", SecretState.NO_ENTRY)
BROKEN = NamedSecret("bad", SecretState.UNPARSABLE, 'entry 2: "auth" is not base64')
CREATE = (
    "run `kubectl create secret docker-registry {name} --namespace shop "
    "--docker-server=registry.cn-hangzhou.aliyuncs.com "
    "--docker-username=USER --docker-password=PASSWORD`"
)
A_NEW_NAME = "registry-cn-hangzhou-aliyuncs-com"
IN_TEMPLATE = " and name it in spec.template.spec.imagePullSecrets"
WANTED = "one with an entry for registry.cn-hangzhou.aliyuncs.com/myns/app is wanted"


def a_rule(*patterns: str) -> PullSecrets:
    return PullSecrets(tuple(map(ImagePattern.parse, patterns or ("registry.*.aliyuncs.com",))))


def a_use(text: str = AN_IMAGE, path: str = A_PATH) -> ImageUse:
    return ImageUse(ImagePlace(path, "app", text), ImageReference.parse(text))


def judged(answer: object, use: ImageUse | None = None) -> Violation | Undecided | None:
    rule, use = a_rule("**"), use or a_use()
    return rule.judge(use, Facts({PullSecretQuestion(use.reference): answer}))


def of_pod(*secrets: NamedSecret, left_out: int = 0) -> PullSecretAnswer:
    return PullSecretAnswer("shop", secrets, left_out=left_out)


def of_account(*secrets: NamedSecret, is_missing: bool = False) -> PullSecretAnswer:
    return PullSecretAnswer("shop", secrets, "default", account_missing=is_missing)


@pytest.mark.parametrize(
    ("image", "is_asked"),
    [
        ("registry.cn-hangzhou.aliyuncs.com/a", True),
        ("REGISTRY.cn-hangzhou.aliyuncs.com/a/b:1", True),
        ("registry.cn-hangzhou.aliyuncs.com:443/a", True),
        (f"registry.cn-hangzhou.aliyuncs.com/a@sha256:{'a' * 64}", True),
        ("registry.cn-hangzhou.aliyuncs.com.evil/a", False),
        ("evil.example/registry.cn-hangzhou.aliyuncs.com/a", False),
        ("nginx", False),
    ],
)
def test_a_bare_host_stands_for_all_that_it_holds(image: str, is_asked: bool) -> None:  # noqa: FBT001
    """Only images of the registries that are named need a Secret, however they are named."""
    rule, use = a_rule("registry.cn-hangzhou.aliyuncs.com"), a_use(image)
    wanted = (PullSecretQuestion(use.reference),) if is_asked else ()

    assert wanted == rule.needs(use)


def test_an_image_of_another_registry_needs_nothing() -> None:
    """It is admitted without any fact."""

    assert a_rule("registry.example.com").judge(a_use(), NO_FACTS) is None


@pytest.mark.parametrize(
    "answer", [of_pod(USABLE), of_pod(MISSING, NO_ENTRY, USABLE), of_account(USABLE)]
)
def test_one_usable_secret_is_enough(answer: PullSecretAnswer) -> None:
    """The kubelet skips Secrets that are missing or about other images."""

    assert judged(answer) is None


def test_undecided_stays_undecided() -> None:
    """What could not be found out is neither admitted nor refused here."""
    unknown = Undecided("could not be found out", "503")

    assert unknown == judged(unknown)


@pytest.mark.parametrize(
    ("answer", "detail", "remedy"),
    [
        (
            of_pod(MISSING),
            f'the Pod\'s pull secret "acr" does not exist; {WANTED}',
            CREATE.format(name="acr"),
        ),
        (
            of_pod(NO_ENTRY),
            (
                'the Pod\'s pull secret "other" has no entry that the kubelet would use '
                f"for this image; {WANTED}"
            ),
            CREATE.format(name=A_NEW_NAME) + IN_TEMPLATE,
        ),
        (
            of_account(NamedSecret("opaque", SecretState.WRONG_TYPE, "Opaque")),
            'pull secret "opaque" of ServiceAccount "default" is of another type than '
            "kubernetes.io/dockerconfigjson (Opaque); " + WANTED,
            CREATE.format(name=A_NEW_NAME) + IN_TEMPLATE,
        ),
        (
            of_pod(NamedSecret("token", SecretState.NO_PASSWORD)),
            (
                'the Pod\'s pull secret "token" has an entry without user name and password '
                f"(the kubelet reads no tokens); {WANTED}"
            ),
            CREATE.format(name=A_NEW_NAME) + IN_TEMPLATE,
        ),
        (
            of_pod(NO_ENTRY, MISSING, left_out=3),
            'among the Pod\'s pull secrets, "other" has no entry that the kubelet would use for '
            'this image, "acr" does not exist and 3 more that were not looked at; ' + WANTED,
            CREATE.format(name="acr"),
        ),
    ],
)
def test_when_none_fits_each_secret_is_told_apart(
    answer: PullSecretAnswer, detail: str, remedy: str
) -> None:
    """The message says what is wrong with each, and gives the command that mends it."""
    expected = Violation(PullSecrets.id, "no pull secret fits", detail, remedy)

    assert expected == judged(answer)


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (
            of_account(),
            'neither the Pod nor ServiceAccount "default" in namespace "shop" names a pull secret',
        ),
        (
            of_account(is_missing=True),
            (
                'the Pod names no pull secret, and ServiceAccount "default" does not exist '
                'in namespace "shop"'
            ),
        ),
        (
            of_pod(),
            "the Pod lists imagePullSecrets without a name, so its ServiceAccount's do not apply",
        ),
    ],
)
def test_when_none_is_named_the_person_is_told_where_to(
    answer: PullSecretAnswer, seen: str
) -> None:
    """The Pod, its account or the empty entry that hides the account is named."""
    expected = Violation(
        PullSecrets.id,
        "no pull secret",
        f"{seen}; {WANTED}",
        CREATE.format(name=A_NEW_NAME) + IN_TEMPLATE,
    )

    assert expected == judged(answer)


@pytest.mark.parametrize("others", [(), (USABLE,), (MISSING, USABLE)])
def test_one_malformed_secret_fails_the_keyring_for_every_image(
    others: tuple[NamedSecret, ...],
) -> None:
    """A Secret that does not parse is refused also beside a usable one."""
    whose = "among the Pod's pull secrets," if others else "the Pod's pull secret"
    expected = Violation(
        PullSecrets.id,
        "pull secret breaks the keyring",
        f'{whose} "bad" does not parse (entry 2: "auth" is not base64); with it the kubelet '
        "fails to pull every image of the Pod, one that parses is wanted",
        "mend it, or no longer name it: `kubectl get secret bad --namespace shop --output yaml`",
    )

    assert expected == judged(of_pod(*others, BROKEN))


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("spec.containers[0].image", "spec.imagePullSecrets"),
        (
            "spec.jobTemplate.spec.template.spec.initContainers[1].image",
            "spec.jobTemplate.spec.template.spec.imagePullSecrets",
        ),
        ("template.spec.volumes[0].image.reference", "template.spec.imagePullSecrets"),
        (
            "spec.ephemeralContainers[0].image",
            "spec.imagePullSecrets of a new Pod, for those of a running one cannot be changed",
        ),
    ],
)
def test_the_remedy_names_the_field_beside_the_containers(path: str, where: str) -> None:
    """Wherever the Pod's spec stands in the object, the command ends with its own field."""
    violation = judged(of_pod(), a_use(path=path))

    assert isinstance(violation, Violation)
    assert CREATE.format(name=A_NEW_NAME) + f" and name it in {where}" == violation.remedy


@pytest.mark.parametrize(
    ("image", "name", "server"),
    [
        ("team/app", "docker-io", "https://index.docker.io/v1/"),
        ("registry.example.com:5000/app", "registry-example-com-5000", None),
        ("[fd00::1]:5000/app", "fd00-1-5000", None),
    ],
)
def test_the_server_is_the_one_that_the_kubelet_looks_for(
    image: str, name: str, server: str | None
) -> None:
    """Docker Hub has a name of its own, every other registry the one in the image."""
    use = a_use(image)
    violation = judged(of_pod(), use)

    assert isinstance(violation, Violation)
    assert (
        f"docker-registry {name} --namespace shop "
        f"--docker-server={server or use.reference.registry} " in violation.remedy
    )


@pytest.mark.parametrize("name", ["$(reboot)", "a;b", "--help", "a b", "a\nb", "`x`"])
def test_no_name_from_a_request_gets_into_a_command(name: str) -> None:
    """What could not be the name of a Secret is never offered for a shell."""
    hostile = NamedSecret(name, SecretState.MISSING)
    answer = PullSecretAnswer(name, (hostile, NamedSecret(name, SecretState.UNPARSABLE)))
    remedies = [
        violation.remedy
        for each in (answer, PullSecretAnswer(name, (hostile,)), PullSecretAnswer(name, ()))
        if isinstance(violation := judged(each), Violation)
    ]

    assert 3 == len(remedies)
    assert [2, 2, 2] == [text.count("`") for text in remedies]
    assert [] == [text for text in remedies if re.search(r"[$;\n]|--help|a b", text)]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "Field required"),
        ({"requireFor": []}, "List should have at least 1 item after validation, not 0"),
        (
            {"requireFor": ["nginx"]},
            (
                'Value error, image pattern "nginx": a host is wanted first; '
                "for Docker Hub write docker.io/library/nginx"
            ),
        ),
        (
            {"requireFor": ["a.example/b:1"]},
            (
                'Value error, image pattern "a.example/b:1": no tag and no digest is wanted here, '
                "for whoever writes a Pod can name the same image by another one"
            ),
        ),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: object, problem: str) -> None:
    """An empty list, a name that is no pattern, and a pattern to step out of are refused."""
    with pytest.raises(ValidationError) as refused:
        PullSecretsSettings.model_validate(settings)

    assert [problem] == [each["msg"] for each in refused.value.errors()]
