"""Console users, memberships, sessions, and invitations."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, false, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.domain.roles import OWNER
from widget.storage.database import Table, Utc
from widget.storage.shops import Shop


class User(Table):
    """Somebody who may sign in. ``password_hash`` is empty until they chose one; ``disabled_at`` shuts every door."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text, default="")
    password_hash: Mapped[str] = mapped_column(Text, default="")
    encrypted_totp: Mapped[str] = mapped_column(Text, default="")
    totp_step: Mapped[int] = mapped_column(default=0)
    """The time step of the last one-time code taken: none is good twice (RFC 6238, 5.2)."""
    disabled_at: Mapped[datetime | None] = mapped_column(Utc)
    verified_at: Mapped[datetime | None] = mapped_column(Utc)
    """When a link mailed to this address was used: until then nobody knows whether the account is its owner's."""
    oidc_subject: Mapped[str | None] = mapped_column(Text, unique=True)
    """Who this is at the provider of company accounts: issuer and subject, which stay when an address changes."""
    created_at: Mapped[datetime] = mapped_column(Utc)

    @property
    def display_name(self) -> str:
        """What others read: the name, else the address."""
        return self.name or self.email

    @property
    def initials(self) -> str:
        words = self.display_name.split("@")[0].replace(".", " ").split()
        return "".join(word[0] for word in words[:2]).upper() or "?"


class Membership(Table):
    """The role of a person in a shop. ``active_at`` None: invited, and it takes effect by the link that was mailed."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("shop_id", "user_id"), Index("ix_memberships_user_id", "user_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    role: Mapped[str] = mapped_column(Text)
    active_at: Mapped[datetime | None] = mapped_column(Utc)
    created_at: Mapped[datetime] = mapped_column(Utc)


class UserSession(Table):
    """One browser that is signed in. Of its token only the hash is kept."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_user_id", "user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    token_hash: Mapped[str] = mapped_column(Text, unique=True)
    browser: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(Utc)
    seen_at: Mapped[datetime] = mapped_column(Utc)
    ended_at: Mapped[datetime | None] = mapped_column(Utc)


class Invitation(Table):
    """A link that lets a person in once, to choose a password: the first owner's, an invitation, a forgotten one.

    ``shop_id``: the shop it was made for. ``mailed``: it went to the person's own address; else it was handed over.
    """

    __tablename__ = "invitations"
    __table_args__ = (Index("ix_invitations_user_id", "user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    token_hash: Mapped[str] = mapped_column(Text, unique=True)
    created_at: Mapped[datetime] = mapped_column(Utc)
    expires_at: Mapped[datetime] = mapped_column(Utc)
    shop_id: Mapped[int | None] = mapped_column(ForeignKey("shops.id"))
    mailed: Mapped[bool] = mapped_column(default=False, server_default=false())
    used_at: Mapped[datetime | None] = mapped_column(Utc)


def user_by_email(session: Session, email: str) -> User | None:
    return session.scalar(select(User).where(User.email == email.strip().casefold()))


def membership(session: Session, shop_id: int, user_id: int) -> Membership | None:
    wanted = (Membership.shop_id == shop_id, Membership.user_id == user_id)
    return session.scalar(select(Membership).where(*wanted))


def shops_of(session: Session, user_id: int) -> list[tuple[Shop, str]]:
    """(shop, role) of each shop a person belongs to, by name. An invitation counts once it was accepted."""
    query = select(Shop, Membership.role).join(Membership, Membership.shop_id == Shop.id)
    mine = (Membership.user_id == user_id, Membership.active_at.is_not(None))
    rows = session.execute(query.where(*mine).order_by(Shop.name, Shop.id))
    return [(shop, role) for shop, role in rows]


def team_of(session: Session, shop_id: int) -> list[tuple[User, Membership]]:
    query = select(User, Membership).join(Membership, Membership.user_id == User.id)
    rows = session.execute(query.where(Membership.shop_id == shop_id).order_by(User.name, User.email))
    return [(user, member) for user, member in rows]


def active_sessions(session: Session, user_id: int, since: datetime) -> list[UserSession]:
    """Where a person is signed in: not ended, and seen since that moment."""
    wanted = (UserSession.user_id == user_id, UserSession.ended_at.is_(None), UserSession.seen_at >= since)
    return list(session.scalars(select(UserSession).where(*wanted).order_by(UserSession.seen_at.desc())))


def owns_all_of(session: Session, owner_id: int, user_id: int) -> bool:
    """Whether somebody is an owner in every shop that a person belongs to, or is invited to."""
    theirs = select(Membership.shop_id).where(Membership.user_id == user_id)
    mine = (Membership.user_id == owner_id, Membership.role == OWNER, Membership.active_at.is_not(None))
    owned = select(Membership.shop_id).where(*mine)
    return session.scalar(theirs.where(Membership.shop_id.not_in(owned)).limit(1)) is None


def is_invited(session: Session, user_id: int) -> bool:
    """Whether somebody belongs to any shop, or is invited to one."""
    return session.scalar(select(Membership.id).where(Membership.user_id == user_id).limit(1)) is not None


def accept_all(session: Session, user_id: int, at: datetime) -> None:
    """Let the memberships of somebody take effect that wait to be accepted."""
    waits = (Membership.user_id == user_id, Membership.active_at.is_(None))
    session.execute(update(Membership).where(*waits).values(active_at=at))


def user_by_id(session: Session, user_id: int) -> User:
    """Return a user that exists. Raises NoResultFound."""
    return session.get_one(User, user_id)
