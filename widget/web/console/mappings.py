"""The mapping table: filter, edit in place, many at once, paste, spreadsheets both ways."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from flask import Blueprint, Response, abort, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.change_draft import EditConflict, IdTaken, change_draft, put_record
from widget.content.editing import FIRST, MAPPING, Data, Records, Step, fresh_id, record_hash
from widget.content.formatting import plain_condition
from widget.content.mapping_table import MAPPING_COLUMNS
from widget.content.sentences import Names, condition_words, mapping_id, target_words
from widget.content.spreadsheet import BadSheet, csv_sheet, sheet_rows, xlsx_sheet
from widget.domain.roles import EDIT, VIEW
from widget.web.console.guard import json_answer, may_here, me, permitted, wants_json
from widget.web.console.mapping_rows import (
    A_PAGE,
    EFFECTS,
    Filter,
    RowView,
    dressed,
    editor_data,
    listed_rows,
    note_others,
)
from widget.web.console.place import Place, page, quiz_place
from widget.web.requests import current_parts

blueprint = Blueprint("mappings", __name__, url_prefix="/shops/<shop>/quizzes/<quiz>/mappings")
NEW_ROW = {**dict.fromkeys(MAPPING_COLUMNS, ""), "effect": "boost", "weight": "10"}
_CELLS = ("when", "effect", "target", "weight", "reason", "note")
MOST_TEXT = 10_000


@blueprint.get("")
@permitted(VIEW)
def table(shop: str, quiz: str) -> str:
    """The rows that the filter lets through, one of them open where the address names it."""
    place = quiz_place(shop, quiz)
    return _table(place)


def _table(place: Place, *, open_row: RowView | None = None, conflict: EditConflict | None = None) -> str:
    wanted = Filter.of(request.args)
    rows = listed_rows(place, wanted)
    opened = open_row or _opened(place, rows, request.args.get("row", ""))
    first = _first(rows, request.args.get("from", ""), opened)
    names = Names.of(place.draft.files)
    shown = dressed(place, names, rows[first : first + A_PAGE])
    note_others(place, shown)
    if open_row is not None and open_row.id != NEW_ID:
        shown = [open_row if row.id == open_row.id else row for row in shown]
        dressed(place, names, [open_row])
    every = place.records(MAPPING).values()
    tips = sum(str(each["target"]).startswith("tip:") for each in every)
    return page(
        "console/mappings.html",
        place,
        title="Mappings",
        lead="Which answers lead to which product or tip, and the reason a shopper reads.",
        page="mappings",
        rows=shown,
        total=len(rows),
        first=first,
        a_page=A_PAGE,
        wanted=wanted,
        opened=opened,
        conflict=conflict,
        names=names,
        effects=EFFECTS,
        counts={"products": len(place.records(MAPPING)) - tips, "tips": tips},
        may_edit=may_here(EDIT),
        query=request.query_string.decode()[:1000],
    )


NEW_ID = "~new"


def _opened(place: Place, rows: list[RowView], name: str) -> RowView | None:
    if name == "new":
        return new_row(place)
    return next((row for row in rows if row.id == name and row.mark != "gone"), None)


def new_row(place: Place) -> RowView:
    return RowView(NEW_ID, len(place.records(MAPPING)) + 1, dict(NEW_ROW), "new")


def _first(rows: list[RowView], asked: str, opened: RowView | None) -> int:
    at = int(asked) if asked.isdigit() and len(asked) < 7 else 0
    if opened is not None and opened.id != NEW_ID:
        at = next((place for place, row in enumerate(rows) if row.id == opened.id), 0)
    return at // A_PAGE * A_PAGE if at < max(1, len(rows)) else 0


@blueprint.get("/rows/<name>")
@permitted(VIEW)
def row_editor(shop: str, quiz: str, name: str) -> str:
    """The editor of one row alone, for scripts that put it into the table."""
    place = quiz_place(shop, quiz)
    names = Names.of(place.draft.files)
    row = new_row(place) if name == "new" else _view(place, names, name)
    return render_template("console/row_editor.html", place=place, row=row, effects=EFFECTS, names=names)


def _view(place: Place, names: Names, name: str) -> RowView:
    rows = place.records(MAPPING)
    if name not in rows:
        abort(404)
    base = place.base_records(MAPPING).get(name)
    cells = rows[name]
    mark = "new" if base is None else "edited" if base != cells else ""
    was = {key: base[key] for key in cells if base[key] != cells[key]} if base and mark else {}
    return dressed(place, names, [RowView(name, list(rows).index(name) + 1, cells, mark, was)])[0]


# Changing --------------------------------------------------------------------------------------------


@blueprint.post("/rows/<name>")
@permitted(EDIT)
def save_row(shop: str, quiz: str, name: str) -> AnyResponse:
    """Save, duplicate, delete or restore one row. For scripts the row and its editor come back as markup."""
    place = quiz_place(shop, quiz)
    do = request.form.get("do", "save")
    if do in ("duplicate", "delete", "restore"):
        return _other(place, name, do)
    after = form_cells(request.form)
    try:
        name = _save(place, name, after)
    except IdTaken as error:
        return _refused(place, name, after, str(error))
    except EditConflict as conflict:
        return _conflicted(place, name, after, conflict)
    if not wants_json():
        return _back(f"row={name}#row-{name}")
    fresh = quiz_place(shop, quiz)
    return json_answer(_saved(fresh, name))


def form_cells(form: Mapping[str, str]) -> Data:
    """The cells of a row as a form holds them; line breaks and control characters become spaces."""
    cells = {key: " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", form.get(key, "")[:MOST_TEXT]).split()) for key in _CELLS}
    if cells["effect"] != "boost":
        cells["weight"] = ""
    if cells["effect"] not in ("boost", "pin"):
        cells["reason"] = ""
    cells["weight"] = cells["weight"].replace("−", "-").removeprefix("+")
    return {"id": "", **cells}


def _save(place: Place, name: str, after: Data) -> str:
    wish = request.form.get("id", "").strip()
    new = name in ("new", NEW_ID)
    after["id"] = (wish or mapping_id(after, place.draft.files)) if new else (wish or name)
    what = _what_changed(place, None if new else place.records(MAPPING).get(name), after)
    put_record(
        current_parts(),
        draft=place.draft,
        by=me(),
        kind=MAPPING,
        record=after["id"] if new else name,
        seen="" if new else request.form.get("seen", ""),
        after=after,
        what=what,
    )
    return str(after["id"])


def _what_changed(place: Place, before: Data | None, after: Data) -> str:
    names = Names.of(place.draft.files)
    if before is None:
        return (
            f"row {after['id']} added: {condition_words(after['when'], names)} → {target_words(after['target'], names)}"
        )
    changed = [key for key in _CELLS if before.get(key, "") != after[key]]
    if before["id"] != after["id"]:
        return f"row {before['id']} renamed to {after['id']}"
    if not changed:
        return ""
    first = changed[0]
    more = f", and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"row {after['id']}: {first} {before.get(first) or 'nothing'} → {after[first] or 'nothing'}{more}"


def _saved(place: Place, name: str) -> dict[str, Any]:
    names = Names.of(place.draft.files)
    row = _view(place, names, name)
    return {
        "revision": place.draft.revision,
        "id": name,
        "seen": row.seen,
        "action": f"{place.root}/mappings/rows/{name}",
        "row": render_template("console/mapping_row.html", row=row, place=place, open=True, may_edit=True, query=""),
        "data": editor_data(row, names),
        "sentence": row.sentence,
    }


def _refused(place: Place, name: str, after: Data, told: str) -> AnyResponse:
    if wants_json():
        return json_answer({"code": "refused", "detail": told}, 422)
    flash(told, "bad")
    row = RowView(name if name != "new" else NEW_ID, 0, after, "edited")
    return make_response(_table(place, open_row=row), 422)


def _conflicted(place: Place, name: str, after: Data, conflict: EditConflict) -> AnyResponse:
    """Both wordings side by side; whichever is chosen is saved over the other, knowingly."""
    after["id"] = after["id"] or name
    conflict_view = {
        "told": str(conflict),
        "now": conflict.now,
        "mine": after,
        "seen": record_hash(conflict.now),
        "action": f"{place.root}/mappings/rows/{name if conflict.now is not None else 'new'}",
        "fields": [key for key in _CELLS if (conflict.now or {}).get(key, "") != after[key]],
    }
    markup = render_template("console/conflict.html", conflict=conflict_view, place=place)
    if wants_json():
        return json_answer({"code": conflict.code, "detail": str(conflict), "html": markup}, 409)
    return make_response(
        page("console/conflict_page.html", place, title="Changed by two people", page="mappings", markup=markup), 409
    )


def _other(place: Place, name: str, do: str) -> AnyResponse:
    """Duplicate, delete, restore."""
    rows = place.records(MAPPING)
    parts, by = current_parts(), me()
    if do == "restore":
        old = place.base_records(MAPPING).get(name)
        if old is not None and name not in rows:
            before = _before(list(place.base_records(MAPPING)), name, rows)
            step = Step(MAPPING, name, None, old, follows=before)
            change_draft(parts, draft_id=place.draft.id, by=by, what=f"row {name} restored", steps=[step])
        return _back(f"#row-{name}")
    if name not in rows:
        return _back()
    if do == "duplicate":
        copy = {**rows[name], "id": fresh_id(f"{name}-copy", rows)}
        step = Step(MAPPING, copy["id"], None, copy, follows=name)
        change_draft(parts, draft_id=place.draft.id, by=by, what=f"row {name} duplicated", steps=[step])
        return _back(f"row={copy['id']}#row-{copy['id']}")
    step = Step(MAPPING, name, rows[name], None)
    change_draft(parts, draft_id=place.draft.id, by=by, what=f"row {name} deleted", steps=[step])
    flash(f"Row {name} is deleted in this draft. Undo brings it back.", "good")
    return _back()


def _before(order: list[str], name: str, there: Records) -> str:
    """The nearest row above that is still there."""
    return next((each for each in reversed(order[: order.index(name)]) if each in there), FIRST)


def _back(more: str = "") -> AnyResponse:
    """To the table as it was filtered."""
    root = request.path.partition("/mappings")[0] + "/mappings"
    query = "&".join(
        each
        for each in request.args.get("back", request.form.get("back", "")).split("&")
        if each[:4] not in ("row=", "back")
    )
    added, _, anchor = more.partition("#")
    query = "&".join(filter(None, [query, added]))
    return redirect(root + (f"?{query}" if query else "") + (f"#{anchor}" if anchor else ""), 303)


# Many at once ----------------------------------------------------------------------------------------


@blueprint.post("/bulk")
@permitted(EDIT)
def bulk(shop: str, quiz: str) -> AnyResponse:
    """One change to all rows that are ticked: all of them or none."""
    place = quiz_place(shop, quiz)
    rows = place.records(MAPPING)
    chosen = [name for name in request.form.getlist("row") if name in rows]
    if not chosen:
        flash("Tick the rows first.", "bad")
        return _back()
    do, value = request.form.get("do", ""), request.form.get("value", "").strip()[:2000]
    try:
        steps = [_bulk_step(rows, name, do, value) for name in chosen]
    except ValueError as error:
        flash(str(error), "bad")
        return _back()
    if do == "duplicate":
        steps = _copies(rows, chosen)
    what = f"{len(chosen)} rows: {_BULK.get(do, do)} {value}".rstrip()
    change_draft(current_parts(), draft_id=place.draft.id, by=me(), what=what, steps=steps)
    flash(f"{len(chosen)} rows changed. One Undo takes all of it back.", "good")
    return _back()


_BULK = {
    "and": "condition added,",
    "target": "target",
    "weight": "weight",
    "duplicate": "duplicated",
    "delete": "deleted",
}


def _bulk_step(rows: Records, name: str, do: str, value: str) -> Step:
    row = rows[name]
    if do == "delete":
        return Step(MAPPING, name, row, None)
    if do == "weight":
        return Step(MAPPING, name, row, {**row, "weight": _weight(row, value)})
    if do in ("and", "target") and not value:
        raise ValueError("Write what to set in the field first, such as area = calves, form:cream, 20 or +5.")
    if do == "and":
        when = " or ".join(f"{each} & {value}" for each in row["when"].split(" or ")) if row["when"] else value
        return Step(MAPPING, name, row, {**row, "when": plain_condition(when)})
    if do == "target":
        return Step(MAPPING, name, row, {**row, "target": value})
    return Step(MAPPING, name, row, row)


def _weight(row: Data, value: str) -> str:
    """A number sets the weight, +5 and -5 add to it."""
    if row["effect"] != "boost":
        return str(row["weight"])
    if not re.fullmatch(r"[+-]?\d{1,3}", value):
        raise ValueError("Write a weight such as 20, or +5 to add to what is there.")
    number = int(value)
    return str(int(row["weight"] or 0) + number) if value[0] in "+-" else str(number)


def _copies(rows: Records, chosen: list[str]) -> list[Step]:
    taken, steps = set(rows), []
    for name in chosen:
        copy = {**rows[name], "id": fresh_id(f"{name}-copy", taken)}
        taken.add(copy["id"])
        steps.append(Step(MAPPING, copy["id"], None, copy, follows=name))
    return steps


# Spreadsheets ----------------------------------------------------------------------------------------


@blueprint.get("/export.<kind>")
@permitted(VIEW)
def export(shop: str, quiz: str, kind: str) -> Response:
    """The rows as CSV or XLSX."""
    if kind not in ("csv", "xlsx"):
        abort(404)
    place = quiz_place(shop, quiz)
    rows = list(place.records(MAPPING).values())
    body = csv_sheet(rows) if kind == "csv" else xlsx_sheet(rows)
    types = {
        "csv": "text/csv; charset=utf-8",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    }
    headers = {"Content-Disposition": f'attachment; filename="{quiz}-mappings.{kind}"', "Cache-Control": "no-store"}
    return Response(body, mimetype=types[kind], headers=headers)


@blueprint.route("/import", methods=["GET", "POST"])
@permitted(EDIT)
def import_sheet(shop: str, quiz: str) -> AnyResponse:
    """Paste or upload; then a look at what would change; then do it."""
    place = quiz_place(shop, quiz)
    if request.method == "GET":
        return make_response(_import_page(place))
    try:
        listed, whole = _given_rows()
    except BadSheet as error:
        return make_response(
            _import_page(place, told=f"Nothing was changed. {error}", text=request.form.get("text", "")), 422
        )
    steps = _import_steps(place.records(MAPPING), listed, whole=whole)
    if request.form.get("do") != "apply":
        return make_response(_import_page(place, steps=steps, rows=listed, whole=whole))
    if record_hash({"revision": str(place.draft.revision)}) != request.form.get("seen"):
        told = "Somebody changed the draft meanwhile: look at the changes once more."
        return make_response(_import_page(place, told=told, steps=steps, rows=listed, whole=whole), 409)
    change_draft(current_parts(), draft_id=place.draft.id, by=me(), what=f"{len(steps)} rows imported", steps=steps)
    flash(f"{len(steps)} rows imported. One Undo takes all of it back.", "good")
    return _back("changed=1")


def _given_rows() -> tuple[list[Data], bool]:
    """(the rows, whether they are the whole table). Raises BadSheet."""
    upload = request.files.get("file")
    text = request.form.get("text", "")
    if upload and upload.filename:
        rows = sheet_rows(upload.read(), PurePath(upload.filename).name[:80])
        return [dict(cells) for _, cells in rows], True
    if not text.strip():
        raise BadSheet("Choose a file, or paste rows.")
    if not text.lstrip().lower().startswith(("id\t", "id,", "id;", "sep=")):
        separator = "\t" if "\t" in text else ","
        text = separator.join(MAPPING_COLUMNS) + "\n" + text
    rows = sheet_rows(text.encode(), "what was pasted")
    return [dict(cells) for _, cells in rows], request.form.get("whole") == "1"


def _import_steps(known: Records, listed: list[Data], *, whole: bool) -> list[Step]:
    steps, names, follows = [], [], FIRST if whole else None
    for cells in listed:
        name = cells["id"]
        old = known.get(name)
        after = {**(old or dict.fromkeys(MAPPING_COLUMNS, "")), **cells}
        if name in names:
            raise BadSheet(f"the id '{name}' stands in two rows")
        names.append(name)
        if old != after:
            steps.append(Step(MAPPING, name, old, after, follows=follows if old is None else None))
        follows = name if whole else None
    if whole:
        steps += [Step(MAPPING, name, old, None) for name, old in known.items() if name not in names]
    return steps


def _import_page(place: Place, *, told: str = "", steps: list[Step] | None = None, **more: Any) -> str:
    return page(
        "console/import.html",
        place,
        title="Import mappings",
        lead="From a spreadsheet, by file or by pasting. You see what changes before anything does.",
        page="mappings",
        told=told,
        steps=steps,
        columns=MAPPING_COLUMNS,
        seen=record_hash({"revision": str(place.draft.revision)}),
        **more,
    )
