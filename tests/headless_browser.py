"""A real browser for pages that the package writes: Debian's Chromium, headless, with a profile of its own."""

import os
import shutil
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

REQUIRED = "HF_TINYBERT_REQUIRE_BROWSER"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# No sandbox: it needs rights that root in a container does not have, and the pages are the tests' own.
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1100,900",
)


def missing_browser() -> str:
    """What of a browser is not installed, in a sentence; empty where all of it is there."""
    lacking = [] if find_spec("selenium") else ["selenium (pip install hf-tinybert[test])"]
    if not _browser():
        lacking.append("Chromium (apt-get install chromium)")
    if not shutil.which("chromedriver"):
        lacking.append("chromedriver (apt-get install chromium-driver)")
    return f"expected a browser for the tests of pages, got none of: {', '.join(lacking)}" if lacking else ""


def is_required() -> bool:
    """Whether a missing browser is a failure: where nobody reads the reasons of skips, as in CI."""
    return bool(os.environ.get(REQUIRED))


def start_browser(profile: Path):
    """A running browser; its caller quits it.

    Args:
        profile: a new folder for what it keeps.
    """
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = _browser()
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    # what a page's scripts and resources complain about, for `get_log("browser")`
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    # the driver by its path: selenium would else look for one in the network
    return Chrome(options=options, service=Service(executable_path=shutil.which("chromedriver")))


@contextmanager
def shown_as(browser, *, width: int = 1100, height: int = 900, scheme: str = "light"):
    """Within the block pages are laid out for another screen.

    Args:
        browser: of `start_browser`.
        width: of the screen, pixels; one of less than 600 is a phone's.
        height: of the screen, pixels.
        scheme: `light` or `dark`, what the reader prefers.
    """
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    preferred = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": preferred})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def brightness(colour: str) -> float:
    """Of a colour as style sheets give it, `rgb(...)` or `rgba(...)`: 0 for black, 255 for white."""
    parts = [float(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return sum(parts) / 3


def _browser() -> str | None:
    return next((path for name in _BROWSERS if (path := shutil.which(name))), None)
