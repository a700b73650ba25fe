"""`landwaiter check --from-cluster`: what the policies would refuse of everything that runs."""

import asyncio
import time
from collections.abc import Callable, Sequence

import click

from landwaiter.admission.text import visible
from landwaiter.cli.reports import REPORTS
from landwaiter.cli.reports.groups import Groups
from landwaiter.cli.reports.running_form import running_report
from landwaiter.cluster.running import WORKLOADS
from landwaiter.policy.matching import Policy
from landwaiter.rules.verdict import Decision
from landwaiter.wiring.running import RunningSettings, running_cluster


def report_of_cluster(settings: RunningSettings, output: str) -> tuple[str, set[Decision]]:
    """
    Return the report and the decisions in it, with progress on standard error.

    Raises `InvalidInput` and `ClusterUnavailable`.
    """
    groups, policies = asyncio.run(_judge_all(settings, _tell))
    decisions = {decision for decision, count in groups.decisions.items() if count}
    if groups.unreadable:
        decisions.add(Decision.DENY)
    if output == "text":
        return running_report(groups, policies), decisions
    for each in groups.unreadable:
        _tell(each)
    return REPORTS[output](list(groups.told())), decisions


async def _judge_all(
    settings: RunningSettings, tell: Callable[[str], None]
) -> tuple[Groups, Sequence[Policy]]:
    began = time.monotonic()
    async with running_cluster(settings) as cluster:
        groups = Groups([policy.name for policy in cluster.policies])
        total = 0
        for kind, resource in WORKLOADS.items():
            count = 0
            async for page in cluster.judged(kind):
                for judged in page:
                    groups.add(judged)
                count += len(page)
                tell(f"{resource.plural}: {count} judged")
            total += count
        seconds = time.monotonic() - began
        tell(f"{total} objects in {seconds:.1f} s, {cluster.requests} requests to the API server")
        return groups, cluster.policies


def _tell(line: str) -> None:
    click.echo(f"landwaiter: {visible(line)}", err=True)
