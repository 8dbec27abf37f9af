"""Tests of the refusals of settings that the objective would ignore."""

import pytest
import torch
from torch import nn

from hf_tinybert.distillation.compatibility.loss_settings import check_loss_settings
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.terms import Term

PREDICTION = [DistillationObjective({Term.PREDICTION: 1.0})]


def test_label_smoothing_that_nothing_would_apply_is_refused(pair, build_arguments):
    """Prevents a setting from being ignored in silence because the loss is another one."""
    student, _ = pair()
    arguments = build_arguments()
    check_loss_settings(student, PREDICTION, arguments)
    arguments.label_smoothing_factor = 0.1
    with pytest.raises(ValueError, match="expected `label_smoothing_factor` 0, got 0.1"):
        check_loss_settings(student, PREDICTION, arguments)
    shift = [DistillationObjective({Term.PREDICTION: 1.0}, probability_shift=True)]  # reads labels, smooths none
    with pytest.raises(ValueError, match="expected `label_smoothing_factor` 0, got 0.1"):
        check_loss_settings(student, shift, arguments)


def test_label_smoothing_that_an_objective_of_ones_own_does_not_apply_is_refused(pair, build_arguments):
    """Prevents labels from being learned unsmoothed because the objective, which is the loss, was told nothing."""
    student, _ = pair()
    arguments = build_arguments()
    arguments.label_smoothing_factor = 0.1
    with pytest.raises(ValueError, match=r"expected `label_smoothing` 0.1 .* got 0.0"):
        check_loss_settings(student, [DistillationObjective({Term.LABEL: 1.0})], arguments)
    check_loss_settings(student, [DistillationObjective({Term.LABEL: 1.0}, label_smoothing=0.1)], arguments)


def _config_weights(student):
    student.config.class_weights = [1.0, 2.0, 3.0]


def _buffer(student):
    student.register_buffer("class_weights", torch.ones(3))


def _loss_module(student):
    student.add_module("criterion", nn.CrossEntropyLoss(weight=torch.ones(3)))


def _loss_function(student):
    student.loss_function = nn.functional.cross_entropy


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (_config_weights, "class_weights"),
        (_buffer, "class_weights"),
        (_loss_module, "criterion"),
        (_loss_function, "loss_function"),
    ],
    ids=["config", "buffer", "module", "function"],
)
def test_class_weights_that_nothing_would_apply_are_refused(pair, spoil, name):
    """Prevents rare classes from being lost because the student's own weighted loss is never called."""
    student, _ = pair()
    spoil(student)
    with pytest.raises(ValueError, match=f"expected a student without a loss of its own, got `{name}`"):
        check_loss_settings(student, PREDICTION)
