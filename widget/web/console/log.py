"""The log of a shop: who did what, and when. It is only read; the database refuses anything else."""

from __future__ import annotations

import csv
import io
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from widget.content.spreadsheet import neutral
from widget.domain.roles import MANAGE
from widget.storage.audit import AuditEntry, entries, everybody
from widget.web.console.guard import permitted
from widget.web.console.place import Place, page, shop_place
from widget.web.console.told import KINDS, entry, local
from widget.web.numbers import whole_number
from widget.web.requests import current_services

blueprint = Blueprint("log", __name__, url_prefix="/shops/<shop>/log")
A_PAGE, MOST_EXPORTED = 50, 20_000
SIGNS = {
    "Sign-in": "lock",
    "One-time codes": "lock",
    "People": "people",
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
    """The newest entries, or those older than one."""
    place = shop_place(shop)
    who, kind = _wanted()
    before = request.args.get("before", "")
    listed = _entries(place, whole_number(before), A_PAGE + 1)
    with current_services().reads() as session:
        people = everybody(session, place.shop.id)
    wanted = {name: value for name, value in (("who", who), ("kind", kind)) if value}
    return page(
        "console/log.html",
        place,
        title="Log",
        lead="Who did what here. Entries are added and never changed.",
        page="log",
        entries=listed[:A_PAGE],
        older=listed[A_PAGE - 1].id if len(listed) > A_PAGE else None,
        later=bool(before),
        people=people,
        kinds=KINDS,
        sign_of={code: SIGNS[name] for name, codes in KINDS.items() for code in codes},
        who=who,
        kind=kind,
        query=urlencode(wanted),
    )


@blueprint.get("/export.csv")
@permitted(MANAGE)
def export(shop: str) -> Response:
    """The entries of the filter as a sheet, the newest first."""
    place = shop_place(shop)
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["id", f"at ({place.shop.timezone})", "at (UTC)", "who", "code", "what", "about"])
    for each in _entries(place, None, MOST_EXPORTED):
        here = local(each.at, place.shop.timezone).strftime("%Y-%m-%d %H:%M:%S")
        texts = (each.who, each.what, entry(each.what), each.about)
        writer.writerow([each.id, here, each.at.strftime("%Y-%m-%dT%H:%M:%SZ"), *map(neutral, texts)])
    name = f"log-{place.shop.slug}.csv"
    return Response(
        b"\xef\xbb\xbf" + out.getvalue().encode(),
        mimetype="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _wanted() -> tuple[str, str]:
    kind = request.args.get("kind", "")
    return request.args.get("who", "")[:200], kind if kind in KINDS else ""


def _entries(place: Place, before: int | None, limit: int) -> list[AuditEntry]:
    who, kind = _wanted()
    with current_services().reads() as session:
        return entries(session, place.shop.id, before=before, limit=limit, who=who, kinds=KINDS.get(kind, ()))
