"""Conversion of pack files to a Pack, reporting every problem found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from marshmallow import ValidationError

from widget.content.fields import Record
from widget.content.files import PackFiles, read_folder
from widget.content.languages import language_problems, unused_locales
from widget.content.located import Rows, Table, Text, Unreadable, line_of, parse_yaml
from widget.content.mapping_table import mapping_rows
from widget.content.prose import markdown_html
from widget.content.reading import Broken, Located, Reading, problems_of
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
    TranslationSchema,
    TriageSchema,
)
from widget.domain.content.naming import naming_problems
from widget.domain.content.pack import EmailText, Pack, ResultRules, Slot, Tip, Translation
from widget.domain.content.problem import ERROR, WARNING, Problem, weighed
from widget.domain.email.sequence import Sequence
from widget.domain.quiz.questions import MULTI, SCALE, Intro, Option, Question, Quiz

_UNREAD = (
    *("unreadable", "not_a_table", "not_a_list", "missing_file", "not_utf8", "too_large", "no_file"),
    "too_many_rows",
)
_ABOUT_QUIZ = ("unknown_question", "unknown_option", "no_questions", "later_question", "not_a_scale")
_FRONT = re.compile(r"---\n(.*?\n)?---(\n|$)", re.DOTALL)


def read_pack(folder: Path) -> Reading:
    """Read a pack folder. Raises NoPack if there is no such folder."""
    files, problems = read_folder(folder)
    return read_files(files, problems)


def read_files(files: PackFiles, problems: list[Problem]) -> Reading:
    """Read and check pack files, and report all problems at once."""
    reader = _Reader(files, list(problems))
    pack = reader.pack()
    lost = reader.lost()
    translation = [] if lost else language_problems(pack)  # Otherwise half of the texts would seem to be missing.
    unused = [] if "pack.yaml" in lost else unused_locales(pack)
    for problem in (*naming_problems(pack), *translation, *unused):
        if not reader.already_reported(problem) and not _follows(problem, lost):
            reader.problems.append(replace(problem, place=reader.as_written(problem.place)))
    lines = [item for item in (weighed(problem, pack.checks) for problem in reader.problems) if item]
    located = [Located(item, str(item.place[0]), reader.line(item.place)) for item in lines]
    located.sort(key=lambda item: (item.file, item.line, item.problem.code))
    failed = any(item.problem.severity == ERROR for item in located)

    def line(place: tuple[str | int, ...]) -> int:
        return reader.line(reader.as_written(place))

    return Reading(None if failed else pack, located, files, line)


def _follows(problem: Problem, lost: set[str]) -> bool:
    """Return whether a problem is only a consequence of these files being unreadable."""
    about_quiz = problem.code in _ABOUT_QUIZ and "quiz.yaml" in lost
    named = problem.code.startswith(("unknown_sku", "unused_")) and problem.code != "unused_locale"
    about_products = named and "products.yaml" in lost
    return about_quiz or about_products or (problem.code == "no_slots" and "pack.yaml" in lost)


@dataclass
class _Reader:
    files: PackFiles
    problems: list[Problem]
    trees: dict[str, Any] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)
    _kept: dict[tuple[str | int, ...], list[int]] = field(default_factory=dict)

    # Files to trees ----------------------------------------------------------------------------------

    def tree(self, name: str, text: str | None = None, first_line: int = 1) -> Any:
        text = self.files.get(name) if text is None else text
        if text is None:
            return None
        try:
            parsed = parse_yaml(text, first_line)
        except Unreadable as error:
            self._at_line(name, error.line, "unreadable", f"cannot read this: {error.message}")
            return None
        for line, key in parsed.duplicates:
            self._at_line(name, line, "duplicate_key", f"the key '{key}' appears twice")
        for line, key in parsed.split_texts:
            message = f"the text of '{key}' contains a comma: put it in quotes"
            self._at_line(name, line, "unquoted_comma", message, WARNING)
        self.trees[name] = parsed.value
        return parsed.value

    def _at_line(self, name: str, line: int, code: str, message: str, severity: str = ERROR) -> None:
        self.problems.append(Problem(severity, (name, f"line {line}"), code, message))

    def table(self, name: str) -> Table:
        value = self.tree(name)
        if isinstance(value, Table):
            return value
        if name in self.files and not any(problem.place[0] == name for problem in self.problems):
            self.problems.append(Problem(ERROR, (name,), "not_a_table", "expected keys with values"))
        return Table(1)

    def rows(self, within: Any, place: tuple[str | int, ...]) -> Rows:
        if isinstance(within, Rows):
            return within
        if within is not None and not (isinstance(within, Text) and within.is_null):
            self.problems.append(Problem(ERROR, place, "not_a_list", "expected a list"))
        return Rows(1)

    # Trees to records --------------------------------------------------------------------------------

    def record(self, schema: Record, value: Any, place: tuple[str | int, ...]) -> Any:
        """Load a record; if it is invalid, add its problems and return None."""
        try:
            return schema.load(value)
        except ValidationError as error:
            self.problems += problems_of(error.messages, place)
            return None

    def records(self, schema: Record, rows: Rows, place: tuple[str | int, ...]) -> Iterator[tuple[Any, Any]]:
        for index, value in enumerate(rows):
            yield self.record(schema, value, (*place, index)), value

    def pack(self) -> Pack:
        head = (
            self.record(PackFileSchema(), self.table("pack.yaml"), ("pack.yaml",))
            if "pack.yaml" in self.files
            else None
        )
        safety = self.table("safety.yaml")
        for key in [key for key in safety if key not in ("triage", "exclusions")]:
            self.problems.append(Problem(ERROR, ("safety.yaml", key), "unknown_key", f"unknown key '{key}'"))
        head = head or {"id": "broken", "title": "", "result": ResultRules(slots=(Slot("broken"),))}
        return Pack(
            **head,
            quiz=self._quiz(),
            triage=self._listed(TriageSchema(), safety.get("triage"), ("safety.yaml", "triage")),
            exclusions=self._listed(ExclusionSchema(), safety.get("exclusions"), ("safety.yaml", "exclusions")),
            mappings=self._mappings(),
            products=self._products(),
            tips=tuple(self._tips()),
            sequences=self._sequences(),
            emails=tuple(self._emails()),
            translations=dict(self._translations()),
            accepted=self._accepted(),
        )

    def _listed(self, schema: Record, value: Any, place: tuple[str | int, ...]) -> tuple[Any, ...]:
        """Return the valid rows, and record the position of each in the file."""
        kept = []
        for record, raw in self.records(schema, self.rows(value, place), place):
            if record is None and isinstance(raw, Table):
                self.unsure.add(str(raw.get("id", raw.get("sku", ""))))
            kept.append(record)
        self._kept[place] = [index for index, record in enumerate(kept) if record is not None]
        return tuple(record for record in kept if record is not None)

    def _quiz(self) -> Quiz:
        tree = self.table("quiz.yaml")
        intro = Intro()
        for key in [key for key in tree if key not in ("intro", "questions")]:
            self.problems.append(Problem(ERROR, ("quiz.yaml", key), "unknown_key", f"unknown key '{key}'"))
        if "intro" in tree:
            intro = self.record(IntroSchema(), tree["intro"], ("quiz.yaml", "intro")) or intro
        place = ("quiz.yaml", "questions")
        rows = self.rows(tree.get("questions"), place)
        questions = [record or _sketch(raw) for record, raw in self.records(QuestionSchema(), rows, place)]
        return Quiz(tuple(questions), intro)

    def _products(self) -> tuple[Any, ...]:
        return self._listed(ProductSchema(), self.tree("products.yaml"), ("products.yaml",))

    def _accepted(self) -> tuple[Any, ...]:
        table = self.table("claims.yaml")
        for key in [key for key in table if key != "accepted"]:
            self.problems.append(Problem(ERROR, ("claims.yaml", key), "unknown_key", f"unknown key '{key}'"))
        rows = table.get("accepted")
        return self._listed(AcceptanceSchema(), rows, ("claims.yaml", "accepted"))

    def _sequences(self) -> tuple[Sequence, ...]:
        name = "emails/sequences.yaml"
        if name not in self.files:
            return ()
        loaded = self.record(SequencesFileSchema(), self.table(name), (name,))
        return tuple(loaded["sequences"]) if loaded else ()

    # mappings.csv ------------------------------------------------------------------------------------

    def _mappings(self) -> tuple[Any, ...]:
        name = "mappings.csv"
        rows = Rows(1)

        def tell(line: int, code: str, message: str) -> None:
            self._at_line(name, line, code, message)

        for line, cells in mapping_rows(self.files.get(name), tell):
            table = Table(line)
            for key, cell in cells.items():
                if cell.strip() or key in ("id", "effect", "target"):
                    prose = key in ("reason", "note")
                    table[key] = Text.at(cell if prose else cell.strip(), line, plain=False)
                table.lines[key] = line
            rows.append(table)
        self.trees[name] = rows
        return self._listed(MappingSchema(), rows, (name,))

    # Tips and emails --------------------------------------------------------------------------------

    def _tips(self) -> Iterator[Tip]:
        for name in sorted(self.files):
            if not name.startswith("tips/"):
                continue
            tip_id = name.removeprefix("tips/").removesuffix(".md")
            front = _FRONT.match(self.files[name])
            if front is None:
                self._at_line(name, 1, "no_front_matter", "a tip must start with ---, its keys, and ---")
                yield Tip(tip_id, title=tip_id)
                continue
            tree = self.tree(name, front[1] or "", first_line=2)
            loaded = self.record(TipSchema(), tree if isinstance(tree, Table) else Table(1), (name,))
            body = self.files[name][front.end() :].strip("\n")
            yield Tip(tip_id, body=body, body_html=markdown_html(body), **(loaded or {"title": tip_id}))

    def _emails(self) -> Iterator[EmailText]:
        folders = sorted({name.split("/")[1] for name in self.files if re.fullmatch(r"emails/[^/]+/.+", name)})
        for email in folders:
            subject = self.files.get(f"emails/{email}/subject.txt")
            markup = "mjml" if f"emails/{email}/body.mjml" in self.files else "md"
            body = self.files.get(f"emails/{email}/body.{markup}")
            for name, text in (("subject.txt", subject), (f"body.{markup}", body)):
                if text is None or not text.strip():
                    message = f"email '{email}' has no {name}"
                    self.problems.append(Problem(ERROR, (f"emails/{email}/{name}",), "missing_file", message))
            lines = [line.strip() for line in (subject or "").strip().split("\n")]
            yield EmailText(email, lines[0], lines[1] if len(lines) > 1 else "", (body or "").strip("\n"), markup)

    def _translations(self) -> Iterator[tuple[str, dict[str, Translation]]]:
        schema = TranslationSchema()
        for name in sorted(self.files):
            if name.startswith("locales/"):
                read = {key: self.record(schema, value, (name, key)) for key, value in self.table(name).items()}
                texts = {key: item for key, item in read.items() if item is not None}
                yield name.removeprefix("locales/").removesuffix(".yaml"), texts

    # Locations ---------------------------------------------------------------------------------------

    def already_reported(self, problem: Problem) -> bool:
        """Return whether an unknown name is that of an unreadable row: it exists, so reporting it would mislead."""
        return problem.code.startswith("unknown_") and any(
            f"'{name}'" in problem.message for name in self.unsure if name
        )

    def lost(self) -> set[str]:
        """Return the files that could not be read at all."""
        return {str(problem.place[0]) for problem in self.problems if problem.code in _UNREAD}

    def as_written(self, place: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """Convert a place whose index counts the rows of the pack to one that counts the rows of the file."""
        for rows, kept in self._kept.items():
            size = len(rows)
            if place[:size] == rows and len(place) > size and isinstance(place[size], int):
                return (*rows, kept[int(place[size])], *place[size + 1 :])
        return place

    def line(self, place: tuple[str | int, ...]) -> int:
        """Return the line of a place, or of the nearest enclosing place whose line is known."""
        name, *path = place
        if path and isinstance(path[0], str) and path[0].startswith("line "):
            return int(path[0].removeprefix("line "))
        if path and isinstance(path[0], str) and path[0].startswith("phrase "):
            before, found, _ = self.files.get(str(name), "").partition(path[0].removeprefix("phrase "))
            return before.count("\n") + 1 if found else 1
        value = self.trees.get(str(name))
        line = line_of(value)
        for step in path:
            if isinstance(value, Rows) and isinstance(step, int):
                value = value[step] if step < len(value) else None
                line = line_of(value, line)
            elif isinstance(value, Table):
                line = value.lines.get(str(step), line)
                value = value.get(str(step))
            else:
                break
        return line


def _sketch(raw: Any) -> Question:
    """Return the readable parts of an invalid question, so that references to it can still be checked."""
    raw = raw if isinstance(raw, Table) else Table(1)
    options = (
        [item for item in raw.get("options", ()) if isinstance(item, Table)]
        if isinstance(raw.get("options"), Rows)
        else []
    )
    ids = [str(option.get("id", "")) for option in options]
    return Question(
        id=str(raw.get("id", "")),
        kind=SCALE if "from" in raw or "to" in raw else MULTI,
        text="",
        start=_number(raw.get("from")),
        end=_number(raw.get("to")),
        options=tuple(Option(item, "") for item in ids),
    )


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and re.fullmatch(r"-?\d{1,4}", value) else None


__all__ = ["Broken", "Located", "Reading", "read_files", "read_pack"]
