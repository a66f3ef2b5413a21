"""The audit log of a shop: filtered, and as CSV."""

from __future__ import annotations

import csv
import io
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from widget.content.spreadsheet import neutral
from widget.domain.roles import MANAGE
from widget.i18n.times import local
from widget.storage.audit import AuditEntry, actors, entries
from widget.web.console.guard import permitted
from widget.web.console.labels import ACTION_GROUPS, entry
from widget.web.console.page_context import PageContext, render_page, shop_page
from widget.web.numbers import whole_number
from widget.web.requests import current_services

blueprint = Blueprint("log", __name__, url_prefix="/shops/<shop>/log")
A_PAGE, MAX_EXPORTED = 50, 20_000
SIGNS = {
    "Sign-in": "lock",
    "One-time codes": "lock",
    "Team": "people",
    "Drafts": "pen",
    "Publishing": "impact",
    "Emails and orders": "email",
    "Settings": "settings",
    "Product feed": "in",
    "Store and provider": "orders",
}


@blueprint.get("")
@permitted(MANAGE)
def table(shop: str) -> str:
    """List the newest entries, or those older than a given entry."""
    page = shop_page(shop)
    actor, kind = _wanted()
    before = request.args.get("before", "")
    listed = _entries(page, whole_number(before), A_PAGE + 1)
    with current_services().reads() as session:
        actors_here = actors(session, page.shop.id)
    wanted = {name: value for name, value in (("actor", actor), ("kind", kind)) if value}
    return render_page(
        "console/team/activity.html",
        page,
        title="Activity",
        lead="Who did what in this shop. Entries cannot be changed or deleted.",
        section="log",
        entries=listed[:A_PAGE],
        older=listed[A_PAGE - 1].id if len(listed) > A_PAGE else None,
        later=bool(before),
        actors=actors_here,
        kinds=ACTION_GROUPS,
        sign_of={code: SIGNS[name] for name, codes in ACTION_GROUPS.items() for code in codes},
        actor=actor,
        kind=kind,
        query=urlencode(wanted),
    )


@blueprint.get("/export.csv")
@permitted(MANAGE)
def export(shop: str) -> Response:
    """Export the filtered entries as CSV, the newest first."""
    page = shop_page(shop)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["id", f"at ({page.shop.timezone})", "at (UTC)", "actor", "code", "action", "detail"])
    for item in _entries(page, None, MAX_EXPORTED):
        here = local(item.at, page.shop.timezone).strftime("%Y-%m-%d %H:%M:%S")
        texts = (item.actor, item.action, entry(item.action), item.detail)
        writer.writerow([item.id, here, item.at.strftime("%Y-%m-%dT%H:%M:%SZ"), *map(neutral, texts)])
    name = f"log-{page.shop.slug}.csv"
    return Response(
        b"\xef\xbb\xbf" + out.getvalue().encode(),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _wanted() -> tuple[str, str]:
    kind = request.args.get("kind", "")
    return request.args.get("actor", "")[:200], kind if kind in ACTION_GROUPS else ""


def _entries(page: PageContext, before: int | None, limit: int) -> list[AuditEntry]:
    actor, kind = _wanted()
    with current_services().reads() as session:
        return entries(
            session, page.shop.id, before=before, limit=limit, actor=actor, kinds=ACTION_GROUPS.get(kind, ())
        )
