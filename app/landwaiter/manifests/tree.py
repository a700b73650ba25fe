"""
Builds the values of a YAML text from the parser's events, each with its line.

Stricter than kubectl in what would mislead a reader: a key given twice and a tag other than
`!!str` are refused. Anchors, aliases and merge keys are read, for kubectl reads them.

Limits: no recursion depends on the text. Nesting is bounded while it is read, because libyaml
takes time that grows with the square of the nesting and its composer overflows the C stack; the
values that aliases stand for are counted before they are written out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import yaml

from landwaiter.errors import InvalidManifest
from landwaiter.manifests.scalars import Scalar, meaning_of

DEPTH_MAX = 200
"""Custom resource definitions with whole Pod templates in them nest some 60 deep."""

VALUES_MAX = 500_000
"""Values in one file with its aliases written out; ten thousand Deployments have as many."""

_STRING_TAG = "tag:yaml.org,2002:str"
_MERGE = "<<"


@dataclass(frozen=True, slots=True)
class Node:
    """
    One value; `line` is that of its key or list item.

    `size` and `depth` are those of the whole value with its aliases written out.
    """

    line: int
    content: "Scalar | dict[str, Node] | list[Node]"
    size: int = 1
    depth: int = 1

    def at(self, line: int) -> "Node":
        """Return the same value as it stands at another line."""
        return Node(line, self.content, self.size, self.depth)

    def plain(self) -> Any:  # noqa: ANN401  # A document can hold anything.
        """Return the value as dictionaries, lists and scalars."""
        if isinstance(self.content, dict):
            return {key: node.plain() for key, node in self.content.items()}
        if isinstance(self.content, list):
            return [node.plain() for node in self.content]
        return self.content

    def child(self, step: str | int) -> "Node | None":
        """Return the value under a key or index, None where there is none."""
        if isinstance(self.content, dict) and isinstance(step, str):
            return self.content.get(step)
        if isinstance(self.content, list) and isinstance(step, int):
            return self.content[step] if 0 <= step < len(self.content) else None
        return None


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is not complete yet; `inherited` keys came by a merge."""

    line: int
    anchor: str | None
    content: dict[str, Node] | list[Node]
    key: str | None = None
    key_line: int = 0
    merging: bool = False
    inherited: set[str] = field(default_factory=set)

    @property
    def wants_key(self) -> bool:
        return isinstance(self.content, dict) and self.key is None


class TreeBuilder:
    """Builds the documents of one text; `source` names it in messages."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._values = 0
        self._stack: list[_Frame] = []
        self._anchors: dict[str, Node] = {}
        self._root: Node | None = None

    def documents(self, text: str) -> Iterator[Node]:
        """Give the root of every document that is not empty. Raises `InvalidManifest`."""
        events = cast("Iterable[yaml.Event]", yaml.parse(text, Loader=yaml.CBaseLoader))
        try:
            for event in events:
                self._take(event)
                if isinstance(event, yaml.DocumentEndEvent):
                    if self._root is not None and self._root.content is not None:
                        yield self._root
                    self._root = None
                    self._anchors.clear()
        except yaml.MarkedYAMLError as cause:
            mark = cause.problem_mark or cause.context_mark
            line = mark.line + 1 if mark else 1
            raise self._problem(line, f"not YAML: {cause.problem}") from cause
        except yaml.YAMLError as cause:
            raise InvalidManifest(f"{self._source}: not YAML: {cause}".splitlines()[0]) from cause

    def _take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open(event, line)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            if (known := self._anchors.get(event.anchor or "")) is None:
                raise self._problem(line, f"alias *{event.anchor} stands for nothing before it")
            self._complete(known.at(line), None, added=known.size)

    def _open(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent, line: int) -> None:
        if event.tag:
            raise self._problem(line, f"tag {event.tag} given, none is wanted")
        if len(self._stack) >= DEPTH_MAX:
            raise self._problem(line, f"nested over {DEPTH_MAX} deep, less is wanted")
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        self._stack.append(_Frame(line, event.anchor, {} if is_mapping else []))

    def _close(self) -> None:
        frame = self._stack.pop()
        content = frame.content
        children = tuple(content.values() if isinstance(content, dict) else content)
        size = 1 + sum(child.size for child in children)
        depth = 1 + max((child.depth for child in children), default=0)
        self._complete(Node(frame.line, content, size, depth), frame.anchor)

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        if event.tag not in {None, _STRING_TAG}:
            raise self._problem(line, f"tag {event.tag} given, none is wanted")
        is_plain = event.implicit[0] and event.tag is None
        frame = self._stack[-1] if self._stack else None
        if frame is not None and frame.wants_key and is_plain and event.value == _MERGE:
            frame.key, frame.key_line, frame.merging = _MERGE, line, True
            return
        try:
            value = meaning_of(event.value) if is_plain else event.value
        except ValueError as cause:
            raise self._problem(line, str(cause)) from cause
        self._complete(Node(line, value), event.anchor)

    def _complete(self, node: Node, anchor: str | None, *, added: int = 1) -> None:
        """Put a complete value to where it belongs; `added` values are written out for it."""
        self._values += added
        if self._values > VALUES_MAX:
            raise self._problem(node.line, f"over {VALUES_MAX} values given, less is wanted")
        if len(self._stack) + node.depth > DEPTH_MAX:
            raise self._problem(node.line, f"nested over {DEPTH_MAX} deep, less is wanted")
        if anchor is not None:
            self._anchors[anchor] = node
        frame = self._stack[-1] if self._stack else None
        if frame is None:
            self._root = node
        elif isinstance(frame.content, list):
            frame.content.append(node)
        elif frame.key is None:
            frame.key, frame.key_line = self._key(frame, node), node.line
        else:
            self._put(frame, frame.content, node)
            frame.key, frame.merging = None, False

    def _key(self, frame: _Frame, node: Node) -> str:
        key = node.content
        if isinstance(key, bool):
            key = "true" if key else "false"
        if not isinstance(key, str | int):
            raise self._problem(node.line, "a key is not text, which is wanted")
        key = str(key)
        if key in frame.content and key not in frame.inherited:
            raise self._problem(node.line, f'key "{key:.100}" given twice')
        return key

    def _put(self, frame: _Frame, content: dict[str, Node], node: Node) -> None:
        key = frame.key or ""
        if not frame.merging:
            frame.inherited.discard(key)
            content[key] = node.at(frame.key_line)
            return
        parents = node.content if isinstance(node.content, list) else [node]
        for parent in parents:
            if not isinstance(parent.content, dict):
                raise self._problem(node.line, "a mapping is wanted after the merge key <<")
            for name, child in parent.content.items():
                if name not in content:
                    content[name] = child
                    frame.inherited.add(name)
                elif name not in frame.inherited:
                    # Releases of go-yaml differ on which of the two counts.
                    raise self._problem(node.line, f'key "{name:.100}" given before << brings it')

    def _problem(self, line: int, text: str) -> InvalidManifest:
        return InvalidManifest(f"{self._source}:{line}: {text}")
