"""Tests of the best evaluation of each task."""

from hf_tinybert.distillation.multitask.best_of_task import is_best, replace_folder, unfinished

NAN = float("nan")
EARLIER = [{"eval_ner_f1": 0.5}, {"loss": 1.0}, {"eval_ner_f1": NAN}, {"eval_ner_f1": 0.7}]


def test_only_what_was_never_reached_is_the_best():
    """Prevents the last evaluation, or one that failed, from being taken for the best."""
    assert is_best(0.8, EARLIER, "eval_ner_f1", greater=True)
    assert not is_best(0.7, EARLIER, "eval_ner_f1", greater=True)
    assert is_best(0.4, EARLIER, "eval_ner_f1", greater=False)
    assert not is_best(0.6, EARLIER, "eval_ner_f1", greater=False)
    assert is_best(0.1, [], "eval_ner_f1", greater=True)
    assert not is_best(NAN, [], "eval_ner_f1", greater=True)


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    """Prevents files of two evaluations in one folder, and leavings beside it."""
    folder = tmp_path / "best" / "ner"
    for text in ("first", "second"):
        (unfinished(folder) / f"{text}.txt").write_text(text)
        replace_folder(folder)
        assert [path.name for path in folder.iterdir()] == [f"{text}.txt"]
    (unfinished(folder) / "third.txt").write_text("written by a process that died")
    assert [path.name for path in folder.iterdir()] == ["second.txt"]
    assert list(unfinished(folder).iterdir()) == []
    replace_folder(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["ner"]
