"""Tests of runs: starts, phases, what they move and what they refuse."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.optim import SGD
from transformers import (
    BertTokenizer,
    TrainingArguments,
    default_data_collator,
)

from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE, PROJECTIONS_FILE, DistillationProjections
from hf_tinybert.distillation.recipes import RECIPES, RecipeName
from hf_tinybert.distillation.trainer import DistillationTrainer

TERMS = [str(term) for term in RECIPES[RecipeName.TINYBERT].weights]


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


# steps


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
    for given, got in ((torch.nn.Linear(2, 2), "Linear"), (None, "NoneType"), ("student", "str")):
        with pytest.raises(ValueError, match=f"expected a transformers model or a `PeftModel` of one, got `{got}`"):
            DistillationTrainer(given, build_arguments(), teacher=build_teacher())
    for given in (torch.nn.Linear(2, 2), None, build_teacher().config):
        with pytest.raises(ValueError, match=f"expected a transformers model .*, got `{type(given).__name__}`"):
            DistillationTrainer(build_student(), build_arguments(), teacher=given)


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


def test_evaluation_rows_without_labels_are_refused_before_the_first_step(build_trainer, build_rows):
    """Prevents a run that ends at its first evaluation, hours after its start."""
    bare = build_rows(4).remove_columns("labels")
    labelled = {"phases": ["joint"], "recipe": "distilbert"}
    for rows, name in (
        (bare, "the evaluation set"),
        ({"dev": build_rows(4), "other": bare}, "the evaluation set `other`"),
    ):
        trainer = build_trainer({**labelled, "eval_strategy": "epoch"}, eval_dataset=rows)
        with pytest.raises(ValueError, match=f"expected a `labels` column in {name} for `label_loss`"):
            trainer.train()
        assert trainer.state.global_step == 0
    build_trainer({**labelled, "max_steps": 1}, eval_dataset=bare).train()  # nothing asks for its loss
