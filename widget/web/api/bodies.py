"""JSON request bodies, sent as application/json or as text/plain (which spares browsers a CORS preflight)."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Request
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

BODY_TYPES = ("application/json", "text/plain")


class BodyParser(FlaskParser):
    """Parser that rejects invalid JSON with 400, other content types with 415, and unknown fields with 422."""

    DEFAULT_UNKNOWN_BY_LOCATION = {}  # noqa: RUF012  # Each schema sets ``unknown`` itself.

    def load_json(self, req: Request, schema: Any) -> Any:
        kind = req.mimetype or "text/plain"
        if kind not in BODY_TYPES:
            raise UnsupportedMediaType
        try:
            return orjson.loads(req.get_data(cache=True))
        except (orjson.JSONDecodeError, RecursionError) as error:
            raise BadRequest from error
