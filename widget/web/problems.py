"""Error responses: RFC 9457 problem details as JSON, or a page for browsers."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Flask, Response, g, render_template, request
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from widget.actions.content.publish_content import UnknownVersion
from widget.actions.errors import ActionError
from widget.actions.shops.add_shop import BadShop
from widget.domain.engine.answers import Refused
from widget.domain.engine.result import direction
from widget.domain.orders.webhook import BadSignature
from widget.email.message import BadAddress
from widget.i18n.strings import FALLBACK, strings_for
from widget.telemetry import log
from widget.web.locale import interface_locale

STATUS: dict[str, int] = {
    "unknown_quiz": 404,
    "unknown_shop": 404,
    "unknown_result": 404,
    "unknown_token": 404,
    UnknownVersion.code: 404,
    "version_gone": 409,
    BadSignature.code: 401,
    BadAddress.code: 422,
    BadShop.code: 422,
    "consent_needed": 422,
    "certificate_unavailable": 503,
}
TITLES = {
    400: "Bad request",
    401: "Invalid signature",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    413: "Request body too large",
    415: "Unsupported media type",
    422: "Validation failed",
    429: "Too many requests",
    500: "Internal server error",
    503: "Temporarily unavailable",
}
CODES = {
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_fields",
    429: "too_many_requests",
    503: "unavailable",
}
RETRY_SECONDS = 5
NEVER_PAGES = ("/v1/", "/webhooks/", "/metrics", "/readyz", "/healthz")


def register_error_handlers(app: Flask) -> None:
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(
        ActionError, lambda error: problem(STATUS.get(error.code, 422), error.code, str(error), **error.more)
    )
    app.after_request(_say_when_to_retry)
    app.register_error_handler(Refused, _refused)
    for kind in (BadSignature, BadAddress):
        app.register_error_handler(kind, _coded)
    for failure in (OperationalError, InterfaceError, PoolTimeout):
        app.register_error_handler(failure, _database_gone)
    app.register_error_handler(Exception, _unexpected)


def problem(status: int, code: str, detail: str, **more: Any) -> Response:
    """Return the problem as JSON, or as a page if the client prefers HTML."""
    title = TITLES.get(status, "Request failed")
    if (
        not request.path.startswith(NEVER_PAGES)
        and request.accept_mimetypes.best_match(
            ["text/html", "application/problem+json", "application/json"], default="text/html"
        )
        == "text/html"
    ):
        w = strings_for(interface_locale())
        page = render_template(
            "problem.html",
            w=w,
            locale=w.locale,
            dir=direction(w.locale),
            title=w.get(f"p_{status}", title),
            detail=detail if w.locale == FALLBACK else w["p_gone"] if code == "unknown_token" else "",
            status=status,
            request_id=g.get("request_id", ""),
        )
        return Response(page, status=status, mimetype="text/html")
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "code": code, **more}
    response = Response(orjson.dumps(body), status=status, mimetype="application/problem+json")
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cache-Control"] = "no-store"
    return response


def _say_when_to_retry(response: Response) -> Response:
    if response.status_code == 503:
        response.headers.setdefault("Retry-After", str(RETRY_SECONDS))
    return response


def _refused(error: Refused) -> Response:
    return problem(422, error.code, "These answers are not valid for this quiz. See errors.", errors=error.errors)


def _coded(error: Any) -> Response:
    return problem(STATUS[error.code], error.code, str(error))


def _http(error: HTTPException) -> Response:
    """Convert an HTTP error raised by Flask; keep its headers, such as Allow and Retry-After."""
    status = error.code or 500
    errors = getattr(error, "data", {}).get("messages") if hasattr(error, "data") else None
    more = {"errors": _plain(errors)} if errors else {}
    code = CODES.get(status, error.name.lower().replace(" ", "_"))
    detail = {
        404: "There is no resource at this address.",
        413: "The request body exceeds the size limit.",
        415: "Send JSON, as application/json or text/plain.",
        422: "Some fields are invalid. See errors.",
        429: "Wait a moment, then try again.",
    }.get(status, "Check the request and try again.")
    response = problem(status, code, detail, **more)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _plain(errors: Any) -> Any:
    """Return marshmallow's tree of messages without the level that names the location of the fields."""
    if isinstance(errors, dict) and set(errors) <= {"json", "query", "headers", "form"}:
        merged: dict[str, Any] = {}
        for error in errors.values():
            merged |= error if isinstance(error, dict) else {"body": error}
        errors = merged
    if isinstance(errors, dict):
        return {str(key): _plain(value) for key, value in errors.items()}
    return errors


def _database_gone(error: Exception) -> Response:
    """Respond with 503: the database is unreachable, or too many requests wait for it.

    Nothing was lost, and a later attempt may succeed.
    """
    log("web").warning("database_gone", exc_info=(type(error), error, error.__traceback__))
    response = problem(503, "unavailable", "The service is temporarily unavailable. Try again in a moment.")
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def _unexpected(error: Exception) -> Response:
    log("web").error("unexpected", exc_info=(type(error), error, error.__traceback__))
    return problem(500, "internal", "Something went wrong on our side and was logged. Try again in a moment.")
