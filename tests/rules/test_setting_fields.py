"""
Every field of the settings of every rule, down to the last, makes a difference to the rule.

What the rule then does is shown by its fixtures and tests; here nothing gets lost before. The
fields are walked, so that one that is added without an example fails.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from landwaiter.errors import InvalidPolicy
from landwaiter.rules.catalogue import CATALOGUE
from landwaiter.rules.protocol import Rule, RuleId
from landwaiter.trusted_roots import MEDIA_TYPE
from policy.builders import A_KEY
from policy.test_tenants import rule_fields
from realparts.certificates import Authority as CertificateAuthority
from rules.fixtures import fixtures

LISTS = ("tlogs", "ctlogs", "timestampAuthorities", "certificateAuthorities")
A_ROOT = json.dumps({"mediaType": MEDIA_TYPE, **{name: [{}] for name in LISTS}})
A_TUF_ROOT = json.dumps({"signed": {"_type": "root"}, "signatures": []})
A_TUF: dict[str, Any] = {"mirror": "https://tuf.example.com", "target": "staging/root.json"}
A_SOURCE = {"namespace": "landwaiter-system", "name": "trust", "key": "a"}
KEYLESS = {"identities": [{"issuer": "https://issuer.example.com", "subject": "ci"}]}
BY_EXPRESSION = {"identities": [{"issuerRegExp": "https://.*", "subjectRegExp": "ci-.*"}]}
A_TYPE = "https://slsa.dev/provenance/v1"
LOGS = {"timestamps": "Required"}
LOGGED = {"transparencyLog": "Required", "timestamps": "Required"}
PARSED = (".data", ".file")
"""What is parsed when it is read: another text is refused, and so has not been passed over."""


CHOICES = ("digest", "fixedTag", "Required", "Ignored", "Deny", "Warn")
"""Words for fields that take only some words; where they take others they are refused."""


def sources(content: str, file: str) -> list[dict[str, Any]]:
    return [{"data": content}, {"file": file}, {"secretRef": A_SOURCE}, {"configMapRef": A_SOURCE}]


def authorities(folder: Path) -> list[dict[str, Any]]:
    """Return authorities that write every field, and put the files that they name in a folder."""
    ca = CertificateAuthority(folder).certificate.read_text("utf-8")
    for name, content in {"ci.pub": A_KEY, "root.json": A_ROOT, "ca.pem": ca}.items():
        (folder / name).write_text(content, "utf-8")
    (folder / "tuf.json").write_text(A_TUF_ROOT, "utf-8")
    keys = sources(A_KEY, "ci.pub")[:3]
    roots = sources(A_ROOT, "root.json") + [
        {"tuf": {**A_TUF, "root": each}} for each in sources(A_TUF_ROOT, "tuf.json")[:2]
    ]
    return [
        *({"key": key, "repository": "r.example.com/signatures"} for key in keys),
        {"key": {"kms": "awskms:///alias/signing"}},
        *({"key": keys[0], **LOGGED, "trustedRoot": root} for root in roots),
        {"keyless": BY_EXPRESSION, "trustedRoot": roots[0]},
        *(
            {"keyless": {**KEYLESS, f"unsafeIgnore{what}": True}, "trustedRoot": roots[0]} | LOGS
            for what in ("TransparencyLog", "CertificateTransparency")
        ),
        *(
            {"certificate": {"authorities": each, "subject": "ann@example.com"}}
            for each in sources(ca, "ca.pem")
        ),
        {"certificate": {"authorities": {"data": ca}, "subjectRegExp": "ann@.*"}},
    ]


def examples(rule: RuleId, folder: Path) -> Iterator[dict[str, Any]]:
    """Give settings that write the fields of a rule: those of its fixtures, and more."""
    yield from (each.read()[0].settings for each in fixtures() if each.rule == rule)
    if rule in {"cosignSignatures", "attestations"}:
        for authority in authorities(folder):
            named = [{"name": "ci", **authority}]
            if rule == "cosignSignatures":
                yield {"authorities": named}
            else:
                yield {"required": [{"predicateType": A_TYPE, "authorities": named}]}
    keys = [{"name": name, "key": {"secretRef": {**A_SOURCE, "name": name}}} for name in "abc"]
    for field in ("allOf", "anyOf"):
        several = {"authorities": keys, field: ["a", "b"], "threshold": 2}
        if rule == "cosignSignatures":
            yield several
        elif rule == "attestations":
            yield {"required": [{"predicateType": A_TYPE, **several}]}


def made(rule: RuleId, settings: object, folder: Path) -> Rule | None:
    """Return the rule that the settings make, None where they are refused."""
    try:
        return CATALOGUE[rule].model_validate(settings).rule(folder)
    except (ValidationError, InvalidPolicy):
        return None


def changed(value: object, path: str, prefix: str) -> Iterator[object]:
    """Give a value with the field at a path changed, or left out, wherever it is."""
    if isinstance(value, list):
        for index, each in enumerate(value):
            for other in changed(each, path, f"{prefix}[]"):
                yield [*value[:index], other, *value[index + 1 :]]
    elif isinstance(value, dict):
        for key, each in value.items():
            if (at := f"{prefix}.{key}") == path:
                yield {name: other for name, other in value.items() if name != key}
                yield from ({**value, key: other} for other in _others(each))
            elif path.startswith((f"{at}.", f"{at}[")):
                yield from ({**value, key: other} for other in changed(each, path, at))


def _others(value: object) -> Iterator[object]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, str):
        yield from (f"{value}x", *CHOICES)
    elif isinstance(value, list):
        yield value[1:]
    elif isinstance(value, dict):
        yield from ({**value, key: other} for key, v in value.items() for other in _others(v))


@pytest.mark.parametrize("rule", CATALOGUE)
def test_every_field_makes_a_difference(rule: RuleId, tmp_path: Path) -> None:
    """Other settings make another rule, or what is read of them is refused."""
    given = [(each, made(rule, each, tmp_path)) for each in examples(rule, tmp_path)]
    differing: set[str] = set()
    for path in rule_fields(CATALOGUE[rule], rule):
        for settings, before in given:
            others = [made(rule, o, tmp_path) for o in changed(deepcopy(settings), path, rule)]
            if any(path.endswith(PARSED) if after is None else after != before for after in others):
                differing.add(path)
                break
    fields = set(rule_fields(CATALOGUE[rule], rule))
    passed_over = {
        path
        for path in fields
        if not any(f"{each}.".startswith((f"{path}.", f"{path}[")) for each in differing)
    }

    assert [] == [settings for settings, before in given if before is None]
    assert set() == passed_over
