"""Write to somebody who may come into a shop's console: an invitation, or a fresh link for a forgotten password."""

from __future__ import annotations

from dataclasses import dataclass

from widget.actions.add_person import BadMember, add_person, make_link, tell
from widget.content.words import FALLBACK, words_for
from widget.domain.roles import MEANS
from widget.mail.blocks import Block, Button, Paragraph, Span
from widget.mail.carrier import Later, Never, Unclear
from widget.mail.html import html_part
from widget.mail.letter import LetterFrame, Written
from widget.mail.message import letter_message
from widget.mail.text import text_part
from widget.parts import Parts
from widget.passwords import new_token
from widget.storage.people import Person, has_come_in, membership, owns_all_of
from widget.storage.shops import Shop, shop_by_slug
from widget.telemetry import log

UNCLEAR = "the mail server broke off before it answered: the letter may arrive or not"
NOT_NOW = "the mail server does not take letters at the moment"
REFUSED = "the mail server refused the letter"


@dataclass(frozen=True, slots=True)
class Invitation:
    """What came of a letter: ``trouble`` is empty when the carrier has it.

    ``link`` is for handing over by hand; empty where that would open others' shops.
    """

    person: Person
    link: str
    trouble: str = ""


def invite_person(parts: Parts, *, shop: str, email: str, role: str, name: str, by: Person) -> Invitation:
    """Add somebody to a shop and write to them. Raises UnknownShop, BadMember, BadAddress.

    What comes back is the same whether or not the address had an account. The letter of who has a password leads to
    the console; the others' holds a link that lets them in once.
    """
    person, token = add_person(parts, shop=shop, email=email, role=role, name=name, by=by)
    owner, mine = _shop_and_right(parts, shop, person, by)
    base = parts.settings.public_url
    letter = f"{base}/console/come-in/{token}" if token else f"{base}/console/"
    subject = f"{by.told} invites you to {owner.name}: Recovery Quiz"
    blocks: list[Block] = [
        Paragraph(
            (Span(f"{by.told} has made you {_a(role)} of the quiz of {owner.name}: somebody who {MEANS[role]}."),)
        ),
        Button("Choose a password and come in" if token else "Open the console", letter),
        Paragraph((Span("The button works once, for three days." if token else "Sign in with your password."),)),
    ]
    because = (
        f"You get this letter because {by.told} entered your address. If that was a mistake, there is nothing to do."
    )
    return _written_to(parts, owner, person, by, subject, because, blocks, _by_hand(parts, token, mine), "invitation")


def send_fresh_link(parts: Parts, *, shop: str, person_id: int, by: Person) -> Invitation:
    """Write somebody a link to choose a new password. Raises BadMember."""
    with parts.sessions.begin() as session:
        owner = shop_by_slug(session, shop)
        person = session.get(Person, person_id)
        member = membership(session, owner.id, person_id) if owner else None
        if owner is None or person is None or member is None:
            raise BadMember("this person is not in this shop")
        token, mine = make_link(parts, session, person), owns_all_of(session, by.id, person.id)
        link = "" if not mine and has_come_in(session, person, member) else _by_hand(parts, token, mine)
    base = parts.settings.public_url
    blocks: list[Block] = [
        Paragraph((Span(f"{by.told} sends you a link to choose a new password for the console of {owner.name}."),)),
        Button("Choose a password", f"{base}/console/come-in/{token}"),
        Paragraph((Span("It works once, for three days. Until then your password of today stays good."),)),
    ]
    subject = f"{by.told} sends you a fresh link to {owner.name}: Recovery Quiz"
    because = f"You get this letter because {by.told} asked for it. If you need no link, do nothing."
    return _written_to(parts, owner, person, by, subject, because, blocks, link, "fresh_link")


def _a(role: str) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"


def _shop_and_right(parts: Parts, shop: str, person: Person, by: Person) -> tuple[Shop, bool]:
    with parts.reads() as session:
        owner = shop_by_slug(session, shop)
        assert owner is not None  # It was there when the person was added.
        return owner, owns_all_of(session, by.id, person.id)


def _by_hand(parts: Parts, token: str, mine: bool) -> str:
    """The link to copy when no letter goes. Whoever may belong to others' shops too gets one that opens nothing:

    a link that lets somebody in would let its bearer into those shops as well. Its page says to sign in instead.
    """
    return f"{parts.settings.public_url}/console/come-in/{token if token and mine else new_token()}"


def _written_to(
    parts: Parts,
    shop: Shop,
    person: Person,
    by: Person,
    subject: str,
    because: str,
    blocks: list[Block],
    link: str,
    what: str,
) -> Invitation:
    """Hand the letter over, with no connection to the database held meanwhile, then note what came of it."""
    frame = LetterFrame(
        shop=shop.name,
        subject=subject,
        preview=because,
        locale=FALLBACK,
        dir="ltr",
        because=because,
        notice="",
        postal_address=shop.postal_address,
        preferences_url="",
        unsubscribe_url="",
        mark_url="",
        words=words_for(FALLBACK),
    )
    trouble = _handed_over(parts, Written(subject, html_part(frame, blocks), text_part(frame, blocks)), shop, person)
    with parts.sessions.begin() as session:
        about = f"to {person.email}" + (f", not sent: {trouble}" if trouble else "")
        tell(parts, session, shop, by, f"{what}_not_sent" if trouble else f"{what}_sent", about)
    return Invitation(person, link, trouble)


def _handed_over(parts: Parts, written: Written, shop: Shop, person: Person) -> str:
    """What kept the letter from going; empty when the carrier has it."""
    domain = parts.settings.mail_from.rsplit("@", 1)[-1]
    message = letter_message(
        written,
        sender_name=shop.name,
        sender=parts.settings.mail_from,
        recipient=person.email,
        message_id=f"<{new_token()[:24]}@{domain}>",
        list_id="",
        unsubscribe_url="",
        date=parts.now(),
    )
    try:
        parts.carrier.send(message, person.email)
    except (Later, Never, Unclear) as error:
        log("people").warning("letter_not_sent", person_id=person.id, kind=type(error).__name__)
        return {Later: NOT_NOW, Never: REFUSED}.get(type(error), UNCLEAR)
    return ""
