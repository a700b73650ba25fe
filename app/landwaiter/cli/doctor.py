"""`landwaiter doctor`: find what is wrong with an install before it hurts."""

import asyncio
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import click

from landwaiter.cli.exits import EXIT_BAD_INPUT, EXIT_REFUSED, EXIT_UNDECIDED
from landwaiter.cli.options import (
    EXISTING_FILE,
    EXISTING_FOLDER,
    option,
    policy_install,
    policy_install_options,
)
from landwaiter.cli.webhook_options import Namespaces, namespace_of_this_pod
from landwaiter.container import this_container
from landwaiter.doctor.findings import Diagnosis, Severity
from landwaiter.doctor.picture import Install
from landwaiter.errors import InvalidInput, InvalidPolicy, LandwaiterError
from landwaiter.policy.sources import load_policies
from landwaiter.sizing import RUNS_MAX, CosignRuns, cosign_runs
from landwaiter.webhooks.settings import (
    DEFAULT_TIMEOUT_SECONDS,
    LEAST_TIMEOUT_SECONDS,
    MOST_TIMEOUT_SECONDS,
)
from landwaiter.wiring.doctor import Patient, examine
from landwaiter.wiring.policies import ConfigMapName
from landwaiter.wiring.registries import registry_settings

MARKS: Final = {Severity.PROBLEM: "✗", Severity.ADVICE: "·"}

EPILOG: Final = """Exit status: 2 bad options or no cluster, else 1 a problem, else 3 something
could not be looked at, else 0. Advice never changes it."""


@click.command(epilog=EPILOG)
@option(
    "--kubeconfig",
    type=EXISTING_FILE,
    help="How to reach the cluster; inside a Pod its service account is used.",
)
@option(
    "--webhook-name",
    metavar="NAME",
    required=True,
    help="ValidatingWebhookConfiguration of the install.",
)
@option(
    "--own-namespace",
    type=Namespaces(),
    help="Namespace of Landwaiter; inside a Pod by default the Pod's.",
)
@option(
    "--exclude-namespace",
    type=Namespaces(),
    multiple=True,
    help="Namespace that is not judged, as `serve` is told.",
)
@option(
    "--webhook-timeout-seconds",
    type=click.IntRange(LEAST_TIMEOUT_SECONDS, MOST_TIMEOUT_SECONDS),
    default=DEFAULT_TIMEOUT_SECONDS,
    help="How long the API server waits for an answer, as `serve` is told.",
)
@option("--tls-secret", metavar="NAME", help="Secret of our own CA, as `serve` is told.")
@option(
    "--last-good-set",
    metavar="NAMESPACE/CONFIGMAP",
    help="Where the last good policies are kept, as `serve` is told.",
)
@option(
    "--verified-images-secret",
    metavar="NAME",
    help="Secret of the seal of what was verified, as `serve` is told.",
)
@option("--policies", type=EXISTING_FOLDER, help="Folder of policy documents.")
@option(
    "--policies-from-cluster",
    is_flag=True,
    help="Whether `serve` takes policies from the cluster too.",
)
@option("--events", is_flag=True, help="Whether `serve` tells the cluster in Events.")
@policy_install_options
@option(
    "--cosign-runs",
    type=click.IntRange(1, RUNS_MAX),
    help="How many cosign programs may run at once, as `serve` is told.",
)
@option("--registries", type=EXISTING_FILE, help="Registries that need settings of their own.")
@option("--output", type=click.Choice(["text", "json"]), default="text", help="Form of the report.")
def doctor(**given: Any) -> None:  # noqa: ANN401  # click passes each option by its name.
    """
    Find what is wrong with an install.

    Run it in a Pod of the install, which has its options and its rights:
    kubectl exec deploy/landwaiter -- landwaiter doctor
    """
    try:
        diagnosis = asyncio.run(examine(_patient(given)))
    except LandwaiterError as problem:
        click.echo(f"landwaiter: {problem}", err=True)
        sys.exit(EXIT_BAD_INPUT)
    click.echo(_json(diagnosis) if given["output"] == "json" else _text(diagnosis), nl=False)
    if diagnosis.has_problems:
        sys.exit(EXIT_REFUSED)
    sys.exit(EXIT_UNDECIDED if diagnosis.unknown else 0)


def _patient(given: Mapping[str, Any]) -> Patient:
    this_pod = namespace_of_this_pod()
    own = given["own_namespace"] or this_pod
    if own is None:
        raise InvalidInput("--own-namespace is wanted outside of a Pod")
    settings, folder, kept = policy_install(given), given["policies"], given["last_good_set"]
    last_good = ConfigMapName.parse(kept) if kept else None
    policies, broken = None, ""
    try:
        policies = None if folder is None else load_policies(folder, settings)
    except InvalidPolicy as problem:
        broken = str(problem)
    install = Install(
        webhook_name=given["webhook_name"],
        own_namespace=own,
        excluded=frozenset(given["exclude_namespace"]),
        timeout_seconds=given["webhook_timeout_seconds"],
        tls_secret=given["tls_secret"] or "",
        last_good=None if last_good is None else (last_good.namespace, last_good.name),
        policies_from_cluster=given["policies_from_cluster"],
        events=given["events"],
        broken=broken,
        verified_images=given["verified_images_secret"] or "",
        cosign_runs=_runs(given["cosign_runs"]) if this_pod == own else None,
    )
    return Patient(
        install,
        kubeconfig=given["kubeconfig"],
        registries=registry_settings(given["registries"]),
        policies=policies,
        settings=settings,
    )


def _runs(asked: int | None) -> CosignRuns:
    """Return what `serve` chooses in this container."""
    return cosign_runs(this_container(), asked)


def _text(diagnosis: Diagnosis) -> str:
    lines = []
    for each in diagnosis.findings:
        lines += [
            f"{MARKS[each.severity]} {each.id}: {each.about}",
            f"  seen:   {each.seen}",
            f"  wanted: {each.wanted}",
            f"  → {each.remedy}",
            "",
        ]
    for unknown in diagnosis.unknown:
        lines += [f"? {unknown.what}: {unknown.why}", ""]
    problems = sum(each.severity is Severity.PROBLEM for each in diagnosis.findings)
    advice = len(diagnosis.findings) - problems
    counts = f"{problems} problems, {advice} advice, {len(diagnosis.unknown)} not looked at"
    return "\n".join([*lines, counts, ""])


def _json(diagnosis: Diagnosis) -> str:
    report = {
        "findings": [asdict(each) for each in diagnosis.findings],
        "unknown": [asdict(each) for each in diagnosis.unknown],
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"
