"""Every option of `landwaiter serve` reaches the install, given as such and by its variable."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.manifests import PINNED, policies, run, written
from landwaiter import __version__
from landwaiter.cosign.kms_settings import KMSAccess, KMSSettings
from landwaiter.errors import ClusterUnavailable, InvalidCertificate
from landwaiter.images.reference import ShortNames
from landwaiter.policy.install import (
    NamespacedExceptions,
    PolicyInstallSettings,
    UnmatchedImages,
)
from landwaiter.serving.server import ServerSettings
from landwaiter.wiring.application import InstallSettings
from landwaiter.wiring.credentials import CredentialSettings
from landwaiter.wiring.outside import OutsideSettings
from landwaiter.wiring.policies import ConfigMapName
from landwaiter.wiring.verified_images import VerifiedImageSettings


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Give the options that `serve` cannot do without."""
    return {
        "policies": policies(tmp_path, PINNED),
        "tls-cert": written(tmp_path / "tls.crt", ""),
        "tls-key": written(tmp_path / "tls.key", ""),
    }


@pytest.fixture
def unlogged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the logging of the tests alone where an install really begins to start."""
    monkeypatch.setattr("landwaiter.wiring.application.configure_logging", lambda: None)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[InstallSettings]:
    """Give the list of installs that were started, which end at once."""
    installs: list[InstallSettings] = []
    monkeypatch.setattr("landwaiter.cli.serve.run", installs.append)
    return installs


def plain(files: dict[str, Path]) -> InstallSettings:
    """Return the install that the necessary options alone describe."""
    return InstallSettings(
        policies=files["policies"],
        server=ServerSettings(
            tls_cert=files["tls-cert"],
            tls_key=files["tls-key"],
            port=8443,
            metrics_port=8080,
            host="",
            client_ca=None,
            client_names=frozenset(),
            drain_seconds=5.0,
            drain_timeout_seconds=100.0,
        ),
        outside=OutsideSettings(registries=None, cosign="cosign", cosign_runs=None),
        short_names=ShortNames.DOCKER_HUB,
        kubeconfig=None,
        install=PolicyInstallSettings(
            unmatched_images=UnmatchedImages.ALLOW,
            namespaced_exceptions=NamespacedExceptions.REFUSE,
            exception_max_days=7,
        ),
    )


def arguments(options: dict[str, Any]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]


def variables(options: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("LANDWAITER_" + name.upper().replace("-", "_"), str(value))
        for name, value in options.items()
    ]


def test_the_necessary_options_describe_an_install(
    files: dict[str, Path], started: list[InstallSettings]
) -> None:
    """The defaults are those that the help names; both ways of giving options are the same."""
    codes = [
        run("serve", *arguments(files)).exit_code,
        run("serve", environment=variables(files)).exit_code,
    ]

    assert [0, 0] == codes
    assert [plain(files)] * 2 == started


@pytest.mark.parametrize("name", ["policies", "tls-cert", "tls-key"])
def test_each_necessary_option_is_necessary(
    name: str, files: dict[str, Path], started: list[InstallSettings]
) -> None:
    """Without it nothing is started, and the message names it."""
    result = run("serve", *arguments({key: files[key] for key in files if key != name}))

    assert (2, True, []) == (result.exit_code, f"--{name}" in result.stderr, started)


SERVER: dict[str, tuple[object, dict[str, Any]]] = {
    "host": ("127.0.0.1", {"host": "127.0.0.1"}),
    "port": (9443, {"port": 9443}),
    "metrics-port": (9090, {"metrics_port": 9090}),
    "drain-seconds": (7.5, {"drain_seconds": 7.5}),
    "drain-timeout-seconds": (300, {"drain_timeout_seconds": 300.0}),
}
OUTSIDE: dict[str, tuple[object, dict[str, Any]]] = {
    "cosign": ("/opt/cosign", {"cosign": "/opt/cosign"}),
    "cosign-runs": (3, {"cosign_runs": 3}),
}
INSTALL: dict[str, tuple[object, dict[str, Any]]] = {
    "unmatched-images": ("Deny", {"unmatched_images": UnmatchedImages.DENY}),
    "exception-max-days": (30, {"exception_max_days": 30}),
    "namespaced-exceptions": ("Allow", {"namespaced_exceptions": NamespacedExceptions.ALLOW}),
}
WAYS = pytest.mark.parametrize("by_variable", [False, True], ids=["option", "variable"])


def install_of(
    options: dict[str, Any],
    files: dict[str, Path],
    started: list[InstallSettings],
    *,
    by_variable: bool,
) -> InstallSettings:
    """Start with the necessary options and these, and return the install."""
    if by_variable:
        result = run("serve", *arguments(files), environment=variables(options))
    else:
        result = run("serve", *arguments(files | options))
    assert 0 == result.exit_code, result.output
    return started.pop()


@WAYS
@pytest.mark.parametrize("name", SERVER)
def test_options_of_the_server(
    name: str,
    files: dict[str, Path],
    started: list[InstallSettings],
    by_variable: bool,  # noqa: FBT001
) -> None:
    """Where and how it listens and ends."""
    value, fields = SERVER[name]
    base = plain(files)
    expected = replace(base, server=replace(base.server, **fields))

    assert expected == install_of({name: value}, files, started, by_variable=by_variable)


@WAYS
@pytest.mark.parametrize("name", INSTALL)
def test_options_about_policies(
    name: str,
    files: dict[str, Path],
    started: list[InstallSettings],
    by_variable: bool,  # noqa: FBT001
) -> None:
    """What the install decides beside the documents."""
    value, fields = INSTALL[name]
    base = plain(files)
    expected = replace(base, install=replace(base.install, **fields))

    assert expected == install_of({name: value}, files, started, by_variable=by_variable)


@WAYS
@pytest.mark.parametrize("name", OUTSIDE)
def test_options_about_cosign(
    name: str,
    files: dict[str, Path],
    started: list[InstallSettings],
    by_variable: bool,  # noqa: FBT001
) -> None:
    """Which program verifies, and how often at once."""
    value, fields = OUTSIDE[name]
    base = plain(files)
    expected = replace(base, outside=replace(base.outside, **fields))

    assert expected == install_of({name: value}, files, started, by_variable=by_variable)


@WAYS
def test_options_that_name_files(
    files: dict[str, Path],
    started: list[InstallSettings],
    tmp_path: Path,
    by_variable: bool,  # noqa: FBT001
) -> None:
    """Registries and kubeconfig are files."""
    registries, kubeconfig = written(tmp_path / "r.yaml", ""), written(tmp_path / "kube", "")
    options = {"registries": registries, "kubeconfig": kubeconfig}
    base = plain(files)
    expected = replace(
        base, kubeconfig=kubeconfig, outside=replace(base.outside, registries=registries)
    )

    assert expected == install_of(options, files, started, by_variable=by_variable)


@WAYS
def test_kms_names_services_and_what_policies_may_name(
    files: dict[str, Path],
    started: list[InstallSettings],
    tmp_path: Path,
    by_variable: bool,  # noqa: FBT001
) -> None:
    """The file is read at the start, for whoever asks them and for whoever loads policies."""
    file = written(tmp_path / "kms.yaml", "kms: [{scheme: awskms}]")
    base = plain(files)
    expected = replace(
        base,
        outside=replace(base.outside, kms=KMSSettings({"awskms": KMSAccess()})),
        install=replace(base.install, kms_schemes=frozenset({"awskms"})),
    )

    assert expected == install_of({"kms": file}, files, started, by_variable=by_variable)


@WAYS
def test_options_about_credentials(
    files: dict[str, Path],
    started: list[InstallSettings],
    tmp_path: Path,
    by_variable: bool,  # noqa: FBT001
) -> None:
    """Where the install's own come from, besides pull secrets."""
    config, docker = written(tmp_path / "c.yaml", ""), written(tmp_path / "docker.json", "{}")
    options = {
        "image-credential-provider-config": config,
        "image-credential-provider-bin-dir": tmp_path,
        "docker-config": docker,
        "credential-helper-env": "AWS_REGION",
    }
    base = plain(files)
    credentials = CredentialSettings(config, tmp_path, docker, ("AWS_REGION",))
    expected = replace(base, outside=replace(base.outside, credentials=credentials))

    assert expected == install_of(options, files, started, by_variable=by_variable)


@WAYS
def test_client_ca_and_client_name_go_together(
    files: dict[str, Path],
    started: list[InstallSettings],
    tmp_path: Path,
    by_variable: bool,  # noqa: FBT001
) -> None:
    """Both describe the API server."""
    authority = written(tmp_path / "ca.crt", "")
    options = {"client-ca": authority, "client-name": "kube-apiserver"}
    base = plain(files)
    server = replace(base.server, client_ca=authority, client_names=frozenset({"kube-apiserver"}))

    assert replace(base, server=server) == install_of(
        options, files, started, by_variable=by_variable
    )


@WAYS
def test_traces_have_an_address(
    files: dict[str, Path],
    started: list[InstallSettings],
    by_variable: bool,  # noqa: FBT001
) -> None:
    """Without one there are none."""
    address = "http://collector.example.com:4318/v1/traces"

    assert replace(plain(files), otlp_endpoint=address) == install_of(
        {"otlp-endpoint": address}, files, started, by_variable=by_variable
    )


@WAYS
def test_service_accounts_need_not_be_watched(
    files: dict[str, Path],
    started: list[InstallSettings],
    by_variable: bool,  # noqa: FBT001
) -> None:
    """Where an install may not read them."""
    if by_variable:
        given = [("LANDWAITER_WITHOUT_SERVICE_ACCOUNTS", "true")]
        run("serve", *arguments(files), environment=given)
    else:
        run("serve", *arguments(files), "--without-service-accounts")

    assert [replace(plain(files), watches_accounts=False)] == started


def test_events_are_asked_for(
    files: dict[str, Path], started: list[InstallSettings], tmp_path: Path
) -> None:
    """They take a right in every namespace, so nobody has them unasked."""
    authority = written(tmp_path / "ca.crt", "")
    proven = {"client-ca": authority, "client-name": "kube-apiserver"}
    run("serve", *arguments(files | proven), "--events")
    run("serve", *arguments(files | proven))

    assert [True, False] == [each.events for each in started]


def test_semantics_20_events_need_to_know_the_api_server(
    files: dict[str, Path], started: list[InstallSettings]
) -> None:
    """Else anybody on the Pod network could have them written."""
    result = run("serve", *arguments(files), "--events")

    assert (2, []) == (result.exit_code, started)
    assert result.stderr.startswith("landwaiter: --events needs --client-ca")


@WAYS
def test_verified_images_are_kept_where_it_is_said(
    files: dict[str, Path],
    started: list[InstallSettings],
    tmp_path: Path,
    by_variable: bool,  # noqa: FBT001
) -> None:
    """The Secret of their seal, and how many there may be; the Role of the webhook owns it."""
    authority = written(tmp_path / "ca.crt", "")
    proven = {"client-ca": authority, "client-name": "kube-apiserver", "own-namespace": "lw"}
    kept = {**proven, "verified-images-secret": "seal"}
    webhook = {
        "webhook-name": "guard",
        "webhook-url": "https://lw.example.com",
        "tls-ca": authority,
    }
    found = [
        install_of(options, files, started, by_variable=by_variable).verified_images
        for options in (
            proven,
            kept,
            {**kept, "verified-images-max": 123},
            {**kept, **webhook},
        )
    ]

    assert [
        None,
        VerifiedImageSettings("lw", "seal", 5_000),
        VerifiedImageSettings("lw", "seal", 123),
        VerifiedImageSettings("lw", "seal", 5_000, "guard"),
    ] == found


def test_semantics_20_verified_images_need_to_know_the_api_server(
    files: dict[str, Path], started: list[InstallSettings]
) -> None:
    """Else anybody on the Pod network could have them written."""
    options = {"verified-images-secret": "seal", "own-namespace": "lw"}
    result = run("serve", *arguments(files | options))

    assert (2, []) == (result.exit_code, started)
    assert result.stderr.startswith("landwaiter: --verified-images-secret needs --client-ca")


def test_verified_images_need_a_secret_that_can_be(
    files: dict[str, Path], started: list[InstallSettings]
) -> None:
    """A name that no Secret has would keep nothing."""
    result = run("serve", *arguments(files | {"verified-images-secret": "No Name"}))

    assert (2, []) == (result.exit_code, started)
    assert 'landwaiter: --verified-images-secret: "No Name" given' in result.stderr


def test_verified_images_need_a_cluster(
    files: dict[str, Path], tmp_path: Path, unlogged: None
) -> None:
    """There is nowhere else to keep them."""
    authority = written(tmp_path / "ca.crt", "")
    options = {"client-ca": authority, "client-name": "a", "own-namespace": "lw"}
    result = run("serve", *arguments(files | options | {"verified-images-secret": "seal"}))

    assert (2, "landwaiter: --verified-images-secret: given, but there is no cluster\n") == (
        result.exit_code,
        result.stderr,
    )


@pytest.mark.parametrize("name", ["client-ca", "client-name"])
def test_semantics_20_one_of_client_ca_and_client_name_is_refused(
    name: str, files: dict[str, Path], started: list[InstallSettings]
) -> None:
    """Neither a CA that vouches for everybody, nor a name that nobody vouches for."""
    result = run("serve", *arguments(files | {name: files["tls-cert"]}))

    assert (2, []) == (result.exit_code, started)
    assert result.stderr.startswith("landwaiter: --client-ca and --client-name go together")


@WAYS
def test_short_names_can_be_refused(
    files: dict[str, Path],
    started: list[InstallSettings],
    by_variable: bool,  # noqa: FBT001
) -> None:
    """An install setting, since CRI-O resolves them elsewhere."""
    options = {"short-names": "Refuse"}

    assert replace(plain(files), short_names=ShortNames.REFUSE) == install_of(
        options, files, started, by_variable=by_variable
    )


@WAYS
def test_the_last_good_set_has_a_place(
    files: dict[str, Path],
    started: list[InstallSettings],
    by_variable: bool,  # noqa: FBT001
) -> None:
    """A ConfigMap, named with its namespace."""
    options = {"last-good-set": "lw/policies"}

    assert replace(plain(files), last_good=ConfigMapName("lw", "policies")) == install_of(
        options, files, started, by_variable=by_variable
    )


@WAYS
def test_policies_can_be_objects_of_the_cluster(
    files: dict[str, Path],
    started: list[InstallSettings],
    by_variable: bool,  # noqa: FBT001
) -> None:
    """Beside a folder or without one; our own namespace has to be known then."""
    options = {"policies-from-cluster": "true", "own-namespace": "lw"}
    without_folder = {name: files[name] for name in ("tls-cert", "tls-key")}
    if by_variable:
        result = run("serve", *arguments(without_folder), environment=variables(options))
    else:
        flags = ["--policies-from-cluster", "--own-namespace=lw"]
        result = run("serve", *arguments(without_folder), *flags)

    assert 0 == result.exit_code, result.output
    assert [replace(plain(files), policies=None, own_namespace="lw")] == started


def test_policies_of_the_cluster_need_our_own_namespace(
    files: dict[str, Path], started: list[InstallSettings]
) -> None:
    """Exceptions there are the cluster's, so it cannot be guessed."""
    result = run("serve", *arguments(files), "--policies-from-cluster")

    assert (2, []) == (result.exit_code, started)
    assert "--own-namespace is wanted with --policies-from-cluster" in result.stderr


def test_the_command_line_wins_over_the_environment(
    files: dict[str, Path], started: list[InstallSettings]
) -> None:
    """What is written down last is what is meant."""
    run("serve", *arguments(files), "--port=1", environment=[("LANDWAITER_PORT", "2")])

    assert [1] == [install.server.port for install in started]


@pytest.mark.parametrize(
    "option",
    [
        "--port=65536",
        "--port=-1",
        "--metrics-port=x",
        "--cosign-runs=0",
        "--cosign-runs=65",
        "--drain-seconds=-1",
        "--drain-timeout-seconds=601",
        "--short-names=Guess",
        "--registries=/does/not/exist",
        "--kubeconfig=/does/not/exist",
        "--drain-seconds=101",
        "--nonsense=1",
    ],
)
def test_bad_options_are_refused(
    option: str, files: dict[str, Path], started: list[InstallSettings]
) -> None:
    """Nothing is started with an option that cannot be what it should."""
    result = run("serve", *arguments(files), option)

    assert (2, True, []) == (
        result.exit_code,
        option.partition("=")[0] in result.stderr,
        started,
    )


@pytest.mark.parametrize(
    "problem", [InvalidCertificate("tls.crt: no certificate"), ClusterUnavailable("no cluster")]
)
def test_what_does_not_start_is_told_in_one_line(
    problem: Exception, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault on the way up is no traceback."""

    def fail(_: InstallSettings) -> None:
        raise problem

    monkeypatch.setattr("landwaiter.cli.serve.run", fail)
    result = run("serve", *arguments(files))

    assert (2, f"landwaiter: {problem}\n") == (result.exit_code, result.stderr)


def test_semantics_22_policies_that_do_not_load_stop_the_start(
    files: dict[str, Path], unlogged: None
) -> None:
    """An install never starts with half of its policies."""
    written(files["policies"] / "bad.yaml", "kind: Nonsense\n")
    result = run("serve", *arguments(files))

    assert (2, True) == (
        result.exit_code,
        result.stderr.startswith(f"landwaiter: {files['policies'] / 'bad.yaml'}:1: field kind: "),
    )


def test_a_certificate_that_does_not_load_stops_the_start(
    files: dict[str, Path], unlogged: None
) -> None:
    """An empty certificate is refused before anything is answered."""
    result = run("serve", *arguments(files), "--port=0", "--metrics-port=0")

    assert (2, True) == (result.exit_code, "tls.crt" in result.stderr)


def test_the_version_is_told() -> None:
    """`landwaiter --version` is what logs and agents of requests say too."""
    assert f"landwaiter, version {__version__}\n" == run("--version").stdout
