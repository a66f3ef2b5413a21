"""Fixtures of a running service and a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.running import Running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    one = Running(tmp_path_factory.mktemp("browser") / "home")
    one.start()
    yield one
    one.stop()
    assert one.gone()


@pytest.fixture(params=[{"width": 1280, "height": 900}], ids=["wide"])
def page(browser: Browser, service: Running, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """Yield a page in a fresh profile; errors, warnings, and requests to other hosts fail the test."""
    context = browser.new_context(viewport=request.param, base_url=service.base, reduced_motion="reduce")
    one = context.new_page()
    complaints: list[str] = []
    one.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    one.on("pageerror", lambda error: complaints.append(str(error)))
    one.on(
        "request", lambda sent: None if sent.url.startswith((service.base, "data:")) else complaints.append(sent.url)
    )
    one.complaints = complaints  # type: ignore[attr-defined]  # For tests that expect complaints.
    yield one
    context.close()
    assert complaints == []
