"""Which pull secrets are good enough, and what a person is told when none is."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from landwaiter.images.patterns import ImagePattern
from landwaiter.images.reference import ImageReference
from landwaiter.rules.protocol import NO_FACTS, Facts, Reservation, Undecided, Violation
from landwaiter.rules.pull_secret_answers import (
    NamedSecret,
    PullSecretAnswer,
    PullSecretQuestion,
    SecretState,
)
from landwaiter.rules.pull_secrets import Outcome, PullSecrets, PullSecretsSettings
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


def judged(
    answer: object,
    use: ImageUse | None = None,
    /,
    **settings: Any,  # noqa: ANN401  # Any value of a field.
) -> Outcome:
    """Return what a rule says, for every image unless the settings say more."""
    given = {} if "forbidIn" in settings else {"requireFor": ["**"]}
    rule = PullSecretsSettings.model_validate({**given, **settings}).rule(Path())
    use = use or a_use()
    (question,) = rule.needs(use)
    return rule.judge(use, Facts({question: answer}))


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
    wanted = (PullSecretQuestion(use.reference, node_credentials=True),) if is_asked else ()

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


ANOTHER = CREATE.format(name=A_NEW_NAME) + IN_TEMPLATE
REPLACE = (
    CREATE.format(name="s").removeprefix("run ").removesuffix("`")
    + " --dry-run=client --output=yaml | kubectl replace --filename=-` leaves it with that entry "
    "alone"
)


@pytest.mark.parametrize(
    ("state", "worth", "remedy"),
    [
        (SecretState.MISSING, "does not exist", CREATE.format(name="s")),
        (
            SecretState.NO_ENTRY,
            "has entries for other registries alone",
            ANOTHER,
        ),
        (
            SecretState.OTHER_PATH,
            "has an entry for another path of this registry alone",
            f"have an entry for the whole registry, or for this path: {ANOTHER}",
        ),
        (
            SecretState.TOKEN_ALONE,
            "has an entry with an identity token alone, which the kubelet does not read",
            f"have an entry with a user name, and a password or access token: {ANOTHER}",
        ),
        (
            SecretState.NO_PASSWORD,
            "has an entry without user name and password",
            f"write a user name and a password into it: {REPLACE}",
        ),
        (SecretState.EMPTY, "has no entries at all", f"write an entry into it: {REPLACE}"),
        (
            SecretState.EXPIRED,
            "has an entry whose token has expired",
            f"write a new token into it: {REPLACE}",
        ),
        (
            SecretState.WRONG_TYPE,
            "is of another type than kubernetes.io/dockerconfigjson",
            f"make another, for a Secret keeps its type: {ANOTHER}",
        ),
        (
            SecretState.TOO_LARGE,
            "holds more than is looked at",
            f"have a Secret for this registry alone: {ANOTHER}",
        ),
        (
            SecretState.LOGIN_REFUSED,
            "is refused by the registry: its user name or password is wrong or revoked",
            f"write the password of today into it: {REPLACE}",
        ),
        (
            SecretState.PULL_REFUSED,
            "logs in, and the registry does not let it pull this image",
            "let the Secret's user pull myns/app at registry.cn-hangzhou.aliyuncs.com, or "
            + ANOTHER,
        ),
        (
            SecretState.NOT_SHOWN,
            "logs in, and the registry has no such image for it",
            (
                f"push {AN_IMAGE}, or let the Secret's user see myns/app at "
                "registry.cn-hangzhou.aliyuncs.com"
            ),
        ),
    ],
)
def test_each_fault_of_a_secret_has_its_sentence_and_its_mending_line(
    state: SecretState, worth: str, remedy: str
) -> None:
    """A person is told what is wrong with the Secret, and the line that mends just that."""
    expected = Violation(
        PullSecrets.id,
        "no pull secret fits",
        f'the Pod\'s pull secret "s" {worth}; {WANTED}',
        remedy,
    )

    assert expected == judged(of_pod(NamedSecret("s", state)))


def test_every_state_that_may_be_refused_has_a_sentence_here() -> None:
    """A state that is added fails here until its sentence is written down above."""
    marks = test_each_fault_of_a_secret_has_its_sentence_and_its_mending_line.pytestmark  # type: ignore[attr-defined]
    told = {row[0] for row in marks[0].args[1]}

    assert set(SecretState) == told | {SecretState.USABLE, SecretState.UNPARSABLE}


@pytest.mark.parametrize(
    ("answer", "detail", "remedy"),
    [
        (
            of_account(NamedSecret("opaque", SecretState.WRONG_TYPE, "Opaque")),
            'pull secret "opaque" of ServiceAccount "default" is of another type than '
            "kubernetes.io/dockerconfigjson (Opaque); " + WANTED,
            f"make another, for a Secret keeps its type: {ANOTHER}",
        ),
        (
            of_pod(NO_ENTRY, MISSING, left_out=3),
            (
                'among the Pod\'s pull secrets, "other" has entries for other registries alone, '
                f'"acr" does not exist and 3 more that were not looked at; {WANTED}'
            ),
            CREATE.format(name="acr"),
        ),
        (
            PullSecretAnswer("shop", (NO_ENTRY,), repeated=("other",)),
            (
                'the Pod\'s pull secret "other" has entries for other registries alone; "other" is '
                f"named more than once, which adds nothing; {WANTED}"
            ),
            ANOTHER,
        ),
        (
            of_pod(NO_ENTRY, NamedSecret("late", SecretState.EXPIRED, "at 2026-11-01T00:00:00Z")),
            (
                'among the Pod\'s pull secrets, "other" has entries for other registries alone, '
                f'"late" has an entry whose token has expired (at 2026-11-01T00:00:00Z); {WANTED}'
            ),
            f"write a new token into it: {REPLACE.replace('registry s ', 'registry late ')}",
        ),
    ],
)
def test_when_none_fits_each_secret_is_told_apart(
    answer: PullSecretAnswer, detail: str, remedy: str
) -> None:
    """The message says what is wrong with each, and mends the one that lacks the least."""
    expected = Violation(PullSecrets.id, "no pull secret fits", detail, remedy)

    assert expected == judged(answer)


NOT_YET = f"until it does, with an entry for {AN_IMAGE.removesuffix(':1')}, the image is not pulled"


@pytest.mark.parametrize(
    ("settings", "answer", "told"),
    [
        ({"unknownSecret": "Warn"}, of_pod(MISSING, NO_ENTRY), 'pull secret "acr"'),
        ({"unknownSecret": "Warn"}, of_account(MISSING), 'pull secret "acr"'),
        (
            {"unknownServiceAccount": "Warn"},
            of_account(is_missing=True),
            'ServiceAccount "default"',
        ),
    ],
)
def test_what_is_yet_to_come_is_admitted_with_a_warning(
    settings: dict[str, str], answer: PullSecretAnswer, told: str
) -> None:
    """Where the policy says so, a Secret or an account that does not exist is waited for."""
    assert Reservation(f"{told} does not exist yet; {NOT_YET}") == judged(answer, **settings)


@pytest.mark.parametrize(
    ("settings", "answer"),
    [
        ({"unknownSecret": "Warn"}, of_account(is_missing=True)),
        ({"unknownSecret": "Warn"}, of_pod(NO_ENTRY)),
        ({"unknownSecret": "Warn"}, of_pod(MISSING, BROKEN)),
        ({"unknownSecret": "Warn"}, of_account()),
        ({"unknownServiceAccount": "Warn"}, of_pod(MISSING)),
        ({"unknownServiceAccount": "Warn"}, of_account(MISSING)),
        ({"unknownServiceAccount": "Warn"}, of_account()),
    ],
)
def test_what_is_there_and_does_not_do_is_refused_all_the_same(
    settings: dict[str, str], answer: PullSecretAnswer
) -> None:
    """To wait for one thing is not to wait for another, nor for what will not come by itself."""
    assert isinstance(judged(answer, **settings), Violation)


@pytest.mark.parametrize("allow", [True, False])
def test_credentials_of_the_nodes_count_where_they_are_allowed(*, allow: bool) -> None:
    """The rule asks for them, and admits with them what no Secret fits."""
    settings = {"requireFor": ["**"], "allowNodeCredentials": allow}
    rule = PullSecretsSettings.model_validate(settings).rule(Path())
    answer = PullSecretAnswer("shop", (NO_ENTRY,), node_credentials=allow)

    assert (allow, allow) == (
        rule.needs(a_use())[0].node_credentials,
        judged(answer, allowNodeCredentials=allow) is None,
    )


def test_credentials_of_the_nodes_mend_no_broken_keyring() -> None:
    """The kubelet reads the Pod's Secrets first, and fails where one does not parse."""
    answer = PullSecretAnswer("shop", (BROKEN,), node_credentials=True)

    assert isinstance(judged(answer), Violation)


@pytest.mark.parametrize("check", ["Never", "Cached", "Always"])
def test_the_policy_says_whether_credentials_are_tried(check: str) -> None:
    """The question carries it to whoever can try them."""
    rule = PullSecretsSettings.model_validate({"requireFor": ["**"], "checkAccess": check})

    assert [check] == [each.check_access for each in rule.rule(Path()).needs(a_use())]


FORBIDDEN = {"requireFor": ["**"], "forbidIn": ["registry.cn-hangzhou.aliyuncs.com/myns"]}
NONE_WANTED = "the image has to be pulled without credentials, so none is wanted"
OUT_OF_THE_POD = (
    "take it out of spec.template.spec.imagePullSecrets, or the entry out of the Secret"
)
OUT_OF_THE_ACCOUNT = (
    "take the entry out of the Secret, or have the Pod use an account without it: name that in "
    "spec.template.spec.serviceAccountName"
)


@pytest.mark.parametrize(
    "answer",
    [of_pod(), of_account(), of_pod(NO_ENTRY), of_pod(NamedSecret("e", SecretState.EMPTY))],
)
def test_an_image_without_credentials_may_be_where_they_are_forbidden(
    answer: PullSecretAnswer,
) -> None:
    """No Secret is required there, whatever `requireFor` says, and one for elsewhere is no harm."""
    assert judged(answer, **FORBIDDEN) is None


@pytest.mark.parametrize(
    ("answer", "detail", "remedy"),
    [
        (of_pod(USABLE), 'the Pod\'s pull secret "good" has an entry for it', OUT_OF_THE_POD),
        (
            of_account(NO_ENTRY, NamedSecret("late", SecretState.EXPIRED)),
            (
                'among ServiceAccount "default"\'s pull secrets, "late" has an entry whose token '
                "has expired"
            ),
            OUT_OF_THE_ACCOUNT,
        ),
        (
            of_pod(MISSING),
            'the Pod\'s pull secret "acr" does not exist, so it may hold an entry for it',
            OUT_OF_THE_POD,
        ),
        (
            of_pod(NO_ENTRY, left_out=2),
            (
                "the Pod names too many pull secrets and 2 more that were not looked at, so it may "
                "hold an entry for it"
            ),
            OUT_OF_THE_POD,
        ),
        (
            of_account(is_missing=True),
            (
                'the Pod names no pull secret, and ServiceAccount "default" does not exist in '
                'namespace "shop", so it may come to name one'
            ),
            OUT_OF_THE_ACCOUNT,
        ),
    ],
)
def test_credentials_where_they_are_forbidden_are_refused(
    answer: PullSecretAnswer, detail: str, remedy: str
) -> None:
    """So is what may turn out to hold some, for it cannot be looked at."""
    expected = Violation(
        PullSecrets.id, "forbidden pull secret", f"{detail}; {NONE_WANTED}", remedy
    )

    assert expected == judged(answer, **FORBIDDEN)


@pytest.mark.parametrize(
    ("setting", "answer", "told"),
    [
        ("unknownSecret", of_pod(MISSING), 'pull secret "acr"'),
        ("unknownServiceAccount", of_account(is_missing=True), 'ServiceAccount "default"'),
    ],
)
def test_what_is_yet_to_come_where_credentials_are_forbidden_is_warned_about(
    setting: str, answer: PullSecretAnswer, told: str
) -> None:
    """Where the policy waits for what does not exist, it says what it must not hold."""
    expected = Reservation(
        f"{told} does not exist yet; when it comes, it must hold no entry for the image"
    )

    assert expected == judged(answer, **FORBIDDEN, **{setting: "Warn"})


def test_a_pod_that_is_there_needs_to_be_made_anew() -> None:
    """What it could name cannot be changed any more, and what its account names comes too late."""
    expected = Violation(
        PullSecrets.id,
        "no pull secret",
        "the Pod names no pull secret, and one that is there gets none of its ServiceAccount's; "
        f"{WANTED}",
        CREATE.format(name=A_NEW_NAME)
        + f"{IN_TEMPLATE} of a new Pod, for those of a running one cannot be changed",
    )

    assert expected == judged(replace(of_pod(), is_late=True))


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
        ({}, "Value error, nothing given, requireFor or forbidIn or both are wanted"),
        ({"forbidIn": []}, "List should have at least 1 item after validation, not 0"),
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
