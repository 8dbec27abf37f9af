"""Tests of projections to the widths of several teachers."""

from types import SimpleNamespace

import pytest
import torch

from hf_tinybert.distillation.multitask.projections import TaskProjections
from hf_tinybert.distillation.projections import DistillationProjections


@pytest.fixture
def projections():
    """Two teachers of width 6 and one of 5, for three states of a student of width 4."""
    return TaskProjections(
        {6: DistillationProjections(4, 6, 3), 5: DistillationProjections(4, 5, 3)}, {"a": 6, "b": 5, "c": 6}
    )


def test_each_task_is_projected_to_its_teachers_width(projections):
    """Prevents states at the width of another task's teacher."""
    states = [torch.randn(2, 3, 4), None, torch.randn(2, 3, 4)]
    widths = [[None if s is None else s.shape[-1] for s in projections(states, task)] for task in ("a", "b", "c")]
    assert widths == [[6, None, 6], [5, None, 5], [6, None, 6]]
    assert projections.of("a") is projections.of("c")
    assert projections.serves("b") and not projections.serves("d")
    with pytest.raises(ValueError, match="expected a task of `a`, `b`, `c`, got `d`"):
        projections(states, "d")


def test_they_come_back_from_a_checkpoint(projections, tmp_path):
    """Prevents a resumed run from starting its projections anew."""
    projections.save(tmp_path)
    other = TaskProjections(
        {6: DistillationProjections(4, 6, 3), 5: DistillationProjections(4, 5, 3)}, {"a": 6, "b": 5}
    )
    other.load(tmp_path)
    assert all(torch.equal(other.state_dict()[name], tensor) for name, tensor in projections.state_dict().items())
    with pytest.raises(ValueError, match="expected projections"):
        TaskProjections({6: DistillationProjections(4, 6, 3)}, {"a": 6}).load(tmp_path)


def test_a_start_is_for_the_teachers_of_its_width(projections):
    """Prevents a start that is ignored because another teacher is wider."""
    maps, offsets = [torch.randn(5, 4) for _ in range(3)], [torch.randn(5) for _ in range(3)]
    start = SimpleNamespace(
        mapping=(0, 1, 2), projection=maps[0], offset=offsets[0], state_projections=maps, state_offsets=offsets
    )
    before = projections.of("a").projections[0].weight.clone()
    projections.start_at(start)
    assert torch.equal(projections.of("b").projections[2].weight, maps[2])
    assert torch.equal(projections.of("a").projections[0].weight, before)
    with pytest.raises(ValueError, match="expected starting maps to a width of 6, 5, got 7"):
        projections.start_at(SimpleNamespace(**{**vars(start), "projection": torch.randn(7, 4)}))
