"""Tests of telling the rows of a run from others."""

import pytest
from datasets import Dataset

from hf_tinybert.run_folder import RunFolder
from hf_tinybert.workflow.row_fingerprint import check_same_rows, fingerprint

ROWS = Dataset.from_list([{"text": f"film {i}", "label": i % 2} for i in range(2003)])


def test_rows_are_told_apart_by_every_value_and_by_their_order():
    """Prevents a mended label from passing for what an earlier call learnt, and the same rows for others."""
    assert fingerprint(Dataset.from_list(ROWS.to_list())) == fingerprint(ROWS)
    last = [*ROWS.to_list()[:-1], {"text": "film 2002", "label": 1}]
    others = [Dataset.from_list(last), ROWS.select(range(2002)), ROWS.select([1, 0, *range(2, 2003)])]
    assert len({fingerprint(rows) for rows in [ROWS, *others]}) == 4


def test_other_rows_and_texts_are_refused_by_name(tmp_path):
    """Prevents a student that has learnt half of its steps from rows that are no more, and the scores of both."""
    more = tmp_path / "more.txt"
    more.write_text("a film\n")

    def go_on(rows: Dataset, *, leads: bool = True) -> None:
        folder = RunFolder(tmp_path / "run", {})
        check_same_rows(folder, {"news": {"train": rows, "test": ROWS}}, [str(more)], leads=leads)

    go_on(ROWS)
    go_on(ROWS)
    go_on(ROWS.select(range(9)), leads=False)
    with pytest.raises(ValueError, match=r"the rows with which the run in `.*run` began, got others in `news`; "):
        go_on(ROWS.select(range(9)))
    more.write_text("a game\n")
    with pytest.raises(ValueError, match=r"got others in `.*more.txt \(unlabeled\)`; "):
        go_on(ROWS)
