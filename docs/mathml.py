"""Formulas of the pages as MathML, which browsers show by themselves: the site needs no script and no network."""

import html
import re

from latex2mathml.converter import convert

_FORMULA = re.compile(r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<formula>.*?)\\[)\]]</(?P=tag)>', re.DOTALL)


def on_page_content(content: str, **_: object) -> str:
    """Replace every formula that `pymdownx.arithmatex` marked; mkdocs calls it for each page.

    Args:
        content: HTML of a page.

    Returns:
        The same, with `<math>` elements.
    """
    return _FORMULA.sub(_mathml, content)


def _mathml(found: re.Match[str]) -> str:
    display = "block" if found["tag"] == "div" else "inline"
    return convert(html.unescape(found["formula"]).strip(), display=display)
