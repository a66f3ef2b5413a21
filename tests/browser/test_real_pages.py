"""The quiz on pages as stores have them: light on a dark system, with hot keys, strict policies, quick views, and faults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.browser import take_quiz
from tests.support.http_server import Store, gives
from tests.support.packs import ROOT
from tests.support.running import Running
from tests.support.store_page import QUIZ, page_with

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]
CONTRAST = (ROOT / "tests" / "support" / "contrast.js").read_text()


@contextmanager
def store(browser: Browser, base: str, html: str, *, policy: str = "", **more: Any) -> Iterator[Page]:
    """Open a page of another origin that embeds the quiz; it may not report errors."""
    server = Store()
    page_of = gives(html.encode(), Content_Type="text/html; charset=utf-8", Content_Security_Policy=policy)
    server.handlers = {
        "/products/cream": page_of,
        "/products/salve": page_of,
        "/other": gives(b"<title>Other</title>"),
        "/favicon.ico": gives(b""),
    }
    context = browser.new_context(viewport={"width": 1000, "height": 800}, reduced_motion="reduce", **more)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{server.root}/products/cream")
    yield page
    context.close()
    server.close()
    assert errors == []


@pytest.mark.parametrize(
    ("head", "body", "system", "dark"),
    [
        ("", 'style="background:#fff;color:#222"', "dark", False),
        ("", "", "dark", False),
        ('<meta name="color-scheme" content="light dark">', "", "dark", True),
        ("<style>html { color-scheme: dark }</style>", 'style="background:#111;color:#eee"', "light", True),
        ("<style>html { color-scheme: light dark }</style>", "", "light", False),
    ],
)
def test_every_text_is_readable_on_the_page_of_a_store(
    browser: Browser, service: Running, head: str, body: str, system: str, dark: bool
) -> None:
    html = page_with(service.base, head=head, body=body)
    with store(browser, service.base, html, color_scheme=system) as page:
        take_quiz(page, until="soreness")
        assert page.evaluate(CONTRAST) == []
        take_quiz_on(page)
        assert page.evaluate(CONTRAST) == []
        assert page.locator("recovery-quiz").get_attribute("data-dark") == ("" if dark else None)


def take_quiz_on(page: Page) -> None:
    """Answer the rest of the quiz after a stop at ``soreness``."""
    quiz = page.locator("recovery-quiz")
    page.evaluate("sessionStorage.clear()")
    page.reload()
    quiz.locator("[data-start]").wait_for()
    take_quiz(page)


def test_theme_attribute_wins_over_the_page(browser: Browser, service: Running) -> None:
    with store(browser, service.base, page_with(service.base, more='theme="dark"'), color_scheme="light") as page:
        quiz = page.locator("recovery-quiz")
        quiz.locator("[data-start]").wait_for()
        assert quiz.get_attribute("data-dark") == ""
        quiz.evaluate("quiz => quiz.setAttribute('theme', 'light')")
        expect(quiz).not_to_have_attribute("data-dark", "")


def test_double_click_answers_one_question(browser: Browser, service: Running) -> None:
    with store(browser, service.base, page_with(service.base)) as page:
        seen: list[str] = []
        page.expose_function("heard", lambda question: seen.append(question))  # noqa: PLW0108  # Playwright cannot take a built-in method.
        page.evaluate("document.addEventListener('recovery-quiz:answered', (event) => heard(event.detail.question))")
        quiz = page.locator("recovery-quiz")
        quiz.locator("[data-start]").click()
        quiz.locator("input").first.check(force=True)
        quiz.locator(".foot .btn:not(.text)").dblclick()
        quiz.locator("h2").first.wait_for()

        assert len(seen) == 1


def test_double_click_on_the_last_question_stores_one_response(browser: Browser, service: Running) -> None:
    with store(browser, service.base, page_with(service.base)) as page:
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.url) if "/responses" in request.url else None)
        page.evaluate(
            """document.addEventListener('recovery-quiz:answered', () => setTimeout(() => {
                const button = document.querySelector('recovery-quiz').shadowRoot.querySelector('[aria-busy] .foot .btn:not(.text)');
                button?.click(); button?.click();
            }))"""
        )
        take_quiz(page)

        assert len(sent) == 1


def test_lost_answer_is_repeated_with_the_same_key(browser: Browser, service: Running) -> None:
    with store(browser, service.base, page_with(service.base)) as page:
        keys: list[str] = []

        def lose_first(route: Route) -> None:
            keys.append(route.request.url.partition("attempt=")[2])
            route.abort() if len(keys) == 1 else route.continue_()

        page.route("**/responses?*", lose_first)
        quiz = page.locator("recovery-quiz")
        with suppress(AssertionError, StopIteration):
            take_quiz(page)
        quiz.locator("[data-again]").click()
        expect(quiz.locator(".result")).to_be_visible()

        assert len(keys) == 2
        assert keys[0] == keys[1]
        assert len(keys[0]) >= 16


def test_result_survives_reload_and_back_without_the_answers(browser: Browser, service: Running) -> None:
    with store(browser, service.base, page_with(service.base)) as page:
        take_quiz(page)
        quiz = page.locator("recovery-quiz")
        best = quiz.locator(".good1 h3").inner_text()
        kept = page.evaluate("JSON.stringify({...sessionStorage})")
        page.reload()
        expect(quiz.locator(".good1 h3")).to_have_text(best)
        page.goto(page.url.replace("/products/cream", "/other"))
        page.go_back()
        expect(quiz.locator(".good1 h3")).to_have_text(best)

        assert "soreness" not in kept
        assert "calves" not in kept


def test_result_of_another_page_does_not_open_by_itself(browser: Browser, service: Running) -> None:
    with store(browser, service.base, page_with(service.base, more='mode="modal"')) as page:
        take_quiz(page)
        page.goto(page.url.replace("/products/cream", "/products/salve"))
        quiz = page.locator("recovery-quiz")
        expect(quiz.locator("[data-start]")).to_be_visible()

        assert quiz.locator("dialog").count() == 0


def test_changing_answers_after_the_result_starts_the_questions_again(browser: Browser, service: Running) -> None:
    with store(browser, service.base, page_with(service.base)) as page:
        take_quiz(page)
        quiz = page.locator("recovery-quiz")
        quiz.locator("[data-change]").first.click()
        expect(quiz.locator("progress")).to_be_visible()


@pytest.fixture
def dialog(browser: Browser, service: Running) -> Iterator[Page]:
    with store(browser, service.base, page_with(service.base, more='mode="modal"')) as page:
        page.locator("recovery-quiz [data-start]").click()
        page.locator("recovery-quiz dialog h2").wait_for()
        yield page


def answer_one(page: Page) -> str:
    quiz = page.locator("recovery-quiz")
    quiz.locator("dialog input").first.check(force=True)
    before = quiz.locator("dialog h2").inner_text()
    quiz.locator("dialog .foot .btn:not(.text)").click()
    expect(quiz.locator("dialog h2")).not_to_have_text(before)
    return quiz.locator("dialog h2").inner_text()


@pytest.mark.parametrize("how", ["escape", "backdrop", "back", "close"])
def test_dialog_closes_and_continues_where_it_was(dialog: Page, how: str) -> None:
    quiz, address = dialog.locator("recovery-quiz"), dialog.url
    heading = answer_one(dialog)
    if how == "escape":
        dialog.keyboard.press("Escape")
    elif how == "backdrop":
        dialog.mouse.click(5, 5)
    elif how == "back":
        dialog.go_back()
    else:
        quiz.locator("[data-close]").click()
    expect(quiz.locator("dialog")).to_have_count(0)
    assert dialog.url == address
    quiz.locator("[data-start]").click()

    expect(quiz.locator("dialog h2")).to_have_text(heading)


def test_reload_keeps_the_dialog_and_its_answers(dialog: Page) -> None:
    heading = answer_one(dialog)
    dialog.reload()

    expect(dialog.locator("recovery-quiz dialog h2")).to_have_text(heading)


def test_result_in_a_dialog_can_be_closed(browser: Browser, service: Running) -> None:
    with store(browser, service.base, page_with(service.base, more='mode="modal"')) as page:
        take_quiz(page)
        quiz = page.locator("recovery-quiz")
        expect(quiz.locator("dialog .result")).to_be_visible()
        quiz.locator("dialog .shut [data-close]").click()
        expect(quiz.locator("dialog")).to_have_count(0)
        expect(quiz.locator("[data-start]")).to_be_focused()


def test_failed_style_sheet_is_requested_again(browser: Browser, service: Running) -> None:
    with store(browser, service.base, "<title>A store</title>") as page:
        tries: list[str] = []

        def fail_first(route: Route) -> None:
            tries.append(route.request.url)
            route.fulfill(status=503) if len(tries) == 1 else route.continue_()

        page.route("**/quiz.*.css", fail_first)
        page.set_content(page_with(service.base))
        quiz = page.locator("recovery-quiz")
        quiz.locator("[data-again]").click()
        expect(quiz.locator("[data-start]")).to_be_visible()


def test_key_events_do_not_reach_hot_keys_of_the_page(browser: Browser, service: Running) -> None:
    with store(browser, service.base, page_with(service.base)) as page:
        page.evaluate("window.heard = 0; document.addEventListener('keydown', () => { heard += 1 })")
        page.locator("recovery-quiz [data-start]").focus()
        page.keyboard.press("s")
        page.keyboard.press("Enter")
        page.locator("recovery-quiz input").first.focus()
        page.keyboard.press("Space")

        assert page.evaluate("heard") == 0


def test_page_with_trusted_types_shows_the_result(browser: Browser, service: Running) -> None:
    html = page_with(service.base)
    with store(browser, service.base, html, policy="require-trusted-types-for 'script'") as page:
        take_quiz(page)
        expect(page.locator("recovery-quiz .result")).to_be_visible()


def test_element_in_another_shadow_root_loads(browser: Browser, service: Running) -> None:
    with store(browser, service.base, page_with(service.base, "<p>Products</p>")) as page:
        page.evaluate(
            """html => { const view = document.body.appendChild(document.createElement('div'));
                view.attachShadow({ mode: 'open' }).innerHTML = html; }""",
            QUIZ.format(more=""),
        )
        expect(page.locator("recovery-quiz [data-start]")).to_be_visible()


@pytest.mark.parametrize("broken", ["**/widget.*.js", "**/v1/**"])
def test_link_stays_when_the_quiz_cannot_load(browser: Browser, service: Running, broken: str) -> None:
    with store(browser, service.base, "<title>A store</title>") as page:
        page.route(broken, lambda route: route.abort())
        page.set_content(page_with(service.base))
        link = page.locator("recovery-quiz a:visible")
        expect(link).to_be_visible()
        assert "quiz/leg-day" in (link.get_attribute("href") or "")


def test_link_stays_when_anything_throws(browser: Browser, service: Running) -> None:
    with store(browser, service.base, "<title>A store</title>") as page:
        page.route(
            re.compile(r"/quizzes/leg-day\?"),
            lambda route: route.fulfill(status=200, content_type="application/json", body='{"intro": null}'),
        )
        page.set_content(page_with(service.base))

        expect(page.locator("recovery-quiz > a")).to_be_visible()
