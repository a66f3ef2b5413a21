"""Draft-level pages: checks, findings, changes, undo, reset."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.content.change_draft import (
    EditConflict,
    IdTaken,
    NothingToUndo,
    change_draft,
    reset_draft,
    undo_change,
)
from widget.actions.content.check_draft import CHECK_FAILED, ensure_report, keep_report
from widget.content.claim_check import CannotAccept, accept_claim
from widget.content.editing import ACCEPTANCE, Step, differences, records_of
from widget.content.reader import read_files
from widget.content.writer import canonical_files
from widget.domain.roles import EDIT, VIEW
from widget.storage.drafts import changes_of
from widget.web.console.guard import json_answer, may_here, me, permitted, wants_json
from widget.web.console.page_context import PageContext, percent, quiz_page, render_page
from widget.web.numbers import whole_number
from widget.web.requests import current_services

blueprint = Blueprint("drafts", __name__, url_prefix="/shops/<shop>/quizzes/<quiz>")


@blueprint.get("/check")
@permitted(VIEW)
def check(shop: str, quiz: str) -> AnyResponse:
    """Check this revision unless that was already done; scripts get the panel and the bar as markup."""
    services = current_services()
    page = quiz_page(shop, quiz)
    try:
        page.report = ensure_report(services, page.draft)
    except Exception:
        page.report = keep_report(services, page.draft, CHECK_FAILED, {})
        raise
    if not wants_json():
        back = request.args.get("back", "")
        return redirect(back if back.startswith(page.root) else f"{page.root}/findings", 303)
    return json_answer(
        {
            "revision": page.draft.revision,
            "state": page.report.state,
            "panel": render_template("console/publishing/panel_inside.html", page=page),
            "bar": render_template("console/publishing/state.html", page=page),
            "rows": _touched(page),
        }
    )


def _touched(page: PageContext) -> dict[str, list[str]]:
    """Return what each mapping row affects, formatted: its share of paths, and the number of real answers."""
    report = page.known_report
    if not report or not report["paths"]:
        return {}
    whole, answers = report["paths"]["paths"], report["row_answers"]
    known = bool(report["answers"])
    return {
        name: [percent(many, whole), f"{answers.get(name, 0):,}" if known else "–"]
        for name, many in report["paths"]["rows"].items()
    }


@blueprint.get("/findings")
@permitted(VIEW)
def findings(shop: str, quiz: str) -> str:
    """Show all findings of the checks, the most severe first."""
    page = quiz_page(shop, quiz)
    return render_page(
        "console/publishing/findings.html",
        page,
        title="Findings",
        lead="Results of the checks of this draft. Errors block publishing; warnings do not.",
        may_edit=may_here(EDIT),
    )


@blueprint.get("/changes")
@permitted(VIEW)
def changes(shop: str, quiz: str) -> str:
    """Show who changed what in the draft, and how the draft differs from the live version."""
    page = quiz_page(shop, quiz)
    with current_services().reads() as session:
        listed = changes_of(session, page.draft.id)
    assert page.opened is not None
    steps = differences(page.opened.base, page.draft.files, page.locales)
    return render_page(
        "console/publishing/changes.html",
        page,
        title="Draft changes",
        lead="What differs from the live version, and who changed it.",
        changes=listed,
        steps=steps,
        may_edit=may_here(EDIT),
    )


@blueprint.post("/accept")
@permitted(EDIT)
def accept(shop: str, quiz: str) -> AnyResponse:
    """Accept a warning of the claims lint with a reason. The acceptance is kept until the text changes."""
    page = quiz_page(shop, quiz)
    services, form = current_services(), request.form
    pack = read_files(page.draft.files, []).pack
    try:
        if pack is None:
            raise CannotAccept("fix the errors of the draft first")
        accepted = accept_claim(
            pack,
            key=form.get("key", ""),
            rule=form.get("rule", ""),
            locale=form.get("locale") or None,
            by=me().display_name,
            reason=form.get("reason", "")[:500],
            on=services.now().date(),
        )
    except CannotAccept as error:
        flash(f"Not accepted: {error}.", "bad")
        return redirect(f"{page.root}/findings", 303)
    fresh = records_of(
        {"claims.yaml": canonical_files(replace(pack, accepted=accepted), {})["claims.yaml"]}, ACCEPTANCE
    )
    name = f"{form['rule']} {form['key']} {form.get('locale') or pack.default_locale}"
    step = Step(ACCEPTANCE, name, page.records(ACCEPTANCE).get(name), fresh[name])
    change_draft(services, draft_id=page.draft.id, by=me(), what=f"warning accepted: {form['rule']}", steps=[step])
    flash("Accepted, with your name and the reason.", "good")
    return redirect(f"{page.root}/findings", 303)


@blueprint.post("/undo")
@permitted(EDIT)
def undo(shop: str, quiz: str) -> AnyResponse:
    """Undo the last change, or the one with the given revision."""
    page = quiz_page(shop, quiz)
    revision = request.form.get("revision", "")
    try:
        what = undo_change(current_services(), draft=page.draft, by=me(), revision=whole_number(revision))
        message, kind = f"Undone: {what}", "good"
    except NothingToUndo as error:
        message, kind = str(error), "bad"
    except (EditConflict, IdTaken):
        message, kind = "This cannot be undone because it was changed again later. Undo the later change first.", "bad"
    if wants_json():
        return json_answer({"detail": message, "kind": kind}, 200 if kind == "good" else 409)
    flash(message, kind)
    back = request.form.get("back", "")
    return redirect(back if back.startswith(page.root) else f"{page.root}/changes", 303)


@blueprint.post("/reset")
@permitted(EDIT)
def reset(shop: str, quiz: str) -> AnyResponse:
    """Reset the draft to the live version."""
    page = quiz_page(shop, quiz)
    assert page.opened is not None
    if not page.opened.base:
        flash("This quiz was never published, so there is no version to reset to.", "bad")
        return redirect(f"{page.root}/changes", 303)
    if request.form.get("sure") != "yes":
        flash("Confirm the reset by selecting the checkbox. It cannot be undone.", "bad")
        return redirect(f"{page.root}/changes", 303)
    base = page.opened.live or page.draft.base
    what = f"reset to version {base}"
    reset_draft(current_services(), draft=page.draft, by=me(), files=page.opened.base, base=base, what=what)
    flash(f"The draft was reset to version {base}.", "good")
    return make_response(redirect(f"{page.root}/changes", 303))
