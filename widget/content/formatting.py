"""Formatting of a pack's conditions and targets in canonical form; all else, including comments, stays as written."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator

import yaml

from widget.content.files import PackFiles
from widget.content.located import Unreadable, parse_yaml
from widget.domain.catalog.target import TargetError, format_targets, parse_targets
from widget.domain.quiz.condition import ConditionError, parse_condition

_CONDITIONS = frozenset({"when", "show_if"})
_TARGETS = frozenset({"exclude", "from"})
_FILES = ("quiz.yaml", "safety.yaml", "pack.yaml", "emails/sequences.yaml")


def formatted_files(files: PackFiles) -> PackFiles:
    """Return the files that formatting changes. Unreadable parts stay as they are; ``content check`` reports them."""
    found = {name: _yaml(files[name]) for name in _FILES if name in files}
    if "mappings.csv" in files:
        found["mappings.csv"] = _csv(files["mappings.csv"])
    return {name: text for name, text in found.items() if text != files[name]}


def plain_condition(text: str) -> str:
    """Format ``area=calves|knees&soreness>=7`` as ``area = calves|knees & soreness >= 7``."""
    try:
        return str(parse_condition(text))
    except ConditionError:
        return text


def plain_targets(text: str) -> str:
    """Format ``form:cream ;tag: menthol`` as ``form:cream; tag:menthol``."""
    try:
        return format_targets(parse_targets(text))
    except TargetError:
        return text


def _yaml(text: str) -> str:
    """Format each condition and target in place, from the last to the first."""
    try:
        parse_yaml(text)  # Rejects text that is nested too deeply.
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, Unreadable):
        return text
    spots = {item[0].start_mark.index: item for item in (_scalars(node, set()) if node else ())}
    for _, (scalar, plain) in sorted(spots.items(), reverse=True):
        start, end = scalar.start_mark.index, scalar.end_mark.index
        written = text[start:end]
        if written[:1] in "&!*":
            continue  # An anchor, a tag, or an alias: left as it is.
        quote = written[0] if written[:1] in "'\"" else ""
        fresh = plain(scalar.value)
        if fresh != scalar.value and scalar.style in (None, "'", '"') and "\n" not in written:
            inner = fresh.replace("'", "''") if quote == "'" else fresh.replace('"', '\\"') if quote else fresh
            text = f"{text[:start]}{quote}{inner}{quote}{text[end:]}"
    return text


def _scalars(node: yaml.Node, above: set[int]) -> Iterator[tuple[yaml.ScalarNode, Callable[[str], str]]]:
    """Yield each condition and target once, although aliases may lead to the same node again."""
    if id(node) in above:
        return
    above.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item, above)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(value, yaml.ScalarNode) and key.value in _CONDITIONS:
                yield value, plain_condition
            elif isinstance(value, yaml.ScalarNode) and key.value in _TARGETS and ":" in value.value:
                yield value, plain_targets
            else:
                yield from _scalars(value, above)


def _csv(text: str) -> str:
    """Format the conditions and targets of a table; return it unchanged if it cannot be read."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        return text
    if not rows or not {"when", "target"} <= set(rows[0]):
        return text
    when, target = rows[0].index("when"), rows[0].index("target")
    fresh = [rows[0]]
    for row in rows[1:]:
        cells = list(row)
        if len(cells) == len(rows[0]):
            cells[when], cells[target] = plain_condition(cells[when]), plain_targets(cells[target])
        fresh.append(cells)
    if fresh == rows:
        return text
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows(fresh)
    return out.getvalue()
