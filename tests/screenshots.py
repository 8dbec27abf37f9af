"""Pictures of the pages that tests open, for people to look at.

With the variable `HF_TINYBERT_SCREENSHOTS` set to a folder, `pytest -m browser` leaves each page there as PNG, whole,
on a wide screen and a phone, light and dark: `report-phone-dark.png`.
"""

import base64
import os
import time
from pathlib import Path

from tests.headless_browser import shown_as

FOLDER = "HF_TINYBERT_SCREENSHOTS"
WIDTHS = {"wide": 1100, "phone": 360}
SCHEMES = ("light", "dark")
_SECONDS = 3


def keep_screenshots(browser, name: str) -> None:
    """Writes the page that a browser shows into the folder of `HF_TINYBERT_SCREENSHOTS`; without it, nothing.

    Args:
        browser: of `start_browser`; it shows the page as before when this ends.
        name: what the page is; the names of the files begin with it.
    """
    if not os.environ.get(FOLDER):
        return
    folder = Path(os.environ[FOLDER])
    folder.mkdir(parents=True, exist_ok=True)
    for screen, width in WIDTHS.items():
        for scheme in SCHEMES:
            with shown_as(browser, width=width, scheme=scheme):
                (folder / f"{name}-{screen}-{scheme}.png").write_bytes(whole_page(browser))
    whole_page(browser)  # the page is laid out as before when the next test reads it


def whole_page(browser) -> bytes:
    """The page at its full height as PNG, once it stands still."""
    before, end = b"", time.monotonic() + _SECONDS
    while (picture := _picture(browser)) != before and time.monotonic() < end:
        before = picture
        time.sleep(0.1)
    return picture


def _picture(browser) -> bytes:
    size = browser.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    return base64.b64decode(taken["data"])
