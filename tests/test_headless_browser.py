"""Tests of the browser in which pages are looked at."""

import pytest

from tests import headless_browser


@pytest.mark.browser
def test_it_reads_a_page_of_this_machine(browser, tmp_path):
    """Prevents tests of pages that pass because no page was ever opened."""
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><title>a page</title><p id=one>seen</p>", encoding="utf-8")
    browser.get(page.as_uri())
    assert browser.title == "a page"
    assert browser.find_element("id", "one").text == "seen"


def test_what_is_missing_is_named(monkeypatch):
    """Prevents a skip whose reason does not say what to install."""
    monkeypatch.setattr(headless_browser.shutil, "which", lambda name: None)
    assert "apt-get install chromium)" in headless_browser.missing_browser()
    assert "chromium-driver" in headless_browser.missing_browser()


@pytest.mark.parametrize(("value", "required"), [("1", True), ("", False)])
def test_a_variable_turns_the_skip_into_a_failure(monkeypatch, value, required):
    """Prevents a CI that has lost its browser and stays green."""
    monkeypatch.setenv(headless_browser.REQUIRED, value)
    assert headless_browser.is_required() is required
