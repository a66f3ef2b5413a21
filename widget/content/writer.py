"""Canonical pack files: reading them returns the same pack, and writing that again produces the same bytes."""

from __future__ import annotations

import csv
import io
from typing import Any

import yaml

from widget.content.fields import Record
from widget.content.files import PackFiles
from widget.content.mapping_table import MAPPING_COLUMNS
from widget.content.schemas import (
    AcceptanceSchema,
    ExclusionSchema,
    IntroSchema,
    MappingSchema,
    PackFileSchema,
    ProductSchema,
    QuestionSchema,
    SequencesFileSchema,
    TipSchema,
    TriageSchema,
)
from widget.domain.content.pack import Pack, Tip
from widget.domain.quiz.questions import Intro

WIDTH = 110


class _Dumper(yaml.SafeDumper):
    """A YAML dumper that indents lists within mappings."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def canonical_files(pack: Pack, files: PackFiles) -> PackFiles:
    """Return the files of a pack, written from its records; translations and README.md are kept from ``files``."""
    written: PackFiles = {
        "pack.yaml": yaml_text(_head(pack)),
        "quiz.yaml": yaml_text(_quiz(pack)),
        "safety.yaml": yaml_text(
            {
                "triage": _dump(TriageSchema(), pack.triage),
                "exclusions": _dump(ExclusionSchema(), pack.exclusions),
            }
        ),
        "mappings.csv": _csv(pack),
        "products.yaml": yaml_text(_dump(ProductSchema(), pack.products)),
    }
    for tip in pack.tips:
        written[f"tips/{tip.id}.md"] = _tip(tip)
    if pack.sequences:
        data = SequencesFileSchema().dump({"sequences": pack.sequences})
        written["emails/sequences.yaml"] = yaml_text(data)
    for email in pack.emails:
        subject = f"{email.subject}\n{email.preview}\n" if email.preview else f"{email.subject}\n"
        written[f"emails/{email.id}/subject.txt"] = subject
        written[f"emails/{email.id}/body.{email.markup}"] = email.body + "\n"
    if pack.accepted:
        written["claims.yaml"] = yaml_text({"accepted": _dump(AcceptanceSchema(), pack.accepted)})
    for name, text in files.items():
        if name == "README.md" or name.startswith("locales/"):
            written[name] = text
    return dict(sorted(written.items()))


def _head(pack: Pack) -> dict[str, Any]:
    names = PackFileSchema().fields
    data: dict[str, Any] = PackFileSchema().dump({name: getattr(pack, name) for name in names})
    optional = [name for name, field in names.items() if not field.required]
    for name in optional:
        if getattr(pack, name) == _pack_default(name):
            data.pop(name, None)
    return data


def _pack_default(name: str) -> Any:
    field = Pack.__dataclass_fields__[name]
    return {} if name == "checks" else field.default


def _quiz(pack: Pack) -> dict[str, Any]:
    data: dict[str, Any] = {"questions": _dump(QuestionSchema(), pack.quiz.questions)}
    return data if pack.quiz.intro == Intro() else {"intro": IntroSchema().dump(pack.quiz.intro), **data}


def _dump(schema: Record, records: tuple[Any, ...]) -> list[Any]:
    return [schema.dump(record) for record in records]


def yaml_text(data: Any) -> str:
    """Return data as YAML in the canonical style."""
    return str(
        yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=WIDTH, default_flow_style=False)
    )


def _csv(pack: Pack) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, MAPPING_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in pack.mappings:
        writer.writerow(MappingSchema().dump(row))
    return out.getvalue()


def _tip(tip: Tip) -> str:
    front = {name: getattr(tip, name) for name in TipSchema().fields}
    data = TipSchema().dump(front)
    data = {name: value for name, value in data.items() if value not in (None, [])}
    return f"---\n{yaml_text(data)}---\n{tip.body}\n"
