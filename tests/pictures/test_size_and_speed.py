"""Tests of bars and of size against score."""

import pytest

from hf_tinybert.pictures.size_and_speed import bars, size_against_score

FIGURES = {
    "main_metric": "accuracy",
    "parameters": {"student": 2_000_000, "teacher": 20_000_000},
    "scores": {
        "validation": {"student": {"accuracy": 0.1}, "teacher": {"accuracy": 0.2}},
        "test": {"student": {"accuracy": 0.8}, "teacher": {"accuracy": 0.9}, "undistilled": {"accuracy": 0.5}},
    },
}


def test_bars_are_as_long_as_their_numbers():
    """Prevents bars in another order than their names."""
    picture = bars({"student": 2.0, "teacher": 8.0}, name="size", title="Size")
    axes = picture.figure.axes[0]
    drawn = dict(zip([label.get_text() for label in axes.get_yticklabels()], axes.patches, strict=True))
    assert {name: bar.get_width() for name, bar in drawn.items()} == {"student": 2.0, "teacher": 8.0}
    assert picture.description == "Size: student 2, teacher 8."


def test_size_stands_against_the_score_on_test_rows():
    """Prevents the kinder scores of validation rows, and a baseline without its size."""
    axes = size_against_score(FIGURES).figure.axes[0]
    assert [line.get_xydata().tolist()[0] for line in axes.lines] == [[2.0, 0.8], [20.0, 0.9], [2.0, 0.5]]
    assert axes.get_ylabel() == "accuracy on test rows"


def test_a_difference_that_is_noise_does_not_fill_the_picture():
    """Prevents two tenths of a point from looking like a world, because the axis shows nothing else."""
    scores = {"test": {"student": {"accuracy": 0.925}, "teacher": {"accuracy": 0.923}}}
    low, high = size_against_score({**FIGURES, "scores": scores}).figure.axes[0].get_ylim()
    assert high - low >= 0.09 and low < 0.923 < 0.925 < high


@pytest.mark.parametrize("missing", ["parameters", "scores", "main_metric"])
def test_without_figures_there_is_no_picture(missing):
    """Prevents an empty picture in a card."""
    assert size_against_score({name: told for name, told in FIGURES.items() if name != missing}) is None
