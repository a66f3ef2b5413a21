"""Safety as tables: every red flag on every channel, and every answer to "anything we must know" on every product.

Sources of the second table: labels of camphor and menthol products, arnica monographs, and the rules of the shipped
pack on who is not shown a product. A product counts as containing everything that it does not declare.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any

import orjson
import pytest
from sqlalchemy import select, update

from tests.support.orders import webhook
from tests.support.packs import GOOD, leg_day_files
from tests.support.services import client_of
from widget.actions.content.import_content import import_content
from widget.actions.content.publish_content import publish_content
from widget.actions.emails.send_email import send_due_emails
from widget.actions.quiz.submit_answers import record_response, submit_answers
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.content.reader import read_files
from widget.domain.catalog.product import Product
from widget.domain.catalog.target import Target
from widget.domain.content.pack import BOOST, ENDS_EARLY, Mapping, Pack, Slot
from widget.domain.engine.evaluation import evaluate
from widget.domain.engine.live import Engine
from widget.domain.quiz.condition import ALWAYS
from widget.path_coverage.check import check_paths
from widget.services import Services
from widget.storage.emails import Email
from widget.storage.orders import Order

QUIZ = "/v1/shops/demo/quizzes/leg-day"
Answers = dict[str, list[str]]


@cache
def shipped() -> Pack:
    pack = read_files(leg_day_files(), []).pack
    assert pack is not None
    return pack


def flagged() -> dict[str, Answers]:
    """Return, for each triage row, answers on which it decides the outcome; taken from the path check."""
    pack = shipped()
    run = check_paths(pack).gone[0].run
    found = {pack.triage[row].id: run.example_of_end(at) for at, (row,) in enumerate(run.walked.ends)}
    for at, kinds in enumerate(run.kinds):
        if kinds[0].triage is not None:
            found.setdefault(pack.triage[kinds[0].triage].id, run.example_of_kind(at))
    assert found.keys() == {row.id for row in pack.triage}
    return found


FLAGGED = flagged()
ROWS = {row.id: row for row in shipped().triage}


@dataclass
class Shop:
    """A shop whose first version had no red flags. ``old``: result codes made with it, by triage row."""

    services: Services
    client: Any
    old: dict[str, str]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    from tests.support.services import settings_for
    from widget.actions.shops.add_shop import add_shop
    from widget.email.transport import MemoryTransport
    from widget.services import build_services
    from widget.storage.migrate import upgrade

    folder = tmp_path_factory.mktemp("shop")
    settings = settings_for(folder, f"sqlite:///{folder / 'test.db'}")
    settings.home.mkdir(parents=True, exist_ok=True)
    services = build_services(settings, transport=MemoryTransport())
    upgrade(services.database)
    add_shop(services, "demo", name="Stride & Salve", postal_address="12 Example Lane", cart={"kind": "event"})
    files = leg_day_files()
    safe = "triage: []\nexclusions: []\n"
    for safety in (safe, files["safety.yaml"]):
        version = import_content(services, shop="demo", files={**files, "safety.yaml": safety})
        publish_content(services, shop="demo", quiz="leg-day", number=version.number, checked=True)
        if safety is safe:
            old = {row: _old_link(services, answers) for row, answers in FLAGGED.items()}
    yield Shop(services, client_of(services), old)
    services.close()


def _old_link(services: Services, answers: Answers) -> str:
    """Return the code of a result of the version without red flags; questions after an early end get any answer."""
    _, known = submit_answers(services, shop="demo", quiz="leg-day", answers={**GOOD, **answers})
    data = orjson.loads(known.body)
    assert data["outcome"] != "emergency"
    return str(data["code"])


def _posted(shop: Shop, row: str, query: str = "") -> Any:
    answer = shop.client.post(f"{QUIZ}/responses{query}", json={"answers": FLAGGED[row], "product": "CREAM-60"})
    assert answer.status_code == 201, answer.get_data(as_text=True)
    return answer.json


def by_api(shop: Shop, row: str) -> str:
    return orjson.dumps(_posted(shop, row)["result"]).decode()


def by_widget(shop: Shop, row: str) -> str:
    return str(_posted(shop, row, "?html=1")["html"])


def by_link(shop: Shop, row: str) -> str:
    code = _posted(shop, row)["result"]["code"]
    return str(shop.client.get(f"{QUIZ}/results/{code}").get_data(as_text=True))


def by_prefetch(shop: Shop, row: str) -> str:
    """Return the result page as prefetched by a browser and as loaded again later."""
    code = _posted(shop, row)["result"]["code"]
    ahead = shop.client.get(f"/demo/r/{code}?product=CREAM-60", headers={"Sec-Purpose": "prefetch"})
    again = shop.client.get(f"/demo/r/{code}?product=CREAM-60")
    assert ahead.headers["Cache-Control"] == "no-store"
    return str(ahead.get_data(as_text=True) + again.get_data(as_text=True))


def by_page(shop: Shop, row: str) -> str:
    """Take the quiz without JavaScript, step by step, and return the result page."""
    page = shop.client.get("/demo/quiz/leg-day?product=CREAM-60")
    for _ in range(20):
        text = page.get_data(as_text=True)
        question = text.split('name="question" value="', 1)[1].split('"', 1)[0]
        draft = text.split('name="draft" value="', 1)[1].split('"', 1)[0]
        given = FLAGGED[row].get(question, [])
        form = {"question": question, "draft": draft, "product": "CREAM-60", "o": given}
        page = shop.client.post("/demo/quiz/leg-day", data=form)
        if page.status_code == 303:
            break
    return str(shop.client.get(page.headers["Location"]).get_data(as_text=True))


def by_old_link(shop: Shop, row: str) -> str:
    answer = shop.client.get(f"{QUIZ}/results/{shop.old[row]}")
    page = shop.client.get(f"/demo/r/{shop.old[row]}")
    return str(answer.get_data(as_text=True) + page.get_data(as_text=True))


def by_email(shop: Shop, row: str) -> str:
    """Return template and state of the emails not skipped after an order by a shopper with these answers.

    No email about a product may be sent to this shopper.
    """
    services = shop.services
    loaded, known = submit_answers(services, shop="demo", quiz="leg-day", answers=FLAGGED[row])
    visit = record_response(services, loaded, known, None)
    services.recorder.flush()
    webhook(services, order=f"order-{row}", attributes={"recovery_quiz": visit})
    process_webhooks(services)
    with services.sessions.begin() as session:
        order = session.scalar(select(Order).where(Order.external_id == f"order-{row}"))
        assert order is not None
        of_order = Email.order_id == order.id
        due = {"due_at": services.now(), "valid_until": services.now() + timedelta(days=9)}
        session.execute(update(Email).where(of_order).values(**due))
    send_due_emails(services)
    with services.reads() as session:
        states = [f"{email.template} {email.state}" for email in session.scalars(select(Email).where(of_order))]
    assert states
    return "".join(state for state in states if not state.endswith("skipped"))


CHANNELS: dict[str, Callable[[Shop, str], str]] = {
    "api": by_api,
    "widget": by_widget,
    "link": by_link,
    "prefetch": by_prefetch,
    "page": by_page,
    "old-link": by_old_link,
    "email": by_email,
}


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("row", ROWS)
def test_red_flag_shows_no_product_on_any_channel(shop: Shop, row: str, channel: str) -> None:
    text = CHANNELS[channel](shop, row)
    for product in shipped().products:
        assert product.sku not in text, (row, channel, product.sku)
        assert product.name not in text, (row, channel, product.name)
    if channel == "email":
        assert text == ""
        return
    assert ROWS[row].advice.title in text.replace("&#39;", "'").replace("&amp;", "&")
    if ROWS[row].outcome in ENDS_EARLY:
        for tip in shipped().tips:
            assert tip.title not in text, (row, channel, tip.id)


# Exclusions ------------------------------------------------------------------------------------------

INGREDIENTS = ("camphor", "menthol", "salicylates", "arnica", "cbd", "water")
NOTHING_AT_ALL = {"pregnant", "under-18", "broken-skin", "condition"}
TAKES_OUT = {
    "daisy": {"arnica"},
    "menthol": {"menthol", "camphor", "salicylates"},
    "blood-thinner": {"menthol", "salicylates"},
    "seizures": {"camphor"},
    "drug-test": {"cbd"},
}


def catalog_of_everything() -> list[Product]:
    """Return products of all kinds.

    Each ingredient alone, no ingredients, and undeclared ingredients; each with no allergens, with asteraceae, and with
    undeclared allergens; as cream and as spray.
    """
    contents: list[tuple[str, ...] | None] = [(item,) for item in INGREDIENTS]
    contents += [(), None]
    allergens: list[tuple[str, ...] | None] = [(), ("asteraceae",), None]
    return [
        Product(f"{form}/{inside}/{allergen}", "p", form=form, contains=inside, allergens=allergen)
        for form in ("cream", "spray")
        for inside in contents
        for allergen in allergens
    ]


def may_be_shown(product: Product, option: str) -> bool:
    if option in NOTHING_AT_ALL:
        return False
    if option == "asthma":
        return product.form != "spray"
    harmful = TAKES_OUT.get(option, set())
    if not harmful:
        return True
    if product.contains is None or harmful & set(product.contains):
        return False
    return option != "daisy" or (product.allergens is not None and "asteraceae" not in product.allergens)


@pytest.fixture(scope="module")
def everything() -> Engine:
    """Return an engine with the shipped questions and safety rules and products of all kinds.

    Without an exclusion, it shows all of them.
    """
    pack = shipped()
    products = tuple(catalog_of_everything())
    row = Mapping(id="all", when=ALWAYS, effect=BOOST, target=(Target("all"),), weight=50)
    result = replace(pack.result, slots=(Slot("all", len(products)),), fallback=(), certificate_for=())
    return Engine.of(replace(pack, products=products, mappings=(row,), result=result))


@pytest.mark.parametrize("option", shipped().quiz.by_id["health"].option_ids)
def test_health_answer_excludes_exactly_the_unsafe_products(everything: Engine, option: str) -> None:
    found = evaluate(everything.rules, everything.catalog, {**GOOD, "health": [option]})
    shown = {everything.rules.products[item.place].sku for item in found.shown}
    assert shown == {item.sku for item in catalog_of_everything() if may_be_shown(item, option)}


def test_two_health_answers_exclude_the_products_that_either_excludes(everything: Engine) -> None:
    options = [option_id for option_id in shipped().quiz.by_id["health"].option_ids if option_id != "none"]
    for one in options:
        for other in options:
            if one < other:
                found = evaluate(everything.rules, everything.catalog, {**GOOD, "health": [one, other]})
                shown = {everything.rules.products[item.place].sku for item in found.shown}
                both = {e.sku for e in catalog_of_everything() if may_be_shown(e, one) and may_be_shown(e, other)}
                assert shown == both, (one, other)


def test_missing_certificate_blocks_products_that_contain_or_may_contain_cbd() -> None:
    pack = shipped()
    products = tuple(catalog_of_everything())
    row = Mapping(id="all", when=ALWAYS, effect=BOOST, target=(Target("all"),), weight=50)
    result = replace(pack.result, slots=(Slot("all", len(products)),), fallback=())
    engine = Engine.of(replace(pack, products=products, mappings=(row,), result=result))
    found = evaluate(engine.rules, engine.catalog, {**GOOD, "health": ["none"]})
    shown = {engine.rules.products[item.place].sku for item in found.shown}
    assert shown == {
        product.sku for product in products if product.contains is not None and "cbd" not in product.contains
    }
