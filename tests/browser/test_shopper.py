"""The shopper's journey by mouse, by keyboard, without JavaScript, and on a phone, through to the email."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.browser import ANSWERS, check_accessible, take_quiz
from tests.support.packs import ROOT
from tests.support.running import Running

pytestmark = [pytest.mark.xdist_group("browser"), pytest.mark.timeout(120)]
PRODUCT = "/demo/products/cream-60"
NARROW = pytest.mark.parametrize("page", [{"width": 375, "height": 800}], indirect=True, ids=["narrow"])
BOTH = pytest.mark.parametrize(
    "page", [{"width": 1280, "height": 900}, {"width": 375, "height": 800}], indirect=True, ids=["wide", "narrow"]
)


def no_sideways_scroll(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@BOTH
def test_quiz_by_mouse_leads_to_a_result_with_reasons(page: Page) -> None:
    page.goto(PRODUCT)
    expect(page.locator("recovery-quiz h2")).to_have_text("Sore legs after a workout?")
    check_accessible(page)
    take_quiz(page)
    quiz = page.locator("recovery-quiz")

    expect(quiz.locator("[data-title]")).to_be_focused()
    assert quiz.locator(".reasons li").count() >= 1
    expect(quiz.locator(".fit b").first).to_contain_text("%")
    assert no_sideways_scroll(page)
    check_accessible(page)


@BOTH
@pytest.mark.parametrize("path", ["/demo/", "/demo/quiz/leg-day", "/mailbox/", "/console/", "/demo/cart", "/v1/docs"])
def test_pages_are_accessible_and_fit_a_phone(page: Page, path: str) -> None:
    page.goto(path)

    assert no_sideways_scroll(page)
    check_accessible(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_quiz_question_is_accessible(browser: Browser, service: Running, scheme: str) -> None:
    context = browser.new_context(base_url=service.base, color_scheme=scheme, reduced_motion="reduce")
    page = context.new_page()
    for until in ("area", "soreness", "health", None):
        page.goto(PRODUCT)
        page.evaluate("sessionStorage.clear()")
        page.reload()
        take_quiz(page, until=until)
        check_accessible(page)
    context.close()


def test_quiz_can_be_taken_by_keyboard_alone(page: Page) -> None:
    page.goto(PRODUCT)
    start = page.locator("recovery-quiz [data-start]")
    expect(start).to_be_visible()
    start.focus()
    page.keyboard.press("Enter")
    quiz = page.locator("recovery-quiz")
    for _ in range(12):
        expect(quiz.locator("[data-title]")).to_be_focused()
        if quiz.locator(".result").count():
            break
        before = quiz.locator("h2").first.inner_text()
        page.keyboard.press("Tab")
        focused = "document.activeElement.shadowRoot.activeElement"
        kind = page.evaluate(f"{focused}.type")
        if kind == "checkbox":
            while page.evaluate(f"{focused}.value") not in ("calves", "none", "massage"):
                page.keyboard.press("Tab")
            page.keyboard.press("Space")
        else:
            page.keyboard.press("Space")
            if "sore" in before.lower():
                for _ in range(5):
                    page.keyboard.press("ArrowRight")
            elif page.evaluate(f"{focused}.value") in ("today",):
                page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_function(
            "before => { const box = document.querySelector('recovery-quiz').shadowRoot;"
            " return box.querySelector('.result') || box.querySelector('h2')?.innerText !== before; }",
            arg=before,
        )

    expect(quiz.locator(".result")).to_be_visible()


def test_unanswered_question_shows_an_error_and_back_keeps_answers(page: Page) -> None:
    page.goto(PRODUCT)
    take_quiz(page, until="trained")
    quiz = page.locator("recovery-quiz")
    quiz.locator(".foot .btn").click()
    expect(quiz.locator("[role=alert]")).to_contain_text("Select one answer")
    quiz.locator("[data-back]").click()

    expect(quiz.locator("input[value=calves]")).to_be_checked()


@BOTH
def test_red_flag_result_shows_advice_without_products(page: Page) -> None:
    page.goto(PRODUCT)
    flag = page.evaluate(
        "fetch('/v1/shops/demo/quizzes/leg-day').then(r => r.json()).then(q =>"
        " q.questions.find(question => question.id === 'signs').options.find(option => !option.only).id)"
    )
    take_quiz(page, {**ANSWERS, "signs": [flag]})
    quiz = page.locator("recovery-quiz")

    expect(quiz.locator(".round")).to_be_visible()
    for nothing in (".goods", ".tip", "[data-add]", ".plan", ".buy"):
        expect(quiz.locator(nothing)).to_have_count(0)
    assert no_sideways_scroll(page)
    check_accessible(page)
    quiz.locator("[data-change]").click()
    expect(quiz.locator(".tick").first).to_be_visible()


def test_reload_resumes_the_quiz_at_the_same_question(page: Page) -> None:
    page.goto(PRODUCT)
    take_quiz(page, until="soreness")
    heading = page.locator("recovery-quiz h2").inner_text()
    page.reload()

    expect(page.locator("recovery-quiz h2")).to_have_text(heading)


def test_browser_storage_is_empty_before_the_quiz_starts(page: Page) -> None:
    page.goto(PRODUCT)
    expect(page.locator("recovery-quiz [data-start]")).to_be_visible()

    assert page.evaluate("sessionStorage.length + localStorage.length + document.cookie.length") == 0


def test_loading_the_widget_causes_no_layout_shift(page: Page) -> None:
    page.add_init_script(
        "window.shift = 0; new PerformanceObserver((list) => { for (const shift of list.getEntries())"
        " window.shift += shift.value; }).observe({ type: 'layout-shift', buffered: true });"
    )
    page.goto(PRODUCT)
    expect(page.locator("recovery-quiz [data-start]")).to_be_visible()
    page.wait_for_timeout(400)

    assert page.evaluate("window.shift") == 0


def test_result_link_shows_the_same_result_without_javascript(page: Page, browser: Browser, service: Running) -> None:
    page.goto(PRODUCT)
    take_quiz(page)
    link = page.locator("recovery-quiz .copy input").input_value()
    best = page.locator("recovery-quiz .good1 h3").inner_text()
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(link)

    expect(plain.locator(".good1 h3")).to_have_text(best)
    context.close()


@pytest.mark.parametrize("width", [1280, 375])
def test_whole_quiz_can_be_taken_without_javascript(browser: Browser, service: Running, width: int) -> None:
    context = browser.new_context(
        java_script_enabled=False, viewport={"width": width, "height": 800}, base_url=service.base
    )
    page = context.new_page()
    page.goto(PRODUCT)
    page.get_by_role("link", name="Find your recovery match").click()
    for _ in range(12):
        if page.locator(".result").count():
            break
        name = page.locator("input[name=question]").input_value()
        for option in ANSWERS[name]:
            page.locator(f"input[value='{option}']").check(force=True)
        with page.expect_navigation():  # Otherwise the next iteration may still see this step.
            page.get_by_role("button", name="Next").click()

    expect(page.locator(".good1 .reasons")).to_be_visible()
    assert not any(option in page.url for option in ("calves", "yesterday", "hands"))
    context.close()


@NARROW
def test_shopper_goes_from_result_to_cart_checkout_email_and_unsubscribe(page: Page, service: Running) -> None:
    page.goto(PRODUCT)
    take_quiz(page)
    page.locator("recovery-quiz [data-add] button").first.click()
    expect(page.locator("[data-cart]")).to_have_text("Cart (1)")
    page.locator("[data-cart]").click()
    page.get_by_label("Email address").fill("walker@shop.example")
    expect(page.get_by_label("Send me emails")).not_to_be_checked()
    page.get_by_label("Send me emails").check()
    page.get_by_role("button", name="Place order").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    page.get_by_role("link", name="Open the mailbox").click()
    service.until(lambda: "how-to-use" in service.get("/mailbox/"))
    page.reload()
    page.get_by_role("button", name="Move the clock").click()
    service.until(lambda: "walker@shop.example" in service.get("/mailbox/"))
    page.reload()
    page.locator("a.email", has_text="Getting started with your").first.click()
    email = page.frame_locator("iframe")

    expect(email.get_by_text("Do a patch test first. Apply")).to_be_visible()
    assert no_sideways_scroll(page)
    link = email.get_by_role("link", name="Unsubscribe with one click").get_attribute("href")
    assert link is not None
    page.goto(link)
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("heading", name="You're unsubscribed")).to_be_visible()


def test_sold_out_product_shows_the_error_of_the_shopify_cart(page: Page) -> None:
    """The Shopify theme block's own cart handler shows the store's message for a sold-out product."""
    asked: list[str] = []

    def cart(route: Route) -> None:
        asked.append(route.request.url)
        sold_out = len(asked) == 1
        data = {"status": 422, "description": "The roll-on is sold out."} if sold_out else {"items": []}
        route.fulfill(status=422 if sold_out else 200, json=data)

    page.route("**/es/cart/*.js", cart)
    page.goto(PRODUCT)
    page.evaluate("window.Shopify = { routes: { root: '/es/' } }")
    page.evaluate((ROOT / "infra" / "stores" / "shopify" / "assets" / "recovery-quiz-cart.js").read_text())
    take_quiz(page)
    page.locator("recovery-quiz [data-add]").first.evaluate("form => { form.dataset.variant = '48039284711'; }")
    button = page.locator("recovery-quiz [data-add] button").first
    button.click()
    refused = page.locator("recovery-quiz .buy [role=alert]")
    expect(refused).to_have_text("The roll-on is sold out.")
    assert no_sideways_scroll(page)
    button.click()

    expect(refused).to_have_count(0)
    expect(page.locator("recovery-quiz p.sr[role=status]")).to_contain_text("Added")
    assert [item.rsplit("/", 1)[-1] for item in asked] == ["add.js", "add.js", "update.js"]
    assert ["422" in complaint for complaint in page.complaints] == [True]  # type: ignore[attr-defined]  # Of the fixture.
    page.complaints.clear()  # type: ignore[attr-defined]  # The browser reports the 422 itself.


def test_shopper_requests_the_result_by_email(page: Page, service: Running) -> None:
    page.goto(PRODUCT)
    take_quiz(page)
    form = page.locator("recovery-quiz [data-email]")
    assert form.locator(":checked").count() == 0
    form.get_by_role("button").click()
    expect(form.get_by_role("status")).to_contain_text("Please enter")
    form.get_by_label("Email address").fill("asker@shop.example")
    form.get_by_label("Send me this result").check()
    form.get_by_role("button").click()

    expect(form.get_by_role("status")).to_contain_text("on its way")
    service.until(lambda: "asker@shop.example" in service.get("/mailbox/"))


@pytest.mark.parametrize("mode", ["button", "modal"])
def test_button_and_modal_widget_modes_open_on_a_click(page: Page, mode: str) -> None:
    page.route(
        f"**{PRODUCT}", lambda route: route.fulfill(
            response=(answer := route.fetch()), body=answer.text().replace('class="quiz-here"', f'mode="{mode}"')
        )
    )  # fmt: skip
    page.goto(PRODUCT)
    quiz = page.locator("recovery-quiz")
    quiz.locator("[data-start]").click()
    expect(quiz.locator("legend")).to_be_visible()
    if mode == "modal":
        expect(quiz.locator("dialog")).to_be_visible()
        check_accessible(page)
        page.keyboard.press("Escape")
        expect(quiz.locator("dialog")).to_have_count(0)
        expect(quiz.locator("[data-start]")).to_be_focused()


def test_offline_widget_shows_an_error_and_can_retry(page: Page) -> None:
    page.goto(PRODUCT)
    take_quiz(page, until="often")
    page.route("**/responses*", lambda route: route.abort())
    quiz = page.locator("recovery-quiz")
    quiz.locator("input[value=few]").check(force=True)
    quiz.locator(".foot .btn").click()
    expect(quiz.get_by_role("heading", name="We can't reach the quiz")).to_be_visible()
    page.unroute("**/responses*")
    page.complaints.clear()  # type: ignore[attr-defined]  # The browser reports the failed request, as intended here.
    quiz.locator("[data-again]").click()

    expect(quiz.locator(".result")).to_be_visible()


def test_widget_layout_supports_right_to_left(page: Page) -> None:
    page.route(
        "**/quizzes/leg-day?*",
        lambda route: route.fulfill(response=(a := route.fetch()), json={**a.json(), "dir": "rtl", "locale": "ar"}),
    )
    page.goto(PRODUCT)
    take_quiz(page, until="trained")
    quiz = page.locator("recovery-quiz")
    back, count = quiz.locator("[data-back]").bounding_box(), quiz.locator(".top span").bounding_box()

    assert back is not None
    assert count is not None
    assert back["x"] > count["x"]
    check_accessible(page)


@pytest.mark.parametrize(("language", "direction"), [("ar", "rtl"), ("es-MX", "ltr")])
@pytest.mark.parametrize("width", [375, 1280])
def test_quiz_is_fully_translated_from_first_question_to_result(
    browser: Browser, service: Running, language: str, direction: str, width: int
) -> None:
    context = browser.new_context(
        base_url=service.base, locale=language, viewport={"width": width, "height": 800}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(PRODUCT)
    take_quiz(page)
    quiz = page.locator("recovery-quiz")
    result = quiz.locator(".result")
    expect(result).to_have_attribute("dir", direction)
    expect(result).to_have_attribute("lang", language.split("-")[0])
    assert no_sideways_scroll(page)
    check_accessible(page)
    for english in ("Add to cart", "Why it fits you", "Warnings", "Your next few days", "evidence"):
        assert english not in result.inner_text()
    start = result.locator("h2").first.bounding_box()
    box = result.bounding_box()
    assert start
    assert box
    from_start = start["x"] - box["x"]
    from_end = box["x"] + box["width"] - start["x"] - start["width"]
    assert (from_end <= from_start + 1) if direction == "rtl" else (from_start <= from_end + 1)
    page.goto("/demo/quiz/leg-day")
    expect(page.locator("html")).to_have_attribute("dir", direction)
    assert no_sideways_scroll(page)
    check_accessible(page)
    context.close()
