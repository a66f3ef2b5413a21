"""Detection of self-declared bots. They are served like any visitor, but not counted."""

from __future__ import annotations

import re

# Headless browsers are not on the list: stores test their own pages with them, and expect those visits to be counted.
_NAMES = re.compile(
    r"bot\b|bot[/;_-]|crawl|spider|slurp|scrape|archiver|preview|monitor|uptime|pingdom|lighthouse|facebookexternalhit"
    r"|mediapartners|feedfetcher|curl/|wget/|python-requests|python-httpx|aiohttp|go-http-client|okhttp|libwww|phantomjs",
    re.IGNORECASE,
)
# Cubot is a phone brand that appears in the user agents of its phones, which people use.
_CUBOT = re.compile(r"\bcubot\b", re.IGNORECASE)


def is_bot(agent: str) -> bool:
    """Return whether a user agent identifies itself as a bot. An empty one is taken for a person's."""
    return bool(_NAMES.search(_CUBOT.sub("", agent[:1000])))
