"""The shopper's story in Firefox and in WebKit, the engine of Safari: Debian's builds of both."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.browser import ANSWERS, fitting_question
from tests.support.http_server import Store, gives
from tests.support.other_browsers import OtherBrowser, firefox, webkit
from tests.support.packs import ROOT
from tests.support.running import Running
from tests.support.store_page import page_with

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.timeout(180),
    # The clients of both browsers use older ways of their own libraries, and one leaves a log file open.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]
PRODUCT = "/demo/products/cream-60"
CONTRAST = (ROOT / "tests" / "support" / "contrast.js").read_text()
PHONE = 375


@pytest.fixture(scope="module", params=[firefox, webkit], ids=["firefox", "webkit"])
def window(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OtherBrowser]:
    with request.param(tmp_path_factory.mktemp("other")) as one:
        yield one


@pytest.fixture
def other(window: OtherBrowser, service: Running) -> OtherBrowser:
    """Return the window on the page of the shop, without anything that an earlier test has kept."""
    window.open(service.base + "/demo/")
    window.run("sessionStorage.clear()")
    return window


def take_quiz(other: OtherBrowser) -> None:
    """Answer the quiz by clicks up to the result."""
    other.click("[data-start]")
    for _ in range(14):
        heading = other.until("root.querySelector('h2')?.innerText")
        if other.run("return !!root.querySelector('.result')"):
            return
        shown = set(other.run("return [...root.querySelectorAll('input[name=o]')].map((input) => input.value)"))
        for option in ANSWERS[fitting_question(shown, heading, ANSWERS)]:
            other.click(f"label:has(input[value='{option}'])")
        other.click(".foot .btn:not(.text)")
        other.until("root.querySelector('.result') || root.querySelector('h2')?.innerText !== arguments[0]", heading)
    raise AssertionError("the quiz did not end")


def test_shopper_story_in_other_browsers(other: OtherBrowser, service: Running) -> None:
    other.open(service.base + PRODUCT)
    take_quiz(other)
    best = other.until("root.querySelector('.good1 h3')?.innerText")
    assert other.run("return root.activeElement?.hasAttribute('data-title')"), "the heading of the result has the focus"
    assert other.run("return root.querySelectorAll('.reasons li').length") >= 1
    assert other.run(f"const found = {CONTRAST}; return found") == []

    other.click("[data-add] button")
    other.until("document.querySelector('[data-cart]').innerText === 'Cart (1)'")

    other.reload()
    assert other.until("root?.querySelector('.good1 h3')?.innerText") == best

    other.open(service.base + "/demo/")
    other.back()
    assert other.until("root?.querySelector('.good1 h3')?.innerText") == best


def test_quiz_fits_a_phone_in_other_browsers(other: OtherBrowser, service: Running) -> None:
    """The windows of both browsers cannot be as narrow as a phone, so a store's page is shown in a frame."""
    server = Store()
    frame = f"<!doctype html><title>Frame</title><iframe style='width:{PHONE}px;height:800px;border:0' src='/page'>"
    html = {"Content_Type": "text/html; charset=utf-8"}
    server.handlers = {
        "/": gives(frame.encode(), **html),
        "/page": gives(page_with(service.base).encode(), **html),
        "/favicon.ico": gives(b""),
    }
    other.open(server.root)
    other.enter_frame()
    take_quiz(other)

    other.until("root.querySelector('.good1')")
    assert other.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    server.close()


def test_form_pages_work_in_other_browsers(other: OtherBrowser, service: Running) -> None:
    """The pages that need no JavaScript, up to the result."""
    other.open(service.base + "/demo/quiz/leg-day")
    for _ in range(12):
        if other.until("document.querySelector('.result, input[name=question]')?.value ?? 'result'") == "result":
            break
        name = other.run("return document.querySelector('input[name=question]').value")
        for option in ANSWERS[name]:
            other.click(f"label:has(input[value='{option}'])", inside="document")
        other.click("form button:not([name])", inside="document")
        other.until("document.querySelector('input[name=question]')?.value !== arguments[0]", name)

    assert other.until("document.querySelector('.good1 .reasons')?.innerText")
