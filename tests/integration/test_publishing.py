"""Publishing rules: a version with an error is refused; a previously live version can always be restored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.support.packs import GOOD, leg_day_files, publish_files
from tests.support.services import client_of
from widget.actions.catalog.change_product import change_product
from widget.actions.content.import_content import import_content
from widget.actions.content.publish_content import NotPublishable, publish_content
from widget.services import Services

RESPONSES = "/v1/shops/demo/quizzes/leg-day/responses"


def with_text(name: str, old: str, new: str) -> dict[str, str]:
    files = leg_day_files()
    assert old in files[name]
    return {**files, name: files[name].replace(old, new, 1)}


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        ("mappings.csv", "a cream absorbs as you go.", "a cream for pain relief.", "pain"),
        ("tips/massage.md", "review_by: 2027-06-30", "review_by: 2025-06-30", "due for review by"),
        ("pack.yaml", "checks:", "checks:\n  option_changes_nothing: error", "most-days"),
    ],
)
def test_version_with_an_error_is_not_published(services: Services, name: str, old: str, new: str, words: str) -> None:
    version = import_content(services, shop="demo", files=with_text(name, old, new))
    with pytest.raises(NotPublishable, match=words):
        publish_content(services, shop="demo", quiz="leg-day", number=version.number)
    live = services.quizzes.live("demo", "leg-day")
    assert live is not None
    assert live.version == 1


def test_previously_live_version_can_always_be_restored(services: Services) -> None:
    """A rollback is allowed even if the version's evidence has become due for review since."""
    publish_files(services, with_text("pack.yaml", "title: Recovery match for leg day", "title: Another title"))
    services.clock.move_to(services.now() + timedelta(days=400))
    assert publish_content(services, shop="demo", quiz="leg-day", number=1)


def shown(client: Any) -> set[str]:
    result = client.post(RESPONSES, json={"answers": GOOD}).json["result"]
    return {card["sku"] for card in result["products"]}


def test_store_product_name_with_a_claim_hides_the_product_until_it_changes(sqlite_services: Services) -> None:
    client = client_of(sqlite_services)
    best = client.post(RESPONSES, json={"answers": GOOD}).json["result"]["products"][0]["sku"]
    for name in ("Pain Relief Roll-on", "Crema para el dolor", "كريم مسكن للألم", "No-Mess Pain Relief"):
        change_product(sqlite_services, shop="demo", sku=best, feed={"name": name})
        assert best not in shown(client), name
    change_product(sqlite_services, shop="demo", sku=best, feed={"name": "Stride Roll-on"})
    assert best in shown(client)
