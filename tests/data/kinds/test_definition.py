"""What a kind of task is."""

import pytest

from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.tasks import KINDS


def test_a_kind_is_its_name():
    """Prevents `TaskKind.REGRESSION` in files and messages where the name belongs."""
    assert f"{TaskKind.REGRESSION}" == "regression"
    assert TaskKind("masked-lm") is TaskKind.MASKED_LM


def test_settings_compare_and_do_not_change():
    """Prevents a task that is changed behind the back of a model."""
    settings = TaskSettings(TaskKind.REGRESSION)
    assert settings == TaskSettings(TaskKind.REGRESSION)
    with pytest.raises(AttributeError):
        settings.max_length = 3


def test_a_model_is_told_its_problem_type_where_the_kind_has_one():
    """Prevents a stock head that guesses the loss from the type of the labels."""
    types = {kind: KINDS[kind].model_settings.get("problem_type") for kind in TaskKind}
    assert types[TaskKind.TEXT_CLASSIFICATION] == types[TaskKind.PAIR_CLASSIFICATION] == "single_label_classification"
    assert types[TaskKind.MULTI_LABEL_CLASSIFICATION] == "multi_label_classification"
    assert types[TaskKind.REGRESSION] == "regression"
    assert [kind for kind in TaskKind if types[kind] is None] == [
        TaskKind.TOKEN_CLASSIFICATION,
        TaskKind.QUESTION_ANSWERING,
        TaskKind.MULTIPLE_CHOICE,
        TaskKind.MASKED_LM,
        TaskKind.EXTRACTIVE_SUMMARIZATION,
        TaskKind.SENTENCE_EMBEDDING,
    ]
