"""Tests of what a report is asked for."""

from pathlib import Path

import pytest

from hf_tinybert.report.report_settings import ReportSettings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"split": "dev"}, "expected a split out of train, validation, test, got `dev`"),
        ({"rows": 0}, "`rows` of at least 1"),
        ({"batch_size": 0}, "`batch_size` of at least 1"),
        ({"compare": False, "data": "rows.csv"}, "with `data`, got a page from the files alone; because no model"),
        (
            {"compare": False, "teacher": "big", "data": "rows.csv"},
            "with `data`, `teacher`, got a page from the files",
        ),
        ({"compare": False, "rows": 5, "split": "test"}, "with `split`, `rows`, got a page from the files alone"),
        ({"compare": False, "columns": {"text": "body"}, "batch_size": 8}, "with `columns`, `batch_size`, got a page"),
    ],
)
def test_what_makes_no_report_is_refused(wrong, message):
    """Prevents a refusal after both models have answered, or an option that nothing reads."""
    with pytest.raises(ValueError, match=message):
        ReportSettings(folder=Path("student"), **wrong)
