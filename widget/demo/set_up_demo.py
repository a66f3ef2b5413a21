"""Create the demo shop with the shipped pack, for local mode."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from widget.actions.accounts.add_user import add_user
from widget.actions.content.import_content import import_content
from widget.actions.content.publish_content import publish_content
from widget.actions.shops.add_shop import add_shop
from widget.content.reader import Broken, read_pack
from widget.content.writer import canonical_files
from widget.domain.roles import OWNER
from widget.services import Services
from widget.storage.content import live_publication, version_by_number
from widget.storage.shops import shop_by_slug
from widget.storage.users import Membership, User

SHOP, AUTHOR = "demo", "shipped"
FIRST_OWNER = "owner@demo.example"


def set_up_demo(services: Services, folder: Path) -> None:
    """Create the demo shop, and publish the shipped pack unless a user has published another. Raises Broken."""
    reading = read_pack(folder)
    if reading.pack is None:
        raise Broken(reading.errors)
    quiz = reading.pack.id
    with services.reads() as session:
        shop = shop_by_slug(session, SHOP)
        live = live_publication(session, shop.id, quiz) if shop else None
        version = version_by_number(session, shop.id, quiz, live.number) if shop and live else None
    if shop is None:
        add_shop(
            services,
            SHOP,
            name="Stride & Salve",
            postal_address="12 Example Lane, Sampletown",
            cart={"kind": "form", "action": "/demo/cart"},
        )
    same = version is not None and dict(version.files) == canonical_files(reading.pack, reading.files)
    if version is None or (version.author == AUTHOR and not same):
        made = import_content(services, shop=SHOP, files=reading.files, author=AUTHOR, note="the shipped pack")
        # ``make check`` has checked the pack; a review date that has passed since must not prevent the demo's start.
        publish_content(services, shop=SHOP, quiz=quiz, number=made.number, author=AUTHOR, checked=True)


def first_owner_link(services: Services) -> str:
    """Return a one-time link for the first owner of the demo shop; "" once an owner has a password."""
    with services.reads() as session:
        shop = shop_by_slug(session, SHOP)
        owners = select(User.id).join(Membership, Membership.user_id == User.id)
        wanted = (Membership.role == OWNER, User.password_hash != "")
        if shop is None or session.scalar(owners.where(Membership.shop_id == shop.id, *wanted).limit(1)):
            return ""
    _, token = add_user(services, shop=SHOP, email=FIRST_OWNER, role=OWNER, name="Shop owner")
    return f"{services.settings.public_url}/console/set-password/{token}"
