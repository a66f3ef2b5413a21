"""Conversion of Markdown to safe HTML."""

from __future__ import annotations

import nh3
from markdown_it import MarkdownIt

_MARKDOWN = MarkdownIt("commonmark", {"html": False})
_TAGS = {"p", "ul", "ol", "li", "strong", "em", "a", "h2", "h3", "h4", "blockquote", "br", "code"}


def markdown_html(text: str) -> str:
    """Return Markdown as HTML with a few allowed tags; raw HTML is shown as text, never interpreted."""
    return nh3.clean(
        _MARKDOWN.render(text).strip(),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"https", "mailto"},
    )
