"""The policies that people are shown load, and say what the text beside them says."""

import re
from pathlib import Path

import pytest

from landwaiter.cli.policies.differences import differences
from landwaiter.errors import InvalidPolicy
from landwaiter.policy.declared import read_tests
from landwaiter.policy.lint import lint
from landwaiter.policy.sources import load_documents, load_policies
from landwaiter.rules.verdict import Action
from landwaiter.wiring.declared import Decided, decide
from policy.builders import A_KEY

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "deploy" / "policies"
BLOCK = re.compile(r"^```(?P<language>yaml|text)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)
PAGES = sorted(
    [
        *(ROOT / "docs" / name for name in ("policies.md", "rollout.md")),
        *ROOT.glob("docs/rules/*.md"),
        ROOT / "README.md",
    ]
)


def policies_in(page: Path) -> list[str]:
    if not page.exists():
        return []
    blocks = (match["text"] for match in BLOCK.finditer(page.read_text("utf-8")))
    return [block for block in blocks if block.startswith("apiVersion: landwaiter.dev/")]


def test_the_example_policies_load_together() -> None:
    """They can all stand in one folder, and the first one to try refuses nothing."""
    policies = {policy.name: set(policy.actions) for policy in load_policies(EXAMPLES)}

    assert {
        "air-gapped": {Action.DENY, Action.AUDIT},
        "alibaba-acr": {Action.DENY},
        "baseline": {Action.WARN, Action.AUDIT},
        "hardening": {Action.WARN, Action.AUDIT},
        "production-images": {Action.DENY, Action.AUDIT},
        "production-signatures": {Action.DENY, Action.AUDIT},
    } == policies


READY_MADE = sorted(EXAMPLES.glob("*.yaml"))
EVERY = pytest.mark.parametrize("file", READY_MADE, ids=lambda file: file.name)


async def decided_in(file: Path) -> list[Decided]:
    """Return what became of the declared cases of a policy file."""
    declared = read_tests(EXAMPLES / "tests" / file.name)
    return [decided for document, test in declared for decided in await decide(document, test)]


@EVERY
async def test_ready_made_policies_decide_as_is_declared(file: Path) -> None:
    """`landwaiter policies test` finds no difference in the cases beside them."""
    differing = {each.case.name: differences(each) for each in await decided_in(file)}

    assert {} == {name: lines for name, lines in differing.items() if lines}


@EVERY
async def test_each_rule_of_a_ready_made_policy_is_seen_to_refuse_and_to_admit(file: Path) -> None:
    """The cases reach every rule, and some object has nothing against it."""
    decided = await decided_in(file)
    wanted = {
        (each.policy.name, str(rule.id))
        for each in load_documents(file).policies
        for rule in each.policy.rules
    }
    found = {(f.policy, str(f.rule)) for each in decided for f in each.verdict.findings}

    assert set() == wanted - found
    assert any(not each.verdict.findings for each in decided)


@EVERY
def test_the_linter_has_nothing_to_say_about_ready_made_policies(file: Path) -> None:
    """People copy them; each file is a set of its own."""

    assert () == lint([each.policy for each in load_documents(file).policies])


def test_every_file_of_declared_cases_has_a_policy() -> None:
    """Nothing lies there unread."""

    assert [file.name for file in READY_MADE] == sorted(
        file.name for file in (EXAMPLES / "tests").iterdir()
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_policy_in_the_documents_loads(page: Path, tmp_path: Path) -> None:
    """What is shown can be copied."""
    for number, text in enumerate(policies_in(page)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "p.yaml").write_text(text)
        for named in re.findall(r"\bfile: *([\w./-]+)", text):
            (folder / named).parent.mkdir(parents=True, exist_ok=True)
            (folder / named).write_text(A_KEY)
        load_policies(folder)


def test_docs_policies_shows_policies_at_all() -> None:
    """The test above would pass for a page whose examples it does not find."""

    assert 4 == len(policies_in(ROOT / "docs" / "policies.md"))


def test_the_messages_that_are_shown_are_real(tmp_path: Path) -> None:
    """docs/policies.md quotes refusals as they are written."""
    shown = BLOCK.findall((ROOT / "docs" / "policies.md").read_text("utf-8"))
    (messages,) = [text for language, text in shown if language == "text"]
    (tmp_path / "production.yaml").write_text(
        "apiVersion: landwaiter.dev/v1alpha1\nkind: ClusterImagePolicy\nmetadata:\n  name: p\n"
        "spec:\n  validationActions: [Deny]\n  match:\n    namespaceSelector:\n"
        "      matchLabels: {env: production}\n    images: ['**']\n  rules:\n"
        "    pinnedTags: {require: digests}\n    pullSecret: {requireFor: [a.example]}\n"
    )
    with pytest.raises(InvalidPolicy) as refused:
        load_policies(tmp_path)

    assert messages.replace("policies/", f"{tmp_path}/").strip() == str(refused.value)
