"""The API conforms to its OpenAPI description for any request."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.packs import GOOD, leg_day_files, publish_files
from tests.support.services import settings_for
from widget.actions.shops.add_shop import add_shop
from widget.app import create_app
from widget.email.transport import MemoryTransport
from widget.services import build_services
from widget.storage.migrate import upgrade

pytestmark = pytest.mark.filterwarnings("ignore")  # schemathesis and jsonschema warn about each other.


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("api")
    services = build_services(settings_for(folder, f"sqlite:///{folder / 'api.db'}"), transport=MemoryTransport())
    services.settings.home.mkdir(parents=True, exist_ok=True)
    upgrade(services.database)
    add_shop(services, "demo", name="Demo", postal_address="x")
    publish_files(services, leg_day_files())
    app = create_app(services)
    yield schemathesis.openapi.from_wsgi("/v1/openapi.json", app)
    services.close()


def test_generated_requests_get_no_500_and_no_undocumented_response(api: Any) -> None:
    """Each operation is tested with requests generated from the description."""
    operations = [all_operation.ok() for all_operation in api.get_all_operations()]

    assert len(operations) == 5
    for operation in operations:
        _try(operation)


def _try(operation: Any) -> None:
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def send(case: Any) -> None:
        case.path_parameters = {**(case.path_parameters or {}), "shop": "demo", "quiz": "leg-day"}
        case.headers = {
            **(case.headers or {}),
            "Accept-Encoding": "identity",
        }  # The test transport cannot unpack.
        case.call_and_validate(
            checks=[not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
        )

    send()


def test_openapi_description_is_version_3_1_and_lists_every_route(client: Any) -> None:
    spec = client.get("/v1/openapi.json").json

    assert spec["openapi"].startswith("3.1")
    assert set(spec["paths"]) == {
        "/v1/shops/{shop}/quizzes/{quiz}",
        "/v1/shops/{shop}/quizzes/{quiz}/responses",
        "/v1/shops/{shop}/quizzes/{quiz}/results/{code}",
        "/v1/shops/{shop}/quizzes/{quiz}/results/{code}/emails",
        "/v1/shops/{shop}/events",
    }


def test_quiz_and_result_responses_have_all_documented_fields(client: Any) -> None:
    quiz = client.get("/v1/shops/demo/quizzes/leg-day").json
    result = client.post("/v1/shops/demo/quizzes/leg-day/responses", json={"answers": GOOD}).json["result"]

    assert {"shop", "quiz", "version", "locale", "dir", "title", "intro", "questions", "stop_if", "notices"} <= set(
        quiz
    )
    assert {"id", "kind", "text", "help", "optional", "min", "max", "from", "to", "options", "show_if"} <= set(
        quiz["questions"][0]
    )
    wanted = (
        "shop quiz version locale dir code url outcome advice tips products product_in_view plan comparison notices"
    )
    assert set(wanted.split()) <= set(result)
    card = "sku name form slot match why price url image in_stock warnings cart"
    assert set(card.split()) <= set(result["products"][0])
    assert {"amount", "currency", "text"} == set(result["products"][0]["price"])
    assert {"id", "title", "body_html", "why", "evidence"} <= set(result["tips"][0])
