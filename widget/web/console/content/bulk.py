"""Bulk edits of mapping rows: all or none."""

from __future__ import annotations

import re

from flask import Blueprint, flash, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.content.change_draft import change_draft
from widget.content.editing import MAPPING, Data, Records, Step, fresh_id
from widget.content.formatting import plain_condition
from widget.domain.roles import EDIT
from widget.web.console.content.mappings import back_to_table
from widget.web.console.guard import me, permitted
from widget.web.console.page_context import quiz_page
from widget.web.requests import current_services

blueprint = Blueprint("bulk", __name__, url_prefix="/shops/<shop>/quizzes/<quiz>/mappings")


@blueprint.post("/bulk")
@permitted(EDIT)
def bulk(shop: str, quiz: str) -> AnyResponse:
    """Apply one change to all selected rows, or to none of them."""
    page = quiz_page(shop, quiz)
    rows = page.records(MAPPING)
    chosen = [name for name in request.form.getlist("row") if name in rows]
    if not chosen:
        flash("Select at least one row.", "bad")
        return back_to_table()
    do, value = request.form.get("do", ""), request.form.get("value", "").strip()[:2000]
    try:
        steps = [_bulk_step(rows, name, do, value) for name in chosen]
    except ValueError as error:
        flash(str(error), "bad")
        return back_to_table()
    if do == "duplicate":
        steps = _copies(rows, chosen)
    what = f"{len(chosen)} rows: {_BULK.get(do, do)} {value}".rstrip()
    change_draft(current_services(), draft_id=page.draft.id, by=me(), what=what, steps=steps)
    flash(f"{len(chosen)} rows changed. One undo reverts all of them.", "good")
    return back_to_table()


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
        raise ValueError("Enter a value first, such as area = calves, form:cream, 20, or +5.")
    if do == "and":
        pairs = [f"{old} & {new}" for old in row["when"].split(" or ") for new in value.split(" or ")]
        when = " or ".join(pairs) if row["when"] else value  # There are no parentheses: every pair is written out.
        return Step(MAPPING, name, row, {**row, "when": plain_condition(when)})
    if do == "target":
        return Step(MAPPING, name, row, {**row, "target": value})
    return Step(MAPPING, name, row, row)


def _weight(row: Data, value: str) -> str:
    """Return the new weight: a plain number sets it, +5 and -5 add to it."""
    if row["effect"] != "boost":
        return str(row["weight"])
    if not re.fullmatch(r"[+-]?\d{1,3}", value):
        raise ValueError("Enter a weight, such as 20, or +5 to add to the current weight.")
    number = int(value)
    return str(int(row["weight"] or 0) + number) if value[0] in "+-" else str(number)


def _copies(rows: Records, chosen: list[str]) -> list[Step]:
    taken, steps = set(rows), []
    for name in chosen:
        copy = {**rows[name], "id": fresh_id(f"{name}-copy", taken)}
        taken.add(copy["id"])
        steps.append(Step(MAPPING, copy["id"], None, copy, follows=name))
    return steps
