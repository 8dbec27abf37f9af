"""Texts in which there is nothing to read."""

import pyarrow as pa
import pytest

from hf_tinybert.data.blank_texts import are_blank, is_blank


@pytest.mark.parametrize(
    ("text", "blank"),
    [
        ("", True),
        (" \u00a0\u2003\n", True),
        ("\ufeff\u200b", True),
        ("\x00\x07", True),
        ("!", False),
        ("\u200d\u4f60", False),
    ],
)
def test_a_text_of_which_a_tokenizer_leaves_nothing_is_blank(text, blank):
    """Prevents a cell with a byte order mark alone from being learnt, scored and answered."""
    assert is_blank(text) is blank
    assert are_blank(pa.chunked_array([[text], [None]])).tolist() == [blank, True]
