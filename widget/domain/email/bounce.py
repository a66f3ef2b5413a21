"""What a bounce is about: the address, the mailbox, the sender's standing, the content, or a passing fault.

Only a bounce about the address says that nobody can be reached there. Sources: RFC 3463 and the IANA registry "SMTP
Enhanced Status Codes" for the codes; for replies with a generic code or none, the words that mail servers use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from widget.domain.email.bounce_category import (
    ADDRESS,
    CAUSES,
    CONTENT,
    MAILBOX,
    MEMBERS_ONLY,
    NO_MAIL_THERE,
    PATTERNS,
    POLICY,
    SENDER_WORDS,
    TRANSIENT,
)
from widget.domain.email.email_event import BLOCKED, HARD_BOUNCE, SOFT_BOUNCE

MAX_TEXT = 1000
"""Characters of a reply that are read: a reply has one line or a few, and the patterns take quadratic time."""
EVENT_OF = {
    ADDRESS: HARD_BOUNCE,
    MAILBOX: SOFT_BOUNCE,
    TRANSIENT: SOFT_BOUNCE,
    POLICY: BLOCKED,
    CONTENT: BLOCKED,
}
"""The email event that each category leads to."""
_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_REFUSED = re.compile(r"(?<![\d.])5\d\d(?![\d.])")
_BY_CODE = {
    "1.1": ADDRESS, "1.2": ADDRESS, "1.3": ADDRESS, "1.4": ADDRESS, "1.6": ADDRESS, "1.10": ADDRESS,
    "1.7": POLICY, "1.8": POLICY, "1.9": POLICY,
    "2.1": ADDRESS, "2.2": MAILBOX, "2.3": CONTENT, "2.4": MAILBOX,
    "3.4": CONTENT,
    "4.6": MAILBOX,
    "7.13": ADDRESS, "7.17": ADDRESS,
}  # fmt: skip
_BY_SUBJECT = {"3": TRANSIENT, "4": TRANSIENT, "6": CONTENT, "7": POLICY}
"""By the second digit of the code, where the whole code is not listed."""
_CAUSE_BY_CODE = {
    "1.7": "sender", "1.8": "sender", "7.20": "dkim", "7.21": "dkim", "7.22": "dkim", "7.23": "spf", "7.24": "spf",
    "7.25": "reverse_dns", "7.26": "dmarc", "7.27": "sender", "2.3": "size", "3.4": "size",
}  # fmt: skip
"""RFC 7372 and RFC 7504; 7.26, several failed checks, is what Gmail answers when DMARC fails."""
DOMAIN_CHECKS = ("dmarc", "spf", "dkim")
_UNCLEAR = {"0.0", "1.0", "2.0", "2.1", "3.0", "4.0", "4.1", "4.4", "5.0", "5.1", "5.4", "6.0", "7.0", "7.1"}
"""Codes that servers use for anything: the text decides first."""


@dataclass(frozen=True, slots=True)
class Bounce:
    """A failed delivery. ``cause``: what a refusal (policy or content) names, such as ``dmarc``; else empty."""

    category: str
    cause: str = ""

    @property
    def event(self) -> str:
        """The kind of email event that follows."""
        return EVENT_OF[self.category]


def classify_bounce(status: str, *texts: str) -> Bounce:
    """Return what a failed delivery is about.

    ``status``: the Status field of a report, such as ``5.1.1``; ``texts``: the reply of the mail server, such as
    ``550 5.1.1 no such user``, and what else explains it, the most specific first. An enhanced code in a text is more
    specific than a generic status. A failure that nothing explains counts as transient, so that it suppresses nobody
    on its own.
    """
    status = status[:MAX_TEXT]
    for text in texts:
        found = _classify(status, " ".join(text[:MAX_TEXT].split()))
        if found is not None:
            return found
    return _classify(status, "") or Bounce(TRANSIENT)


def provider_bounce(text: str, *, permanent: bool) -> Bounce:
    """Return what a bounce is about that an email provider reports as permanent or not, with the server's reply.

    A refusal of the sender or the content is one in either case; an address is only gone if the provider says
    permanent.
    """
    found = _classify("", " ".join(text[:MAX_TEXT].split()))
    if found is None or (found.category == TRANSIENT and permanent):
        return Bounce(ADDRESS if permanent else TRANSIENT)
    return Bounce(TRANSIENT) if found.category == ADDRESS and not permanent else found


def refusal_of(reply: str, *, of_sender: bool) -> Bounce:
    """Return what the reply of an email server is about that refused an email while it was handed over.

    ``of_sender``: it refused the sender's address, before it knew the recipient.
    """
    found = _classify("", " ".join(reply[:MAX_TEXT].split())) or Bounce(TRANSIENT)
    if of_sender and found.category not in (POLICY, CONTENT):
        return Bounce(POLICY, "sender")
    return found


def _classify(status: str, text: str) -> Bounce | None:
    """Return what a status and a text tell; None if nothing."""
    code = _code(status, text)
    category = _category(code, text)
    if category in (POLICY, CONTENT):
        return Bounce(category, _cause(code, text))
    return Bounce(category) if category else None


def _category(code: tuple[str, str] | None, text: str) -> str | None:
    if MEMBERS_ONLY.search(text):
        return POLICY
    if NO_MAIL_THERE.search(text):
        return ADDRESS
    if code is not None and code[0] == "4" and not (code[1] == "0.0" and _REFUSED.search(text)):
        return MAILBOX if PATTERNS[MAILBOX].search(text) else TRANSIENT
    detail = code[1] if code is not None else "0.0"
    if detail in _UNCLEAR:
        return _by_text(text) or _BY_CODE.get(detail) or _BY_SUBJECT.get(detail[0])
    if _BY_CODE.get(detail) == ADDRESS and (PATTERNS[MAILBOX].search(text) or SENDER_WORDS.search(text)):
        return _by_text(text)
    return _BY_CODE.get(detail) or _BY_SUBJECT.get(detail.partition(".")[0]) or _by_text(text)


def _code(status: str, text: str) -> tuple[str, str] | None:
    """Return (class, detail) of the most specific enhanced code: ``("5", "1.1")``; None if there is none."""
    found = [
        (match[1], f"{match[2]}.{match[3]}") for match in _ENHANCED.finditer(f"{status} {text}") if match[1] != "2"
    ]
    precise = [code for code in found if code[1] != "0.0"]
    return next(iter(precise or found), None)


def _by_text(text: str) -> str | None:
    return next((category for category, pattern in PATTERNS.items() if pattern.search(text)), None)


def _cause(code: tuple[str, str] | None, text: str) -> str:
    """Return what a refusal names: a check of the sender's domain by name, then by code, then other words."""
    by_code = _CAUSE_BY_CODE.get(code[1] if code else "")
    named = [cause for cause, pattern in CAUSES.items() if pattern.search(text)]
    checks = [cause for cause in named if cause in DOMAIN_CHECKS]
    return next(iter([*checks, *filter(None, [by_code]), *named]), "other")
