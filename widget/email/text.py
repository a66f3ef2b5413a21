"""The plain-text part of an email."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from functools import lru_cache

from widget.email.blocks import (
    Block,
    Button,
    CheckIn,
    Heading,
    Paragraph,
    Picture,
    Points,
    Spans,
    Steps,
    TipBlock,
    Warnings,
)
from widget.email.content import EmailFrame

WIDTH = 76


def text_part(frame: EmailFrame, blocks: list[Block]) -> str:
    """Return the email as plain text, wrapped at 76 characters; URLs are never broken."""
    parts = [frame.shop.upper(), frame.subject]
    parts += [part for block in blocks for part in _block(block, frame)]
    foot = "\n".join(["--", *_foot(frame)])
    return "\n\n".join([*parts, foot]) + "\n"


def _block(block: Block, frame: EmailFrame) -> Iterator[str]:
    strings = frame.strings
    match block:
        case Heading(text):
            yield text.upper()
        case Paragraph(spans):
            yield _wrapped(_plain_text(spans))
        case Steps(items):
            yield "\n".join(_step(number, item) for number, item in enumerate(items, 1))
        case Points(items):
            yield "\n".join(_wrapped("- " + _plain_text(item), "  ") for item in items)
        case Button(label, url):
            yield f"{label}:\n{url}"
        case Picture():
            return
        case CheckIn(better, same, worse):
            yield strings["ask_title"].upper()
            yield _wrapped(strings["ask_text"])
            asked = (("ask_better", better), ("ask_same", same), ("ask_worse", worse))
            yield "\n".join(f"{strings[name]}: {link}" for name, link in asked)
        case TipBlock(title, text, source, link):
            yield title.upper()
            yield "\n".join(filter(None, [_wrapped(text), _wrapped(source), link]))
        case Warnings(product, lines):
            yield strings["warnings_for"].replace("{product}", product).upper()
            yield "\n".join(_wrapped("- " + line, "  ") for line in lines)


def _step(number: int, item: Spans) -> str:
    title = "".join(span.text for span in item if span.bold).strip()
    rest = "".join(span.text for span in item if not span.bold).strip()
    return "\n".join(filter(None, [_wrapped(f"{number}. {title}", "   "), rest and _wrapped("   " + rest, "   ")]))


def _foot(frame: EmailFrame) -> Iterator[str]:
    yield _wrapped(frame.because)
    if frame.unsubscribe_url:
        yield f"{frame.strings['unsub_link']}: {frame.unsubscribe_url}"
    if frame.preferences_url:
        yield f"{frame.strings['pref_link']}: {frame.preferences_url}"
    yield frame.sender
    if frame.notice:
        yield frame.notice


def _plain_text(spans: Spans) -> str:
    return "".join(f"{span.text} ({span.link})" if span.link else span.text for span in spans)


@lru_cache(maxsize=2048)
def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
