"""What a bounce is about: the address, the mailbox, the sender's policy standing, the content, or a passing fault.

Only a bounce about the address says that nobody can be reached there. Sources: RFC 3463 and the IANA registry "SMTP
Enhanced Status Codes" for the codes; for replies with a generic code or none, the words that mail servers use.
"""

from __future__ import annotations

import re

from widget.domain.email.email_event import BLOCKED, HARD_BOUNCE, SOFT_BOUNCE

ADDRESS, MAILBOX, POLICY, CONTENT, TRANSIENT = "address", "mailbox", "policy", "content", "transient"
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
_UNCLEAR = {"0.0", "1.0", "2.0", "3.0", "4.0", "4.1", "4.4", "5.0", "5.1", "5.4", "6.0", "7.0", "7.1"}
"""Codes that servers use for anything: the text decides first."""
_BY_TEXT = (
    (
        MAILBOX,
        (
            r"over ?quota|quota (is )?exceeded|out of storage|insufficient (system )?storage",
            r"(mail)?box (is )?full",
        ),
    ),
    (
        ADDRESS,
        (
            r"(user|recipient|mailbox|account|address|alias)\S* (is )?(unknown|invalid|not found|unavailable)",
            r"(user|recipient|mailbox|account|address|alias)\S* (is )?(disabled|inactive|no longer)",
            r"(does not|doesn[’']t|not) exist|no mailbox here|not a (known|valid) (user|recipient)",
            r"(unknown|invalid|no such|bad|nonexistent) (\w+ )?(user|recipient|mailbox|account|address|domain|local)",
            r"unrouteable|unroutable|account has been (disabled|closed|terminated)|recipient address rejected",
            r"(host|domain)( name)? (\S+ )?(not found|unknown)|name or service not known",
        ),
    ),
    (
        POLICY,
        (
            r"dmarc|\bspf\b|dkim|spam|block(ed|list)|black ?list|reputation|policy|not (allowed|authori[sz]ed)",
            r"denied|authentica|rate limit|too many|reverse dns|\bptr\b|abuse|unsolicited|rejected due to|banned",
        ),
    ),
    (
        CONTENT,
        (r"virus|malware|attachment|(message|size) (is )?too (large|big)|exceeds .{0,20}size|header|malformed",),
    ),
    (
        TRANSIENT,
        (r"tim(ed?|e) ?out|expired|gave up|try again|temporar|greylist|connection|retry|not respond|loop",),
    ),
)
_PATTERNS = tuple((category, re.compile("|".join(patterns), re.IGNORECASE)) for category, patterns in _BY_TEXT)


def bounce_category(status: str, text: str) -> str:
    """Return the category of a failed delivery.

    ``status``: the Status field of a report, such as ``5.1.1``; ``text``: the reply of the mail server, such as
    ``550 5.1.1 no such user``. An enhanced code in the text is more specific than a generic status. A failure that
    nothing explains counts as transient, so that it suppresses nobody on its own.
    """
    status, text = status[:MAX_TEXT], text[:MAX_TEXT]
    code = _code(status, text)
    if code is not None and code[0] == "4":
        return _by_text(text, only=(MAILBOX,)) or TRANSIENT
    detail = code[1] if code is not None else "0.0"
    if detail in _UNCLEAR:
        return _by_text(text) or _BY_CODE.get(detail) or _BY_SUBJECT.get(detail[0], TRANSIENT)
    return _BY_CODE.get(detail) or _BY_SUBJECT.get(detail.partition(".")[0]) or _by_text(text) or TRANSIENT


def _code(status: str, text: str) -> tuple[str, str] | None:
    """Return (class, detail) of the most specific enhanced code: ``("5", "1.1")``; None if there is none."""
    found = [
        (match[1], f"{match[2]}.{match[3]}") for match in _ENHANCED.finditer(f"{status} {text}") if match[1] != "2"
    ]
    precise = [code for code in found if code[1] != "0.0"]
    return next(iter(precise or found), None)


def _by_text(text: str, *, only: tuple[str, ...] = ()) -> str | None:
    for category, pattern in _PATTERNS:
        if (not only or category in only) and pattern.search(text):
            return category
    return None
