"""The mapping table: filtering, and editing rows in place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.content.change_draft import EditConflict, IdTaken, change_draft, put_record
from widget.content.editing import FIRST, MAPPING, Data, Records, Step, fresh_id, record_hash
from widget.content.mapping_table import MAPPING_COLUMNS
from widget.content.sentences import Names, condition_words, mapping_id, target_words
from widget.domain.roles import EDIT, VIEW
from widget.web.console.content.mapping_rows import (
    A_PAGE,
    EFFECTS,
    Filter,
    RowView,
    dressed,
    editor_data,
    listed_rows,
    note_others,
)
from widget.web.console.guard import json_answer, may_here, me, permitted, wants_json
from widget.web.console.page_context import PageContext, quiz_page, render_page
from widget.web.numbers import whole_number
from widget.web.requests import current_services

blueprint = Blueprint("mappings", __name__, url_prefix="/shops/<shop>/quizzes/<quiz>/mappings")
NEW_ROW = {**dict.fromkeys(MAPPING_COLUMNS, ""), "effect": "boost", "weight": "10"}
_CELLS = ("when", "effect", "target", "weight", "reason", "note")
MAX_TEXT = 10_000


@blueprint.get("")
@permitted(VIEW)
def table(shop: str, quiz: str) -> str:
    """Show the rows that match the filter. The row named in the URL is open for editing."""
    page = quiz_page(shop, quiz)
    return _table(page)


def _table(page: PageContext, *, open_row: RowView | None = None, conflict: EditConflict | None = None) -> str:
    wanted = Filter.of(request.args)
    rows = listed_rows(page, wanted)
    opened = open_row or _opened(page, rows, request.args.get("row", ""))
    first = _first(rows, request.args.get("from", ""), opened)
    names = Names.of(page.draft.files)
    shown = dressed(page, names, rows[first : first + A_PAGE])
    note_others(page, shown)
    if open_row is not None and open_row.id != NEW_ID:
        shown = [open_row if row.id == open_row.id else row for row in shown]
        dressed(page, names, [open_row])
    every = page.records(MAPPING).values()
    tips = sum(str(item["target"]).startswith("tip:") for item in every)
    return render_page(
        "console/content/mappings.html",
        page,
        title="Mappings",
        lead="Rules that match answers to products and tips, with the reasons shoppers see.",
        section="mappings",
        rows=shown,
        total=len(rows),
        first=first,
        a_page=A_PAGE,
        wanted=wanted,
        opened=opened,
        conflict=conflict,
        names=names,
        effects=EFFECTS,
        counts={"products": len(page.records(MAPPING)) - tips, "tips": tips},
        may_edit=may_here(EDIT),
        query=request.query_string.decode()[:1000],
    )


NEW_ID = "~new"


def _opened(page: PageContext, rows: list[RowView], name: str) -> RowView | None:
    if name == "new":
        return new_row(page)
    return next((row for row in rows if row.id == name and row.mark != "gone"), None)


def new_row(page: PageContext) -> RowView:
    return RowView(NEW_ID, len(page.records(MAPPING)) + 1, dict(NEW_ROW), "new")


def _first(rows: list[RowView], asked: str, opened: RowView | None) -> int:
    at = whole_number(asked) or 0
    if opened is not None and opened.id != NEW_ID:
        at = next((position for position, row in enumerate(rows) if row.id == opened.id), 0)
    return at // A_PAGE * A_PAGE if at < max(1, len(rows)) else 0


@blueprint.get("/rows/<name>")
@permitted(VIEW)
def row_editor(shop: str, quiz: str, name: str) -> str:
    """Return only the editor of one row, for scripts that insert it into the table."""
    page = quiz_page(shop, quiz)
    names = Names.of(page.draft.files)
    row = new_row(page) if name == "new" else _view(page, names, name)
    return render_template("console/content/row_editor.html", page=page, row=row, effects=EFFECTS, names=names)


def _view(page: PageContext, names: Names, name: str) -> RowView:
    rows = page.records(MAPPING)
    if name not in rows:
        abort(404)
    base = page.base_records(MAPPING).get(name)
    cells = rows[name]
    mark = "new" if base is None else "edited" if base != cells else ""
    was = {key: base[key] for key in cells if base[key] != cells[key]} if base and mark else {}
    return dressed(page, names, [RowView(name, list(rows).index(name) + 1, cells, mark, was)])[0]


# Changes ---------------------------------------------------------------------------------------------


@blueprint.post("/rows/<name>")
@permitted(EDIT)
def save_row(shop: str, quiz: str, name: str) -> AnyResponse:
    """Save, duplicate, delete, or restore one row. Scripts get the saved row back as markup and data."""
    page = quiz_page(shop, quiz)
    do = request.form.get("do", "save")
    if do in ("duplicate", "delete", "restore"):
        return _other(page, name, do)
    after = form_cells(request.form)
    try:
        name = _save(page, name, after)
    except IdTaken as error:
        return _refused(page, name, after, str(error))
    except EditConflict as conflict:
        return _conflicted(page, name, after, conflict)
    if not wants_json():
        return back_to_table(f"row={name}#row-{name}")
    fresh = quiz_page(shop, quiz)
    return json_answer(_saved(fresh, name))


def form_cells(form: Mapping[str, str]) -> Data:
    """Return the cells of a row from a form. Line breaks and control characters become spaces."""
    cells = {key: " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", form.get(key, "")[:MAX_TEXT]).split()) for key in _CELLS}
    if cells["effect"] != "boost":
        cells["weight"] = ""
    if cells["effect"] not in ("boost", "pin"):
        cells["reason"] = ""
    cells["weight"] = cells["weight"].replace("−", "-").removeprefix("+")
    return {"id": "", **cells}


def _save(page: PageContext, name: str, after: Data) -> str:
    wish = request.form.get("id", "").strip()
    new = name in ("new", NEW_ID)
    after["id"] = (wish or mapping_id(after, page.draft.files)) if new else (wish or name)
    what = _what_changed(page, None if new else page.records(MAPPING).get(name), after)
    put_record(
        current_services(),
        draft=page.draft,
        by=me(),
        kind=MAPPING,
        record=after["id"] if new else name,
        seen="" if new else request.form.get("seen", ""),
        after=after,
        what=what,
    )
    return str(after["id"])


def _what_changed(page: PageContext, before: Data | None, after: Data) -> str:
    names = Names.of(page.draft.files)
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
    return f"row {after['id']}: {first} {before.get(first) or 'empty'} → {after[first] or 'empty'}{more}"


def _saved(page: PageContext, name: str) -> dict[str, Any]:
    names = Names.of(page.draft.files)
    row = _view(page, names, name)
    return {
        "revision": page.draft.revision,
        "id": name,
        "seen": row.seen,
        "action": f"{page.root}/mappings/rows/{name}",
        "row": render_template(
            "console/content/mapping_row.html", row=row, page=page, open=True, may_edit=True, query=""
        ),
        "data": editor_data(row, names),
        "sentence": row.sentence,
    }


def _refused(page: PageContext, name: str, after: Data, message: str) -> AnyResponse:
    if wants_json():
        return json_answer({"code": "refused", "detail": message}, 422)
    flash(message, "bad")
    row = RowView(name if name != "new" else NEW_ID, 0, after, "edited")
    return make_response(_table(page, open_row=row), 422)


def _conflicted(page: PageContext, name: str, after: Data, conflict: EditConflict) -> AnyResponse:
    """Show both versions side by side. The chosen one then overwrites the other knowingly."""
    after["id"] = after["id"] or name
    conflict_view = {
        "message": str(conflict),
        "now": conflict.now,
        "mine": after,
        "seen": record_hash(conflict.now),
        "action": f"{page.root}/mappings/rows/{name if conflict.now is not None else 'new'}",
        "fields": [key for key in _CELLS if (conflict.now or {}).get(key, "") != after[key]],
    }
    markup = render_template("console/content/mapping_conflict.html", conflict=conflict_view, page=page)
    if wants_json():
        return json_answer({"code": conflict.code, "detail": str(conflict), "html": markup}, 409)
    return make_response(
        render_page(
            "console/content/conflict_page.html", page, title="Editing conflict", section="mappings", markup=markup
        ),
        409,
    )


def _other(page: PageContext, name: str, do: str) -> AnyResponse:
    """Duplicate, delete, or restore a row."""
    rows = page.records(MAPPING)
    services, by = current_services(), me()
    if do == "restore":
        old = page.base_records(MAPPING).get(name)
        if old is not None and name not in rows:
            before = _before(list(page.base_records(MAPPING)), name, rows)
            step = Step(MAPPING, name, None, old, follows=before)
            change_draft(services, draft_id=page.draft.id, by=by, what=f"row {name} restored", steps=[step])
        return back_to_table(f"#row-{name}")
    if name not in rows:
        return back_to_table()
    if do == "duplicate":
        copy = {**rows[name], "id": fresh_id(f"{name}-copy", rows)}
        step = Step(MAPPING, copy["id"], None, copy, follows=name)
        change_draft(services, draft_id=page.draft.id, by=by, what=f"row {name} duplicated", steps=[step])
        return back_to_table(f"row={copy['id']}#row-{copy['id']}")
    step = Step(MAPPING, name, rows[name], None)
    change_draft(services, draft_id=page.draft.id, by=by, what=f"row {name} deleted", steps=[step])
    flash(f"Row {name} deleted from this draft. Undo to restore it.", "good")
    return back_to_table()


def _before(order: list[str], name: str, there: Records) -> str:
    """Return the nearest row above that still exists, or FIRST."""
    return next((item for item in reversed(order[: order.index(name)]) if item in there), FIRST)


def back_to_table(more: str = "") -> AnyResponse:
    """Redirect to the table with the same filter. ``more``: query and fragment to add."""
    root = request.path.partition("/mappings")[0] + "/mappings"
    query = "&".join(
        part
        for part in request.args.get("back", request.form.get("back", "")).split("&")
        if part[:4] not in ("row=", "back")
    )
    added, _, anchor = more.partition("#")
    query = "&".join(filter(None, [query, added]))
    return redirect(root + (f"?{query}" if query else "") + (f"#{anchor}" if anchor else ""), 303)
