"""Preview a draft: its quiz, results with trace, and emails. Nothing is recorded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from widget.actions.emails.queue_message import TEST, queue_message
from widget.actions.emails.write_email import compose_email
from widget.actions.errors import ActionError
from widget.actions.quiz.result_links import result_setting
from widget.content.languages import negotiate_locale
from widget.content.reader import read_files
from widget.domain.content.pack import ENDS_EARLY
from widget.domain.email.sequence import TRANSACTIONAL
from widget.domain.engine.answers import Answers
from widget.domain.engine.catalog import Catalog
from widget.domain.engine.evaluation import evaluate
from widget.domain.engine.live import Engine
from widget.domain.engine.result import build_result
from widget.domain.engine.trace import trace, why_not
from widget.email.content import EmailFrame, Written
from widget.path_coverage.sample import pair_answers
from widget.quiz_registry import LoadedQuiz
from widget.services import Services
from widget.storage.catalog import stored_catalog
from widget.storage.drafts import Draft
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.shops import Shop
from widget.storage.users import User


class DraftUnreadable(ActionError):
    """A draft that cannot be previewed because its files have errors."""

    code = "draft_has_errors"


@dataclass(frozen=True, slots=True)
class Tried:
    """The result of answers in a draft as shoppers get it, the trace, and why one product is not shown."""

    result: dict[str, Any]
    trace: dict[str, Any]
    why_not: dict[str, Any] | None


def tried_draft(services: Services, shop: Shop, draft: Draft) -> LoadedQuiz:
    """Return the compiled draft with the current catalog. Raises NotReadable."""
    key = f"{draft.id}:{draft.revision}:{shop.catalog_revision}"
    loaded = services.drafts.get(key)
    if loaded is not None:
        return loaded
    pack = read_files(draft.files, []).pack
    if pack is None:
        raise DraftUnreadable("The draft has errors and cannot be previewed yet. See Findings.")
    with services.reads() as session:
        feed, blocked = stored_catalog(session, shop.id)
    engine = Engine.of(pack)
    catalog = Catalog(engine.rules, feed=feed, blocked=frozenset(blocked), revision=shop.catalog_revision)
    loaded = LoadedQuiz(shop, draft.quiz, draft.base, Engine(engine.rules, catalog, engine.highest), False, draft.base)
    services.drafts.put(key, loaded)
    return loaded


def try_answers(
    services: Services,
    loaded: LoadedQuiz,
    answers: Answers,
    *,
    locale: str = "",
    product: str | None = None,
    why: str = "",
) -> Tried:
    """Evaluate answers in a draft. Raises Refused.

    ``product``: SKU of the product in view; ``why``: SKU of the product to explain.
    """
    locale = negotiate_locale(loaded.engine.rules.pack, locale)
    engine = loaded.localized(locale)
    found = evaluate(engine.rules, engine.catalog, answers)
    setting = result_setting(services, loaded, locale)
    in_view = product if product in engine.rules.place else None
    result = build_result(found, setting, engine.highest, in_view=in_view)
    return Tried(result, trace(found), why_not(found, why) if why else None)


def sample_answers(loaded: LoadedQuiz) -> dict[str, dict[str, list[str]]]:
    """Return sample answers for each outcome of the draft, to preview emails with."""
    if not loaded.samples:
        rules, catalog = loaded.engine.rules, loaded.engine.catalog
        found: dict[str, dict[str, list[str]]] = {}
        for answers in pair_answers(rules).answers:
            found.setdefault(evaluate(rules, catalog, answers).outcome, answers)
        loaded.samples.update(found)
    return loaded.samples


def preview_email(
    services: Services, loaded: LoadedQuiz, email: str, *, outcome: str = "products", sku: str = "", locale: str = ""
) -> tuple[Written, EmailFrame, str]:
    """Return (email, frame, reason why it would not be sent, or "").

    Raises NoContent, CannotWrite, TooLarge.
    """
    pack = loaded.engine.rules.pack
    use = next(((s, step) for s in pack.sequences for step in s.steps if step.email == email), None)
    ordered = use is None or use[0].trigger.startswith("order.")
    kind = use[0].kind if use else TRANSACTIONAL
    products = loaded.engine.rules.products
    sku = sku if sku in loaded.engine.rules.place else products[0].sku if products else ""
    order = Order(number="1042", lines=[{"sku": sku, "quantity": 1}], accepts_marketing=True) if ordered else None
    row = Email(
        id=0,
        contact_id=0,
        order_id=0 if ordered else None,
        quiz=loaded.quiz,
        version=loaded.version,
        template=email,
        kind=kind,
        locale=locale,
        result_code="" if ordered else "preview",
    )
    answers = sample_answers(loaded).get(outcome)
    written, frame = compose_email(services, loaded, row, order, answers if ordered else None)
    stopped = outcome in ENDS_EARLY and ordered
    message = "These answers are a red flag, so this email would not be sent." if stopped else ""
    return written, frame, message


def send_preview(services: Services, *, shop: Shop, written: Written, to: User) -> None:
    """Queue a preview, marked as a test, to the user ``to``."""
    marked = replace(written, subject=f"[Test] {written.subject}")
    with services.sessions.begin() as session:
        queue_message(services, session, shop, marked, recipient=to.email, kind=TEST, about=to.id)
