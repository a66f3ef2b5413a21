"""What codes mean in words, and how much of an address is shown."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from widget.domain.email import (
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

_ADDRESS = re.compile(r"([^\s@\"'<>(),:;\[\]{}\\/=]+)@([^\s@\"'<>(),;\[\]{}\\/=]+)")
STATES = {
    PLANNED: ("planned", "clock", ""),
    QUEUED: ("about to go", "clock", ""),
    SENDING: ("on its way", "email", ""),
    SENT: ("sent", "ok", "good"),
    DELIVERED: ("delivered", "ok", "good"),
    SKIPPED: ("not sent", "minus", ""),
    EXPIRED: ("too late", "minus", ""),
    DELIVERY_UNKNOWN: ("delivery_unknown", "warning", "warn"),
    FAILED: ("failed", "error", "bad"),
    BOUNCED: ("came back", "error", "bad"),
    COMPLAINED: ("called spam", "error", "bad"),
}
"""By the state of an email: (word, icon, class of the color)."""
OUTCOMES = (
    ("products", "Products"),
    ("tips_only", "Tips only"),
    ("see_doctor", "See a doctor"),
    ("emergency", "Emergency"),
)
REASONS = {
    "planned": "planned when the order came in",
    "all_checks_passed": "every check passed",
    "accepted_by_provider": "the mail server took it",
    "sent again by hand": "sent again by hand",
    "erased": "the person had everything deleted",
    "unsubscribed": "the person unsubscribed",
    "no_consent": "no consent to emails like this",
    "test_order": "a test order: no email follows one",
    "order_cancelled": "the order was cancelled",
    "order_refunded": "the order was refunded",
    "not_eligible": "the answers named a warning sign: no product email",
    "felt_worse": "the person said that it feels worse",
    "product_blocked": "the product is blocked or gone",
    "condition": "its condition does not hold",
    "too_late_to_be_of_use": "too late to be of use",
    "shop_paused": "all emails of this shop are paused",
    "product_returned": "what was bought came back",
    "reordered": "it was bought again since",
    "out_of_stock": "it cannot be bought today",
    "reported by the provider": "the email provider said so",
    "bounced": "the address does not exist",
    "complained": "the person called an email spam",
    "unreachable": "three of the last five emails came back",
    "one_email_at_a_time": "the person had another email within 20 hours",
    "frequency_cap": "the person had as many marketing emails in 30 days as the consent text allows",
    "quiet_hours": "quiet hours",
    "daily_limit": "as many emails went that day as the shop allows",
}
KINDS: dict[str, tuple[str, ...]] = {
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
    "Emails and orders": ("email_sent_again", "webhook_replayed"),
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
"""Kinds of entries of the log, each with its codes."""
ENTRIES = {
    "store_connected": "changed a connection",
    "store_disconnected": "took a connection off",
    "store_uninstalled": "took our application off: emails are paused",
    "privacy_copy_taken": "downloaded the copy of a data request",
    "signed_in": "signed in",
    "sign_in_refused": "was refused at sign-in",
    "signed_out": "signed out",
    "signed_out_by": "signed somebody out everywhere",
    "password_chosen": "chose a password by a one-time link",
    "password_changed": "changed their password",
    "codes_on": "turned one-time codes on",
    "codes_off": "turned one-time codes off",
    "user_added": "added somebody",
    "user_removed": "removed somebody",
    "role_changed": "changed a role",
    "user_disabled": "disabled somebody",
    "user_enabled": "enabled somebody again",
    "invitation_queued": "queued an invitation",
    "invitation_accepted": "accepted an invitation",
    "fresh_link_queued": "queued a fresh link",
    "link_handed_over": "showed a link to pass on",
    "privacy_request_waits": "asked for data to be deleted: it waits for two days",
    "privacy_request_carried_out": "had a privacy request carried out at once",
    "privacy_request_cancelled": "cancelled a privacy request",
    "draft_changed": "changed the draft",
    "draft_reset": "started the draft over",
    "published": "published",
    "rolled_back": "went back to an earlier version",
    "publish_scheduled": "scheduled a publish, or asked for one",
    "publish_dropped": "dropped a scheduled publish",
    "publish_failed": "a scheduled publish failed",
    "email_sent_again": "had an email sent again",
    "webhook_replayed": "replayed a delivery",
    "settings_changed": "changed settings",
    "secret_rotated": "rotated the webhook secret",
    "product_blocked": "blocked a product",
    "product_unblocked": "unblocked a product",
    "feed_changed": "changed where the product feed is",
    "feed_imported": "imported a product feed",
    "feed_refused": "imported nothing from a product feed",
}


def masked(text: str) -> str:
    """Every address in a text with only the first character of its name: r…@shop.example."""
    return _ADDRESS.sub(lambda found: f"{found[1][0]}…@{found[2]}", text)


def moment(at: datetime | None, zone: str = "UTC") -> str:
    """A moment as the shop's own clocks show it; the year only where there is doubt is left to the title."""
    return local(at, zone).strftime("%-d %b %Y, %H:%M") if at else ""


def day_and_time(at: datetime, zone: str = "UTC") -> str:
    return local(at, zone).strftime("%-d %b, %H:%M")


def local(at: datetime, zone: str) -> datetime:
    try:
        return at.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        return at


def reason(code: str) -> str:
    """Why an email is where it is; what comes before a colon (deferred, later …) stays in front."""
    if code in REASONS:
        return REASONS[code]
    start, colon, rest = code.partition(": ")
    message = REASONS.get(rest, rest).replace("_", " ")
    return f"{start.replace('_', ' ')}: {message}" if colon else masked(start.replace("_", " "))


def entry(code: str) -> str:
    """What an entry of the log says, in words."""
    return ENTRIES.get(code, code.replace("_", " "))


FILTERS = {"masked": masked, "moment": moment, "day_and_time": day_and_time, "reason": reason, "entry": entry}
