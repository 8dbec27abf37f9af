"""Where a teacher stands when several processes train: a copy on each, or partitioned by ZeRO-3 as it was loaded."""

import copy
from collections.abc import Mapping
from typing import Any

from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import nn
from transformers import PreTrainedModel

from hf_tinybert.distillation.sharding import partitioned_parameters

_ZERO_3 = 3
_AUTOCAST = {"fp16": "float16", "bf16": "bfloat16", "fp8": "float8"}


def check_distributed_teacher(
    student: PreTrainedModel, teacher: PreTrainedModel, deepspeed_config: Mapping[str, Any] | None
) -> None:
    """Refuse a teacher that could not answer, or that would be trained, under the chosen set-up.

    Args:
        student: shares no parameter with the teacher.
        teacher: as loaded; partitioned when `from_pretrained` ran after ZeRO-3 was configured.
        deepspeed_config: of the run; None without DeepSpeed.

    Raises:
        ValueError: student and teacher share parameters; or the teacher has no weights on this process; or it is
            partitioned and the run is not ZeRO-3, or only some of its parameters are.
    """
    parameters = list(teacher.parameters())
    own = {id(parameter) for parameter in student.parameters()}
    if any(id(parameter) in own for parameter in parameters):
        raise ValueError(
            "expected a student and a teacher with parameters of their own, got shared ones; because freezing the "
            "teacher would freeze the student; copy the teacher with `copy.deepcopy`, or load it again"
        )
    if any(parameter.is_meta for parameter in parameters):
        # `accelerate launch` sets this for FSDP unless told otherwise: one process reads, FSDP2 hands the student on
        raise ValueError(
            "expected a teacher with weights on every process, got one without; because under "
            "`FSDP_CPU_RAM_EFFICIENT_LOADING` only one process reads them, and nothing hands them on to a model that "
            "is not trained; set `fsdp_cpu_ram_efficient_loading: false`"
        )
    partitioned = partitioned_parameters(teacher)
    if not partitioned:
        return
    stage = _stage(deepspeed_config)
    if stage != _ZERO_3:
        setup = f"ZeRO stage {stage}" if deepspeed_config else "no DeepSpeed"
        raise ValueError(
            f"expected a whole teacher under {setup}, got one that `deepspeed.zero.Init` has partitioned; because "
            "nothing gathers its weights before a forward; load the teacher outside that context"
        )
    if len(partitioned) < len(parameters):
        raise ValueError(
            f"expected a teacher that ZeRO-3 has partitioned as a whole or not at all, got {len(partitioned)} of "
            f"{len(parameters)} parameters partitioned; because a part added after loading, such as an adapter, stays "
            "whole beside empty ones; merge it and save the teacher, then pass the folder, or load all of the teacher "
            "before the training arguments are made"
        )


def check_same_teacher(sha256: str) -> None:
    """Refuse a teacher that is not the same on every process; every process calls this.

    Raises:
        ValueError: the hashes differ.
    """
    hashes = gather_object([sha256])
    if len(set(hashes)) > 1:
        raise ValueError(
            f"expected the same teacher on all {len(hashes)} processes, got {len(set(hashes))} different ones; "
            "because each process would imitate its own; seed before a teacher with random weights is made, or save "
            "it once and pass the folder"
        )


def place_teacher(teacher: PreTrainedModel, accelerator: Accelerator) -> nn.Module:
    """The frozen teacher, ready to be called on every process.

    A partitioned teacher is wrapped in a DeepSpeed engine without optimizer, which gathers each layer for its forward.
    Any other is copied to each process's device and runs under the run's autocast and compilation; DDP and FSDP2 leave
    it whole, because a frozen model has nothing to reduce and an encoder's weights are small beside activations.
    """
    if not partitioned_parameters(teacher):
        # that the accelerator knows a model keeps the stock Trainer from preparing a student that it evaluates before
        # training: it would count as prepared, and no DDP would be put around it
        prepared: nn.Module = accelerator.prepare_model(
            teacher.to(accelerator.device), device_placement=False, evaluation_mode=True
        )
        return prepared
    import deepspeed

    config = inference_config(accelerator.state.deepspeed_plugin.deepspeed_config)
    engine, *_ = deepspeed.initialize(model=teacher, config=config)
    engine.eval()  # gives None
    wrapped: nn.Module = engine
    return wrapped


def autocast_precision(accelerator: Accelerator) -> str | None:
    """In which `place_teacher` has a whole teacher compute; None where that is the type of its weights."""
    return _AUTOCAST.get(str(accelerator.mixed_precision)) if accelerator.native_amp else None


def inference_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """A run's DeepSpeed configuration for a model that is only called.

    Without optimizer, schedule and batch bookkeeping; what is still "auto" falls to DeepSpeed's own defaults.
    """
    left_out = ("optimizer", "scheduler", "train_batch_size", "gradient_accumulation_steps", "gradient_clipping")
    kept = {name: copy.deepcopy(value) for name, value in config.items() if name not in left_out}
    kept["train_micro_batch_size_per_gpu"] = 1
    settled: dict[str, Any] = _without_auto(kept)
    settled.get("zero_optimization", {}).pop("offload_optimizer", None)
    return settled


def check_deepspeed_config(config: Mapping[str, Any] | None, phases: int, *, rates: bool = False) -> None:
    """Refuse an optimizer or schedule of DeepSpeed's own where each phase, or part of the student, needs another.

    Args:
        config: of DeepSpeed, if it runs.
        phases: how many there are.
        rates: whether parts of the student have learning rates of their own.

    Raises:
        ValueError: the configuration names an optimizer or a scheduler and there is more than one phase, or an
            optimizer beside rates of parts.
    """
    if rates and "optimizer" in (config or {}):
        raise ValueError(
            "expected a DeepSpeed configuration without `optimizer` with `learning_rate_factors`, got one with; "
            "because that optimizer has one learning rate; leave it out, so that the training arguments decide"
        )
    own = [name for name in ("optimizer", "scheduler") if name in (config or {})]
    if own and phases > 1:
        raise ValueError(
            f"expected a DeepSpeed configuration without {' and '.join(f'`{name}`' for name in own)} for {phases} "
            "phases, got one with; because its learning rate is fixed once and each phase has its own; leave it out, "
            "so that the training arguments decide, or train one phase at a time"
        )


def _stage(config: Mapping[str, Any] | None) -> int:
    return int((config or {}).get("zero_optimization", {}).get("stage", 0))


def _without_auto(value: Any) -> Any:  # noqa: ANN401 (any JSON value)
    if isinstance(value, dict):
        return {name: _without_auto(entry) for name, entry in value.items() if entry != "auto"}
    return value


__all__ = [
    "autocast_precision",
    "check_deepspeed_config",
    "check_distributed_teacher",
    "check_same_teacher",
    "inference_config",
    "place_teacher",
]
