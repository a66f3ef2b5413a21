"""Template filters of the console: shares, points, links to the subject of a finding."""

from __future__ import annotations

import csv
import io
import re
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import orjson
from flask import Flask

from widget.content.editing import (
    ACCEPTANCE,
    EMAIL,
    EXCLUSION,
    INTRO,
    MAPPING,
    PACK,
    PRODUCT,
    QUESTION,
    SEQUENCE,
    TEXT,
    TIP,
    TRIAGE,
)
from widget.content.languages import text_hash
from widget.content.prose import markdown_html
from widget.web.console.labels import FILTERS
from widget.web.console.page_context import PageContext, percent, product_names
from widget.web.requests import current_services

TRIED = b"tried-answers"
PAGES = {
    MAPPING: "mappings",
    QUESTION: "quiz",
    INTRO: "quiz",
    TRIAGE: "safety",
    EXCLUSION: "safety",
    PRODUCT: "products",
    TIP: "tips",
    EMAIL: "emails",
    SEQUENCE: "emails",
    PACK: "quiz",
    ACCEPTANCE: "findings",
}
_UNKNOWN = re.compile(r"unknown [a-z ]+ '([^']+)'")
_CLAIM = re.compile(r"(\S+?)(?: \(([A-Za-z-]+)\))?: “.*?”, rule ([a-z0-9-]+):", re.DOTALL)
_NAMES = {PACK: "Result and settings", INTRO: "Introduction", SEQUENCE: "Sequence", ACCEPTANCE: "Accepted warning"}


def register_filters(app: Flask) -> None:
    app.jinja_env.globals["names_of"] = product_names
    app.jinja_env.filters.update(
        without=without,
        part=percent,
        points=points,
        spot_link=spot_link,
        spot_name=spot_name,
        message_parts=message_parts,
        wrong_word=wrong_word,
        claim_of=claim_of,
        encrypted_answers=encrypted_answers,
        as_csv=as_csv,
        markdown=markdown_html,
        text_hash=text_hash,
        **FILTERS,
    )


def without(query: str, *names: str) -> str:
    """Return a query string without some of its fields, safe to use in a link."""
    return urlencode([(name, value) for name, value in parse_qsl(query)[:40] if name not in names])


def points(change: int, whole: int) -> str:
    """Format a change of share in points: +6, −11, ±0."""
    share = 100 * change / whole if whole else 0.0
    if not change:
        return "±0"
    text = f"{abs(share):.0f}" if abs(share) >= 0.95 else f"{abs(share):.1f}" if abs(share) >= 0.1 else "under 0.1"
    return f"{'+' if share > 0 else '−'}{text} points"


def spot_link(finding: dict[str, Any], page: PageContext) -> str:
    """Return the URL of the console page where a finding can be fixed."""
    kind, record, spot = finding["kind"], finding["record"], finding["field"]
    if kind == MAPPING:
        tips = str(page.records(MAPPING).get(record, {}).get("target", "")).startswith("tip:")
        more = "kind=tips&" if tips else ""
        return (
            f"{page.root}/mappings?{more}row={quote(record)}#row-{quote(record)}" if record else f"{page.root}/mappings"
        )
    if kind.startswith(f"{TEXT}."):
        return f"{page.root}/languages/{kind[5:]}?show=open#{quote(record)}"
    if not record:
        return f"{page.root}/{PAGES.get(kind, 'quiz')}"
    return f"{page.root}/records/{kind}/{quote(record)}" + (f"#f-{quote(spot)}" if spot else "")


def spot_name(finding: dict[str, Any]) -> str:
    kind, record, spot = finding["kind"], finding["record"], finding["field"]
    if kind.startswith(f"{TEXT}."):
        return f"{kind[5:]}: {record or 'all texts'}"
    name = _NAMES.get(kind) or (f"{'Row' if kind in (MAPPING, TRIAGE, EXCLUSION) else kind.capitalize()} {record}")
    return f"{name}, {spot.replace('.', ' ')}" if spot else name


def message_parts(finding: dict[str, Any]) -> tuple[str, str, str]:
    """Split a finding's message, without its leading key, from its source and advice.

    Return (message, separator, source and advice); the last two are empty for a message without a source.
    """
    text = str(finding["message"])
    key, colon, rest = text.partition(": ")
    if colon and "." in key and " " not in key:
        text = rest
    head, cut, more = text.partition(" Source: ")
    return head, cut, f"Source: {more}" if more else ""


def wrong_word(finding: dict[str, Any]) -> str:
    """Return the word that a finding suggests a replacement for; empty if it suggests none."""
    found = _UNKNOWN.search(finding["message"]) if finding["suggestion"] else None
    return found[1] if found else ""


def claim_of(finding: dict[str, Any]) -> dict[str, str] | None:
    """Return key, locale, and rule of a claims lint warning, which a named user may accept; else None."""
    found = (
        _CLAIM.match(finding["message"]) if finding["code"] == "claim" and finding["severity"] == "warning" else None
    )
    return {"key": found[1], "locale": found[2] or "", "rule": found[3]} if found else None


def encrypted_answers(answers: dict[str, list[str]]) -> str:
    """Encrypt answers for use in a URL, where they never appear in plain text."""
    return current_services().crypto.code(orjson.dumps(answers, option=orjson.OPT_SORT_KEYS), TRIED)


def as_csv(rows: list[dict[str, str]], columns: list[str]) -> str:
    """Format rows as CSV with only the given columns: those that were left out stay left out."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()
