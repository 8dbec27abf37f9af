"""Tests of confusion matrices and scatters."""

from itertools import combinations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from hf_tinybert.pictures.answers import confusion_matrix, score_scatter


def test_a_confusion_matrix_shows_shares_of_its_rows():
    """Prevents shares of columns or of all, and rows that are named as columns."""
    picture = confusion_matrix(
        [[3, 1], [0, 0]], ["a", "b"], rows="right", columns="student says", name="matrix", title="Student"
    )
    axes = picture.figure.axes[0]
    assert axes.images[0].get_array().tolist() == [[0.75, 0.25], [0.0, 0.0]]
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("right", "student says")
    assert picture.description == "Student: right and student says are the same in 75.0% of 4."


@pytest.mark.parametrize(("classes", "length"), [(2, 40), (5, 12), (7, 40), (27, 12)])
def test_names_numbers_and_title_of_a_matrix_have_room(classes, length):
    """Prevents a matrix that long names press to a stripe, digits upon each other, and half a title."""
    labels = [f"{number:02} two\nwords " + "x" * (length - 3) for number in range(classes)]
    counts = [[1] * classes for _ in labels]
    title = "Student against the labels"
    picture = confusion_matrix(counts, labels, rows="right", columns="student says", name="matrix", title=title)
    FigureCanvasAgg(picture.figure).draw()
    axes, whole = picture.figure.axes[0], picture.figure.bbox
    for words in (axes.title, axes.xaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()):
        box = words.get_window_extent()
        assert box.x0 >= whole.x0 and box.x1 <= whole.x1 and box.y0 >= whole.y0 and box.y1 <= whole.y1, words
    for several in (axes.get_xticklabels(), axes.get_yticklabels(), axes.texts[: classes + 1]):
        boxes = [words.get_window_extent() for words in several]
        assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))


def test_a_scatter_has_a_point_of_every_row():
    """Prevents numbers across that belong up."""
    picture = score_scatter(
        [1.0, 2.0], [1.5, 2.0], columns="teacher says", rows="student says", name="scatter", title="Scores"
    )
    axes = picture.figure.axes[0]
    assert axes.collections[0].get_offsets().tolist() == [[1.0, 1.5], [2.0, 2.0]]
    assert picture.description == "Scores: 2 rows, 0.25 apart in the mean."


def test_a_scatter_of_many_rows_is_an_image():
    """Prevents a page of 30 MB that hardly scrolls: a shape for each of 100,000 rows in three pictures."""
    sizes = [
        len(score_scatter(range(count), range(count), columns="right", rows="student", name="s", title="").svg())
        for count in (2000, 20_000)
    ]
    assert sizes[1] < sizes[0]
