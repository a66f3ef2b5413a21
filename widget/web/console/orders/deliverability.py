"""Deliverability: refusals by cause with what to do, and suppressed addresses. Addresses are masked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from flask import Blueprint, flash, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.email_events.lift_suppression import lift_suppression
from widget.actions.errors import NotPermitted
from widget.domain.email.email_event import (
    BLOCKED,
    BOUNCED,
    COMPLAINED,
    COMPLAINT,
    DELIVERED,
    HARD_BOUNCE,
    LIFTABLE,
    SOFT_BOUNCE,
    UNREACHABLE,
    UNSUBSCRIBED,
)
from widget.domain.roles import MONEY
from widget.email.message import BadAddress, checked_address
from widget.storage.contacts import Suppression, suppressed, suppression_counts, suppressions_of
from widget.storage.email_events import event_counts, last_email_events, refusals_of
from widget.storage.webhook_deliveries import count_failed
from widget.web.console.guard import me, permitted
from widget.web.console.page_context import render_page, shop_page
from widget.web.numbers import whole_number
from widget.web.requests import current_services

blueprint = Blueprint("deliverability", __name__, url_prefix="/shops/<shop>/orders/deliverability")
A_PAGE = 20
SHOWN_FOR = timedelta(days=30)
EVENTS = (
    (DELIVERED, "Delivered", "as far as the provider reports it"),
    (HARD_BOUNCE, "Address does not exist", "no more emails to it"),
    (SOFT_BOUNCE, "Mailbox full or server not reachable", "three of the last five stop emails for 30 days"),
    (BLOCKED, "Refused because of the sender or the content", "stops nobody"),
    (COMPLAINT, "Marked as spam", "no more emails to the address"),
    (UNSUBSCRIBED, "Unsubscribed at the provider", "no more marketing emails"),
)
"""(kind of email event, label, what follows)."""
SUPPRESSIONS = {
    BOUNCED: "the address does not exist",
    UNREACHABLE: "three of the last five emails bounced",
    COMPLAINED: "the recipient marked an email as spam",
    UNSUBSCRIBED: "the recipient unsubscribed",
    "erased": "the recipient's data was erased",
    "erasure_pending": "the recipient's data is about to be erased",
    "erasure_pending_and_unsubscribed": "the recipient's data is about to be erased",
}
ADVICE = {
    "dmarc": ("DMARC", "Publish SPF and DKIM records for your sending domain, so that a DMARC check passes for it."),
    "spf": ("SPF", "Add your email provider to the SPF record of your sending domain."),
    "dkim": ("DKIM", "Publish the DKIM key of your email provider, or set up signing of your own."),
    "authentication": ("Authentication", "Publish SPF and DKIM records for your sending domain."),
    "reverse_dns": ("Reverse DNS", "Ask your email provider for a reverse DNS record of the sending server."),
    "blocklist": ("Blocklist", "Your email provider's server is on a blocklist: ask the provider to have it removed."),
    "spam": ("Spam filter", "Check the wording of your emails, and how many recipients mark them as spam."),
    "rate": ("Too many emails at once", "Lower the maximum sending rate (MAIL_RATE) or the daily limit of the shop."),
    "tls": ("Encryption", "Ask your email provider to send with TLS."),
    "sender": ("Sender address", "Check that the sender address exists and that its domain receives mail."),
    "relay": ("Relaying", "Check the user name, password, and sender address of your email provider."),
    "size": ("Size", "Use smaller pictures in your emails."),
    "virus": ("Virus scanner", "A receiving server takes a link or picture for dangerous: check them."),
    "attachment": ("Attachment", "A receiving server refuses a picture or attachment: check them."),
    "other": ("Other reasons", "Open one of the emails under Orders, or ask your email provider for its log."),
}
"""Causes of refusals: (label, what to do)."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of an address: its suppression, the kind of its latest email event, or why it cannot be one."""

    suppression: Suppression | None = None
    events: list[str] = field(default_factory=list)
    error: str = ""


def refusals_shown(shop_id: int) -> list[dict[str, object]]:
    """Return the shop's refusals of the last 30 days by cause, with what to do."""
    services = current_services()
    with services.reads() as session:
        found = refusals_of(session, shop_id, services.now() - SHOWN_FOR)
    return [
        {
            "count": refusal.count,
            "label": ADVICE.get(refusal.cause, ADVICE["other"])[0],
            "advice": ADVICE.get(refusal.cause, ADVICE["other"])[1],
            "providers": refusal.providers,
            "last_at": refusal.last_at,
        }
        for refusal in found
    ]


@blueprint.get("")
@permitted(MONEY)
def show(shop: str) -> str:
    """Show what became of the emails of the last 30 days, and the suppressed addresses."""
    return _page(shop)


@blueprint.post("/find")
@permitted(MONEY)
def find(shop: str) -> str:
    """Show whether an address gets emails. The address is sent in the body: it must not stand in a URL."""
    address = request.form.get("address", "").strip()
    try:
        return _page(shop, address, _found(shop, checked_address(address)))
    except BadAddress:
        return _page(shop, address, Found(error="Enter a whole email address, like name@example.com."))


def _found(shop: str, address: str) -> Found:
    page, services = shop_page(shop), current_services()
    address_hash = services.crypto.address_hash(page.shop.slug, address)
    with services.reads() as session:
        row = suppressed(session, page.shop.id, address_hash, services.now())
        return Found(row, last_email_events(session, page.shop.id, address_hash, 1))


def _page(shop: str, address: str = "", found: Found | None = None) -> str:
    page, services = shop_page(shop), current_services()
    now, before = services.now(), whole_number(request.args.get("before", ""))
    reason = request.args.get("reason", "")
    reason = reason if reason in SUPPRESSIONS else ""
    with services.reads() as session:
        counts = event_counts(session, page.shop.id, now - SHOWN_FOR)
        totals = suppression_counts(session, page.shop.id, now)
        rows = suppressions_of(session, page.shop.id, now, reason=reason, before=before, limit=A_PAGE + 1)
        failed = count_failed(session, page.shop.id)
    return render_page(
        "console/orders/deliverability.html",
        page,
        title="Deliverability",
        lead="What became of the emails of the last 30 days, and which addresses get none.",
        section="orders",
        refusals=refusals_shown(page.shop.id),
        events=[(label, counts.get(kind, 0), follows) for kind, label, follows in EVENTS],
        any_event=any(counts.values()),
        rows=rows[:A_PAGE],
        older=rows[A_PAGE - 1][0].id if len(rows) > A_PAGE else None,
        later=before is not None,
        reason=reason,
        totals=totals,
        reasons=SUPPRESSIONS,
        liftable=LIFTABLE,
        failed=failed,
        address=address,
        found=found,
        event_labels={kind: label for kind, label, _ in EVENTS},
    )


@blueprint.post("/<int:suppression>/lift")
@permitted(MONEY)
def lift(shop: str, suppression: int) -> AnyResponse:
    """Lift a suppression, with a reason for the audit log."""
    page = shop_page(shop)
    why = request.form.get("why", "")
    try:
        lift_suppression(current_services(), shop_id=page.shop.id, suppression_id=suppression, why=why, by=me())
        flash("The address can get emails again.", "good")
    except NotPermitted as error:
        flash(str(error), "bad")
    return redirect(f"{page.shop_root}/orders/deliverability", 303)
