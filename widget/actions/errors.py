"""Errors of actions. An error has a code, never an HTTP status."""

from __future__ import annotations

from typing import Any


class ActionError(Exception):
    """An error of an action: ``code`` is for programs, the text for people; ``more`` is added to the HTTP response."""

    code = "refused"

    def __init__(self, text: str, **more: Any) -> None:
        super().__init__(text)
        self.more = more


class UnknownQuiz(ActionError):
    code = "unknown_quiz"


class UnknownShop(ActionError):
    code = "unknown_shop"


class UnknownResult(ActionError):
    code = "unknown_result"


class UnknownToken(ActionError):
    code = "unknown_token"


class VersionGone(ActionError):
    code = "version_gone"


class ConsentNeeded(ActionError):
    code = "consent_needed"


class NotPermitted(ActionError):
    """A change that the rules of the product do not permit now; the message says why."""

    code = "not_permitted"
