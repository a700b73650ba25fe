"""
Sets of policies that replace each other, and reviews whose answers tell by which set they are.

Set number N says `-gN` in its refusals. Sets of even and of odd numbers allow different
registries, so one review that asks about both registries is refused by every set, each time for
another image: an answer by parts of two sets would refuse both, or none.

Numbers have one width, so that the answers of all even sets differ in nothing but the number.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from system.objects import DEPLOYMENT, a_pod, pod_spec

EVEN_REGISTRY: Final = "even.example.com"
ODD_REGISTRY: Final = "odd.example.com"

UNIQUE: Final = "%unique%"
"""Stands in a question and its answers for eight digits that are different in each request."""
GENERATION: Final = "%generation%"
"""Stands in an answer for the six digits of a set's number."""

WATCHED: Final = {"images": [f"{EVEN_REGISTRY}/watched"], "reason": "it is to be replaced"}

DIGEST: Final = f"@sha256:{'a' * 56}{UNIQUE}"
NAMESPACE: Final = "shop"


def numbered(text: str, generation: int) -> str:
    """Return a name with the number of a set in it."""
    return f"{text}-g{generation:06d}"


@dataclass(frozen=True, slots=True)
class Signed:
    """A registry whose images need a signature: its host, the key, a signed image and another."""

    host: str
    key: str
    signed: str
    unsigned: str


def policies(
    generation: int,
    signed: Signed | None = None,
    *,
    renamed: bool = True,
    conditions: bool = True,
) -> str:
    """
    Return a set of policies as documents: pinned images of one registry, and of `signed`.

    The number is in the name of each policy, or, if they are not renamed, in what one of them says:
    metrics keep a policy's name, so memory is flat only where names stay. Without `conditions` no
    process evaluates any.
    """
    found = _policies(generation, signed)
    if not conditions:
        del found[1]["spec"]["matchConditions"]
    for each in found if renamed else ():
        each["metadata"]["name"] = numbered(each["metadata"]["name"], generation)
    return "\n---\n".join(json.dumps(each) for each in found) + "\n"


def _policies(generation: int, signed: Signed | None) -> list[dict[str, Any]]:
    registry = ODD_REGISTRY if generation % 2 else EVEN_REGISTRY
    hosts = [registry, f"{numbered('set', generation)}.example.com"]
    pinned = {"pinnedTags": {"require": "digest"}}
    found = [
        _policy(
            "watched",
            {"deniedImages": {"entries": [WATCHED]}},
            validationActions=["Warn"],
            matchConditions=[{"name": "judged", "expression": "object.kind == 'Pod'"}],
        ),
    ]
    if signed is not None:
        hosts.append(signed.host)
        authority = {"name": "ci", "key": {"data": signed.key}}
        rules = {"cosignSignatures": {"authorities": [authority]}}
        found.append(_policy("signed", rules, match={"images": [f"{signed.host}/**"]}))
    return [_policy("pinned", {**pinned, "allowedRegistries": {"allow": hosts}}), *found]


def _policy(name: str, rules: Mapping[str, Any], **spec: object) -> dict[str, Any]:
    return {
        "apiVersion": "landwaiter.dev/v1alpha1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": name},
        "spec": {"validationActions": ["Deny"], "rules": dict(rules), **spec},
    }


@dataclass(frozen=True, slots=True)
class Question:
    """
    A review of one kind, as JSON text; `share` is how often it is asked among the others.

    With `to_api` it is an object that is created in a dry run, and the API server asks.
    """

    kind: str
    body: str
    share: int = 1
    path: str = "/validate?timeout=10s"
    to_api: bool = False


def review(
    obj: Mapping[str, Any], *, operation: str = "CREATE", old: Mapping[str, Any] | None = None
) -> str:
    """Return a review of an object as the API server would write it."""
    group, _, version = obj["apiVersion"].rpartition("/")
    request = {
        "uid": f"load-{UNIQUE}",
        "kind": {"group": group, "version": version, "kind": obj["kind"]},
        "operation": operation,
        "namespace": NAMESPACE,
        "name": obj["metadata"]["name"],
        "userInfo": {"username": "developer", "groups": ["system:authenticated"]},
        "object": obj,
        "oldObject": old,
        "dryRun": False,
    }
    whole = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return json.dumps(whole)


def image(registry: str, name: str = "team/app") -> str:
    """Return a pinned image that nobody has asked about before."""
    return f"{registry}/{name}-{UNIQUE}:1.0{DIGEST}"


def questions(signed: Signed | None = None) -> list[Question]:
    """Return a review of each kind."""
    both = a_pod(image(EVEN_REGISTRY), image(ODD_REGISTRY))
    even = a_pod(image(EVEN_REGISTRY), image(EVEN_REGISTRY, "team/proxy"))
    tag = a_pod(f"{EVEN_REGISTRY}/team/app-{UNIQUE}:1.0")
    deployment = DEPLOYMENT.holding(pod_spec(image(ODD_REGISTRY)))
    watched = a_pod(image(EVEN_REGISTRY, "watched/app"))
    found = [
        Question("both", review(both), 4),
        Question("even", review(even), 2),
        Question("tag", review(tag), 2),
        Question("deployment", review(deployment)),
        Question("unreadable", review(a_pod("NO:IMAGE"))),
        Question("unchanged", review(tag, operation="UPDATE", old=tag)),
        Question("watched", review(watched), path="/observe?timeout=10s"),
    ]
    if signed is not None:
        unsigned = signed.unsigned
        found += [
            Question("signed", review(a_pod(signed.signed)), 3),
            Question("unsigned", review(a_pod(unsigned, signed.signed))),
            Question("api both", json.dumps(both), 2, to_api=True),
            Question("api signed", json.dumps(a_pod(signed.signed)), to_api=True),
        ]
    return found


def filled(text: str, unique: int, generation: int | None = None) -> str:
    """Return a question, or an answer, of one request; without a number that is left standing."""
    text = text.replace(UNIQUE, f"{unique:08d}")
    return text if generation is None else text.replace(GENERATION, f"{generation:06d}")


def as_pattern(answer: str, unique: int, generation: int) -> str:
    """Return the answer to one request in a form that `filled` makes any other of."""
    text = answer.replace(f"{unique:08d}", UNIQUE)
    return text.replace(f"-g{generation:06d}", f"-g{GENERATION}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with its answer by an even set and by an odd one, as patterns."""

    question: Question
    answers: Sequence[str]
