"""
Reviews that somebody has spoilt: valid ones of which a few places, or bytes, are something else.

Each of them asks to run an image that every policy refuses. As long as that image still stands
where it stood, in an object of its kind, nothing else in the review may make it allowed: not names,
labels, owners or times, not the requester, and not what surrounds it. The same seed gives the same
reviews.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from system.objects import A_PINNED_IMAGE, A_TAG, TEMPLATE_KINDS, a_pod, pod_spec

Path = tuple[str | int, ...]

ROOTS: Final[Sequence[Path]] = (
    ("apiVersion",),
    ("kind",),
    ("request", "kind"),
    ("request", "operation"),
    ("request", "object", "apiVersion"),
    ("request", "object", "kind"),
)
"""What makes a review one of this object, beside its image."""

DEPTHS: Final = (3, 150, 250, 2_000)
BIG: Final = 20_000


@dataclass(frozen=True, slots=True)
class Victim:
    """A review that is refused because of the image at one path."""

    review: Mapping[str, Any]
    image: Path

    def is_still_there(self, found: object) -> bool:
        """Whether a spoilt review still asks to run the image, and has no old one to excuse it."""
        try:
            same = all(at(found, path) == at(self.review, path) for path in (*ROOTS, self.image))
            request = at(found, ("request",))
            is_whole = request.get("subResource", "") not in {"status", "scale"}
            return same and is_whole and f'"{A_TAG}"' not in json.dumps(request.get("oldObject"))
        except (LookupError, TypeError, AttributeError):
            return False


def victims() -> list[Victim]:
    """Return reviews of every kind, and of every place that an image can stand at in a Pod."""
    found = [
        _victim(kind.holding(pod_spec(A_PINNED_IMAGE, A_TAG)), (*kind.template_at, "spec"))
        for kind in TEMPLATE_KINDS
    ]
    pod = a_pod(A_PINNED_IMAGE, A_TAG)
    found.append(_victim(pod, ("spec",)))
    found.append(_victim(pod, ("spec",), operation="UPDATE", old=a_pod(A_PINNED_IMAGE)))
    for place in ("initContainers", "ephemeralContainers"):
        container = [{"name": "x", "image": A_TAG, "command": ["sh"]}]
        found.append(
            _victim({**pod, "spec": {**pod["spec"], place: container}}, ("spec",), (place, 0))
        )
    return found


def _victim(
    obj: Mapping[str, Any],
    spec: Path,
    container: Path = ("containers", 1),
    *,
    operation: str = "CREATE",
    old: Mapping[str, Any] | None = None,
) -> Victim:
    group, _, version = obj["apiVersion"].rpartition("/")
    request = {
        "uid": "0e5a1b6c-6c32-4c5e-8a8f-0f7a3a8b1c2d",
        "kind": {"group": group, "version": version, "kind": obj["kind"]},
        "resource": {"group": group, "version": version, "resource": "things"},
        "operation": operation,
        "namespace": "shop",
        "name": "web",
        "userInfo": {"username": "alice", "groups": ["developers"], "extra": {"a": ["b"]}},
        "object": obj,
        "oldObject": old,
        "dryRun": False,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
    }
    review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return Victim(json.loads(json.dumps(review)), ("request", "object", *spec, *container, "image"))


def at(document: Any, path: Path) -> Any:  # noqa: ANN401  # JSON.
    """Return what stands at a path. Raises `LookupError` or `TypeError` where nothing does."""
    for step in path:
        document = document[step]
    return document


class Spoiler:
    """Spoils reviews, one after the other."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311  # Nothing is secret here.
        self._victims = victims()

    def spoilt(self) -> tuple[Victim, bytes]:
        """Return the next spoilt review, and what it was."""
        victim = self._chance.choice(self._victims)
        document = json.loads(json.dumps(victim.review))
        for _ in range(self._chance.randint(1, 4)):
            self._spoil_a_place(document)
        body = json.dumps(document, ensure_ascii=self._chance.random() < 0.5).encode(
            errors="surrogatepass"
        )
        if self._chance.random() < 0.4:
            body = self._spoil_bytes(body)
        return victim, body

    def _spoil_a_place(self, document: dict[str, Any]) -> None:
        places = list(_places(document))
        if not places:
            return
        holder, key = self._chance.choice(places)
        value = self._value(document)
        match self._chance.randrange(5):
            case 0 if isinstance(holder, dict):
                del holder[key]
            case 0 | 1 if isinstance(holder, list):
                holder.insert(self._chance.randint(0, len(holder)), value)
            case 2 if isinstance(holder, dict):
                holder[self._chance.choice(NAMES)] = value
            case 3 if isinstance(holder[key], str):
                holder[key] = self._text(holder[key])
            case _:
                holder[key] = value

    def _value(self, document: dict[str, Any]) -> Any:  # noqa: ANN401  # JSON.
        if self._chance.random() < 0.2:
            holder, key = self._chance.choice(list(_places(document)))
            return json.loads(json.dumps(holder[key]))
        return self._chance.choice(VALUES)()

    def _text(self, text: str) -> str:
        where = self._chance.randint(0, len(text))
        return text[:where] + self._chance.choice(TEXTS) + text[where:]

    def _spoil_bytes(self, body: bytes) -> bytes:
        spoilt = bytearray(body)
        for _ in range(self._chance.randint(1, 8)):
            where = self._chance.randrange(len(spoilt) + 1)
            match self._chance.randrange(4):
                case 0:
                    spoilt[where : where + 1] = self._chance.randbytes(1)
                case 1:
                    del spoilt[where : where + self._chance.randint(1, 40)]
                case 2:
                    other = self._chance.randrange(len(spoilt) + 1)
                    spoilt[where:where] = spoilt[other : other + self._chance.randint(1, 200)]
                case _:
                    spoilt[where:where] = self._chance.choice(TOKENS)
        if self._chance.random() < 0.1:
            del spoilt[self._chance.randrange(len(spoilt) + 1) :]
        return bytes(spoilt)


def _places(document: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401  # JSON.
    """Return each holder with a key or an index of it, down to a depth that is worth it."""
    stack = [(document, 0)]
    while stack:
        found, depth = stack.pop()
        if depth > 12:
            continue
        if isinstance(found, dict):
            pairs = list(found.items())
        elif isinstance(found, list):
            pairs = list(enumerate(found[:50]))
        else:
            continue
        for key, value in pairs:
            yield found, key
            stack.append((value, depth + 1))


def _deep(depth: int, *, as_list: bool) -> Any:  # noqa: ANN401  # JSON.
    value: Any = "x"
    for _ in range(depth):
        value = [value] if as_list else {"f:spec": value}
    return value


NAMES: Final = (
    *("deletionTimestamp", "ownerReferences", "annotations", "labels", "finalizers", "status"),
    *("containers", "initContainers", "ephemeralContainers", "volumes", "image", "imagePullPolicy"),
    *("subResource", "dryRun", "oldObject", "userInfo", "requestKind", "namespace", "metadata"),
    *("", "\u0000", "x" * 300, "__proto__", "managedFields", "spec", "template", "name"),
)

VALUES: Final[Sequence[Callable[[], Any]]] = (
    *(
        lambda value=value: value
        for value in (None, True, False, 0, -1, 1.5, 1e308, 2**63, 10**400)
    ),
    *(lambda text=text: text for text in ("", " ", "\u0000", "\ud800", "💥" * 50, "a" * BIG)),
    *(
        lambda text=text: text
        for text in (A_PINNED_IMAGE, "NO:IMAGE", "status", "2026-01-01T00:00:00Z")
    ),
    dict,
    list,
    lambda: {"kubernetes.io/config.mirror": "x", "kubernetes.io/config.source": "file"},
    lambda: [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "1", "controller": True}],
    lambda: {"name": "y", "image": A_PINNED_IMAGE},
    lambda: [{"name": f"c{at}", "image": A_PINNED_IMAGE} for at in range(100)],
    lambda: {f"k{at}": at for at in range(500)},
    lambda: [None] * 500,
    *(lambda depth=depth: _deep(depth, as_list=False) for depth in DEPTHS[:3]),
    lambda: _deep(DEPTHS[1], as_list=True),
)

TEXTS: Final = (
    "\u0000",
    "\n",
    "\r\n",
    "\u202e",
    "\ud800",
    " ",
    "@",
    ":",
    "/",
    "x" * 300,
    "é",
    "'\"",
)

TOKENS: Final = (
    *(b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\\u0000", b"\\ud800", b"null", b"NaN"),
    *(b"-", b"1e999", b"\xff\xfe", b"\xef\xbb\xbf", b"\x00", b"/**/", b"[" * DEPTHS[3]),
    *(b'"request":{},', b'"kind":"Pod",', b'"object":null,', b'"dryRun":true,', b" " * 1000),
)
