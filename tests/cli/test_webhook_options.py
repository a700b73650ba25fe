"""The options about the webhook object and the certificate behind it."""

from pathlib import Path
from typing import Any

import pytest

from cli.manifests import PINNED, policies, run, written
from landwaiter.cli import webhook_options
from landwaiter.webhooks.settings import (
    ServiceAddress,
    TrustFile,
    TrustSecret,
    UrlAddress,
    WebhookSettings,
)
from landwaiter.wiring.application import InstallSettings

SERVICE = {"webhook-name": "landwaiter", "webhook-service": "lw/landwaiter:443"}
OWN = {"tls-secret": "landwaiter-tls", "own-namespace": "lw"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give the folder of policies."""
    return policies(tmp_path, PINNED)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[InstallSettings]:
    """Give the list of installs that were started, outside of a Pod."""
    installs: list[InstallSettings] = []
    monkeypatch.setattr("landwaiter.cli.serve.run", installs.append)
    monkeypatch.setattr(webhook_options, "NAMESPACE_FILE", tmp_path / "no-pod")
    return installs


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Give certificate files."""
    return {
        "tls-cert": written(tmp_path / "tls.crt", ""),
        "tls-key": written(tmp_path / "tls.key", ""),
        "tls-ca": written(tmp_path / "ca.crt", ""),
    }


def settings(**changed: Any) -> WebhookSettings:  # noqa: ANN401  # Fields.
    plain: dict[str, Any] = {
        "name": "landwaiter",
        "address": ServiceAddress("lw", "landwaiter", 443),
        "trust": TrustSecret("landwaiter-tls"),
        "own_namespace": "lw",
        "excluded": frozenset(),
        "timeout_seconds": 10,
    }
    return WebhookSettings(**plain | changed)


def variables(options: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("LANDWAITER_" + name.upper().replace("-", "_"), str(value))
        for name, value in options.items()
    ]


def arguments(options: dict[str, Any]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]


WAYS = pytest.mark.parametrize("by_variable", [False, True], ids=["option", "variable"])


@WAYS
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, settings()),
        ({"webhook-name": "guard"}, settings(name="guard")),
        (
            {"webhook-service": "ns/name:9443"},
            settings(address=ServiceAddress("ns", "name", 9443)),
        ),
        ({"webhook-timeout-seconds": 2}, settings(timeout_seconds=2)),
        ({"own-namespace": "other"}, settings(own_namespace="other")),
        ({"tls-secret": "mine"}, settings(trust=TrustSecret("mine"))),
        ({"exclude-namespace": "calico"}, settings(excluded=frozenset({"calico"}))),
    ],
    ids=lambda value: next(iter(value), "none") if isinstance(value, dict) else "",
)
def test_each_option_describes_the_object(
    options: dict[str, Any],
    expected: WebhookSettings,
    folder: Path,
    started: list[InstallSettings],
    by_variable: bool,  # noqa: FBT001
) -> None:
    """Given as such and by its variable."""
    given = {"policies": folder, **SERVICE, **OWN, **options}
    result = (
        run("serve", environment=variables(given))
        if by_variable
        else run("serve", *arguments(given))
    )

    assert (0, "") == (result.exit_code, result.stderr)
    assert [expected] == [install.webhook for install in started]


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        (["--exclude-namespace=a", "--exclude-namespace=b"], []),
        ([], [("LANDWAITER_EXCLUDE_NAMESPACE", "a, b")]),
    ],
    ids=["options", "variable"],
)
def test_several_namespaces_are_left_out(
    given: list[str],
    environment: list[tuple[str, str]],
    folder: Path,
    started: list[InstallSettings],
) -> None:
    """The option is repeated, the variable has commas; our own and kube-system are among them."""
    necessary = arguments({"policies": folder, **SERVICE, **OWN})
    run("serve", *necessary, *given, environment=environment)

    webhook = started[0].webhook
    assert webhook is not None
    assert ("a", "b", "kube-system", "lw") == webhook.left_out


@WAYS
def test_files_of_somebody_else_come_with_their_ca(
    files: dict[str, Path],
    folder: Path,
    started: list[InstallSettings],
    by_variable: bool,  # noqa: FBT001
) -> None:
    """The CA goes into the object, and an address may be outside of the cluster."""
    given = {
        "policies": folder,
        "webhook-name": "landwaiter",
        "webhook-url": "https://127.0.0.1:9443",
        "own-namespace": "lw",
        **files,
    }
    result = (
        run("serve", environment=variables(given))
        if by_variable
        else run("serve", *arguments(given))
    )

    assert (0, "") == (result.exit_code, result.stderr)
    expected = settings(address=UrlAddress("127.0.0.1", 9443), trust=TrustFile(files["tls-ca"]))
    assert [(expected, files["tls-cert"])] == [
        (install.webhook, install.server.tls_cert) for install in started
    ]


def test_the_namespace_of_the_pod_is_our_own(
    tmp_path: Path,
    folder: Path,
    started: list[InstallSettings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kubelet mounts it."""
    monkeypatch.setattr(
        webhook_options, "NAMESPACE_FILE", written(tmp_path / "namespace", "mounted\n")
    )
    run("serve", *arguments({"policies": folder, "tls-secret": "landwaiter-tls", **SERVICE}))

    assert [settings(own_namespace="mounted")] == [install.webhook for install in started]


FILES = {"tls-cert": "FILE", "tls-key": "FILE"}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "--tls-cert and --tls-key are wanted, or --tls-secret instead of them"),
        ({"tls-cert": "FILE"}, "--tls-cert and --tls-key are wanted, or --tls-secret instead"),
        (
            {**SERVICE, **OWN, "tls-cert": "FILE"},
            "--tls-secret is instead of --tls-cert and --tls-key, not beside them",
        ),
        (OWN, "--tls-secret is for the object of --webhook-name, which is not given"),
        (
            {**FILES, "webhook-service": "lw/lw:443"},
            "--webhook-service is for the object of --webhook-name",
        ),
        (
            {**FILES, "webhook-url": "https://a:1"},
            "--webhook-url is for the object of --webhook-name",
        ),
        (
            {**FILES, "exclude-namespace": "a"},
            "--exclude-namespace is for the object of --webhook-name",
        ),
        ({**FILES, "tls-ca": "FILE"}, "--tls-ca is for the object of --webhook-name"),
        ({**SERVICE, **OWN, "tls-ca": "FILE"}, "--tls-ca is for --tls-cert; the CA of --tls-s"),
        (
            {**SERVICE, **FILES, "own-namespace": "lw"},
            "--tls-ca is wanted: the API server has to know whom to trust",
        ),
        ({**SERVICE, "tls-secret": "s"}, "--own-namespace is wanted with --webhook-name outside"),
        (
            {**OWN, "webhook-name": "landwaiter"},
            "--webhook-name needs one of --webhook-service and --webhook-url",
        ),
        (
            {**SERVICE, **OWN, "webhook-url": "https://a:1"},
            "--webhook-name needs one of --webhook-service and --webhook-url",
        ),
        (
            {**SERVICE, **OWN, "webhook-name": "A"},
            '--webhook-name: "A" given, the name of an object is wanted',
        ),
        (
            {**SERVICE, **OWN, "tls-secret": "A"},
            '--tls-secret: "A" given, the name of a Secret is wanted',
        ),
        (
            {**SERVICE, **OWN, "webhook-timeout-seconds": 1},
            (
                "--webhook-timeout-seconds: seen 1 s, wanted 1 s more than our own deadline, "
                "which would be 0.5 s"
            ),
        ),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    options: dict[str, Any],
    problem: str,
    tmp_path: Path,
    folder: Path,
    started: list[InstallSettings],
) -> None:
    """Nothing is started, and the message says what is wanted."""
    file = written(tmp_path / "file", "")
    given = {name: file if value == "FILE" else value for name, value in options.items()}
    result = run("serve", *arguments({"policies": folder, **given}))

    assert (2, []) == (result.exit_code, started)
    assert result.stderr.startswith(f"landwaiter: {problem}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-service", "landwaiter:443"),
        ("webhook-service", "lw/landwaiter"),
        ("webhook-service", "lw/landwaiter:0"),
        ("webhook-service", "lw/landwaiter:65536"),
        ("webhook-service", "lw/Land:443"),
        ("webhook-service", "l_w/land:443"),
        ("webhook-service", "a/b/c:443"),
        ("webhook-url", "http://landwaiter.example.com"),
        ("webhook-url", "https://"),
        ("webhook-url", "https://a/validate"),
        ("webhook-url", "https://a?b=c"),
        ("webhook-url", "https://a#b"),
        ("webhook-url", "https://me:secret@a"),
        ("webhook-url", "https://a:99999"),
        ("webhook-url", "https://a b"),
        ("webhook-url", "https://[::1"),
        ("exclude-namespace", "Kube"),
        ("own-namespace", "a/b"),
        ("webhook-timeout-seconds", "0"),
        ("webhook-timeout-seconds", "31"),
    ],
)
def test_values_that_name_nothing_are_refused(
    name: str, value: str, folder: Path, started: list[InstallSettings]
) -> None:
    """A wrong address in the object would keep every Pod out."""
    service = {} if name == "webhook-url" else {"webhook-service": SERVICE["webhook-service"]}
    given = {"policies": folder, "webhook-name": "lw", **service, **OWN, name: value}
    result = run("serve", *arguments(given))

    assert (2, True, []) == (result.exit_code, f"--{name}" in result.stderr, started)


@pytest.mark.parametrize(
    ("text", "names", "config"),
    [
        ("https://lw.example.com", ("lw.example.com",), "https://lw.example.com:443/validate"),
        ("https://10.0.0.1:9443/", ("10.0.0.1",), "https://10.0.0.1:9443/validate"),
        ("https://[::1]:9443", ("::1",), "https://[::1]:9443/validate"),
    ],
)
def test_an_address_outside_of_the_cluster(text: str, names: tuple[str, ...], config: str) -> None:
    """Its host is the name in the certificate."""
    address = UrlAddress.parse(text)

    assert (names, {"url": config}) == (address.names, address.client_config("/validate"))


def test_an_address_in_the_cluster() -> None:
    """The API server wants the certificate of NAME.NAMESPACE.svc."""
    address = ServiceAddress.parse("lw/landwaiter:443")
    service = {"namespace": "lw", "name": "landwaiter", "path": "/observe", "port": 443}

    assert ("landwaiter.lw.svc", "landwaiter.lw.svc.cluster.local") == address.names
    assert {"service": service} == address.client_config("/observe")
