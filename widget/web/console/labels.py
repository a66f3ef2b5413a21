"""Labels for codes, masked addresses, and US date formats."""

from __future__ import annotations

import re

from widget.domain.email.sequence import (
    BOUNCED,
    COMPLAINED,
    DELIVERED,
    DELIVERY_UNKNOWN,
    EXPIRED,
    FAILED,
    PLANNED,
    QUEUED,
    SENDING,
    SENT,
    SKIPPED,
)
from widget.i18n.times import day_and_time, moment

_ADDRESS = re.compile(r"([^\s@\"'<>(),:;\[\]{}\\/=]+)@([^\s@\"'<>(),;\[\]{}\\/=]+)")
STATES = {
    PLANNED: ("planned", "clock", ""),
    QUEUED: ("queued", "clock", ""),
    SENDING: ("sending", "email", ""),
    SENT: ("sent", "ok", "good"),
    DELIVERED: ("delivered", "ok", "good"),
    SKIPPED: ("skipped", "minus", ""),
    EXPIRED: ("expired", "minus", ""),
    DELIVERY_UNKNOWN: ("delivery unknown", "warning", "warn"),
    FAILED: ("failed", "error", "bad"),
    BOUNCED: ("bounced", "error", "bad"),
    COMPLAINED: ("marked as spam", "error", "bad"),
}
"""(label, icon, color class) by the state of an email."""
OUTCOMES = (
    ("products", "Products"),
    ("tips_only", "Tips only"),
    ("see_doctor", "See a doctor"),
    ("emergency", "Emergency"),
)
REASONS = {
    "planned": "planned when the order was received",
    "all_checks_passed": "all checks passed",
    "accepted_by_provider": "accepted by the mail server",
    "sent again by hand": "resent manually",
    "erased": "the recipient's data was erased",
    "unsubscribed": "the recipient unsubscribed",
    "no_consent": "no consent to emails like this",
    "test_order": "test order",
    "order_cancelled": "the order was canceled",
    "order_refunded": "the order was refunded",
    "not_eligible": "the answers included a warning sign",
    "felt_worse": "the recipient reported feeling worse",
    "product_blocked": "the product is blocked or no longer available",
    "condition": "the condition of the step is not met",
    "too_late_to_be_of_use": "expired before it could be sent",
    "shop_paused": "emails of this shop are paused",
    "product_returned": "the product was returned",
    "reordered": "the product was reordered",
    "out_of_stock": "the product is out of stock",
    "reported by the provider": "reported by the email provider",
    "bounced": "the address does not exist",
    "hard_bounce": "the address does not exist",
    "blocked": "the receiving server refused it, because of the sender or the content",
    "complaint": "the recipient marked it as spam",
    "delivered": "delivered",
    "complained": "the recipient marked an email as spam",
    "unreachable": "three of the last five emails bounced",
    "one_email_at_a_time": "another email was sent within the last 20 hours",
    "frequency_cap": "frequency cap: the recipient got the maximum number of marketing emails for 30 days",
    "quiet_hours": "quiet hours",
    "daily_limit": "daily sending limit reached",
}
ACTION_GROUPS: dict[str, tuple[str, ...]] = {
    "Sign-in": ("signed_in", "sign_in_refused", "signed_out", "signed_out_by", "password_chosen", "password_changed"),
    "One-time codes": ("codes_on", "codes_off"),
    "Team": (
        "user_added",
        "user_removed",
        "role_changed",
        "user_disabled",
        "user_enabled",
        "invitation_queued",
        "invitation_accepted",
        "fresh_link_queued",
        "link_handed_over",
    ),
    "Drafts": ("draft_changed", "draft_reset"),
    "Publishing": ("published", "rolled_back", "publish_scheduled", "publish_dropped", "publish_failed"),
    "Emails and orders": ("email_sent_again", "suppression_lifted", "webhook_replayed"),
    "Store and provider": (
        "store_connected",
        "store_disconnected",
        "store_uninstalled",
        "privacy_copy_taken",
        "privacy_request_waits",
        "privacy_request_carried_out",
        "privacy_request_cancelled",
    ),
    "Settings": ("settings_changed", "secret_rotated", "product_blocked", "product_unblocked"),
    "Product feed": ("feed_changed", "feed_imported", "feed_refused"),
}
"""Kinds of entries in the audit log, each with its action codes."""
ENTRIES = {
    "store_connected": "changed a connection",
    "store_disconnected": "removed a connection",
    "store_uninstalled": "uninstalled the app: emails are paused",
    "privacy_copy_taken": "downloaded the copy of a data request",
    "signed_in": "signed in",
    "sign_in_refused": "failed to sign in",
    "signed_out": "signed out",
    "signed_out_by": "signed a user out everywhere",
    "password_chosen": "set a password with a one-time link",
    "password_changed": "changed their password",
    "codes_on": "turned one-time codes on",
    "codes_off": "turned one-time codes off",
    "user_added": "added a user",
    "user_removed": "removed a user",
    "role_changed": "changed a role",
    "user_disabled": "disabled a user",
    "user_enabled": "enabled a user",
    "invitation_queued": "queued an invitation",
    "invitation_accepted": "accepted an invitation",
    "fresh_link_queued": "queued a new link",
    "link_handed_over": "displayed a one-time link",
    "privacy_request_waits": "requested a data deletion, scheduled in two days",
    "privacy_request_carried_out": "ran a privacy request immediately",
    "privacy_request_cancelled": "canceled a privacy request",
    "draft_changed": "changed the draft",
    "draft_reset": "reset the draft",
    "published": "published",
    "rolled_back": "rolled back to an earlier version",
    "publish_scheduled": "scheduled or requested a publish",
    "publish_dropped": "canceled a scheduled publish",
    "publish_failed": "a scheduled publish failed",
    "email_sent_again": "resent an email",
    "suppression_lifted": "lifted the suppression of an address",
    "webhook_replayed": "replayed a webhook delivery",
    "settings_changed": "changed settings",
    "secret_rotated": "rotated the webhook secret",
    "product_blocked": "blocked a product",
    "product_unblocked": "unblocked a product",
    "feed_changed": "changed the product feed",
    "feed_imported": "imported a product feed",
    "feed_refused": "rejected a product feed",
}


def masked(text: str) -> str:
    """Mask each email address in a text after the first character: r…@shop.example."""
    return _ADDRESS.sub(lambda found: f"{found[1][0]}…@{found[2]}", text)


def reason(code: str) -> str:
    """Return the reason for an email's state in words. A prefix before a colon (deferred, later …) is kept."""
    if code in REASONS:
        return REASONS[code]
    if code.startswith("blocked_"):
        return f"{REASONS['blocked']} ({code.removeprefix('blocked_').replace('_', ' ')})"
    start, colon, rest = code.partition(": ")
    message = REASONS.get(rest, rest).replace("_", " ")
    return f"{start.replace('_', ' ')}: {message}" if colon else masked(start.replace("_", " "))


def entry(code: str) -> str:
    """Return the label of an action code of the audit log."""
    return ENTRIES.get(code, code.replace("_", " "))


FILTERS = {"masked": masked, "moment": moment, "day_and_time": day_and_time, "reason": reason, "entry": entry}
