"""Bounces written for people only: the plain-text forms of qmail, Exim, Gmail, Yahoo, Exchange, and others.

They name the failed address and the mail server's reply somewhere above a copy of the original message. Sources: the
formats of public bounce samples, and qmail's QSBMF (D. J. Bernstein, "The qmail-send Bounce Message Format").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses

import nh3

from widget.domain.email.bounce_category import any_of

MAX_TEXT = 32 * 1024
"""Characters of the text that are read; the failure is at its beginning."""
MAX_LINE, MAX_FAILURES, MAX_LINES_EACH = 1000, 50, 25
_SYSTEM = any_of(
    r"mailer[-_ ]?daemon",
    r"post[-_]?master",
    r"mdaemon",
    r"mail(er)?[-_ ]?(delivery|admin|system|robot|service)",
    r"system admin",
    r"internet mail",
    r"mail delivery",
    r"exchange",
    r"bounce",
)
_SUBJECT = any_of(
    r"undeliver",
    r"not deliver",
    r"returned? mail",
    r"failure",
    r"delivery (status|notification|error|problem|report|failed)",
    r"failed",
    r"could ?n[o’']t be",
    r"returned to sender",
    r"non[- ]?deliver",
    r"mail (error|system error)",
    r"unable to deliver",
    r"delivery unsuccessful",
    r"unbekannt",
    r"nicht zustell",
    r"エラー",
)
_FAILURE = any_of(
    r"n[o’']t be (immediately )?(delivered|sent|transmitted|processed)",
    r"unable to (\w+ )?(deliver|send)",
    r"undeliver",
    r"n[o’']t (\w+ )?(deliver|reach|receive|delivered)",
    r"deliver\w* .{0,60}(fail|problem|error|abort)",
    r"(fail|error)\w* .{0,60}deliver",
    r"returned",
    r"rejected",
    r"reject",
    r"refused",
    r"bounced?",
    r"(?<![\d.])[45]\d\d[ -]",
    r"(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.])",
    r"permanent (fatal )?error",
    r"given up",
    r"giving up",
    r"n[o’']t (be )?accept",
    r"failed recipient",
    r"unknown",
    r"invalid",
    r"non zust",
    r"nicht .{0,40}(zustell|zugestellt)",
    r"pas (pu )?.{0,10}(d[eé]livr|remis)",
    r"配信",
    r"送信",
    r"delayed",
)
_LEAD = any_of(
    r"did not reach the following recipient\S*",
    r"failed recipients?:",
)
_PHRASES = any_of(
    r"this is a permanent error\W*(i[’']ve given up\W*)?(sorry it did ?n[’']t work out\W*)?",
    r"the following addresses failed",
    r"the following address\(es\) failed",
    r"address(es)? had (permanent|transient)[^\n]{0,40}",
    r"message header",
    r"error detail",
)
_WARNING_ONLY = any_of(
    r"warning message only",
    r"not need to re-?send",
    r"will be retried for",
)
_WARNING = any_of(
    r"warning",
    r"\(delay\)",
    r"delayed",
    r"not yet been delivered",
)
_AUTO_REPLY = any_of(
    r"out of (the )?office",
    r"auto(matic|mated)?[- _]?(reply|response|antwort)",
    r"^\W*auto:",
    r"vacation",
    r"abwesen",
    r"absen[ct]",
)
_NOT_FINAL = any_of(
    r"will (be )?(retr|continue|keep|re-?attempt|try)",
    r"warning message only",
    r"not need to re-?send",
    r"delayed",
    r"still (being retried|trying)",
    r"not yet been delivered",
    r"temporar\w+ (undeliver|problem)",
    r"no action is required",
)
_FINAL = any_of(
    r"permanent",
    r"given up",
    r"giving up",
    r"could not be delivered",
    r"fatal",
    r"returned to (the )?sender",
)
_ORIGINAL = any_of(
    r"[-=*_ ]{2,}.{0,60}(cop(y|ies)|original|returned|headers?|unsent|undelivered message|message text) ?.{0,60}$",
    r"(the )?(original|returned|received|unsent|undelivered) (message|mail)( headers?)?.{0,20}(follow|attached|:|$)",
    r"message (header|text|body)s? (follow|:)",
    r"(a )?copy of (the|your) (original )?message",
    r"(received|return-path|dkim-signature|x-mailer|mime-version|message-id): ",
)
_ADDRESS = re.compile(r"[\w.!#$%&'*+/?^{|}~-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}", re.IGNORECASE)
_REPLY = any_of(
    r"(?<![\d.])[45]\d\d[ -]",
    r"(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.])",
    r"reason",
    r"diagnostic",
    r"error",
)
_MESSAGE_ID = re.compile(
    r"^\s*>?\s*(?:message-id|x-recovery-email-id):\s*(<[^<>\s]{3,900}>)", re.IGNORECASE | re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class PlainFailure:
    """A failed address (empty if the message names none), and the text that says why."""

    email: str
    texts: tuple[str, ...]


def looks_like_bounce(message: Message, text: str) -> bool:
    """Return whether a mail system wrote the message, about a delivery that failed or is delayed."""
    if message.get("X-Failed-Recipients"):
        return True
    subject = _subject(message)
    if _AUTO_REPLY.search(subject):
        return False
    by_system = bool(_SYSTEM.search(str(message.get("From", ""))[:MAX_LINE])) or (
        str(message.get("Return-Path", "?")).strip() in ("<>", "")
    )
    about_failure = bool(_SUBJECT.search(subject))
    if by_system and about_failure and _ADDRESS.search(text[:MAX_TEXT]):
        return True
    return (by_system or about_failure) and bool(_FAILURE.search(" ".join(text[:MAX_TEXT].split())))


def plain_failures(message: Message, text: str) -> tuple[list[PlainFailure], bool]:
    """Return (the failures that a message's text names, whether they are final).

    A text without any word about a failure gives none.
    """
    report = _before_original(text[:MAX_TEXT])
    if _is_warning(_subject(message), report):
        return [], False
    listed = getaddresses([str(message.get("X-Failed-Recipients", ""))[:MAX_LINE]])
    emails = [email for _, email in listed if "@" in email] or list(_addresses(report, _own(message)))
    if not emails and not _SUBJECT.search(_subject(message)):
        return [], True
    report = _after_lead(report)
    if len(emails) <= 1:
        return [PlainFailure(email, (reason_in(report), report)) for email in emails or [""]], True
    near = ((email, _near(report, email, emails)) for email in emails[:MAX_FAILURES])
    return [PlainFailure(email, (reason_in(text), text)) for email, text in near], True


def _is_warning(subject: str, report: str) -> bool:
    """Return whether the server is still trying."""
    if _WARNING_ONLY.search(report):
        return True
    return bool(_NOT_FINAL.search(report) or _WARNING.search(subject)) and not _FINAL.search(report)


def _subject(message: Message) -> str:
    return str(make_header(decode_header(str(message.get("Subject", ""))[:MAX_LINE])))


def readable_text(message: Message) -> str:
    """Return the text that a part contains for people, from HTML if need be."""
    payload = message.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    charset = message.get_content_charset("utf-8")
    try:
        text = payload[: MAX_TEXT * 4].decode(charset, "replace")
    except LookupError:
        text = payload[: MAX_TEXT * 4].decode("utf-8", "replace")
    if message.get_content_type() == "text/html":
        text = nh3.clean(re.sub(r"<(br|/p|/div|/tr|/li)\b[^>]{0,200}>", "\n", text), tags=set())
        text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").replace("&nbsp;", " ")
    return text


def original_id_in(text: str) -> str:
    """Return the Message-ID among the headers of the original message that a text repeats, or an empty string."""
    found = _MESSAGE_ID.search(text)
    return found[1] if found else ""


def _before_original(text: str) -> str:
    """Return the part of a text above the copy of the original message."""
    lines = [line[:MAX_LINE] for line in text.splitlines()]
    for place, line in enumerate(lines):
        if place and _ORIGINAL.match(line.strip()) and _ADDRESS.search("\n".join(lines[:place])):
            return "\n".join(lines[:place])
    return "\n".join(lines)


def _after_lead(text: str) -> str:
    """Return the part of a text after the sentence that leads to the failures, if there is one, without set phrases."""
    lead = _LEAD.search(text)
    return _PHRASES.sub(" ", text[lead.end() :] if lead and text[lead.end() :].strip() else text)


def _own(message: Message) -> set[str]:
    """Return the addresses that are part of the bounce itself, in lower case: never a failed recipient."""
    headers = [str(message.get(name, ""))[:MAX_LINE] for name in ("From", "To", "Reply-To", "Return-Path", "Sender")]
    return {email.lower() for _, email in getaddresses(headers) if email}


def _addresses(text: str, own: set[str]) -> Iterator[str]:
    seen = set()
    for found in _ADDRESS.finditer(text):
        email = found[0].strip("'.").lower()
        if email not in own and email not in seen and not _SYSTEM.match(email):
            seen.add(email)
            yield email


def _near(text: str, email: str, emails: list[str]) -> str:
    """Return the lines about an address: from its last mention on, until another one is named."""
    lines, others = text.splitlines(), [other for other in emails if other != email]
    found: list[str] = []
    for place, line in enumerate(lines):
        if email in line.lower():
            mine = [line]
            for following in lines[place + 1 : place + MAX_LINES_EACH]:
                if any(other in following.lower() for other in others):
                    break
                mine.append(following)
            found += mine
    return "\n".join(found)


def reason_in(text: str) -> str:
    """Return the lines with a reply of a mail server, with the lines that continue them; the whole text without any."""
    lines = text.splitlines()
    places = [place for place, line in enumerate(lines) if _REPLY.search(line)]
    chosen = sorted({near for place in places for near in (place, place + 1, place + 2) if near < len(lines)})
    return "\n".join(lines[place] for place in chosen) or text
