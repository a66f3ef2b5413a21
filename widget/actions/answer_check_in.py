"""Record the one-tap answer to a check-in letter."""

from __future__ import annotations

from widget.actions.errors import UnknownToken
from widget.parts import Parts
from widget.seals import Forged
from widget.storage.letters import Letter
from widget.storage.shops import Shop

ANSWERS = ("better", "same", "worse")


def check_in_shop(parts: Parts, token: str) -> str:
    """The name of the shop that asked. Raises UnknownToken. Changes nothing."""
    with parts.reads() as session:
        letter = session.get(Letter, _letter_id(parts, token))
        if letter is None:
            raise UnknownToken("this link leads nowhere any more")
        return session.get_one(Shop, letter.shop_id).name


def answer_check_in(parts: Parts, token: str, answer: str) -> str:
    """Note the answer (the last one counts) and give the shop's name. "worse" ends the order's product letters:
    the gatekeeper sees to that. Raises UnknownToken."""
    if answer not in ANSWERS:
        raise UnknownToken("this is not an answer we asked for")
    letter_id = _letter_id(parts, token)
    with parts.sessions.begin() as session:
        letter = session.get(Letter, letter_id, with_for_update=True)
        if letter is None:
            raise UnknownToken("this link leads nowhere any more")
        letter.answer = answer
        return session.get_one(Shop, letter.shop_id).name


def _letter_id(parts: Parts, token: str) -> int:
    try:
        return parts.seals.open_token("f", token)
    except Forged as error:
        raise UnknownToken("this link is not one of ours") from error
