"""Email events in the formats of Amazon SES and SendGrid."""

from __future__ import annotations

from typing import Any

from tests.support.orders import EMAIL


def bounce(kind: str = "Permanent", email: str = EMAIL, message_id: str = "") -> dict[str, Any]:
    headers = [{"name": "Message-ID", "value": message_id}] if message_id else []
    data = {"bounceType": kind, "bouncedRecipients": [{"emailAddress": email}], "a_field_of_tomorrow": 1}
    return {"eventType": "Bounce", "bounce": data, "mail": {"headers": headers, "destination": [email]}}


def event(kind: str, number: str = "1", **change: Any) -> dict[str, Any]:
    return {"email": EMAIL, "event": kind, "sg_event_id": number, "timestamp": 1764324000, **change}
