"""An email as blocks: the author's text and the program's additions. HTML and text are rendered from these blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from widget.email.templates import CannotWrite, fill, plain

__all__ = ["CannotWrite", "fill"]

_BLOCK = re.compile(r'^\[\[\s*(?P<name>[a-z-]+)(?:\s+"(?P<label>[^"]*)"\s+(?P<link>[a-z_]+))?\s*\]\]$')
_MARKDOWN = MarkdownIt("commonmark", {"html": False})
KEPT = 512
NAMES = ("product-picture", "button", "check-in", "tips", "warnings")


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text, optionally bold or linked."""

    text: str
    bold: bool = False
    link: str = ""


Spans = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    spans: Spans


@dataclass(frozen=True, slots=True)
class Steps:
    """A numbered list; the bold text at the start of each item is its title."""

    items: tuple[Spans, ...]


@dataclass(frozen=True, slots=True)
class Points:
    items: tuple[Spans, ...]


@dataclass(frozen=True, slots=True)
class Button:
    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Picture:
    url: str
    alt: str


@dataclass(frozen=True, slots=True)
class CheckIn:
    """A check-in question with three answers, each a link to a page that asks for confirmation."""

    better: str
    same: str
    worse: str


@dataclass(frozen=True, slots=True)
class TipBlock:
    title: str
    text: str
    source: str
    link: str


@dataclass(frozen=True, slots=True)
class Warnings:
    product: str
    lines: tuple[str, ...]


Block = Heading | Paragraph | Steps | Points | Button | Picture | CheckIn | TipBlock | Warnings


def email_blocks(body: str, context: dict[str, Any]) -> list[Block]:
    """Return the blocks of a Markdown body. Raises CannotWrite."""
    blocks: list[Block] = []
    for part in _parsed(fill(body, context, markdown=True)):
        blocks += _placed(part, context) if isinstance(part, str) else [part]
    return blocks


@lru_cache(maxsize=KEPT)
def _parsed(filled: str) -> tuple[Block | str, ...]:
    """Parse prose into blocks; leave lines that name a block of the program as they are."""
    parts: list[Block | str] = []
    prose: list[str] = []
    for line in filled.split("\n"):
        if line.strip().startswith("[["):
            parts += _prose("\n".join(prose))
            prose = []
            parts.append(line.strip())
        else:
            prose.append(line)
    return (*parts, *_prose("\n".join(prose)))


def _placed(line: str, context: dict[str, Any]) -> list[Block]:
    match = _BLOCK.match(line)
    name = match["name"] if match else line
    if match is None or name not in NAMES:
        raise CannotWrite(f"unknown block {line}: use one of {', '.join(NAMES)}")
    if name == "button":
        if not match["label"] or match["link"] not in context:
            raise CannotWrite(f'a button needs a label and a link, such as [[button "See it" result_url]], not {line}')
        return [Button(plain(match["label"]), context[match["link"]])]
    placed: list[Block] = context["blocks"][name]
    return placed


def _prose(text: str) -> Iterator[Block]:
    tokens = _MARKDOWN.parse(text)
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token.type == "heading_open":
            yield Heading("".join(span.text for span in _spans(tokens[index + 1])))
        elif token.type in ("ordered_list_open", "bullet_list_open"):
            end = _end(tokens, index)
            items = tuple(_item(tokens[index:end]))
            yield Steps(items) if token.type == "ordered_list_open" else Points(items)
            index = end
        elif token.type == "paragraph_open":
            yield Paragraph(_spans(tokens[index + 1]))
        index += 1


def _end(tokens: list[Token], start: int) -> int:
    level = tokens[start].level
    return next(i for i in range(start + 1, len(tokens)) if tokens[i].level == level and tokens[i].nesting == -1)


def _item(tokens: list[Token]) -> Iterator[Spans]:
    spans: list[Span] = []
    for token in tokens:
        if token.type == "list_item_open":
            spans = []
        elif token.type == "inline":
            spans += _spans(token)
        elif token.type == "list_item_close":
            yield tuple(spans)


def _spans(inline: Token) -> Spans:
    spans: list[Span] = []
    bold, link = False, ""
    for token in inline.children or []:
        if token.type in ("strong_open", "strong_close"):
            bold = token.type == "strong_open"
        elif token.type in ("link_open", "link_close"):
            link = str(token.attrGet("href") or "") if token.type == "link_open" else ""
        elif token.type in ("softbreak", "hardbreak"):
            spans.append(Span(" ", bold, link))
        elif token.content:
            spans.append(Span(token.content, bold, link))
    return tuple(spans)
