"""The options of `landwaiter serve` about the webhook object and the certificate behind it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

import click

from landwaiter.admission.deadline import MARGIN_SECONDS, seconds_to_answer
from landwaiter.cli.options import EXISTING_FILE, option
from landwaiter.errors import InvalidInput
from landwaiter.manifests.names import is_dns_label, is_dns_subdomain
from landwaiter.webhooks.settings import (
    DEFAULT_TIMEOUT_SECONDS,
    LEAST_TIMEOUT_SECONDS,
    MOST_TIMEOUT_SECONDS,
    Address,
    ServiceAddress,
    TrustFile,
    TrustSecret,
    UrlAddress,
    WebhookSettings,
)

Command = TypeVar("Command", bound=Callable[..., Any])

NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where a Pod finds the name of its namespace."""


class Namespaces(click.ParamType[str]):
    """The name of a namespace; several of them in the environment are separated by commas."""

    name = "name"
    envvar_list_splitter: ClassVar[str] = ","

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        if not is_dns_label(name := value.strip()):
            self.fail(f'"{value:.100}" given, the name of a namespace is wanted', param, ctx)
        return name


def tls_options(command: Command) -> Command:
    """Declare where the serving certificate comes from."""
    for each in (
        option(
            "--tls-secret",
            metavar="NAME",
            help="Instead: keep a CA and certificate of our own in this Secret of our namespace.",
        ),
        option(
            "--tls-ca",
            type=EXISTING_FILE,
            help="CA of that certificate (PEM), which the webhook object tells the API server.",
        ),
        option("--tls-key", type=EXISTING_FILE, help="Its private key (PEM)."),
        option("--tls-cert", type=EXISTING_FILE, help="Serving certificate chain (PEM)."),
    ):
        command = each(command)
    return command


def webhook_options(command: Command) -> Command:
    """Declare the webhook object that Landwaiter makes and keeps right."""
    for each in (
        option(
            "--own-namespace",
            type=Namespaces(),
            help="Namespace of Landwaiter; inside a Pod by default the Pod's.",
        ),
        option(
            "--exclude-namespace",
            type=Namespaces(),
            multiple=True,
            help="Namespace that is not judged, besides kube-system and our own; repeatable, "
            "in the environment separated by commas.",
        ),
        option(
            "--webhook-timeout-seconds",
            type=click.IntRange(LEAST_TIMEOUT_SECONDS, MOST_TIMEOUT_SECONDS),
            default=DEFAULT_TIMEOUT_SECONDS,
            help="How long the API server waits for an answer.",
        ),
        option(
            "--webhook-url",
            metavar="URL",
            help="... or outside of the cluster: its https:// address.",
        ),
        option(
            "--webhook-service",
            metavar="NAMESPACE/NAME:PORT",
            help="Where the API server finds Landwaiter: a Service,",
        ),
        option(
            "--webhook-name",
            metavar="NAME",
            help="ValidatingWebhookConfiguration to make and keep right, for as long as there is "
            "a ClusterRole of that name.",
        ),
    ):
        command = each(command)
    return command


def webhook_settings(given: Mapping[str, Any]) -> WebhookSettings | None:
    """
    Return what the options say about the webhook object, None where none is to be made.

    Raises `InvalidInput` for options that do not go together.
    """
    _check_certificate(given)
    name = given["webhook_name"]
    if name is None:
        _refuse_without_name(given)
        return None
    if not is_dns_subdomain(name):
        raise InvalidInput(f'--webhook-name: "{name:.100}" given, the name of an object is wanted')
    own = own_namespace_of(given, "--webhook-name")
    return WebhookSettings(
        name=name,
        address=_address(given),
        trust=_trust(given),
        own_namespace=own,
        excluded=frozenset(given["exclude_namespace"]),
        timeout_seconds=_timeout(given["webhook_timeout_seconds"]),
    )


def own_namespace_of(given: Mapping[str, Any], needed_by: str) -> str:
    """Return Landwaiter's own namespace. Raises `InvalidInput` where it is not known."""
    own = given["own_namespace"] or namespace_of_this_pod()
    if own is None:
        raise InvalidInput(f"--own-namespace is wanted with {needed_by} outside of a Pod")
    return str(own)


def _check_certificate(given: Mapping[str, Any]) -> None:
    files = (given["tls_cert"], given["tls_key"])
    if given["tls_secret"] is None and None in files:
        raise InvalidInput("--tls-cert and --tls-key are wanted, or --tls-secret instead of them")
    if given["tls_secret"] is not None and any(each is not None for each in files):
        raise InvalidInput("--tls-secret is instead of --tls-cert and --tls-key, not beside them")


def _refuse_without_name(given: Mapping[str, Any]) -> None:
    """Raise for an option that would do nothing, which is a mistake somewhere else."""
    names = ("webhook_service", "webhook_url", "exclude_namespace", "tls_ca", "tls_secret")
    for name in names:
        if given[name]:
            said = name.replace("_", "-")
            raise InvalidInput(f"--{said} is for the object of --webhook-name, which is not given")


def _address(given: Mapping[str, Any]) -> Address:
    service, url = given["webhook_service"], given["webhook_url"]
    if (service is None) == (url is None):
        raise InvalidInput("--webhook-name needs one of --webhook-service and --webhook-url")
    try:
        return UrlAddress.parse(url) if service is None else ServiceAddress.parse(service)
    except InvalidInput as problem:
        option_name = "--webhook-url" if service is None else "--webhook-service"
        raise InvalidInput(f"{option_name}: {problem}") from problem


def _trust(given: Mapping[str, Any]) -> TrustFile | TrustSecret:
    secret, file = given["tls_secret"], given["tls_ca"]
    if secret is None:
        if file is None:
            raise InvalidInput("--tls-ca is wanted: the API server has to know whom to trust")
        return TrustFile(file)
    if file is not None:
        raise InvalidInput("--tls-ca is for --tls-cert; the CA of --tls-secret is made by us")
    if not is_dns_subdomain(secret):
        raise InvalidInput(f'--tls-secret: "{secret:.100}" given, the name of a Secret is wanted')
    return TrustSecret(secret)


def _timeout(seconds: int) -> int:
    """Refuse a timeout that the rounding up of the API server may use up before we answer."""
    if (ours := seconds_to_answer(seconds)) + MARGIN_SECONDS > seconds:
        raise InvalidInput(
            f"--webhook-timeout-seconds: seen {seconds} s, wanted {MARGIN_SECONDS:g} s more than "
            f"our own deadline, which would be {ours:g} s"
        )
    return seconds


def namespace_of_this_pod() -> str | None:
    """Return the namespace that the kubelet has mounted, None outside of a Pod."""
    try:
        return NAMESPACE_FILE.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None
