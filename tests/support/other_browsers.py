"""Firefox and WebKit as the system has them, each driven by the client that its makers keep.

Playwright drives neither: its own builds of both are not among the system's packages, and Firefox's answer to its
commands differs. Firefox is driven by Mozilla's ``marionette_driver``, which needs no separate driver program; WebKit
by Selenium through the driver program that comes with WebKitGTK.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

QUIZ = "const quiz = document.querySelector('recovery-quiz'), root = quiz?.shadowRoot;"
WAIT_SECONDS = 20.0


class OtherBrowser(ABC):
    """A browser window. Scripts see ``quiz``, the element on the page, and ``root``, its shadow root."""

    @abstractmethod
    def open(self, url: str) -> None: ...

    @abstractmethod
    def reload(self) -> None: ...

    @abstractmethod
    def back(self) -> None: ...

    @abstractmethod
    def execute(self, script: str, *arguments: Any) -> Any:
        """Run the body of a function in the page and return what it returns; an element can be clicked."""

    @abstractmethod
    def enter_frame(self) -> None:
        """Let scripts and clicks go to the first frame of the page."""

    def run(self, script: str, *arguments: Any) -> Any:
        return self.execute(f"{QUIZ} {script}", *arguments)

    def until(self, condition: str, *arguments: Any) -> Any:
        """Wait until the expression is truthy, and return its value. While a page is being left, scripts fail."""
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            with suppress(*_driver_errors()):
                if found := self.run(f"return {condition}", *arguments):
                    return found
            time.sleep(0.05)
        raise AssertionError(f"never true: {condition}; the quiz: {self.run('return root?.innerHTML.slice(0, 800)')}")

    def click(self, selector: str, *, inside: str = "root") -> None:
        """Click the element in the quiz, or in the document, like a person: in the middle of the window."""
        element = self.until(f"{inside}?.querySelector(arguments[0])", selector)
        self.run("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", element)
        element.click()


def _driver_errors() -> tuple[type[Exception], ...]:
    from marionette_driver.errors import MarionetteException
    from selenium.common.exceptions import WebDriverException

    return MarionetteException, WebDriverException


class _Firefox(OtherBrowser):
    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def open(self, url: str) -> None:
        self._driver.navigate(url)

    def reload(self) -> None:
        self._driver.refresh()

    def back(self) -> None:
        self._driver.go_back()

    def execute(self, script: str, *arguments: Any) -> Any:
        return self._driver.execute_script(script, script_args=list(arguments), new_sandbox=False)

    def enter_frame(self) -> None:
        self._driver.switch_to_frame(0)


class _WebKit(OtherBrowser):
    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def open(self, url: str) -> None:
        self._driver.get(url)

    def reload(self) -> None:
        self._driver.refresh()

    def back(self) -> None:
        self._driver.back()

    def execute(self, script: str, *arguments: Any) -> Any:
        return self._driver.execute_script(script, *arguments)

    def enter_frame(self) -> None:
        self._driver.switch_to.frame(0)


@contextmanager
def firefox(folder: Path) -> Iterator[OtherBrowser]:
    """Yield a headless Firefox; its log goes to the folder."""
    from marionette_driver.marionette import Marionette

    binary = shutil.which("firefox-esr") or shutil.which("firefox")
    driver = Marionette(bin=binary, headless=True, gecko_log=str(folder / "firefox.log"), port=0)
    try:
        driver.start_session()
        yield _Firefox(driver)
    finally:
        driver.quit()
        driver.cleanup()
        del driver
        gc.collect()  # Its folder is removed by a finalizer, which fails at the end of the process.


@contextmanager
def webkit(folder: Path) -> Iterator[OtherBrowser]:
    """Yield WebKitGTK's own browser on a screen that nobody sees."""
    from selenium import webdriver
    from selenium.webdriver.webkitgtk.service import Service

    options = webdriver.WebKitGTKOptions()
    options.binary_location = str(next(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser")))
    options.add_argument("--automation")
    with _screen() as display:
        environment = {**os.environ, "DISPLAY": display, "NO_AT_BRIDGE": "1"}
        program = Service(shutil.which("WebKitWebDriver"), log_output=str(folder / "webkit.log"), env=environment)
        driver = webdriver.WebKitGTK(options=options, service=program)
        try:
            yield _WebKit(driver)
        finally:
            driver.quit()


@contextmanager
def _screen() -> Iterator[str]:
    """Yield the name of a virtual X display."""
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x900x24", "-nolisten", "tcp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert server.stdout is not None
        yield f":{server.stdout.readline().decode().strip()}"
    finally:
        server.terminate()
        server.wait()
        server.stdout.close()
