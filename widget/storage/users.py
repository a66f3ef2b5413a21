"""Console users, memberships, sessions, and invitations."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, false, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.domain.roles import OWNER
from widget.storage.database import Table, Utc
from widget.storage.shops import Shop


class User(Table):
    """A console user. ``password_hash`` is empty until a password is chosen; ``disabled_at`` blocks all access."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text, default="")
    password_hash: Mapped[str] = mapped_column(Text, default="")
    encrypted_totp: Mapped[str] = mapped_column(Text, default="")
    totp_step: Mapped[int] = mapped_column(default=0)
    """The time step of the last accepted one-time code: no code is accepted twice (RFC 6238, 5.2)."""
    disabled_at: Mapped[datetime | None] = mapped_column(Utc)
    verified_at: Mapped[datetime | None] = mapped_column(Utc)
    """When a link mailed to this address was used. Until then, the account may not belong to the address's owner."""
    oidc_subject: Mapped[str | None] = mapped_column(Text, unique=True)
    """Issuer and subject at the OpenID Connect provider, which stay the same when an address changes."""
    created_at: Mapped[datetime] = mapped_column(Utc)

    @property
    def display_name(self) -> str:
        """The name shown to others: the name if there is one, else the address."""
        return self.name or self.email

    @property
    def initials(self) -> str:
        words = self.display_name.split("@")[0].replace(".", " ").split()
        return "".join(word[0] for word in words[:2]).upper() or "?"


class Membership(Table):
    """A user's role in a shop. ``active_at`` None: invited; the mailed link activates the membership."""

    __tablename__ = "memberships"
    __table_args__ = (UniqueConstraint("shop_id", "user_id"), Index("ix_memberships_user_id", "user_id"))

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    role: Mapped[str] = mapped_column(Text)
    active_at: Mapped[datetime | None] = mapped_column(Utc)
    created_at: Mapped[datetime] = mapped_column(Utc)


class UserSession(Table):
    """A signed-in browser. Only the hash of its token is stored."""

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
    """A one-time link to choose a password: for the first owner, an invitation, or a forgotten password.

    ``shop_id``: the shop it was created for. ``mailed``: it was emailed to the user; if False, it was handed over.
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
    """Return (shop, role) of each shop a user belongs to, by name. An invitation counts once it is accepted."""
    query = select(Shop, Membership.role).join(Membership, Membership.shop_id == Shop.id)
    mine = (Membership.user_id == user_id, Membership.active_at.is_not(None))
    rows = session.execute(query.where(*mine).order_by(Shop.name, Shop.id))
    return [(shop, role) for shop, role in rows]


def team_of(session: Session, shop_id: int) -> list[tuple[User, Membership]]:
    query = select(User, Membership).join(Membership, Membership.user_id == User.id)
    rows = session.execute(query.where(Membership.shop_id == shop_id).order_by(User.name, User.email))
    return [(user, member) for user, member in rows]


def active_sessions(session: Session, user_id: int, since: datetime) -> list[UserSession]:
    """Return a user's sessions that have not ended and were active since that moment."""
    wanted = (UserSession.user_id == user_id, UserSession.ended_at.is_(None), UserSession.seen_at >= since)
    return list(session.scalars(select(UserSession).where(*wanted).order_by(UserSession.seen_at.desc())))


def owns_all_of(session: Session, owner_id: int, user_id: int) -> bool:
    """Return whether ``owner_id`` is an owner of every shop that ``user_id`` belongs to or is invited to."""
    theirs = select(Membership.shop_id).where(Membership.user_id == user_id)
    mine = (Membership.user_id == owner_id, Membership.role == OWNER, Membership.active_at.is_not(None))
    owned = select(Membership.shop_id).where(*mine)
    return session.scalar(theirs.where(Membership.shop_id.not_in(owned)).limit(1)) is None


def is_invited(session: Session, user_id: int) -> bool:
    """Return whether a user belongs to any shop or is invited to one."""
    return session.scalar(select(Membership.id).where(Membership.user_id == user_id).limit(1)) is not None


def accept_all(session: Session, user_id: int, at: datetime) -> None:
    """Activate a user's memberships that have not been accepted yet."""
    waits = (Membership.user_id == user_id, Membership.active_at.is_(None))
    session.execute(update(Membership).where(*waits).values(active_at=at))


def user_by_id(session: Session, user_id: int) -> User:
    """Return a user that exists. Raises NoResultFound."""
    return session.get_one(User, user_id)
