"""Tests of a teacher's scores that are kept for a run that goes on."""

from hf_tinybert.run_folder import RunFolder
from hf_tinybert.workflow.teacher_scores import kept_scores


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
