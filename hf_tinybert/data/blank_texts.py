"""Texts in which there is nothing to read: blanks, and letters that are not shown, such as a byte order mark."""

import unicodedata
from typing import Any

import numpy as np
import pyarrow.compute as pc

__all__ = ["are_blank", "is_blank"]

_SHOWN = r"[^\s\pZ\pC]"
_NOT_SHOWN = "ZC"  # Unicode's separators and its control, format and private characters, which tokenizers take out


def are_blank(column: Any) -> np.ndarray:  # noqa: ANN401 (pyarrow has no types)
    """Whether each text of an Arrow column is blank, `(rows,)`; a missing one is."""
    shown = pc.fill_null(pc.match_substring_regex(column, _SHOWN), False)
    return ~np.asarray(shown.to_numpy(zero_copy_only=False), dtype=bool)


def is_blank(text: str) -> bool:
    """Whether a text is blank."""
    return all(unicodedata.category(letter)[0] in _NOT_SHOWN for letter in text)
