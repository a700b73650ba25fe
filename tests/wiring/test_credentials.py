"""Plugins and the install's own docker config, as the application wires them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from landwaiter.errors import AccessDenied, CredentialsUnavailable, InvalidInput
from landwaiter.images.reference import ImageReference
from landwaiter.providers.asking import Warn, silently
from landwaiter.registry.docker_config import credentials_of_secret
from landwaiter.rules.protocol import CurrentDigest, FactSource
from landwaiter.rules.pull_secret_answers import PullSecretQuestion
from landwaiter.wiring.credentials import CredentialSettings
from landwaiter.wiring.outside import OutsideSettings, fact_source
from providers.a_plugin import a_config, a_helper, a_plugin, an_entry, asked, images_asked
from registry.fake_registry import FakeRegistry
from telemetry.counting import counted
from wiring.a_cluster import FakeCluster, an_inquiry, docker_secret

ANN = ("ann", "pw")


def written(file: Path, content: object) -> Path:
    file.write_text(json.dumps(content), encoding="utf-8")
    return file


def plugins(folder: Path, *entries: dict[str, Any]) -> CredentialSettings:
    """Return the settings of an install with plugins that stand in a folder."""
    return CredentialSettings(written(folder / "providers.yaml", a_config(*entries)), folder)


@asynccontextmanager
async def a_source(
    folder: Path,
    registry: FakeRegistry,
    credentials: CredentialSettings,
    cluster: FakeCluster,
    *,
    warn: Warn = silently,
    collectors: CollectorRegistry | None = None,
) -> AsyncIterator[FactSource]:
    file = written(
        folder / "registries.yaml", {"registries": [{"host": registry.host, "plainHTTP": True}]}
    )
    settings = OutsideSettings(file, "cosign", credentials=credentials)
    async with fact_source(
        settings, policies=list, view=cluster, warn=warn, collectors=collectors
    ) as source:
        yield source


def image(registry: FakeRegistry) -> ImageReference:
    return ImageReference.parse(f"{registry.host}/team/app:1")


async def test_a_pod_that_names_no_secret_is_judged_with_the_credentials_of_nodes(
    tmp_path: Path,
) -> None:
    """The plugin is asked, and what it gives is sent."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        digest = registry.add_image()
        a_plugin(tmp_path, f'answer({{"{registry.host}": {ANN}}})')
        settings = plugins(tmp_path, an_entry([registry.host]))
        async with a_source(tmp_path, registry, settings, FakeCluster()) as source:
            found = await source.answer(CurrentDigest(image(registry)), an_inquiry())

        assert (digest, [f"{registry.host}/team/app"]) == (found, images_asked(tmp_path))


async def test_semantics_20_no_plugin_is_run_for_anybody(tmp_path: Path) -> None:
    """Who is not known to be the API server has no credentials tried, and no program started."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        registry.add_image()
        a_plugin(tmp_path, f'answer({{"{registry.host}": {ANN}}})')
        settings = plugins(tmp_path, an_entry([registry.host]))
        async with a_source(tmp_path, registry, settings, FakeCluster()) as source:
            with pytest.raises(AccessDenied):
                await source.answer(CurrentDigest(image(registry)), an_inquiry(trusted=False))

        assert [] == images_asked(tmp_path)


async def test_pull_secrets_come_first(tmp_path: Path) -> None:
    """Where they do, no program is started."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        digest = registry.add_image()
        a_plugin(tmp_path, "sys.exit(1)")
        cluster = FakeCluster()
        cluster.add_secret(docker_secret("regcred", registry.host))
        settings = plugins(tmp_path, an_entry([registry.host]))
        async with a_source(tmp_path, registry, settings, cluster) as source:
            found = await source.answer(CurrentDigest(image(registry)), an_inquiry("regcred"))

        assert (digest, []) == (found, images_asked(tmp_path))


async def test_the_install_s_own_come_last(tmp_path: Path) -> None:
    """A plugin that fails takes nothing from what the install has itself."""
    async with FakeRegistry(users=dict([ANN])) as registry:
        digest = registry.add_image()
        a_plugin(tmp_path, "sys.exit(1)")
        a_helper(tmp_path, 'print(json.dumps({"Username": "ann", "Secret": "pw"}))')
        docker = written(tmp_path / "config.json", {"credHelpers": {registry.host: "example"}})
        config = written(tmp_path / "providers.yaml", a_config(an_entry([registry.host])))
        settings = CredentialSettings(config, tmp_path, docker)
        async with a_source(tmp_path, registry, settings, FakeCluster()) as source:
            found = await source.answer(CurrentDigest(image(registry)), an_inquiry())

        assert (digest, 1, [registry.host]) == (
            found,
            len(images_asked(tmp_path)),
            asked(tmp_path, "docker-credential-example"),
        )


async def test_runs_of_programs_are_counted(tmp_path: Path) -> None:
    """Plugins apart from helpers, by what came of them; the same metric that operators read."""
    collectors = CollectorRegistry()
    async with FakeRegistry(users=dict([ANN])) as registry:
        registry.add_image()
        a_plugin(tmp_path, "sys.exit(1)")
        a_helper(tmp_path, 'print(json.dumps({"Username": "ann", "Secret": "pw"}))')
        docker = written(tmp_path / "config.json", {"credHelpers": {registry.host: "example"}})
        config = written(tmp_path / "providers.yaml", a_config(an_entry([registry.host])))
        settings = CredentialSettings(config, tmp_path, docker)
        async with a_source(
            tmp_path, registry, settings, FakeCluster(), collectors=collectors
        ) as source:
            await source.answer(CurrentDigest(image(registry)), an_inquiry())

    assert {("plugin", "failed"): 1.0, ("helper", "ok"): 1.0} == counted(
        collectors, "landwaiter_credential_program_seconds_count"
    )


async def test_a_plugin_that_fails_leaves_it_open(tmp_path: Path) -> None:
    """Where nothing else answers; and the message names the plugin."""
    async with FakeRegistry(users=dict([ANN]), auth="basic") as registry:
        registry.add_image()
        a_plugin(tmp_path, "sys.exit(1)")
        settings = plugins(tmp_path, an_entry([registry.host]))
        warned: list[str] = []
        async with a_source(
            tmp_path, registry, settings, FakeCluster(), warn=warned.append
        ) as source:
            with pytest.raises(CredentialsUnavailable) as fault:
                await source.answer(CurrentDigest(image(registry)), an_inquiry())

        failure = 'the credential provider "example-credential-provider" ended with exit status 1'
        denial = "who asks for team/app (401); it accepts basic, and there is no credential"
        assert (
            f"{registry.host} wants to know {denial} to answer with; {failure}",
            [f"{registry.host}/team/app: {failure}"],
        ) == (str(fault.value), warned)


@pytest.mark.parametrize("counts", [True, False])
async def test_images_of_plugins_have_credentials_of_nodes(tmp_path: Path, *, counts: bool) -> None:
    """By what the install declares: no program is started to say so."""
    async with FakeRegistry() as registry:
        a_plugin(tmp_path, "")
        settings = plugins(tmp_path, an_entry(["*.azurecr.io"]))
        names = ("a.azurecr.io/app", "a.b.azurecr.io/app")
        async with a_source(tmp_path, registry, settings, FakeCluster()) as source:
            found = [
                await source.answer(
                    PullSecretQuestion(ImageReference.parse(name), node_credentials=counts),
                    an_inquiry(),
                )
                for name in names
            ]

        assert ([counts, False], []) == (
            [each.node_credentials for each in found],
            images_asked(tmp_path),
        )


def test_helpers_in_a_pull_secret_mean_nothing() -> None:
    """As for the kubelet: nobody who writes Secrets can have a program started."""
    content = {
        "auths": {"a.example": {"username": "ann", "password": "pw"}},
        "credHelpers": {"a.example": "example"},
        "credsStore": "example",
    }
    secret = {".dockerconfigjson": json.dumps(content).encode()}
    found = credentials_of_secret("kubernetes.io/dockerconfigjson", secret)

    assert [("a.example", "ann")] == [(each.key, each.username) for each in found]


async def test_helpers_are_given_the_variables_that_are_named(tmp_path: Path) -> None:
    """One that is not set is left out, and no other is given."""
    names = 'json.dumps({name: os.environ.get(name) for name in ("GIVEN", "NOT_SET", "OTHER")})'
    a_helper(tmp_path, f'print(json.dumps({{"Username": "u", "Secret": {names}}}))')
    docker = written(tmp_path / "config.json", {"credHelpers": {"a.example": "example"}})
    settings = CredentialSettings(None, tmp_path, docker, ("GIVEN", "NOT_SET"))
    own = settings.own({"GIVEN": "x", "OTHER": "y"})
    assert own is not None
    found = await own.given(ImageReference.parse("a.example/app"), deadline=an_inquiry().deadline)
    await own.close()

    assert [{"GIVEN": "x", "NOT_SET": None, "OTHER": None}] == [
        json.loads(each.password) for each in found.credentials
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "providers.yaml: the document: Input should be a valid dictionary or instance of"),
        (a_config(), "providers.yaml: providers: List should have at least 1 item"),
        (a_config(an_entry(["a.example"])), 'providers.yaml: "'),
    ],
)
async def test_a_config_that_does_not_load_stops_the_start(
    tmp_path: Path, content: object, problem: str
) -> None:
    """The message names the file and the field."""
    settings = CredentialSettings(written(tmp_path / "providers.yaml", content), tmp_path)
    with pytest.raises(InvalidInput) as caught:
        async with (
            FakeRegistry() as registry,
            a_source(tmp_path, registry, settings, FakeCluster()),
        ):
            pass

    assert str(caught.value).startswith(f"{tmp_path}/{problem}")


async def test_a_docker_config_that_does_not_load_stops_the_start(tmp_path: Path) -> None:
    """The message names the file, and quotes nothing."""
    docker = written(tmp_path / "config.json", ["hunter2"])
    with pytest.raises(InvalidInput) as caught:
        async with (
            FakeRegistry() as registry,
            a_source(tmp_path, registry, CredentialSettings(docker_config=docker), FakeCluster()),
        ):
            pass

    assert f"{docker}: the document is a list, a JSON object is wanted" == str(caught.value)


def test_a_config_needs_the_folder_of_its_plugins(tmp_path: Path) -> None:
    """Programs are not looked for anywhere else."""
    with pytest.raises(InvalidInput) as caught:
        CredentialSettings(written(tmp_path / "providers.yaml", a_config())).providers()

    assert (
        "--image-credential-provider-config needs --image-credential-provider-bin-dir, the folder "
        "of its plugins"
    ) == str(caught.value)
