"""The system's Chromium, headless and driven by Playwright."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import Browser, Page, sync_playwright

from infra.install_tool import installed_chromium
from tests.support.packs import GOOD

DRIVER_SECONDS = 3.0
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def system_browser() -> Iterator[Browser]:
    """Yield a browser. A process can run only one at a time: Playwright has one event loop per thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed_chromium() or None, args=QUIET)
        yield browser
        browser.close()
        # On a busy machine the driver has been seen not to end by itself: the tests would wait for it forever.
        end = threading.Timer(DRIVER_SECONDS, _kill_driver)
        end.start()
    end.cancel()


def _kill_driver() -> None:
    found = subprocess.run(["pgrep", "-P", str(os.getpid()), "-f", "playwright"], capture_output=True, text=True)
    for process_id in found.stdout.split():
        os.kill(int(process_id), signal.SIGKILL)


@cache
def _axe() -> str:
    return Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")


def check_accessible(page: Page) -> None:
    """Assert that axe finds no violation, shadow roots included."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(_axe())
    # Details of what passes are not asked for: collecting and sending them takes a third of the time.
    found = page.evaluate("async () => (await axe.run({ resultTypes: ['violations'] })).violations")
    lines = [
        f"{item['id']}: {[node['target'] for node in item['nodes']]} {item['nodes'][0].get('failureSummary', '')}"
        for item in found
    ]
    assert not lines, "\n".join(lines)


ANSWERS = GOOD


def take_quiz(page: Page, answers: dict[str, list[str]] | None = None, *, until: str | None = None) -> None:
    """Answer the quiz in the widget by mouse, up to the result or to the question ``until``."""
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


def question_of(page: Page, answers: dict[str, list[str]]) -> str:
    """Return the id of the question that is shown, recognized by its options."""
    return fitting_question(options(page), page.locator("recovery-quiz h2").inner_text(), answers)


def fitting_question(shown: set[str], heading: str, answers: dict[str, list[str]]) -> str:
    """Return the id of the question with these options and this heading."""
    fitting = [name for name, given in answers.items() if set(given) <= shown]
    if shown == {"none"} or len(fitting) == 1:
        return fitting[0]
    return next(name for name in fitting if (name == "health") == ("know" in heading.lower() or "pregnant" in shown))


def options(page: Page) -> set[str]:
    return set(page.locator("recovery-quiz input[name=o]").evaluate_all("all => all.map((input) => input.value)"))
