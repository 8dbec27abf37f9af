"""Tests of what a student is told of one task."""

import pytest
import torch

from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.pairing import pair_models
from hf_tinybert.distillation.task_distillation import TaskDistillation
from hf_tinybert.distillation.terms import Phase, Term


def _batch(collator, rows, count=4):
    return dict(collator([rows[row] for row in range(count)]))


def test_each_phase_gives_its_own_terms(build_student, build_teacher, build_arguments, build_rows, collator):
    """Prevents a second phase that goes on with the terms of the first."""
    student = build_student()
    pair = pair_models(student, build_teacher(), build_arguments())
    outputs = pair.teacher_outputs(pair.teacher)
    task = TaskDistillation(student, pair.objectives, outputs, predicts_vocabulary=False)
    batch = _batch(collator, build_rows(4))
    assert task.reads_layers and not task.reads_vocabulary
    for phase, objective in pair.objectives.items():
        task.enter(phase)
        losses, output = task.losses(student, batch)
        assert set(losses) == set(objective.weights) and task.objective is objective
        assert output.logits.shape == (4, 3)
        assert all(loss.shape == () and loss.requires_grad for loss in losses.values())


def test_a_task_without_teacher_sits_out_what_it_has_nothing_for(build_student, build_rows, collator):
    """Prevents a label term that waits for a teacher, and a phase without any term."""
    student = build_student()
    task = TaskDistillation(
        student, {Phase.PREDICTION: DistillationObjective({Term.LABEL: 1.0})}, None, predicts_vocabulary=False
    )
    batch = _batch(collator, build_rows(4))
    losses, output = task.losses(student.eval(), batch)
    expected = torch.nn.functional.cross_entropy(output.logits, batch["labels"])
    assert losses["label_loss"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert task.cached(collator) is None and not task.reads_layers
    task.enter(Phase.INTERMEDIATE)
    assert not task.takes_part


def test_the_vocabulary_is_read_only_in_phases_of_predictions(build_student):
    """Prevents paying for the largest product of the model in a phase that reads none of it."""
    objectives = {
        Phase.INTERMEDIATE: DistillationObjective({Term.HIDDEN_STATES: 1.0}),
        Phase.PREDICTION: DistillationObjective({Term.MASKED_LM: 1.0}),
    }
    task = TaskDistillation(build_student("ForMaskedLM"), objectives, None, predicts_vocabulary=True)
    assert not task.reads_vocabulary
    task.enter(Phase.PREDICTION)
    assert task.reads_vocabulary
