"""What the chart renders is what Landwaiter can start with, and what its admins were promised."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from chart.matrix import A_CA, A_PROVIDER, ANOTHER_POLICY, CHANGED, GUARDED, INSTALLS, merged
from landwaiter.cli.main import main
from landwaiter.cli.serve import _settings, serve
from landwaiter.cli.webhook_options import _timeout as timeout_of
from landwaiter.container import Container
from landwaiter.cosign.kms_settings import KMSAccess, KMSFile, KMSSettings
from landwaiter.policy.sources import load_policies
from landwaiter.providers.config import CredentialProviderConfig
from landwaiter.registry.settings import RegistriesFile
from landwaiter.rules.verdict import Action
from landwaiter.sizing import BASE_MIB, MIB, RUN_MIB, cosign_runs
from realparts.helm import CHART, NAMESPACE, Helm, named
from telemetry.exposition import everything_counted

NOT_FOR_PODS = {
    "--cosign",  # It is in the image, on PATH.
    "--host",  # All addresses of the Pod.
    "--kubeconfig",  # The Pod has a service account.
    "--webhook-url",  # The Service is used.
}
TIMEOUT = "--webhook-timeout-seconds="
METRIC = re.compile(r"\blandwaiter_\w+")
ONE_POLICY: Mapping[str, Any] = {
    **ANOTHER_POLICY,
    "spec": {
        "validationActions": ["Deny"],
        "match": {"images": ["registry.example.com/1000000000000:*", "docker.io/library/**"]},
        "rules": {"pinnedTags": {"require": "fixedTag", "floating": ["1e3", "off", "2026-11-24"]}},
    },
}


VARIABLE = "LANDWAITER_"


def options_of(container: Mapping[str, Any]) -> list[str]:
    """Return what `serve` is given, by variables and by arguments, each as `--option=value`."""
    given = [
        f"--{each['name'].removeprefix(VARIABLE).lower().replace('_', '-')}={each['value']}"
        for each in container["env"]
        if each["name"].startswith(VARIABLE)
    ]
    return [*given, *container["args"][1:]]


def pod_template(helm: Helm, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    (deployment,) = (each for each in helm.objects(values) if each["kind"] == "Deployment")
    found: dict[str, Any] = deployment["spec"]["template"]
    return found


def written(folder: Path, config_map: Mapping[str, Any]) -> Path:
    folder.mkdir()
    for name, text in config_map["data"].items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_the_default_policies_load(helm: Helm, tmp_path: Path) -> None:
    """An install without values starts, and refuses nothing."""
    config_map = named(helm.objects(), "ConfigMap", "landwaiter-policies")
    policies = load_policies(written(tmp_path / "policies", config_map))

    assert [("baseline", frozenset({Action.WARN, Action.AUDIT}))] == [
        (policy.name, frozenset(policy.actions)) for policy in policies
    ]


def test_policies_arrive_as_they_were_written(helm: Helm) -> None:
    """On the way through Helm no text becomes a number, a truth or a date."""
    config_map = named(helm.objects({"policies": [ONE_POLICY]}), "ConfigMap", "landwaiter-policies")
    (text,) = config_map["data"].values()

    assert yaml.safe_load(text) == ONE_POLICY


def test_registries_load_with_their_authorities(helm: Helm, tmp_path: Path) -> None:
    """The file of the registries finds the files that it names beside it."""
    objects = helm.objects(INSTALLS["everything"])
    folder = written(tmp_path / "registries", named(objects, "ConfigMap", "customs-registries"))
    document = yaml.safe_load((folder / "registries.yaml").read_text("utf-8"))
    settings = RegistriesFile.of(document).settings(folder)

    assert settings.of("registry.example.com").ca_file == folder / "ca.pem"
    assert settings.names("harbor.example.com")


def test_mirrors_need_no_settings_of_registries(helm: Helm) -> None:
    """Each of the two values alone makes the file, and serve is given it."""
    mirrors = [{"signedAs": "quay.io", "readFrom": ["a.example.com"]}]
    objects = helm.objects({"mirrors": mirrors})
    (text,) = named(objects, "ConfigMap", "landwaiter-registries")["data"].values()
    (container,) = pod_template(helm, {"mirrors": mirrors})["spec"]["containers"]

    assert yaml.safe_load(text) == {"registries": [], "mirrors": mirrors, "nodeCredentials": []}
    assert any(each.startswith("--registries=") for each in options_of(container))


def test_plugins_load(helm: Helm, tmp_path: Path) -> None:
    """The file of the plugins is one that is read as the kubelet reads its own."""
    objects = helm.objects(INSTALLS["everything"])
    config_map = named(objects, "ConfigMap", "customs-credential-providers")
    folder = written(tmp_path / "providers", config_map)
    (folder / A_PROVIDER["name"]).touch(mode=0o755)
    document = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    (provider,) = CredentialProviderConfig.of(document).plugins(folder)

    assert (tuple(A_PROVIDER["matchImages"]), 43_200.0, {"AWS_REGION": "eu-west-1"}) == (
        provider.patterns,
        provider.default_seconds,
        provider.program.environment,
    )


def test_nobody_else_may_read_what_is_secret(helm: Helm) -> None:
    """Private keys and passwords are files that the process's group alone reads."""
    volumes = {
        each["name"]: each for each in pod_template(helm, INSTALLS["everything"])["spec"]["volumes"]
    }
    credentials = volumes["registry-credentials"]["secret"]
    registries = volumes["registries"]["projected"]

    assert [0o440, 0o440] == [credentials["defaultMode"], registries["defaultMode"]]
    assert [{"key": ".dockerconfigjson", "path": "config.json"}] == credentials["items"]
    assert ["client-certificate", "customs-registries"] == [
        each["name"] for source in registries["sources"] for each in source.values()
    ]


def test_key_management_services_load(helm: Helm, tmp_path: Path) -> None:
    """The file of the services is one that is read."""
    objects = helm.objects(INSTALLS["everything"])
    folder = written(tmp_path / "kms", named(objects, "ConfigMap", "customs-kms"))
    document = yaml.safe_load((folder / "kms.yaml").read_text("utf-8"))

    expected = KMSSettings({"awskms": KMSAccess(("AWS_REGION",))})
    assert expected == KMSFile.of(document).settings(folder)


@pytest.mark.parametrize("values", [*INSTALLS.values(), GUARDED], ids=[*INSTALLS, "guarded"])
def test_every_volume_is_there_and_every_file_is_mounted(
    helm: Helm, values: Mapping[str, Any]
) -> None:
    """Each path in an option is below a mount, and each mount and its ConfigMap exist."""
    objects = helm.objects(values)
    spec = pod_template(helm, values)["spec"]
    (container,) = spec["containers"]
    volumes = {volume["name"] for volume in spec["volumes"]}
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    paths = [found for each in options_of(container) if (found := each.partition("=/")[2])]
    made = {each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap"}
    ours = {name for name in _config_maps(spec) if not name.startswith("our-")}

    assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    assert [] == [path for path in paths if not _is_below(f"/{path}", mounts)]
    assert ours <= made


def _config_maps(spec: Mapping[str, Any]) -> Iterator[str]:
    for volume in spec["volumes"]:
        for source in (volume, *volume.get("projected", {}).get("sources", ())):
            if "configMap" in source:
                yield source["configMap"]["name"]


def _is_below(path: str, mounts: list[str]) -> bool:
    return any(path == mount or path.startswith(f"{mount}/") for mount in mounts)


@pytest.mark.parametrize("values", [*INSTALLS.values(), GUARDED], ids=[*INSTALLS, "guarded"])
def test_serve_takes_every_option(
    helm: Helm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: Mapping[str, Any]
) -> None:
    """What a Pod is started with are options that there are, with values that go together."""
    (container,) = pod_template(helm, values)["spec"]["containers"]
    verb, *arguments = started(container, tmp_path, monkeypatch)
    landwaiter = main.make_context("landwaiter", [verb, *arguments])
    settings = _settings(serve.make_context(verb, arguments, parent=landwaiter).params)

    assert verb == serve.name
    assert settings.webhook is not None
    assert {"kube-system", NAMESPACE} <= set(settings.webhook.left_out)
    assert set(values.get("webhook", {}).get("excludeNamespaces", ())) == settings.webhook.excluded


def started(
    container: Mapping[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Set the variables of a container, and return its arguments; what they name is there."""
    for each in container["env"]:
        if each["name"].startswith(VARIABLE):
            monkeypatch.setenv(each["name"], _there(each["value"], folder))
    found = (argument.partition("=") for argument in container["args"])
    return [f"{name}{equals}{_there(value, folder)}" for name, equals, value in found]


@pytest.mark.parametrize("seconds", [2, 30])
def test_serve_takes_every_timeout_that_the_schema_takes(helm: Helm, seconds: int) -> None:
    """Both ends of what an admin may give are good."""
    template = pod_template(helm, {"webhook": {"timeoutSeconds": seconds}})
    (given,) = (
        int(each.removeprefix(TIMEOUT))
        for each in options_of(template["spec"]["containers"][0])
        if each.startswith(TIMEOUT)
    )

    assert seconds == given == timeout_of(given)


def _there(value: str, folder: Path) -> str:
    """Return a value; a file or folder that it names is there, with anything in it."""
    if not value.startswith("/"):
        return value
    place = folder / value.removeprefix("/")
    if place.suffix:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    else:
        place.mkdir(parents=True, exist_ok=True)
    return str(place)


def test_every_option_of_serve_can_be_given(helm: Helm) -> None:
    """An option that the chart does not know could not be used where Landwaiter runs."""
    given = {
        argument.partition("=")[0]
        for values in INSTALLS.values()
        for argument in options_of(pod_template(helm, values)["spec"]["containers"][0])
    }
    options = {each.opts[0] for each in serve.params if isinstance(each, click.Option)}

    assert options - given == NOT_FOR_PODS


def test_policies_of_two_namespaces_may_have_one_name(helm: Helm, tmp_path: Path) -> None:
    """Neither of them is lost on the way."""
    both = [
        {
            "apiVersion": ANOTHER_POLICY["apiVersion"],
            "kind": "ImagePolicy",
            "metadata": {"name": "pinned", "namespace": namespace},
            "spec": {
                "validationActions": ["Deny"],
                "rules": {"pinnedTags": {"require": "digest"}},
            },
        }
        for namespace in ("shop", "web")
    ]
    config_map = named(helm.objects({"policies": both}), "ConfigMap", "landwaiter-policies")

    assert len(load_policies(written(tmp_path / "policies", config_map))) == len(both)


def test_policies_and_authorities_change_without_a_restart(helm: Helm) -> None:
    """They are read again while the Pod runs; a restart would be a risk for nothing."""
    before = {"clientAuth": {"name": "kube-apiserver", "ca": CHANGED["tls.ca"]}}
    after = merged(
        before,
        {"policies": [ANOTHER_POLICY], "policyFiles": {"ci.pub": "key"}},
        {"clientAuth": {"ca": CHANGED["clientAuth.ca"]}},
    )

    assert pod_template(helm, before) == pod_template(helm, after)


def test_what_is_read_at_the_start_changes_with_a_restart(helm: Helm) -> None:
    """The Pods have to be other ones."""
    hosts = ("a.example.com", "b.example.com")
    registries = [{"registries": [{"host": host}]} for host in hosts]
    mirrors = [{"mirrors": [{"signedAs": "quay.io", "readFrom": [host]}]} for host in hosts]
    kms = [{"kms": [{"scheme": scheme}]} for scheme in ("awskms", "gcpkms")]
    plugins = [
        {"credentialProviders": {"folder": "/p", "providers": [{**A_PROVIDER, "name": name}]}}
        for name in ("a", "b")
    ]
    values: list[Mapping[str, Any]] = [*registries, *mirrors, *kms, *plugins]
    every = [pod_template(helm, each) for each in values]

    assert 8 == len({json.dumps(each) for each in every})


def test_credentials_of_nodes_need_no_registries(helm: Helm, tmp_path: Path) -> None:
    """They are in the file of the registries, also where that has nothing else."""
    objects = helm.objects({"nodeCredentials": ["*.dkr.ecr.*.amazonaws.com"]})
    folder = written(tmp_path / "registries", named(objects, "ConfigMap", "landwaiter-registries"))
    document = yaml.safe_load((folder / "registries.yaml").read_text("utf-8"))

    assert ("*.dkr.ecr.*.amazonaws.com",) == RegistriesFile.of(document).settings(
        folder
    ).node_credentials


def test_the_version_of_the_chart_alone_restarts_nothing(helm: Helm) -> None:
    """The Pods carry no label that changes with every release of the chart."""
    labels = pod_template(helm)["metadata"]["labels"]

    expected = {"name": "landwaiter", "instance": "landwaiter"}
    assert labels == {f"app.kubernetes.io/{key}": value for key, value in expected.items()}


def test_no_label_of_an_admin_hides_the_pods(helm: Helm) -> None:
    """What Services and the budget select by cannot be written over."""
    labels = {"app.kubernetes.io/name": "other", "app.kubernetes.io/instance": "other"}
    objects = helm.objects({"commonLabels": labels, "podLabels": labels})
    selector = named(objects, "Deployment")["spec"]["selector"]["matchLabels"]
    template = named(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]

    assert selector == template == named(objects, "Service")["spec"]["selector"]


def test_drains_of_nodes_always_come_to_their_end(helm: Helm) -> None:
    """One Pod may go at any time, and those that do not work at once."""
    budget = named(helm.objects(), "PodDisruptionBudget")["spec"]
    older = named(helm.objects(kube_version="1.25.0"), "PodDisruptionBudget")["spec"]
    selector = named(helm.objects(), "Deployment")["spec"]["selector"]

    expected = {"maxUnavailable": 1, "selector": selector}
    assert budget == {**expected, "unhealthyPodEvictionPolicy": "AlwaysAllow"}
    assert older == expected


def test_the_door_grants_nothing_and_has_the_webhook_objects_name(helm: Helm) -> None:
    """Who deletes it to open the door takes no right from Landwaiter."""
    objects = helm.objects()
    (container,) = named(objects, "Deployment")["spec"]["template"]["spec"]["containers"]

    assert named(objects, "ClusterRole")["rules"] == []
    assert "--webhook-name=landwaiter" in options_of(container)


def rights(objects: list[dict[str, Any]]) -> set[tuple[str, str, str]]:
    """Return what is granted: where, what, and which verb."""
    return {
        (each["metadata"].get("namespace", ""), f"{resource}{_names(rule)}", verb)
        for each in objects
        if each["kind"] in {"ClusterRole", "Role"}
        for rule in each["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _names(rule: Mapping[str, Any]) -> str:
    return f"/{','.join(rule['resourceNames'])}" if "resourceNames" in rule else ""


def test_rights_go_with_what_is_on(helm: Helm) -> None:
    """What is switched off takes its rights with it, and namespaces narrow them."""
    everywhere = rights(helm.objects())
    tls = rights(helm.objects({"tls": {"mode": "certManager"}}))
    secrets = rights(helm.objects({"access": {"secrets": False}}))
    roots = rights(helm.objects({"access": {"configMaps": False}}))
    files = rights(helm.objects({"clusterPolicies": {"enabled": False}}))
    shop = rights(helm.objects({"access": {"namespaces": ["shop"]}}))

    own = "secrets/landwaiter-tls"
    assert everywhere - tls == {
        (NAMESPACE, "secrets", "create"),
        *((NAMESPACE, own, verb) for verb in ("get", "list", "watch", "update")),
    }
    assert everywhere - secrets == {
        ("", "secrets", "get"),
        *(("", "serviceaccounts", verb) for verb in ("get", "list", "watch")),
    }
    assert everywhere - roots == {("", "configmaps", "get")}
    of_files = {_group(what) for _, what, _ in everywhere - files}
    assert {"events", "landwaiter.dev"} == of_files  # On policies, each where its policy is.
    assert everywhere ^ shop == {
        (where, what, "get") for where in ("", "shop") for what in ("secrets", "configmaps")
    }


def test_events_are_written_where_the_api_server_is_known(helm: Helm) -> None:
    """Without policies of the cluster the right is there only where they are written."""
    proven = {"clientAuth": {"name": "kube-apiserver", "ca": A_CA}}
    cases: tuple[Mapping[str, Any], ...] = ({}, proven, {**proven, "events": {"enabled": False}})
    found = []
    for values in cases:
        objects = helm.objects({**values, "clusterPolicies": {"enabled": False}})
        (container,) = named(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
        everywhere = {
            verb for where, what, verb in rights(objects) if (where, what) == ("", "events")
        }
        found.append(("--events=true" in options_of(container), everywhere))

    assert [(False, set()), (True, {"create", "patch"}), (False, set())] == found


def test_verified_images_bring_their_rights_and_their_definition(helm: Helm) -> None:
    """Neither is there while nothing is kept."""
    proven = {"clientAuth": {"name": "kube-apiserver", "ca": A_CA}}
    off, on = (
        helm.objects(
            {**proven, "verifiedImages": {"enabled": each}, "tls": {"mode": "certManager"}}
        )
        for each in (False, True)
    )
    secret = "secrets/landwaiter-verified-images"
    lease = {"leases/landwaiter,landwaiter-policies"}

    assert {
        *(("", "verifiedimages", verb) for verb in ("get", "list", "watch")),
        *(("", "verifiedimages", verb) for verb in ("create", "patch", "delete")),
        (NAMESPACE, "secrets", "create"),
        *((NAMESPACE, secret, verb) for verb in ("get", "list", "watch", "update")),
        *(
            (NAMESPACE, "leases/landwaiter,landwaiter-policies,landwaiter-verified-images", verb)
            for verb in ("get", "update")
        ),
    } == rights(on) - rights(off)
    assert lease == {what for _, what, _ in rights(off) - rights(on)}
    assert {"verifiedimages.landwaiter.dev"} == definitions_in(on) - definitions_in(off)


def definitions_in(objects: Iterable[Mapping[str, Any]]) -> set[str]:
    kind = "CustomResourceDefinition"
    return {each["metadata"]["name"] for each in objects if each["kind"] == kind}


def _group(resource: str) -> str:
    """Return what kind of thing a right is about that goes with policies of the cluster."""
    kinds = ("imagepolicies", "clusterimagepolicies", "imagepolicyexceptions")
    ours = (*kinds, *(f"{kind}/status" for kind in kinds))
    is_ours = resource in ours or "landwaiter-" in resource
    return "landwaiter.dev" if is_ours else resource


def test_the_memory_limit_has_room_for_a_bad_day(helm: Helm) -> None:
    """What can be in memory at once, as docs/install.md adds it up, is below the limit."""
    (container,) = pod_template(helm)["spec"]["containers"]
    limit = int(container["resources"]["limits"]["memory"].removesuffix("Mi"))
    runs = cosign_runs(Container(64, limit * MIB))

    assert (2, 2) == (runs.at_once, runs.room)
    assert BASE_MIB + 2 * RUN_MIB <= limit


def test_definitions_outlive_the_release_unless_told_otherwise(helm: Helm) -> None:
    """Whoever uninstalls loses no policy by it, and can choose to."""

    def kept(values: Mapping[str, Any]) -> set[object]:
        return {
            each["metadata"].get("annotations", {}).get("helm.sh/resource-policy")
            for each in helm.objects(values)
            if each["kind"] == "CustomResourceDefinition"
        }

    assert {"keep"} == kept({})
    assert {None} == kept({"clusterPolicies": {"keepDefinitions": False}})


def known_metrics() -> set[str]:
    ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {
        f"{each.name}{end}" for each in everything_counted().collect() for end in ends[each.type]
    }


@pytest.mark.parametrize("file", ["alerts.yaml", "dashboard.json"])
def test_alerts_and_dashboard_ask_for_metrics_that_there_are(file: str) -> None:
    """A metric that nobody exports would be an alert that cannot fire."""
    asked = set(METRIC.findall((CHART / "files" / file).read_text("utf-8")))

    assert asked
    assert set() == asked - known_metrics()


def test_alerts_and_dashboard_arrive_as_they_are(helm: Helm) -> None:
    """Helm does not take Prometheus' and Grafana's braces for its own."""
    objects = helm.objects(INSTALLS["everything"])
    alerts = named(objects, "PrometheusRule", "customs")["spec"]
    dashboard = named(objects, "ConfigMap", "customs-dashboard")["data"]["landwaiter.json"]

    assert alerts == yaml.safe_load((CHART / "files" / "alerts.yaml").read_text("utf-8"))
    assert json.loads(dashboard) == json.loads(
        (CHART / "files" / "dashboard.json").read_text("utf-8")
    )
