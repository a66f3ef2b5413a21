"""Visitors that say of themselves that they are programs: answered like anybody, counted nowhere."""

from __future__ import annotations

import re

# Headless browsers are not in the list: stores test their own pages with them, and want to see that it counts.
_NAMES = re.compile(
    r"bot\b|bot[/;_-]|crawl|spider|slurp|scrape|archiver|preview|monitor|uptime|pingdom|lighthouse|facebookexternalhit"
    r"|mediapartners|feedfetcher|curl/|wget/|python-requests|python-httpx|aiohttp|go-http-client|okhttp|libwww|phantomjs",
    re.IGNORECASE,
)
# Phones made by Cubot say so, and people hold them.
_TEAM = re.compile(r"\bcubot\b", re.IGNORECASE)


def is_bot(agent: str) -> bool:
    """Whether a user agent names itself as a program. An empty one says nothing, and is taken for a person's."""
    return bool(_NAMES.search(_TEAM.sub("", agent[:1000])))
