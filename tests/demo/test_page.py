"""Tests of the page in a browser, with a tab for every kind of task."""

import builtins
import json
import signal
import socket
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from hf_tinybert.cli.termination import Terminated, raise_on_sigterm
from hf_tinybert.demo.page import ServeSettings, build_page, hold, import_gradio, serve
from tests.demo.conftest import SCRIPT, TYPED
from tests.headless_browser import brightness, shown_as
from tests.screenshots import keep_screenshots

SECONDS = 60


@contextmanager
def _looked_up():
    """The names of hosts that this process looks for, within the block."""
    names, original = [], socket.getaddrinfo

    def look_up(host, *arguments, **options):
        names.append(host)
        return original(host, *arguments, **options)

    socket.getaddrinfo = look_up
    try:
        yield names
    finally:
        socket.getaddrinfo = original


@pytest.fixture(scope="module")
def served(comparison_of):
    """The address of a page with a tab for each kind, and the hosts that its server looked for."""
    with _looked_up() as names:
        page = build_page({_tab(kind): comparison_of(kind) for kind in TYPED}, f"a title {SCRIPT}")
        yield serve(page, ServeSettings()), names
        page.close()


@pytest.fixture(scope="module")
def opened(browser, served):
    """The browser with the page, once its boxes are there."""
    browser.get(served[0])
    _wait(browser, lambda: browser.find_elements("css selector", "textarea"))
    return browser


@pytest.fixture(scope="module")
def answered(opened):
    """Gives the open panel of a kind once both models have answered in it."""
    asked = set()

    def make(kind):
        tab = next(one for one in opened.find_elements("css selector", "button[role=tab]") if one.text == _tab(kind))
        tab.click()
        _wait(opened, lambda: tab.get_attribute("aria-selected") == "true")
        _wait(opened, lambda: len(_shown_panels(opened)) == 1)
        (panel,) = _shown_panels(opened)
        if kind not in asked:
            _type(panel, TYPED[kind])
            _wait(opened, lambda: len(panel.find_elements("css selector", ".headline")) == 2)
            asked.add(kind)
        return panel

    return make


def _shown_panels(browser):
    return [one for one in browser.find_elements("css selector", "[role=tabpanel]") if one.is_displayed()]


def _tab(kind):
    """A name so short that ten tabs stand side by side."""
    return f"tab {list(TYPED).index(kind)}"


def _type(panel, typed):
    boxes = panel.find_elements("css selector", "textarea, input[type=text]")
    for box, text in zip(boxes, typed, strict=True):
        box.clear()
        box.send_keys(text)
    panel.find_element("css selector", "button.primary").click()


def _letters(text):
    """Without white space, of which a browser puts some around marks."""
    return "".join(text.split())


def _wait(browser, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, SECONDS).until(lambda _: condition())


@pytest.mark.browser
@pytest.mark.parametrize("kind", list(TYPED))
def test_both_answers_and_times_stand_side_by_side(opened, answered, kind):
    """Prevents a kind whose answer the page loses on its way to the reader."""
    panel = answered(kind)
    student, teacher = (panel.find_element("css selector", f".{role}").text for role in ("student", "teacher"))
    assert "small:" in student and "big:" in teacher
    assert " ms" in student and " ms" in teacher and "the teacher" in student
    keep_screenshots(opened, f"demo-{kind}")


@pytest.mark.browser
def test_marks_stand_in_the_text_that_was_typed(answered):
    """Prevents an answer that can be read nowhere in its text."""
    text = answered("extractive-summarization").find_element("css selector", ".student").text
    assert "1 of 3 sentences kept" in text
    assert _letters(TYPED["extractive-summarization"][0]) in _letters(text)


@pytest.mark.browser
def test_typed_and_named_html_does_not_run(opened, answered):
    """Prevents a text, a label or a folder's name from running in the reader's browser."""
    assert _letters(TYPED["question-answering"][1]) in _letters(answered("question-answering").text)
    assert SCRIPT in answered("multiple-choice").text
    assert "<b>sport</b>" in answered("text-classification").text
    assert SCRIPT in opened.find_element("css selector", "h1").text
    assert opened.title == f"a title {SCRIPT}"
    assert not opened.find_elements("css selector", "img[src=x]")


@pytest.mark.browser
def test_an_empty_text_is_a_message_in_the_page(opened, answered):
    """Prevents a stack trace, or a page that does not move."""
    panel = answered("sentence-embedding")
    _type(panel, ["a film", " "])
    _wait(opened, lambda: panel.find_elements("css selector", "[role=alert]"))
    assert "“Second text”, got an empty one" in panel.find_element("css selector", "[role=alert]").text
    _wait(opened, lambda: not panel.find_elements("css selector", ".headline"))


@pytest.mark.browser
def test_nothing_is_loaded_from_elsewhere(opened, served):
    """Prevents fonts, scripts or counters of other machines: what is typed stays here, and no network is needed."""
    script = "return JSON.stringify(performance.getEntriesByType('resource').map(entry => entry.name))"
    loaded = {urlsplit(address).hostname for address in json.loads(opened.execute_script(script))}
    assert loaded - {None} == {"127.0.0.1"}
    assert set(served[1]) <= {"127.0.0.1", "localhost"}
    assert [entry for entry in opened.get_log("browser") if "127.0.0.1" not in entry["message"]] == []


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_open_tab_can_be_read_in_both_schemes(opened, answered, scheme):
    """Prevents a grey name on a black ground: the open task is the one that cannot be read."""
    answered("regression")
    with shown_as(opened, scheme=scheme):
        tab = "button[role=tab][aria-selected=true]"

        def difference():
            ground = opened.find_element("tag name", "gradio-app").value_of_css_property("background-color")
            return abs(
                brightness(opened.find_element("css selector", tab).value_of_css_property("color"))
                - brightness(ground)
            )

        _wait(opened, lambda: difference() > 150)


@pytest.mark.browser
def test_long_labels_and_many_tasks_fit_a_phone(opened, served):
    """Prevents a page that runs out of a narrow screen because one class has a long name, or a student ten tasks."""
    before = opened.current_window_handle
    opened.switch_to.new_window("tab")
    try:
        with shown_as(opened, width=360):
            opened.get(served[0])
            _wait(opened, lambda: _shown_panels(opened))
            (panel,) = _shown_panels(opened)
            _type(panel, TYPED["text-classification"])
            _wait(opened, lambda: "culture_of_many_words_without_a_space" in panel.text)
            assert opened.execute_script("return document.documentElement.scrollWidth") <= 360
    finally:
        opened.close()
        opened.switch_to.window(before)


def test_a_taken_port_is_told(comparison_of):
    """Prevents another program's port from being looked for in a traceback."""
    page = build_page({"one": comparison_of("regression")}, "a title")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"{port}.*`--port`"):
            serve(page, ServeSettings(port=port))


def test_an_interruption_reaches_the_caller_and_closes_the_page(comparison_of):
    """Prevents SIGTERM from being taken for the page's own end, and a server that goes on behind it."""
    page = build_page({"news": comparison_of("text-classification")}, "a title")
    address = urlsplit(serve(page, ServeSettings()))
    socket.create_connection((address.hostname, address.port)).close()
    before = signal.getsignal(signal.SIGTERM)
    try:
        raise_on_sigterm()
        threading.Timer(0.5, signal.raise_signal, [signal.SIGTERM]).start()
        with pytest.raises(Terminated):
            hold(page)
    finally:
        signal.signal(signal.SIGTERM, before)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port))


def test_a_missing_package_is_one_sentence(monkeypatch):
    """Prevents a traceback where the extra was not installed."""
    original = builtins.__import__

    def without_gradio(name, *arguments, **options):
        if name == "gradio":
            raise ImportError("no gradio")
        return original(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without_gradio)
    with pytest.raises(ModuleNotFoundError, match=r"hf-tinybert\[demo\]"):
        import_gradio()
