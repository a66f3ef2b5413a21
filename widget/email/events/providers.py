"""The supported email providers, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from widget.domain.email.email_event import EmailReport
from widget.domain.orders.webhook import MAX_ID, BadSignature, Unreadable, VerifiedWebhook, digest_id
from widget.email.events import messages, postmark, sendgrid, ses
from widget.email.events.reading import ReportUnreadable

Fetch = Callable[[str], bytes]
"""A function that downloads a URL. Raises OSError or ValueError."""
SES, SENDGRID, POSTMARK, MESSAGE = "ses", "sendgrid", "postmark", "message"


@dataclass(frozen=True, slots=True)
class EmailProvider:
    """Verification and parsing of a provider's webhooks.

    ``known`` of ``verify``: the values configured for this provider (topic, public key, name:password), newest first.
    """

    check: Callable[[Mapping[str, str], bytes, Sequence[str], Fetch | None], str]
    reports: Callable[[bytes], list[EmailReport]]

    def verify(
        self, headers: Mapping[str, str], body: bytes, *, known: Sequence[str], fetch: Fetch | None = None
    ) -> VerifiedWebhook:
        """Return the delivery if the provider sent it. Raises BadSignature."""
        try:
            if not known:
                raise ReportUnreadable("No signing secret is configured for this provider.")
            event_id = self.check(headers, body, known, fetch)
        except ReportUnreadable as error:
            raise BadSignature(str(error)) from error
        return VerifiedWebhook((event_id or digest_id("", body))[:MAX_ID], body)

    def parse(self, body: bytes) -> list[EmailReport]:
        """Return the email events in a body. Raises Unreadable."""
        try:
            return self.reports(body)
        except ReportUnreadable as error:
            raise Unreadable(str(error)) from error


def _ses(headers: Mapping[str, str], body: bytes, known: Sequence[str], fetch: Fetch | None) -> str:
    try:
        return ses.verified(body, topics=known, fetch=fetch)[0]
    except OSError as error:
        raise ReportUnreadable("The certificate cannot be fetched.") from error


def _sendgrid(headers: Mapping[str, str], body: bytes, known: Sequence[str], fetch: Fetch | None) -> str:
    sendgrid.check(headers, body, keys=known)
    return ""


def _postmark(headers: Mapping[str, str], body: bytes, known: Sequence[str], fetch: Fetch | None) -> str:
    postmark.check(headers, known=known)
    return ""


def _nobody(headers: Mapping[str, str], body: bytes, known: Sequence[str], fetch: Fetch | None) -> str:
    raise ReportUnreadable("Messages are collected from a mailbox or imported from files, not received here.")


PROVIDERS = {
    SES: EmailProvider(_ses, ses.reports),
    SENDGRID: EmailProvider(_sendgrid, sendgrid.reports),
    POSTMARK: EmailProvider(_postmark, postmark.reports),
    MESSAGE: EmailProvider(_nobody, messages.reports),
}
"""Providers by the name in the webhook URL: ``/webhooks/{shop}/mail/{name}``."""
