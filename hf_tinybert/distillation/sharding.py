"""Whole tensors of modules whose parameters are spread over processes (DeepSpeed ZeRO-3, FSDP2)."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def partitioned_parameters(module: nn.Module) -> list[nn.Parameter]:
    """The parameters of which ZeRO-3 keeps only a part on each process.

    `deepspeed.zero.Init` marks them with `ds_id`; on the device they are empty until they are gathered.
    """
    return [parameter for parameter in module.parameters() if hasattr(parameter, "ds_id")]


@contextmanager
def gathered(*modules: nn.Module) -> Iterator[None]:
    """Within it, modules that ZeRO-3 has partitioned are whole on every process; others are as they were.

    For a forward outside training, such as a check before the first step: what is done to the weights is lost.
    """
    partitioned = [parameter for module in modules for parameter in partitioned_parameters(module)]
    if not partitioned:
        yield
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters(partitioned):
        yield


def reshard(module: nn.Module) -> None:
    """Return to their shards the parameters that the last forward left whole under FSDP2; nothing elsewhere.

    Call before an optimizer is made for a module that was trained before: it must hold the shards. One made for the
    whole parameters trains tensors that the next forward throws away, without any error.
    """
    if not _is_distributed():
        return
    from torch.distributed.fsdp import FSDPModule

    for part in module.modules():
        if isinstance(part, FSDPModule):
            part.reshard()


def complete_state(optimizer: torch.optim.Optimizer) -> None:
    """Give every trainable parameter that had no gradient yet the state of one that was never moved: zeros.

    Under FSDP2 an optimizer state can be read back only if it has an entry for each; each phase leaves some unused.
    Nothing changes: without a gradient a parameter is not moved, and its first gradient finds what a new state is.
    """
    moved = next(iter(optimizer.state.items()), None)
    if moved is None:
        return
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for parameter in (one for one in parameters if one.requires_grad and one not in optimizer.state):
        optimizer.state[parameter] = {
            name: torch.zeros_like(parameter if value.shape == moved[0].shape else value)
            for name, value in moved[1].items()
            if isinstance(value, Tensor)
        }


def whole_tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Name and value of every entry of `state_dict()`, by name, whole and detached, one in memory at a time.

    A collective under ZeRO-3 and FSDP2: every process runs through it at the same point and to its end. Take a copy
    (`tensor.clone()`) of what is to be kept beyond the next entry.
    """
    state = module.state_dict(keep_vars=True)
    for name in sorted(state):
        tensor = state[name].detach()
        if hasattr(state[name], "ds_id"):
            import deepspeed

            with deepspeed.zero.GatheredParameters([state[name]]):
                yield name, state[name].data
        elif _is_distributed_tensor(tensor):
            yield name, tensor.full_tensor()
        else:
            yield name, tensor


def _is_distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def _is_distributed_tensor(tensor: Tensor) -> bool:
    if not _is_distributed():
        return False
    from torch.distributed.tensor import DTensor

    return isinstance(tensor, DTensor)


__all__ = ["complete_state", "gathered", "partitioned_parameters", "reshard", "whole_tensors"]
