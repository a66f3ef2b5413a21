"""The languages page: missing and outdated translations, with a field for each text."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, abort, flash, make_response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.content.change_draft import EditConflict, IdTaken, put_record
from widget.actions.content.try_draft import NotReadable, tried_draft
from widget.content.editing import TEXT, record_hash
from widget.content.languages import is_safety, pack_texts, text_hash
from widget.domain.engine.result import direction
from widget.domain.roles import EDIT, VIEW
from widget.web.console.guard import json_answer, may_here, me, permitted, wants_json
from widget.web.console.page_context import PageContext, quiz_page, render_page
from widget.web.numbers import whole_number
from widget.web.requests import current_services

blueprint = Blueprint("translations", __name__, url_prefix="/shops/<shop>/quizzes/<quiz>/languages")
A_PAGE = 40
NAMES = {"en": "English", "es": "Spanish", "ar": "Arabic", "de": "German", "fr": "French", "it": "Italian"}
MISSING, STALE, DONE = "missing", "stale", "done"


@dataclass(frozen=True, slots=True)
class TextView:
    """One text: its key, the source text, the translation so far, and the state of the translation."""

    key: str
    source: str
    text: str
    state: str
    seen: str
    safety: bool


@blueprint.get("")
@permitted(VIEW)
def languages(shop: str, quiz: str) -> str:
    """List the languages, each with its translation progress."""
    page = quiz_page(shop, quiz)
    message, rows = "", []
    try:
        texts = _texts(page)
        for locale in page.locales:
            views = _views(page, locale, texts)
            counts = {state: sum(view.state == state for view in views) for state in (MISSING, STALE, DONE)}
            rows.append({"locale": locale, "name": NAMES.get(locale, locale), "all": len(views), **counts})
    except NotReadable as error:
        message = str(error)
    return render_page(
        "console/content/languages.html",
        page,
        title="Languages",
        lead="Translations of every quiz text, next to the original.",
        section="languages",
        rows=rows,
        message=message,
        source=page.head.get("default_locale", "en"),
        names=NAMES,
    )


def _texts(page: PageContext) -> dict[str, str]:
    return pack_texts(tried_draft(current_services(), page.shop, page.draft).engine.rules.pack)


def _views(page: PageContext, locale: str, texts: dict[str, str]) -> list[TextView]:
    known = page.records(f"{TEXT}.{locale}")
    views = []
    for key, source in texts.items():
        record = known.get(key)
        text = str((record or {}).get("text", ""))
        state = MISSING if not text.strip() else DONE if record and record.get("of") == text_hash(source) else STALE
        views.append(TextView(key, source, text, state, record_hash(record), is_safety(key)))
    return views


@blueprint.get("/<locale>")
@permitted(VIEW)
def language(shop: str, quiz: str, locale: str) -> str:
    """Show the texts of one language: those that need work, or all."""
    page = quiz_page(shop, quiz)
    if locale not in page.locales:
        abort(404)
    show, words = request.args.get("show", "open"), request.args.get("q", "")[:100].casefold().split()
    message, views = "", []
    try:
        views = _views(page, locale, _texts(page))
    except NotReadable as error:
        message = str(error)
    still = sum(view.state != DONE for view in views)
    if show != "all":
        views = [view for view in views if view.state != DONE]
    views = [v for v in views if all(word in f"{v.key} {v.source} {v.text}".casefold() for word in words)]
    first = whole_number(request.args.get("from")) or 0
    first = first if first < len(views) else 0
    return render_page(
        "console/content/language.html",
        page,
        title=f"Languages: {NAMES.get(locale, locale)}",
        lead=f"{still} texts need translation or review." if still else "Everything is translated and up to date.",
        section="languages",
        locale=locale,
        dir=direction(locale),
        views=views[first : first + A_PAGE],
        total=len(views),
        first=first,
        a_page=A_PAGE,
        show=show,
        words=request.args.get("q", "")[:100],
        message=message,
        source=page.head.get("default_locale", "en"),
        may_edit=may_here(EDIT),
        query=request.query_string.decode()[:300],
    )


@blueprint.post("/<locale>/<path:key>")
@permitted(EDIT)
def save_text(shop: str, quiz: str, locale: str, key: str) -> AnyResponse:
    """Save one translation of the source text that was shown beside it. An empty text deletes it."""
    page = quiz_page(shop, quiz)
    if locale not in page.locales:
        abort(404)
    text = request.form.get("text", "").replace("\r\n", "\n").strip()[:100_000]
    after = {"of": request.form.get("of", "")[:16], "text": text} if text else None
    back = f"{page.root}/languages/{locale}?show={request.form.get('show', 'open')[:8]}"
    try:
        put_record(
            current_services(),
            draft=page.draft,
            by=me(),
            kind=f"{TEXT}.{locale}",
            record=key,
            seen=request.form.get("seen", ""),
            after=after,
            what=f"{locale}: {key}",
        )
    except (EditConflict, IdTaken) as error:
        now = page.records(f"{TEXT}.{locale}").get(key, {}).get("text", "(empty)")
        message = f"{error} Current text: {now}"
        if wants_json():
            return json_answer({"code": "edit_conflict", "detail": message}, 422)
        flash(message, "bad")
        return make_response(redirect(back, 303))
    if wants_json():
        return json_answer({"seen": record_hash(after), "revision": page.draft.revision + 1})
    flash("Saved to the draft.", "good")
    return redirect(back, 303)
