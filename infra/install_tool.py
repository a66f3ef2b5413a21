"""Install programs for tests and benchmarks if they are missing: browsers, servers, checkers. Prints what it does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = {
    "chromium": ("chromium-headless-shell", "fonts-liberation"),
    "firefox": ("firefox-esr",),
    "webkit": ("webkit2gtk-driver",),  # The driver and, in a package it depends on, a browser.
    "xvfb": ("xvfb",),
    "wrk": ("wrk",),
    "nginx": ("nginx-light",),
    "prometheus": ("prometheus",),
    "systemd-analyze": ("systemd",),
    "pgbouncer": ("pgbouncer",),
    "ip": ("iproute2",),
    "iptables": ("iptables",),
    "rabbitmq-server": ("rabbitmq-server",),
    "buildah": ("buildah", "crun"),
    "mmdebstrap": ("mmdebstrap",),
}
NAMES = {
    # The shell is the same engine without a window: the browser tests take two thirds of the time in it.
    "chromium": (
        "/usr/lib/chromium/chromium-headless-shell",
        "chromium-headless-shell",
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
    ),
    "firefox": ("firefox-esr", "firefox"),
    "webkit": ("WebKitWebDriver",),
    "xvfb": ("Xvfb",),
}


def installed(tool: str) -> bool:
    if any(shutil.which(name) for name in NAMES.get(tool, (tool,))) or Path("/usr/sbin", tool).exists():
        return True
    return tool == "chromium" and bool(playwright_browser())


def installed_chromium() -> str:
    """Return the path of the system's Chromium, the one without a window first; empty if there is none."""
    return next(filter(None, map(shutil.which, NAMES["chromium"])), "")


def playwright_browser() -> str:
    """Return the path of Playwright's own Chromium, or an empty string if it was not downloaded."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else ""


def install(tool: str) -> None:
    print(f"Installing {tool} …", flush=True)
    if tool == "chromium" and _run([sys.executable, "-m", "playwright", "install", "chromium"], seconds=300):
        return
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get"):
        # With run level 1, Debian does not start the services that it installs.
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        _run([*sudo, "apt-get", "update", "-qq"], seconds=300, environment=environment)
        installs = [*sudo, "--preserve-env=DEBIAN_FRONTEND,RUNLEVEL"] if sudo else []
        installs += ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
        found = _run([*installs, *PACKAGES[tool]], seconds=900, environment=environment)
        if tool == "chromium" and not found:  # Not every distribution has the shell.
            _run([*installs, "chromium"], seconds=900, environment=environment)
    elif shutil.which("brew"):
        _run(["brew", "install", tool], seconds=900)


def _run(command: list[str], *, seconds: int, environment: dict[str, str] | None = None) -> bool:
    try:
        done = subprocess.run(command, timeout=seconds, env=environment, capture_output=True, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def main() -> None:
    for tool in sys.argv[1:]:
        if not installed(tool):
            install(tool)
        if not installed(tool):
            sys.exit(f"{tool} could not be installed here. Please install it by hand, then try again.")


if __name__ == "__main__":
    main()
