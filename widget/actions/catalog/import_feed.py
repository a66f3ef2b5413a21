"""Import a product feed for the products that the shop's quizzes use, completely or not at all.

A feed changes only the fields in FROM_FEEDS: a product's contents, warnings, and certificate never come from a feed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, BinaryIO

from sqlalchemy.orm import Session

from widget.actions.require_shop import require_shop
from widget.domain.engine.catalog import FROM_FEEDS
from widget.i18n.money import money_text
from widget.quiz_registry import LoadedQuiz, offending
from widget.services import Services
from widget.storage import audit
from widget.storage.catalog import StoredProduct, bump_revision, stored_products
from widget.storage.content import live_quizzes
from widget.storage.feeds import IDLE, Feed, feed_of
from widget.storage.shops import Shop
from widget.storage.users import User
from widget.stores.feed_item import BadFeed, Defaults
from widget.stores.feed_survey import Survey, survey
from widget.stores.feeds import digest_of, kind_of, read_feed

FEED_IMPORTED, FEED_UNCHANGED, FEED_STOPPED, FEED_FAILED = "done", "unchanged", "stopped", "failed"
EVERY = timedelta(minutes=15)
"""Minimum interval between two scheduled fetches of a feed."""
ALARM_PART = 3
"""If more than one in this many of the known products are missing, the feed is assumed to be broken."""
RENAMED_PART, REPRICED_PART, FEW = 3, 2, 3
"""The same for products with another name, and with another price; fewer than FEW never stop an import."""
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """Who requested an import, and its options. ``by``: the user; without one, ``who`` names the source in words.

    ``allow_missing``: how many products may be missing; ``allow_changed``: how many names and prices may change.
    ``base``: the base address of relative paths in the feed.
    ``started_at``: the claim of a worker, whose result counts only while the worker still holds the claim.
    """

    by: User | None = None
    who: str = "product feed"
    uploaded: bool = False
    allow_missing: int = 0
    allow_changed: int = 0
    base: str = ""
    started_at: datetime | None = None


@dataclass
class FeedReport:
    """The outcome of a run. ``missing``: SKUs that were deactivated, or would have been if the run had not stopped.

    ``suspicious``: changes of names and prices in words, if they stopped the run because they are so many.
    """

    outcome: str
    kind: str = ""
    items: int = 0
    matched: int = 0
    changed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    suspicious: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    problems_more: int = 0
    error: str = ""


@dataclass(frozen=True)
class _Needed:
    """The shop's live quizzes, and all SKUs of these quizzes and of the catalog. ``variants``: variant id to SKU."""

    shop: Shop
    loaded: tuple[LoadedQuiz, ...]
    skus: frozenset[str]
    variants: dict[str, str]

    def mark(self) -> bytes:
        return repr((sorted(self.skus), sorted(self.variants.items()), self.shop.currency, self.shop.url)).encode()


def import_feed(
    services: Services, *, shop: str, files: Sequence[BinaryIO], asked: Asked, progress: Progress | None = None
) -> FeedReport:
    """Read all files (pages of one feed), then change the catalog in one transaction, or not at all.

    Results reflect the change within 5 s. The returned report and the feed's row state what stopped an import.
    Raises UnknownShop.
    """
    needed = _needed(services, shop)
    try:
        kind, digest = kind_of(files[0]), _digest(files, needed)
        with services.reads() as session:
            row = feed_of(session, needed.shop.id)
        if row is not None and digest == row.seen_digest:
            return keep_report(services, needed.shop, asked, FeedReport(FEED_UNCHANGED, kind, row.items, row.matched))
        given = Defaults(needed.shop.currency, asked.base or needed.shop.url, services.now())
        outcome = Survey()
        for file in files:
            survey(read_feed(file, given), needed.skus, needed.variants, into=outcome, progress=progress)
    except BadFeed as error:
        return keep_report(
            services, needed.shop, asked, FeedReport(FEED_FAILED, error=f"Nothing was changed: {error}.")
        )
    return _take_over(services, needed, asked, outcome, kind, digest)


def _needed(services: Services, slug: str) -> _Needed:
    with services.reads() as session:
        owner = require_shop(session, slug)
        known = {row.sku: row.feed for row in stored_products(session, owner.id)}
        quizzes = live_quizzes(session, owner.id)
    loaded = tuple(each for quiz in quizzes if (each := services.quizzes.live(slug, quiz)))
    variants = {str(feed["variant_id"]): sku for sku, feed in known.items() if feed.get("variant_id")}
    for item in loaded:
        variants |= {product.variant_id: product.sku for product in _products(item) if product.variant_id}
    skus = frozenset(known) | {product.sku for item in loaded for product in _products(item)}
    return _Needed(owner, loaded, skus, variants)


def _products(loaded: LoadedQuiz) -> Any:
    return loaded.engine.rules.pack.products


def _digest(files: Sequence[BinaryIO], needed: _Needed) -> str:
    """Return a digest of the feed and of the products needed: another quiz requires reading the same file again."""
    whole = hashlib.sha256(needed.mark())
    for file in files:
        whole.update(digest_of(file))
    return whole.hexdigest()


def _take_over(services: Services, needed: _Needed, asked: Asked, survey: Survey, kind: str, digest: str) -> FeedReport:
    report = FeedReport(
        FEED_IMPORTED, kind, survey.items, len(survey.found), problems=survey.notes, problems_more=survey.more
    )
    with services.sessions.begin() as session:
        row = _own_row(session, needed.shop, asked)
        if row is None:
            return FeedReport(FEED_FAILED, error="Nothing was changed: the feed was changed in the meantime.")
        known = {product.sku: product for product in stored_products(session, needed.shop.id)}
        listed = {sku for sku, item in known.items() if item.feed and item.feed.get("active", True)}
        report.missing = sorted(listed - set(survey.found) - survey.unread)
        renamed, repriced = _replaced(known, survey, "name"), _replaced(known, survey, "price")
        if _too_many(len(renamed), len(listed), RENAMED_PART) or _too_many(len(repriced), len(listed), REPRICED_PART):
            report.suspicious = [*renamed, *repriced]
        if len(report.missing) * ALARM_PART > len(listed) and len(report.missing) > asked.allow_missing:
            report.outcome = FEED_STOPPED
            report.error = (
                f"Nothing was changed: {len(report.missing)} of the {len(listed)} products that were in the feed "
                "before are missing. The feed may be broken."
            )
        elif len(report.suspicious) > asked.allow_changed:
            report.outcome = FEED_STOPPED
            report.error = (
                f"Nothing was changed: {len(renamed)} names and {len(repriced)} prices of {len(listed)} products are "
                "different. The columns of the feed may have moved."
            )
        else:
            report.suspicious = []
            report.changed = _change(session, services, needed.shop, known, survey, report.missing)
            report.problems = _first_of_all(needed, survey, report)
            row.seen_digest = "" if any(item.dated for item in survey.found.values()) else digest
        _keep(session, services, needed.shop, row, asked, report)
    if report.changed:
        services.invalidate(f"{needed.shop.slug}/catalog")
    return report


def _too_many(changed: int, known: int, part: int) -> bool:
    return changed >= FEW and changed * part > known


def _replaced(known: Mapping[str, StoredProduct], survey: Survey, name: str) -> list[str]:
    """Return the products whose name or price the feed changes, each with both values."""
    found = []
    for sku, item in sorted(survey.found.items()):
        before = known[sku].feed.get(name) if sku in known and known[sku].feed else None
        after = item.feed_values.get(name)
        if before is not None and after is not None and before != after:
            found.append(f"{sku}: {name} {_shown(before, item.currency)} → {_shown(after, item.currency)}")
    return found


def _shown(value: Any, currency: str) -> str:
    return money_text(value, currency, "en") if isinstance(value, int) and currency else f"“{str(value)[:60]}”"


def _change(
    session: Session,
    services: Services,
    shop: Shop,
    known: dict[str, StoredProduct],
    survey: Survey,
    missing: Sequence[str],
) -> list[str]:
    """Store the changed products and return their SKUs, including those missing from the feed."""
    fresh = {
        sku: {name: item.feed_values[name] for name in FROM_FEEDS if name in item.feed_values}
        for sku, item in survey.found.items()
    }
    fresh |= {sku: {**known[sku].feed, "active": False} for sku in missing}
    changed = sorted(sku for sku, feed in fresh.items() if sku not in known or known[sku].feed != feed)
    for sku in changed:
        row = known.get(sku)
        if row is None:
            row = StoredProduct(shop_id=shop.id, sku=sku, blocked=False, block_reason="")
            session.add(row)
        row.feed, row.updated_at = fresh[sku], services.now()
    if changed:
        bump_revision(session, shop.id)
    return changed


def _first_of_all(needed: _Needed, survey: Survey, report: FeedReport) -> list[str]:
    """Return the problems: first what keeps products from shoppers, then what was skipped while reading the feed."""
    gone = [f"{sku} is no longer in the feed: it is no longer shown" for sku in report.missing]
    quiet = sorted({product.sku for item in needed.loaded for product in _products(item)} - set(survey.found))
    never = [
        f"{sku} is not in the feed: the quiz uses its previous data"
        for sku in quiet
        if sku not in report.missing and sku not in survey.unread
    ]
    return [*_barred(needed, survey), *gone, *never, *survey.notes]


def _barred(needed: _Needed, survey: Survey) -> list[str]:
    names = {sku: {"name": item.name} for sku, item in survey.found.items()}
    barred = {sku for entry in needed.loaded for sku in offending(entry.engine.rules, names)}
    return [f"{sku} is not shown in results: its name in the store violates the claims rules" for sku in sorted(barred)]


# Outcome of a run ------------------------------------------------------------------------------------


def keep_report(services: Services, shop: Shop, asked: Asked, report: FeedReport) -> FeedReport:
    """Store the report of a run that changed no product with the feed, and return the report."""
    with services.sessions.begin() as session:
        row = _own_row(session, shop, asked)
        if row is not None:
            _keep(session, services, shop, row, asked, report)
    return report


def _own_row(session: Session, shop: Shop, asked: Asked) -> Feed | None:
    """Return the feed, locked; None when a worker has lost its claim, for instance because the address was changed."""
    row = feed_of(session, shop.id, lock=True)
    if asked.started_at is not None:
        return row if row is not None and row.started_at == asked.started_at else None
    if row is None:
        row = Feed(
            shop_id=shop.id, encrypted_address="", state=IDLE, outcome="", problems=[], missing=[], suspicious=[]
        )
        session.add(row)
    return row


def _keep(session: Session, services: Services, shop: Shop, row: Feed, asked: Asked, report: FeedReport) -> None:
    now, before = services.now(), row.outcome
    if report.outcome in (FEED_IMPORTED, FEED_UNCHANGED):
        row.last_good_at = now
    if report.outcome != FEED_UNCHANGED:
        row.problems, row.problems_more = report.problems, report.problems_more
    row.kind, row.items, row.matched = report.kind, report.items, report.matched
    row.changed, row.missing, row.error = len(report.changed), report.missing, report.error
    row.suspicious = report.suspicious
    row.outcome, row.last_run_at, row.uploaded = report.outcome, now, asked.uploaded
    if asked.started_at is not None:
        row.state, row.started_at, row.asked_by = IDLE, None, None
        row.allow_missing, row.allow_changed = 0, 0
        row.due_at = now + EVERY
    # Log a feed that fails every 15 minutes only once.
    if (
        report.changed
        or asked.by is not None
        or (report.outcome != before and report.outcome in (FEED_STOPPED, FEED_FAILED))
    ):
        who, by = (asked.by.display_name, asked.by.id) if asked.by else (asked.who, None)
        what = "feed_imported" if report.outcome in (FEED_IMPORTED, FEED_UNCHANGED) else "feed_refused"
        audit.record(session, shop_id=shop.id, at=now, user_id=by, actor=who, action=what, detail=_about(report))


def _about(report: FeedReport) -> str:
    if report.error:
        return report.error
    if report.outcome == FEED_UNCHANGED:
        return "no changes"
    gone = f", {len(report.missing)} missing" if report.missing else ""
    return f"{report.items:,} items, {report.matched} matched, {len(report.changed)} changed{gone}"
