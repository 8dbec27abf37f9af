"""Products of states, a temperature that moves and a probability shift in real runs of the trainer."""

import copy

import pytest
import torch
from torch.nn import functional

from hf_tinybert.distillation.losses import prediction_loss, shifted_to_labels
from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE
from hf_tinybert.distillation.record import DistillationRecord

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
OFF = dict.fromkeys(("embedding_loss", "hidden_states_loss", "attention_scores_loss", "prediction_loss"), 0)
T4_TINY = {
    "phases": ["joint"],
    "temperature": 8,
    "loss_weights": {"attention_scores_loss": 0, "hidden_similarity_loss": 1},
    "loss_layers": {"hidden_similarity_loss": [0, 1, 2]},
}


def _first(trainer):
    trainer.train()
    return next(logs for logs in trainer.state.log_history if "loss" in logs)


def _states_of(model, batch):
    with torch.no_grad():
        return model.eval()(**batch, output_hidden_states=True)


def test_one_step_of_the_objective_of_t4_tiny(build_trainer, build_student, build_teacher, build_rows, collator):
    """Prevents an objective of TextBrewer's that only nearly is: here is its sum, in plain code."""
    student, teacher, rows = build_student(**NO_DROPOUT), build_teacher(), build_rows(4)
    trainer = build_trainer(
        {**T4_TINY, "max_steps": 1, "learning_rate": 1e-2}, model=student, teacher=teacher, train_dataset=rows
    )
    batch = collator([dict(row) for row in rows.select_columns(["input_ids", "token_type_ids", "attention_mask"])])
    own, other = _states_of(student, batch), _states_of(teacher, batch)
    linears = [copy.deepcopy(one).requires_grad_(False) for one in getattr(student, PROJECTIONS_ATTRIBUTE).projections]
    mask = batch["attention_mask"].float()
    pairs, total = mask[:, :, None] * mask[:, None, :], 0.0
    for layer, linear in enumerate(linears):
        narrow, wide = own.hidden_states[layer], other.hidden_states[2 * layer]
        error = functional.mse_loss(linear(narrow), wide, reduction="none") * mask[..., None]
        total += error.sum() / (mask.sum() * 32)
        maps = [state @ state.transpose(1, 2) / state.shape[-1] for state in (narrow, wide)]
        total += (functional.mse_loss(*maps, reduction="none") * pairs).sum() / mask.sum(1).square().sum()
    target = (other.logits / 8).softmax(-1)
    total += -(target * (own.logits / 8).log_softmax(-1)).sum(-1).mean() * 8**2  # which TextBrewer leaves out
    before = {name: tensor.clone() for name, tensor in student.state_dict().items()}
    logged = _first(trainer)
    assert logged["loss"] == pytest.approx(float(total), rel=1e-4)
    assert {"embedding_loss", "hidden_states_loss", "hidden_similarity_loss", "prediction_loss"} <= set(logged)
    assert [name for name, tensor in before.items() if torch.equal(student.state_dict()[name], tensor)] == []


@pytest.mark.parametrize("term", ["hidden_similarity_loss", "neuron_selectivity_loss"])
def test_states_of_two_widths_are_compared_without_projections(build_trainer, term):
    """Prevents projections that stay random beside a term that reads none, and states that carry no gradient."""
    trainer = build_trainer({"phases": ["intermediate-layer"], "loss_weights": {**OFF, term: 1}})
    assert PROJECTIONS_ATTRIBUTE not in dict(trainer.model.named_children())
    before = trainer.model.base_model.embeddings.word_embeddings.weight.clone()
    assert _first(trainer)[term] > 0
    assert not torch.equal(trainer.model.base_model.embeddings.word_embeddings.weight, before)


@pytest.mark.parametrize("term", ["hidden_gram_loss", "solution_flow_loss"])
def test_products_of_neurons_train_their_projections(build_trainer, term):
    """Prevents a narrower student from being refused, or from being compared through maps that never learn."""
    trainer = build_trainer({"phases": ["intermediate-layer"], "loss_weights": {**OFF, term: 1}, "weight_decay": 0.0})
    linears = getattr(trainer.model, PROJECTIONS_ATTRIBUTE).projections
    before = [linear.weight.clone() for linear in linears]
    assert _first(trainer)[term] > 0
    moved = [not torch.equal(linear.weight, weight) for linear, weight in zip(linears, before, strict=True)]
    assert moved == [term == "solution_flow_loss", True, True]  # from the embedding output on


ALL_PRODUCTS = {
    **OFF,
    "hidden_similarity_loss": 1,
    "neuron_selectivity_loss": 1,
    "hidden_gram_loss": [0.5, 1],
    "solution_flow_loss": 1,
}


def test_products_accumulate_and_come_from_the_cache(build_trainer, build_student, build_rows, tmp_path):
    """Prevents a value that depends on how a step is cut into batches, and states of other layers in the cache."""
    ends = []
    for name, arguments in {
        "whole": {"per_device_train_batch_size": 4},
        "accumulated": {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 4},
        "cached": {"per_device_train_batch_size": 4, "teacher_cache_dir": str(tmp_path / "cache")},
    }.items():
        trainer = build_trainer(
            {"phases": ["joint"], "loss_weights": ALL_PRODUCTS, "optim": "sgd", "max_grad_norm": 0.0, **arguments},
            model=build_student(**NO_DROPOUT),
            train_dataset=build_rows(8, lengths=(6,)),
        )
        trainer.train()
        ends.append({name: tensor.clone() for name, tensor in trainer.model.state_dict().items()})
        logged = [entry for entry in trainer.state.log_history if "hidden_gram_loss_weight" in entry]
        assert [entry["hidden_gram_loss_weight"] for entry in logged] == [0.75, 1.0], name
    for name, tensor in ends[0].items():
        torch.testing.assert_close(ends[1][name], tensor, rtol=1e-4, atol=1e-6, msg=name)
        torch.testing.assert_close(ends[2][name], tensor, rtol=0.02, atol=1e-4, msg=name)  # of bfloat16


def test_the_temperature_moves_with_the_steps_and_is_told(build_trainer, build_rows, tmp_path):
    """Prevents a temperature that is configured to fall and stays, and a record that names one of its ends."""
    arguments = {"phases": ["prediction-layer"], "max_steps": 4, "temperature": [8, 2], "learning_rate": 1e-12}
    trainer = build_trainer(arguments, train_dataset=build_rows(4), eval_dataset=build_rows(4))
    trainer.train()
    logs = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert [entry["temperature"] for entry in logs] == [6.5, 5.0, 3.5, 2.0]
    at_the_end = trainer.evaluate()["eval_prediction_loss"]
    fixed = build_trainer({**arguments, "temperature": 2}, eval_dataset=build_rows(4))
    assert at_the_end == pytest.approx(fixed.evaluate()["eval_prediction_loss"], rel=1e-4)
    trainer.save_model(str(tmp_path / "student"))
    told = DistillationRecord.load(tmp_path / "student")
    assert told.temperature == {"start": 8.0, "end": 2.0, "kind": "linear"}


def _answers(model, rows, collator):
    batch = collator([dict(row) for row in rows.remove_columns("labels")])
    with torch.no_grad():
        return model.eval()(**batch).logits


@pytest.mark.parametrize("cached", [False, True])
def test_a_probability_shift_teaches_the_labels(
    build_trainer, build_student, build_teacher, build_rows, collator, tmp_path, cached
):
    """Prevents a teacher whose errors are learned all the same, a cache of what was shifted, and an untold shift."""
    student, teacher, rows = build_student(**NO_DROPOUT), build_teacher(), build_rows(4)
    own, other, labels = (
        _answers(student, rows, collator),
        _answers(teacher, rows, collator),
        torch.tensor(rows["labels"]),
    )
    assert other.argmax(-1).tolist() != rows["labels"]
    arguments = {"phases": ["prediction-layer"], "max_steps": 1}
    for shift, target in ((False, other), (True, shifted_to_labels(other, labels))):
        arguments |= {"probability_shift": shift, "teacher_cache_dir": str(tmp_path / "cache") if cached else None}
        trainer = build_trainer(arguments, model=copy.deepcopy(student), teacher=teacher, train_dataset=rows)
        expected = float(prediction_loss(own, target))
        assert _first(trainer)["prediction_loss"] == pytest.approx(expected, rel=1e-4)
        trainer.save_model(str(tmp_path / "student"))
        assert DistillationRecord.load(tmp_path / "student").probability_shift is shift


def test_rows_without_a_label_keep_what_the_teacher_says(build_trainer, build_teacher, build_rows, collator):
    """Prevents -100 from being taken for a class, and a run without any label from being shifted to nothing."""
    rows = build_rows(4)
    right = int(_answers(build_teacher(), rows, collator)[3].argmax())
    bare = rows.remove_columns("labels")
    arguments = {"phases": ["prediction-layer"], "max_steps": 1}
    plain = _first(build_trainer(arguments, train_dataset=bare))["prediction_loss"]
    mostly = bare.add_column("labels", [-100, -100, -100, right])
    shifted = build_trainer({**arguments, "probability_shift": True}, train_dataset=mostly)
    assert _first(shifted)["prediction_loss"] == pytest.approx(plain, rel=1e-5)
    with pytest.raises(ValueError, match="expected a `labels` column in the training set for `probability_shift`"):
        build_trainer({**arguments, "probability_shift": True}, train_dataset=bare)


def test_a_probability_shift_of_numbers_is_refused_before_anything_is_loaded(build_trainer, build_student):
    """Prevents labels of a regression from being taken for classes."""
    student = build_student(problem_type="regression", id2label={0: "score"}, label2id={"score": 0})
    with pytest.raises(ValueError, match="classes of which one is right, got `regression`"):
        build_trainer({"phases": ["joint"], "probability_shift": True}, model=student)
