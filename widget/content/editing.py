"""A pack's files as records that can be edited one by one: questions, mapping rows, tips, emails, translations …

Records are plain data as in the files (texts, lists, and tables of texts), whether or not they are valid: problems are
reported when the files are read, not here. A change is a list of steps, each with the record before and after it, so
that it can be undone and so that conflicting edits of the same record are detected.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from widget.content.files import PackFiles
from widget.content.located import parse_yaml
from widget.content.mapping_table import MAPPING_COLUMNS, mapping_rows
from widget.content.writer import yaml_text

Data = dict[str, Any]
Records = dict[str, Data]
"""Records by id, in file order."""

MAPPING, QUESTION, INTRO, TRIAGE, EXCLUSION, PRODUCT = "mapping", "question", "intro", "triage", "exclusion", "product"
TIP, EMAIL, SEQUENCE, PACK, ACCEPTANCE, TEXT = "tip", "email", "sequence", "pack", "acceptance", "text"
RECORD_KINDS = (MAPPING, QUESTION, INTRO, TRIAGE, EXCLUSION, PRODUCT, TIP, EMAIL, SEQUENCE, PACK, ACCEPTANCE)
"""All kinds, except ``text.es`` and the like for translations into a language."""
SINGLE = frozenset({INTRO, PACK})
FIRST = ""
"""Value of ``follows`` that places a record before all others."""
_FRONT = re.compile(r"---\n(.*?\n)?---(\n|$)", re.DOTALL)


class Conflict(Exception):
    """A record differs from a step's ``before``: another edit changed it. ``now``: the record, None if deleted."""

    def __init__(self, kind: str, record: str, now: Data | None) -> None:
        super().__init__(f"{kind} {record}")
        self.kind, self.record, self.now = kind, record, now


class Taken(Exception):
    """A record with this id already exists."""


@dataclass(frozen=True, slots=True)
class Step:
    """One record created (``before`` None), changed, or deleted (``after`` None).

    ``follows``: the id of the record to place it after, FIRST, or None to keep its position (new ones: at the end);
    ``followed``: the former position of a changed or deleted record.
    """

    kind: str
    record: str
    before: Data | None
    after: Data | None
    follows: str | None = None
    followed: str | None = None

    def data(self) -> Data:
        return asdict(self)

    def back(self) -> Step:
        """Return the step that undoes this one."""
        name = id_of(self.kind, self.after) if self.after is not None else self.record
        follows = (
            self.followed if self.before is not None and (self.after is None or self.follows is not None) else None
        )
        followed = self.follows if self.after is not None else None
        return Step(self.kind, name or self.record, self.after, self.before, follows, followed)


def record_hash(record: Data | None) -> str:
    """Return the hash by which a form identifies the record it shows; empty for a new record."""
    if record is None:
        return ""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]


def id_of(kind: str, record: Data | None) -> str | None:
    """Return the id in a record of this kind; None for kinds whose id is not part of the record."""
    if record is None or kind in SINGLE or kind in (TIP, EMAIL) or kind.startswith(f"{TEXT}."):
        return None
    if kind == ACCEPTANCE:
        return " ".join((record.get("rule", ""), record.get("key", ""), record.get("locale", "en")))
    return str(record.get("sku" if kind == PRODUCT else "id", ""))


# Reading ---------------------------------------------------------------------------------------------


def records_of(files: PackFiles, kind: str) -> Records:
    """Return all records of a kind by id, in order. Missing ids become row numbers; repeated ids get them appended."""
    if kind == TIP:
        return {name[5:-3]: _tip(files[name]) for name in sorted(files) if name.startswith("tips/")}
    if kind == EMAIL:
        return _emails(files)
    if kind == MAPPING:
        return _by_id(kind, [_cells(row) for _, row in mapping_rows(files.get("mappings.csv"), lambda *_: None)])
    if kind.startswith(f"{TEXT}."):
        return {key: dict(item) for key, item in (_yaml(files, f"locales/{kind[5:]}.yaml") or {}).items()}
    if kind == PACK:
        return {PACK: _yaml(files, "pack.yaml") or {}}
    file, key = _HOMES[kind]
    tree = _yaml(files, file) or {}
    if kind == INTRO:
        return {INTRO: dict(tree.get("intro") or {})}
    listed = tree if key is None else (tree.get(key) or []) if isinstance(tree, dict) else []
    return _by_id(kind, [item for item in listed if isinstance(item, dict)])


_HOMES: dict[str, tuple[str, str | None]] = {
    QUESTION: ("quiz.yaml", "questions"),
    INTRO: ("quiz.yaml", "intro"),
    TRIAGE: ("safety.yaml", "triage"),
    EXCLUSION: ("safety.yaml", "exclusions"),
    PRODUCT: ("products.yaml", None),
    SEQUENCE: ("emails/sequences.yaml", "sequences"),
    ACCEPTANCE: ("claims.yaml", "accepted"),
}


def plain(value: Any) -> Any:
    """Convert located YAML to plain texts, lists, and tables; keys without a value are left out."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items() if not getattr(item, "is_null", False)}
    return [plain(item) for item in value] if isinstance(value, list) else str(value)


def _yaml(files: PackFiles, name: str) -> Any:
    """Return a file as plain data. It is cached and shared, so it must not be changed in place."""
    return _understood(files[name]) if name in files else None


@lru_cache(maxsize=64)
def _understood(text: str) -> Any:
    """Parse YAML, cached: every page of the console reads the same few files, and parsing them is slow."""
    return plain(parse_yaml(text).value)


def _cells(row: dict[str, str]) -> Data:
    return {name: row.get(name, "") for name in MAPPING_COLUMNS}


def _by_id(kind: str, listed: Iterable[Data]) -> Records:
    found: Records = {}
    for at, item in enumerate(listed, 1):
        name = id_of(kind, item) or str(at)
        found[name if name not in found else f"{name}~{at}"] = item
    return found


def _tip(text: str) -> Data:
    front = _FRONT.match(text)
    data = _understood(front[1] or "") or {} if front else {}
    return {**data, "body": (text[front.end() :] if front else text).strip("\n")}


def _emails(files: PackFiles) -> Records:
    found: Records = {}
    for name in sorted(files):
        parts = name.split("/")
        if parts[0] != "emails" or len(parts) != 3:
            continue
        email = found.setdefault(parts[1], {"subject": "", "preview": "", "body": "", "markup": "md"})
        if parts[2] == "subject.txt":
            lines = [line.strip() for line in files[name].strip().split("\n")]
            email["subject"], email["preview"] = lines[0], lines[1] if len(lines) > 1 else ""
        else:
            email["body"], email["markup"] = files[name].strip("\n"), parts[2].removeprefix("body.")
    return found


# Writing ---------------------------------------------------------------------------------------------


def with_records(files: PackFiles, kind: str, records: Records) -> PackFiles:
    """Return the files with all records of a kind replaced by these."""
    if kind == TIP:
        rest = {name: text for name, text in files.items() if not name.startswith("tips/")}
        return {**rest, **{f"tips/{name}.md": _tip_text(record) for name, record in records.items()}}
    if kind == EMAIL:
        return _with_emails(files, records)
    if kind == MAPPING:
        return {**files, "mappings.csv": _mapping_text(records.values())}
    if kind.startswith(f"{TEXT}."):
        return {**files, f"locales/{kind[5:]}.yaml": yaml_text(records) if records else ""}
    if kind == PACK:
        return {**files, "pack.yaml": yaml_text(records[PACK])}
    file, key = _HOMES[kind]
    if key is None:
        return {**files, file: yaml_text(list(records.values()))}
    tree = dict(_yaml(files, file) or {})
    tree[key] = records[INTRO] if kind == INTRO else list(records.values())
    if kind == ACCEPTANCE and not records:
        return {name: text for name, text in files.items() if name != file}
    return {**files, file: yaml_text(tree)}


def _mapping_text(rows: Iterable[Data]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, MAPPING_COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _tip_text(tip: Data) -> str:
    front = {name: value for name, value in tip.items() if name != "body"}
    return f"---\n{yaml_text(front)}---\n{tip.get('body', '')}\n"


def _with_emails(files: PackFiles, records: Records) -> PackFiles:
    kept = {name: text for name, text in files.items() if not re.fullmatch(r"emails/[^/]+/.+", name)}
    for name, email in records.items():
        preview = f"{email['preview']}\n" if email.get("preview") else ""
        kept[f"emails/{name}/subject.txt"] = f"{email.get('subject', '')}\n{preview}"
        kept[f"emails/{name}/body.{email.get('markup', 'md')}"] = email.get("body", "") + "\n"
    return kept


# Changing --------------------------------------------------------------------------------------------


def apply(files: PackFiles, steps: Iterable[Step]) -> PackFiles:
    """Return the files after all of these steps. Raises Conflict or Taken if one cannot be applied."""
    by_kind: dict[str, Records] = {}
    for step in steps:
        if step.kind not in by_kind:
            by_kind[step.kind] = records_of(files, step.kind)
        by_kind[step.kind] = _stepped(by_kind[step.kind], step)
    for kind, records in by_kind.items():
        files = with_records(files, kind, records)
    return files


def _stepped(records: Records, step: Step) -> Records:
    now = records.get(step.record)
    if now != step.before and (step.before is not None or now is not None):
        if step.before is None:
            raise Taken(f"The ID '{step.record}' is already in use. Choose another.")
        raise Conflict(step.kind, step.record, now)
    name = id_of(step.kind, step.after) or step.record
    if step.after is None:
        return {key: record for key, record in records.items() if key != step.record}
    if name != step.record and name in records:
        raise Taken(f"The ID '{name}' is already in use. Choose another.")
    if step.follows is None and step.before is not None:
        return {(name if key == step.record else key): record for key, record in records.items()} | {name: step.after}
    rest = {key: record for key, record in records.items() if key != step.record}
    return _placed(rest, name, step.after, step.follows)


def _placed(rest: Records, name: str, record: Data, follows: str | None) -> Records:
    """Insert a record after another one, or at the end if that one is gone or none is given."""
    if follows == FIRST:
        return {name: record, **rest}
    placed: Records = {}
    for key, item in rest.items():
        placed[key] = item
        if key == follows:
            placed[name] = record
    placed.setdefault(name, record)
    return placed


def with_places(files: PackFiles, steps: Iterable[Step]) -> list[Step]:
    """Return the steps with ``followed`` filled in, so that undoing them restores positions."""
    orders: dict[str, list[str]] = {}
    lines = []
    for step in steps:
        order = orders.setdefault(step.kind, list(records_of(files, step.kind)))
        at = order.index(step.record) if step.record in order else 0
        lines.append(replace(step, followed=order[at - 1] if at else FIRST) if step.before is not None else step)
        _reorder(order, step)
    return lines


def _reorder(order: list[str], step: Step) -> None:
    """Update the order of ids after a step, so that ``followed`` of the next one is correct."""
    name = id_of(step.kind, step.after) or step.record
    if step.record in order and step.after is not None and step.follows is None:
        order[order.index(step.record)] = name
        return
    if step.record in order:
        order.remove(step.record)
    if step.after is not None:
        at = 0 if step.follows == FIRST else order.index(step.follows) + 1 if step.follows in order else len(order)
        order.insert(at, name)


def differences(before: PackFiles, after: PackFiles, locales: Iterable[str] = ()) -> list[Step]:
    """Return the steps between two states of a pack; a move is a step with equal ``before`` and ``after``."""
    found: list[Step] = []
    for kind in (*RECORD_KINDS, *(f"{TEXT}.{locale}" for locale in locales)):
        if _same_texts(before, after, kind):
            continue
        old, new = records_of(before, kind), records_of(after, kind)
        found += [Step(kind, name, item, None) for name, item in old.items() if name not in new]
        found += [Step(kind, name, old.get(name), item) for name, item in new.items() if old.get(name) != item]
        stay = [name for name in old if name in new]
        moved = [name for name in new if name in old]
        found += [
            Step(kind, name, new[name], new[name], follows=moved[at - 1] if at else FIRST)
            for at, name in enumerate(moved)
            if stay != moved and stay.index(name) != at and old[name] == new[name]
        ]
    return found


def _same_texts(before: PackFiles, after: PackFiles, kind: str) -> bool:
    """Return whether the files of this kind are identical, so that they need not be parsed."""
    if kind.startswith(f"{TEXT}."):
        start = f"locales/{kind[5:]}.yaml"
    else:
        start = {MAPPING: "mappings.csv", PACK: "pack.yaml", TIP: "tips/", EMAIL: "emails/"}.get(kind, "")
        start = start or _HOMES[kind][0]
    return {k: v for k, v in before.items() if k.startswith(start)} == {
        k: v for k, v in after.items() if k.startswith(start)
    }


def fresh_id(wish: str, taken: Iterable[str]) -> str:
    """Return an unused id derived from any text."""
    stem = re.sub(r"[^a-z0-9]+", "-", wish.lower()).strip("-")[:40] or "new"
    known = set(taken)
    return (
        stem
        if stem not in known
        else next(f"{stem}-{n}" for n in range(2, len(known) + 3) if f"{stem}-{n}" not in known)
    )
