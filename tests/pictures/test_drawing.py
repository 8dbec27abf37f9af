"""Tests of pictures as SVG and PNG."""

import builtins
import struct
import xml.etree.ElementTree as ElementTree

import pytest

from hf_tinybert.pictures.drawing import INK, Picture, canvas, check_matplotlib, draw_heat


@pytest.fixture(scope="module")
def picture() -> Picture:
    """A map of two by two, whose names would be markup and mathematics."""
    with canvas(2, 2) as (figure, (axes,)):
        draw_heat(axes, [[0.0, 1.0], [0.25, 0.75]], rows=["<b>one", 'its id="x'], columns=["$x", "y"])
    return Picture("heat", 'a "map" of <two>', figure)


def test_an_svg_is_an_element_of_a_page_with_its_words(picture):
    """Prevents a declaration in the middle of a page, letters drawn as lines, and names that become markup."""
    svg = picture.svg()
    root = ElementTree.fromstring(svg)
    assert svg.startswith('<svg role="img"') and root.attrib["aria-label"] == 'a "map" of <two>'
    words = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert {"<b>one", 'its id="x', "$x", "y", "0.25", "0.75"} <= set(words)


def test_an_svg_takes_the_ink_of_its_page_and_keeps_its_references_to_itself(picture):
    """Prevents black letters on a dark page, and two pictures that clip each other."""
    svg = picture.svg()
    assert INK not in svg and "currentColor" in svg
    root = ElementTree.fromstring(svg)
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids)) and all(one.startswith("heat-") for one in ids)
    assert "url(#heat-" in svg


def test_the_same_picture_is_the_same_file(picture):
    """Prevents cards and pages that differ at each writing."""
    assert picture.svg() == picture.svg()
    assert picture.png() == picture.png()


def test_a_png_has_the_size_of_its_canvas(picture):
    """Prevents pictures too coarse for a card."""
    png = picture.png()
    assert png.startswith(b"\x89PNG") and struct.unpack(">II", png[16:24]) == (300, 300)


@pytest.mark.parametrize("name", ['a"><script>', "../a", "A", "", "a b"])
def test_a_name_that_is_markup_or_a_path_is_refused(picture, name):
    """Prevents a page or a folder that a picture's name breaks out of."""
    with pytest.raises(ValueError, match="as the name of a picture"):
        Picture(name, "", picture.figure)


def test_numbers_are_left_out_where_they_do_not_fit():
    """Prevents a large matrix that is black with digits."""
    with canvas(2, 2) as (_, (axes,)):
        draw_heat(axes, [[0.5] * 14] * 14, rows=["r"] * 14, columns=["c"] * 14)
    assert list(axes.texts) == []


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    """Prevents a traceback that does not say what to install."""
    found = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ModuleNotFoundError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ModuleNotFoundError, match=r"hf-tinybert\[report\]"):
        check_matplotlib()
