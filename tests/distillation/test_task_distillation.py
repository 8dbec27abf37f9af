"""Tests of what a student is told of one task."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import MobileBertConfig, MobileBertForMaskedLM

from hf_tinybert.distillation.losses import Reduction
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.pairing import pair_models
from hf_tinybert.distillation.task_distillation import TaskDistillation
from hf_tinybert.distillation.terms import CustomTerm, Phase, Reads, Term


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
    assert not task.lacks_labels(batch)
    task.enter(Phase.INTERMEDIATE)
    assert not task.takes_part
    assert task.lacks_labels(batch)  # there is no term whose loss could be had: it answers, and no more


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


@pytest.mark.parametrize("family", ["Bert", "MobileBert"])
def test_predictions_at_labels_alone_teach_what_all_of_them_teach(
    build_student, build_teacher, build_arguments, family
):
    """Prevents the vocabulary product that is saved in training from changing a term or a gradient."""
    teacher, sizes = build_teacher("ForMaskedLM"), {}
    if family == "MobileBert":  # multiplies by its own hand, so that its logits come whole
        torch.manual_seed(2)
        sizes = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 48}
        sizes |= {"vocab_size": 40, "embedding_size": 32, "intra_bottleneck_size": 32, "max_position_embeddings": 32}
        teacher = MobileBertForMaskedLM(MobileBertConfig(**sizes)).eval()
    ids = torch.randint(5, 40, (4, 8), generator=torch.Generator().manual_seed(0))
    labels = torch.full_like(ids, -100)
    labels[:, 3], labels[1, 6] = ids[:, 3], ids[1, 6]
    batch = {"input_ids": ids, "labels": labels}
    weights = {Term.PREDICTION: 1.0, Term.PREDICTION_KL: 1.0, Term.LOGITS_MSE: 1.0, Term.MASKED_LM: 1.0}
    weights |= {Term.LABEL: 1.0, Term.HIDDEN_STATES: 1.0}
    arguments = build_arguments(phases=["joint"], loss_weights={**dict.fromkeys(weights, 1.0)})
    found = {}
    for whole in (False, True):
        student = build_student("ForMaskedLM", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0).train()
        pair = pair_models(student, teacher, arguments, objectives={Phase.JOINT: DistillationObjective(weights)})
        outputs = pair.teacher_outputs(pair.teacher)
        task = TaskDistillation(student, pair.objectives, outputs, predicts_vocabulary=True, whole_logits=whole)
        losses, output = task.losses(student, batch)
        assert output.logits.shape == ((4, 8, 40) if whole else (5, 40))
        task.objective.total(losses).backward()
        found[whole] = losses, {name: parameter.grad for name, parameter in student.named_parameters()}
        assert task.losses(student, batch, predicts=True)[1].logits.shape == (4, 8, 40)
    for name, loss in found[True][0].items():
        assert found[False][0][name].item() == pytest.approx(loss.item(), rel=1e-5), name
    for name, gradient in found[True][1].items():
        assert (gradient is None) == (found[False][1][name] is None), name
        assert gradient is None or torch.allclose(found[False][1][name], gradient, atol=1e-6), name


def test_masked_words_are_looked_for_once(build_student, build_teacher, build_arguments):
    """Prevents a host that waits for the device wherever predictions and labels of masked words are chosen."""

    class Choices(TorchDispatchMode):
        found = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            by_mask = function._schema.name == "aten::index" and any(
                index is not None and index.dtype is torch.bool for index in args[1]
            )
            self.found += by_mask or function._schema.name in ("aten::nonzero", "aten::_local_scalar_dense")
            return function(*args, **(kwargs or {}))

    student, teacher = build_student("ForMaskedLM").train(), build_teacher("ForMaskedLM")
    objective = DistillationObjective({Term.PREDICTION: 1.0, Term.MASKED_LM: 1.0, Term.HIDDEN_STATES: 1.0})
    pair = pair_models(student, teacher, build_arguments(phases=["joint"]), objectives={Phase.JOINT: objective})
    task = TaskDistillation(student, pair.objectives, pair.teacher_outputs(pair.teacher), predicts_vocabulary=True)
    ids = torch.randint(5, 40, (4, 8))
    labels = torch.where(torch.arange(8) % 3 == 0, ids, -100)
    with Choices() as choices:
        objective.total(task.losses(student, {"input_ids": ids, "labels": labels})[0]).backward()
    assert choices.found == 1


def test_predictions_that_are_read_elsewhere_are_made_everywhere(build_student):
    """Prevents a term of one's own, or the published arithmetic, from reading a part of the predictions."""

    def heads(**fields):
        objective = DistillationObjective({Term.MASKED_LM: 1.0, **fields.pop("weights", {})}, **fields)
        student = build_student("ForMaskedLM").train()
        task = TaskDistillation(student, {Phase.JOINT: objective}, None, predicts_vocabulary=True)
        ids = torch.randint(5, 40, (2, 6))
        return task.losses(student, {"input_ids": ids, "labels": ids})[1].logits.shape

    own = CustomTerm("own", Reads.LOGITS, lambda student, teacher: student.logits.square().mean())
    assert heads() == (12, 40)
    assert heads(weights={"own": 1.0}, custom_terms=(own,)) == heads(reduction=Reduction.REFERENCE) == (2, 6, 40)
