"""Pages behind links in emails. GET only shows a page, POST acts: mail scanners open every link."""

from __future__ import annotations

from flask import Blueprint, Response, abort, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.emails.answer_check_in import answer_check_in, check_in_shop
from widget.actions.emails.follow_link import follow_link
from widget.actions.privacy.change_consent import Preferences, choose, confirm_consent, erase, preferences, unsubscribe
from widget.actions.privacy.export_data import request_export
from widget.crypto import CONFIRM, PREFERENCES, UNSUBSCRIBE
from widget.domain.engine.result import direction
from widget.domain.quiz.bots import is_bot
from widget.i18n.strings import Strings, strings_for
from widget.web.limits import PER_CLIENT, limiter
from widget.web.locale import interface_locale
from widget.web.requests import PRIVATE_HEADERS, current_services

blueprint = Blueprint("emails", __name__)


def _strings(known: Preferences | None = None) -> Strings:
    """Return strings in the language of the recipient's emails, or in the one that the browser prefers."""
    return strings_for(known.locale if known and known.locale else interface_locale())


def _page(template: str, w: Strings, **more: object) -> Response:
    page = render_template(template, w=w, locale=w.locale, dir=direction(w.locale), **more)
    return Response(page, mimetype="text/html", headers=PRIVATE_HEADERS)


def _note(w: Strings, name: str, shop: str, **values: str) -> Response:
    """Render a page with a single message."""
    text = w.text(f"{name}_text", shop=shop, **values) if "{" in w[f"{name}_text"] else w[f"{name}_text"]
    return _page("email_page.html", w, title=w[f"{name}_title"], text=text, shop=shop)


@blueprint.get("/u/<token>")
def ask_unsubscribe(token: str) -> Response:
    known = preferences(current_services(), UNSUBSCRIBE, token)
    w = _strings(known)
    return _page(
        "email_page.html",
        w,
        title=w["unsub_title"],
        text=w.text("unsub_text", shop=known.shop, email=known.email or w["some_address"]),
        button=w["unsub_button"],
        shop=known.shop,
    )


@blueprint.post("/u/<token>")
def do_unsubscribe(token: str) -> Response:
    """Unsubscribe in one click (RFC 8058): any body, no cookie, no redirect, idempotent."""
    known = unsubscribe(current_services(), UNSUBSCRIBE, token)
    return _note(_strings(known), "unsub_done", known.shop)


@blueprint.get("/c/<token>")
def ask_confirm(token: str) -> Response:
    known = preferences(current_services(), CONFIRM, token)
    return _page("confirm.html", _strings(known), known=known, message="")


@blueprint.post("/c/<token>")
def do_confirm(token: str) -> Response:
    """Confirm pending consents: the ticked ones if the page had checkboxes, else all that it named."""
    only = set(request.form.getlist("consent")) if "boxes" in request.form else None
    if only is not None and not only:
        known = preferences(current_services(), CONFIRM, token)
        w = _strings(known)
        return _page("confirm.html", w, known=known, message=w["confirm_need"])
    known = confirm_consent(current_services(), CONFIRM, token, only)
    return _note(_strings(known), "confirm_done", known.shop)


@blueprint.get("/p/<token>")
def show_preferences(token: str) -> Response:
    known = preferences(current_services(), PREFERENCES, token)
    return _page("preferences.html", _strings(known), known=known, message="")


@blueprint.post("/p/<token>")
@limiter.limit(PER_CLIENT)
def change_preferences(token: str) -> Response:
    """Save the choices, request a copy of the data, or erase all of it."""
    services = current_services()
    wanted = request.form.get("do", "")
    if wanted == "erase":  # Erasure cannot be undone: ask for confirmation.
        known = preferences(services, PREFERENCES, token)
        return _page("erase.html", _strings(known), known=known)
    if wanted == "keep":
        known = preferences(services, PREFERENCES, token)
        return _page("preferences.html", _strings(known), known=known, message="")
    if wanted == "erase-now":
        before = preferences(services, PREFERENCES, token)
        erase(services, PREFERENCES, token)
        return _note(_strings(before), "erased", before.shop)
    if wanted == "export":
        request_export(services, PREFERENCES, token)
        known = preferences(services, PREFERENCES, token)
        w = _strings(known)
        return _page("preferences.html", w, known=known, message=w["pref_copy_sent"])
    if wanted != "choose":
        abort(422)
    known = choose(services, PREFERENCES, token, set(request.form.getlist("consent")))
    w = _strings(known)
    return _page("preferences.html", w, known=known, message=w["pref_saved"])


@blueprint.get("/f/<token>")
def ask_check_in(token: str) -> Response:
    shop, answer = check_in_shop(current_services(), token)
    w = _strings()
    feeling = w[f"feel_{answer}"]
    return _page(
        "email_page.html",
        w,
        title=w.text("feel_title", answer=feeling),
        text=w["feel_text"],
        button=w.text("feel_button", answer=feeling),
        shop=shop,
    )


@blueprint.post("/f/<token>")
def do_check_in(token: str) -> Response:
    shop, answer = answer_check_in(current_services(), token)
    return _note(_strings(), answer, shop)


@blueprint.get("/l/<token>")
def follow(token: str) -> AnyResponse:
    """Redirect to the product, quiz, or result. Only this link is counted on GET; following it changes nothing."""
    answer = redirect(follow_link(current_services(), token, client=_person()), 303)
    answer.headers.update(PRIVATE_HEADERS)
    return answer


def _person() -> str:
    """Return the client's address, or an empty string if no person clicked: bots, HEAD, and prefetches."""
    ahead = " ".join(request.headers.get(name, "") for name in ("Sec-Purpose", "Purpose", "X-Moz")).lower()
    if request.method == "HEAD" or "prefetch" in ahead or is_bot(request.headers.get("User-Agent", "")):
        return ""
    return request.remote_addr or "unknown"
