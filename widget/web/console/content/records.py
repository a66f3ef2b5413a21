"""Questions, safety, products, tips, emails, sequences, and settings of a quiz: lists, order, and forms."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from flask import Blueprint, abort, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.content.change_draft import EditConflict, IdTaken, change_draft, put_record
from widget.content.editing import (
    EMAIL,
    EXCLUSION,
    FIRST,
    PRODUCT,
    QUESTION,
    SEQUENCE,
    SINGLE,
    TIP,
    TRIAGE,
    Data,
    Step,
    fresh_id,
    record_hash,
)
from widget.content.prose import markdown_html
from widget.content.sentences import Names, condition_words, target_words
from widget.domain.roles import EDIT, VIEW
from widget.web.console.content.fields import FIELDS
from widget.web.console.content.form_data import missing_fields, read_form, shown_value
from widget.web.console.content.record_kinds import PAGE_OF, TITLES, edit_summary
from widget.web.console.guard import json_answer, may_here, me, permitted, stateless, wants_json
from widget.web.console.page_context import PageContext, quiz_page, render_page
from widget.web.requests import current_services

blueprint = Blueprint("records", __name__, url_prefix="/shops/<shop>/quizzes/<quiz>")
RESERVED = ("new", "order")
"""Names that cannot be ids, because routes use them."""
ORDERED = (QUESTION, TRIAGE, EXCLUSION, PRODUCT, SEQUENCE)
LISTS: dict[str, tuple[str, str, tuple[tuple[str, str, str], ...]]] = {
    "quiz": (
        "Quiz",
        "Questions in the order they are asked. To end the quiz on an answer, add a row under Safety.",
        ((QUESTION, "Questions", "question"),),
    ),
    "safety": (
        "Safety",
        "Advice shown instead of products, and exclusions. The first matching row applies; exclusions fail closed.",
        ((TRIAGE, "Advice instead of products", "safety row"), (EXCLUSION, "Exclusions", "exclusion")),
    ),
    "products": (
        "Products",
        "Product data of the quiz. A store feed overrides name, price, stock, and image, but never safety data.",
        ((PRODUCT, "Products", "product"),),
    ),
    "tips": ("Tips", "Recovery tips and their evidence. Each source has a review date.", ((TIP, "Tips", "tip"),)),
    "emails": (
        "Emails",
        "Email content, and the sequences that send it.",
        ((EMAIL, "Emails", "email"), (SEQUENCE, "Sequences", "sequence")),
    ),
}


def _list_page(name: str) -> Any:
    @permitted(VIEW)
    def view(shop: str, quiz: str) -> str:
        page = quiz_page(shop, quiz)
        title, lead, kinds = LISTS[name]
        names = Names.of(page.draft.files)
        sections = [
            {"kind": kind, "title": message, "one": one, "ordered": kind in ORDERED, "rows": _rows(page, names, kind)}
            for kind, message, one in kinds
        ]
        return render_page(
            "console/content/records.html",
            page,
            title=title,
            lead=lead,
            section=name,
            sections=sections,
            may_edit=may_here(EDIT),
        )

    view.__doc__ = f"The list of {name}."
    return view


for _name in LISTS:
    blueprint.add_url_rule(f"/{_name}", f"list_{_name}", _list_page(_name))


def _rows(page: PageContext, names: Names, kind: str) -> list[dict[str, Any]]:
    base = page.base_records(kind)
    return [
        {
            "id": name,
            "title": _title(kind, name, record, names),
            "message": _summary(kind, record, names),
            "mark": "new" if name not in base else "edited" if base[name] != record else "",
            "worst": _worst(page.findings(kind, name)),
        }
        for name, record in page.records(kind).items()
    ]


def _worst(findings: list[dict[str, Any]]) -> str:
    ranks = {finding["severity"] for finding in findings}
    return "error" if "error" in ranks else "warning" if "warning" in ranks else ""


def _title(kind: str, name: str, record: Data, names: Names) -> str:
    if kind == TRIAGE:
        return str((record.get("advice") or {}).get("title", name))
    if kind == EXCLUSION:
        return f"Exclude {target_words(record.get('exclude', ''), names)}"
    if kind == PRODUCT:
        return f"{record.get('name', name)} {record.get('size', '')}".strip()
    return str(record.get("text" if kind == QUESTION else "subject" if kind == EMAIL else "title", name))


def _summary(kind: str, record: Data, names: Names) -> str:
    """Return a one-line summary of a record for its list."""
    if kind == QUESTION:
        options = len(record.get("options") or [])
        shown = record.get("show_if", "")
        what = "scale" if record.get("kind") == "scale" else f"{options} options"
        return f"{what}, asked only when {condition_words(shown, names)}" if shown else what
    if kind in (TRIAGE, EXCLUSION):
        outcome = str(record.get("outcome", "")).replace("_", " ")
        return f"when {condition_words(record.get('when', ''), names)}" + (f": {outcome}" if outcome else "")
    if kind == PRODUCT:
        return ", ".join(filter(None, [record.get("sku"), record.get("form"), *(record.get("tags") or [])]))
    if kind == TIP:
        sources = len(record.get("evidence") or [])
        due = min((item["review_by"] for item in record.get("evidence") or [] if item.get("review_by")), default="")
        return f"{sources} {'source' if sources == 1 else 'sources'}" + (f", review by {due}" if due else "")
    if kind == SEQUENCE:
        return f"{record.get('trigger')}: {', '.join(step.get('email', '') for step in record.get('steps') or [])}"
    return str(record.get("preview", ""))


# One record ------------------------------------------------------------------------------------------


@blueprint.get("/records/<kind>/<path:name>")
@permitted(VIEW)
def record(shop: str, quiz: str, kind: str, name: str) -> str:
    """Show the form of one record. ``new`` stands for a record that does not exist yet."""
    page = quiz_page(shop, quiz)
    if kind not in FIELDS or (name != "new" and name not in page.records(kind)):
        abort(404)
    return _form(page, kind, name, page.records(kind).get(name, {}) if name != "new" else {})


def _form(page: PageContext, kind: str, name: str, data: Data, **more: Any) -> str:
    findings = page.findings(kind, name) if name != "new" else []
    return render_page(
        "console/content/record.html",
        page,
        title=TITLES[kind] + (f" {name}" if kind not in SINGLE and name != "new" else ""),
        section=PAGE_OF[kind],
        kind=kind,
        name=name,
        data=data,
        fields=FIELDS[kind],
        findings=findings,
        seen=record_hash(page.records(kind).get(name)) if name != "new" else "",
        shown=shown_value,
        names=Names.of(page.draft.files),
        may_edit=may_here(EDIT),
        is_new=name == "new",
        id_label="SKU" if kind == PRODUCT else "ID",
        **more,
    )


@blueprint.post("/records/<kind>/<path:name>")
@permitted(EDIT)
def save_record(shop: str, quiz: str, kind: str, name: str) -> AnyResponse:
    """Save or delete a record."""
    page = quiz_page(shop, quiz)
    if kind not in FIELDS:
        abort(404)
    before = page.records(kind).get(name) if name != "new" else None
    if request.form.get("do") == "delete":
        return _delete(page, kind, name, before)
    new_id = _wanted_id(page, kind, name)
    after = {**_blank(kind), **read_form(kind, request.form, before or _blank(kind))}
    if kind not in SINGLE and kind not in (TIP, EMAIL):
        after = {("sku" if kind == PRODUCT else "id"): new_id, **after, ("sku" if kind == PRODUCT else "id"): new_id}
    try:
        put_record(
            current_services(),
            draft=page.draft,
            by=me(),
            kind=kind,
            record=new_id if before is None else name,
            seen=request.form.get("seen", ""),
            after=after,
            what=edit_summary(kind, new_id, before, after),
        )
    except IdTaken as error:
        return _refuse(page, kind, name, after, str(error))
    except EditConflict as conflict:
        return _conflict(page, kind, name, after, conflict)
    missing = missing_fields(kind, after)
    if wants_json():
        message = f"Saved to the draft. Still missing: {', '.join(missing)}." if missing else "Saved to the draft."
        return json_answer({"seen": record_hash(after), "detail": message, "revision": page.draft.revision + 1})
    flash(f"Saved to the draft. Still missing: {', '.join(missing)}." if missing else "Saved to the draft.", "good")
    return redirect(f"{page.root}/records/{kind}/{quote(new_id if kind not in SINGLE else kind)}", 303)


def _blank(kind: str) -> Data:
    """Return the texts that a record has even if they are empty, because their files exist."""
    if kind == EMAIL:
        return {"subject": "", "preview": "", "body": "", "markup": "md"}
    return {"body": ""} if kind == TIP else {}


def _wanted_id(page: PageContext, kind: str, name: str) -> str:
    if name != "new":
        return name
    wish = request.form.get("~id", "").strip()
    if kind == PRODUCT:
        return wish[:80] if wish not in RESERVED and wish else fresh_id("new-product", page.records(kind))
    text = request.form.get("text") or request.form.get("title") or request.form.get("subject") or kind
    return fresh_id(wish or text, {*page.records(kind), *RESERVED})


def _delete(page: PageContext, kind: str, name: str, before: Data | None) -> AnyResponse:
    back = f"{page.root}/{PAGE_OF[kind]}"
    if before is None or kind in SINGLE:
        return redirect(back, 303)
    step = Step(kind, name, before, None)
    what = f"{TITLES[kind].lower()} {name} deleted"
    change_draft(current_services(), draft_id=page.draft.id, by=me(), what=what, steps=[step])
    flash(f"{TITLES[kind]} {name} deleted from this draft. Undo to restore it.", "good")
    return redirect(back, 303)


def _refuse(page: PageContext, kind: str, name: str, after: Data, message: str) -> AnyResponse:
    if wants_json():
        return json_answer({"code": "refused", "detail": message}, 422)
    return make_response(_form(page, kind, name, after, message=message), 422)


def _conflict(page: PageContext, kind: str, name: str, after: Data, conflict: EditConflict) -> AnyResponse:
    """Show the draft's values and the typed ones field by field. Saving again then overwrites knowingly."""
    now = conflict.now or {}
    view = {
        "message": str(conflict),
        "fields": [key for key in {**now, **after} if now.get(key) != after.get(key)],
        "now": now,
        "after": after,
        "seen": record_hash(conflict.now),
        "gone": conflict.now is None,
        "posted": [
            ("~id", name),
            *((k, v) for k, v in request.form.items(multi=True) if k not in ("csrf_token", "seen", "~id")),
        ],
        "action": f"{page.root}/records/{kind}/{quote(name) if conflict.now is not None else 'new'}",
        "theirs": f"{page.root}/records/{kind}/{quote(name)}"
        if conflict.now is not None
        else f"{page.root}/{PAGE_OF[kind]}",
    }
    markup = render_template("console/content/record_conflict.html", conflict=view, page=page)
    if wants_json():
        return json_answer({"code": conflict.code, "detail": str(conflict), "html": markup}, 409)
    return make_response(
        render_page(
            "console/content/conflict_page.html",
            page,
            title="Editing conflict",
            section=PAGE_OF[kind],
            markup=markup,
        ),
        409,
    )


@blueprint.post("/records/<kind>/order")
@permitted(EDIT)
def move_record(shop: str, quiz: str, kind: str) -> AnyResponse:
    """Move a record after another (or to the top) by dragging, or one position up or down by a button."""
    page = quiz_page(shop, quiz)
    if kind not in ORDERED:
        abort(404)
    order = list(page.records(kind))
    name = request.form.get("record", "")
    if name not in order:
        abort(404)
    follows = request.form.get("follows")
    if follows is None:
        at = order.index(name)
        rest = [item for item in order if item != name]
        to = max(0, at - 1) if request.form.get("do") == "up" else min(len(rest), at + 1)
        follows = rest[to - 1] if to else FIRST
    record = page.records(kind)[name]
    step = Step(kind, name, record, record, follows=follows)
    what = f"{TITLES[kind].lower()} {name} moved"
    change_draft(current_services(), draft_id=page.draft.id, by=me(), what=what, steps=[step])
    if wants_json():
        return json_answer({"ok": True})
    return redirect(f"{page.root}/{PAGE_OF[kind]}#item-{quote(name)}", 303)


@blueprint.post("/markdown")
@permitted(VIEW)
@stateless
def markdown(shop: str, quiz: str) -> AnyResponse:
    """Render Markdown as shoppers would see it."""
    return json_answer({"html": markdown_html(request.form.get("text", "")[:100_000])})
