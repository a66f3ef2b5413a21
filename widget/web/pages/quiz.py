"""The quiz one form a step, and the result behind a link."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.record_events import record_events
from widget.actions.request_email import request_email
from widget.actions.result_links import open_result
from widget.actions.submit_answers import known_result, record_response, submit_answers
from widget.content.languages import locale_for
from widget.content.words import spoken, words_for
from widget.crypto import InvalidToken
from widget.domain.bots import is_bot
from widget.domain.engine.answers import Refused, invalid, unfit
from widget.domain.pack import ENDS_EARLY
from widget.domain.result import direction
from widget.live import Served
from widget.services import Services
from widget.web.limits import limited
from widget.web.render import result_fragment
from widget.web.requests import current_services

blueprint = Blueprint("pages", __name__, template_folder="templates")
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
DRAFT = b"draft"
Answers = dict[str, list[str]]


@blueprint.get("/<shop>/quiz/<quiz>")
def start(shop: str, quiz: str) -> Response:
    """The first question."""
    served = _served(current_services(), shop, quiz)
    _count(served, "seen")
    return _step(served, {}, product=request.args.get("product", "")[:200], locale=_wish(served))


@blueprint.post("/<shop>/quiz/<quiz>")
def step(shop: str, quiz: str) -> AnyResponse:
    """Take one answer; the next question, or the result. Answers travel encrypted in the form, never in an address."""
    services = current_services()
    served = _served(services, shop, quiz)
    product, locale = request.form.get("product", "")[:200], _wish(served)
    answers = _draft(services, served, request.form.get("draft", ""))
    asked = request.form.get("question", "")
    if asked not in served.engine.rules.pack.quiz.by_id:
        abort(400)
    if "back" in request.form:
        return _step(served, _before(served, answers, asked), product=product, prefill=answers, locale=locale)
    given = request.form.getlist("o")
    error = _error(served, asked, given, locale)
    if error:
        return _step(served, answers, product=product, error=error, at=asked, prefill={asked: given}, locale=locale)
    if not answers:
        _count(served, "started")
    if asked not in answers:
        _count(served, "answered", asked)
    answers[asked] = given
    if _next(served, answers) is not None:
        return _step(served, answers, product=product, locale=locale)
    return _finish(services, served, answers, product, locale)


def _count(served: Served, event: str, question: str = "") -> None:
    """What the widget's script would tell of itself."""
    told: dict[str, Any] = {"event": event, "quiz": served.quiz, "question": question}
    told |= {"version": served.version, "locale": _wish(served)}
    record_events(current_services(), shop=served.shop.slug, events=[told], bot=_from_bot())


def _from_bot() -> bool:
    return is_bot(request.headers.get("User-Agent", ""))


def _wish(served: Served) -> str:
    """The language: as chosen for this quiz, else as the browser asks for, else the pack's own."""
    chosen = request.form.get("locale", "") or request.args.get("locale", "")
    pack = served.engine.rules.pack
    return locale_for(pack, chosen[:35], spoken(request.headers.get("Accept-Language", ""), pack.locales, ""))


def _served(services: Services, shop: str, quiz: str) -> Served:
    served = services.live.live(shop, quiz)
    if served is None:
        abort(404)
    return served


def _finish(services: Services, served: Served, answers: Answers, product: str, locale: str) -> AnyResponse:
    answers = {question: given for question, given in answers.items() if given}
    try:
        served, known = submit_answers(
            services, shop=served.shop.slug, quiz=served.quiz, answers=answers, product=product or None, locale=locale
        )
    except Refused:
        return _step(
            served, {}, product=product, locale=locale
        )  # The quiz was published anew meanwhile: from the start, then.
    visit = record_response(services, served, known, locale, bot=_from_bot())
    code = orjson.loads(known.body)["code"]
    wish = None if locale == served.engine.rules.pack.default_locale else locale
    address = url_for(".result", shop=served.shop.slug, code=code, visit=visit, product=product or None, locale=wish)
    return redirect(address, 303)


def _error(served: Served, question_id: str, given: list[str], locale: str) -> str:
    """What is wrong with this step's answer, in words; empty when nothing is."""
    question = served.speaking(locale).rules.pack.quiz.by_id[question_id]
    words = words_for(locale)
    if not given:
        return "" if question.optional else words["need_one"]
    if invalid(question, given):
        return words["need_one"]
    problem = unfit(question, given)
    if problem is None:
        return ""
    if problem[0] == "only_stands_alone":
        alone = [option.text for option in question.options if option.only]
        return words.say("need_alone", text=alone[0])
    if problem[0] == "too_few":
        return words.say("need_some", n=question.least)
    return words.say("need_fewer", n=question.most) if problem[0] == "too_many" else words["need_one"]


def _next(served: Served, answers: Answers) -> str | None:
    """The first question on the way that has no answer yet; None at the end."""
    return next((asking.id for asking, _ in served.engine.rules.asked(answers) if asking.id not in answers), None)


def _before(served: Served, answers: Answers, asked: str) -> Answers:
    """The answers up to, and without, the question before this one."""
    way = [asking.id for asking, _ in served.engine.rules.asked(answers)]
    place = max(0, way.index(asked) - 1) if asked in way else 0
    return {question: answers[question] for question in way[:place] if question in answers}


def _draft(services: Services, served: Served, text: str) -> Answers:
    """The answers so far, out of the form. What does not fit the live quiz any more is left out."""
    if not text:
        return {}
    try:
        kept: Any = orjson.loads(services.crypto.open_code(text, DRAFT, served.shop.slug.encode()))
    except (InvalidToken, orjson.JSONDecodeError):
        return {}
    by_id = served.engine.rules.pack.quiz.by_id
    return {q: given for q, given in kept.items() if q in by_id and (not given or not invalid(by_id[q], given))}


def _step(
    served: Served,
    answers: Answers,
    *,
    product: str = "",
    error: str = "",
    at: str | None = None,
    prefill: Answers | None = None,
    locale: str,
) -> Response:
    services, rules = current_services(), served.speaking(locale).rules
    current = at or _next(served, answers) or rules.askings[0].id
    way = [asking.id for asking, _ in rules.asked(answers)]
    page = render_template(
        "quiz_step.html",
        pack=rules.pack,
        shop=served.shop,
        quiz=served.quiz,
        question=rules.pack.quiz.by_id[current],
        given=(prefill or {}).get(current, []),
        number=way.index(current) + 1 if current in way else 1,
        total=len(way),
        draft=services.crypto.code(orjson.dumps(answers), DRAFT, served.shop.slug.encode()),
        product=product,
        error=error,
        w=words_for(locale),
        locale=locale,
        dir=direction(locale),
    )
    return Response(page, status=422 if error else 200, mimetype="text/html", headers=PRIVATE)


@blueprint.get("/<shop>/r/<code>")
def result(shop: str, code: str) -> Response:
    """The result behind a link, with the safety of today."""
    return _result(shop, code)


@blueprint.post("/<shop>/r/<code>")
@limited
def request_result_email(shop: str, code: str) -> Response:
    """The form "email me my result", without JavaScript."""
    services = current_services()
    served, answers = open_result(services, shop, code)
    known = known_result(services, served, answers)
    wanted = {name: request.form.get(name) == "true" for name in ("result", "marketing", "health_data")}
    request_email(
        services,
        served=served,
        code=orjson.loads(known.body)["code"],
        email=request.form.get("email", "")[:254],
        consents=wanted,
        text_version=f"page {served.version}",
        locale=_wish(served),
        ended=known.outcome in ENDS_EARLY,
    )
    return _result(shop, code, told=words_for(_wish(served))["mail_done"])


def _result(shop: str, code: str, told: str = "") -> Response:
    services = current_services()
    served, answers = open_result(services, shop, code)
    locale = _wish(served)
    known = known_result(
        services, served, answers, locale=locale, product=request.args.get("product", "")[:200] or None
    )
    data = orjson.loads(known.body)
    fragment = result_fragment(
        data,
        emails=url_for(".request_result_email", shop=shop, code=code, locale=locale),
        page=True,
        again=url_for(".start", shop=shop, quiz=served.quiz, locale=locale),
        visit=request.args.get("visit", "")[:64],
    )
    page = render_template(
        "result_page.html",
        fragment=fragment,
        r=data,
        shop=served.shop,
        told=told,
        w=words_for(data["locale"]),
    )
    return Response(page, mimetype="text/html", headers=PRIVATE)
