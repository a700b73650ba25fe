"""`landwaiter check`: the webhook's verdict on manifests, before they meet a cluster."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from landwaiter.cli.exits import EXIT_BAD_INPUT, EXIT_REFUSED, EXIT_UNDECIDED
from landwaiter.cli.manifests import objects_in
from landwaiter.cli.options import (
    EXISTING_FILE,
    credential_settings,
    option,
    options_of_both,
    policies_option,
    policy_install,
)
from landwaiter.cli.reports import REPORTS, Checked
from landwaiter.cli.running import report_of_cluster
from landwaiter.deadline import Deadline
from landwaiter.errors import LandwaiterError
from landwaiter.images.reference import ShortNames
from landwaiter.policy.case import Case, Operation, Requester, RequestObjects, Side
from landwaiter.rules.verdict import Decision
from landwaiter.wiring.kms import kms_settings
from landwaiter.wiring.offline import OfflineSettings, offline_judge
from landwaiter.wiring.outside import OutsideSettings
from landwaiter.wiring.running import RunningSettings

DEFAULT_NAMESPACE = "default"
EPILOG = """Exit status: 2 bad input or policy, else 1 something refused, else 3 something
undecided, else 0. What only warns or audits never changes it."""


@click.command(epilog=EPILOG)
@click.argument("manifests", nargs=-1, metavar="[MANIFEST|-]...")
@policies_option(required=True)
@options_of_both
@option(
    "--cluster-state",
    type=click.Path(exists=True, path_type=Path),
    help="Namespace, ServiceAccount, Secret and ConfigMap manifests: a file or a folder.",
)
@option(
    "--namespace",
    help="Namespace of manifests that name none (default, where it is not given); with "
    "--from-cluster, the only one that is judged.",
)
@option(
    "--from-cluster",
    is_flag=True,
    help="Judge what runs in a cluster, reading only, and tell what each policy would refuse.",
)
@option(
    "--kubeconfig",
    type=EXISTING_FILE,
    help="How --from-cluster reaches the cluster; as kubectl does by default.",
)
@option("--context", help="Context of the kubeconfig, for --from-cluster.")
@option("--requester", help="User name of whoever would apply the manifests; anybody by default.")
@option("--requester-group", multiple=True, help="A group of that user; can be repeated.")
@option("--output", type=click.Choice(list(REPORTS)), default="text", help="Form of the report.")
@option(
    "--timeout-seconds",
    type=click.FloatRange(1, 3600),
    default=60.0,
    help="How long to try to find out about one object.",
)
def check(  # noqa: PLR0913  # One parameter an option, passed by name.
    *,
    manifests: Sequence[str],
    policies: Path,
    cluster_state: Path | None,
    namespace: str | None,
    from_cluster: bool,
    kubeconfig: Path | None,
    context: str | None,
    requester: str | None,
    requester_group: Sequence[str],
    output: str,
    registries: Path | None,
    kms: Path | None,
    short_names: str,
    cosign: str,
    timeout_seconds: float,
    **about_install: Any,  # noqa: ANN401  # click passes each option by its name.
) -> None:
    """
    Judge manifests as the webhook would, or what runs in a cluster.

    MANIFEST is a file or a folder, searched in its whole depth; - is standard input, which is
    also read when none is given. Objects without images are skipped.
    """
    if from_cluster and (manifests or cluster_state or requester):
        raise click.UsageError(
            "--from-cluster given, which goes without manifests, --cluster-state and --requester"
        )
    if requester_group and requester is None:
        raise click.UsageError("--requester-group given without --requester, both are wanted")
    if not from_cluster and _is_on_the_command_line("kubeconfig", "context"):
        raise click.UsageError("--kubeconfig and --context are wanted with --from-cluster only")
    if not from_cluster and not manifests and sys.stdin.isatty():
        raise click.UsageError("no manifest given; files, folders or - for standard input wanted")
    names = ShortNames(short_names)
    try:
        outside = OutsideSettings(
            registries,
            cosign,
            kms=kms_settings(kms),
            credentials=credential_settings(about_install),
        )
        install = policy_install(about_install, outside.kms)
        if from_cluster:
            running = RunningSettings(
                policies=policies,
                install=install,
                outside=outside,
                short_names=names,
                kubeconfig=kubeconfig,
                context=context,
                namespace=namespace,
                timeout_seconds=timeout_seconds,
            )
            report, decisions = report_of_cluster(running, output)
        else:
            settings = OfflineSettings(policies, cluster_state, outside, install)
            by = None if requester is None else Requester(requester, tuple(requester_group))
            found = list(objects_in(manifests or ("-",), namespace or DEFAULT_NAMESPACE, names))
            checked = asyncio.run(_judge_all(found, settings, by, timeout_seconds))
            report = REPORTS[output](checked)
            decisions = {each.verdict.decision for each in checked}
    except LandwaiterError as problem:
        click.echo(f"landwaiter: {problem}", err=True)
        sys.exit(EXIT_BAD_INPUT)
    click.echo(report, nl=False)
    sys.exit(_exit_code(decisions))


def _is_on_the_command_line(*names: str) -> bool:
    """Whether one of the options was given as such: a variable may be meant for `serve`."""
    context = click.get_current_context()
    return any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in names)


async def _judge_all(
    found: Sequence[Checked],
    settings: OfflineSettings,
    requester: Requester | None,
    timeout_seconds: float,
) -> list[Checked]:
    async with offline_judge(settings) as judge:
        checked = []
        for each in found:
            case = Case(
                Operation.CREATE,
                each.workload,
                Deadline.after(timeout_seconds),
                requester=requester,
                credentials_allowed=True,
                objects=_objects_of(each, requester),
            )
            verdict = await judge.judge(case, Side.ALL)
            checked.append(each.judged(verdict.without_retry()))
        return checked


def _objects_of(checked: Checked, requester: Requester | None) -> RequestObjects | None:
    if checked.manifest is None:
        return None
    namespace = checked.workload.namespace
    return RequestObjects.of_manifest(checked.manifest, namespace=namespace, requester=requester)


def _exit_code(decisions: set[Decision]) -> int:
    if Decision.DENY in decisions:
        return EXIT_REFUSED
    return EXIT_UNDECIDED if Decision.UNDECIDED in decisions else 0
