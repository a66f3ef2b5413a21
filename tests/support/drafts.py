"""Helpers that edit and publish a draft."""

from __future__ import annotations

from typing import Any

from tests.support.packs import GOOD
from tests.support.services import client_of
from widget.actions.accounts.add_user import add_user
from widget.actions.content.change_draft import (
    open_draft,
    put_record,
)
from widget.actions.content.publish_draft import (
    publish_draft,
)
from widget.content.editing import MAPPING, record_hash, records_of
from widget.services import Services
from widget.storage.users import User


def user(services: Services, name: str = "anna", role: str = "owner") -> User:
    return add_user(services, shop="demo", email=f"{name}@team.example", role=role, name=name.title())[0]


def draft_of(services: Services) -> Any:
    return open_draft(services, shop="demo", quiz="leg-day").draft


def weigh(services: Services, by: User, row: str, weight: str, *, draft: Any = None) -> int:
    """Set the weight of a mapping row, as a form that shows ``draft`` does."""
    draft = draft or draft_of(services)
    record = records_of(draft.files, MAPPING)[row]
    return put_record(
        services,
        draft=draft,
        by=by,
        kind=MAPPING,
        record=row,
        seen=record_hash(record),
        after={**record, "weight": weight},
        what=f"row {row}: weight {record['weight']} → {weight}",
    )


def publish(services: Services, by: User, **more: Any) -> int:
    revision = draft_of(services).revision
    return publish_draft(
        services, **{"shop": "demo", "quiz": "leg-day", "by": by, "note": "a try", "revision": revision, **more}
    )


def best(services: Services) -> str:
    answers = {**GOOD, "apply": ["rub-in"]}
    result = (
        client_of(services).post("/v1/shops/demo/quizzes/leg-day/responses", json={"answers": answers}).json["result"]
    )
    return str(result["products"][0]["form"])
