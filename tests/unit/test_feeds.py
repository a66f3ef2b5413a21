"""Product feeds: the items that are read, the items that are skipped and reported, and the errors that stop a file."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.packs import ROOT
from widget.domain.engine.catalog import FROM_FEEDS
from widget.stores import feeds
from widget.stores.feed_item import BadFeed, BadItem, Defaults, FeedItem
from widget.stores.feed_survey import MAX_NOTES, survey
from widget.stores.feed_values import MAX_NAME, BadValue, amount_of, in_period, name_of, web_address
from widget.stores.feeds import RSS, SHOPIFY, TSV, kind_of, read_feed

SAMPLES = ROOT / "tests" / "feeds"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
GIVEN = Defaults("USD", "https://shop.example.com/", NOW)
G = 'xmlns:g="http://base.google.com/ns/1.0"'


def items(text: str | bytes) -> list[FeedItem | BadItem]:
    return list(read_feed(io.BytesIO(text.encode() if isinstance(text, str) else text), GIVEN))


def rss(*of_items: str, head: str = "") -> str:
    body = "".join(f"<item>{of_item}</item>" for of_item in of_items)
    return f'{head}<rss version="2.0" {G}><channel><title>Shop</title>{body}</channel></rss>'


def item(sku: str = "A", **more: str) -> str:
    fields = {"title": "Cream", "price": "15.00 USD", "availability": "in_stock", "link": "https://s.example/a"}
    fields |= {"image_link": "https://s.example/a.jpg", **more}
    return f"<g:id>{sku}</g:id>" + "".join(f"<g:{name}>{value}</g:{name}>" for name, value in fields.items() if value)


def one(**more: str) -> FeedItem:
    (found,) = items(rss(item(**more)))
    assert isinstance(found, FeedItem), found
    return found


# Samples ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("google-merchant.rss2.constructed.xml", RSS),
        ("google-merchant.rss2-plain-core-tags.constructed.xml", RSS),
        ("google-merchant.constructed.tsv", TSV),
        ("shopify-products.constructed.json", SHOPIFY),
    ],
)
def test_each_feed_format_gives_the_same_items_for_the_same_store(name: str, kind: str) -> None:
    body = (SAMPLES / name).read_bytes()
    found = [item for item in items(body) if isinstance(item, FeedItem)]

    assert kind_of(io.BytesIO(body)) == kind
    assert [(item.sku, item.price, item.currency) for item in found] == [
        ("RQ-ROLL-3OZ", 2900, "USD"),
        ("RQ-CREAM-4OZ", 4400, "USD"),  # The sale price.
        ("RQ-SALVE-2OZ", 3500, "USD"),
        ("RQ-SPRAY-2OZ", 3200, "USD"),
    ]
    assert [item.stock for item in found] == [None, None, 0, None if kind == SHOPIFY else 0]  # The last is a preorder.
    assert found[2].name == "Recovery Salve 2 oz — “Überkühl” & co"
    assert found[0].variant_id == "48039284711"
    assert found[0].image == "https://cdn.example.com/roll-on.jpg"
    assert found[0].url == "https://shop.example.com/products/recovery-roll-on?variant=48039284711"
    assert all(set(item.feed_values) <= set(FROM_FEEDS) for item in found)


def test_feed_with_an_xml_entity_attack_is_refused() -> None:
    with pytest.raises(BadFeed, match="DTD or entities"):
        items((SAMPLES / "xxe-attack.constructed.xml").read_bytes())


@pytest.mark.parametrize(
    "head",
    ["<!DOCTYPE rss>", '<!DOCTYPE rss SYSTEM "https://s.example/x.dtd">', '<!DOCTYPE rss [<!ENTITY a "b">]>'],
)
def test_feed_with_any_dtd_is_refused(head: str) -> None:
    with pytest.raises(BadFeed, match="DTD"):
        items(rss(item(), head=head))


# Invalid files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unsupported format"),
        ("hello", "unsupported format"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (b"PK\x03\x04", "compressed"),
        ("<html><body>Sign in</body></html>", "begins with <html>"),
        ("<feed/>", "begins with <feed>"),
        (rss(item())[:-10], "well-formed XML after item 1"),
        ('<?xml version="1.0" encoding="no-such"?><rss/>', "well-formed"),
        ("id\ttitle\nA\tCream", "price, availability not found"),
        (b"id\ttitle\tprice\tavailability\nA\tCr\xe9me\t1.00 USD\tin_stock", "line 2 is not UTF-8"),
        ('{"products": {}}', "no list"),
        ('{"products": [', "well-formed JSON"),
        ('{"products": ' + "[" * 100_000, "well-formed JSON"),
        ('{"products": [' + "9" * 5000 + "]}", "well-formed JSON"),
    ],
)
def test_file_that_is_not_a_feed_is_refused_with_a_clear_message(text: str | bytes, message: str) -> None:
    with pytest.raises(BadFeed, match=message):
        items(text)


def test_feed_items_over_the_size_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MAX_OF_ITEM", 200_000)
    with pytest.raises(BadFeed, match="without the end of an item"):
        items(rss(item(description="x" * 600_000)))
    with pytest.raises(BadFeed, match="longer than"):
        items("id\ttitle\tprice\tavailability\n" + "x" * 300_000)
    assert len(items(rss(*(item(str(number), description="x" * 50_000) for number in range(10))))) == 10


def test_feed_with_too_many_items_or_too_large_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MAX_ITEMS", 3)
    monkeypatch.setattr(feeds, "MAX_JSON", 1000)
    with pytest.raises(BadFeed, match="more than 3 items"):
        items(rss(*(item(str(number)) for number in range(4))))
    with pytest.raises(BadFeed, match="JSON file can be at most"):
        items('{"products": []}' + " " * 1000)


# Values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("15.00 USD", (1500, "USD")),
        ("1,299.00 USD", (129900, "USD")),
        ("1,299,000 USD", (129900000, "USD")),
        ("USD 15", (1500, "USD")),
        ("15.5usd", (1550, "USD")),
        ("15.000 USD", (1500, "USD")),
        ("1500 JPY", (1500, "JPY")),
        ("1.234 KWD", (1234, "KWD")),
        (" 9.99 ", (999, "USD")),
    ],
)
def test_prices_are_exact_in_minor_units(text: str, amount: tuple[int, str]) -> None:
    assert amount_of(text, "USD") == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        "free",
        "12,99 USD",
        "1.299,00 EUR",
        "12.999 USD",
        "0 USD",
        "-5 USD",
        "5 XXQ",
        "USD 5 EUR",
        "1,29 USD",
        "9" * 12,
        "١٥ USD",
        "1e3 USD",
        "15.00.00 USD",
        "$15.00",
    ],
)
def test_ambiguous_price_is_refused_rather_than_guessed(text: str) -> None:
    with pytest.raises(BadValue):
        amount_of(text, "USD")


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("<b>Trail</b> Cream", "Trail Cream"),
        ("Trail&nbsp;Cream &amp; co", "Trail Cream & co"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;Cream", "Cream"),
        ("&amp;lt;b&amp;gt;Cream", "Cream"),
        ("Cream <script>alert(1)</script>", "Cream"),
        ("<\u200bscript>alert(1)</script>Cream", "Cream"),
        ("5 < 6 & 7 > 2", "5 < 6 & 7 > 2"),
        ("  Trail \n\t Cream ", "Trail Cream"),
        ("pa\u200bin\u202e\u00adless", "painless"),
    ],
)
def test_product_names_are_converted_to_plain_text(title: str, name: str) -> None:
    assert name_of(title) == name


@given(st.text(alphabet='<>&;/="ab clt#x60scriptimg\u200b\u00ad', max_size=120))
def test_no_markup_survives_in_a_product_name_however_it_is_escaped(text: str) -> None:
    try:
        name = name_of(text)
    except BadValue:
        return
    assert "<script" not in name.lower()
    assert "<img" not in name.lower()
    assert len(name) <= MAX_NAME


def test_long_product_names_are_cut_at_a_word_boundary() -> None:
    name = name_of("cream " * 100)
    assert len(name) <= MAX_NAME
    assert name.endswith("cream…")
    assert len(name_of("x" * 5000)) == MAX_NAME


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "//",
        "https://",
        "https://a:b@s.example/",
        "https://s.example/a b",
        f"https://s.example/{'x' * 2000}",
        "https://[s/",
        "ftp://s.example/",
    ],
)
def test_unsafe_url_is_dropped_from_an_item(text: str) -> None:
    with pytest.raises(BadValue):
        web_address(text, "")
    assert one(link=text.replace("&", "&amp;")).url == ""


def test_relative_url_is_resolved_against_the_store() -> None:
    assert web_address("/a.jpg", "https://s.example/x/feed.xml") == "https://s.example/a.jpg"


# Items -----------------------------------------------------------------------------------------------


def test_sale_price_counts_only_if_valid_lower_and_in_effect() -> None:
    now, past = "2026-11-01T13:00-0500/2026-12-01T15:30-0500", "2025-11-01T13:00-0500/2025-12-01T15:30-0500"
    sale = {"sale_price": "12.00 USD"}

    assert one(**sale).price == 1200
    assert one(**sale, sale_price_effective_date=now).price == 1200
    assert one(**sale, sale_price_effective_date=now).dated
    assert one(**sale, sale_price_effective_date=past).price == 1500
    for wrong in ({"sale_price": "20.00 USD"}, {"sale_price": "12.00 EUR"}, {"sale_price": "cheap"}):
        assert one(**wrong).price == 1500
        assert "sale price is ignored" in one(**wrong).notes[0]
    assert one(**sale, sale_price_effective_date="soon").price == 1500
    with pytest.raises(BadValue):
        in_period("2026-11-01/2026-12-01", NOW)  # Ambiguous without a time zone.


@pytest.mark.parametrize(
    ("word", "stock"),
    [
        ("in_stock", None),
        ("in stock", None),
        ("In Stock", None),
        ("out_of_stock", 0),
        ("preorder", 0),
        ("backorder", 0),
    ],
)
def test_preorder_and_backorder_count_as_out_of_stock(word: str, stock: int | None) -> None:
    assert one(availability=word).stock == stock


def test_item_quantity_is_used_as_stock_unless_out_of_stock() -> None:
    assert one(quantity="7").stock == 7
    assert one(quantity="7", availability="out_of_stock").stock == 0


def test_invalid_item_is_skipped_and_reported_with_its_position() -> None:
    found = items(
        rss(item("A"), item("B", price="12,99 USD"), item("", title="x"), item("A"), item("C", title="<b></b>"))
    )
    lines = [(entry.place, entry.reason) for entry in found if isinstance(entry, BadItem)]

    assert [entry.sku for entry in found if isinstance(entry, FeedItem)] == ["A"]
    assert lines == [
        ("item 2", "price '12,99 USD' is not an amount such as 15.00 USD"),
        ("item 3", "it has no ID"),
        ("item 4", "the ID 'A' was already used at item 1"),
        ("item 5", "it has no title"),
    ]


def test_missing_image_is_reported_and_the_item_is_kept() -> None:
    assert one(image_link="").notes == ("it has no image_link",)
    assert "image" not in one(image_link="").feed_values


def test_nested_or_foreign_xml_elements_are_not_attributes_of_the_item() -> None:
    assert one(shipping="<g:price>5.95 USD</g:price>").price == 1500
    (found,) = items(rss(item() + '<atom:link xmlns:atom="http://www.w3.org/2005/Atom">https://e.example</atom:link>'))
    assert isinstance(found, FeedItem)
    assert found.url == "https://s.example/a"


def test_tsv_feed_may_have_a_byte_order_mark_and_quotes_and_reports_wrong_cell_counts() -> None:
    head = "\ufeffID\tTitle\tg:price\tavailability\timage link\tshipping(country:price)\n"
    found = items(
        head + 'A\t"Trail ""Big""\tCream"\t15.00 USD\tin_stock\n\nB\tSalve\nC\tx\t1 USD\tin_stock\t\tUS:1\textra\n'
    )

    assert isinstance(found[0], FeedItem)
    assert found[0].name == 'Trail "Big" Cream'
    assert [(item.place, item.reason) for item in found if isinstance(item, BadItem)] == [
        ("line 4", "no price"),
        ("line 5", "it has 7 cells, but the header has 6"),
    ]


def shopify(**variant: Any) -> list[FeedItem | BadItem]:
    whole = {"id": 9007199254740993, "title": "Cream", "sku": "A", "price": "15.00", "available": True, **variant}
    product = {"id": 9007199254740995, "title": "Trail", "handle": "trail", "images": [], "variants": [whole]}
    return items(json.dumps({"products": [product]}))


def test_shopify_ids_beyond_float_precision_stay_exact() -> None:
    (found,) = shopify(id=92233720368547758079)
    assert isinstance(found, FeedItem)
    assert (found.product_id, found.variant_id) == ("9007199254740995", "92233720368547758079")
    assert found.name == "Trail – Cream"


@pytest.mark.parametrize(
    "variant", [{"price": None}, {"available": None}, {"price": 15.005}, {"title": 7, "price": "x"}]
)
def test_shopify_variant_with_invalid_fields_is_skipped(variant: dict[str, Any]) -> None:
    assert isinstance(shopify(**variant)[0], BadItem)


def test_malformed_shopify_products_are_reported_as_bad_items() -> None:
    found = items('{"products": [7, {"variants": 3}, {"title": "x", "variants": [{"sku": "", "id": null}]}]}')
    assert all(isinstance(item, BadItem) for item in found)
    assert len(found) == 3


# Matching to the catalog ------------------------------------------------------------------------------


def test_feed_item_matches_by_sku_then_mpn_then_variant_id() -> None:
    body = rss(
        item("X-1", mpn="CREAM"),
        item("CREAM", price="20.00 USD"),
        item("shopify_US_7_700175", title="Roll-on"),
        item("999", title="By variant id"),
        item("Y", link="https://s.example/y?variant=5"),
    )
    outcome = survey(
        read_feed(io.BytesIO(body.encode()), GIVEN), {"CREAM"}, {"700175": "ROLL", "999": "STICK", "5": "SPRAY"}
    )

    assert {sku: entry.place for sku, entry in outcome.found.items()} == {
        "CREAM": "item 2",
        "ROLL": "item 3",
        "STICK": "item 4",
    }
    assert outcome.found["ROLL"].feed_values["variant_id"] == "700175"


def test_unreadable_item_is_not_counted_as_missing_from_the_feed() -> None:
    body = rss(item("A", price="?"), item("B"), *(item("", title="x") for _ in range(MAX_NOTES + 5)))
    outcome = survey(read_feed(io.BytesIO(body.encode()), GIVEN), {"A", "B"}, {})

    assert outcome.unread == {"A"}
    assert len(outcome.notes) == MAX_NOTES
    assert outcome.more == 6


# Size ------------------------------------------------------------------------------------------------

_READ = """
import resource, sys
from datetime import UTC, datetime
from widget.stores.feed_item import Defaults
from widget.stores.feed_survey import survey
from widget.stores.feeds import read_feed
calls = []
with open(sys.argv[1], "rb") as file:
    told = survey(read_feed(file, Defaults("USD", "", datetime.now(UTC))), {"SKU-99999"}, {}, progress=calls.append)
try:  # Of this program alone; what the kernel counts for a process holds its parent's, too.
    with open("/proc/self/status") as status:
        most = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
except OSError:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(told.items, len(told.found), len(calls), most // 1024)
"""


def test_a_feed_of_100_000_items_is_read_as_a_stream_within_500_mb(tmp_path: Path) -> None:
    path = tmp_path / "feed.xml"
    with path.open("w") as file:
        file.write(f'<rss version="2.0" {G}><channel><title>Shop</title>')
        for number in range(100_000):
            file.write(f"<item>{item(f'SKU-{number}', description='Long words. ' * 40)}</item>\n")
        file.write("</channel></rss>")
    command = [sys.executable, "-c", _READ, str(path)]
    stdout = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    read, found, calls, megabytes = map(int, stdout.split())

    assert path.stat().st_size > 50_000_000
    assert (read, found) == (100_000, 1)
    assert calls > 90
    assert megabytes < 500


# Inputs from the field -------------------------------------------------------------------------------


REAL = ROOT / "tests" / "payloads" / "real-world"
COLUMNS = "id\ttitle\tprice\tavailability\tlink\timage_link\n"


def table(*titles: str) -> list[FeedItem | BadItem]:
    rows = [f"S{at}\t{title}\t{at + 1}.00 USD\tin stock\thttps://s.example/{at}\t" for at, title in enumerate(titles)]
    return items(COLUMNS + "\n".join(rows) + "\n")


def test_open_quotation_mark_refuses_its_own_row_only() -> None:
    found = items((REAL / "feed-title-begins-with-quote.tsv").read_bytes())

    assert isinstance(found[0], BadItem)
    assert (found[0].place, "quotation mark" in found[0].reason) == ("line 2", True)
    assert [(item.sku, item.name, item.price) for item in found[1:] if isinstance(item, FeedItem)] == [
        ("B", "Salve", 1250),
        ("C", '"Cool" spray', 900),
        ("D", "Roll-on", 800),
    ]


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ('"Cream"', "Cream"),
        ('"Cream, ""the best"""', 'Cream, "the best"'),
        ('"Cream\twith a tab"', "Cream with a tab"),
        ('Cream 3" wide', 'Cream 3" wide'),
        ('Cream "extra"', 'Cream "extra"'),
        ("'Cream'", "'Cream'"),
    ],
)
def test_quotation_marks_within_a_line_are_read(cell: str, name: str) -> None:
    found = table(cell, "Salve")

    assert [item.name for item in found if isinstance(item, FeedItem)] == [name, "Salve"]


@pytest.mark.parametrize("cell", ['"Cream', '"Cream "" best', '"', 'x\t"y'])
def test_row_that_would_swallow_others_is_refused(cell: str) -> None:
    found = table("Balm", cell, 'Salve"', "Roll-on")

    assert [item.place for item in found if isinstance(item, BadItem)] == ["line 3"]
    assert [item.sku for item in found if isinstance(item, FeedItem)] == ["S0", "S2", "S3"]


@pytest.mark.parametrize(
    ("inventory", "stock"),
    [
        ({"available": True, "inventory_quantity": -3}, None),
        ({"available": False, "inventory_policy": "continue"}, 0),
        ({"inventory_management": "shopify", "inventory_policy": "continue", "inventory_quantity": -3}, None),
        ({"inventory_management": None, "inventory_policy": "deny", "inventory_quantity": 0}, None),
        ({"inventory_management": "shopify", "inventory_policy": "deny", "inventory_quantity": 0}, 0),
        ({"inventory_management": "shopify", "inventory_policy": "deny", "inventory_quantity": "4"}, 4),
        ({"inventory_quantity": 4}, 4),
        ({"inventory_quantity": -1}, 0),
    ],
)
def test_inventory_policy_decides_the_stock(inventory: dict[str, Any], stock: int | None) -> None:
    variant = {"id": 1, "sku": "A", "title": "Default Title", "price": "1.00", **inventory}
    [found] = items(json.dumps({"products": [{"id": 9, "title": "Cream", "handle": "cream", "variants": [variant]}]}))

    assert isinstance(found, FeedItem)
    assert found.stock == stock


def test_variants_that_are_oversold_or_not_counted_are_in_stock() -> None:
    found = items((REAL / "shopify-admin-products-continue-and-untracked.json").read_bytes())

    assert [(item.sku, item.stock) for item in found if isinstance(item, FeedItem)] == [
        ("CREAM-60", None),
        ("ROLL-75", None),
    ]
