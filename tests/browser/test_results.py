"""The results page in a real browser: accessible, in dark mode, and on a phone without horizontal scrolling."""

from __future__ import annotations

import csv
import io
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import check_accessible, take_quiz
from tests.support.console import PASSWORD
from tests.support.packs import ROOT
from tests.support.running import Running

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]
PAGE = "/console/shops/demo/quizzes/leg-day/results"


@pytest.fixture(scope="session")
def owner(service: Running, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Load demo traffic; return the file with the cookies of an owner."""

    def run(*command: str) -> str:
        whole = [sys.executable, "-m", "widget", *command]
        return subprocess.run(
            whole, cwd=ROOT, env=service.environment, check=True, capture_output=True, text=True
        ).stdout

    run("demo", "load", "--visits", "1500")
    link = re.search(r"/console/set-password/\S+", run("user", "add", "results@demo.example", "--role", "owner"))
    assert link
    context = browser.new_context(base_url=service.base)
    page = context.new_page()
    page.goto(link[0])
    page.fill("[name=name]", "Olive Owner")
    page.fill("[name=password]", PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console/**")
    state = tmp_path_factory.mktemp("results") / "state.json"
    context.storage_state(path=state)
    context.close()
    return state


@pytest.mark.parametrize("query", ["", "?by=language", "?period=own&from=2020-01-01&to=2020-01-31"])
def test_results_page_is_accessible_and_fits_the_viewport(
    browser: Browser, service: Running, owner: Path, query: str
) -> None:
    context = browser.new_context(base_url=service.base, storage_state=owner, reduced_motion="reduce")
    page = context.new_page()
    complaints: list[str] = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.goto(PAGE + query)
    for table in page.locator(".as-table summary").all()[:4]:
        table.click()

    for width in (1280, 375):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            check_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert complaints == []
    context.close()


def test_results_page_filter_applies_on_change(browser: Browser, service: Running, owner: Path) -> None:
    context = browser.new_context(base_url=service.base, storage_state=owner)
    page = context.new_page()
    page.goto(PAGE)
    page.get_by_label("Period").select_option("7")
    page.wait_for_url("**period=7**")
    expect(page.get_by_text("Compare with the previous 7 days", exact=True)).to_be_visible()
    page.locator("[name=from]").fill("2026-01-01")
    page.wait_for_url("**from=2026-01-01**")

    expect(page.get_by_label("Period")).to_have_value("own")
    context.close()


def test_quiz_events_on_a_product_page_are_counted_once_per_view(
    browser: Browser, service: Running, owner: Path
) -> None:
    context = browser.new_context(base_url=service.base, storage_state=owner, reduced_motion="reduce")
    page = context.new_page()

    def counted() -> Counter[str]:
        found: Counter[str] = Counter()
        for row in csv.DictReader(io.StringIO(context.request.get(f"{PAGE}/export.csv?period=7").text())):
            found[row["what"]] += int(row["number"]) if not row["name"] else 0
        return found

    before = counted()
    page.goto("/demo/products/cream-60")
    take_quiz(page)
    for fold in page.locator("recovery-quiz [data-sku] summary").all()[:3]:
        fold.click()
    page.wait_for_timeout(1500)  # Counts are stored in batches.

    more = counted() - before
    assert (more["event seen"], more["event started"], more["event completed"]) == (1, 1, 1)
    assert more["event product_clicked"] == 1
    context.close()
