"""The embed snippet and its colors: previewed on the real widget, checked for contrast."""

from __future__ import annotations

from flask import Blueprint, request

from widget.domain.content.contrast import LIGHT, PAIRS, SIDES, TOKENS, checked, is_color, theme_css
from widget.domain.roles import MANAGE
from widget.storage.content import live_quizzes
from widget.web.console.guard import permitted
from widget.web.console.page_context import render_page, shop_page
from widget.web.console.policy import shows_products_of
from widget.web.console.settings.shop import last_change
from widget.web.requests import current_services

blueprint = Blueprint("embed_page", __name__, url_prefix="/shops/<shop>/settings/embed")
NAMES = {
    "accent": "Accent: buttons, links, selections",
    "paper": "Paper: page background",
    "ink": "Ink: text",
    "card": "Card: panels",
}


@blueprint.get("")
@permitted(MANAGE)
def show(shop: str) -> str:
    """Show the page. Its state is entirely in the URL, so that colors can be sent to a colleague as a link."""
    page, services = shop_page(shop), current_services()
    with services.reads() as session:
        quizzes = live_quizzes(session, page.shop.id)
    wished = request.args.get("quiz", "")
    quiz = wished if wished in quizzes else next(iter(quizzes), "")
    loaded = services.quizzes.live(page.shop.slug, quiz) if quiz else None
    if loaded is not None:
        shows_products_of(loaded)
    given = {name: request.args.get(name, "").strip()[:20] for name in TOKENS}
    wrong = {name: "Enter a color as #rrggbb." for name, text in given.items() if text and not is_color(text)}
    usual = SIDES[LIGHT]
    chosen = {name: usual[name] if name in wrong or not text else text.casefold() for name, text in given.items()}
    return render_page(
        "console/settings/embed.html",
        page,
        title="Settings",
        lead="Add the quiz to your storefront, in your store’s colors.",
        section="settings",
        quizzes=quizzes,
        quiz=quiz,
        base=services.settings.public_url,
        names=NAMES,
        chosen=chosen,
        touched=any(given.values()),
        wrong=wrong,
        pairs=checked(chosen),
        css=theme_css(chosen),
        data={"pairs": [pair[:3] for pair in PAIRS], "sides": SIDES, "tokens": TOKENS},
        last=last_change(page),
    )
