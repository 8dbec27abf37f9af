"""Tests of the loss of a batch: what is trained on, logged, evaluated and predicted."""

import numpy as np
import pytest
import torch

from hf_tinybert.distillation.recipes import RECIPES, RecipeName
from hf_tinybert.distillation.trainer import DistillationTrainer

TERMS = [str(term) for term in RECIPES[RecipeName.TINYBERT].weights]
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def _weights(model):
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


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


def test_tries_with_a_batch_that_was_too_large_are_not_counted(build_trainer):
    """Prevents terms in the first log that are no parts of its loss, after `auto_find_batch_size` began anew."""

    class Crowded(DistillationTrainer):
        def compute_loss(self, model, inputs, *arguments, **kwargs):
            loss = super().compute_loss(model, inputs, *arguments, **kwargs)
            if len(inputs["input_ids"]) > 2:  # as where the backward does not fit
                raise RuntimeError("CUDA out of memory.")
            return loss

    plain = build_trainer({"phases": ["joint"], "auto_find_batch_size": True, "layer_mapping": "attention"})
    rows = {"train_dataset": plain.train_dataset, "data_collator": plain.data_collator}
    trainer = Crowded(plain.model, plain.args, teacher=plain.teacher, **rows)
    trainer.train()
    first = trainer.state.log_history[0]
    assert first["loss"] == pytest.approx(sum(first[name] for name in TERMS), rel=1e-5)


def test_evaluation_returns_only_loss_and_logits(build_trainer, build_rows):
    """Prevents the hidden states of a whole data set from filling the memory."""
    trainer = build_trainer({"phases": ["joint"]})
    output = trainer.predict(build_rows(6))
    assert isinstance(output.predictions, np.ndarray)
    assert output.predictions.shape == (6, 3)
    assert output.label_ids.tolist() == [0, 1, 2, 0, 1, 2]
    assert {f"test_{term}" for term in TERMS} <= set(output.metrics)
    assert np.isfinite(output.metrics["test_loss"])


def test_the_loss_of_an_evaluation_is_the_sum_of_its_terms(build_trainer, build_rows):
    """Prevents the last of streamed rows from counting as a full batch, as they do in the stock Trainer."""
    trainer = build_trainer({"phases": ["joint"], "per_device_eval_batch_size": 4})
    streamed, whole = trainer.evaluate(build_rows(5).to_iterable_dataset()), trainer.evaluate(build_rows(5))
    for metrics in (streamed, whole):
        assert metrics["eval_loss"] == pytest.approx(sum(metrics[f"eval_{term}"] for term in TERMS), rel=1e-5)
    assert streamed["eval_loss"] == pytest.approx(whole["eval_loss"], rel=1e-5)


def test_other_rows_than_the_trainers_own_are_evaluated_with_workers_that_stay(build_trainer, build_rows):
    """Prevents a test score that is the validation score again: the stock Trainer would ask the loader it kept."""
    rows = {"own": build_rows(4), "one": build_rows(6, seed=11), "other": build_rows(5, seed=12)}
    workers = {"dataloader_num_workers": 1, "dataloader_persistent_workers": True}
    trainer = build_trainer({"phases": ["joint"], **workers}, eval_dataset=rows["own"])
    fresh = build_trainer({"phases": ["joint"]})
    for name in ("own", "one", "other", "own"):
        asked = None if name == "own" else rows[name]
        expected = fresh.evaluate(rows[name])["eval_loss"]
        assert trainer.evaluate(asked)["eval_loss"] == pytest.approx(expected, rel=1e-5)


def test_a_loss_that_is_not_finite_is_left_out_as_in_the_stock_trainer(build_trainer, build_rows):
    """Prevents one batch from hiding what all others say, and a filter that cannot be turned off."""

    class Overflowing(DistillationTrainer):
        def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
            loss, output = super().compute_loss(model, inputs, True, num_items_in_batch)
            return (loss if len(inputs["input_ids"]) > 1 else loss * torch.nan), output

    plain = build_trainer({"phases": ["joint"], "per_device_eval_batch_size": 4})
    trainer = Overflowing(plain.model, plain.args, teacher=plain.teacher, data_collator=plain.data_collator)
    assert trainer.evaluate(build_rows(5))["eval_loss"] == pytest.approx(trainer.evaluate(build_rows(4))["eval_loss"])
    trainer.args.logging_nan_inf_filter = False
    assert np.isnan(trainer.evaluate(build_rows(5))["eval_loss"])


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


@pytest.mark.parametrize("method", ["compute_loss", "training_step"])
def test_a_method_of_ones_own_finds_the_attention_mask_in_every_batch(build_trainer, build_rows, method):
    """Prevents a KeyError at the first step whose rows happen to be of one length."""
    counted = []

    def counting(self, model, inputs, *args, **kwargs):
        counted.append(int(inputs["attention_mask"].sum()))
        return getattr(DistillationTrainer, method)(self, model, inputs, *args, **kwargs)

    own = type("Own", (DistillationTrainer,), {method: counting})
    plain = build_trainer({"phases": ["joint"]})
    rows = build_rows(8, lengths=(6,))
    trainer = own(
        plain.model, plain.args, teacher=plain.teacher, train_dataset=rows, data_collator=plain.data_collator
    )
    trainer.train()
    assert counted == [24, 24]
