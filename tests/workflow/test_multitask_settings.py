"""Tests of what a multi-task distillation can be told."""

import pytest

from hf_tinybert.workflow import MultiTaskSettings

NEWS = {"data": "news.csv", "teacher": "news-teacher"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tasks": {}}, "one task or more"),
        ({"tasks": {"news": {"data": "news.csv", "teacher": None}}}, "teacher"),
        ({"tasks": {"news": NEWS, "News": NEWS}}, "a name of its own for every task, got `news`, `News`"),
        ({"tasks": {"news": NEWS}, "sampling": "temprature"}, "a task sampling of .* got 'temprature'"),
        ({"tasks": {"two words": NEWS}}, "two words"),
        ({"tasks": {"news": {**NEWS, "epochs": 3}}}, "epochs"),
        ({"tasks": {"news": {"teacher": "news-teacher"}}}, "data"),
        ({"tasks": {"news": {"data": "news.csv"}}}, "teacher"),
        ({"tasks": {"news": NEWS}, "shared": {"learn_from": "labels"}}, "learn_from"),
        (
            {"tasks": {"news": NEWS, "own": {"data": "own.csv", "teacher_task": "own"}}},
            "`teacher_task` of the task `own`",
        ),
        ({"tasks": {"news": NEWS}, "shared": {"width": 0}}, "width"),
        ({"tasks": {"news": NEWS}, "shared": {"augment": "join"}}, "augment"),
        ({"tasks": {"news": NEWS}, "shared": {"loss_weights": {"nope_loss": 1.0}}}, "^expected `loss_weights`"),
        (
            {"tasks": {"news": {**NEWS, "loss_weights": {"label_loss": -1}}}},
            "^task `news`: `loss_weights` of label_loss",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(given, said):
    """Prevents a mistake from being found after the data was read."""
    with pytest.raises(ValueError, match=said):
        MultiTaskSettings(**given)


def test_a_task_has_what_is_its_own_and_what_is_shared():
    """Prevents the settings of one task from reaching another one."""
    settings = MultiTaskSettings(
        tasks={"labels": {"data": "a.csv", "max_length": 20}, "news": NEWS}, shared={"epochs": 2.0, "max_length": 64}
    )
    assert settings.base == "news" and not settings.is_taught("labels")
    own, other = settings.of_task("labels"), settings.of_task("news")
    assert (own.max_length, other.max_length, own.epochs, other.epochs) == (20, 64, 2.0, 2.0)
    assert own.teacher == other.teacher == "news-teacher"


def test_teachers_that_differ_are_not_imitated_in_their_attention():
    """Prevents one encoder pulled to the attention of each of them, and a recipe in the place of a given one."""
    both = {"news": NEWS, "labels": {"data": "a.csv", "teacher": "another"}}
    assert {MultiTaskSettings(tasks=both).of_task(name).recipe for name in both} == {"tinybert-several"}
    assert MultiTaskSettings(tasks=both, shared={"recipe": "tinybert"}).of_task("news").recipe == "tinybert"
    one = {"news": NEWS, "labels": {**NEWS, "teacher_task": "labels"}, "alone": {"data": "a.csv"}}
    assert {MultiTaskSettings(tasks=one).of_task(name).recipe for name in one} == {None}
