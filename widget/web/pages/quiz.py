"""The quiz with one form per step, and the result behind a link."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.emails.request_email import request_email
from widget.actions.quiz.record_events import record_events
from widget.actions.quiz.result_links import open_result
from widget.actions.quiz.submit_answers import cached_result, record_response, submit_answers
from widget.crypto import InvalidToken
from widget.domain.content.pack import ENDS_EARLY
from widget.domain.engine.answers import Refused, invalid, unfit
from widget.domain.engine.result import direction
from widget.domain.quiz.bots import is_bot
from widget.i18n.strings import strings_for
from widget.quiz_registry import LoadedQuiz
from widget.services import Services
from widget.web.limits import limited
from widget.web.locale import pack_locale
from widget.web.render import result_fragment
from widget.web.requests import PRIVATE_HEADERS, current_services

blueprint = Blueprint("pages", __name__, template_folder="templates")
DRAFT = b"draft"
Answers = dict[str, list[str]]


@blueprint.get("/<shop>/quiz/<quiz>")
def start(shop: str, quiz: str) -> Response:
    """Show the first question."""
    loaded = _served(current_services(), shop, quiz)
    _count(loaded, "seen")
    return _step(loaded, {}, product=request.args.get("product", "")[:200], locale=_locale(loaded))


@blueprint.post("/<shop>/quiz/<quiz>")
def step(shop: str, quiz: str) -> AnyResponse:
    """Process one answer and show the next question or the result.

    Answers travel encrypted in the form, never in a URL.
    """
    services = current_services()
    loaded = _served(services, shop, quiz)
    product, locale = request.form.get("product", "")[:200], _locale(loaded)
    answers = _draft(services, loaded, request.form.get("draft", ""))
    asked = request.form.get("question", "")
    if asked not in loaded.engine.rules.pack.quiz.by_id:
        abort(400)
    if "back" in request.form:
        return _step(loaded, _before(loaded, answers, asked), product=product, prefill=answers, locale=locale)
    given = request.form.getlist("o")
    error = _error(loaded, asked, given, locale)
    if error:
        return _step(loaded, answers, product=product, error=error, at=asked, prefill={asked: given}, locale=locale)
    if not answers:
        _count(loaded, "started")
    if asked not in answers:
        _count(loaded, "answered", asked)
    answers[asked] = given
    if _next(loaded, answers) is not None:
        return _step(loaded, answers, product=product, locale=locale)
    return _finish(services, loaded, answers, product, locale)


def _count(loaded: LoadedQuiz, event: str, question: str = "") -> None:
    """Record the event that the widget's script would send by itself."""
    message: dict[str, Any] = {"event": event, "quiz": loaded.quiz, "question": question}
    message |= {"version": loaded.version, "locale": _locale(loaded)}
    record_events(current_services(), shop=loaded.shop.slug, events=[message], bot=_from_bot())


def _from_bot() -> bool:
    return is_bot(request.headers.get("User-Agent", ""))


def _locale(loaded: LoadedQuiz) -> str:
    chosen = request.form.get("locale", "") or request.args.get("locale", "")
    return pack_locale(loaded.engine.rules.pack, chosen[:35])


def _served(services: Services, shop: str, quiz: str) -> LoadedQuiz:
    loaded = services.quizzes.live(shop, quiz)
    if loaded is None:
        abort(404)
    return loaded


def _finish(services: Services, loaded: LoadedQuiz, answers: Answers, product: str, locale: str) -> AnyResponse:
    answers = {question: given for question, given in answers.items() if given}
    try:
        loaded, known = submit_answers(
            services, shop=loaded.shop.slug, quiz=loaded.quiz, answers=answers, product=product or None, locale=locale
        )
    except Refused:
        # A new version was published in the meantime: start over.
        return _step(loaded, {}, product=product, locale=locale)
    visit = record_response(services, loaded, known, locale, bot=_from_bot())
    code = orjson.loads(known.body)["code"]
    wish = None if locale == loaded.engine.rules.pack.default_locale else locale
    address = url_for(".result", shop=loaded.shop.slug, code=code, visit=visit, product=product or None, locale=wish)
    return redirect(address, 303)


def _error(loaded: LoadedQuiz, question_id: str, given: list[str], locale: str) -> str:
    """Return a message about what is wrong with this step's answer; empty if it is valid."""
    question = loaded.localized(locale).rules.pack.quiz.by_id[question_id]
    strings = strings_for(locale)
    if not given:
        return "" if question.optional else strings["need_one"]
    if invalid(question, given):
        return strings["need_one"]
    problem = unfit(question, given)
    if problem is None:
        return ""
    if problem[0] == "only_stands_alone":
        alone = [option.text for option in question.options if option.only]
        return strings.text("need_alone", text=alone[0])
    if problem[0] == "too_few":
        return strings.text("need_some", n=question.least)
    return strings.text("need_fewer", n=question.most) if problem[0] == "too_many" else strings["need_one"]


def _next(loaded: LoadedQuiz, answers: Answers) -> str | None:
    """Return the first question on the path that has no answer yet, or None at the end."""
    return next((asking.id for asking, _ in loaded.engine.rules.asked(answers) if asking.id not in answers), None)


def _before(loaded: LoadedQuiz, answers: Answers, asked: str) -> Answers:
    """Return the answers up to, but not including, the question before this one."""
    way = [asking.id for asking, _ in loaded.engine.rules.asked(answers)]
    place = max(0, way.index(asked) - 1) if asked in way else 0
    return {question: answers[question] for question in way[:place] if question in answers}


def _draft(services: Services, loaded: LoadedQuiz, text: str) -> Answers:
    """Decrypt the answers so far from the form. Answers that no longer fit the live quiz are left out."""
    if not text:
        return {}
    try:
        kept: Any = orjson.loads(services.crypto.open_code(text, DRAFT, loaded.shop.slug.encode()))
    except (InvalidToken, orjson.JSONDecodeError):
        return {}
    by_id = loaded.engine.rules.pack.quiz.by_id
    return {q: given for q, given in kept.items() if q in by_id and (not given or not invalid(by_id[q], given))}


def _step(
    loaded: LoadedQuiz,
    answers: Answers,
    *,
    product: str = "",
    error: str = "",
    at: str | None = None,
    prefill: Answers | None = None,
    locale: str,
) -> Response:
    services, rules = current_services(), loaded.localized(locale).rules
    current = at or _next(loaded, answers) or rules.askings[0].id
    way = [asking.id for asking, _ in rules.asked(answers)]
    page = render_template(
        "quiz_step.html",
        pack=rules.pack,
        shop=loaded.shop,
        quiz=loaded.quiz,
        question=rules.pack.quiz.by_id[current],
        given=(prefill or {}).get(current, []),
        number=way.index(current) + 1 if current in way else 1,
        total=len(way),
        draft=services.crypto.code(orjson.dumps(answers), DRAFT, loaded.shop.slug.encode()),
        product=product,
        error=error,
        w=strings_for(locale),
        locale=locale,
        dir=direction(locale),
    )
    return Response(page, status=422 if error else 200, mimetype="text/html", headers=PRIVATE_HEADERS)


@blueprint.get("/<shop>/r/<code>")
def result(shop: str, code: str) -> Response:
    """Show the result behind a link. Current safety rules apply."""
    return _result(shop, code)


@blueprint.post("/<shop>/r/<code>")
@limited
def request_result_email(shop: str, code: str) -> Response:
    """Handle the form "email me my result" without JavaScript."""
    services = current_services()
    loaded, answers = open_result(services, shop, code)
    known = cached_result(services, loaded, answers)
    wanted = {name: request.form.get(name) == "true" for name in ("result", "marketing", "health_data")}
    request_email(
        services,
        loaded=loaded,
        code=orjson.loads(known.body)["code"],
        email=request.form.get("email", "")[:254],
        consents=wanted,
        text_version=f"page {loaded.version}",
        locale=_locale(loaded),
        ended=known.outcome in ENDS_EARLY,
    )
    return _result(shop, code, message=strings_for(_locale(loaded))["mail_done"])


def _result(shop: str, code: str, message: str = "") -> Response:
    services = current_services()
    loaded, answers = open_result(services, shop, code)
    locale = _locale(loaded)
    known = cached_result(
        services, loaded, answers, locale=locale, product=request.args.get("product", "")[:200] or None
    )
    data = orjson.loads(known.body)
    fragment = result_fragment(
        data,
        emails=url_for(".request_result_email", shop=shop, code=code, locale=locale),
        page=True,
        again=url_for(".start", shop=shop, quiz=loaded.quiz, locale=locale),
        visit=request.args.get("visit", "")[:64],
    )
    page = render_template(
        "result_page.html",
        fragment=fragment,
        r=data,
        shop=loaded.shop,
        message=message,
        w=strings_for(data["locale"]),
    )
    return Response(page, mimetype="text/html", headers=PRIVATE_HEADERS)
