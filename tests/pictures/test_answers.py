"""Tests of confusion matrices and scatters."""

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


def test_a_scatter_has_a_point_of_every_row():
    """Prevents numbers across that belong up."""
    picture = score_scatter(
        [1.0, 2.0], [1.5, 2.0], columns="teacher says", rows="student says", name="scatter", title="Scores"
    )
    axes = picture.figure.axes[0]
    assert axes.collections[0].get_offsets().tolist() == [[1.0, 1.5], [2.0, 2.0]]
    assert picture.description == "Scores: 2 rows, 0.25 apart in the mean."
