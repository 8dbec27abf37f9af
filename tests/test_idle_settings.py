"""Tests of refusing settings that nothing reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from hf_tinybert.idle_settings import check_not_idle, given_settings


@dataclass(frozen=True)
class _Settings:
    name: str
    rows: int | None = None
    split: str = "validation"
    columns: Mapping[str, str] = field(default_factory=dict)


def test_what_was_given_is_named_and_defaults_are_not():
    """Prevents an option that does nothing, and a refusal of what nobody gave."""
    idle = ("rows", "split", "columns")
    assert given_settings(_Settings("a", 3, "test"), ("split", "rows", "columns")) == ["split", "rows"]
    check_not_idle(_Settings("a", split="validation", columns={}), idle, "`data`", "nothing is scored")
    said = "^expected `data` with `rows`, got none; because nothing is scored; leave it out, or give `data`$"
    with pytest.raises(ValueError, match=said):
        check_not_idle(_Settings("a", rows=3), idle, "`data`", "nothing is scored")
    with pytest.raises(
        ValueError, match="expected a form with `split`, `columns`, got int8; because it rounds; leave them out"
    ):
        check_not_idle(_Settings("a", None, "test", {"text": "line"}), idle, "a form", "it rounds", "int8")
