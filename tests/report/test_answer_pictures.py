"""Tests of which pictures show the answers."""

import pytest

from hf_tinybert.report.answer_pictures import answer_pictures

CONFUSION = {
    "labels": ["a", "b"],
    "student": [[1, 0], [0, 1]],
    "teacher": [[1, 0], [1, 0]],
    "between": [[1, 1], [0, 0]],
}
NUMBERS = {"right": [1.0, 2.0], "student": [1.0, 3.0], "teacher": [1.0, 2.5]}


@pytest.mark.parametrize(
    ("comparison", "names"),
    [
        ({"confusion": CONFUSION, "numbers": {}}, ["confusion-student", "confusion-teacher", "confusion-between"]),
        ({"confusion": None, "numbers": NUMBERS}, ["scatter-between", "scatter-student", "scatter-teacher"]),
        ({"confusion": None, "numbers": {**NUMBERS, "right": []}}, ["scatter-between"]),
        ({"confusion": None, "numbers": {}}, []),
    ],
)
def test_classes_have_matrices_and_numbers_scatters(comparison, names):
    """Prevents a matrix of numbers, and a report of answers in words that fails for the lack of one."""
    assert [picture.name for picture in answer_pictures(comparison)] == names


def test_pictures_of_several_tasks_have_names_of_their_own():
    """Prevents two pictures of one name on a page, of which a browser draws one with the other's parts."""
    for comparison in ({"confusion": CONFUSION}, {"numbers": NUMBERS}):
        assert all(one.name.startswith("task-2-") for one in answer_pictures(comparison, prefix="task-2-"))


def test_the_teachers_matrix_holds_the_teachers_counts():
    """Prevents two matrices of one model."""
    pictures = answer_pictures({"confusion": CONFUSION, "numbers": {}})
    shown = [picture.figure.axes[0].images[0].get_array().tolist() for picture in pictures]
    assert shown == [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]], [[0.5, 0.5], [0.0, 0.0]]]


def test_similarities_have_no_line_on_which_they_are_the_gold_scores():
    """Prevents embeddings that look wrong because gold scores go up to 5."""
    between, *right = answer_pictures({"confusion": None, "numbers": NUMBERS}, "sentence-embedding")
    assert [len(picture.figure.axes[0].lines) for picture in (between, *right)] == [1, 0, 0]
    assert len(answer_pictures({"confusion": None, "numbers": NUMBERS}, "regression")[1].figure.axes[0].lines) == 1
