"""Email an invitation or a link to set a new password to a user."""

from __future__ import annotations

from sqlalchemy.orm import Session

from widget.actions.accounts.add_user import BadMember, make_link, tell, user_in
from widget.actions.emails.queue_message import INVITATION, PASSWORD_LINK, queue_message, system_email
from widget.actions.require_shop import require_shop
from widget.domain.roles import MEANS, ROLES
from widget.email.blocks import Block, Button, Paragraph, Span
from widget.email.content import Written
from widget.email.message import checked_address
from widget.passwords import new_token
from widget.services import Services
from widget.storage.shops import Shop, shop_by_slug
from widget.storage.users import Membership, User, membership, owns_all_of


def invite_user(services: Services, *, shop: str, email: str, role: str, name: str, by: User) -> User:
    """Invite a user to a shop: add a membership and queue an email with the link that activates it.

    The response does not reveal whether the address already had an account.
    Raises UnknownShop, BadMember, BadAddress.
    """
    if role not in ROLES:
        raise BadMember(f"unknown role '{role}': use {', '.join(ROLES)}")
    address = checked_address(email).casefold()
    with services.sessions.begin() as session:
        owner = require_shop(session, shop, lock=True)
        user = user_in(services, session, owner, address, role, name)
        tell(services, session, owner, by, "user_added", f"{address} as {role}")
        token = make_link(services, session, user, owner, mailed=True)
        written = _invitation(services, owner, by, role, token)
        queue_message(services, session, owner, written, recipient=address, kind=INVITATION, about=user.id)
        tell(services, session, owner, by, "invitation_queued", f"to {address}")
        return user


def send_fresh_link(services: Services, *, shop: str, user_id: int, by: User) -> User:
    """Queue an email with a new link, to accept the invitation or to set a new password. Raises BadMember."""
    with services.sessions.begin() as session:
        owner, user, member = _member(session, shop, user_id)
        token = make_link(services, session, user, owner, mailed=True)
        if member.active_at is None:
            written, kind = _invitation(services, owner, by, member.role, token), INVITATION
        else:
            written, kind = _password_link(services, owner, by, token), PASSWORD_LINK
        queue_message(services, session, owner, written, recipient=user.email, kind=kind, about=user.id)
        tell(services, session, owner, by, "fresh_link_queued", f"to {user.email}")
        return user


def link_to_hand_over(services: Services, *, shop: str, user_id: int, by: User) -> str:
    """Return a link to hand over to a user who receives no email. Raises BadMember.

    The link works only if all shops of the account belong to the requesting owner, and leaves the account unverified.
    For any other account, the link does not work, without showing this: a working link would give its bearer access to
    the other shops as well.
    """
    with services.sessions.begin() as session:
        owner, user, _ = _member(session, shop, user_id)
        mine = owns_all_of(session, by.id, user.id)
        token = make_link(services, session, user, owner, mailed=False) if mine else new_token()
        tell(services, session, owner, by, "link_handed_over", f"for {user.email}")
        return f"{services.settings.public_url}/console/set-password/{token}"


def _member(session: Session, shop: str, user_id: int) -> tuple[Shop, User, Membership]:
    owner = shop_by_slug(session, shop, lock=True)
    user = session.get(User, user_id)
    member = membership(session, owner.id, user_id) if owner else None
    if owner is None or user is None or member is None:
        raise BadMember("this user is not a member of this shop")
    return owner, user, member


def _invitation(services: Services, shop: Shop, by: User, role: str, token: str) -> Written:
    name = by.display_name
    because = f"You received this email because {name} entered your address. If that was a mistake, ignore it."
    sentence = (
        f"{name} invited you to the recovery quiz of {shop.name} as {_a(role)}, with permission to {MEANS[role]}."
    )
    blocks: list[Block] = [
        Paragraph((Span(sentence),)),
        Button("Accept invitation", f"{services.settings.public_url}/console/set-password/{token}"),
        Paragraph((Span("The link works once and expires in three days. Nothing changes until you accept."),)),
    ]
    return system_email(shop, f"{name} invited you to {shop.name} on Recovery Quiz", because, blocks)


def _password_link(services: Services, shop: Shop, by: User, token: str) -> Written:
    name = by.display_name
    because = f"You received this email because {name} requested a link for you. If you do not need it, ignore it."
    sentence = f"{name} sent you a link to set a new password for the console of {shop.name}."
    blocks: list[Block] = [
        Paragraph((Span(sentence),)),
        Button("Set password", f"{services.settings.public_url}/console/set-password/{token}"),
        Paragraph((Span("The link works once and expires in three days. Your current password works until then."),)),
    ]
    return system_email(shop, f"Set your password for {shop.name} on Recovery Quiz", because, blocks)


def _a(role: str) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"
