"""Soft opt-in: the law of each market on emails to buyers who were never asked for consent.

Reading notes, not legal advice. Sources: UK: PECR regulation 22(3), the soft opt-in (address obtained in a sale, the
sender's own similar products, an easy way to refuse in every message; ico.org.uk). EU: directive 2002/58/EC article
13(2), the same. Canada: CASL, implied consent for two years after a purchase (CRTC). US: CAN-SPAM requires a way to opt
out, not consent (FTC).
"""

from __future__ import annotations

from datetime import datetime, timedelta

SOFT_OPT_IN: dict[str, timedelta] = {
    "us": timedelta(days=730),
    "uk": timedelta(days=730),
    "eu": timedelta(days=730),
    "ca": timedelta(days=730),
}
"""Markets where a purchase is enough, and for how long. Two years is Canada's limit, and a reasonable one elsewhere."""


def soft_opt_in_applies(
    market: str | None, *, allowed: bool, asked: bool | None, bought_at: datetime | None, now: datetime
) -> bool:
    """Return whether a purchase counts as consent.

    It does if the shop allows it, the buyer was never asked, and the market's law permits it. ``asked``: the buyer's
    answer, or None if the buyer was never asked; a refusal is always respected.
    """
    lasts = SOFT_OPT_IN.get((market or "").lower())
    if not allowed or asked is not None or lasts is None or bought_at is None:
        return False
    return now - bought_at <= lasts
