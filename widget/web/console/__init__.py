"""The state of each shop, to look at: versions, failed hooks, the life of letters. Embedded default only."""

from __future__ import annotations

from flask import Blueprint, Flask, render_template
from sqlalchemy import func, select

from widget.storage.content import ContentVersion, live_publication
from widget.storage.hooks import FAILED, Hook
from widget.storage.letters import Letter
from widget.storage.orders import Order
from widget.storage.shops import Shop
from widget.web.requests import current_parts

blueprint = Blueprint("console", __name__, url_prefix="/console", template_folder="templates")


def hang(app: Flask) -> None:
    app.register_blueprint(blueprint)


@blueprint.get("/")
def overview() -> str:
    """Each shop with its quizzes, failed hooks and latest letters. No address, no answers."""
    with current_parts().reads() as session:
        shops = [
            {
                "shop": shop,
                "orders": session.scalar(select(func.count()).select_from(Order).where(Order.shop_id == shop.id)),
                "versions": [
                    {"row": row, "live": _is_live(session, row)}
                    for row in session.scalars(
                        select(ContentVersion)
                        .where(ContentVersion.shop_id == shop.id)
                        .order_by(ContentVersion.quiz, ContentVersion.number.desc())
                        .limit(20)
                    )
                ],
                "failed": list(
                    session.scalars(
                        select(Hook)
                        .where(Hook.shop_id == shop.id, Hook.state == FAILED)
                        .order_by(Hook.id.desc())
                        .limit(20)
                    )
                ),
                "letters": list(
                    session.scalars(
                        select(Letter).where(Letter.shop_id == shop.id).order_by(Letter.id.desc()).limit(50)
                    )
                ),
            }
            for shop in session.scalars(select(Shop).order_by(Shop.slug))
        ]
    return render_template("console.html", shops=shops)


def _is_live(session: object, row: ContentVersion) -> bool:
    live = live_publication(session, row.shop_id, row.quiz)  # type: ignore[arg-type]
    return live is not None and live.number == row.number
