"""Draws the pictures of the report and the demo in these pages: python -m docs.screenshots STUDENT TEXT [FOLDER].

STUDENT is a text classifier, a folder of `hf-tinybert distill`, after `hf-tinybert report` (with four disagreements at
least); TEXT is what is typed in the demo. The browser is that of the tests.
"""

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from hf_tinybert.demo import ServeSettings, build_page, open_comparisons, serve
from tests.headless_browser import missing_browser, shown_as, start_browser
from tests.screenshots import WIDTHS, whole_page

IMAGES = Path(__file__).parent / "images"
_SECONDS = 60
_AIR = 12
_HEIGHT = 600  # of the screen: no page is shorter, so that nothing empty stands below


def draw(browser: Any, student: Path, text: str, images: Path = IMAGES) -> None:  # noqa: ANN401 (selenium's Chrome)
    """Write `report.png` and `report-answers.png` (the first half of the report and a part of the second), `demo.png`.

    Args:
        browser: of `tests.headless_browser.start_browser`.
        student: folder of a text classifier with its report.
        text: for the demo.
        images: folder that is written to.

    Raises:
        FileNotFoundError: the report is missing.
    """
    report = student.resolve() / "report.html"
    if not report.is_file():
        raise FileNotFoundError(f"expected {report}, got none; because it is drawn; `hf-tinybert report {student}`")
    images.mkdir(parents=True, exist_ok=True)
    page = build_page(open_comparisons(student), student.name)
    try:
        with shown_as(browser, width=WIDTHS["wide"], height=_HEIGHT):
            browser.get(report.as_uri())
            picture = whole_page(browser)
            half, end = _top(browser, "#agreement"), _top(browser, ".examples li:nth-child(4)")
            _keep(picture, images / "report.png", 0, half)
            _keep(picture, images / "report-answers.png", half, end)
            browser.get(serve(page, ServeSettings()))
            _ask(browser, text)
            _keep(whole_page(browser), images / "demo.png")
    finally:
        page.close()


def _ask(browser: Any, text: str) -> None:  # noqa: ANN401 (selenium.webdriver.Chrome)
    from selenium.webdriver.support.ui import WebDriverWait

    def seen(selector: str, count: int) -> None:
        WebDriverWait(browser, _SECONDS).until(lambda _: len(browser.find_elements("css selector", selector)) == count)

    seen("textarea", 1)
    models = len(browser.find_elements("css selector", ".student, .teacher"))
    browser.find_element("css selector", "textarea").send_keys(text)
    browser.find_element("css selector", "button.primary").click()
    seen(".headline", models)


def _top(browser: Any, selector: str) -> int:  # noqa: ANN401 (selenium.webdriver.Chrome)
    """Where an element begins with some air above it, pixels from the top of the page."""
    return int(browser.find_element("css selector", selector).location["y"]) - _AIR


def _keep(picture: bytes, file: Path, top: int = 0, bottom: int | None = None) -> None:
    """Writes a part of a page in 256 colours, rare ones among them: few points are in the colour of the teacher."""
    page = Image.open(io.BytesIO(picture)).convert("RGB")
    part = page.crop((0, top, page.width, bottom or page.height))
    part.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(file, optimize=True)


def _main(student: str, text: str, *images: str) -> None:
    if missing := missing_browser():
        raise FileNotFoundError(missing)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = start_browser(Path(profile))
        try:
            draw(browser, Path(student), text, *map(Path, images))
        finally:
            browser.quit()


if __name__ == "__main__":
    _main(*sys.argv[1:])
