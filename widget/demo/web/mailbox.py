"""Pages of the local mailbox: caught emails as HTML and text, and the movable clock."""

from __future__ import annotations

import email
import mailbox
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

from flask import Blueprint, Response, abort, redirect, render_template
from werkzeug.wrappers import Response as AnyResponse

from widget.demo.move_clock import move_to_next_email, waiting_emails
from widget.web.requests import current_services

blueprint = Blueprint("mailbox", __name__, url_prefix="/mailbox", template_folder="templates")
_KEY = re.compile(r"[A-Za-z0-9._=,:-]{1,200}")
EMAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' https: http://127.0.0.1:* http://localhost:*; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'; sandbox allow-popups allow-same-origin "
    "allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
)


@dataclass(frozen=True, slots=True)
class Caught:
    """A caught email with the headers shown in the list."""

    key: str
    subject: str
    sender: str
    recipient: str
    date: datetime
    message: EmailMessage


@blueprint.get("/")
def listing() -> str:
    services = current_services()
    return render_template(
        "mailbox.html",
        emails=_all(),
        waiting=waiting_emails(services),
        now=services.now(),
        ahead=services.clock.ahead,
    )


@blueprint.post("/clock")
def move_clock() -> AnyResponse:
    move_to_next_email(current_services())
    return redirect("/mailbox/", 303)


@blueprint.get("/<key>")
def show(key: str) -> str:
    return render_template("email.html", email=_one(key), text=_part(_one(key), "plain"), headers=_headers(_one(key)))


@blueprint.get("/<key>/html")
def html(key: str) -> Response:
    """Return the HTML part, for display in a frame. Emails use inline styles; scripts are disabled."""
    body = _part(_one(key), "html").replace("<head>", '<head><base target="_top">', 1)
    headers = {"Content-Security-Policy": EMAIL_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return Response(body, mimetype="text/html", headers=headers)


def _box() -> mailbox.Maildir:
    return mailbox.Maildir(current_services().settings.mailbox, create=True)


def _all() -> list[Caught]:
    box = _box()
    emails = [_caught(key, box.get_bytes(key)) for key in box.keys()]  # noqa: SIM118  # A Maildir is not a dict.
    return sorted(emails, key=lambda email: email.date, reverse=True)


def _one(key: str) -> Caught:
    box = _box()
    if not _KEY.fullmatch(key) or key not in box:
        abort(404)
    return _caught(key, box.get_bytes(key))


def _caught(key: str, raw: bytes) -> Caught:
    message = email.message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    date = _date(message)
    return Caught(key, str(message["Subject"]), str(message["From"]), str(message["To"]), date, message)


def _date(message: EmailMessage) -> datetime:
    """Return the date of a message; the start of 1970 where it has none that can be read."""
    try:
        date = parsedate_to_datetime(str(message["Date"]))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)
    return date if date.tzinfo else date.replace(tzinfo=UTC)  # "-0000" is UTC of an unknown zone (RFC 5322, 3.3).


def _part(email: Caught, kind: str) -> str:
    part = email.message.get_body((kind,))
    return str(part.get_content()) if part else ""


def _headers(email: Caught) -> list[tuple[str, str]]:
    names = ("From", "To", "Date", "Message-ID", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post")
    return [(name, str(email.message[name])) for name in names if email.message[name]]
