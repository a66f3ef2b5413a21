"""Record the one-tap answer to a check-in email."""

from __future__ import annotations

from widget.actions.errors import UnknownToken
from widget.crypto import CHECK_IN, InvalidToken
from widget.services import Services
from widget.storage.emails import Email
from widget.storage.shops import Shop

ANSWERS = ("better", "same", "worse")


def check_in_token(services: Services, email_id: int, answer: str) -> str:
    """Return a link token for one answer to one email, so that no URL reveals how a person feels."""
    return services.crypto.token(CHECK_IN, email_id * len(ANSWERS) + ANSWERS.index(answer))


def check_in_shop(services: Services, token: str) -> tuple[str, str]:
    """Return (name of the shop that asked, answer of the link) without changing anything. Raises UnknownToken."""
    email_id, answer = _opened(services, token)
    with services.reads() as session:
        email = session.get(Email, email_id)
        if email is None:
            raise UnknownToken("This link no longer works.")
        return session.get_one(Shop, email.shop_id).name, answer


def answer_check_in(services: Services, token: str) -> tuple[str, str]:
    """Record the answer of the link (the last one counts) and return (shop name, answer).

    After "worse", the send policy stops the order's product emails. Raises UnknownToken.
    """
    email_id, answer = _opened(services, token)
    with services.sessions.begin() as session:
        email = session.get(Email, email_id, with_for_update=True)
        if email is None:
            raise UnknownToken("This link no longer works.")
        email.answer = answer
        return session.get_one(Shop, email.shop_id).name, answer


def _opened(services: Services, token: str) -> tuple[int, str]:
    try:
        email_id, place = divmod(services.crypto.open_token(CHECK_IN, token), len(ANSWERS))
    except InvalidToken as error:
        raise UnknownToken("This link is invalid.") from error
    return email_id, ANSWERS[place]
