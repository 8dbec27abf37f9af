"""Tests of what a smaller vocabulary depends on."""

import json

import pytest

from hf_tinybert.models.piece_choice import PieceChoice
from hf_tinybert.workflow import TrimSettings


def test_they_say_how_pieces_are_chosen():
    """Prevents a limit that is written down and not used."""
    settings = TrimSettings(model="m", texts=("t",), coverage=0.9, min_count=2, size=50, all_characters=True)
    assert settings.choice == PieceChoice(0.9, 2, 50, True)
    assert TrimSettings(model="m", texts=("t",)).choice == PieceChoice()


def test_they_come_back_from_json_as_they_were():
    """Prevents a finished run that is not known again."""
    values = TrimSettings(model="m", texts=("a", "b"), keep="list").to_json()
    assert json.loads(json.dumps(values)) == values
    assert values["texts"] == ["a", "b"]


@pytest.mark.parametrize("given", [{"coverage": 0.9}, {"min_count": 2}, {"columns": ("body",)}], ids=str)
def test_what_is_counted_in_texts_is_refused_without_texts(given):
    """Prevents a limit that is written down and reaches no piece of a list."""
    TrimSettings(model="m", keep="list", size=50, all_characters=True)
    with pytest.raises(ValueError, match=f"expected `texts` with `{next(iter(given))}`, got none; because no piece"):
        TrimSettings(model="m", keep="list", **given)


@pytest.mark.parametrize("wrong", [{"coverage": 2.0}, {"min_count": 0}, {"size": 0}, {"texts": ()}], ids=str)
def test_what_chooses_nothing_is_refused(wrong):
    """Prevents a model from being read before a typing error shows."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrimSettings(**{"model": "m", "texts": ("t",), **wrong})
