import dataclasses
import json

import pytest

from hf_tinybert.distillation.record import RECORD_FILE, DistillationRecord, public_name

RECORD = DistillationRecord(
    teacher="bert-base-uncased",
    teacher_class="BertForSequenceClassification",
    teacher_sha256="0" * 64,
    student_class="TinyBertForSequenceClassification",
    layer_mapping=[0, 3, 6, 9, 12],
    learned_mapping=None,
    recipe="tinybert",
    phases=["intermediate-layer", "prediction-layer"],
    phase="prediction-layer",
    global_step=7,
    loss_weights={"prediction_loss": {"start": 1.0, "end": 0.0, "kind": "linear"}},
    loss_layers={},
    temperature=1.0,
    loss_reduction="mean",
    seed=0,
    metrics={"eval_loss": 0.5},
    seconds=1.5,
    versions={"torch": "2.13.0"},
)


def test_a_saved_record_loads_as_it_was(tmp_path):
    """Prevents cards and reports from reading something else than what happened."""
    RECORD.save(tmp_path)
    assert DistillationRecord.load(tmp_path) == RECORD
    assert json.loads((tmp_path / RECORD_FILE).read_text(encoding="utf-8")) == dataclasses.asdict(RECORD)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"teacher": "x", "other": 1}'])
def test_a_file_that_is_no_record_is_refused_by_name(tmp_path, text):
    """Prevents a half-written record from being read as an empty one."""
    (tmp_path / RECORD_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="expected a distillation record in"):
        DistillationRecord.load(tmp_path)


def test_a_folder_without_record_is_said(tmp_path):
    """Prevents a record made up from defaults."""
    with pytest.raises(FileNotFoundError):
        DistillationRecord.load(tmp_path)


def test_the_story_of_one_head_is_that_of_a_one_task_student():
    """Prevents the card of a head from telling the terms, figures and teachers of the other tasks."""
    own = {"teacher": "ner-teacher", "teacher_class": "BertForTokenClassification", "teacher_sha256": "1" * 64}
    own |= {"layer_mapping": [0, 2, 4], "learned_mapping": None, "loss_weights": {"prediction_loss": 1.0}}
    own |= {"ensemble": {"teachers": [{"teacher": "first"}, {"teacher": "second"}]}}
    nobody = dict.fromkeys(("teacher", "teacher_class", "teacher_sha256", "layer_mapping", "learned_mapping"))
    several = dataclasses.replace(
        RECORD,
        loss_weights={"ner/prediction_loss": 1.0, "ner_old/label_loss": 1.0},
        loss_layers={"ner/hidden_states_loss": [1], "ner_old/hidden_states_loss": [2]},
        metrics={"ner/loss": 0.1, "ner_old/loss": 0.2, "eval_ner_f1": 0.3, "eval_ner_old_f1": 0.4, "eval_loss": 0.5},
        tasks={"ner": own, "ner_old": {**nobody, "loss_weights": {"label_loss": 1.0}}},
        task_sampling={"strategy": "proportional"},
    )
    head = several.of_task("ner")
    assert {name: getattr(head, name) for name in own} == own
    assert head.loss_layers == {"hidden_states_loss": [1]} and head.metrics == {"loss": 0.1, "eval_f1": 0.3}
    assert (head.tasks, head.task_sampling, head.beside_tasks) == (None, None, ["ner_old"])
    other = several.of_task("ner_old")
    assert (other.teacher, other.layer_mapping, other.metrics) == ("", [], {"loss": 0.2, "eval_f1": 0.4})
    assert other.ensemble is None
    with pytest.raises(ValueError, match="one of the tasks `ner`, `ner_old` .* got `mood`"):
        several.of_task("mood")


def test_names_for_others_to_read_have_no_folders(tmp_path, monkeypatch):
    """Prevents the folders of a machine from standing in a published record, or a name that is empty."""
    monkeypatch.chdir(tmp_path)
    assert public_name(str(tmp_path)) == public_name(".") == tmp_path.name
    assert public_name(str(tmp_path / "gone")) == "gone" and public_name("someone/big") == "someone/big"
    assert public_name("") == ""  # made in memory
