"""What the links in letters lead to. GET shows, POST does: mail scanners open every link they see."""

from __future__ import annotations

from flask import Blueprint, Response, abort, render_template, request

from widget.actions.answer_check_in import answer_check_in, check_in_shop
from widget.actions.change_consent import choose, confirm_consent, erase, preferences, unsubscribe
from widget.actions.export_data import request_export
from widget.seals import CONFIRM, PREFERENCES, UNSUBSCRIBE
from widget.web.limits import PER_CLIENT, limiter
from widget.web.requests import current_parts

blueprint = Blueprint("letters", __name__)
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}


def _page(template: str, **more: object) -> Response:
    return Response(render_template(template, **more), mimetype="text/html", headers=PRIVATE)


@blueprint.get("/u/<token>")
def ask_unsubscribe(token: str) -> Response:
    known = preferences(current_parts(), UNSUBSCRIBE, token)
    return _page(
        "letter_page.html",
        title="No more letters?",
        text=f"You get letters from {known.shop} at {known.email or 'an address'}. One click, and they stop at once.",
        button="Unsubscribe",
        shop=known.shop,
    )


@blueprint.post("/u/<token>")
def do_unsubscribe(token: str) -> Response:
    """One-click (RFC 8058): any body, no cookie, no redirect, and twice is as good as once."""
    known = unsubscribe(current_parts(), UNSUBSCRIBE, token)
    return _page(
        "letter_page.html",
        title="Done. No more letters.",
        text=f"{known.shop} will send you no more tips or offers. If you change your mind, ask for a result again.",
        shop=known.shop,
    )


@blueprint.get("/c/<token>")
def ask_confirm(token: str) -> Response:
    return _page("confirm.html", known=preferences(current_parts(), CONFIRM, token), told="")


@blueprint.post("/c/<token>")
def do_confirm(token: str) -> Response:
    """Confirm what is pending: where the page offered boxes, what was ticked; else what it named."""
    only = set(request.form.getlist("consent")) if "boxes" in request.form else None
    if only is not None and not only:
        return _page(
            "confirm.html", known=preferences(current_parts(), CONFIRM, token), told="Tick what you want first."
        )
    known = confirm_consent(current_parts(), CONFIRM, token, only)
    return _page(
        "letter_page.html",
        title="Thank you. That is settled.",
        text="You get what you confirmed, and nothing else. Each letter has a link to stop.",
        shop=known.shop,
    )


@blueprint.get("/p/<token>")
def show_preferences(token: str) -> Response:
    return _page("preferences.html", known=preferences(current_parts(), PREFERENCES, token), told="")


@blueprint.post("/p/<token>")
@limiter.limit(PER_CLIENT)
def change_preferences(token: str) -> Response:
    """Save the choices, ask for a copy of the data, or have it all erased."""
    parts = current_parts()
    wanted = request.form.get("do", "")
    if wanted == "erase":
        shop = preferences(parts, PREFERENCES, token).shop
        erase(parts, PREFERENCES, token)
        return _page(
            "letter_page.html",
            title="Your data is deleted",
            text="What is left is a keyed fingerprint of your address, so that nobody writes to you again.",
            shop=shop,
        )
    if wanted == "export":
        gone = request_export(parts, PREFERENCES, token)
        known = preferences(parts, PREFERENCES, token)
        told = "A letter with your data is on its way." if gone else "It could not be sent now. Please try again later."
        return _page("preferences.html", known=known, told=told)
    if wanted != "choose":
        abort(422)
    known = choose(parts, PREFERENCES, token, set(request.form.getlist("consent")))
    return _page("preferences.html", known=known, told="Saved.")


@blueprint.get("/f/<token>")
def ask_check_in(token: str) -> Response:
    shop, answer = check_in_shop(current_parts(), token)
    return _page(
        "letter_page.html",
        title=f"Your legs feel {answer}?",
        text="Press the button, and we note it with this letter.",
        button=f"Yes, {answer}",
        shop=shop,
    )


@blueprint.post("/f/<token>")
def do_check_in(token: str) -> Response:
    shop, answer = answer_check_in(current_parts(), token)
    texts = {
        "better": ("Good to hear", "Keep moving gently, and start your next leg day a little lighter."),
        "same": (
            "Thank you",
            "Soreness after training usually fades within 5 to 7 days. If it lasts longer than a week, see a doctor.",
        ),
        "worse": (
            "Please have it looked at",
            "Soreness that gets worse should be seen by a doctor. Until then: no training, massage, rolling or heat. "
            "With trouble breathing, chest pain, fever, dark urine or a swollen leg, get help right away. "
            "We send you nothing more about this order.",
        ),
    }
    title, text = texts[answer]
    return _page("letter_page.html", title=title, text=text, shop=shop)
