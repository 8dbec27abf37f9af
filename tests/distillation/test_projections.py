import copy
import logging

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import LambdaLR
from transformers import Adafactor, AutoModelForSequenceClassification

from hf_tinybert.distillation.projections import (
    PROJECTIONS_ATTRIBUTE,
    PROJECTIONS_FILE,
    DistillationOutput,
    DistillationProjections,
    ProjectionLayout,
    attach_projections,
    attached_projections,
    detach_projections,
    starting_projections,
    train_with,
)

IDS = torch.tensor([[5, 6, 7, 8]])
STATES, WIDTHS = 3, (16, 32)


@pytest.fixture
def student(build_student):
    return build_student().eval()


def test_every_state_goes_through_its_own_projection():
    """Prevents one map from being trained for all states where one each was asked for."""
    projections = DistillationProjections(*WIDTHS, STATES)
    states = [torch.randn(2, 4, 16) for _ in range(STATES)]
    for index, (state, projected) in enumerate(zip(states, projections(states), strict=True)):
        linear = projections.projections[index]
        torch.testing.assert_close(projected, state @ linear.weight.T + linear.bias)


def test_random_maps_are_drawn_as_the_students_weights(build_student, build_teacher):
    """Prevents the wider start of `nn.Linear`, behind which a random student stays at chance for longer."""
    maps = [DistillationProjections(*WIDTHS, STATES)]
    student = build_student(initializer_range=0.1)
    maps.append(starting_projections(student, build_teacher(), None, ProjectionLayout.PER_STATE, seed=0))
    for projections, spread in zip(maps, (0.02, 0.1), strict=True):
        weights = torch.cat([linear.weight.flatten() for linear in projections.projections])
        assert weights.std().item() == pytest.approx(spread, rel=0.1)
        assert not any(linear.bias.any() for linear in projections.projections)


def test_a_shared_projection_serves_all_states():
    """Prevents the first published layout from having weights that nothing trains."""
    projections = DistillationProjections(*WIDTHS, STATES, ProjectionLayout.SHARED)
    state = torch.randn(2, 4, 16)
    first, *others = projections([state] * STATES)
    assert len(list(projections.parameters())) == 2
    assert len(others) == STATES - 1
    assert all(torch.equal(first, other) for other in others)


def test_projections_can_start_at_the_identity():
    """Prevents a student as wide as its teacher from starting behind a random map."""
    projections = DistillationProjections(8, 8, STATES)
    projections.start_at_identity()
    states = [torch.randn(2, 4, 8) for _ in range(STATES)]
    assert all(torch.equal(state, projected) for state, projected in zip(states, projections(states), strict=True))


def test_random_projections_depend_on_their_seed_only(student, build_teacher):
    """Prevents a start that changes with what was drawn before, and a draw that changes what comes after."""
    teacher, state = build_teacher(), torch.random.get_rng_state()
    first = starting_projections(student, teacher, None, ProjectionLayout.PER_STATE, seed=0).state_dict()
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.rand(3)
    again = starting_projections(student, teacher, None, ProjectionLayout.PER_STATE, seed=0).state_dict()
    other = starting_projections(student, teacher, None, ProjectionLayout.PER_STATE, seed=1).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first if name.endswith("weight"))


def test_an_attached_student_returns_its_projected_states(student):
    """Prevents projections outside of the forward, which DDP and sharding would not see."""
    plain = student(input_ids=IDS)
    projections = DistillationProjections(*WIDTHS, STATES)
    attach_projections(student, projections)
    output = student(input_ids=IDS, output_hidden_states=True)
    assert isinstance(output, DistillationOutput)
    torch.testing.assert_close(output.logits, plain.logits)
    for projected, expected in zip(output.projected_hidden_states, projections(output.hidden_states), strict=True):
        torch.testing.assert_close(projected, expected)
    assert f"{PROJECTIONS_ATTRIBUTE}.projections.0.weight" in dict(student.named_parameters())


def test_a_student_in_use_answers_as_before(student):
    """Prevents a trained student whose outputs look different until it is saved and loaded."""
    attach_projections(student, DistillationProjections(*WIDTHS, STATES))
    assert type(student(input_ids=IDS)).__name__ == "SequenceClassifierOutput"
    assert isinstance(student(input_ids=IDS, output_hidden_states=True, return_dict=False), tuple)


def test_an_encoder_keeps_its_own_outputs(build_student):
    """Prevents a student without head from losing the states it is used for."""
    student = build_student("Model").eval()
    plain = student(input_ids=IDS)
    attach_projections(student, DistillationProjections(*WIDTHS, STATES))
    output = student(input_ids=IDS, output_hidden_states=True)
    torch.testing.assert_close(output.last_hidden_state, plain.last_hidden_state)
    torch.testing.assert_close(output.pooler_output, plain.pooler_output)
    assert len(output.projected_hidden_states) == STATES


def test_projections_are_not_saved_with_the_model(student, tmp_path):
    """Prevents a student for use that carries training weights or loads with unexpected keys."""
    attach_projections(student, DistillationProjections(*WIDTHS, STATES))
    student.save_pretrained(tmp_path)
    assert not [name for name in load_file(tmp_path / "model.safetensors") if "projection" in name]
    _, info = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]


def test_attaching_again_replaces_the_projections_without_a_second_hook(student):
    """Prevents a second trainer on one student from projecting twice or training stale maps."""
    attach_projections(student, DistillationProjections(*WIDTHS, STATES))
    replacement = DistillationProjections(16, 8, STATES)
    attach_projections(student, replacement)
    assert len(student._forward_hooks) == 1
    output = student(input_ids=IDS, output_hidden_states=True)
    assert [tuple(state.shape) for state in output.projected_hidden_states] == [(1, 4, 8)] * STATES
    torch.testing.assert_close(output.projected_hidden_states[1], replacement(output.hidden_states)[1])


def test_a_student_without_its_projections_answers_as_before(student):
    """Prevents a hook that looks for what is not there any more, and a second one beside it."""
    detach_projections(student)
    assert attached_projections(student) is None
    output = student(torch.tensor([[5, 6]]), output_hidden_states=True)
    assert not isinstance(output, DistillationOutput) and len(output.hidden_states) == 3
    detach_projections(student)
    attach_projections(student, DistillationProjections(16, 32, states=3))
    assert len(student._forward_hooks) == 1
    assert student(torch.tensor([[5, 6]]), output_hidden_states=True).projected_hidden_states[0].shape == (1, 2, 32)


def test_a_copy_of_a_student_has_its_own_projections(student):
    """Prevents a copied student from running the projections of the original."""
    attach_projections(student, DistillationProjections(*WIDTHS, STATES))
    twin = copy.deepcopy(student)
    with torch.no_grad():
        getattr(twin, PROJECTIONS_ATTRIBUTE).projections[0].bias.add_(1.0)
    states = [model(input_ids=IDS, output_hidden_states=True).projected_hidden_states[0] for model in (student, twin)]
    torch.testing.assert_close(states[1] - states[0], torch.ones(1, 4, 32))


@pytest.mark.parametrize("layout", list(ProjectionLayout))
def test_saved_projections_load_as_they_were_under_the_documented_keys(tmp_path, layout):
    """Prevents a resume with untrained projections, and a file that conversion cannot read."""
    projections = DistillationProjections(*WIDTHS, STATES, layout)
    projections.save(tmp_path)
    count = STATES if layout is ProjectionLayout.PER_STATE else 1
    expected = {f"projections.{index}.{kind}" for index in range(count) for kind in ("weight", "bias")}
    assert set(load_file(tmp_path / PROJECTIONS_FILE)) == expected
    other = DistillationProjections(*WIDTHS, STATES, layout)
    other.load(tmp_path)
    for name, tensor in projections.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)


@pytest.mark.parametrize(
    "other",
    [
        DistillationProjections(16, 24, STATES),
        DistillationProjections(*WIDTHS, STATES + 1),
        DistillationProjections(*WIDTHS, STATES, ProjectionLayout.SHARED),
    ],
    ids=["width", "states", "layout"],
)
def test_projections_of_another_shape_are_refused(tmp_path, other, caplog):
    """Prevents a resume with another teacher, which would start from maps that mean nothing."""
    DistillationProjections(*WIDTHS, STATES).save(tmp_path)
    before = copy.deepcopy(other.state_dict())
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(ValueError, match="expected projections .* resume with the same"),
    ):
        other.load(tmp_path)
    assert all(torch.equal(other.state_dict()[name], tensor) for name, tensor in before.items())


def test_an_optimizer_that_was_made_before_trains_them_at_its_highest_rate():
    """Prevents projections that stay at random, so that the student learns to fit a map that means nothing."""
    slow, fast = nn.Linear(2, 2), nn.Linear(2, 2)
    optimizer = SGD([{"params": slow.parameters(), "lr": 0.1}, {"params": fast.parameters(), "lr": 0.2}])
    schedule = LambdaLR(optimizer, lambda step: 0.0 if step == 0 else 1.0)  # a warm-up hides the rates
    projections = DistillationProjections(*WIDTHS, STATES)
    for _ in range(2):  # a second trainer changes nothing
        train_with(optimizer, projections)
    assert [len(group["params"]) for group in optimizer.param_groups] == [2, 2 + 2 * STATES]
    schedule.step()
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.2]
    finding = Adafactor(slow.parameters(), lr=None, relative_step=True)  # its own rates
    train_with(finding, projections)
    assert len(finding.param_groups[0]["params"]) == 2 + 2 * STATES
