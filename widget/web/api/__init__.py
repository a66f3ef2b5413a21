"""Public JSON API v1 for shoppers' browsers: any origin, no cookies."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, render_template, request
from flask_smorest import Api

from widget.web.api.quizzes import blueprint
from widget.web.problems import _http

DESCRIPTION = "Quizzes, results, emails, and events for storefront pages. Errors are problem details (RFC 9457)."


class ProblemApi(Api):  # type: ignore[misc]
    """A flask-smorest API whose errors are problem details (RFC 9457)."""

    def handle_http_exception(self, error: Any) -> Response:
        return _http(error)


def register(app: Flask) -> ProblemApi:
    """Add the API and its description; return the API, whose ``spec`` is the OpenAPI document."""
    app.config |= {
        "API_TITLE": "Recovery Quiz",
        "API_VERSION": "v1",
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": "/v1",
        "OPENAPI_JSON_PATH": "openapi.json",
    }
    api = ProblemApi(app, spec_kwargs={"info": {"description": DESCRIPTION, "license": {"name": "Apache-2.0"}}})
    api.register_blueprint(blueprint)
    app.add_url_rule("/v1/docs", "docs", lambda: _docs(api.spec.to_dict()))
    app.after_request(_open_to_all)
    return api


def _docs(spec: dict[str, Any]) -> str:
    """Render the API description as a page without scripts."""
    calls = [
        {"method": method.upper(), "path": path, **call}
        for path, methods in spec["paths"].items()
        for method, call in methods.items()
        if isinstance(call, dict)
    ]
    return render_template("docs.html", info=spec["info"], calls=calls)


def _open_to_all(response: Response) -> Response:
    """Allow every origin to read the public API: its responses do not depend on the caller."""
    if request.path.startswith("/v1/"):
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
            response.headers["Access-Control-Allow-Headers"] = "Content-Type"
            response.headers["Access-Control-Max-Age"] = "86400"
    return response
