"""Shoppers who answer the quiz and request emails."""

from __future__ import annotations

import json

from tests.support.orders import EMAIL
from tests.support.packs import GOOD
from widget.actions.emails.request_email import request_email
from widget.actions.quiz.submit_answers import record_response, submit_answers
from widget.services import Services


def ask(services: Services, **consents: bool) -> str:
    """Request a result by email and return the code of the result."""
    loaded, known = submit_answers(services, shop="demo", quiz="leg-day", answers=GOOD)
    code = str(json.loads(known.body)["code"])
    wanted = {"result": True, **consents}
    request_email(services, loaded=loaded, code=code, email=EMAIL, consents=wanted, text_version="1")
    return code


def visit(services: Services) -> str:
    loaded, known = submit_answers(services, shop="demo", quiz="leg-day", answers=GOOD)
    token = record_response(services, loaded, known, None)
    services.recorder.flush()
    return token
