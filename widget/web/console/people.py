"""The people of a shop: who they are, what they may do, where they are signed in; inviting and shutting out."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, abort, flash, make_response, redirect, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.add_person import BadMember, change_member
from widget.actions.disable_person import disable_person, sign_out_person
from widget.actions.invite_person import invite_person, link_to_hand_over, send_fresh_link
from widget.actions.queue_message import INVITATION, PASSWORD_LINK
from widget.actions.sign_in import IDLE
from widget.domain.roles import EDITOR, MANAGE, MEANS, OWNER, ROLES
from widget.email.message import BadAddress
from widget.storage.outbox import OutboxMessage, latest_message
from widget.storage.people import (
    Membership,
    Person,
    SignIn,
    membership,
    open_sign_ins,
    owns_all_of,
    people_of,
)
from widget.web.console.guard import me, permitted
from widget.web.console.place import Place, page, shop_place
from widget.web.console.told import masked
from widget.web.limits import invitation_limited
from widget.web.requests import current_services

blueprint = Blueprint("people", __name__, url_prefix="/shops/<shop>/people")


@dataclass(frozen=True, slots=True)
class Colleague:
    """A person as this shop sees them. Of somebody who has not come in yet no more than the address is told.

    Else inviting an address would tell whether it has an account elsewhere, and whose it is.
    """

    person: Person
    member: Membership
    known: bool
    sign_ins: list[SignIn]
    mail: OutboxMessage | None
    """The last email to them, with its state."""

    @property
    def name(self) -> str:
        return self.person.told if self.known else self.person.email

    @property
    def codes(self) -> bool:
        return self.known and bool(self.person.encrypted_totp)


def _colleague(session: Session, person: Person, member: Membership) -> Colleague:
    known = member.active_at is not None
    ins = open_sign_ins(session, person.id, current_services().now() - IDLE) if known else []
    found = [latest_message(session, member.shop_id, kind, person.id) for kind in (INVITATION, PASSWORD_LINK)]
    mail = max((row for row in found if row), key=lambda row: row.id, default=None)
    return Colleague(person, member, known, ins, mail)


@blueprint.get("")
@permitted(MANAGE)
def listing(shop: str) -> str:
    """Everybody, and a form to invite somebody."""
    return _listing(shop_place(shop))


def _listing(place: Place, **more: object) -> str:
    with current_services().reads() as session:
        people = [_colleague(session, person, member) for person, member in people_of(session, place.shop.id)]
    return page(
        "console/people.html",
        place,
        title="People",
        lead="Who may come in here, and what each may do. Everything done here stands in the log.",
        page="people",
        people=people,
        roles=ROLES,
        means=MEANS,
        **{"form": {"role": EDITOR}, "wrong": {}, **more},
    )


@blueprint.post("")
@permitted(MANAGE)
@invitation_limited
def invite(shop: str) -> AnyResponse:
    """Invite somebody by email. Who has an account elsewhere is answered like who has none."""
    place = shop_place(shop)
    form = {name: request.form.get(name, "").strip()[:254] for name in ("email", "name", "role")}
    try:
        invite_person(current_services(), shop=shop, by=me(), **form)
    except BadAddress as error:
        return make_response(_listing(place, form=form, wrong={"email": _sentence(error)}), 422)
    except BadMember as error:
        return make_response(_listing(place, form=form, wrong={"role": _sentence(error)}), 422)
    flash(f"The invitation to {form['email']} is on its way. Its link is good for three days.", "good")
    return redirect(f"{place.shop_root}/people", 303)


@blueprint.get("/<int:person>")
@permitted(MANAGE)
def one(shop: str, person: int) -> str:
    """One person: role, sign-ins, and what shuts them out."""
    return _one(shop_place(shop), person)


def _one(place: Place, person_id: int, link: str = "", wrong: str = "") -> str:
    with current_services().reads() as session:
        member = membership(session, place.shop.id, person_id)
        if member is None:
            abort(404)
        who = _colleague(session, session.get_one(Person, person_id), member)
        mine = owns_all_of(session, me().id, person_id)
        owners = [each for each, its in people_of(session, place.shop.id) if its.role == OWNER and its.active_at]
    return page(
        "console/person.html",
        place,
        title=who.name,
        page="people",
        who=who,
        mine=mine,
        only_owner=member.role == OWNER and member.active_at is not None and len(owners) == 1,
        myself=person_id == me().id,
        roles=ROLES,
        means=MEANS,
        link=link,
        wrong=wrong,
    )


@blueprint.post("/<int:person>")
@permitted(MANAGE)
def change(shop: str, person: int) -> AnyResponse:
    """One of: another role, sign out everywhere, remove, disable, enable."""
    place = shop_place(shop)
    do = {"role": _role, "sign_out": _sign_out, "remove": _remove, "disable": _disable, "enable": _enable}.get(
        request.form.get("do", "")
    )
    if do is None:
        abort(400)
    if request.form.get("do") in ("remove", "disable") and request.form.get("sure") != "yes":
        return make_response(_one(place, person, wrong="Tick the box first."), 422)
    try:
        told = do(shop, person)
    except BadMember as error:
        return make_response(_one(place, person, wrong=_sentence(error)), 422)
    flash(told, "good")
    if person == me().id and do in (_role, _remove):
        return redirect("/console/", 303)
    return redirect(f"{place.shop_root}/people" + ("" if do is _remove else f"/{person}"), 303)


@blueprint.post("/<int:person>/link")
@permitted(MANAGE)
@invitation_limited
def fresh_link(shop: str, person: int) -> AnyResponse:
    """An email with a link to choose a new password, or to accept the invitation."""
    place = shop_place(shop)
    try:
        who = send_fresh_link(current_services(), shop=shop, person_id=person, by=me())
    except BadMember:
        abort(404)
    flash(f"A fresh link is on its way to {masked(who.email)}.", "good")
    return redirect(f"{place.shop_root}/people/{person}", 303)


@blueprint.post("/<int:person>/hand-over")
@permitted(MANAGE)
@invitation_limited
def hand_over(shop: str, person: int) -> AnyResponse:
    """A link to pass on by other means, shown once."""
    place = shop_place(shop)
    try:
        link = link_to_hand_over(current_services(), shop=shop, person_id=person, by=me())
    except BadMember:
        abort(404)
    return make_response(_one(place, person, link=link))


def _role(shop: str, person: int) -> str:
    role = request.form.get("role", "")
    change_member(current_services(), shop=shop, person_id=person, role=role, by=me())
    return f"The role is {role} now."


def _sign_out(shop: str, person: int) -> str:
    many = sign_out_person(current_services(), shop=shop, person_id=person, by=me())
    return f"Signed out of {many} {'browser' if many == 1 else 'browsers'}." if many else "Was signed in nowhere."


def _remove(shop: str, person: int) -> str:
    change_member(current_services(), shop=shop, person_id=person, role=None, by=me())
    return "Removed from this shop."


def _disable(shop: str, person: int) -> str:
    disable_person(current_services(), shop=shop, person_id=person, by=me())
    return "Disabled: signed out everywhere, and no link or password opens anything."


def _enable(shop: str, person: int) -> str:
    disable_person(current_services(), shop=shop, person_id=person, by=me(), again=True)
    return "May come in again."


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
