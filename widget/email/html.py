"""The HTML part of an email: MJML in the visual design, compiled to HTML with inlined styles."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from html import escape
from importlib.resources import files

import css_inline
from mjml import mjml2html

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
from widget.email.quoted import SOFT_BREAK, quoted_printable

MAX_BYTES = 80_000
ACCENT, INK = "#0f5c4d", "#1b2a28"
_BUTTON = 'background-color="{0}" color="{1}" border="1px solid {2}" css-class="{3}"'
KEPT = 256
_MARK, _MARKS = "https://own.invalid/{}/own", re.compile(r"https://own\.invalid/(\d+)/own")
_inliner = threading.local()
_LTR, _LEFT = re.compile(r"direction:\s*ltr"), re.compile(r"text-align:\s*left")


class TooLarge(ValueError):
    """An email over 80 kB: Gmail would clip its footer, and with it the unsubscribe link."""

    code = "too_large"


def html_part(frame: EmailFrame, blocks: list[Block]) -> tuple[str, bytes]:
    """Return the email as HTML, and the same encoded as quoted-printable. Raises TooLarge.

    The parts that differ between recipients (links, and the sentence that says why they receive it) are inserted into
    HTML that is compiled once for all recipients of the same email.
    """
    own = _Own()
    compiled = _compiled(own.frame(frame), tuple(own.block(block) for block in blocks))
    html, encoded = compiled.filled([escape(value) for value in own.values])
    if len(html) > MAX_BYTES // 4 and len(html.encode()) > MAX_BYTES:  # A character takes up to four bytes.
        raise TooLarge(f"the email is {len(html.encode())} bytes, over {MAX_BYTES}")
    return html, encoded


class _Own:
    """Replaces the recipient-specific values of an email by marks, and inserts them into the compiled HTML."""

    def __init__(self) -> None:
        self.values: list[str] = []

    def _mark(self, value: str) -> str:
        self.values.append(value)
        return _MARK.format(len(self.values) - 1)

    def frame(self, frame: EmailFrame) -> EmailFrame:
        return replace(
            frame,
            unsubscribe_url=self._mark(frame.unsubscribe_url) if frame.unsubscribe_url else "",
            preferences_url=self._mark(frame.preferences_url) if frame.preferences_url else "",
            because=self._mark(frame.because) if frame.because else "",
        )

    def block(self, block: Block) -> Block:
        match block:
            case Button(label, url):
                return Button(label, self._mark(url))
            case CheckIn(better, same, worse):
                return CheckIn(self._mark(better), self._mark(same), self._mark(worse))
        return block


@dataclass(frozen=True, slots=True)
class _Compiled:
    """Compiled HTML around the values of a recipient, as text and as quoted-printable, so that it is encoded once.

    ``places``: the number of the value that follows each part but the last.
    """

    parts: tuple[str, ...]
    encoded: tuple[bytes, ...]
    places: tuple[int, ...]

    @classmethod
    def of(cls, html: str) -> _Compiled:
        pieces = _MARKS.split(html)
        parts = tuple(pieces[::2])
        return cls(parts, tuple(quoted_printable(part) for part in parts), tuple(int(place) for place in pieces[1::2]))

    def filled(self, values: list[str]) -> tuple[str, bytes]:
        """Return the HTML with these values, as text and as quoted-printable."""
        coded = [quoted_printable(value) for value in values]
        html, encoded = [self.parts[0]], [self.encoded[0]]
        for place, part, part_encoded in zip(self.places, self.parts[1:], self.encoded[1:], strict=True):
            html += (values[place], part)
            encoded += (coded[place], part_encoded)
        return "".join(html), SOFT_BREAK.join(encoded)


@lru_cache(maxsize=KEPT)
def _compiled(frame: EmailFrame, blocks: tuple[Block, ...]) -> _Compiled:
    """Compile an email whose recipient-specific values are replaced by marks.

    All blocks share one section: a section is a table of its own with 1.4 kB of markup around its content.
    """
    styles = (files("widget.email") / "email.css").read_text(encoding="utf-8")
    body = "".join(_block(block, frame) for block in blocks)
    mjml = (
        f'<mjml lang="{escape(frame.locale)}" dir="{frame.dir}"><mj-head><mj-title>{escape(frame.subject)}</mj-title>'
        f"<mj-preview>{escape(frame.preview)}</mj-preview>"
        '<mj-raw><meta name="color-scheme" content="light dark">'
        '<meta name="supported-color-schemes" content="light dark"></mj-raw>'
        # No font that the compiler has a download for: it would add a request to a third-party server.
        "<mj-attributes>"
        "<mj-all font-family=\"ui-sans-serif,system-ui,'Segoe UI','Helvetica Neue',Arial,sans-serif\"/>"
        f'<mj-text font-size="17px" line-height="1.5" color="{INK}" padding="6px 32px"/>'
        '<mj-section padding="0"/><mj-button font-size="17px" font-weight="600" border-radius="10px" '
        'inner-padding="15px 24px" padding="14px 32px" width="100%"/>'
        f'</mj-attributes><mj-style>{styles}</mj-style></mj-head><mj-body width="600px" background-color="#fbf9f5" '
        f'css-class="page"><mj-section><mj-column>{_head(frame)}{body}{_foot(frame)}</mj-column></mj-section></mj-body></mjml>'
    )
    return _Compiled.of(_turned(_inlined(mjml2html(mjml)), frame))


def _turned(html: str, frame: EmailFrame) -> str:
    """Change the direction to right-to-left if the language needs it: the compiler writes ``ltr`` into every cell."""
    if frame.dir != "rtl":
        return html
    html = _LEFT.sub("text-align:right", _LTR.sub("direction:rtl", html))
    return html.replace("<body", '<body dir="rtl"', 1)


def _inlined(html: str) -> str:
    """Inline plain style rules, for email clients that drop <style>; media queries stay in <style>."""
    if not hasattr(_inliner, "made"):
        _inliner.made = css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False, keep_at_rules=True)
    return str(_inliner.made.inline(html))


def _text(inner: str, more: str = "") -> str:
    return f"<mj-text {more}>{inner}</mj-text>"


def _head(frame: EmailFrame) -> str:
    mark = f'<img src="{escape(frame.mark_url)}" width="28" height="28" alt="" class="mark"> ' if frame.mark_url else ""
    brand = _text(f'<span class="brand">{mark}{escape(frame.shop)}</span>', 'padding="32px 32px 12px"')
    return brand + _text(f"<h1>{escape(frame.subject)}</h1>", 'padding="12px 32px 6px"')


def _block(block: Block, frame: EmailFrame) -> str:
    match block:
        case Heading(text):
            return _text(f"<h2>{escape(text)}</h2>", 'padding="24px 32px 4px"')
        case Paragraph(spans):
            return _text(f"<p>{_inline(spans)}</p>")
        case Steps(items):
            return _text(_steps(items), 'padding="12px 32px"')
        case Points(items):
            listed = "".join(f"<li>{_inline(item)}</li>" for item in items)
            return _text(f"<ul>{listed}</ul>")
        case Button(label, url):
            return _button(label, url, _BUTTON.format(ACCENT, "#ffffff", ACCENT, "go"))
        case Picture(url, alt):
            picture = f'src="{escape(url)}" alt="{escape(alt)}"'
            return f'<mj-image {picture} padding="20px 32px" border-radius="14px"/>'
        case CheckIn():
            return _check_in(block, frame)
        case TipBlock(title, text, source, link):
            where = f' <a href="{escape(link)}">{escape(link.removeprefix("https://doi.org/"))}</a>' if link else ""
            inner = f'<h2>{escape(title)}</h2><p>{escape(text)}</p><p class="tiny">{escape(source)}{where}</p>'
            return _text(inner, 'padding="18px 32px 6px"')
        case Warnings(product, lines):
            listed = "".join(f"<li>{escape(line)}</li>" for line in lines)
            title = escape(frame.strings["warnings_for"].replace("{product}", product))
            inner = f'<div class="warn"><h3>{title}</h3><ul>{listed}</ul></div>'
            return _text(inner, 'padding="24px 32px 0"')


def _button(label: str, url: str, look: str, more: str = "") -> str:
    return f'<mj-button href="{escape(url)}" {look} {more}>{escape(label)}</mj-button>'


def _steps(items: tuple[Spans, ...]) -> str:
    rows = ""
    for number, item in enumerate(items, 1):
        title = escape("".join(span.text for span in item if span.bold))
        rest = _inline(tuple(span for span in item if not span.bold))
        rows += f'<tr><td class="n">{number}</td><td>{title}<small>{rest}</small></td></tr>'
    return f'<table role="presentation" class="steps" width="100%" cellpadding="0" cellspacing="0">{rows}</table>'


def _check_in(block: CheckIn, frame: EmailFrame) -> str:
    """Return a panel with three answers of equal weight."""
    words = {
        name: escape(frame.strings[name]) for name in ("ask_title", "ask_text", "ask_better", "ask_same", "ask_worse")
    }
    answers = ((words["ask_better"], block.better), (words["ask_same"], block.same), (words["ask_worse"], block.worse))
    cells = "".join(f'<td><a class="answer" href="{escape(url)}">{label}</a></td>' for label, url in answers)
    inner = (
        f'<div class="ask"><h2>{words["ask_title"]}</h2><p>{words["ask_text"]}</p>'
        f'<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr>{cells}</tr></table></div>'
    )
    return _text(inner, 'padding="20px 32px"')


def _foot(frame: EmailFrame) -> str:
    links = ""
    if frame.unsubscribe_url:
        links += f'<a href="{escape(frame.unsubscribe_url)}">{escape(frame.strings["unsub_link"])}</a> &nbsp; '
    if frame.preferences_url:
        links += f'<a href="{escape(frame.preferences_url)}">{escape(frame.strings["pref_link"])}</a>'
    lines = (escape(frame.because), links, escape(frame.sender), escape(frame.notice))
    inner = f'<div class="foot">{"".join(f"<p>{line}</p>" for line in lines if line)}</div>'
    return _text(inner, 'padding="28px 32px 40px"')


def _inline(spans: Spans) -> str:
    parts = []
    for span in spans:
        text = escape(span.text)
        text = f"<strong>{text}</strong>" if span.bold else text
        safe = span.link.startswith(("https://", "http://", "mailto:"))
        parts.append(f'<a href="{escape(span.link)}">{text}</a>' if safe else text)
    return "".join(parts)
