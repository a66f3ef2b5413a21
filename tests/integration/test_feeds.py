"""Product feed imports: all or nothing, and visible to shoppers within seconds."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from sqlalchemy import select

from tests.support.console_forms import client_in, form_token, post
from tests.support.http_server import HERE as LOOPBACK
from tests.support.http_server import Store, gives
from tests.support.packs import GOOD, leg_day_files, publish_files
from widget.actions.catalog.change_feed import BadFeedAddress, NotNow, ask_for_import, change_feed
from widget.actions.catalog.change_product import change_product
from widget.actions.catalog.import_due_feeds import import_due_feeds
from widget.actions.catalog.import_feed import (
    EVERY,
    FEED_FAILED,
    FEED_IMPORTED,
    FEED_STOPPED,
    FEED_UNCHANGED,
    Asked,
    FeedReport,
    import_feed,
)
from widget.actions.quiz.submit_answers import submit_answers
from widget.cache.shared import REVISIONS
from widget.cli import main
from widget.domain.engine.drift import drift_problems
from widget.services import Services
from widget.storage import feeds as feeds_table
from widget.storage.audit import AuditEntry
from widget.storage.catalog import StoredProduct, stored_product
from widget.storage.feeds import GIVEN_UP_AFTER, RUNNING, WAITING, Feed
from widget.storage.shops import Shop
from widget.storage.users import User, user_by_email

PAGE = "/console/shops/demo/settings/products"
HEAD = "id\ttitle\tprice\tavailability\tlink\timage_link\n"
NAMES = {
    "CREAM-60": "Trail Cream",
    "ROLL-75": "Stride Roll-on",
    "SPRAY-100": "Quick Spray",
    "SALVE-50": "Evening Salve",
}


def tsv(names: dict[str, str] | None = None, price: str = "31.00 USD", stock: str = "in_stock", more: str = "") -> str:
    rows = [
        f"{sku}\t{name}\t{price}\t{stock}\thttps://s.example/{sku}\thttps://s.example/{sku}.jpg\n"
        for sku, name in (NAMES if names is None else names).items()
    ]
    return HEAD + "".join(rows) + more


def take(services: Services, text: str, **asked: Any) -> FeedReport:
    return import_feed(services, shop="demo", files=[io.BytesIO(text.encode())], asked=Asked(**asked))


def owner(services: Services) -> User:
    client_in(services)
    with services.reads() as session:
        found = user_by_email(session, "owner@demo.example")
    assert found is not None
    return found


def fed(services: Services) -> dict[str, dict[str, Any]]:
    with services.reads() as session:
        return {row.sku: row.feed for row in session.scalars(select(StoredProduct))}


def feed(services: Services) -> Feed:
    with services.reads() as session:
        return session.scalars(select(Feed)).one()


def entries(services: Services) -> list[tuple[str, str]]:
    with services.reads() as session:
        found = session.execute(select(AuditEntry.action, AuditEntry.actor).order_by(AuditEntry.id)).all()
    return [(what, who) for what, who in found if what.startswith("feed")]


def cards(services: Services) -> dict[str, dict[str, Any]]:
    body = submit_answers(services, shop="demo", quiz="leg-day", answers=GOOD)[1].body
    return {card["sku"]: card for card in orjson.loads(body)["products"]}


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store()
    yield made
    made.close()


# Changes ---------------------------------------------------------------------------------------------


def test_feed_price_stock_and_missing_products_reach_results(services: Services) -> None:
    before = cards(services)
    best = next(iter(before))
    names = {sku: card["name"] for sku, card in before.items()} | NAMES
    report = take(services, tsv(names, price="1,031.00 USD"))

    assert (report.outcome, report.items, report.matched) == (FEED_IMPORTED, len(names), len(names))
    assert cards(services)[best]["price"]["amount"] == 103100
    take(services, tsv({sku: name for sku, name in names.items() if sku != best}), allow_changed=99)
    assert best not in cards(services)
    take(services, tsv(names))
    assert best in cards(services)
    take(services, tsv(names, stock="out_of_stock"))
    assert not set(names) & set(cards(services))


def test_imported_price_reaches_another_process_within_five_seconds(
    make_services: Callable[..., Services], sqlite_url: str, redis_server: Any
) -> None:
    here, there = make_services(sqlite_url, redis_server()), make_services(sqlite_url, redis_server())
    there.shared.subscribe(REVISIONS, there.quizzes.invalidate)
    best = next(iter(cards(there)))
    take(here, tsv({best: "Cream"}, price="77.00 USD"))
    ends = time.monotonic() + 5
    while cards(there)[best]["price"]["amount"] != 7700 and time.monotonic() < ends:
        time.sleep(0.05)

    assert cards(there)[best]["price"]["amount"] == 7700


def test_product_safety_fields_are_never_taken_from_a_feed(services: Services) -> None:
    def safety() -> list[Any]:
        loaded = services.quizzes.live("demo", "leg-day")
        assert loaded is not None
        names = ("contains", "allergens", "warnings", "certificate", "ingredients", "tags", "form", "priority", "uses")
        return [[getattr(product, name) for name in names] for product in loaded.engine.catalog.products]

    before = safety()
    head = HEAD[:-1] + "\tcontains\tallergens\twarnings\tcertificate\tactive\tpriority\ttags\n"
    row = "CREAM-60\tTrail Cream\t31.00 USD\tin_stock\thttps://s.example/\t\tnone\tnone\tnone\tyes\tno\t999\tx\n"
    report = take(services, head + row)

    assert report.changed == ["CREAM-60"]
    assert safety() == before
    assert fed(services)["CREAM-60"]["active"] is True


def test_feed_name_that_breaks_the_claims_rules_hides_the_product_with_a_problem(services: Services) -> None:
    report = take(services, tsv({**NAMES, "CREAM-60": "CBD Cream that cures arthritis pain"}))
    loaded = services.quizzes.live("demo", "leg-day")
    assert loaded is not None

    assert report.outcome == FEED_IMPORTED
    assert "CREAM-60 is not shown in results: its name in the store violates the claims rules" in report.problems
    assert "CREAM-60" in loaded.engine.catalog.blocked
    assert "CREAM-60" not in cards(services)
    assert fed(services)["CREAM-60"]["price"] == 3100


def test_same_feed_is_unchanged_unless_the_pack_needs_other_products(services: Services) -> None:
    revision = services.quizzes.live("demo", "leg-day")
    assert take(services, tsv()).outcome == FEED_IMPORTED
    moved = services.quizzes.live("demo", "leg-day")
    again = take(services, tsv())

    assert (again.outcome, again.items, again.matched) == (FEED_UNCHANGED, 4, 4)
    assert revision is not None
    assert moved is not None
    assert services.quizzes.live("demo", "leg-day") == moved
    assert moved.engine.catalog.revision == revision.engine.catalog.revision + 1
    files = leg_day_files()
    publish_files(services, {**files, "products.yaml": files["products.yaml"].replace("SALVE-50", "SALVE-51")})
    assert take(services, tsv()).outcome == FEED_IMPORTED


def test_sale_price_ends_even_if_the_feed_is_unchanged(services: Services) -> None:
    now = services.now()
    period = f"{(now - timedelta(hours=1)).isoformat()}/{(now + timedelta(hours=1)).isoformat()}"
    head = HEAD[:-1] + "\tsale_price\tsale_price_effective_date\n"
    text = f"{head}CREAM-60\tTrail Cream\t31.00 USD\tin_stock\t\t\t20.00 USD\t{period}\n"
    take(services, text)
    assert fed(services)["CREAM-60"]["price"] == 2000
    services.clock.move_to(now + timedelta(hours=2))
    take(services, text)
    assert fed(services)["CREAM-60"]["price"] == 3100


def test_truncated_feed_changes_nothing(services: Services) -> None:
    take(services, tsv())
    before = fed(services)
    rss = (
        '<rss xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:id>CREAM-60</g:id><g:title>Cream</g:title>'
        "<g:price>1.00 USD</g:price><g:availability>in_stock</g:availability></item></chan"
    )
    report = take(services, rss)

    assert report.outcome == FEED_FAILED
    assert "Nothing was changed" in report.error
    assert fed(services) == before
    assert (feed(services).outcome, feed(services).last_good_at is not None) == (FEED_FAILED, True)


def test_failure_during_an_import_changes_nothing(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    take(services, tsv())
    before = fed(services)

    def breaks(*_: Any, **__: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("widget.storage.audit.record", breaks)
    with pytest.raises(RuntimeError):
        take(services, tsv(price="99.00 USD"))
    assert fed(services) == before


def test_unreadable_feed_item_keeps_the_known_product_data(services: Services) -> None:
    take(services, tsv())
    bad = {sku: name for sku, name in NAMES.items() if sku != "CREAM-60"}
    report = take(services, tsv(bad, more="CREAM-60\tTrail Cream\t12,99\tin_stock\t\t\n"))

    assert report.outcome == FEED_IMPORTED
    assert report.missing == []
    assert fed(services)["CREAM-60"]["price"] == 3100
    assert any("(CREAM-60) was skipped: price '12,99'" in problem for problem in report.problems)


def test_blocked_product_stays_blocked_after_an_import(services: Services) -> None:
    change_product(services, shop="demo", sku="CREAM-60", blocked=True, reason="recall")
    take(services, tsv())
    with services.reads() as session:
        row = stored_product(session, session.scalars(select(Shop)).one().id, "CREAM-60")
    assert row is not None
    assert (row.blocked, row.block_reason, row.feed["price"]) == (True, "recall", 3100)


# Missing products ------------------------------------------------------------------------------------


def test_import_stops_when_over_a_third_of_products_are_missing_until_allowed(services: Services) -> None:
    take(services, tsv())
    before = fed(services)
    two = {sku: NAMES[sku] for sku in ("CREAM-60", "ROLL-75")}
    report = take(services, tsv(two, price="5.00 USD"))

    assert (report.outcome, report.missing) == (FEED_STOPPED, ["SALVE-50", "SPRAY-100"])
    assert "2 of the 4 products" in report.error
    assert fed(services) == before
    assert take(services, HEAD).outcome == FEED_STOPPED
    assert (
        take(services, tsv(two, price="5.00 USD"), allow_missing=1).outcome == FEED_STOPPED
    )  # Fewer than are missing.
    assert take(services, tsv(two, price="5.00 USD"), allow_missing=2).outcome == FEED_IMPORTED
    assert {sku for sku, feed_values in fed(services).items() if not feed_values["active"]} == {"SPRAY-100", "SALVE-50"}
    assert fed(services)["CREAM-60"]["price"] == 500
    assert take(services, tsv()).outcome == FEED_IMPORTED
    assert all(feed_values["active"] for feed_values in fed(services).values())


def test_product_missing_from_the_feed_is_reported_by_the_drift_check(services: Services) -> None:
    take(services, tsv())
    report = take(services, tsv({sku: name for sku, name in NAMES.items() if sku != "CREAM-60"}))
    loaded = services.quizzes.live("demo", "leg-day")
    assert loaded is not None
    lines = [drift_problem.message for drift_problem in drift_problems(loaded.engine.catalog, fed(services))]

    assert report.missing == ["CREAM-60"]
    assert any("(CREAM-60) is no longer in the store" in item for item in lines)


# Imports by a worker ---------------------------------------------------------------------------------


def due(services: Services) -> int:
    return import_due_feeds(services, limits=LOOPBACK)


def at(services: Services, store: Store, path: str = "/feed.tsv?token=hush") -> User:
    by = owner(services)
    change_feed(services, shop="demo", address=store.root + path, by=by, limits=LOOPBACK)
    return by


def test_worker_imports_due_feeds_and_not_again_before_the_next_due_time(
    services: Services, store: Store, log_lines: list[Any]
) -> None:
    store.handlers["/feed.tsv?token=hush"] = gives(tsv().encode())
    at(services, store)
    assert feed(services).state == WAITING
    assert due(services) == 1
    row = feed(services)

    assert (row.state, row.outcome, row.kind, row.items, row.matched) == ("idle", FEED_IMPORTED, "tsv", 4, 4)
    assert row.due_at is not None
    assert row.last_run_at is not None
    assert row.due_at - row.last_run_at == EVERY
    assert fed(services)["CREAM-60"]["price"] == 3100
    assert due(services) == 0
    services.clock.move_to(services.now() + EVERY + timedelta(seconds=1))
    assert due(services) == 1
    assert feed(services).outcome == FEED_UNCHANGED
    assert len(store.asked) == 2
    assert "hush" not in row.encrypted_address
    assert "hush" not in repr(log_lines)
    assert entries(services) == [("feed_changed", "The owner"), ("feed_imported", "The owner")]


def test_no_database_connection_is_held_while_a_feed_is_fetched(services: Services, store: Store) -> None:
    held: list[int] = []

    def watches(handler: Any) -> None:
        held.append(services.database.pool.checkedout())  # type: ignore[attr-defined]  # Pool subclasses have it.
        gives(tsv().encode())(handler)

    store.handlers["/feed.tsv?token=hush"] = watches
    at(services, store)
    due(services)

    assert held == [0]


def test_two_workers_never_import_the_same_feed(services: Services, store: Store) -> None:
    runs: list[int] = []

    def meanwhile(handler: Any) -> None:
        runs.append(due(services))
        gives(tsv().encode())(handler)

    store.handlers["/feed.tsv?token=hush"] = meanwhile
    at(services, store)

    assert due(services) == 1
    assert runs == [0]


def test_feed_of_a_dead_worker_is_imported_by_another(services: Services, store: Store) -> None:
    store.handlers["/feed.tsv?token=hush"] = gives(tsv().encode())
    at(services, store)
    with services.sessions.begin() as session:
        row = session.scalars(select(Feed)).one()
        row.state, row.started_at = RUNNING, services.now()
    assert due(services) == 0
    services.clock.move_to(services.now() + GIVEN_UP_AFTER + timedelta(seconds=1))
    assert due(services) == 1
    assert feed(services).outcome == FEED_IMPORTED


def test_import_is_discarded_when_the_feed_address_changed_meanwhile(services: Services, store: Store) -> None:
    def changes(handler: Any) -> None:
        with services.reads() as session:
            by = user_by_email(session, "owner@demo.example")
        assert by is not None
        change_feed(services, shop="demo", address="", by=by)
        gives(tsv().encode())(handler)

    store.handlers["/feed.tsv?token=hush"] = changes
    at(services, store)
    due(services)

    assert fed(services) == {}
    assert (feed(services).outcome, feed(services).encrypted_address, feed(services).due_at) == ("", "", None)


@pytest.mark.parametrize(
    "handlers", [gives(b"", 403), gives(b"", 302, Location="https://10.0.0.1/"), gives(b"<html/>")]
)
def test_unavailable_feed_is_logged_once_and_retried(services: Services, store: Store, handlers: Any) -> None:
    store.handlers["/feed.tsv?token=hush"] = handlers
    at(services, store)
    for _ in range(3):
        assert due(services) == 1
        services.clock.move_to(services.now() + EVERY + timedelta(seconds=1))

    assert feed(services).outcome == FEED_FAILED
    assert feed(services).error.startswith("Nothing was changed: ")
    assert "hush" not in feed(services).error
    assert len([entry for entry in entries(services) if entry[0] == "feed_refused"]) == 1


def test_allowed_missing_import_removes_only_the_confirmed_number_of_products(services: Services, store: Store) -> None:
    path = "/feed.tsv?token=hush"
    store.handlers[path] = gives(tsv().encode())
    by = at(services, store)
    due(services)
    store.handlers[path] = gives(tsv({"CREAM-60": "Trail Cream", "ROLL-75": "Stride Roll-on"}).encode())
    ask_for_import(services, shop="demo", by=by)
    due(services)
    assert feed(services).outcome == FEED_STOPPED
    with pytest.raises(NotNow):
        ask_for_import(services, shop="demo", by=by, missing=4)
    ask_for_import(services, shop="demo", by=by, missing=2)
    due(services)

    assert feed(services).outcome == FEED_IMPORTED
    assert feed(services).allow_missing == 0
    assert fed(services)["SALVE-50"]["active"] is False


def test_all_pages_of_a_shopify_store_are_read(services: Services, store: Store) -> None:
    def product(number: int, sku: str) -> dict[str, Any]:
        variant = {"id": number, "title": "Default Title", "sku": sku, "price": "31.00", "available": True}
        return {"id": number, "title": "Cream", "handle": f"p{number}", "variants": [variant]}

    first = {"products": [product(number, f"X-{number}") for number in range(250)]}
    second = {"products": [product(2**60 + 1, "CREAM-60")]}
    store.handlers["/products.json?limit=250&page=1"] = gives(json.dumps(first).encode())
    store.handlers["/products.json?limit=250&page=2"] = gives(json.dumps(second).encode())
    at(services, store, "/products.json")
    due(services)

    assert (feed(services).outcome, feed(services).items, feed(services).matched) == (FEED_IMPORTED, 251, 1)
    assert fed(services)["CREAM-60"]["variant_id"] == "1152921504606846977"
    assert fed(services)["CREAM-60"]["url"] == f"{store.root}/products/p1152921504606846977?variant=1152921504606846977"


def test_import_progress_is_stored(services: Services, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("widget.actions.catalog.import_due_feeds.TELL_EVERY", 0)
    body = tsv(more="".join(f"X-{number}\tx\t1 USD\tin_stock\t\t\n" for number in range(3000)))
    store.handlers["/feed.tsv?token=hush"] = gives(body.encode())
    at(services, store)
    due(services)

    assert feed(services).progress == 3004


@pytest.mark.parametrize(
    "address",
    ["http://store.example/feed.xml", "feed.xml", "https://a:b@store.example/", "https://s.example/" + "x" * 2000],
)
def test_invalid_feed_address_is_rejected(sqlite_services: Services, address: str) -> None:
    with pytest.raises(BadFeedAddress):
        change_feed(sqlite_services, shop="demo", address=address, by=owner(sqlite_services))
    with sqlite_services.reads() as session:
        assert session.scalars(select(feeds_table.Feed)).all() == []


def test_feed_characters_that_no_database_accepts_are_handled(services: Services) -> None:
    odd = {"id": 1, "title": "Cream", "sku": "A\ud800\u0000", "price": "x\ud800", "available": True}
    good = {"id": 2, "title": "\u0000", "sku": "CREAM-60\u0000", "price": "31.00", "available": True}
    product = {"id": 3, "title": "Trail \ud800Cream", "handle": "a\ud800b", "variants": [odd, good]}
    report = take(services, json.dumps({"products": [product]}), base="https://s.example/")

    assert (report.outcome, report.changed) == (FEED_IMPORTED, ["CREAM-60"])
    assert feed(services).problems


# In the console --------------------------------------------------------------------------------------


def shown(client: Any) -> str:
    answer = client.get(PAGE)
    assert answer.status_code == 200
    return unescape(answer.get_data(as_text=True))


def send_file(client: Any, text: str, **fields: str) -> Any:
    data = {"csrf_token": form_token(client), "file": (io.BytesIO(text.encode()), "feed.tsv"), **fields}
    return client.post(f"{PAGE}/feed/upload", data=data)


def test_feed_address_is_set_shown_masked_and_removed(sqlite_services: Services) -> None:
    client = client_in(sqlite_services)
    assert "No product feed yet" in shown(client)
    refused = post(client, f"{PAGE}/feed", do="set", address="http://store.example/feed")
    assert refused.status_code == 422
    assert "must start with https://" in refused.get_data(as_text=True)
    assert post(client, f"{PAGE}/feed", do="set", address="").status_code == 422
    post(client, f"{PAGE}/feed", do="set", address="https://store.example/hush/feed.xml?token=hush")
    page = shown(client)

    assert "https://store.example/…" in page
    assert "hush" not in page
    assert "Importing the feed" in page
    assert "data-again" in page
    post(client, f"{PAGE}/feed", do="remove")
    removed = shown(client)
    assert "No product feed yet" in removed
    assert "https://store.example/…" not in removed
    assert post(client, f"{PAGE}/feed", do="else").status_code == 400


def test_uploaded_feed_is_imported_stopped_and_forced(sqlite_services: Services) -> None:
    client = client_in(sqlite_services)
    assert send_file(client, "").status_code == 422
    assert send_file(client, tsv(more="X\t\t1 USD\tin_stock\t\t\n")).status_code == 303
    page = shown(client)
    assert "Imported: 4 products changed." in page
    assert "line 6 (X) was skipped: it has no title" in page
    assert "is not in the feed: the quiz uses its previous data" in page
    stopped = send_file(client, tsv({"CREAM-60": "Trail Cream"}))
    assert stopped.status_code == 422
    assert "Import even if 3 products are missing" in " ".join(stopped.get_data(as_text=True).split())
    assert send_file(client, tsv({"CREAM-60": "Trail Cream"}), missing="3").status_code == 303
    assert fed(sqlite_services)["SALVE-50"]["active"] is False
    bad = send_file(client, "hello")
    assert bad.status_code == 422
    assert "Nothing was changed: unsupported format" in bad.get_data(as_text=True)


def test_stopped_import_shows_missing_products_and_can_be_forced(sqlite_services: Services, store: Store) -> None:
    client = client_in(sqlite_services)
    with sqlite_services.reads() as session:
        by = user_by_email(session, "owner@demo.example")
    assert by is not None
    store.handlers["/f"] = gives(tsv().encode())
    change_feed(sqlite_services, shop="demo", address=f"{store.root}/f", by=by, limits=LOOPBACK)
    due(sqlite_services)
    store.handlers["/f"] = gives(HEAD.encode())
    post(client, f"{PAGE}/feed", do="import")
    due(sqlite_services)
    page = shown(client)

    assert "Stopped: too many products are missing" in page
    assert "CREAM-60, ROLL-75, SALVE-50, SPRAY-100" in page
    assert 'name="missing" value="4"' in page
    post(client, f"{PAGE}/feed", do="allow_missing", missing="4")
    due(sqlite_services)
    assert not any(feed_values["active"] for feed_values in fed(sqlite_services).values())
    post(client, f"{PAGE}/feed", do="allow_missing", missing="4")
    assert "checked again in the meantime" in shown(client)


def test_feed_content_is_escaped_in_the_console(sqlite_services: Services) -> None:
    client = client_in(sqlite_services)
    send_file(client, tsv({"CREAM-60": "Cream"}, more="<img src=x>\t\t1 USD\tin_stock\t\t\n"))
    page = client.get(PAGE).get_data(as_text=True)

    assert "<img src=x>" not in page
    assert "&lt;img src=x&gt;" in page


# On the command line ---------------------------------------------------------------------------------


def test_import_feed_command_imports_a_file(
    sqlite_services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = sqlite_services.settings
    for name in ("home", "database_url", "suppression_key"):
        monkeypatch.setenv(f"RECOVERY_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("RECOVERY_SECRET_KEYS", ",".join(settings.secret_keys))
    path = tmp_path / "feed.tsv"
    path.write_text(tsv())

    def run(*more: str) -> Any:
        return CliRunner().invoke(main, ["shop", "import-feed", "demo", *more])

    completed = run(str(path))
    assert (completed.exit_code, "4 items, 4 matched, 4 changed" in completed.output) == (0, True), completed.output
    path.write_text(HEAD)
    stopped = run(str(path), "--json")
    assert stopped.exit_code == 1
    assert orjson.loads(stopped.stdout)["outcome"] == FEED_STOPPED
    assert run(str(path), "--force").exit_code == 0
    assert run(str(tmp_path / "none.tsv")).exit_code == 2
    assert "private network" in run("https://127.0.0.1/feed.tsv").output
    assert entries(sqlite_services)[0] == ("feed_imported", "command line")


# Changes that are too many to be true ----------------------------------------------------------------


def known_shop(services: Services) -> dict[str, str]:
    """Import the shipped products once; return their names by SKU."""
    names = {sku: card["name"] for sku, card in cards(services).items()} | NAMES
    take(services, tsv(names))
    return names


def moved(names: dict[str, str]) -> dict[str, str]:
    """Return the names as a feed with a moved column would have them: each at the next product."""
    return dict(zip(names, [*list(names.values())[1:], next(iter(names.values()))], strict=True))


def test_feed_with_other_names_stops_and_shows_them(services: Services) -> None:
    names = known_shop(services)
    before = fed(services)
    report = take(services, tsv(moved(names)))

    assert report.outcome == FEED_STOPPED
    assert fed(services) == before
    assert len(report.suspicious) == len(names)
    assert "name" in report.suspicious[0]
    page = client_in(services).get("/console/shops/demo/settings/products").text
    assert "changed names and prices" in page
    assert "→" in page
    assert "The columns of the feed may have moved" in page


def test_feed_with_other_prices_stops_until_a_person_agrees(services: Services) -> None:
    names = known_shop(services)
    stopped = take(services, tsv(names, price="99.00 USD"))
    fewer = take(services, tsv(names, price="99.00 USD"), allow_changed=len(names) - 1)
    agreed = take(services, tsv(names, price="99.00 USD"), allow_changed=len(stopped.suspicious))

    assert [stopped.outcome, fewer.outcome, agreed.outcome] == [FEED_STOPPED, FEED_STOPPED, FEED_IMPORTED]
    assert {item["price"] for item in fed(services).values()} == {9900}


def test_a_few_new_names_and_prices_are_imported(services: Services) -> None:
    names = known_shop(services)
    first, second = list(names)[:2]
    renamed = {**names, first: "A new name", second: "Another one"}

    assert take(services, tsv(renamed)).outcome == FEED_IMPORTED


def test_upload_with_the_box_ticked_imports_the_changes(services: Services) -> None:
    names = known_shop(services)
    client = client_in(services)
    path = "/console/shops/demo/settings/products/feed/upload"

    def upload(**more: Any) -> Any:
        file = (io.BytesIO(tsv(names, price="99.00 USD").encode()), "feed.tsv")
        data = {"csrf_token": form_token(client), "file": file, **more}
        return client.post(path, data=data, content_type="multipart/form-data")

    assert upload().status_code == 422
    assert upload(missing="0", changed=str(len(feed(services).suspicious))).status_code == 303
    assert {item["price"] for item in fed(services).values()} == {9900}
