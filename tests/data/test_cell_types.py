"""Types of columns of text cells."""

import pytest
from datasets import Dataset, Value

from hf_tinybert.data.cell_types import with_cell_types
from hf_tinybert.data.data_files import read_data_file


@pytest.mark.parametrize(
    ("cells", "dtype", "values"),
    [
        (["1", " 2 ", "-3"], "int64", [1, 2, -3]),
        (["01", "1", "02"], "string", ["01", "1", "02"]),
        (["+1", "-1"], "string", ["+1", "-1"]),
        (["0.5", "1", ".5", "1e-3"], "float64", [0.5, 1.0, 0.5, 0.001]),
        (["0.5", "", "2"], "float64", [0.5, None, 2.0]),
        (["0.5", "inf"], "float64", [0.5, float("inf")]),
        (["nan", "inf"], "string", ["nan", "inf"]),
        (["true", "FALSE"], "bool", [True, False]),
        (["", ""], "string", ["", ""]),
        (["NA", "", "1"], "string", ["NA", "", "1"]),
        (["9" * 30, "1"], "string", ["9" * 30, "1"]),
    ],
)
def test_a_column_has_a_type_where_it_loses_nothing_by_it(cells, dtype, values):
    """Prevents the classes `01` and `1` from becoming one, and a blank cell from making names of all scores."""
    rows = with_cell_types(Dataset.from_dict({"text": ["a"] * len(cells), "cell": cells}))
    assert rows.features["cell"] == Value(dtype)
    assert rows["cell"][:] == values
    assert rows["text"][:] == ["a"] * len(cells)


def test_all_rows_of_a_column_are_read_alike(tmp_path):
    """Prevents a file from being called damaged because its 10,001st label is the first that is no number."""
    (tmp_path / "rows.csv").write_text("label\n" + "7\n" * 10_000 + "07\nnone\n")
    labels = read_data_file(tmp_path / "rows.csv")["label"][:]
    assert labels[:2] + labels[-3:] == ["7", "7", "7", "07", "none"]
