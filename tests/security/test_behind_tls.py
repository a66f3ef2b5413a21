"""Production mode behind a TLS proxy, in a real browser, as merchants run it."""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.browser import take_quiz
from tests.support.console import PASSWORD
from tests.support.production import QUIZ_HOST, Production

ROOT = "/console/shops/strides/quizzes/leg-day"
pytestmark = [pytest.mark.xdist_group("production"), pytest.mark.timeout(240)]


@pytest.fixture
def context(browser: Browser, production: Production) -> Iterator[BrowserContext]:
    one = browser.new_context(ignore_https_errors=True, base_url=production.base, reduced_motion="reduce")
    yield one
    one.close()


def watched(page: Page) -> list[str]:
    """Return a list that collects what the browser reports: errors, refused resources, and failed responses."""
    complaints: list[str] = []
    page.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("response", lambda got: complaints.append(f"{got.status} {got.url}") if got.status >= 400 else None)
    return complaints


def test_owner_signs_in_edits_publishes_and_signs_out(context: BrowserContext, production: Production) -> None:
    page = context.new_page()
    complaints = watched(page)
    page.goto(production.invitation())
    page.get_by_label("Display name").fill("The owner")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.locator("form").get_by_role("button").last.click()
    page.wait_for_url(re.compile("/console/(?!set-password)"))
    cookie = next(cookie for cookie in context.cookies() if cookie["name"] == "__Host-console")
    assert (cookie["secure"], cookie["httpOnly"], cookie["sameSite"]) == (True, True, "Lax")

    page.goto(f"{ROOT}/mappings")
    page.get_by_role("link", name="Edit row rub-in-salve").click()
    editor = page.get_by_role("form", name="Edit row rub-in-salve")
    editor.get_by_label("Weight").fill("95")
    expect(editor.get_by_role("status")).to_have_text("Saved to the draft.")
    page.goto(f"{ROOT}/impact")
    expect(page.get_by_text("No answer moves away from")).to_be_visible(timeout=30_000)
    page.get_by_label("Version note").fill("Salve first for who rubs it in.")
    page.get_by_role("button", name=re.compile(r"Publish version \d+")).click()
    expect(page.get_by_text(re.compile(r"Version \d+ is live"))).to_be_visible(timeout=30_000)

    page.goto("/console/account")
    page.get_by_role("button", name="Sign out", exact=True).first.click()
    page.wait_for_url(re.compile("/console/sign-in"))
    page.goto("/console/account")
    page.wait_for_url(re.compile("/console/sign-in"))
    page.get_by_label("Email").fill("owner@team.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile("/console/(?!sign-in)"))
    assert complaints == []


def test_form_input_survives_an_ended_session(context: BrowserContext, production: Production) -> None:
    page = context.new_page()
    page.goto(production.invitation("editor@team.example"))
    page.get_by_label("Display name").fill("The editor")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.locator("form").get_by_role("button").last.click()
    page.wait_for_url(re.compile("/console/(?!set-password)"))
    page.goto("/console/shops/strides/settings")
    page.get_by_label("Name", exact=False).first.fill("Stride and Salve, typed in full")
    context.clear_cookies()
    page.locator("main form").get_by_role("button").first.click()
    expect(page.locator("body")).to_contain_text("You were signed out")
    page.get_by_label("Email").fill("editor@team.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(page.locator("body")).to_contain_text("Save your changes?")
    assert "Stride and Salve, typed in full" in page.content()


def test_cross_site_sign_in_form_is_refused(production: Production) -> None:
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ):
        request = urllib.request.Request(
            f"{production.direct}/console/sign-in", data=b"email=a", headers=headers, method="POST"
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert refused.value.code == 400
        refused.value.close()


def test_shopper_takes_the_quiz_on_a_storefront_with_a_strict_csp(
    context: BrowserContext, production: Production
) -> None:
    page = context.new_page()
    complaints = watched(page)
    page.goto(production.store)
    page.evaluate(
        "document.addEventListener('recovery-quiz:completed', (event) => { window.completed = event.detail; })"
    )
    take_quiz(page)

    expect(page.locator("recovery-quiz .result")).to_be_visible()
    # Third-party scripts on the page must learn neither the answers nor the location of the result.
    outcome = page.evaluate("JSON.stringify(window.completed)")
    assert '"visit"' in outcome
    assert not any(word in outcome for word in ('"code"', '"url":"https://quiz', "Calves", '"chips"'))
    # The tab keeps only what shows the same result after a reload, not the answers.
    kept = page.evaluate("Object.values({...sessionStorage, ...localStorage}).map(JSON.parse)")
    assert [set(item) for item in kept] == [{"path", "result", "visit"}]
    assert context.cookies() == []
    assert complaints == []


def test_shopper_takes_a_quiz_step_without_javascript(browser: Browser, production: Production) -> None:
    context = browser.new_context(ignore_https_errors=True, base_url=production.base, java_script_enabled=False)
    page = context.new_page()
    page.goto("/strides/quiz/leg-day")
    page.locator("input[name=o]").first.check()
    question = page.locator("input[name=question]").input_value()
    page.get_by_role("button", name="Next").click()

    expect(page.locator("input[name=question]")).not_to_have_value(question)
    context.close()


def test_shipped_nginx_serves_quizzes_from_its_cache_and_keeps_personal_pages_out_of_it(
    production: Production,
) -> None:
    def cached(path: str) -> tuple[str | None, str | None]:
        context = ssl.create_default_context(cafile=str(production.certificate))
        address = f"https://127.0.0.1:{production.tls}{path}"
        request = urllib.request.Request(address, headers={"Host": f"{QUIZ_HOST}:{production.tls}"})
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.headers["X-Cache"], answer.headers["Cache-Control"]

    for path in ("/v1/shops/strides/quizzes/leg-day", "/embed.js"):
        cached(path)
        assert cached(path)[0] in ("HIT", "UPDATING", "REVALIDATED"), path
    for path in ("/console/sign-in", "/strides/quiz/leg-day?o=calves"):
        cached(path)
        assert cached(path)[0] == "MISS", path
