"""Tests of words in markdown, read by the parser that rich brings along."""

import re
from html import unescape

import pytest
from markdown_it import MarkdownIt

from hf_tinybert.hub.markdown import code_span, plain_text

NAMES = [
    "card_arrival",
    "<script>alert(1)</script>",
    "*star* _under_ __two__ a__b",
    "`tick` and ``two``",
    "[x](javascript:alert(1)) ![y](z)",
    "a|b \\| c\\",
    "&amp; ~~gone~~ $$x$$",
    "`",
]


def _shown(text: str) -> str:
    """What a reader sees of a paragraph; a tag of the parser's own is named by its brackets."""
    page = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(f"Labels: {text}, end.")
    return unescape(page.strip().removeprefix("<p>").removesuffix("</p>"))


@pytest.mark.parametrize("name", NAMES)
def test_names_are_shown_as_they_are(name):
    """Prevents labels that vanish from a card, are set in bold, become links, or run as HTML."""
    assert _shown(plain_text(name)) == f"Labels: {name}, end."
    inside = re.fullmatch(r"Labels: <code>(.*)</code>, end\.", _shown(code_span(name)))
    assert inside is not None and inside[1] == name


def test_a_name_does_not_end_its_line():
    """Prevents a label with a line break that puts a heading of its own into the card."""
    assert plain_text("new\n\n# line") == "new # line"
    assert code_span("new\r\nline") == "`new line`"


def test_an_ordinary_name_stays_readable_in_the_file():
    """Prevents cards whose source is full of backslashes."""
    assert plain_text("Refund_not_showing_up? 3.5 (new)") == "Refund_not_showing_up? 3.5 (new)"
