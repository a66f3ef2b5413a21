"""Spreadsheet import (pasted or uploaded, with a preview of the changes) and export of mappings."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from flask import Blueprint, Response, abort, flash, make_response, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.content.change_draft import change_draft
from widget.content.editing import FIRST, MAPPING, Data, Records, Step, record_hash
from widget.content.mapping_table import MAPPING_COLUMNS
from widget.content.spreadsheet import csv_sheet, sheet_rows, xlsx_sheet
from widget.content.workbook import BadSheet
from widget.domain.roles import EDIT, VIEW
from widget.web.console.content.mappings import back_to_table
from widget.web.console.guard import me, permitted
from widget.web.console.page_context import PageContext, quiz_page, render_page
from widget.web.requests import current_services

blueprint = Blueprint("sheets", __name__, url_prefix="/shops/<shop>/quizzes/<quiz>/mappings")


@blueprint.get("/export.<kind>")
@permitted(VIEW)
def export(shop: str, quiz: str, kind: str) -> Response:
    """Export the rows as CSV or XLSX."""
    if kind not in ("csv", "xlsx"):
        abort(404)
    page = quiz_page(shop, quiz)
    rows = list(page.records(MAPPING).values())
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
    """Read pasted or uploaded rows, preview the changes, then apply them."""
    page = quiz_page(shop, quiz)
    if request.method == "GET":
        return make_response(_import_page(page))
    try:
        listed, whole = _given_rows()
        steps = _import_steps(page.records(MAPPING), listed, whole=whole)
    except BadSheet as error:
        return make_response(
            _import_page(page, message=f"Nothing was changed: {error}.", text=request.form.get("text", "")), 422
        )
    if request.form.get("do") != "apply":
        return make_response(_import_page(page, steps=steps, rows=listed, whole=whole))
    if record_hash({"revision": str(page.draft.revision)}) != request.form.get("seen"):
        message = "Another user changed the draft. Review the changes again before you apply them."
        return make_response(_import_page(page, message=message, steps=steps, rows=listed, whole=whole), 409)
    change_draft(current_services(), draft_id=page.draft.id, by=me(), what=f"{len(steps)} rows imported", steps=steps)
    flash(f"{len(steps)} rows imported. One undo reverts all of them.", "good")
    return back_to_table("changed=1")


def _given_rows() -> tuple[list[Data], bool]:
    """Return (rows, whether they are the whole table). Raises BadSheet."""
    upload = request.files.get("file")
    text = request.form.get("text", "")
    if upload and upload.filename:
        rows = sheet_rows(upload.read(), PurePath(upload.filename).name[:80])
        return [dict(cells) for _, cells in rows], True
    if not text.strip():
        raise BadSheet("choose a file or paste rows")
    if not text.lstrip().lower().startswith(("id\t", "id,", "id;", "sep=")):
        separator = "\t" if "\t" in text else ","
        text = separator.join(MAPPING_COLUMNS) + "\n" + text
    rows = sheet_rows(text.encode(), "the pasted text")
    return [dict(cells) for _, cells in rows], request.form.get("whole") == "1"


def _import_steps(known: Records, listed: list[Data], *, whole: bool) -> list[Step]:
    steps, names, follows = [], [], FIRST if whole else None
    listed_ids = [cells["id"] for cells in listed]
    stay = [name for name in known if name in listed_ids]
    moved = whole and stay != [name for name in listed_ids if name in known]
    for cells in listed:
        name = cells["id"]
        old = known.get(name)
        after = {**(old or dict.fromkeys(MAPPING_COLUMNS, "")), **cells}
        if name in names:
            raise BadSheet(f"two rows have the ID '{name}'")
        names.append(name)
        if not name:
            raise BadSheet("a row has no ID")
        if old != after or moved:
            steps.append(Step(MAPPING, name, old, after, follows=follows if old is None or moved else None))
        follows = name if whole else None
    if whole:
        steps += [Step(MAPPING, name, old, None) for name, old in known.items() if name not in names]
    return steps


def _import_page(page: PageContext, *, message: str = "", steps: list[Step] | None = None, **more: Any) -> str:
    return render_page(
        "console/content/import.html",
        page,
        title="Import mappings",
        lead="Upload a spreadsheet or paste rows, and review the changes before you apply them.",
        section="mappings",
        message=message,
        steps=steps,
        columns=MAPPING_COLUMNS,
        seen=record_hash({"revision": str(page.draft.revision)}),
        **more,
    )
