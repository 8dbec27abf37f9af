"""Here in one process; under ZeRO-3 and FSDP2 in `test_trainer_deepspeed.py` and `test_trainer_fsdp.py`."""

import pytest
import torch
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from hf_tinybert.distillation.sharding import (
    complete_state,
    gathered,
    partitioned_parameters,
    reshard,
    whole_tensors,
)


@pytest.fixture
def one_process_group(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def _module():
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    module[0].bias.requires_grad_(False)
    return module


def test_every_entry_of_the_state_comes_by_name_whole_and_detached():
    """Prevents buffers and frozen parameters from being left out of what is saved or hashed."""
    module = _module()
    expected = module.state_dict()
    got = dict(whole_tensors(module))
    assert list(got) == sorted(expected)
    for name, tensor in expected.items():
        assert torch.equal(got[name], tensor)
        assert not got[name].requires_grad


def test_whole_modules_are_used_as_they_are():
    """Prevents a check before training from needing DeepSpeed."""
    module = _module()
    before = list(module.parameters())
    with gathered(module, module):
        assert all(one is other for one, other in zip(before, module.parameters(), strict=True))


def test_a_parameter_that_zero_3_marks_counts_as_partitioned():
    """Prevents a teacher of empty tensors from being taken for a whole one."""
    module = _module()
    assert partitioned_parameters(module) == []
    module[0].weight.ds_id = 0
    assert [parameter is module[0].weight for parameter in partitioned_parameters(module)] == [True]


def test_sharded_tensors_come_whole_and_an_optimizer_made_after_resharding_holds_shards(one_process_group):
    """Prevents projections that cannot be saved under FSDP2, and a second phase that trains tensors thrown away."""
    module = nn.Sequential(nn.Linear(3, 2))
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    fully_shard(module)
    assert isinstance(module[0].weight, DTensor)
    for name, tensor in whole_tensors(module):
        assert not isinstance(tensor, DTensor)
        assert torch.equal(tensor, before[name])
    module(torch.ones(1, 3))
    assert not isinstance(module[0].weight, DTensor)  # the root of FSDP2 stays whole after a forward: the trap
    reshard(module)
    assert all(isinstance(parameter, DTensor) for parameter in module.parameters())


def test_without_processes_nothing_is_resharded():
    """Prevents a single process from needing torch.distributed."""
    module = _module()
    before = list(module.parameters())
    reshard(module)
    assert all(one is other for one, other in zip(before, module.parameters(), strict=True))


def test_a_completed_optimizer_goes_on_as_if_nothing_had_happened():
    """Prevents unused parameters from decaying, and used ones from another bias correction, after a checkpoint."""
    ends = []
    for complete in (False, True):
        torch.manual_seed(0)
        used, unused = nn.Linear(3, 2), nn.Linear(3, 2)
        optimizer = torch.optim.AdamW([*used.parameters(), *unused.parameters()], lr=0.1)
        complete_state(optimizer)  # before the first step there is nothing to complete from
        assert not optimizer.state
        for step in range(4):
            optimizer.zero_grad()
            layers = (used, unused) if step > 2 else (used,)
            sum(layer(torch.ones(1, 3)).sum() for layer in layers).backward()
            optimizer.step()
            if complete:
                complete_state(optimizer)
                assert len(optimizer.state) == 4
        ends.append([parameter.detach().clone() for parameter in (*used.parameters(), *unused.parameters())])
    for one, other in zip(*ends, strict=True):
        assert torch.equal(one, other)
