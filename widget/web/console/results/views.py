"""The results page: from seeing the quiz to revenue, as charts, tables, and CSV."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import structlog
from flask import Blueprint, Response, current_app, g, make_response, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as AnyResponse

from widget.content.spreadsheet import neutral
from widget.domain.content.pack import Pack
from widget.domain.roles import MONEY, VIEW
from widget.storage.figures import csv_rows
from widget.web.console.guard import may_here, permitted, visitor
from widget.web.console.page_context import PageContext, quiz_page, render_page
from widget.web.console.results.figures import figures_of, language_name
from widget.web.console.results.filter import PERIODS, Wanted
from widget.web.requests import current_services

blueprint = Blueprint("results", __name__, url_prefix="/shops/<shop>/quizzes/<quiz>/results")
COLUMNS = ("day", "version", "language", "what", "name", "number")
MONEY_COLUMNS = ("currency", "total", "refunded")
LEAD = "Counted by this service, without cookies or names. Bots that identify themselves are excluded. Days are in UTC."


@blueprint.app_template_filter("share")
def share_text(share: float | None) -> str:
    """Format a share with one decimal: 41.7%; a dash for None."""
    if share is None:
        return "–"
    if 0 < share < 0.1:
        return "under 0.1%"
    return f"{share:.1f}%" if share else "0%"


@blueprint.app_template_filter("about")
def about_text(share: float) -> str:
    """Format a share: 58%, 8.4%. Only small ones have a decimal."""
    return f"{share:.0f}%" if share >= 9.95 or not share else f"{share:.1f}%"


@blueprint.app_template_filter("whole_share")
def whole_share_text(share: float) -> str:
    """Format a share: 38%. Small ones have a decimal, so that they are not shown as 0%."""
    return share_text(share) if 0 < share < 0.95 else f"{share:.0f}%"


@blueprint.app_template_filter("moved")
def moved_text(points: float) -> str:
    """Format a change in points: +1.2, −0.3, ±0."""
    return "±0" if abs(points) < 0.05 else f"{points:+.1f}".replace("-", "−")


@blueprint.app_template_filter("shortly")
def short_number(number: int) -> str:
    """Format a number for narrow columns: 874, 1.2k, 31k."""
    if number < 1000:
        return str(number)
    return f"{number / 1000:.1f}k" if number < 10_000 else f"{number // 1000}k"


@blueprint.get("")
@permitted(VIEW)
def results(shop: str, quiz: str) -> AnyResponse | str:
    """Show the figures of the selected days. Without a published version there is nothing to count."""
    page, services = quiz_page(shop, quiz), current_services()
    wanted = Wanted.of(request.args, services.now().date())
    loaded = services.quizzes.live(shop, quiz)
    if loaded is None:
        return _shown(page, wanted, figures=None, unpublished=True)
    try:
        with services.reads() as session:
            figures = figures_of(session, loaded.engine.rules.pack, page.shop.id, quiz, wanted)
    except SQLAlchemyError:
        structlog.get_logger("results").error("results_unread", exc_info=True)
        return make_response(_shown(page, wanted, figures=None, number=g.get("request_id", "")), 503)
    return _shown(page, wanted, figures=figures, pack=loaded.engine.rules.pack)


def _shown(page: PageContext, wanted: Wanted, *, pack: Pack | None = None, **more: Any) -> str:
    return render_page(
        "console/results/results.html",
        page,
        title="Results",
        lead=LEAD,
        section="results",
        wanted=wanted,
        periods=PERIODS,
        languages=[(locale, language_name(locale)) for locale in pack.locales] if pack else [],
        sees_money=may_here(MONEY),
        role=role_here(page),
        month=timedelta(days=29),
        today=current_services().now().date(),
        query=request.query_string.decode()[:1000],
        embed=current_services().settings.public_url,
        sample=page.shop.slug == current_app.extensions.get("demo_shop"),
        **more,
    )


def role_here(page: PageContext) -> str:
    found = visitor()
    return found.roles.get(page.shop.slug, "") if found else ""


@blueprint.get("/export.csv")
@permitted(VIEW)
def export(shop: str, quiz: str) -> Response:
    """Export all figures of the selected days as CSV, by day, version, and language.

    Amounts are included only for users who may see money.
    """
    page, services = quiz_page(shop, quiz), current_services()
    wanted = Wanted.of(request.args, services.now().date())
    columns = (*COLUMNS, *MONEY_COLUMNS) if may_here(MONEY) else COLUMNS
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(columns)
    with services.reads() as session:
        for row in csv_rows(session, wanted.span(page.shop.id, quiz)):
            cells = [neutral(item) if isinstance(item, str) else item for item in row]
            writer.writerow(cells[: len(columns)])
    name = f"{quiz}-results-{wanted.first}-{wanted.last}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(out.getvalue().encode("utf-8-sig"), mimetype="text/csv; charset=utf-8", headers=headers)
