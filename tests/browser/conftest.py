"""A real browser on a running service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.conftest import GOOD
from tests.integration.test_running import Running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    one = Running(tmp_path_factory.mktemp("browser") / "home")
    one.start()
    yield one
    one.stop()
    assert one.gone()


@pytest.fixture(params=[{"width": 1280, "height": 900}], ids=["wide"])
def page(browser: Browser, service: Running, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """A page on a fresh profile; whatever it complains about fails the test."""
    context = browser.new_context(viewport=request.param, base_url=service.base, reduced_motion="reduce")
    one = context.new_page()
    complaints: list[str] = []
    one.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    one.on("pageerror", lambda error: complaints.append(str(error)))
    one.on(
        "request", lambda sent: None if sent.url.startswith((service.base, "data:")) else complaints.append(sent.url)
    )
    one.complaints = complaints  # type: ignore[attr-defined]  # For tests that expect some.
    yield one
    context.close()
    assert complaints == []


def check_accessible(page: Page) -> None:
    """No violation found by axe, shadow roots included."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page)
    lines = [
        f"{item['id']}: {[node['target'] for node in item['nodes']]} {item['nodes'][0].get('failureSummary', '')}"
        for item in found.response["violations"]
    ]
    assert not lines, "\n".join(lines)


ANSWERS = GOOD


def options(page: Page) -> set[str]:
    return set(page.locator("recovery-quiz input[name=o]").evaluate_all("all => all.map((input) => input.value)"))


def question_of(page: Page, answers: dict[str, list[str]]) -> str:
    """Which question is shown, told by its options."""
    shown = options(page)
    fitting = [name for name, given in answers.items() if set(given) <= shown]
    heading = page.locator("recovery-quiz h2").inner_text()
    if shown == {"none"} or len(fitting) == 1:
        return fitting[0]
    return next(name for name in fitting if (name == "health") == ("know" in heading.lower() or "pregnant" in shown))


def take_quiz(page: Page, answers: dict[str, list[str]] | None = None, *, until: str | None = None) -> None:
    """Go through the widget by mouse."""
    given = answers or ANSWERS
    quiz = page.locator("recovery-quiz")
    quiz.locator("[data-start]").click()
    for _ in range(14):
        quiz.locator("h2").first.wait_for()
        if quiz.locator(".result").count():
            return
        name = question_of(page, given)
        if name == until:
            return
        for option in given[name]:
            quiz.locator(f"input[value='{option}']").check(force=True)
        before = quiz.locator("h2").first.inner_text()
        quiz.locator(".foot .btn:not(.text)").click()
        page.wait_for_function(
            "before => { const box = document.querySelector('recovery-quiz').shadowRoot;"
            " return box.querySelector('.result') || box.querySelector('h2')?.innerText !== before; }",
            arg=before,
        )
    raise AssertionError("the quiz did not end")
