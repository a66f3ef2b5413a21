"""A YAML parser that keeps every scalar as text and records the line of every value.

``sku: 00123`` and ``id: no`` mean "00123" and "no": only the schemas convert numbers and booleans. Duplicate keys, of
which YAML loaders keep the last, are reported.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

MAX_NODES = 500_000
MAX_DEPTH = 40
MAX_KEPT, FILES_KEPT = 200_000, 64
"""The longest text whose values are kept for the next time, in characters, and the number of texts."""
_QUOTED = ("'", '"', "|", ">")
NULLS = frozenset({"", "~", "null"})


class Text(str):
    """A scalar as written, with its line (from 1); ``plain`` if it was not quoted."""

    __slots__ = ("line", "plain")
    line: int
    plain: bool

    @classmethod
    def at(cls, value: str, line: int, plain: bool = True) -> Text:
        text = cls(value)
        text.line, text.plain = line, plain
        return text

    @property
    def is_null(self) -> bool:
        return self.plain and str(self) in NULLS


class Table(dict[str, Any]):
    """A mapping with the line of each key."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class Rows(list[Any]):
    """A list with its line."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


class Unreadable(ValueError):
    """A file that is not YAML, or uses unsupported YAML; ``line`` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def line_of(value: Any, default: int = 1) -> int:
    return getattr(value, "line", default)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A located value, with (line, key) of each duplicate key and of each text that was split at a comma."""

    value: Any
    duplicates: list[tuple[int, str]]
    split_texts: list[tuple[int, str]]


def parse_yaml(text: str, first_line: int = 1) -> Parsed:
    """Parse YAML into a located value, which must not be changed. Raises Unreadable.

    Recent texts are kept: an edit changes one file of a pack, and parsing all others takes most of the time of a check.
    """
    return _recent(text, first_line) if len(text) <= MAX_KEPT else _parsed(text, first_line)


def _parsed(text: str, first_line: int) -> Parsed:
    offset = first_line - 1
    _refuse_depth(text, offset)
    try:
        node = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise Unreadable(
            str(error.problem or error.context or "invalid YAML"), (mark.line + 1 if mark else 1) + offset
        ) from error
    except yaml.YAMLError as error:
        raise Unreadable("it contains a character that YAML does not allow", 1 + offset) from error
    reader = _Reader(offset)
    value = None if node is None else reader.value(node, ())
    return Parsed(value, reader.duplicates, reader.split_texts)


_recent = lru_cache(maxsize=FILES_KEPT)(_parsed)


def _refuse_depth(text: str, offset: int) -> None:
    """Reject excessive nesting before the tree is built, which would overflow the stack. Raises Unreadable."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    line = event.start_mark.line if event.start_mark else 0
                    raise Unreadable(f"it is nested more than {MAX_DEPTH} levels deep", line + 1 + offset)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                depth -= 1
    except yaml.YAMLError:
        return  # Composing it reports the error.


class _Reader:
    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.count = 0
        self.duplicates: list[tuple[int, str]] = []
        self.split_texts: list[tuple[int, str]] = []

    def value(self, node: yaml.Node, above: tuple[int, ...]) -> Any:
        line = node.start_mark.line + 1 + self.offset
        self.count += 1
        if self.count > MAX_NODES or id(node) in above:
            raise Unreadable("the file contains too many or circular references", line)
        if not node.tag.startswith("tag:yaml.org,2002:") or "python" in node.tag:
            raise Unreadable(f"the tag {node.tag} is not supported", line)
        if isinstance(node, yaml.ScalarNode):
            return Text.at(node.value, line, plain=node.style not in _QUOTED)
        inside = (*above, id(node))
        if isinstance(node, yaml.SequenceNode):
            rows = Rows(line)
            rows.extend(self.value(item, inside) for item in node.value)
            return rows
        return self._table(node, line, inside)

    def _table(self, node: Any, line: int, inside: tuple[int, ...]) -> Table:
        table = Table(line)
        before: str | None = None
        for key_node, value_node in node.value:
            at = key_node.start_mark.line + 1 + self.offset
            if not isinstance(key_node, yaml.ScalarNode):
                raise Unreadable("a key must be a plain scalar", at)
            key = key_node.value
            if node.flow_style and before is not None and _is_rest(key_node, value_node, table[before]):
                table[before] = Text.at(f"{table[before]}, {key}", table[before].line)
                self.split_texts.append((at, before))
                continue
            before = key
            if key in table:
                self.duplicates.append((at, key))
                continue
            table[key] = self.value(value_node, inside)
            table.lines[key] = at
        return table


def _is_rest(key: yaml.ScalarNode, value: yaml.Node, before: Any) -> bool:
    """Return whether a key is the rest of a text: in ``{body: Rest a day, then walk.}`` no colon follows the comma."""
    empty = isinstance(value, yaml.ScalarNode) and value.value == "" and value.style not in _QUOTED
    no_colon = key.end_mark.index == value.start_mark.index
    return empty and no_colon and isinstance(before, Text) and before.plain
