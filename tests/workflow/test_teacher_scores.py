"""Tests of a teacher's scores that are kept for a run that goes on."""

import torch
from transformers import BertForSequenceClassification

from hf_tinybert.distillation.teacher_ensemble import join_teachers, told_ensemble
from hf_tinybert.run_folder import RunFolder
from hf_tinybert.workflow.teacher_scores import kept_scores, score_teachers, scored_ensemble
from hf_tinybert.workflow.teacher_source import TeacherSource


def _teacher(folder, weights):
    folder.mkdir(exist_ok=True)
    (folder / "model.safetensors").write_bytes(weights)
    return str(folder)


def test_a_teacher_of_other_weights_is_scored_again(tmp_path):
    """Prevents the scores of a teacher that was replaced from standing beside the student of its successor."""
    asked = []

    def score_as(value):
        asked.append(value)
        return {"validation": {"accuracy": value}}

    teacher, settings = _teacher(tmp_path / "teacher", b"first"), {"seed": 0}
    for weights, value, expected in ((b"first", 0.5, 0.5), (b"first", 0.6, 0.5), (b"second", 0.9, 0.9)):
        _teacher(tmp_path / "teacher", weights)
        folder = RunFolder(tmp_path / "out", settings)  # of another call of the same run
        found = kept_scores(folder, "teacher", teacher, lambda value=value: score_as(value))
        assert found == {"validation": {"accuracy": expected}}
    assert asked == [0.5, 0.9]


def test_scores_that_an_older_version_kept_are_taken_again(tmp_path):
    """Prevents a run that began before an update from failing, or from trusting scores of unknown weights."""
    folder = RunFolder(tmp_path / "out", {})
    folder.finish("teacher", {"validation": {"accuracy": 0.5}})
    teacher = _teacher(tmp_path / "teacher", b"first")
    assert kept_scores(folder, "teacher", teacher, lambda: {"validation": {"accuracy": 0.7}}) == {
        "validation": {"accuracy": 0.7}
    }


def test_each_of_several_teachers_is_scored_and_all_as_one(tmp_path, tiny_teacher_config):
    """Prevents an ensemble of which nobody knows whether it beats its best teacher, or scores changed round."""
    torch.manual_seed(0)
    models = [BertForSequenceClassification(tiny_teacher_config) for _ in range(2)]
    joined = join_teachers(models, [1, 3])
    names = [_teacher(tmp_path / name, name.encode()) for name in ("first", "second")]
    source, folder, shown = TeacherSource.of(names, [1, 3]), RunFolder(tmp_path / "out", {}), []

    def score(model, title):
        shown.append(title)
        value = 1.0 if model is joined else 0.2 if model is models[1] else 0.1
        return {"validation": {"accuracy": value}}

    for _ in range(2):  # what is kept is not scored again
        together, singly = score_teachers(folder, "teacher", source, joined, score)
        told = scored_ensemble(told_ensemble(joined), source, singly, together)
    assert shown == ["teacher, 1", "teacher, 2", "teacher"]
    assert told["scores"] == {"validation": {"accuracy": 1.0}}
    assert [(one["teacher"], one["weight"], one["scores"]["validation"]["accuracy"]) for one in told["teachers"]] == [
        ("first", 1.0, 0.1),
        ("second", 3.0, 0.2),
    ]
    assert scored_ensemble(told_ensemble(models[0]), source, [], {}) is None
