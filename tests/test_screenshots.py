"""Tests of the pictures of pages."""

import struct

import pytest

from tests import screenshots

PAGE = """<!doctype html><title>long</title><meta name=viewport content="width=device-width">
<style>body { margin: 0; height: 3000px; background: white }
@media (prefers-color-scheme: dark) { body { background: black } }</style>"""


@pytest.fixture
def page(tmp_path) -> str:
    """The address of a page of 3,000 pixels."""
    file = tmp_path / "long.html"
    file.write_text(PAGE, encoding="utf-8")
    return file.as_uri()


@pytest.mark.browser
def test_a_page_is_kept_whole_on_both_screens_in_both_schemes(browser, page, tmp_path, monkeypatch):
    """Prevents pictures of the first screen alone, four times the same one, or a browser left as a phone."""
    monkeypatch.setenv(screenshots.FOLDER, str(tmp_path / "new" / "pictures"))
    browser.get(page)
    width = browser.execute_script("return innerWidth")
    screenshots.keep_screenshots(browser, "long")
    kept = {file.name: file.read_bytes() for file in (tmp_path / "new" / "pictures").iterdir()}
    assert {name: struct.unpack(">II", picture[16:24]) for name, picture in kept.items()} == {
        "long-wide-light.png": (1100, 3000),
        "long-wide-dark.png": (1100, 3000),
        "long-phone-light.png": (360, 3000),
        "long-phone-dark.png": (360, 3000),
    }
    assert len(set(kept.values())) == 4
    assert browser.execute_script("return innerWidth") == width
    assert not browser.execute_script("return matchMedia('(prefers-color-scheme: dark)').matches")


def test_without_a_folder_nothing_is_written_and_no_browser_is_asked(tmp_path, monkeypatch):
    """Prevents files in the checkout, and seconds, in every run that did not ask for pictures."""
    monkeypatch.delenv(screenshots.FOLDER, raising=False)
    monkeypatch.chdir(tmp_path)
    screenshots.keep_screenshots(None, "long")
    assert list(tmp_path.iterdir()) == []
