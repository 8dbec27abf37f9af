"""Tests of what a measurement of answering depends on."""

import pytest

from hf_tinybert.runtimes import InferenceSettings, Runtime


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"runtimes": ()}, "different `runtimes`"),
        ({"lengths": (16, 16)}, "different `lengths`"),
        ({"teacher_runtimes": (Runtime.ONNX,)}, "`fp32` among"),
        ({"own_teacher": "big"}, "got no student"),
        ({"task": "news"}, "a `student` with `task`, got none"),
        ({"student": "small", "teacher": "base", "own_teacher": "big"}, "got `base`"),
        ({"lengths": (1,)}, "at least 2 tokens"),
        ({"batch_sizes": (0,)}, "`batch_sizes` of at least 1"),
        ({"rounds": 0}, "`rounds`"),
        ({"threads": 0}, "`threads`"),
        ({"turn_seconds": 0.0}, "`turn_seconds`"),
    ],
)
def test_numbers_that_cannot_be_measured_are_refused(wrong, message):
    """Prevents minutes of exporting before the first wrong number is met."""
    with pytest.raises(ValueError, match=message):
        InferenceSettings(**wrong)


def test_cases_go_from_few_tokens_to_many():
    """Prevents memory that a larger batch left behind from being counted for a smaller one."""
    settings = InferenceSettings(batch_sizes=(32, 1), lengths=(128, 16))
    assert settings.cases == [(1, 16), (1, 128), (32, 16), (32, 128)]


def test_folders_of_this_machine_are_not_written_down(tmp_path):
    """Prevents paths of a machine in results that are published."""
    values = InferenceSettings(student=str(tmp_path), teacher="bert-base-uncased").to_json()
    assert (values["student"], values["teacher"]) == (tmp_path.name, "bert-base-uncased")
