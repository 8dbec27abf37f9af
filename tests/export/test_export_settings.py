"""Tests of the settings of an export."""

import pytest

from hf_tinybert.export import ExportFormat, ExportSettings


@pytest.mark.parametrize(
    "wrong", [{"to": "coreml"}, {"rows": 0}, {"largest_loss": -0.1}, {"largest_difference": -1.0}]
)
def test_what_cannot_be_meant_is_refused(wrong):
    """Prevents a mistake from being found after the model was loaded."""
    with pytest.raises(ValueError, match="expected"):
        ExportSettings(model="student", **wrong)


@pytest.mark.parametrize(
    "given", [{"rows": 5}, {"split": "test"}, {"columns": {"text": "body"}}, {"largest_loss": 0.1}], ids=str
)
def test_what_is_said_of_rows_is_refused_without_data(given):
    """Prevents a score that was asked for and is never taken."""
    with pytest.raises(ValueError, match=f"expected `data` with `{next(iter(given))}`, got none; because no rows are"):
        ExportSettings(model="student", **given)
    ExportSettings(model="student", data="rows.csv", **given)


def test_a_difference_of_numbers_is_refused_for_int8():
    """Prevents a limit that no number of a quantised model is held against."""
    with pytest.raises(ValueError, match="expected another form with `largest_difference`, got `onnx-int8`"):
        ExportSettings(model="student", to="onnx-int8", data="rows.csv", largest_difference=1e-2)


def test_int8_without_rows_to_score_is_refused():
    """Prevents a quantised model of which nobody knows whether it still answers right."""
    with pytest.raises(ValueError, match="labelled rows for int8"):
        ExportSettings(model="student", to="onnx-int8")
    assert ExportSettings(model="student", to="onnx-int8", data="rows.csv").form is ExportFormat.ONNX_INT8
