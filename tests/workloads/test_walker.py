"""Which image uses an object has, and at which places."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landwaiter.errors import InvalidReview
from landwaiter.images.reference import ImageReference, ShortNames
from landwaiter.workloads.podspec import IMAGES_MAX, ITEMS_MAX, Metadata
from landwaiter.workloads.values import (
    ImagePlace,
    ImageRole,
    ImageUse,
    UnreadableUse,
    WindowsUser,
    Workload,
)
from landwaiter.workloads.walker import TEMPLATE_OF, read_workload

IMAGE = "registry.example.com/app:1"


def a_pod(**spec: object) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}


def a_container(image: object = IMAGE, name: str = "app", **more: object) -> dict[str, Any]:
    return {"name": name, "image": image, **more}


def around(template: object, group: str, kind: str) -> dict[str, Any]:
    """Return an object of a kind with the template at its place."""
    value = template
    for step in reversed(TEMPLATE_OF[group, kind]):
        value = {step: value}
    fields = value if isinstance(value, dict) else {"spec": value}
    version = f"{group}/v1" if group else "v1"
    return {"metadata": {"name": "web"}, **fields, "apiVersion": version, "kind": kind}


def read(obj: dict[str, Any], short_names: ShortNames = ShortNames.DOCKER_HUB) -> Workload:
    workload = read_workload(obj, namespace="shop", short_names=short_names)
    assert workload is not None
    return workload


ROLES = {
    "volumes": ImageRole.VOLUME,
    "initContainers": ImageRole.INIT_CONTAINER,
    "containers": ImageRole.CONTAINER,
    "ephemeralContainers": ImageRole.EPHEMERAL_CONTAINER,
}


def a_place(path: str, container: str, text: str = IMAGE, policy: str | None = None) -> ImagePlace:
    """Return a place of the role that its path tells."""
    (role,) = (role for name, role in ROLES.items() if f".{name}[" in path)
    return ImagePlace(path, container, text, policy, role)


def a_use(path: str, container: str, text: str = IMAGE, policy: str | None = None) -> ImageUse:
    return ImageUse(a_place(path, container, text, policy), ImageReference.parse(text))


def test_semantics_04_all_four_places_are_found_in_the_order_of_the_pod_spec() -> None:
    """Volumes, init containers, containers and ephemeral containers are all judged."""
    pod = a_pod(
        ephemeralContainers=[a_container(name="debug")],
        containers=[a_container(name="one", imagePullPolicy="Always"), a_container(name="two")],
        initContainers=[a_container(name="first")],
        volumes=[
            {"name": "scratch", "emptyDir": {}},
            {"name": "model", "image": {"reference": IMAGE, "pullPolicy": "Never"}},
        ],
    )

    assert (
        a_use("spec.volumes[1].image.reference", "model", policy="Never"),
        a_use("spec.initContainers[0].image", "first"),
        a_use("spec.containers[0].image", "one", policy="Always"),
        a_use("spec.containers[1].image", "two"),
        a_use("spec.ephemeralContainers[0].image", "debug"),
    ) == read(pod).uses


@pytest.mark.parametrize(
    ("group", "kind", "path"),
    [
        ("", "Pod", "spec"),
        ("", "PodTemplate", "template.spec"),
        ("", "ReplicationController", "spec.template.spec"),
        ("apps", "DaemonSet", "spec.template.spec"),
        ("apps", "Deployment", "spec.template.spec"),
        ("apps", "ReplicaSet", "spec.template.spec"),
        ("apps", "StatefulSet", "spec.template.spec"),
        ("batch", "CronJob", "spec.jobTemplate.spec.template.spec"),
        ("batch", "Job", "spec.template.spec"),
    ],
)
def test_semantics_04_every_kind_with_a_template_is_walked(
    group: str, kind: str, path: str
) -> None:
    """The template of each kind is found at its own place, and nothing is lost in it."""
    template = {
        "metadata": {"name": "inner", "labels": {"app": "web"}},
        "spec": {
            "containers": [a_container()],
            "initContainers": [a_container()],
            "ephemeralContainers": [a_container()],
            "volumes": [{"name": "app", "image": {"reference": IMAGE}}],
        },
    }
    obj = around(template, group, kind)
    places = ("volumes[0].image.reference", "initContainers[0].image", "containers[0].image")

    assert Workload(
        kind=kind,
        namespace="shop",
        name="inner" if kind == "Pod" else "web",
        is_template=kind != "Pod",
        labels={"app": "web"},
        service_account="",
        pull_secrets=(),
        uses=tuple(
            a_use(f"{path}.{place}", "app") for place in (*places, "ephemeralContainers[0].image")
        ),
    ) == read(obj)


@pytest.mark.parametrize("version", ["apps/v1", "apps/v1beta1", "apps/v9"])
def test_a_kind_is_told_by_its_group_whatever_the_version(version: str) -> None:
    """A version that is new to us does not hide a Deployment."""
    obj = {**around({"spec": {}}, "apps", "Deployment"), "apiVersion": version}

    assert "Deployment" == read(obj).kind


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("v1", "Service"),
        ("v1", "Deployment"),
        ("apps/v1", "Pod"),
        ("example.com/v1", "Pod"),
        ("v1", "pod"),
    ],
)
def test_other_kinds_carry_no_image(api_version: str, kind: str) -> None:
    """An object of any other group and kind is not read at all."""
    obj = {"apiVersion": api_version, "kind": kind, "spec": "anything"}

    assert None is read_workload(obj, namespace="shop")


@pytest.mark.parametrize("empty", ["", None])
def test_an_empty_pull_policy_is_none(empty: str | None) -> None:
    """The API server sets a default for an empty text as for a field that is not there."""
    written = a_pod(
        containers=[a_container(imagePullPolicy=empty)],
        volumes=[{"name": "model", "image": {"reference": IMAGE, "pullPolicy": empty}}],
    )
    absent = a_pod(
        containers=[a_container()], volumes=[{"name": "model", "image": {"reference": IMAGE}}]
    )

    assert read(absent) == read(written)


SECURITY = {"runAsUser": 1000, "runAsNonRoot": True, "readOnlyRootFilesystem": True}


@pytest.mark.parametrize(
    ("of_pod", "own", "expected"),
    [
        (None, None, (None, None, None)),
        ({}, {}, (None, None, None)),
        (None, SECURITY, (1000, True, True)),
        ({"runAsUser": 1000, "runAsNonRoot": True}, None, (1000, True, None)),
        ({"runAsUser": 1000, "runAsNonRoot": True}, {"runAsUser": None}, (1000, True, None)),
        ({"runAsUser": 1000, "runAsNonRoot": True}, {"runAsUser": 0}, (0, True, None)),
        ({"runAsUser": 1000, "runAsNonRoot": True}, {"runAsNonRoot": False}, (1000, False, None)),
        ({"runAsUser": 0, "readOnlyRootFilesystem": True}, {"runAsUser": 7}, (7, None, None)),
    ],
)
@pytest.mark.parametrize("field", ["initContainers", "containers", "ephemeralContainers"])
def test_a_containers_security_context_goes_before_its_pods(
    field: str,
    of_pod: dict[str, Any] | None,
    own: dict[str, Any] | None,
    expected: tuple[int | None, bool | None, bool | None],
) -> None:
    """Field by field, as the kubelet merges them; a Pod has no root file system."""
    pod = a_pod(securityContext=of_pod, **{field: [a_container(securityContext=own)]})
    place = read(pod).uses[0].place

    assert expected == (
        place.run_as_user,
        place.run_as_non_root,
        place.read_only_root_filesystem,
    )


@pytest.mark.parametrize(
    ("of_pod", "own", "expected"),
    [
        (None, None, None),
        ({}, {}, (None, None)),
        (None, {"runAsUserName": "a", "hostProcess": True}, ("a", True)),
        ({"runAsUserName": "a", "hostProcess": True}, None, ("a", True)),
        ({"runAsUserName": "a", "hostProcess": True}, {"runAsUserName": "b"}, ("b", True)),
        ({"runAsUserName": "a", "hostProcess": True}, {"hostProcess": False}, ("a", False)),
    ],
)
@pytest.mark.parametrize("field", ["initContainers", "containers", "ephemeralContainers"])
def test_a_containers_windows_options_go_before_its_pods(
    field: str,
    of_pod: dict[str, Any] | None,
    own: dict[str, Any] | None,
    expected: tuple[str | None, bool | None] | None,
) -> None:
    """Field by field too."""
    container = a_container(securityContext={"windowsOptions": own})
    place = (
        read(a_pod(securityContext={"windowsOptions": of_pod}, **{field: [container]}))
        .uses[0]
        .place
    )

    assert place.windows == (None if expected is None else WindowsUser(*expected))


def test_an_image_volume_has_no_user() -> None:
    """What is only mounted is run by nobody, whatever the Pod says."""
    volumes = [{"name": "model", "image": {"reference": IMAGE}}]

    assert read(a_pod(volumes=volumes)) == read(
        a_pod(volumes=volumes, securityContext={"runAsUser": 0, "runAsNonRoot": True})
    )


@pytest.mark.parametrize("text", ["auto", "", " ", None])
def test_semantics_05_placeholders_in_templates_are_passed_over(text: str | None) -> None:
    """What a mutating webhook still fills in is no use of a template, and is told apart."""
    template = {"spec": {"containers": [a_container(text), a_container(name="real")]}}
    workload = read(around(template, "apps", "Deployment"))
    at = "spec.template.spec.containers"

    assert (
        (a_place(f"{at}[0].image", "app", text or ""),),
        (a_use(f"{at}[1].image", "real"),),
    ) == (workload.placeholders, workload.uses)


def test_semantics_05_an_image_volume_without_reference_is_a_placeholder_in_a_template() -> None:
    """An image volume may be empty in a template, and only there."""
    template = {"spec": {"volumes": [{"name": "model", "image": {}}]}}
    workload = read(around(template, "batch", "CronJob"))
    path = "spec.jobTemplate.spec.template.spec.volumes[0].image.reference"

    assert ((), (a_place(path, "model", ""),)) == (workload.uses, workload.placeholders)


def test_semantics_05_a_pod_has_no_placeholders() -> None:
    """In a Pod a blank image is unreadable, and `auto` is an image of Docker Hub."""
    workload = read(
        a_pod(
            containers=[a_container("auto"), a_container(""), {"name": "none"}],
            volumes=[{"name": "model", "image": {}}],
        )
    )
    problem = 'name "" given, registry/repository:tag@digest wanted'

    assert (
        UnreadableUse(a_place("spec.volumes[0].image.reference", "model", ""), problem),
        a_use("spec.containers[0].image", "app", "auto"),
        UnreadableUse(a_place("spec.containers[1].image", "app", ""), problem),
        UnreadableUse(a_place("spec.containers[2].image", "none", ""), problem),
    ) == workload.uses


@pytest.mark.parametrize("kind", [("", "Pod"), ("apps", "Deployment")])
def test_kubewarden_an_image_that_does_not_parse_is_not_lost(kind: tuple[str, str]) -> None:
    """An unreadable name stays among the uses, with the reason, so that it can be refused."""
    template = {"spec": {"containers": [a_container("Not An Image")]}}
    (use,) = read(around(template, *kind)).uses

    assert isinstance(use, UnreadableUse)
    assert 'name "Not An Image" given, printable ASCII characters without spaces wanted' == (
        use.problem
    )


def test_semantics_01_short_names_are_read_as_the_install_says() -> None:
    """`shortNames: Refuse` makes a name without registry unreadable."""
    (use,) = read(a_pod(containers=[a_container("nginx")]), ShortNames.REFUSE).uses

    assert isinstance(use, UnreadableUse)


@pytest.mark.parametrize(("kind", "claims"), [(("", "Pod"), True), (("apps", "DaemonSet"), False)])
def test_semantics_07_only_a_pod_can_claim_to_be_a_mirror(
    kind: tuple[str, str],
    claims: bool,  # noqa: FBT001
) -> None:
    """The annotation is a claim of a Pod; on a template it means nothing."""
    annotations = {"kubernetes.io/config.mirror": "0"}
    template = {"metadata": {"annotations": annotations}, "spec": {}}

    assert claims == read(around(template, *kind)).claims_mirror


@pytest.mark.parametrize(
    "metadata",
    [
        {"ownerReferences": [{"kind": "ReplicaSet", "name": "web", "controller": True}]},
        {"annotations": {"landwaiter.dev/skip": "true", "kubernetes.io/config.source": "file"}},
        {"deletionTimestamp": "2026-11-23T00:00:00Z"},
        {"namespace": "kube-system"},
    ],
)
def test_portieris_semantics_07_nothing_that_the_author_writes_lifts_a_check(
    metadata: dict[str, Any],
) -> None:
    """Owners, annotations, a deletion time and another namespace change nothing."""
    plain = a_pod(containers=[a_container()])
    forged = {**plain, "metadata": {**plain["metadata"], **metadata}}

    assert read(plain) == read(forged)


def test_labels_are_read_up_to_the_first_that_is_no_text() -> None:
    """Each list of errors is as long as its author likes, so there is none."""
    labels = {"a": None, **{f"b{number}": number for number in range(1000)}}
    model = Metadata.model_validate({"labels": labels})
    with pytest.raises(InvalidReview) as problem:
        read({**a_pod(), "metadata": {"labels": labels}})

    assert (labels, 'metadata.labels["b0"]: seen 0, wanted a string') == (
        model.labels,
        str(problem.value),
    )


def test_semantics_07_labels_are_those_that_the_pod_will_carry() -> None:
    """A Deployment's own labels do not count, its template's do; a null value is empty."""
    template = {"metadata": {"labels": {"app": "web", "empty": None}}, "spec": {}}
    obj = around(template, "apps", "Deployment")
    obj["metadata"] = {"name": "web", "labels": {"app": "other"}}

    assert {"app": "web", "empty": ""} == read(obj).labels


@pytest.mark.parametrize(
    ("spec", "account"),
    [
        ({}, ""),
        ({"serviceAccountName": None}, ""),
        ({"serviceAccountName": "builder"}, "builder"),
        ({"serviceAccount": "old"}, "old"),
        ({"serviceAccountName": "builder", "serviceAccount": "old"}, "builder"),
    ],
)
def test_the_service_account_is_the_one_that_was_written(
    spec: dict[str, Any], account: str
) -> None:
    """The deprecated field counts where the other is empty, as for the API server."""
    assert account == read(a_pod(**spec)).service_account


@pytest.mark.parametrize(
    ("written", "secrets"),
    [
        (None, ()),
        ([], ()),
        ([{"name": "b"}, {"name": "a"}], ("b", "a")),
        ([{}], ("",)),
        ([{"name": None}], ("",)),
    ],
)
def test_pull_secrets_keep_their_order_and_number(
    written: object, secrets: tuple[str, ...]
) -> None:
    """An entry without name stays: with it the Pod does not get its account's secrets."""
    assert secrets == read(a_pod(imagePullSecrets=written)).pull_secrets


@pytest.mark.parametrize(
    "field", ["containers", "initContainers", "ephemeralContainers", "volumes", "imagePullSecrets"]
)
def test_null_lists_are_empty(field: str) -> None:
    """Clients write `null` for an empty list."""
    assert read(a_pod()) == read(a_pod(**{field: None}))


def test_a_generated_name_is_empty() -> None:
    """With `generateName` there is no name yet."""
    obj = around({"spec": {}}, "batch", "Job")
    obj["metadata"] = {"generateName": "web-"}

    assert "" == read(obj).name


LONG = "x" * 100


@pytest.mark.parametrize(
    ("obj", "problem"),
    [
        ({}, "kind: seen nothing, wanted a string"),
        ({"kind": "Pod"}, "apiVersion: seen nothing, wanted a string"),
        ({"kind": 5, "apiVersion": "v1"}, "kind: seen 5, wanted a string"),
        ({"kind": "Pod", "apiVersion": "v1"}, "spec: seen nothing, wanted an object"),
        ({**a_pod(), "spec": None}, "spec: seen nothing, wanted an object"),
        ({**a_pod(), "spec": []}, "spec: seen a list of 0, wanted an object"),
        ({**a_pod(), "metadata": []}, "metadata: seen a list of 0, wanted an object"),
        (a_pod(containers={}), "spec.containers: seen an object, wanted a list"),
        (a_pod(containers=[None]), "spec.containers[0]: seen nothing, wanted an object"),
        (a_pod(containers=[{}, "x"]), 'spec.containers[1]: seen "x", wanted an object'),
        (a_pod(containers=[{"image": 5}]), "spec.containers[0].image: seen 5, wanted a string"),
        (
            a_pod(initContainers=[{"image": [LONG]}]),
            "spec.initContainers[0].image: seen a list of 1, wanted a string",
        ),
        (
            a_pod(volumes=[{"image": LONG}]),
            f'spec.volumes[0].image: seen "{LONG[:80]}...", wanted an object',
        ),
        (
            a_pod(volumes=[{"image": {"reference": True}}]),
            "spec.volumes[0].image.reference: seen True, wanted a string",
        ),
        (
            a_pod(containers=[{"securityContext": {"runAsUser": "0"}}]),
            'spec.containers[0].securityContext.runAsUser: seen "0", wanted a whole number',
        ),
        (
            a_pod(securityContext={"runAsNonRoot": 1}),
            "spec.securityContext.runAsNonRoot: seen 1, wanted true or false",
        ),
        (
            a_pod(securityContext={"runAsUser": True}),
            "spec.securityContext.runAsUser: seen True, wanted a whole number",
        ),
        (
            a_pod(containers=[{}] * (ITEMS_MAX + 1)),
            "spec.containers: seen a list of 1001, wanted a list of at most 1000",
        ),
        (
            {**a_pod(), "metadata": {"labels": {"a\x1b/b": 5}}},
            'metadata.labels["a\\u001b/b"]: seen 5, wanted a string',
        ),
        (
            around([], "apps", "Deployment"),
            "spec.template: seen a list of 0, wanted an object",
        ),
        (
            around({"spec": {"containers": 1}}, "batch", "CronJob"),
            "spec.jobTemplate.spec.template.spec.containers: seen 1, wanted a list",
        ),
        (
            {"apiVersion": "batch/v1", "kind": "CronJob", "spec": {"jobTemplate": None}},
            "spec.jobTemplate: seen nothing, wanted an object",
        ),
        (
            {**around({"spec": {}}, "apps", "Deployment"), "metadata": {"name": 1}},
            "metadata.name: seen 1, wanted a string",
        ),
    ],
)
def test_a_malformed_object_is_refused_with_path_seen_and_wanted(
    obj: dict[str, Any], problem: str
) -> None:
    """The first field that is wrong is named by its JSON path; long values are cut."""
    with pytest.raises(InvalidReview) as refused:
        read_workload(obj, namespace="shop")

    assert problem == str(refused.value)


def volumes(number: int, **source: object) -> list[dict[str, Any]]:
    return [{"name": "v", **source} for _ in range(number)]


def test_the_longest_lists_are_read() -> None:
    """The bounds themselves are allowed, and volumes without an image do not count as images."""
    spec = {
        "containers": [a_container()] * (IMAGES_MAX - 1),
        "volumes": volumes(ITEMS_MAX - 1) + volumes(1, image={"reference": IMAGE}),
    }

    assert IMAGES_MAX == len(read(a_pod(**spec)).uses)


@pytest.mark.parametrize("image", [IMAGE, "auto", "NO:IMAGE"])
def test_more_images_than_a_node_runs_are_refused_unread(image: str) -> None:
    """Each costs time for each policy, and anybody who may write Pods could take all of it."""
    half = [a_container(image)] * (IMAGES_MAX // 2)
    template = {"spec": {"containers": half, "initContainers": [*half, a_container(image)]}}

    with pytest.raises(InvalidReview) as refused:
        read(around(template, "apps", "Deployment"))

    assert "spec.template.spec: seen over 250 images, wanted at most 250" == str(refused.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "image", "reference", "metadata", "labels", "spec", "containers"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | st.lists(st.dictionaries(st.sampled_from(["name", "image"]), JSON), max_size=3)
        for name in (
            *("containers", "initContainers", "volumes", "imagePullSecrets"),
            *("securityContext", "nodeSelector", "affinity", "os"),
        )
    },
)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(TEMPLATE_OF)), JSON | st.fixed_dictionaries({"spec": SPECS}), JSON)
def test_whatever_is_sent_is_read_or_refused(
    kind: tuple[str, str], template: object, metadata: object
) -> None:
    """Hostile objects end in a workload or in `InvalidReview`, never in another error."""
    obj = around(template, *kind)
    obj["metadata"] = metadata
    try:
        workload = read_workload(obj, namespace="shop")
    except InvalidReview:
        return

    assert isinstance(workload, Workload)
