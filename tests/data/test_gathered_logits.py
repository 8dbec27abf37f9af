"""Logits as the Trainer gathers them."""

import numpy as np
import pytest

from hf_tinybert.data.gathered_logits import check_finite, logits_of_rows, rounded

LOGITS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


def test_rows_come_in_the_order_of_the_raw_rows_and_stay_in_order_within_one():
    """Prevents predictions of another row, and the two texts of a pair that change places."""
    assert logits_of_rows(LOGITS, [2, 0, 1], 2).tolist() == [[3.0, 4.0], [5.0, 6.0], [1.0, 2.0]]
    assert logits_of_rows(LOGITS, [1, 0, 1], 2).tolist() == [[3.0, 4.0], [1.0, 2.0], [5.0, 6.0]]


def test_padding_changes_nothing():
    """Prevents -100 that is read as one more class."""
    padded = np.pad(LOGITS, ((0, 0), (0, 3)), constant_values=-100)
    assert logits_of_rows(padded, [0, 1, 2], 2).tolist() == LOGITS.tolist()


def test_the_first_of_several_outputs_is_read():
    """Prevents hidden states that a model returns beside its logits from being taken for them."""
    assert logits_of_rows((LOGITS, np.zeros((3, 7, 8))), [0, 1, 2], 2).tolist() == LOGITS.tolist()


def test_one_number_a_row_may_lack_its_axis():
    """Prevents a refusal of what a regression head gives after squeezing; all of them are taken without a width."""
    assert logits_of_rows(np.array([1.0, 2.0]), [1, 0], 1).tolist() == [[2.0], [1.0]]
    assert logits_of_rows(LOGITS, [0, 1, 2], None).shape == (3, 2)


@pytest.mark.parametrize(
    ("logits", "width"),
    [(LOGITS[:2], 2), (LOGITS, 3), (LOGITS, 1), (LOGITS[None], 2)],
    ids=["fewer rows", "fewer classes", "more classes", "more axes"],
)
def test_logits_of_another_task_are_refused(logits, width):
    """Prevents labels read from a model that has others."""
    with pytest.raises(ValueError, match=rf"expected logits of shape \(3, {width}\), got"):
        logits_of_rows(logits, [0, 1, 2], width)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_refused(bad):
    """Prevents a diverged model whose first class always wins."""
    broken = LOGITS.copy()
    broken[1, 1] = bad
    with pytest.raises(ValueError, match="NaN or infinity in 1 of 3 rows"):
        logits_of_rows(broken, [0, 1, 2], 2)
    with pytest.raises(ValueError, match="NaN or infinity in 1 of 3 rows"):
        check_finite(broken)


def test_a_rounded_number_is_a_plain_float():
    """Prevents predictions that cannot be written as JSON."""
    assert rounded(np.float32(1 / 3)) == pytest.approx(0.333333, abs=1e-7)
    assert type(rounded(np.float32(1))) is float
