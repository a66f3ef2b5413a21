"""The marketer's workflow in a real browser: sign in, edit, fix findings, review the impact, publish, roll back."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.browser import check_accessible
from tests.support.console import PASSWORD, ROOT
from tests.support.packs import GOOD
from tests.support.running import Running
from widget.actions.accounts.add_user import add_user
from widget.actions.content.change_draft import open_draft, reset_draft
from widget.services import build_services
from widget.settings import read_settings

TABS = ("connections", "webhooks", "products", "embed", "privacy")
pytestmark = [pytest.mark.xdist_group("marketing"), pytest.mark.timeout(240)]
SHOP_PAGES = ("team", "log", "orders", "orders/deliveries", "settings", *(f"settings/{tab}" for tab in TABS))
PAGES = (
    *("/mappings", "/mappings?row=massage-glide", "/mappings/import", "/quiz", "/records/question/area", "/safety"),
    *("/records/triage/chest-or-breathing", "/tips", "/records/tip/massage", "/products", "/records/product/CREAM-60"),
    *(
        "/emails",
        "/records/sequence/after-purchase",
        "/emails/check-in/preview",
        "/emails/when",
        "/languages",
        "/languages/ar?show=all",
    ),
    *("/impact", "/try", "/findings", "/changes", "/records/pack/pack", "/results"),
    *("/console/?all=1", "/console/account", *(f"/console/shops/demo/{item}" for item in SHOP_PAGES)),
)


@pytest.fixture(scope="module", autouse=True)
def patience() -> Iterator[None]:
    """Raise timeouts: saves and checks share two cores with everything else, so their duration means nothing here."""
    expect.set_options(timeout=20_000)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Start a separate service, so that what is published here does not affect the shoppers of other tests."""
    one = Running(tmp_path_factory.mktemp("marketing") / "home")
    one.start()
    yield one
    one.stop()
    assert one.gone()


@pytest.fixture(scope="module")
def set_password(browser: Browser, desk: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sign in with the link printed by the first start; return the file with its cookies."""
    link = desk.until(lambda: re.search(r"http\S+/set-password/\S+", Path(desk.log.name).read_text()))
    context = browser.new_context(base_url=desk.base)
    page = context.new_page()
    page.goto(link.group(0))
    check_accessible(page)
    page.get_by_label("Display name").fill("Robin")
    page.get_by_label("Password", exact=True).fill("password1234")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("Add one or two unrelated words")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Mappings")).to_be_visible()
    kept = tmp_path_factory.mktemp("cookies") / "state.json"
    context.storage_state(path=kept)
    context.close()
    return kept


def opened(
    browser: Browser, desk: Running, kept: Path, width: int = 1280, **more: object
) -> tuple[BrowserContext, Page]:
    context = browser.new_context(
        base_url=desk.base,
        storage_state=kept,
        viewport={"width": width, "height": 900},
        reduced_motion="reduce",
        **more,  # type: ignore[arg-type]  # Any option of a browser context.
    )
    return context, context.new_page()


@pytest.fixture(autouse=True)
def fresh_draft(desk: Running) -> None:
    """Reset the draft to the live version before each test."""
    services = build_services(read_settings({"RECOVERY_ENV": "local", "RECOVERY_HOME": str(desk.home)}))
    opened = open_draft(services, shop="demo", quiz="leg-day")
    by = add_user(services, shop="demo", email="tidy@team.example", role="editor")[0]
    reset_draft(services, draft=opened.draft, by=by, files=opened.base, base=opened.live or 1, what="for a test")
    services.close()


@pytest.fixture
def page(browser: Browser, desk: Running, set_password: Path) -> Iterator[Page]:
    """Yield a signed-in page; errors and warnings fail the test."""
    context, one = opened(browser, desk, set_password)
    complaints: list[str] = []
    one.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    one.on("pageerror", lambda error: complaints.append(str(error)))
    one.complaints = complaints  # type: ignore[attr-defined]  # For tests that expect complaints.
    yield one
    context.close()
    assert complaints == []


def best_form(desk: Running) -> str:
    body = json.dumps({"answers": {**GOOD, "apply": ["rub-in"]}}).encode()
    address = f"{desk.base}/v1/shops/demo/quizzes/leg-day/responses"
    request = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(json.load(answer)["result"]["products"][0]["form"])


def invited(browser: Browser, desk: Running, owner: Path) -> BrowserContext:
    """Return the browser context of a publisher who accepted the owner's invitation by email."""
    context, page = opened(browser, desk, owner)
    page.goto("/console/shops/demo/team")
    page.get_by_label("Email address").fill("kim@team.example")
    page.get_by_label("Publisher").check()
    page.get_by_role("button", name="Send invitation").click()
    expect(page.get_by_role("status")).to_contain_text("Sending the invitation")
    context.close()
    context = browser.new_context(base_url=desk.base, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    desk.until(lambda: "kim@team.example" in desk.get("/mailbox/"))
    page.goto("/mailbox/")
    page.locator("a.email", has_text="kim@team.example").first.click()
    link = page.frame_locator("iframe").locator("a[href*='/set-password/']").first.get_attribute("href")
    assert link
    page.goto(link)
    page.get_by_label("Display name").fill("Kim")
    page.get_by_label("Password", exact=True).fill("seven quiet herons wade")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Mappings")).to_be_visible()
    page.close()
    return context


def test_invited_editor_fixes_a_finding_publishes_and_rolls_back(
    browser: Browser, desk: Running, set_password: Path
) -> None:
    context = invited(browser, desk, set_password)
    page = context.new_page()
    page.goto(f"{ROOT}/mappings")
    expect(page.locator("#state")).to_contain_text("No changes")
    page.get_by_role("link", name="Edit row rub-in-salve").press("Enter")
    editor = page.get_by_role("form", name="Edit row rub-in-salve")
    expect(editor.get_by_label("Question")).to_be_focused()
    editor.get_by_label("Weight").fill("95")
    editor.get_by_label("Reason").fill("This salve relieves pain and cures arthritis.")
    expect(editor.get_by_role("status")).to_have_text("Saved to the draft.")
    expect(page.locator("#panel")).to_contain_text(re.compile("blocks? publishing"))
    expect(page.locator("#finding-rub-in-salve").first).to_contain_text("reason")
    page.goto(f"{ROOT}/impact")
    page.get_by_label("Version note").fill("Salve first for who rubs it in.")
    page.get_by_role("button", name=re.compile(r"Publish version \d+")).click()
    expect(page.get_by_role("alert")).to_contain_text("Not published")
    assert best_form(desk) == "cream"

    page.goto(f"{ROOT}/mappings?row=rub-in-salve")
    editor.get_by_label("Reason").fill("You like to rub it in: a salve melts under your hands.")
    expect(editor.get_by_role("status")).to_have_text("Saved to the draft.")
    page.goto(f"{ROOT}/impact")
    expect(page.get_by_text("No answer moves away from")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("heading", name="Causes")).to_be_visible()
    assert page.get_by_label("Version note").input_value() == ""
    page.get_by_label("Version note").fill("Salve first for who rubs it in.")
    page.get_by_role("button", name=re.compile(r"Publish version \d+")).click()
    expect(page.get_by_text(re.compile(r"Version \d+ is live"))).to_be_visible(timeout=20_000)
    desk.until(lambda: best_form(desk) == "salve", seconds=5)

    page.get_by_role("button", name=re.compile(r"Roll back to version \d+")).first.click()
    expect(page.get_by_text(re.compile(r"Rolled back to version \d+"))).to_be_visible()
    desk.until(lambda: best_form(desk) == "cream", seconds=5)
    context.close()


def test_condition_is_built_from_lists_and_undone(page: Page) -> None:
    page.goto(f"{ROOT}/mappings?row=calves-roll")
    editor = page.get_by_role("form", name="Edit row calves-roll")
    editor.get_by_label("Add an option").select_option(label="Glutes")
    expect(editor.get_by_label("Condition as text")).to_have_value("area = calves|glutes")
    editor.get_by_role("button", name="Add a comparison").click()
    expect(editor.get_by_label("Condition as text")).to_have_value("area = calves|glutes & area = calves")
    editor.get_by_role("button", name="Remove this comparison").last.click()
    editor.get_by_label("Add a target").select_option("form:spray")
    expect(editor.locator("[name=target]")).to_have_value("form:roll-on|spray")
    expect(editor.locator("[data-sentence]")).to_contain_text("Glutes, add 10 to every roll-on, spray")
    editor.get_by_role("button", name="Save").click()
    expect(editor).to_have_count(0)
    for _ in range(2):
        page.goto(f"{ROOT}/changes")
        undo = page.get_by_role("button", name="Undo", exact=True).first
        if undo.count():
            with page.expect_navigation():
                undo.click()
    page.goto(f"{ROOT}/mappings?row=calves-roll")

    expect(editor.locator("[name=target]")).to_have_value("form:roll-on")


def test_questions_are_reordered_by_keyboard_and_options_added(page: Page) -> None:
    page.goto(f"{ROOT}/quiz")
    with page.expect_navigation():
        page.get_by_role("button", name=re.compile("Move up: Which scent do you prefer")).press("Enter")
    listed = page.locator(".rows a.name").all_inner_texts()
    assert listed.index("Which scent do you prefer?") < listed.index("When would you use it most?")
    page.goto(f"{ROOT}/records/question/scent")
    page.get_by_role("button", name="Add option").click()
    fresh = page.locator("[data-item]").last
    fresh.get_by_label("ID").fill("citrus")
    fresh.get_by_label("Answer").fill("Citrus")
    expect(page.locator("[data-saved]")).to_have_text("Saved to the draft.")
    page.reload()
    expect(page.locator("input[value=citrus]")).to_be_visible()
    page.goto(f"{ROOT}/changes")
    page.get_by_label("I am sure").check()
    page.get_by_role("button", name="Reset draft").click()

    expect(page.get_by_text("The draft was reset")).to_be_visible()


def test_unsaved_input_is_kept_and_restored_after_a_failed_save(page: Page, desk: Running) -> None:
    page.goto(f"{ROOT}/mappings?row=large-cream")
    editor = page.get_by_role("form", name="Edit row large-cream")
    page.route("**/mappings/rows/**", lambda route: route.fulfill(status=503, body='{"detail": "Not now."}'))
    editor.get_by_label("Note for the team").fill("ask the lab")
    expect(editor.get_by_role("status")).to_have_text("Not now.")
    page.unroute("**/mappings/rows/**")
    page.reload()
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(editor.get_by_role("status")).to_have_text("Saved to the draft.")
    page.reload()

    expect(editor.get_by_label("Note for the team")).to_have_value("ask the lab")
    page.complaints.clear()  # type: ignore[attr-defined]  # The browser reports the 503, as it should.


def test_draft_is_tried_in_the_real_widget_with_its_trace(page: Page) -> None:
    from tests.support.browser import take_quiz

    page.goto(f"{ROOT}/try")
    expect(page.locator("recovery-quiz [data-start]")).to_be_visible()
    take_quiz(page)
    expect(page.locator("#trace")).to_contain_text("mapping rows matched")
    page.locator("[data-why]").first.click()

    expect(page.locator("#why-not")).to_contain_text("Not shown:")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark")])
def test_every_console_page_is_accessible_wide_and_narrow_light_and_dark(
    browser: Browser, desk: Running, set_password: Path, width: int, scheme: str
) -> None:
    context, page = opened(browser, desk, set_password, width, color_scheme=scheme)
    wrong = []
    for path in PAGES:
        page.goto(path if path.startswith("/console") else ROOT + path)
        if page.locator("#panel").count():
            expect(page.locator("#panel [data-checking], [aria-busy=true]")).to_have_count(0)
        try:
            check_accessible(page)
        except AssertionError as error:
            wrong.append(f"{path}: {error}")
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{path}: scrolls sideways")
    context.close()

    assert not wrong, "\n".join(wrong)


def test_mapping_row_is_edited_and_published_without_javascript(
    browser: Browser, desk: Running, set_password: Path
) -> None:
    context, page = opened(browser, desk, set_password, java_script_enabled=False)
    page.goto(f"{ROOT}/mappings")
    page.get_by_role("link", name="Edit row rub-in-cream").click()
    editor = page.get_by_role("form", name="Edit row rub-in-cream")
    editor.get_by_label("Weight").fill("33")
    editor.get_by_role("button", name="Save").click()
    expect(editor.get_by_label("Weight")).to_have_value("33")
    page.get_by_role("link", name="Check now").click()
    page.get_by_role("link", name="Review & publish").click()
    page.get_by_label("Version note").fill("A little more cream.")
    page.get_by_role("button", name=re.compile("Publish version")).click()

    expect(page.get_by_text(re.compile(r"Version \d is live"))).to_be_visible()
    context.close()
