"""Tests of projections to the widths of several teachers."""

from types import SimpleNamespace

import pytest
import torch

from hf_tinybert.distillation.multitask.projections import TaskProjections
from hf_tinybert.distillation.projections import DistillationProjections


def build_projections(**widths):
    """For three states of a student of width 4."""
    return TaskProjections({task: DistillationProjections(4, width, 3) for task, width in widths.items()})


@pytest.fixture
def projections():
    """Two teachers of width 6 and one of 5."""
    return build_projections(a=6, b=5, c=6)


def test_each_task_is_projected_to_its_teachers_width(projections):
    """Prevents states at the width of another task's teacher."""
    states = [torch.randn(2, 3, 4), None, torch.randn(2, 3, 4)]
    widths = [[None if s is None else s.shape[-1] for s in projections(states, task)] for task in ("a", "b", "c")]
    assert widths == [[6, None, 6], [5, None, 5], [6, None, 6]]
    assert projections.serves("b") and not projections.serves("d")
    with pytest.raises(ValueError, match="expected a task of `a`, `b`, `c`, got `d`"):
        projections(states, "d")


def test_teachers_of_one_width_have_projections_of_their_own(projections):
    """Prevents a student state that is drawn to the mean of what two teachers say."""
    assert projections.of("a") is not projections.of("c")
    projections([torch.randn(2, 3, 4)] * 3, "a")[1].sum().backward()
    assert projections.of("a").projections[1].weight.grad is not None
    assert all(parameter.grad is None for parameter in projections.of("c").parameters())


def test_they_come_back_from_a_checkpoint(projections, tmp_path):
    """Prevents a resumed run from starting its projections anew."""
    projections.save(tmp_path)
    other = build_projections(a=6, b=5, c=6)
    other.load(tmp_path)
    assert all(torch.equal(other.state_dict()[name], tensor) for name, tensor in projections.state_dict().items())
    with pytest.raises(ValueError, match="expected projections"):
        build_projections(a=6, b=5).load(tmp_path)


def test_each_task_starts_at_maps_of_its_own(projections):
    """Prevents a start at the maps of another teacher, and one that is ignored."""
    maps, offsets = [torch.randn(6, 4) for _ in range(3)], [torch.randn(6) for _ in range(3)]
    start = SimpleNamespace(
        mapping=(0, 1, 2), projection=maps[0], offset=offsets[0], state_projections=maps, state_offsets=offsets
    )
    before = projections.of("a").projections[2].weight.clone()
    projections.start_at({"c": start})
    assert torch.equal(projections.of("c").projections[2].weight, maps[2])
    assert torch.equal(projections.of("a").projections[2].weight, before)
    with pytest.raises(ValueError, match="the starting maps of task `b`: expected 3 starting maps of shape"):
        projections.start_at({"b": start})
    with pytest.raises(ValueError, match="the starting maps of task `d`: expected a task of"):
        projections.start_at({"d": start})
