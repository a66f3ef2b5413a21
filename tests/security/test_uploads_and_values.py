"""Uploads and floods from untrusted clients are bounded in time, memory, and count."""

from __future__ import annotations

import io
import time
import zipfile
from typing import Any

import openpyxl
import pytest

from tests.support.console import signed_in
from tests.support.packs import GOOD
from tests.support.services import client_of
from widget.content.spreadsheet import sheet_rows
from widget.content.workbook import BadSheet
from widget.recorder import ALL_UP_TO, ONE_OF
from widget.services import Services
from widget.telemetry import _mask
from widget.web.budgets import BURST_SECONDS, Budgets, client_address

RESPONSES = "/v1/shops/demo/quizzes/leg-day/responses"


def workbook(rows: int = 2, filler: str = "") -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "mappings"
    sheet.append(["id", "when", "effect", "target", "weight", "reason", "note"])
    for number in range(rows):
        sheet.append([f"row-{number}", "area = calves", "boost", "form:cream", 5, "", f"{filler}{number}"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def with_shared_strings(many: int, text: str) -> bytes:
    """Return a workbook whose list of shared strings is much larger than its sheet."""
    strings = "".join(f"<si><t>{text}</t></si>" for _ in range(many))
    whole = f'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" count="{many}">{strings}</sst>'
    made, out = workbook(), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(made)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            if item.filename != "xl/sharedStrings.xml":
                new.writestr(item.filename, old.read(item))
        new.writestr("xl/sharedStrings.xml", whole)
    return out.getvalue()


def test_valid_workbook_is_read() -> None:
    rows = sheet_rows(workbook(), "m.xlsx")

    assert [cells["id"] for _, cells in rows] == ["row-0", "row-1"]


def test_decompression_bomb_of_shared_strings_is_refused_quickly() -> None:
    bomb = with_shared_strings(3_000_000, "aaaaaaaa")
    assert len(bomb) < 1_000_000
    started = time.monotonic()
    with pytest.raises(BadSheet, match="unpacks to"):
        sheet_rows(bomb, "m.xlsx")

    assert time.monotonic() - started < 5


def test_workbook_that_takes_too_long_to_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("widget.content.sheet_process.SECONDS", 0.05)
    with pytest.raises(BadSheet, match="took more than"):
        sheet_rows(workbook(5000), "m.xlsx")


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04" + b"\x00" * 100, workbook()[:-50], b"PK\x03\x04"], ids=["zeros", "cut", "head"]
)
def test_broken_workbook_is_refused_with_a_message(data: bytes) -> None:
    with pytest.raises(BadSheet, match=r"not a readable \.xlsx file"):
        sheet_rows(data, "m.xlsx")


def test_console_upload_of_a_broken_workbook_changes_nothing(sqlite_services: Services) -> None:
    owner = signed_in(sqlite_services)
    data = {"file": (io.BytesIO(b"PK\x03\x04" + b"x" * 500), "m.xlsx")}
    answer = owner.post("/mappings/import", data)

    assert answer.status_code == 422
    assert "Nothing was changed" in answer.text


# Fields -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/console/sign-in", "/p/none", "/demo/quiz/leg-day", "/demo/r/none"])
def test_form_with_thousands_of_fields_is_refused(sqlite_services: Services, path: str) -> None:
    body = "&".join(f"a{number}=1" for number in range(5000))
    answer = client_of(sqlite_services).post(path, data=body, content_type="application/x-www-form-urlencoded")

    assert answer.status_code == 413


def test_masking_of_long_log_lines_is_fast() -> None:
    for value in ("a" * 2_000_000, "a@" * 500_000, "@" * 1_000_000, "/r/" * 500_000):
        started = time.process_time()
        masked = _mask(None, "", {"event": value})["event"]
        assert time.process_time() - started < 0.5
        assert len(masked) < 6_000
    assert _mask(None, "", {"event": "to a.b+c@shop.example now"})["event"] == "to …@… now"


# Budgets ----------------------------------------------------------------------------------------------


def test_request_budget_of_one_client_does_not_affect_others() -> None:
    now = [0.0]
    budgets = Budgets(2, clock=lambda: now[0])
    burst = 2 * BURST_SECONDS
    assert [budgets.retry_after(RESPONSES, "203.0.113.5") for _ in range(burst)] == [0] * burst
    assert budgets.retry_after(RESPONSES, "203.0.113.5") == 1
    assert budgets.retry_after(RESPONSES, "203.0.113.6") == 0
    assert budgets.retry_after("/v1/shops/demo/quizzes/leg-day", "203.0.113.5") == 0
    now[0] = 1.0
    assert [budgets.retry_after(RESPONSES, "203.0.113.5") for _ in range(3)] == [0, 0, 1]


def test_shop_has_a_request_budget_across_all_clients() -> None:
    budgets = Budgets(1, clock=lambda: 0.0)
    waits = [
        budgets.retry_after("/v1/shops/demo/events", f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}")
        for n in range(5001)
    ]

    assert (waits[4999], waits[5000]) == (0, 1)


def test_zero_request_budget_means_no_limit() -> None:
    budgets = Budgets(0)
    assert not any(budgets.retry_after(RESPONSES, "203.0.113.5") for _ in range(5000))


@pytest.mark.parametrize(
    ("forwarded", "proxies", "client"),
    [
        ("198.51.100.1", 0, "127.0.0.1"),
        ("198.51.100.1", 1, "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1", 1, "198.51.100.1"),
        ("203.0.113.9, 198.51.100.1, 10.0.0.1", 2, "198.51.100.1"),
        ("", 1, "127.0.0.1"),
    ],
)
def test_client_address_is_taken_from_trusted_proxies_only(forwarded: str, proxies: int, client: str) -> None:
    assert client_address("127.0.0.1", forwarded, proxies) == client


def test_too_many_responses_return_429_with_retry_after(sqlite_services: Services) -> None:
    client = client_of(sqlite_services)
    client.application.budgets = Budgets(1, clock=lambda: 0.0)
    answers = [client.post(RESPONSES, json={"answers": GOOD}) for _ in range(BURST_SECONDS + 1)]

    assert {answer.status_code for answer in answers[:-1]} == {201}
    assert (answers[-1].status_code, answers[-1].headers["Retry-After"]) == (429, "1")
    assert answers[-1].json["code"] == "too_many_requests"


def test_responses_above_a_rate_are_sampled_but_all_are_counted(sqlite_services: Services, monkeypatch: Any) -> None:
    from sqlalchemy import func, select

    from widget.storage.daily_metrics import COMPLETED, DailyMetric
    from widget.storage.responses import Response

    monkeypatch.setattr("widget.recorder.time.monotonic", lambda: 5.0)
    client = client_of(sqlite_services)
    client.application.budgets = Budgets(0)
    many = ALL_UP_TO + 3 * ONE_OF
    for _ in range(many):
        assert client.post(RESPONSES, json={"answers": GOOD}).status_code == 201
    sqlite_services.recorder.flush()
    with sqlite_services.reads() as session:
        stored = session.scalar(select(func.count()).select_from(Response))
        counted = session.scalar(select(func.sum(DailyMetric.number)).where(DailyMetric.metric == COMPLETED))

    assert (stored, counted) == (ALL_UP_TO + 3, many)
