"""The refusal that the README opens with: what its own policy says about a Deployment."""

import asyncio
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from landwaiter.admission.message import message_of
from landwaiter.deadline import Deadline
from landwaiter.policy.case import Case, Operation, Side
from landwaiter.policy.judge import Judge
from landwaiter.policy.sources import load_policies
from landwaiter.rules.cosign_signatures import SignatureAnswer, SignatureQuestion
from landwaiter.rules.protocol import CurrentDigest, Inquiry, Question
from landwaiter.rules.pull_secret_answers import (
    NamedSecret,
    PullSecretAnswer,
    PullSecretQuestion,
    SecretState,
)
from landwaiter.workloads.walker import read_workload
from policy.builders import A_KEY

WEB = "sha256:2e415b7d65c4bac2cd810fa7d16fa50da8ef5d1f8ae50babc393e4c4e9b5b1e0"
UNSIGNED = "sha256:6da661a179e46adc3e716f754e7cee6bf69c5f90b6d9bf8ff7c6193037eeaece"
POLICY = re.compile(r"^```yaml\n(apiVersion: landwaiter\.dev/.*?)^```", re.DOTALL | re.MULTILINE)
SECONDS = 20.0
"""More than the judge takes, which asks nobody."""

COMMAND = """\
$ kubectl apply -f checkout.yaml
Error from server (Forbidden): error when creating "checkout.yaml": admission webhook
"validate.landwaiter.dev" denied the request:
"""
POD: Mapping[str, Any] = {
    "initContainers": [{"name": "migrate", "image": "registry.example.com/shop/web"}],
    "containers": [
        {"name": "app", "image": f"registry.example.com/shop/unsigned:1.0@{UNSIGNED}"},
        {"name": "proxy", "image": "docker.io/envoyproxy/envoy:1.31"},
        {"name": "ledger", "image": f"registry.example.com/shop/ledger:2.4@{WEB}"},
    ],
}


class Shop:
    """What is found out there: one image is unsigned, and every pull secret is good."""

    async def answer(self, question: Question[Any], inquiry: Inquiry) -> Any:  # noqa: ANN401
        match question:
            case CurrentDigest():
                return WEB
            case SignatureQuestion(subject=subject):
                detail = "it carries no cosign signature"
                return SignatureAnswer(verified=subject.digest != UNSIGNED, detail=detail)
            case PullSecretQuestion():
                usable = NamedSecret("registry", SecretState.USABLE)
                return PullSecretAnswer(inquiry.workload.namespace, (usable,))
        raise ValueError(question)

    async def namespace_labels(self, name: str, *, deadline: Deadline) -> Mapping[str, str]:
        return self.known_labels(name)

    def known_labels(self, name: str) -> Mapping[str, str]:
        return {"env": "production"}


def refusal_block(readme: Path) -> str:
    """Return what the person at `kubectl apply` reads, as a fenced block."""
    policies = POLICY.findall(readme.read_text("utf-8"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "policies.yaml").write_text("---\n".join(policies), encoding="utf-8")
        (folder / "ci.pub").write_text(A_KEY, encoding="utf-8")
        loaded = load_policies(folder)
    workload = read_workload(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "checkout"},
            "spec": {"template": {"spec": POD}},
        },
        namespace="shop",
    )
    assert workload is not None
    judge = Judge(policies=lambda: loaded, source=Shop(), namespaces=Shop())
    case = Case(Operation.CREATE, workload, Deadline.after(SECONDS), credentials_allowed=True)
    verdict = asyncio.run(judge.judge(case, Side.ENFORCE))
    return f"```text\n{COMMAND}{message_of(workload, verdict).strip()}\n```\n"
