"""Product feeds: Google Merchant (RSS 2.0, TSV) and Shopify's products.json, read as a stream of items."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol, cast
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, DTDForbidden
from defusedxml.ElementTree import iterparse

from widget.stores.feed_item import BadFeed, BadItem, Defaults, FeedItem, merchant_item, shopify_items

RSS, TSV, SHOPIFY = "rss", "tsv", "shopify"
FEED_KINDS = {RSS: "Google Merchant, RSS 2.0", TSV: "Google Merchant, tab-separated", SHOPIFY: "Shopify products.json"}
MAX_ITEMS = 250_000
MAX_OF_ITEM = 1024 * 1024
"""Maximum bytes from one item to the next: anything longer is not a product."""
MAX_JSON = 32 * 1024 * 1024
"""Maximum bytes of a JSON file, which is read into memory as a whole."""
_QUOTED = re.compile(r'"((?:[^"]|"")*)"(?=\t|$)')
_GOOGLE = "{http://base.google.com/ns/1.0}"
Item = FeedItem | BadItem


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def kind_of(stream: BinaryIO) -> str:
    """Return the kind of feed by its first bytes, and rewind the stream. Raises BadFeed."""
    head = stream.read(4096)
    stream.seek(0)
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith((b"\x1f\x8b", b"PK")):
        raise BadFeed("the file is compressed (gzip or zip): provide it uncompressed")
    if start.startswith(b"<") or head.startswith((b"\xff\xfe<", b"\xfe\xff\0<")):
        return RSS
    if start.startswith(b"{"):
        return SHOPIFY
    if b"\t" in start.splitlines()[0] if start else False:
        return TSV
    raise BadFeed("unsupported format: provide RSS 2.0, a tab-separated table, or a products.json")


def digest_of(stream: BinaryIO) -> bytes:
    """Return the SHA-256 digest of a file, and rewind it."""
    whole = hashlib.sha256()
    while chunk := stream.read(1024 * 1024):
        whole.update(chunk)
    stream.seek(0)
    return whole.digest()


def read_feed(stream: BinaryIO, given: Defaults) -> Iterator[Item]:
    """Yield the items in order; of several with the same id, only the first counts. Raises BadFeed, at any item."""
    reader = {RSS: _rss, TSV: _tsv, SHOPIFY: _shopify}[kind_of(stream)]
    seen: dict[str, str] = {}
    for number, item in enumerate(reader(stream, given), 1):
        if number > MAX_ITEMS:
            raise BadFeed(f"the feed has more than {MAX_ITEMS:,} items")
        name = item.sku or (f"variant {item.variant_id}" if item.variant_id else "")
        if name and name in seen:
            yield BadItem(item.place, f"the ID {name!r} was already used at {seen[name]}")
            continue
        if name:
            seen[name] = item.place
        yield item


class _Metered:
    """A reader that raises BadFeed after too many bytes without the end of an item."""

    def __init__(self, stream: Readable) -> None:
        self._stream, self.since = stream, 0

    def read(self, size: int = -1, /) -> bytes:
        if self.since > MAX_OF_ITEM:
            raise BadFeed(f"more than {MAX_OF_ITEM // 1024:,} kB without the end of an item")
        chunk = self._stream.read(size if size > 0 else 65536)
        self.since += len(chunk)
        return chunk


def _rss(stream: BinaryIO, given: Defaults) -> Iterator[Item]:
    metered, number = _Metered(stream), 0
    above: list[Element] = []
    try:
        # iterparse needs only read(), but its type hint asks for more, hence the cast.
        for event, element in iterparse(cast(Any, metered), events=("start", "end"), forbid_dtd=True):
            if event == "start":
                if not above and element.tag != "rss":
                    raise BadFeed(f"the file begins with <{str(element.tag)[:40]}>, not with <rss>")
                above.append(element)
                continue
            above.pop()
            if element.tag == "item" and len(above) == 2:
                number, metered.since = number + 1, 0
                yield merchant_item(_attributes(element), f"item {number}", given)
            if len(above) <= 2 and above:
                above[-1].remove(element)  # Free the memory of elements already read.
    except DTDForbidden as error:
        raise BadFeed("the file declares a DTD or entities, which are not allowed in a feed") from error
    except DefusedXmlException as error:
        raise BadFeed("the file uses XML features that are not allowed in a feed") from error
    except (ParseError, LookupError, ValueError) as error:
        if isinstance(error, BadFeed):
            raise
        raise BadFeed(f"the file is not well-formed XML after item {number}: {_short(error)}") from error


def _attributes(item: Element) -> dict[str, str]:
    """Return Google's attributes by name, with or without ``g:``; the prefixed and the first one take precedence."""
    plain: dict[str, str] = {}
    google: dict[str, str] = {}
    for child in item:
        tag = child.tag if isinstance(child.tag, str) else ""
        if tag.startswith(_GOOGLE):
            google.setdefault(tag.removeprefix(_GOOGLE), child.text or "")
        elif tag and not tag.startswith("{"):
            plain.setdefault(tag, child.text or "")
    return plain | {name: text for name, text in google.items() if text.strip()}


def _tsv(stream: BinaryIO, given: Defaults) -> Iterator[Item]:
    """Yield the items of a table, one a line: an open quotation mark must not swallow the lines that follow."""
    header: list[str] = []
    for number, line in enumerate(_lines(stream), 1):
        cells, place = _cells(line), f"line {number}"
        if not header:
            header = [_column(item) for item in cells or ()]
            missing = [name for name in ("id", "title", "price", "availability") if name not in header]
            if missing:
                raise BadFeed(f"the first line must name the columns; {', '.join(missing)} not found")
        elif cells is None:
            yield BadItem(place, "a quotation mark at the start of a cell is not closed in the same line")
        elif len(cells) > len(header):
            yield BadItem(place, f"it has {len(cells)} cells, but the header has {len(header)}")
        elif any(cell.strip() for cell in cells):
            yield merchant_item(dict(zip(header, cells, strict=False)), place, given)


def _cells(line: str) -> list[str] | None:
    """Return the cells of a line; None if a quotation mark that begins a cell is not closed.

    A cell in quotation marks may contain tabs, and doubled marks stand for one. A cell that only begins with a quoted
    word, such as ``"Cool" spray``, is taken as it is.
    """
    line = line.rstrip("\r\n")
    if '"' not in line:
        return line.split("\t")
    cells, start = [], 0
    while start <= len(line):
        quoted = _QUOTED.match(line, start)
        if quoted:
            cells.append(quoted[1].replace('""', '"'))
            start = quoted.end() + 1
            continue
        end = line.find("\t", start)
        cell = line[start : end if end >= 0 else len(line)]
        if cell.startswith('"') and cell.count('"') % 2:
            return None
        cells.append(cell)
        start += len(cell) + 1
    return cells


def _column(name: str) -> str:
    """Normalize a column name: ``image link`` and ``g:image_link`` to ``image_link``, ``shipping(country:price)`` to
    ``shipping``.
    """
    return "_".join(name.strip().casefold().removeprefix("g:").partition("(")[0].split())


def _lines(stream: BinaryIO) -> Iterator[str]:
    number = 0
    while line := stream.readline(MAX_OF_ITEM + 1):
        number += 1
        if len(line) > MAX_OF_ITEM:
            raise BadFeed(f"line {number} is longer than {MAX_OF_ITEM // 1024:,} kB")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise BadFeed(f"line {number} is not UTF-8") from error
        yield text.replace("\0", "")


def _shopify(stream: BinaryIO, given: Defaults) -> Iterator[Item]:
    for number, product in enumerate(shopify_products(stream), 1):
        place = f"product {number}"
        if isinstance(product, dict):
            yield from shopify_items(product, place, given)
        else:
            yield BadItem(place, "it is not a product")


def shopify_products(stream: BinaryIO) -> list[Any]:
    """Return the products of a products.json page; decimal numbers stay text, and ids are exact. Raises BadFeed."""
    text = stream.read(MAX_JSON + 1)
    if len(text) > MAX_JSON:
        raise BadFeed(f"a JSON file can be at most {MAX_JSON // 1024 // 1024} MB: provide an RSS or TSV feed")
    try:
        data = json.loads(text.decode("utf-8-sig"), parse_float=str)
    except (ValueError, RecursionError) as error:
        raise BadFeed(f"the file is not well-formed JSON: {_short(error)}") from error
    products = data.get("products") if isinstance(data, dict) else None
    if not isinstance(products, list):
        raise BadFeed('the file contains no list of "products"')
    return products


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120]
