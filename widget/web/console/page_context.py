"""The context that every console page is rendered with: shop, quiz, draft, and the state of its checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from flask import render_template, request

from widget.actions.content.change_draft import OpenDraft, open_draft
from widget.actions.content.check_draft import CHECK_DONE, fresh_report
from widget.content.editing import (
    EMAIL,
    EXCLUSION,
    MAPPING,
    PACK,
    PRODUCT,
    QUESTION,
    TIP,
    TRIAGE,
    Data,
    Records,
    records_of,
)
from widget.domain.roles import MANAGE, MONEY
from widget.storage.content import live_quizzes
from widget.storage.drafts import Draft, DraftReport, report_of
from widget.storage.email_events import count_refusals
from widget.storage.shops import Shop, shop_by_slug
from widget.storage.users import User
from widget.web.console.guard import may_here, me
from widget.web.requests import current_services

ALERT_FOR = timedelta(days=7)
SHOP_PAGES = (
    ("orders", "Orders", "orders", MONEY),
    ("team", "Team", "people", MANAGE),
    ("settings", "Settings", "settings", MANAGE),
    ("log", "Activity", "log", MANAGE),
)


@dataclass
class State:
    """The state of a draft as shown in the bar. ``share`` is formatted; None while it is unknown."""

    changed: bool = False
    checked: bool = False
    findings: int = 0
    errors: int = 0
    share: str | None = None


@dataclass
class PageContext:
    """The context of a console page. ``quiz`` is empty on pages of the whole shop."""

    shop: Shop
    quiz: str = ""
    opened: OpenDraft | None = None
    report: DraftReport | None = None
    quizzes: list[str] = field(default_factory=list)
    """On pages of the whole shop: its quizzes, for links back to them."""
    me: User = field(default_factory=me)

    @property
    def draft(self) -> Draft:
        assert self.opened is not None
        return self.opened.draft

    @property
    def shop_root(self) -> str:
        return f"/console/shops/{self.shop.slug}"

    @property
    def root(self) -> str:
        return f"{self.shop_root}/quizzes/{self.quiz}"

    @cached_property
    def _records(self) -> dict[str, Records]:
        return {}

    def records(self, kind: str) -> Records:
        """Return the draft's records of a kind; they are read once per request."""
        if kind not in self._records:
            self._records[kind] = records_of(self.draft.files, kind)
        return self._records[kind]

    def base_records(self, kind: str) -> Records:
        """Return the records of the live version, or of the version that the draft started from."""
        assert self.opened is not None
        key = f"base {kind}"
        if key not in self._records:
            self._records[key] = records_of(self.opened.base, kind)
        return self._records[key]

    @property
    def head(self) -> Data:
        return self.records(PACK)[PACK]

    @property
    def title(self) -> str:
        return str(self.head.get("title", self.quiz))

    @property
    def locales(self) -> list[str]:
        default = self.head.get("default_locale", "en")
        return [item for item in self.head.get("locales", ["en"]) if item != default]

    @property
    def pages(self) -> list[tuple[str, str, str, int | None]]:
        safety = len(self.records(TRIAGE)) + len(self.records(EXCLUSION))
        return [
            ("quiz", "Quiz", "quiz", len(self.records(QUESTION))),
            ("mappings", "Mappings", "map", len(self.records(MAPPING))),
            ("safety", "Safety", "shield", safety),
            ("tips", "Tips", "tip", len(self.records(TIP))),
            ("products", "Products", "jar", len(self.records(PRODUCT))),
            ("emails", "Emails", "email", len(self.records(EMAIL))),
            ("languages", "Languages", "words", len(self.locales) + 1),
        ]

    @property
    def shop_pages(self) -> list[tuple[str, str, str]]:
        return [(path, name, sign) for path, name, sign, needed in SHOP_PAGES if may_here(needed)]

    @cached_property
    def refused(self) -> int:
        """The number of emails refused because of the sender or the content in the last week; 0 without permission."""
        if not may_here(MONEY):
            return 0
        services = current_services()
        with services.reads() as session:
            return count_refusals(session, self.shop.id, services.now() - ALERT_FOR)

    @property
    def state(self) -> State:
        assert self.opened is not None
        state = State(changed=self.draft.files != self.opened.base)
        row = self.report
        if row is None or row.state != CHECK_DONE:
            return state
        report = row.report
        state.checked = True
        message = [item for item in report["findings"] if item["severity"] != "info"]
        state.findings, state.errors = len(message), report["errors"]
        impact = report.get("impact")
        if impact:
            state.share = percent(impact["changed"], impact["paths"])
        return state

    @property
    def known_report(self) -> dict[str, Any] | None:
        """The newest finished report, possibly of an earlier revision: its figures remain until new ones are ready."""
        row = self.report
        if row is None or not row.report:
            with current_services().reads() as session:
                row = report_of(session, self.draft.id)
        return row.report if row is not None and row.report else None

    def findings(self, kind: str, record: str | None = None) -> list[dict[str, Any]]:
        """Return the findings about all records of a kind, or about one of them."""
        report = self.known_report
        message = report["findings"] if report else []
        return [item for item in message if item["kind"] == kind and record in (None, item["record"])]


def product_names(page: PageContext) -> dict[str, str]:
    """Return name and size by SKU; the size distinguishes two sizes of one product."""
    records = page.records(PRODUCT).items()
    return {sku: f"{record.get('name', sku)} {record.get('size', '')}".strip() for sku, record in records}


def percent(part: int, whole: int) -> str:
    """Format a share: 12%, 0.4%, and never 0% for a share above zero."""
    if not whole or not part:
        return "0%"
    share = 100 * part / whole
    if share < 0.1:
        return "under 0.1%"
    return f"{share:.1f}%" if share < 9.95 else f"{share:.0f}%"


def quiz_page(shop: str, quiz: str) -> PageContext:
    """Return the context of a page about one quiz."""
    services = current_services()
    opened = open_draft(services, shop=shop, quiz=quiz)
    return PageContext(opened.shop, quiz, opened, fresh_report(services, opened.draft))


def shop_page(shop: str) -> PageContext:
    """Return the context of a page about the whole shop."""
    with current_services().reads() as session:
        found = shop_by_slug(session, shop)
        quizzes = live_quizzes(session, found.id) if found else []
    assert found is not None  # The guard checked the membership.
    return PageContext(found, quizzes=quizzes)


def render_page(template: str, page: PageContext, *, title: str, lead: str = "", section: str = "", **more: Any) -> str:
    """Render a page in the console layout. ``section``: the navigation entry it belongs to."""
    bare = request.headers.get("X-Console-Part") == "1"
    return render_template(template, page=page, title=title, lead=lead, section=section, bare=bare, **more)
