"""The impact page: what the draft changes; publish, schedule, request approval, roll back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from flask import Blueprint, Response, flash, make_response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.content.check_draft import CHECK_DONE, CHECK_FAILED, ensure_report
from widget.actions.content.publish_content import NotPublishable
from widget.actions.content.publish_draft import (
    agree_to_publish,
    changes_in_words,
    drop_plan,
    plan_publish,
    publish_draft,
    roll_back,
)
from widget.actions.errors import ActionError
from widget.content.reader import Broken
from widget.domain.roles import EDIT, PUBLISH, VIEW, may
from widget.storage.content import last_published, newest_versions
from widget.storage.drafts import scheduled_publishes_of
from widget.storage.users import team_of
from widget.web.console.guard import may_here, me, permitted
from widget.web.console.page_context import PageContext, product_names, quiz_page, render_page
from widget.web.console.publishing.impact_view import checklist, example_view, slope, summary
from widget.web.numbers import whole_number
from widget.web.requests import current_services

blueprint = Blueprint("impact", __name__, url_prefix="/shops/<shop>/quizzes/<quiz>")
MAX_VERSIONS = 30


@blueprint.get("/impact")
@permitted(VIEW)
def impact(shop: str, quiz: str) -> str:
    """Show the impact page, or a skeleton of it while the checks run."""
    return _page(quiz_page(shop, quiz))


def _page(page: PageContext, message: str = "", typed: str = "") -> str:
    assert page.opened is not None
    row = page.report
    report = row.report if row and row.state == CHECK_DONE else None
    by = "paths" if request.args.get("by") == "paths" or not (report and report["answers"]) else "answers"
    at = whole_number(request.args.get("example")) or 0
    live = page.opened.live
    with current_services().reads() as session:
        versions = _versions(session, page)
        planned = scheduled_publishes_of(session, page.shop.id, page.quiz)
        users = [(user, member.role) for user, member in team_of(session, page.shop.id)]
    others = [(user, role) for user, role in users if may(role, PUBLISH) and user.id != me().id]
    return render_page(
        "console/publishing/impact.html",
        page,
        title="Impact & publish",
        lead=f"This draft compared with version {live}, which is live." if live else "No version is live yet.",
        section="impact",
        report=report,
        by=by,
        summary=summary(report, product_names(page)) if report else "",
        slope=slope(report["impact"], by, page) if report and report["impact"] else None,
        example=example_view(report["impact"], at, page) if report and report["impact"] else None,
        checks=checklist(report) if report else [],
        versions=versions,
        planned=planned,
        others=others,
        zone=page.shop.timezone,
        words=changes_in_words(page.opened),
        may_publish=may_here(PUBLISH),
        may_ask=may_here(EDIT),
        user=me(),
        next_number=max([version["number"] for version in versions], default=0) + 1,
        message=message,
        typed=typed,
    )


def _versions(session: Any, page: PageContext) -> list[dict[str, Any]]:
    """Return the newest versions with author, note, and the time they went live."""
    rows = newest_versions(session, page.shop.id, page.quiz, limit=MAX_VERSIONS)
    published = last_published(session, page.shop.id, page.quiz)
    live = page.opened.live if page.opened else None
    return [
        {
            "number": number,
            "author": published.get(number, (created, author))[1] or author,
            "note": note.partition("\n")[0],
            "words": note.partition("\n")[2],
            "at": published.get(number, (created, author))[0],
            "was_live": number in published,
            "live": number == live,
        }
        for number, author, note, created in rows
    ]


@blueprint.post("/impact")
@permitted(EDIT)
def act(shop: str, quiz: str) -> AnyResponse:
    """Publish now, schedule a publish, or request approval. Errors are shown, and nothing is left half done."""
    page = quiz_page(shop, quiz)
    form = request.form
    note = form.get("note", "").strip()
    how = form.get("how", "now")
    if how != "ask" and not may_here(PUBLISH):
        return make_response(
            _page(page, message="Your role cannot publish. Request approval from a publisher.", typed=note), 403
        )
    if not note:
        return make_response(_page(page, message="Enter a version note that describes the change."), 422)
    try:
        message = _do(page, how, note)
    except (NotPublishable, Broken, ActionError) as error:
        page = quiz_page(shop, quiz)
        return make_response(_page(page, message=_words_of(error), typed=note), 409)
    except ValueError:
        return make_response(_page(page, message="Choose a date and time.", typed=note), 422)
    flash(message, "good")
    return redirect(f"{page.root}/impact", 303)


def _words_of(error: Exception) -> str:
    if isinstance(error, Broken):
        first = error.problems[0]
        return f"Not published: {first.problem.message} ({first.file}). Nothing has changed for shoppers."
    text = str(error)
    return f"Not published: {text}." if isinstance(error, NotPublishable) else text


def _do(page: PageContext, how: str, note: str) -> str:
    services, form = current_services(), request.form
    revision = -1 if (given := whole_number(form.get("revision"))) is None else given
    about: dict[str, Any] = {
        "shop": page.shop.slug,
        "quiz": page.quiz,
        "by": me(),
        "note": note,
        "revision": revision,
    }
    if how == "later":
        local = datetime.fromisoformat(form.get("at", "")).replace(tzinfo=ZoneInfo(page.shop.timezone))
        number = plan_publish(services, **about, due_at=local.astimezone(UTC))
        when = f"{local:%B %-d at %-I:%M %p}"
        return f"Version {number} goes live on {when} ({page.shop.timezone}), if all checks pass at that time."
    if how == "ask":
        whom = form.get("whom", "")
        number = plan_publish(services, **about, approver_id=whole_number(whom))
        return f"Approval requested for version {number}. A second user must publish it."
    number = publish_draft(services, **about)
    return f"Version {number} is live. Shoppers see it within 5 seconds."


@blueprint.post("/impact/scheduled/<int:planned>")
@permitted(PUBLISH)
def decide_scheduled(shop: str, quiz: str, planned: int) -> AnyResponse:
    """Approve a requested publish, or cancel a scheduled one."""
    services = current_services()
    root = f"/console/shops/{shop}/quizzes/{quiz}/impact"
    try:
        if request.form.get("do") == "agree":
            number = agree_to_publish(services, shop=shop, scheduled_id=planned, by=me())
            flash(f"Version {number} is live. Shoppers see it within 5 seconds.", "good")
        else:
            drop_plan(services, shop=shop, scheduled_id=planned, by=me())
            flash("Canceled. This version will not be published.", "good")
    except (ActionError, Broken) as error:
        flash(_words_of(error), "bad")
    return redirect(root, 303)


@blueprint.post("/impact/roll-back")
@permitted(PUBLISH)
def back(shop: str, quiz: str) -> AnyResponse:
    """Roll back to an earlier version."""
    number = request.form.get("number", "")
    root = f"/console/shops/{shop}/quizzes/{quiz}/impact"
    try:
        moved = roll_back(current_services(), shop=shop, quiz=quiz, number=whole_number(number) or -1, by=me())
        flash(
            f"Rolled back to version {number}. Shoppers see it within 5 seconds."
            if moved
            else "This version is already live.",
            "good",
        )
    except (ActionError, Broken) as error:
        flash(_words_of(error), "bad")
    return redirect(root, 303)


@blueprint.get("/impact/report.json")
@permitted(VIEW)
def report(shop: str, quiz: str) -> Response:
    """Download the report as JSON."""
    page = quiz_page(shop, quiz)
    row = ensure_report(current_services(), page.draft)
    state = 200 if row.state != CHECK_FAILED else 503
    headers = {"Content-Disposition": f'attachment; filename="{quiz}-impact.json"'}
    body = orjson.dumps({"state": row.state, **row.report}, option=orjson.OPT_INDENT_2)
    return Response(body, status=state, mimetype="application/json", headers=headers)
