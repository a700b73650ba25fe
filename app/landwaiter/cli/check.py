"""`landwaiter check`: the webhook's verdict on manifests, before they meet a cluster."""

import asyncio
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from landwaiter.cli.exits import EXIT_BAD_INPUT, EXIT_REFUSED, EXIT_UNDECIDED
from landwaiter.cli.options import option, options_of_both, policies_option, policy_install
from landwaiter.cli.reports import REPORTS, STDIN, Checked
from landwaiter.deadline import Deadline
from landwaiter.errors import InvalidInput, InvalidManifest, InvalidReview, LandwaiterError
from landwaiter.images.reference import ShortNames
from landwaiter.manifests.documents import Document, read_documents, read_file
from landwaiter.policy.case import Case, Operation, Requester, Side
from landwaiter.rules.verdict import Decision
from landwaiter.wiring.offline import OfflineSettings, offline_judge
from landwaiter.workloads.walker import read_workload

STDIN_MAX_BYTES = 64 * 1024 * 1024
"""What a large Helm chart renders to stays far below; more is a mistake."""
SUFFIXES = frozenset({".yaml", ".yml", ".json"})
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
@option("--namespace", default="default", help="Namespace of manifests that name none.")
@option("--requester", help="User name of whoever would apply the manifests; anybody by default.")
@option("--requester-group", multiple=True, help="A group of that user; can be repeated.")
@option("--output", type=click.Choice(list(REPORTS)), default="text", help="Form of the report.")
@option(
    "--timeout-seconds",
    type=click.FloatRange(1, 3600),
    default=60.0,
    help="How long to try to find out about one manifest.",
)
def check(  # noqa: PLR0913  # One parameter an option, passed by name.
    *,
    manifests: Sequence[str],
    policies: Path,
    cluster_state: Path | None,
    namespace: str,
    requester: str | None,
    requester_group: Sequence[str],
    output: str,
    registries: Path | None,
    short_names: str,
    cosign: str,
    timeout_seconds: float,
    **about_policies: Any,  # noqa: ANN401  # click passes each option by its name.
) -> None:
    """
    Judge manifests as the webhook would.

    MANIFEST is a file or a folder, searched in its whole depth; - is standard input, which is
    also read when none is given. Objects without images are skipped.
    """
    if requester_group and requester is None:
        raise click.UsageError("--requester-group given without --requester, both are wanted")
    if not manifests and sys.stdin.isatty():
        raise click.UsageError("no manifest given; files, folders or - for standard input wanted")
    settings = OfflineSettings(
        policies, cluster_state, registries, cosign, policy_install(about_policies)
    )
    try:
        found = list(_objects(manifests or ("-",), namespace, ShortNames(short_names)))
        by = None if requester is None else Requester(requester, tuple(requester_group))
        checked = asyncio.run(_judge_all(found, settings, by, timeout_seconds))
    except LandwaiterError as problem:
        click.echo(f"landwaiter: {problem}", err=True)
        sys.exit(EXIT_BAD_INPUT)
    click.echo(REPORTS[output](checked), nl=False)
    sys.exit(_exit_code(each.verdict.decision for each in checked))


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
            )
            verdict = await judge.judge(case, Side.ALL)
            checked.append(each.judged(verdict.without_retry()))
        return checked


def _exit_code(decisions: Iterable[Decision]) -> int:
    seen = set(decisions)
    if Decision.DENY in seen:
        return EXIT_REFUSED
    return EXIT_UNDECIDED if Decision.UNDECIDED in seen else 0


def _objects(
    manifests: Sequence[str], namespace: str, short_names: ShortNames
) -> Iterator[Checked]:
    for manifest in manifests:
        for document in _documents(manifest):
            for described in document.objects():
                yield from _workload(described, namespace, short_names)


def _workload(document: Document, namespace: str, short_names: ShortNames) -> Iterator[Checked]:
    value = document.value
    where = f"{document.source}:{document.line_of()}"
    if not isinstance(value, dict):
        raise InvalidManifest(f"{where}: {type(value).__name__} given, a Kubernetes object wanted")
    metadata = value.get("metadata")
    own = metadata.get("namespace") if isinstance(metadata, dict) else None
    try:
        workload = read_workload(
            value,
            namespace=own if isinstance(own, str) and own else namespace,
            short_names=short_names,
        )
    except InvalidReview as problem:
        raise InvalidManifest(f"{where}: {problem}") from problem
    if workload is not None:
        yield Checked.in_manifest(document, workload)


def _documents(manifest: str) -> Iterator[Document]:
    if manifest == "-":
        content = sys.stdin.buffer.read(STDIN_MAX_BYTES + 1)
        yield from read_documents(content, source=STDIN, limit_bytes=STDIN_MAX_BYTES)
        return
    path = Path(manifest)
    if not path.exists():
        raise InvalidInput(f'"{manifest}" does not exist; a file, a folder or - is wanted')
    # What is no folder is read as a file: a shell gives the output of a command as a pipe.
    for file in _files_below(path) if path.is_dir() else [path]:
        yield from read_file(file)


def _files_below(folder: Path) -> list[Path]:
    files = (
        each for each in folder.rglob("*") if each.suffix.lower() in SUFFIXES and each.is_file()
    )
    found = sorted(file for file in files if not _is_hidden(file.relative_to(folder)))
    if not found:
        wanted = ", ".join(sorted(SUFFIXES))
        raise InvalidInput(
            f'"{folder}" holds no manifest; a file that ends with {wanted} is wanted'
        )
    return found


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
