"""Tests of the textbook loop: it must do the engine's work, only slower."""

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from hf_tinybert.benchmark.textbook import TextbookLoop
from hf_tinybert.distillation.attention import record_attention
from hf_tinybert.distillation.losses import Reduction
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.projections import DistillationProjections, attach_projections
from hf_tinybert.distillation.states import student_states, teacher_states
from hf_tinybert.distillation.terms import Phase, Term

TERMS = {
    Phase.INTERMEDIATE: (Term.EMBEDDING, Term.HIDDEN_STATES, Term.ATTENTION_SCORES),
    Phase.PREDICTION: (Term.PREDICTION,),
    Phase.JOINT: (Term.EMBEDDING, Term.HIDDEN_STATES, Term.ATTENTION_SCORES, Term.PREDICTION),
}
MAPPING = (0, 2, 4)


@pytest.fixture
def build_loop(build_workload):
    """`build_loop(phase, max_length)`: the loop on 20 rows; dropout is off."""

    def build(phase=Phase.JOINT, max_length=12, **overrides):
        workload = build_workload()
        student, teacher = workload.make_models()
        for module in student.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        for layer in student.bert.encoder.layer:
            layer.attention.self.dropout.p = 0.0
        with torch.no_grad():  # fresh models say nearly nothing, and zero equals zero
            for parameter in [*student.parameters(), *teacher.parameters()]:
                parameter.add_(torch.randn_like(parameter) * 0.2)
        return TextbookLoop(
            student,
            teacher,
            workload.make_rows(),
            phase=phase,
            max_length=max_length,
            batch_size=5,
            pad_token_id=0,
            learning_rate=1e-3,
            seed=0,
            device=torch.device("cpu"),
            **overrides,
        )

    return build


def _batch(lengths, width):
    mask = (torch.arange(width)[None] < torch.tensor(lengths)[:, None]).long()
    ids = torch.randint(5, 40, mask.shape) * mask
    return {"input_ids": ids, "token_type_ids": torch.zeros_like(ids), "attention_mask": mask}


def _objective_losses(loop, phase, batch, reduction):
    """The same models, switched to the engine's attention and objective."""
    student, teacher = loop.student, loop.teacher
    projections = DistillationProjections(16, 32, states=3)
    for own, theirs in zip(projections.projections, loop.projections, strict=True):
        own.load_state_dict(theirs.state_dict())
    attach_projections(student, projections)
    for model in (student, teacher):
        record_attention(model)
    wanted = {"output_hidden_states": True, "output_attentions": True}
    with torch.no_grad():
        ours, theirs = student(**batch, **wanted), teacher(**batch, **wanted)
    objective = DistillationObjective(weights=dict.fromkeys(TERMS[phase], 1.0), reduction=reduction)
    return objective.losses(student_states(ours, batch), teacher_states(theirs, batch, MAPPING))


@pytest.mark.parametrize("phase", list(Phase))
def test_losses_on_padded_rows_are_the_reference_reduction_of_the_objective(build_loop, phase):
    """Prevents a baseline that does other work: other layers, scores after the softmax, a lost term."""
    loop, batch = build_loop(phase), _batch([12, 7, 3], 12)
    losses = {name: value.item() for name, value in loop.losses(batch).items()}
    expected = _objective_losses(loop, phase, batch, Reduction.REFERENCE)
    assert losses == pytest.approx({name: float(value) for name, value in expected.items()}, rel=1e-4)
    assert all(value > 1e-3 for value in losses.values())


def test_losses_without_padding_are_the_objectives_own_but_for_the_mean_over_classes(build_loop):
    """Prevents a difference between baseline and engine that no docstring states."""
    loop, batch = build_loop(), _batch([9, 9], 9)
    losses = {name: value.item() for name, value in loop.losses(batch).items()}
    expected = {n: float(v) for n, v in _objective_losses(loop, Phase.JOINT, batch, Reduction.MEAN).items()}
    expected[Term.PREDICTION] /= 3  # classes
    assert losses == pytest.approx(expected, rel=1e-4)


def test_the_loop_trains_the_student_and_not_the_teacher(build_loop):
    """Prevents a baseline that is fast because nothing is learnt."""
    loop = build_loop()
    before = [parameter.clone() for parameter in loop.student.parameters()]
    taught = [parameter.clone() for parameter in loop.teacher.parameters()]
    calls = []
    loop.run(10, lambda: calls.append(None))
    assert len(calls) == len(loop.history) == 40
    assert sum(loop.history[-1].values()) < 0.8 * sum(loop.history[0].values())
    moved = [not torch.equal(old, new) for old, new in zip(before, loop.student.parameters(), strict=True)]
    assert all(moved)
    assert all(torch.equal(old, new) for old, new in zip(taught, loop.teacher.parameters(), strict=True))
    assert loop.student.training and not loop.teacher.training


def test_every_row_is_padded_to_the_maximum(build_loop):
    """Prevents a baseline with the engine's dynamic padding."""
    loop, seen = build_loop(max_length=30), []
    loop.student.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"].shape), with_kwargs=True
    )
    loop.run(1, lambda: None)
    assert seen == [(5, 30)] * 4


def test_layer_counts_that_do_not_divide_are_refused(build_workload, tiny_teacher_config):
    """Prevents a baseline on layers that the engine does not imitate."""
    workload = build_workload()
    student, _ = workload.make_models()
    tiny_teacher_config.num_hidden_layers = 3
    with pytest.raises(ValueError, match="divide"):
        TextbookLoop(
            student,
            AutoModelForSequenceClassification.from_config(tiny_teacher_config),
            workload.make_rows(),
            phase=Phase.JOINT,
            max_length=12,
            batch_size=5,
            pad_token_id=0,
            learning_rate=1e-3,
            seed=0,
            device=torch.device("cpu"),
        )
