"""The team page: users, roles, sessions, invitations."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, abort, flash, make_response, redirect, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.accounts.add_user import BadMember, change_member
from widget.actions.accounts.disable_user import disable_user, sign_out_user
from widget.actions.accounts.invite_user import invite_user, link_to_hand_over, send_fresh_link
from widget.actions.accounts.sign_in import IDLE
from widget.actions.emails.queue_message import INVITATION, PASSWORD_LINK
from widget.domain.roles import EDITOR, MANAGE, MEANS, OWNER, ROLES
from widget.email.message import BadAddress
from widget.storage.outbox import OutboxMessage, latest_message
from widget.storage.users import (
    Membership,
    User,
    UserSession,
    active_sessions,
    membership,
    owns_all_of,
    team_of,
    user_by_id,
)
from widget.web.console.guard import me, permitted
from widget.web.console.labels import masked
from widget.web.console.page_context import PageContext, render_page, shop_page
from widget.web.limits import invitation_limited
from widget.web.requests import current_services

blueprint = Blueprint("team", __name__, url_prefix="/shops/<shop>/team")


@dataclass(frozen=True, slots=True)
class Colleague:
    """A user as this shop sees them. Until they accept the invitation, only the address is shown.

    Otherwise, inviting an address would reveal whether it has an account elsewhere, and whose it is.
    """

    user: User
    member: Membership
    known: bool
    user_sessions: list[UserSession]
    mail: OutboxMessage | None
    """The last email to them, with its state."""

    @property
    def name(self) -> str:
        return self.user.display_name if self.known else self.user.email

    @property
    def codes(self) -> bool:
        return self.known and bool(self.user.encrypted_totp)


def _colleague(session: Session, user: User, member: Membership) -> Colleague:
    known = member.active_at is not None
    ins = active_sessions(session, user.id, current_services().now() - IDLE) if known else []
    found = [latest_message(session, member.shop_id, kind, user.id) for kind in (INVITATION, PASSWORD_LINK)]
    mail = max((row for row in found if row), key=lambda row: row.id, default=None)
    return Colleague(user, member, known, ins, mail)


@blueprint.get("")
@permitted(MANAGE)
def listing(shop: str) -> str:
    """List all users, with a form to invite another."""
    return _listing(shop_page(shop))


def _listing(page: PageContext, **more: object) -> str:
    with current_services().reads() as session:
        users = [_colleague(session, user, member) for user, member in team_of(session, page.shop.id)]
    return render_page(
        "console/team/team.html",
        page,
        title="Team",
        lead="Who can use this console and what each role may do. Changes are recorded in Activity.",
        section="team",
        users=users,
        roles=ROLES,
        means=MEANS,
        **{"form": {"role": EDITOR}, "wrong": {}, **more},
    )


@blueprint.post("")
@permitted(MANAGE)
@invitation_limited
def invite(shop: str) -> AnyResponse:
    """Invite a user by email. The response does not reveal whether they have an account elsewhere."""
    page = shop_page(shop)
    form = {name: request.form.get(name, "").strip()[:254] for name in ("email", "name", "role")}
    try:
        invite_user(current_services(), shop=shop, by=me(), **form)
    except BadAddress as error:
        return make_response(_listing(page, form=form, wrong={"email": _sentence(error)}), 422)
    except BadMember as error:
        return make_response(_listing(page, form=form, wrong={"role": _sentence(error)}), 422)
    flash(f"Sending the invitation to {form['email']}. The link expires in three days.", "good")
    return redirect(f"{page.shop_root}/team", 303)


@blueprint.get("/<int:user>")
@permitted(MANAGE)
def one(shop: str, user: int) -> str:
    """Show one user: role, sessions, and the actions that revoke access."""
    return _one(shop_page(shop), user)


def _one(page: PageContext, user_id: int, link: str = "", wrong: str = "") -> str:
    with current_services().reads() as session:
        member = membership(session, page.shop.id, user_id)
        if member is None:
            abort(404)
        who = _colleague(session, user_by_id(session, user_id), member)
        mine = owns_all_of(session, me().id, user_id)
        owners = [item for item, its in team_of(session, page.shop.id) if its.role == OWNER and its.active_at]
    return render_page(
        "console/team/member.html",
        page,
        title=who.name,
        section="team",
        who=who,
        mine=mine,
        only_owner=member.role == OWNER and member.active_at is not None and len(owners) == 1,
        myself=user_id == me().id,
        roles=ROLES,
        means=MEANS,
        link=link,
        wrong=wrong,
    )


@blueprint.post("/<int:user>")
@permitted(MANAGE)
def change(shop: str, user: int) -> AnyResponse:
    """Change the role of a user, sign them out everywhere, or remove, disable, or enable them."""
    page = shop_page(shop)
    do = {"role": _role, "sign_out": _sign_out, "remove": _remove, "disable": _disable, "enable": _enable}.get(
        request.form.get("do", "")
    )
    if do is None:
        abort(400)
    if request.form.get("do") in ("remove", "disable") and request.form.get("sure") != "yes":
        return make_response(_one(page, user, wrong="Select the checkbox to confirm."), 422)
    try:
        message = do(shop, user)
    except BadMember as error:
        return make_response(_one(page, user, wrong=_sentence(error)), 422)
    flash(message, "good")
    if user == me().id and do in (_role, _remove):
        return redirect("/console/", 303)
    return redirect(f"{page.shop_root}/team" + ("" if do is _remove else f"/{user}"), 303)


@blueprint.post("/<int:user>/link")
@permitted(MANAGE)
@invitation_limited
def fresh_link(shop: str, user: int) -> AnyResponse:
    """Send an email with a link to choose a new password or to accept the invitation."""
    page = shop_page(shop)
    try:
        who = send_fresh_link(current_services(), shop=shop, user_id=user, by=me())
    except BadMember:
        abort(404)
    flash(f"Sending a new link to {masked(who.email)}.", "good")
    return redirect(f"{page.shop_root}/team/{user}", 303)


@blueprint.post("/<int:user>/hand-over")
@permitted(MANAGE)
@invitation_limited
def hand_over(shop: str, user: int) -> AnyResponse:
    """Show a link once, to be passed on by other means."""
    page = shop_page(shop)
    try:
        link = link_to_hand_over(current_services(), shop=shop, user_id=user, by=me())
    except BadMember:
        abort(404)
    return make_response(_one(page, user, link=link))


def _role(shop: str, user: int) -> str:
    role = request.form.get("role", "")
    change_member(current_services(), shop=shop, user_id=user, role=role, by=me())
    return f"Role changed to {role}."


def _sign_out(shop: str, user: int) -> str:
    many = sign_out_user(current_services(), shop=shop, user_id=user, by=me())
    return f"Signed out of {many} {'browser' if many == 1 else 'browsers'}." if many else "No active sessions."


def _remove(shop: str, user: int) -> str:
    change_member(current_services(), shop=shop, user_id=user, role=None, by=me())
    return "User removed from this shop."


def _disable(shop: str, user: int) -> str:
    disable_user(current_services(), shop=shop, user_id=user, by=me())
    return "Account disabled. All sessions have ended, and no link or password works."


def _enable(shop: str, user: int) -> str:
    disable_user(current_services(), shop=shop, user_id=user, by=me(), again=True)
    return "Account enabled."


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
