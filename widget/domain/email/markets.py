"""What the law of a market says of emails to buyers who were never asked. Reading notes, no legal advice.

Sources: UK: PECR regulation 22(3), the soft opt-in (address from a sale, own similar products, refusal easy at every
message; ico.org.uk). EU: directive 2002/58/EC article 13(2), the same. Canada: CASL, implied consent for two years
after a purchase (CRTC). US: CAN-SPAM asks for a way out, not for consent (FTC).
"""

from __future__ import annotations

from datetime import datetime, timedelta

SOFT_OPT_IN: dict[str, timedelta] = {
    "us": timedelta(days=730),
    "uk": timedelta(days=730),
    "eu": timedelta(days=730),
    "ca": timedelta(days=730),
}
"""Markets where a purchase is enough, and for how long: two years is what Canada names, and a decent end elsewhere."""


def softly_agreed(
    market: str | None, *, allowed: bool, asked: bool | None, bought_at: datetime | None, now: datetime
) -> bool:
    """Whether a purchase stands for consent: the shop allows it, nobody asked the buyer, and the market's law agrees.

    ``asked``: what the buyer said when asked (None: nobody asked); a no is a no.
    """
    lasts = SOFT_OPT_IN.get((market or "").lower())
    if not allowed or asked is not None or lasts is None or bought_at is None:
        return False
    return now - bought_at <= lasts
