"""Tests of the settings of a quickstart."""

from dataclasses import replace

import pytest

from hf_tinybert.quickstart import FAST, QuickstartSettings


def test_the_short_setting_changes_the_rows_alone():
    """Prevents a first look at another recipe than that of the whole run."""
    whole, short = QuickstartSettings(), replace(QuickstartSettings(), **FAST)
    assert short.train_rows and short.held_out_rows
    assert replace(short, train_rows=None, held_out_rows=None) == whole


def test_both_students_see_the_data_as_often():
    """Prevents an undistilled student that lost because it was trained for less."""
    assert QuickstartSettings(intermediate_epochs=2, prediction_epochs=3).distillation_epochs == 5


def test_columns_are_those_that_were_named():
    """Prevents a column called `None`, and a packaged teacher that the card does not name."""
    assert QuickstartSettings().columns == {}
    assert QuickstartSettings(dataset="rows.csv", text_column="body").columns == {"text": "body"}
    with pytest.raises(ValueError, match="expected `dataset` with `text_column`, got none"):
        QuickstartSettings(text_column="body")
    assert QuickstartSettings().teacher_name == "sentence-transformers/all-MiniLM-L6-v2"
    assert QuickstartSettings(teacher="mine").teacher_name == "mine"
