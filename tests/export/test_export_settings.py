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


def test_int8_without_rows_to_score_is_refused():
    """Prevents a quantised model of which nobody knows whether it still answers right."""
    with pytest.raises(ValueError, match="labelled rows for int8"):
        ExportSettings(model="student", to="onnx-int8")
    assert ExportSettings(model="student", to="onnx-int8", data="rows.csv").form is ExportFormat.ONNX_INT8
