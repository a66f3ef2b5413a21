"""Health and readiness endpoints."""

from __future__ import annotations

import orjson
from flask import Flask, Response
from sqlalchemy.exc import SQLAlchemyError

from widget.storage.database import ping
from widget.storage.migrate import schema_is_behind
from widget.web.requests import current_services


def register_operations(app: Flask) -> None:
    app.add_url_rule("/healthz", "healthz", _healthz)
    app.add_url_rule("/readyz", "readyz", _readyz)


def _healthz() -> Response:
    return Response(b'{"status":"ok"}', mimetype="application/json")


def _readyz() -> Response:
    """Report readiness. The database with all migrations is required; Redis is only reported."""
    services = current_services()
    try:
        with services.reads() as session:
            ping(session)
            database = "migrations missing" if schema_is_behind(session.connection()) else "ok"
    except SQLAlchemyError:
        database = "gone"
    state = {
        "status": "ok" if database == "ok" else "not ready",
        "database": database,
        "redis": "ok" if services.shared.ping() else "gone",
    }
    return Response(orjson.dumps(state), status=200 if database == "ok" else 503, mimetype="application/json")
