import copy
import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.optim import SGD
from transformers import (
    AutoModelForSequenceClassification,
    BertTokenizer,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    TrainingArguments,
    default_data_collator,
)

from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE, PROJECTIONS_FILE, DistillationProjections
from hf_tinybert.distillation.recipes import RECIPES, RecipeName
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.distillation.teacher import weights_sha256
from hf_tinybert.distillation.trainer import DistillationTrainer

TERMS = [str(term) for term in RECIPES[RecipeName.TINYBERT].weights]
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def _weights(model):
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def _unmoved(model, before):
    after = model.state_dict()
    return sorted(name for name, tensor in before.items() if torch.equal(after[name], tensor))


# what moves


def test_every_student_weight_moves_and_no_teacher_weight_does(build_trainer):
    """Prevents parts that no gradient reaches, projections outside the optimizer, and a teacher that drifts."""
    trainer = build_trainer({"phases": ["joint"], "weight_decay": 0.0})
    before, teacher_before = _weights(trainer.model), weights_sha256(trainer.teacher)
    trainer.train()
    assert any(name.startswith(PROJECTIONS_ATTRIBUTE) for name in before)
    assert _unmoved(trainer.model, before) == []
    assert weights_sha256(trainer.teacher) == teacher_before
    assert not trainer.teacher.training
    assert not any(name.startswith("teacher") for name, _ in trainer.model.named_parameters())


def test_each_phase_moves_what_it_trains(build_trainer):
    """Prevents a second phase that goes on with the objective, or the optimizer, of the first."""
    head = ["classifier.bias", "classifier.weight"]
    first = build_trainer({"phases": ["intermediate-layer"], "weight_decay": 0.0})
    before = _weights(first.model)
    first.train()
    assert _unmoved(first.model, before) == ["bert.pooler.dense.bias", "bert.pooler.dense.weight", *head]
    second = build_trainer({"phases": ["prediction-layer"], "weight_decay": 0.0}, model=first.model)
    before = _weights(second.model)
    second.train()
    unmoved = _unmoved(second.model, before)
    assert not set(unmoved) & set(head)
    assert not [name for name in before if name.startswith(PROJECTIONS_ATTRIBUTE)]


def test_training_brings_the_student_nearer_to_its_teacher(build_trainer, build_rows):
    """Prevents a sign error, and an objective on other layers than the evaluated ones."""
    arguments = {"phases": ["joint"], "max_steps": 12, "learning_rate": 1e-2, "logging_steps": 6}
    trainer = build_trainer(arguments, eval_dataset=build_rows(8))
    before = trainer.evaluate()
    trainer.train()
    after = trainer.evaluate()
    for term in TERMS:
        assert after[f"eval_{term}"] < before[f"eval_{term}"], term


def test_two_phases_are_the_two_single_phases_one_after_the_other(build_trainer):
    """Prevents state of the first phase, such as moments or schedule, from leaking into the second."""
    both = build_trainer({"intermediate_max_steps": 3, "max_steps": 2})
    output = both.train()
    first = build_trainer({"phases": ["intermediate-layer"], "intermediate_max_steps": 3, "max_steps": 2})
    first.train()
    student = copy.deepcopy(first.model)
    second = build_trainer(
        {"phases": ["prediction-layer"], "intermediate_max_steps": 3, "max_steps": 2}, model=student
    )
    second.train()
    assert output.global_step == 5
    single = {**first.model.state_dict(), **second.model.state_dict()}  # which has no projections any more
    assert single.keys() == both.model.state_dict().keys()
    for name, tensor in both.model.state_dict().items():
        torch.testing.assert_close(single[name], tensor, rtol=0, atol=0, msg=name)


def test_phases_use_their_own_learning_rate_and_length_and_leave_the_arguments(build_trainer):
    """Prevents the schedule of one phase from being used in the other."""
    arguments = {"intermediate_max_steps": 2, "max_steps": 3, "lr_scheduler_type": "constant"}
    trainer = build_trainer({**arguments, "learning_rate": 0.5e-3, "intermediate_learning_rate": 0.25e-3})
    seen = []

    def log(logs, start_time=None):
        if "loss" in logs:
            seen.append((str(trainer.phase), logs["learning_rate"]))
        DistillationTrainer.log(trainer, logs, start_time)

    trainer.log = log
    trainer.train()
    assert seen == [("intermediate-layer", 0.25e-3)] * 2 + [("prediction-layer", 0.5e-3)] * 3
    assert trainer.args.max_steps == 3
    assert trainer.args.learning_rate == 0.5e-3


def _start(width=16, teacher_width=32, states=3, mapping=(0, 2, 4)):
    maps = [torch.randn(teacher_width, width) for _ in range(states + 1)]
    offsets = [torch.randn(teacher_width) for _ in range(states + 1)]
    return SimpleNamespace(
        mapping=mapping,
        projection=maps[0],
        offset=offsets[0],
        state_projections=tuple(maps[1:]),
        state_offsets=tuple(offsets[1:]),
    )


def test_projections_start_where_they_are_told(build_trainer):
    """Prevents the start from the teacher from being ignored."""
    start = _start()
    trainer = build_trainer(initialization=start)
    linears = getattr(trainer.model, PROJECTIONS_ATTRIBUTE).projections
    for linear, weight, bias in zip(linears, start.state_projections, start.state_offsets, strict=True):
        assert torch.equal(linear.weight, weight)
        assert torch.equal(linear.bias, bias)


def test_a_shared_projection_starts_at_the_shared_map(build_trainer):
    """Prevents the map of one state from being taken for all."""
    start = _start()
    trainer = build_trainer({"projection_layout": "shared"}, initialization=start)
    (linear,) = getattr(trainer.model, PROJECTIONS_ATTRIBUTE).projections
    assert torch.equal(linear.weight, start.projection)
    assert torch.equal(linear.bias, start.offset)


def test_a_start_of_other_widths_is_refused(build_trainer):
    """Prevents a start made for another student from failing in the middle of a copy."""
    with pytest.raises(ValueError, match=r"expected 3 starting maps of shape \(32, 16\)"):
        build_trainer(initialization=_start(width=32, teacher_width=16))


def test_a_start_for_another_mapping_is_warned_of(build_trainer, caplog):
    """Prevents a student built from some layers and trained on others without a word."""
    build_trainer(initialization=_start(mapping=(0, 3, 4)))
    assert "(0, 3, 4)" in caplog.text


def test_projections_start_from_a_published_students_folder(build_trainer, tmp_path):
    """Prevents losing the projections that a published checkpoint brings."""
    projections = DistillationProjections(16, 32, states=3)
    projections.save(tmp_path)
    trainer = build_trainer(initialization=tmp_path)
    loaded = getattr(trainer.model, PROJECTIONS_ATTRIBUTE).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in projections.state_dict().items())


def test_projections_start_at_the_identity_where_widths_are_equal(build_trainer, build_student):
    """Prevents a student of its teacher's width from losing its start to a random map."""
    trainer = build_trainer(model=build_student(hidden_size=32))
    assert torch.equal(getattr(trainer.model, PROJECTIONS_ATTRIBUTE).projections[0].weight, torch.eye(32))


# teachers


def test_the_teacher_may_be_a_model_a_folder_or_its_name(build_trainer, build_teacher, tmp_path):
    """Prevents a teacher that is another one when it comes from disk."""
    build_teacher().save_pretrained(tmp_path / "teacher")
    losses = []
    for teacher in (build_teacher(), tmp_path / "teacher", str(tmp_path / "teacher")):
        trainer = build_trainer({"phases": ["joint"], "max_steps": 1}, teacher=teacher)
        losses.append(trainer.train().training_loss)
        assert not any(parameter.requires_grad for parameter in trainer.teacher.parameters())
    assert losses[0] == losses[1] == losses[2]


def test_a_teacher_without_head_is_refused_before_anything_is_spent(build_trainer, build_teacher, tmp_path):
    """Prevents hours of learning from a random head."""
    build_teacher("ForMaskedLM").save_pretrained(tmp_path / "teacher")
    with pytest.raises(ValueError, match="`classifier.weight`"):
        build_trainer(teacher=tmp_path / "teacher")
    build_trainer({"phases": ["intermediate-layer"], "max_steps": 1}, teacher=tmp_path / "teacher").train()


def test_the_tokenizer_of_a_teacher_on_disk_is_compared(build_trainer, build_teacher, tokenizer, vocabulary, tmp_path):
    """Prevents two vocabularies of one size from being taken for one."""
    build_teacher().save_pretrained(tmp_path / "teacher")
    words = vocabulary.read_text(encoding="utf-8").split()
    (tmp_path / "vocab.txt").write_text("\n".join([*words[:5], *reversed(words[5:])]) + "\n", encoding="utf-8")
    BertTokenizer(vocab=str(tmp_path / "vocab.txt")).save_pretrained(tmp_path / "teacher")
    with pytest.raises(ValueError, match="expected one tokenizer"):
        build_trainer(teacher=tmp_path / "teacher", processing_class=tokenizer)
    tokenizer.save_pretrained(tmp_path / "teacher")
    build_trainer(teacher=tmp_path / "teacher", processing_class=tokenizer)


def test_columns_that_only_the_teacher_reads_are_kept(build_trainer):
    """Prevents token_type_ids from being dropped in front of a BERT teacher of a DistilBERT student."""
    torch.manual_seed(1)
    config = DistilBertConfig(
        vocab_size=40, dim=16, n_layers=2, n_heads=4, hidden_dim=24, max_position_embeddings=32, num_labels=3
    )
    trainer = build_trainer({"phases": ["joint"], "max_steps": 1}, model=DistilBertForSequenceClassification(config))
    seen = []
    trainer.teacher.register_forward_pre_hook(lambda _, args, kwargs: seen.append(set(kwargs)), with_kwargs=True)
    trainer.train()
    assert "token_type_ids" in seen[0]
    assert "labels" not in seen[0]


# logs and evaluation


@pytest.mark.parametrize("phases", [["joint"], ["intermediate-layer", "prediction-layer"]])
def test_every_term_is_logged_under_its_own_name(build_trainer, build_rows, phases):
    """Prevents one number for all terms, which hides the term that does not learn."""
    trainer = build_trainer({"phases": phases, "eval_strategy": "epoch"}, eval_dataset=build_rows(4))
    logs = []

    def log(entry, start_time=None):
        DistillationTrainer.log(trainer, entry, start_time)
        logs.append((str(trainer.phase), entry))

    trainer.log = log
    trainer.train()
    for phase in phases:
        terms = {str(term) for term in trainer.args.objective(phase).weights}
        steps = [entry for name, entry in logs if name == phase and "loss" in entry]
        evaluations = [entry for name, entry in logs if name == phase and "eval_loss" in entry]
        assert steps
        assert evaluations
        for entry in steps:
            assert {name for name in entry if name in TERMS} == terms
            assert entry["loss"] == pytest.approx(sum(entry[name] for name in terms), rel=1e-4)
        for entry in evaluations:
            assert {name for name in entry if name.removeprefix("eval_") in TERMS} == {
                f"eval_{name}" for name in terms
            }


def test_steps_that_the_first_phase_did_not_log_are_not_counted_in_the_second(build_trainer):
    """Prevents the first figures of a phase from being diluted by rows of the phase before."""
    trainer = build_trainer({"intermediate_max_steps": 3, "max_steps": 2, "logging_steps": 2})
    trainer.train()
    first = next(entry for entry in trainer.state.log_history if "loss" in entry)
    assert first["prediction_loss"] == pytest.approx(first["loss"], rel=1e-5)
    assert "attention_scores_loss" not in first


def test_evaluation_returns_only_loss_and_logits(build_trainer, build_rows):
    """Prevents the hidden states of a whole data set from filling the memory."""
    trainer = build_trainer({"phases": ["joint"]})
    output = trainer.predict(build_rows(6))
    assert isinstance(output.predictions, np.ndarray)
    assert output.predictions.shape == (6, 3)
    assert output.label_ids.tolist() == [0, 1, 2, 0, 1, 2]
    assert {f"test_{term}" for term in TERMS} <= set(output.metrics)
    assert np.isfinite(output.metrics["test_loss"])


def test_a_data_set_without_labels_has_losses_and_predictions(build_trainer, build_rows):
    """Prevents unlabelled text, all that distillation needs, from evaluating to nothing."""
    calls = []
    trainer = build_trainer(
        {"phases": ["joint"]},
        train_dataset=build_rows(8, labels=False),
        compute_metrics=lambda prediction: calls.append(1) or {"accuracy": 1.0},
    )
    trainer.train()
    output = trainer.predict(build_rows(6, labels=False))
    assert output.predictions.shape == (6, 3)
    assert output.label_ids is None
    assert np.isfinite(output.metrics["test_loss"])
    assert calls == []
    trainer.predict(build_rows(6))
    assert calls == [1]


def test_rows_without_the_labels_that_a_term_reads_have_predictions(build_trainer, build_rows):
    """Prevents an error where a finished student is asked about a test set, which has no labels."""
    trainer = build_trainer({"recipe": "pkd", "max_steps": 1})
    trainer.train()
    labelled, unlabelled = (trainer.predict(build_rows(6, labels=labels)) for labels in (True, False))
    np.testing.assert_array_equal(unlabelled.predictions, labelled.predictions)
    assert unlabelled.label_ids is None and "test_loss" not in unlabelled.metrics
    with pytest.raises(ValueError, match="expected labels in the batch, got none"):
        trainer.evaluate(build_rows(6, labels=False))


def test_models_set_to_return_tuples_are_distilled_alike(build_trainer, build_student, build_teacher):
    """Prevents an error in the first step about a tuple without names."""
    losses = []
    for named in (True, False):
        student, teacher = build_student(**NO_DROPOUT), build_teacher()
        student.config.return_dict = teacher.config.return_dict = named
        trainer = build_trainer({"phases": ["joint"], "max_steps": 1}, model=student, teacher=teacher)
        assert not trainer.preflight().failed
        trainer.train()
        losses.append(trainer.state.log_history[0]["loss"])
    assert losses[0] == losses[1]


def test_the_evaluated_predictions_are_the_students(build_trainer, build_rows, collator):
    """Prevents the teacher's logits from being scored."""
    trainer = build_trainer({"phases": ["prediction-layer"]})
    rows = build_rows(4, lengths=(6,))
    expected = trainer.model.eval()(**{k: v for k, v in collator(list(rows)).items() if k != "labels"}).logits
    np.testing.assert_allclose(trainer.predict(rows).predictions, expected.detach().numpy(), rtol=1e-5, atol=1e-6)


# steps


def test_accumulating_four_batches_of_one_is_one_batch_of_four(build_trainer, build_student, build_rows):
    """Prevents gradients that grow with the accumulation steps, which the stock Trainer does to a batch mean."""
    rows, finals, logged = build_rows(8, lengths=(6,)), [], []
    for batch, accumulation in ((4, 1), (1, 4)):
        arguments = {"phases": ["joint"], "per_device_train_batch_size": batch, "learning_rate": 1e-2, "optim": "sgd"}
        trainer = build_trainer(
            {**arguments, "gradient_accumulation_steps": accumulation, "max_grad_norm": 0.0},
            model=build_student(**NO_DROPOUT),
            train_dataset=rows,
        )
        trainer.train()
        finals.append(_weights(trainer.model))
        logged.append([entry["loss"] for entry in trainer.state.log_history if "loss" in entry])
    assert logged[0] == pytest.approx(logged[1], rel=1e-5)
    for name, tensor in finals[0].items():
        torch.testing.assert_close(finals[1][name], tensor, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("setting", ["activation_checkpointing", "bf16"])
def test_memory_savings_train_every_weight_too(build_trainer, setting):
    """Prevents recomputation or half precision from cutting the path of a loss."""
    trainer = build_trainer({"phases": ["joint"], "max_steps": 2, "weight_decay": 0.0, setting: True})
    before = _weights(trainer.model)
    loss = trainer.train().training_loss
    assert np.isfinite(loss)
    assert _unmoved(trainer.model, before) == []


def test_bf16_runs_both_phases(build_trainer):
    """Prevents a second wrapping of the student's forward from breaking its outputs."""
    trainer = build_trainer({"bf16": True, "intermediate_max_steps": 1, "max_steps": 1})
    assert np.isfinite(trainer.train().training_loss)


def _token_rows(rows):
    labels = [[-100, *[1] * (len(ids) - 2), -100] for ids in rows["input_ids"]]
    return rows.remove_columns("labels").add_column("labels", labels)


def _answer_rows(rows):
    rows = rows.remove_columns("labels")
    return rows.add_column("start_positions", [1] * len(rows)).add_column("end_positions", [2] * len(rows))


def _masked_rows(rows):
    labels = [[ids[0], *[-100] * (len(ids) - 1)] for ids in rows["input_ids"]]
    return rows.remove_columns("labels").add_column("labels", labels)


def _choice_rows(rows):
    inputs = rows.remove_columns("labels").map(lambda row: {name: [ids, ids[::-1]] for name, ids in row.items()})
    return inputs.add_column("labels", [row % 2 for row in range(len(rows))])


@pytest.mark.parametrize("phases", [["joint"], ["intermediate-layer"]])
@pytest.mark.parametrize(
    ("head", "change", "predictions"),
    [
        ("ForTokenClassification", _token_rows, [(4, 6, 3)]),
        ("ForQuestionAnswering", _answer_rows, [(4, 6), (4, 6)]),
        ("ForMaskedLM", _masked_rows, [(4, 6, 40)]),
        ("ForPreTraining", _masked_rows, [(4, 6, 40)]),
        ("ForMultipleChoice", _choice_rows, [(4, 2)]),
    ],
)
def test_students_of_every_head_train_and_predict(build_trainer, build_rows, head, change, predictions, phases):
    """Prevents a task kind whose masks, logits or labels have another shape from failing or learning nothing."""
    rows = change(build_rows(4, lengths=(6,)))
    trainer = build_trainer(
        {"phases": phases, "max_steps": 1, "weight_decay": 0.0},
        head=head,
        train_dataset=rows,
        data_collator=default_data_collator,
    )
    before = _weights(trainer.model)
    assert np.isfinite(trainer.train().training_loss)
    assert "bert.embeddings.word_embeddings.weight" not in _unmoved(trainer.model, before)
    output = trainer.predict(rows)
    got = output.predictions if isinstance(output.predictions, tuple) else (output.predictions,)
    assert [array.shape for array in got] == predictions
    assert np.isfinite(output.metrics["test_loss"])


def test_an_encoder_learns_from_an_encoder(build_trainer, build_rows):
    """Prevents general distillation, which needs no head at all."""
    trainer = build_trainer(
        {"phases": ["intermediate-layer"], "intermediate_max_steps": 2, "weight_decay": 0.0},
        head="Model",
        train_dataset=build_rows(8, labels=False),
    )
    before = _weights(trainer.model)
    trainer.train()
    assert _unmoved(trainer.model, before) == ["pooler.dense.bias", "pooler.dense.weight"]
    assert np.isfinite(trainer.evaluate(build_rows(4, labels=False))["eval_hidden_states_loss"])


# what is saved


def test_a_saved_student_loads_without_missing_or_unexpected_keys(build_trainer, tokenizer, tmp_path):
    """Prevents a folder that only this trainer can read, or that carries training weights or paths of the machine."""
    trainer = build_trainer({"phases": ["joint"], "max_steps": 1}, processing_class=tokenizer)
    trainer.train()
    folder = tmp_path / "student"
    trainer.save_model(str(folder))
    model, info = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not any(info[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert not (folder / PROJECTIONS_FILE).exists()
    assert not [name for name in load_file(folder / "model.safetensors") if "projection" in name or "teacher" in name]
    inputs = {"input_ids": torch.tensor([[5, 6, 7]])}
    torch.testing.assert_close(model.eval()(**inputs).logits, trainer.model.eval()(**inputs).logits)
    assert (folder / "tokenizer.json").is_file()


def test_the_record_tells_the_run_without_a_path_of_the_machine(build_trainer, build_teacher, tmp_path, monkeypatch):
    """Prevents a published folder that names its author's disk, or that does not say what it was made from."""
    seconds = itertools.count(1.0)  # real ones of so small a run may be 0.0 in the record's tenths
    clock = SimpleNamespace(perf_counter=lambda: next(seconds))
    monkeypatch.setattr("hf_tinybert.distillation.run_phases.time", clock)
    build_teacher().save_pretrained(tmp_path / "my-teacher")
    arguments = {"intermediate_max_steps": 2, "max_steps": 3, "save_strategy": "steps", "save_steps": 2}
    trainer = build_trainer({**arguments, "loss_weights": {"prediction_loss": 2.0}}, teacher=tmp_path / "my-teacher")
    trainer.train()
    trainer.save_model(str(tmp_path / "student"))
    record = DistillationRecord.load(tmp_path / "student")
    assert record.teacher == "my-teacher"
    assert record.teacher_class == "BertForSequenceClassification"
    assert record.teacher_sha256 == weights_sha256(build_teacher())
    assert record.student_class == "TinyBertForSequenceClassification"
    assert record.layer_mapping == [0, 2, 4]
    assert (record.phase, record.global_step) == ("prediction-layer", 3)
    assert record.loss_weights == {"prediction_loss": 2.0}
    assert record.metrics["prediction_loss"] > 0
    assert record.seconds > 0
    assert str(tmp_path) not in json.dumps(record.__dict__)
    checkpoint = DistillationRecord.load(Path(trainer.args.output_dir) / "intermediate-layer" / "checkpoint-2")
    assert (checkpoint.phase, checkpoint.global_step) == ("intermediate-layer", 2)
    assert 0 < checkpoint.seconds <= record.seconds


def test_saving_before_training_works(build_trainer, tmp_path):
    """Prevents a baseline of the untrained student from being impossible."""
    trainer = build_trainer()
    trainer.save_model(str(tmp_path / "untrained"))
    assert DistillationRecord.load(tmp_path / "untrained").global_step == 0


# refusals


def test_a_second_trainer_on_one_student_replaces_the_projections(build_trainer):
    """Prevents a student that projects twice, or with maps of another teacher."""
    first = build_trainer({"phases": ["joint"], "max_steps": 1})
    second = build_trainer({"phases": ["joint"], "max_steps": 1}, model=first.model)
    assert len(second.model._forward_hooks) == 1
    second.train()


def test_a_second_trainer_without_projections_takes_out_those_of_the_first(build_trainer, tmp_path):
    """Prevents checkpoints of a second phase that no student which is loaded later can go on with."""
    first = build_trainer({"phases": ["joint"], "max_steps": 1})
    settings = {"phases": ["prediction-layer"], "max_steps": 2, "save_strategy": "steps", "save_steps": 1}
    second = build_trainer({**settings, "output_dir": str(tmp_path / "second")}, model=first.model)
    second.train()
    checkpoint = tmp_path / "second" / "checkpoint-1"
    assert not (checkpoint / PROJECTIONS_FILE).exists()
    student = type(first.model).from_pretrained(checkpoint)
    resumed = build_trainer({**settings, "output_dir": str(tmp_path / "second")}, model=student)
    resumed.train(resume_from_checkpoint=str(checkpoint))
    after = second.model.state_dict()
    for name, tensor in resumed.model.state_dict().items():
        torch.testing.assert_close(tensor, after[name], rtol=0, atol=0, msg=name)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"model_init": lambda: None}, "expected no `model_init`"),
        ({"compute_loss_func": lambda *_: None}, "expected no `compute_loss_func`"),
    ],
)
def test_what_the_objective_would_ignore_is_refused(build_trainer, extra, message):
    """Prevents a setting of the stock Trainer from being dropped without a word."""
    with pytest.raises(ValueError, match=message):
        build_trainer(**extra)


def test_an_optimizer_of_the_caller_is_refused_for_two_phases_and_used_for_one(build_trainer, build_student):
    """Prevents moments of one phase in the next, and projections that a foreign optimizer does not know of."""
    student = build_student()
    optimizers = (SGD(student.parameters(), lr=0.1), None)
    with pytest.raises(ValueError, match="expected no `optimizers` with more than one phase"):
        build_trainer(model=student, optimizers=optimizers)
    trainer = build_trainer({"phases": ["prediction-layer"], "max_steps": 1}, model=student, optimizers=optimizers)
    before = _weights(student)
    trainer.train()
    assert "classifier.bias" not in _unmoved(student, before)


def test_an_optimizer_of_the_caller_trains_the_projections_too(build_trainer, build_student):
    """Prevents projections at random all through a run, which no log tells of."""
    student = build_student()
    given = SGD(student.parameters(), lr=0.1)
    first = build_trainer({"phases": ["joint"], "max_steps": 1}, model=student, optimizers=(given, None))

    class Layered(DistillationTrainer):
        def create_optimizer(self, model=None):
            self.optimizer = SGD([p for n, p in self.model.named_parameters() if "projections" not in n], lr=0.1)
            return self.optimizer

    rows = {"train_dataset": first.train_dataset, "data_collator": first.data_collator}
    for trainer in (first, Layered(build_student(), first.args, teacher=first.teacher, **rows)):
        before = _weights(trainer.model)
        trainer.train()
        assert _unmoved(trainer.model, before) == []


def test_a_loss_of_ones_own_finds_the_outputs_of_the_stock_trainer(build_trainer, build_rows):
    """Prevents an error in every `compute_loss` that adds to the loss what it reads of the outputs."""

    class Sharpened(DistillationTrainer):
        def compute_loss(self, model, inputs, return_outputs=False, **kwargs):
            loss, outputs = super().compute_loss(model, inputs, return_outputs=True, **kwargs)
            assert outputs.logits is outputs["logits"] is outputs[1]
            loss = loss + 100 * outputs.logits.square().mean().detach().ceil()
            return (loss, outputs) if return_outputs else loss

    plain = build_trainer({"phases": ["joint"]})
    trainer = Sharpened(plain.model, plain.args, teacher=plain.teacher, data_collator=plain.data_collator)
    assert trainer.evaluate(build_rows(4))["eval_loss"] > 100
    loader = trainer.get_eval_dataloader(build_rows(4))
    names = trainer.evaluation_loop(loader, "Prediction", None, None, "test").metrics
    assert {"test_loss", "test_prediction_loss"} <= set(names) and not [n for n in names if n.startswith("eval_")]
    assert trainer.predict(build_rows(4)).predictions.shape == (4, 3)


def test_an_evaluation_of_ones_own_may_give_the_metric_of_the_best_model(build_trainer, build_rows):
    """Prevents a refusal of what runs with the stock Trainer: a metric that the subclass adds."""

    class Counting(DistillationTrainer):
        def evaluate(self, *arguments, **kwargs):
            return {**super().evaluate(*arguments, **kwargs), "eval_own": float(self.state.global_step)}

    plain = build_trainer(
        {
            "phases": ["joint"],
            "eval_strategy": "steps",
            "eval_steps": 1,
            "save_strategy": "best",
            "metric_for_best_model": "own",
        },
        eval_dataset=build_rows(4),
    )
    with pytest.raises(ValueError, match="got `own`"):
        plain.train()
    rows = {"train_dataset": plain.train_dataset, "eval_dataset": plain.eval_dataset}
    trainer = Counting(plain.model, plain.args, teacher=plain.teacher, data_collator=plain.data_collator, **rows)
    trainer.train()
    assert trainer.state.best_metric == trainer.state.global_step == 2


def test_other_arguments_and_models_are_refused(
    build_trainer, build_arguments, build_student, build_teacher, tmp_path
):
    """Prevents defaults from standing in for settings that were never given."""
    with pytest.raises(ValueError, match="expected `DistillationArguments`, got `TrainingArguments`"):
        DistillationTrainer(build_student(), TrainingArguments(str(tmp_path), use_cpu=True), teacher=build_teacher())
    with pytest.raises(ValueError, match="expected a transformers model or a `PeftModel` of one, got `Linear`"):
        DistillationTrainer(torch.nn.Linear(2, 2), build_arguments(), teacher=build_teacher())


def test_a_pair_that_does_not_fit_is_refused_before_anything_is_spent(build_trainer, build_student, build_rows):
    """Prevents a failure in the middle of the first step, or in the second phase."""
    with pytest.raises(ValueError, match="no deeper than its teacher"):
        build_trainer(model=build_student(num_hidden_layers=5))
    with pytest.raises(ValueError, match="one divides the other|divide"):
        build_trainer(model=build_student(hidden_size=24, num_attention_heads=3))
    with pytest.raises(ValueError, match="expected a training set with rows"):
        build_trainer(train_dataset=build_rows(4).select([]))
    student = build_student()
    with pytest.raises(ValueError, match="one object as student and teacher"):
        build_trainer(model=student, teacher=student)
    assert all(parameter.requires_grad for parameter in student.parameters())
