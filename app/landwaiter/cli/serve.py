"""`landwaiter serve`: answer the API server's admission reviews until told to stop."""

import sys
from collections.abc import Mapping
from typing import Any

import click

from landwaiter.cli.exits import EXIT_BAD_INPUT
from landwaiter.cli.options import (
    EXISTING_FILE,
    credential_settings,
    option,
    options_of_both,
    policies_option,
    policy_install,
)
from landwaiter.cli.verified_image_options import (
    verified_image_options,
    verified_image_settings,
)
from landwaiter.cli.webhook_options import (
    own_namespace_of,
    tls_options,
    webhook_options,
    webhook_settings,
)
from landwaiter.errors import InvalidInput, LandwaiterError
from landwaiter.images.reference import ShortNames
from landwaiter.serving.server import ServerSettings
from landwaiter.sizing import RUN_MIB, RUNS_MAX
from landwaiter.wiring.application import InstallSettings, run
from landwaiter.wiring.kms import kms_settings
from landwaiter.wiring.outside import OutsideSettings
from landwaiter.wiring.policies import ConfigMapName


@click.command(epilog="Exit status: 0 stopped on request, 2 bad options, policies or certificate.")
@policies_option(required=False)
@option(
    "--policies-from-cluster",
    is_flag=True,
    help="Take policies from the cluster too: ClusterImagePolicy, ImagePolicy and "
    "ImagePolicyException objects.",
)
@options_of_both
@tls_options
@option("--host", default="", help="Address to listen on; all addresses when empty.")
@option("--port", type=click.IntRange(0, 65535), default=8443, help="Port for reviews.")
@option(
    "--metrics-port",
    type=click.IntRange(0, 65535),
    default=8080,
    help="Port for /livez, /readyz and /metrics.",
)
@option("--client-ca", type=EXISTING_FILE, help="Only callers with a certificate by this CA.")
@option("--client-name", help="... and with this common or DNS name.")
@option(
    "--kubeconfig",
    type=EXISTING_FILE,
    help="How to reach the cluster; inside a Pod its service account is used.",
)
@option(
    "--without-service-accounts",
    is_flag=True,
    help="Do not watch service accounts, where they may not be read.",
)
@webhook_options
@option(
    "--otlp-endpoint",
    metavar="URL",
    help="Where traces of reviews go, by OTLP over HTTP; needs landwaiter[tracing].",
)
@option(
    "--events",
    is_flag=True,
    help="Tell the cluster in Events of refused workloads and used exceptions; needs --client-ca.",
)
@verified_image_options
@option(
    "--last-good-set",
    metavar="NAMESPACE/CONFIGMAP",
    help="Where the last good policies are kept, for new replicas to start from.",
)
@option(
    "--cosign-runs",
    type=click.IntRange(1, RUNS_MAX),
    help=f"How many cosign programs may run at once, about {RUN_MIB} MiB each; by default one a "
    "core, as far as the memory limit has room.",
)
@option(
    "--drain-seconds",
    type=click.FloatRange(0, 600),
    default=5.0,
    help="After SIGTERM: how long to keep accepting new connections.",
)
@option(
    "--drain-timeout-seconds",
    type=click.FloatRange(0, 600),
    default=100.0,
    help="After SIGTERM: when to close connections that are still open.",
)
def serve(**given: Any) -> None:  # noqa: ANN401  # click passes each option by its name.
    """Answer the API server's admission reviews until told to stop."""
    try:
        run(_settings(given))
    except LandwaiterError as problem:
        click.echo(f"landwaiter: {problem}", err=True)
        sys.exit(EXIT_BAD_INPUT)


def _settings(given: Mapping[str, Any]) -> InstallSettings:
    name = given["client_name"]
    kms = kms_settings(given["kms"])
    return InstallSettings(
        policies=given["policies"],
        server=ServerSettings(
            tls_cert=given["tls_cert"],
            tls_key=given["tls_key"],
            host=given["host"],
            port=given["port"],
            metrics_port=given["metrics_port"],
            client_ca=given["client_ca"],
            client_names=frozenset({name} if name else ()),
            drain_seconds=given["drain_seconds"],
            drain_timeout_seconds=given["drain_timeout_seconds"],
        ),
        outside=OutsideSettings(
            given["registries"],
            given["cosign"],
            given["cosign_runs"],
            kms,
            credential_settings(given),
        ),
        short_names=ShortNames(given["short_names"]),
        kubeconfig=given["kubeconfig"],
        last_good=ConfigMapName.parse(kept) if (kept := given["last_good_set"]) else None,
        install=policy_install(given, kms),
        webhook=webhook_settings(given),
        own_namespace=_namespace_of_policies(given),
        events=_events(given),
        watches_accounts=not given["without_service_accounts"],
        verified_images=verified_image_settings(given),
        otlp_endpoint=given["otlp_endpoint"],
    )


def _events(given: Mapping[str, Any]) -> bool:
    """Refuse Events that anybody on the Pod network could have written (semantics 20)."""
    if given["events"] and given["client_ca"] is None:
        raise InvalidInput("--events needs --client-ca: only the API server may have them written")
    return bool(given["events"])


def _namespace_of_policies(given: Mapping[str, Any]) -> str | None:
    """Return our own namespace where policies come from the cluster, None where they do not."""
    if not given["policies_from_cluster"]:
        if given["policies"] is None:
            raise InvalidInput("--policies or --policies-from-cluster is wanted")
        return None
    return own_namespace_of(given, "--policies-from-cluster")
