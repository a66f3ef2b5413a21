"""The preview page: the draft in the real widget, results with trace, recorded answers, emails."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, Response, abort, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.content.try_draft import (
    DraftUnreadable,
    Tried,
    preview_email,
    send_preview,
    tried_draft,
    try_answers,
)
from widget.actions.emails.write_email import NoContent
from widget.actions.quiz.show_quiz import quiz_document
from widget.content.languages import negotiate_locale
from widget.content.sentences import Names
from widget.crypto import InvalidToken
from widget.domain.engine.answers import Refused
from widget.domain.roles import EDIT, VIEW
from widget.email.blocks import CannotWrite
from widget.email.html import TooLarge
from widget.email.message import BadAddress
from widget.i18n.times import moment
from widget.quiz_registry import LoadedQuiz
from widget.storage.responses import newest_responses, response_by_id
from widget.web.console.filters import TRIED, encrypted_answers
from widget.web.console.guard import json_answer, may_here, me, permitted, stateless
from widget.web.console.labels import OUTCOMES
from widget.web.console.page_context import PageContext, quiz_page, render_page
from widget.web.console.policy import email_policy, shows_products_of
from widget.web.limits import sign_in_limited
from widget.web.numbers import whole_number
from widget.web.render import result_fragment
from widget.web.requests import current_services

blueprint = Blueprint("trials", __name__, url_prefix="/shops/<shop>/quizzes/<quiz>")
MAX_RECORDED = 25
Answers = dict[str, list[str]]


@blueprint.get("/try")
@permitted(VIEW)
def trial(shop: str, quiz: str) -> AnyResponse:
    """Show the widget on the draft.

    Answers given by an encrypted code or by a recorded response are shown with their result and trace.
    """
    page = quiz_page(shop, quiz)
    return make_response(_page(page, *_asked_for(page)))


@blueprint.post("/try")
@permitted(VIEW)
@stateless
def trial_form(shop: str, quiz: str) -> AnyResponse:
    """Show the same for a plain form with all questions at once."""
    page = quiz_page(shop, quiz)
    answers = {
        name: given for name in Names.of(page.draft.files).questions if (given := request.form.getlist(f"q.{name}"))
    }
    return make_response(_page(page, answers, ""))


def _asked_for(page: PageContext) -> tuple[Answers | None, str]:
    """Return (answers to show, where they come from)."""
    recorded = request.args.get("response", "")
    if (number := whole_number(recorded)) is not None:
        with current_services().reads() as session:
            row = response_by_id(session, page.shop.id, page.quiz, number)
        if row is None:
            abort(404)
        return (
            row.answers,
            f"an anonymous answer from {moment(row.created_at, page.shop.timezone)}, with version {row.version}",
        )
    return opened_answers(request.args.get("example", "")), ""


def opened_answers(code: str) -> Answers | None:
    """Decrypt the answers in a code; None if it is empty or not ours."""
    if not code:
        return None
    try:
        answers: Answers = orjson.loads(current_services().crypto.open_code(code, TRIED))
    except (InvalidToken, orjson.JSONDecodeError):
        return None
    return answers


def _page(page: PageContext, answers: Answers | None, source: str) -> str:
    services = current_services()
    names = Names.of(page.draft.files)
    tried, message, loaded = None, "", None
    try:
        loaded = tried_draft(services, page.shop, page.draft)
        shows_products_of(loaded)
        if answers is not None:
            tried = try_answers(services, loaded, answers, why=request.values.get("why", "")[:200])
    except DraftUnreadable as error:
        message = str(error)
    except Refused as error:
        message = f"The draft does not accept these answers: {error.detail}"
    with services.reads() as session:
        before = whole_number(request.args.get("before", ""))
        recorded = newest_responses(session, page.shop.id, page.quiz, before=before, limit=MAX_RECORDED)
    return render_page(
        "console/publishing/try_it.html",
        page,
        title="Try it",
        lead="Take the draft quiz as a shopper would. Nothing here is counted.",
        section="try",
        readable=loaded is not None,
        message=message,
        tried=tried,
        markup=result_fragment(tried.result) if tried else "",
        code=encrypted_answers(answers) if answers is not None else "",
        answers=answers or {},
        source=source,
        recorded=recorded,
        names=names,
    )


@blueprint.get("/try/api")
@permitted(VIEW)
def quiz_data(shop: str, quiz: str) -> Response:
    """Return the draft quiz for the widget."""
    services = current_services()
    loaded = _served(shop, quiz)
    locale = negotiate_locale(loaded.engine.rules.pack, request.args.get("locale", "")[:35])
    return json_answer(quiz_document(services, loaded, locale))


@blueprint.post("/try/api/responses")
@permitted(VIEW)
@stateless
def response_data(shop: str, quiz: str) -> Response:
    """Return a result for the widget; nothing is recorded.

    ``visit`` contains the encrypted answers, with which their trace can be requested.
    """
    loaded = _served(shop, quiz)
    try:
        body: Any = orjson.loads(request.get_data()[:64_000])
        answers = body["answers"]
        tried = try_answers(current_services(), loaded, answers, locale=str(body.get("locale") or ""))
    except Refused as error:
        return json_answer({"code": error.code, "detail": error.detail}, 422)
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return json_answer({"code": "unreadable", "detail": "Send answers as JSON."}, 400)
    return json_answer(
        {"result": tried.result, "html": result_fragment(tried.result), "visit": encrypted_answers(answers)}, 201
    )


def _served(shop: str, quiz: str) -> LoadedQuiz:
    page = quiz_page(shop, quiz)
    loaded = tried_draft(current_services(), page.shop, page.draft)
    shows_products_of(loaded)
    return loaded


@blueprint.get("/try/trace")
@permitted(VIEW)
def trace_part(shop: str, quiz: str) -> str:
    """Return only the trace of encrypted answers, for scripts. ``why`` names a product."""
    page = quiz_page(shop, quiz)
    code = request.args.get("example", "")
    answers = opened_answers(code)
    if answers is None:
        abort(404)
    tried: Tried = try_answers(current_services(), _served(shop, quiz), answers, why=request.args.get("why", "")[:200])
    names = Names.of(page.draft.files)
    return render_template("console/publishing/trace.html", page=page, tried=tried, names=names, code=code)


# Emails ---------------------------------------------------------------------------------------------


def _wanted() -> dict[str, str]:
    args = request.values
    return {
        "outcome": args.get("outcome", "products"),
        "sku": args.get("sku", ""),
        "locale": args.get("locale", "")[:35],
    }


@blueprint.get("/emails/<email>/preview")
@permitted(VIEW)
def email_page(shop: str, quiz: str, email: str) -> AnyResponse:
    """Show one email as it would arrive: HTML, text, or dark, for any outcome, product, and language."""
    page = quiz_page(shop, quiz)
    wanted, message, written, why = _wanted(), "", None, ""
    try:
        written, _, why = preview_email(current_services(), _served(shop, quiz), email, **wanted)
    except (DraftUnreadable, NoContent, CannotWrite, TooLarge) as error:
        message = str(error)
    return make_response(
        render_page(
            "console/publishing/email_preview.html",
            page,
            title=f"Email {email}",
            lead="A preview of the email in the draft.",
            section="emails",
            email=email,
            wanted=wanted,
            message=message,
            why=why,
            written=written,
            outcomes=OUTCOMES,
            look=request.args.get("look", "html"),
            names=Names.of(page.draft.files),
            me=me(),
            may_edit=may_here(EDIT),
            query=request.query_string.decode()[:300],
        ),
        200 if not message else 422,
    )


@blueprint.get("/emails/<email>/preview.html")
@permitted(VIEW)
def email_html(shop: str, quiz: str, email: str) -> Response:
    """Return only the HTML part, for the frame. Emails have inline styles, and no scripts run."""
    written, _, _ = preview_email(current_services(), _served(shop, quiz), email, **_wanted())
    body = written.html
    if request.args.get("look") == "dark":
        body = body.replace("(prefers-color-scheme: dark)", "all").replace("(prefers-color-scheme:dark)", "all")
    headers = {"Content-Security-Policy": email_policy(), "X-Frame-Options": "SAMEORIGIN"}
    return Response(body, mimetype="text/html", headers=headers)


@blueprint.post("/emails/<email>/preview")
@permitted(EDIT)
@sign_in_limited
def email_test(shop: str, quiz: str, email: str) -> AnyResponse:
    """Send this preview to the current user."""
    services = current_services()
    try:
        written, _, _ = preview_email(services, _served(shop, quiz), email, **_wanted())
        send_preview(services, shop=quiz_page(shop, quiz).shop, written=written, to=me())
        flash(f"Sending a test email to {me().email}.", "good")
    except (DraftUnreadable, NoContent, CannotWrite, TooLarge, BadAddress) as error:
        flash(str(error), "bad")
    back = "&".join(
        f"{name}={value}" for name, value in _wanted().items() if value.replace("-", "").replace("_", "").isalnum()
    )
    return redirect(f"/console/shops/{shop}/quizzes/{quiz}/emails/{email}/preview?{back}", 303)
