"""Endpoints for quizzes, responses, results, emails, and events."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response, request
from flask_smorest import Blueprint

from widget.actions.emails.request_email import request_email
from widget.actions.quiz.record_events import record_events
from widget.actions.quiz.result_links import open_result
from widget.actions.quiz.show_quiz import show_quiz
from widget.actions.quiz.submit_answers import cached_result, record_response, submit_answers
from widget.content.languages import matching_locale
from widget.domain.content.pack import ENDS_EARLY
from widget.domain.quiz.bots import is_bot
from widget.quiz_registry import LoadedQuiz
from widget.services import CachedResult
from widget.web.api.bodies import BodyParser
from widget.web.api.schemas import (
    AnsweredSchema,
    EmailRequestSchema,
    EventsSchema,
    LocaleQuery,
    ProblemSchema,
    QuizSchema,
    ResponseQuery,
    ResponseSchema,
    ResultQuery,
    ResultSchema,
)
from widget.web.limits import limited
from widget.web.locale import pack_locale
from widget.web.render import result_fragment
from widget.web.requests import PRIVATE_HEADERS, current_services
from widget.web.response_cache import CachedPage, CachedResponse, mark_cacheable, page_response, public_page

JSON = "application/json"
QUIZ_CACHE = "public, max-age=3, stale-if-error=600"


class PublicApi(Blueprint):  # type: ignore[misc]
    ARGUMENTS_PARSER = BodyParser()


blueprint = PublicApi("api", __name__, url_prefix="/v1/shops/<shop>", description="A shop's quiz")


@blueprint.get("/quizzes/<quiz>")
@blueprint.arguments(LocaleQuery, location="query")
@blueprint.response(200, QuizSchema)
@blueprint.alt_response(400, schema=ProblemSchema, content_type="application/problem+json")
@blueprint.alt_response(404, schema=ProblemSchema, content_type="application/problem+json")
@blueprint.alt_response(422, schema=ProblemSchema, content_type="application/problem+json")
def quiz_document(query: dict[str, Any], shop: str, quiz: str) -> Response:
    """Get the live quiz in a language.

    Texts are in the requested locale if the quiz has it. Otherwise they are in the language that the browser prefers,
    or in the quiz's default language.
    """
    services = current_services()
    loaded = services.quizzes.live(shop, quiz)
    asked = query["locale"]
    body = show_quiz(services, shop=shop, quiz=quiz, locale=_language(loaded, asked))
    # If the pack does not have the requested locale, Accept-Language decides, so caches must vary on it.
    met = loaded is not None and matching_locale(loaded.engine.rules.pack, asked) is not None
    vary = "Accept-Encoding" if met else "Accept-Encoding, Accept-Language"
    return page_response(public_page(body, JSON, QUIZ_CACHE, loaded, vary))


def _language(loaded: LoadedQuiz | None, asked: str | None) -> str | None:
    if loaded is None:
        return asked
    return pack_locale(loaded.engine.rules.pack, asked)


@blueprint.post("/quizzes/<quiz>/responses")
@blueprint.arguments(ResponseQuery, location="query")
@blueprint.arguments(ResponseSchema)
@blueprint.response(201, AnsweredSchema)
@blueprint.alt_response(400, schema=ProblemSchema, content_type="application/problem+json")
@blueprint.alt_response(404, schema=ProblemSchema, content_type="application/problem+json")
@blueprint.alt_response(409, schema=ProblemSchema, content_type="application/problem+json")
@blueprint.alt_response(422, schema=ProblemSchema, content_type="application/problem+json")
def create_response(query: dict[str, Any], response: dict[str, Any], shop: str, quiz: str) -> Response:
    """Submit answers and get the result.

    Answers for a version that is unknown, or was replaced more than 24 hours ago, are rejected with 409
    (``version_gone``).
    """
    services = current_services()
    response["locale"] = _language(services.quizzes.live(shop, quiz), response["locale"])
    loaded, known = submit_answers(services, shop=shop, quiz=quiz, **response)
    visit = record_response(services, loaded, known, response["locale"], bot=_from_bot(), attempt=query["attempt"])
    before, after = _around_visit(loaded, known, html=query["html"])
    result = orjson.loads(known.body)
    headers = [
        ("Content-Type", JSON),
        ("Location", f"/v1/shops/{shop}/quizzes/{quiz}/results/{result['code']}"),
        ("Cache-Control", "no-store"),
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Expose-Headers", "Location"),
        ("Cross-Origin-Resource-Policy", "cross-origin"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if loaded.is_live:
        mark_cacheable(CachedResponse(before, after, headers, loaded, known, response["locale"]))
    return Response(before + visit.encode() + after, status=201, headers=headers)


def _from_bot() -> bool:
    return is_bot(request.headers.get("User-Agent", ""))


def _around_visit(loaded: LoadedQuiz, known: CachedResult, *, html: bool) -> tuple[bytes, bytes]:
    """Return the response body in two parts, to be joined by the visit token (which the markup does not contain)."""
    extra = b""
    if html:
        result = orjson.loads(known.body)
        emails = _emails_path(loaded, result["code"])
        extra = b',"html":' + orjson.dumps(result_fragment(result, emails=emails))
    return b'{"result":' + known.body + b',"visit":"', b'"' + extra + b"}"


def _emails_path(loaded: LoadedQuiz, code: str) -> str:
    base = current_services().settings.public_url
    return f"{base}/v1/shops/{loaded.shop.slug}/quizzes/{loaded.quiz}/results/{code}/emails"


@blueprint.get("/quizzes/<quiz>/results/<code>")
@blueprint.arguments(ResultQuery, location="query")
@blueprint.response(200, ResultSchema)
@blueprint.alt_response(400, schema=ProblemSchema, content_type="application/problem+json")
@blueprint.alt_response(404, schema=ProblemSchema, content_type="application/problem+json")
@blueprint.alt_response(422, schema=ProblemSchema, content_type="application/problem+json")
def show_result(query: dict[str, Any], shop: str, quiz: str, code: str) -> Response:
    """Get the result for a code. Current safety rules apply, even to a result of an older version.

    With ``html=1``, the result is ``{"result": …, "html": …}``, as after submitting answers.
    """
    services = current_services()
    loaded, answers = open_result(services, shop, code, quiz)
    known = cached_result(services, loaded, answers, locale=_language(loaded, query["locale"]))
    body = known.body
    if query["html"]:
        result = orjson.loads(body)
        fragment = result_fragment(result, emails=_emails_path(loaded, result["code"]))
        body = b'{"result":' + body + b',"html":' + orjson.dumps(fragment) + b"}"
    headers = [
        ("Content-Type", JSON),
        *PRIVATE_HEADERS.items(),
        ("Access-Control-Allow-Origin", "*"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Length", str(len(body))),
    ]
    if loaded.is_live:
        mark_cacheable(CachedPage(body, headers, "", loaded))
    return Response(body, headers=headers)


@blueprint.post("/quizzes/<quiz>/results/<code>/emails")
@blueprint.arguments(EmailRequestSchema)
@blueprint.response(202)
@blueprint.alt_response(400, schema=ProblemSchema, content_type="application/problem+json")
@blueprint.alt_response(404, schema=ProblemSchema, content_type="application/problem+json")
@blueprint.alt_response(422, schema=ProblemSchema, content_type="application/problem+json")
@blueprint.alt_response(429, schema=ProblemSchema, content_type="application/problem+json")
@limited
def create_email(wanted: dict[str, Any], shop: str, quiz: str, code: str) -> Response:
    """Request a result by email. The response is the same whether or not the address is known."""
    services = current_services()
    loaded, answers = open_result(services, shop, code, quiz)
    known = cached_result(services, loaded, answers)
    wanted["locale"] = _language(loaded, wanted["locale"])
    request_email(
        services, loaded=loaded, code=orjson.loads(known.body)["code"], ended=known.outcome in ENDS_EARLY, **wanted
    )
    return Response(b'{"status":"accepted"}', status=202, mimetype=JSON, headers=PRIVATE_HEADERS)


@blueprint.post("/events")
@blueprint.arguments(EventsSchema)
@blueprint.response(204)
@blueprint.alt_response(400, schema=ProblemSchema, content_type="application/problem+json")
@blueprint.alt_response(404, schema=ProblemSchema, content_type="application/problem+json")
@blueprint.alt_response(422, schema=ProblemSchema, content_type="application/problem+json")
def create_events(batch: dict[str, Any], shop: str) -> Response:
    """Count events on a storefront page. An event may name a question, but never the chosen options."""
    record_events(current_services(), shop=shop, events=batch["events"], bot=_from_bot())
    return Response(status=204)
