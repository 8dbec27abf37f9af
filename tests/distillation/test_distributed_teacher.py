"""What is refused, and the configuration; ZeRO-3 itself runs in `test_trainer_deepspeed.py`."""

import copy

import pytest
from accelerate import Accelerator

from hf_tinybert.distillation.distributed_teacher import (
    check_deepspeed_config,
    check_distributed_teacher,
    check_same_teacher,
    inference_config,
    place_teacher,
)

ZERO_2, ZERO_3 = ({"zero_optimization": {"stage": stage}} for stage in (2, 3))


def _partition(model, count=None):
    for number, parameter in enumerate(list(model.parameters())[:count]):
        parameter.ds_id = number  # what `deepspeed.zero.Init` leaves on each
    return model


@pytest.mark.parametrize("config", [None, ZERO_2, ZERO_3])
def test_a_whole_teacher_is_right_everywhere(build_student, build_teacher, config):
    """Prevents a refusal of what works: a small teacher is copied to each process, also under ZeRO-3."""
    check_distributed_teacher(build_student(), build_teacher(), config)


def test_a_teacher_partitioned_as_a_whole_is_right_under_zero_3(build_student, build_teacher):
    """Prevents a refusal of a large teacher that was loaded under ZeRO-3."""
    check_distributed_teacher(build_student(), _partition(build_teacher()), ZERO_3)


@pytest.mark.parametrize(("config", "said"), [(None, "no DeepSpeed"), (ZERO_2, "ZeRO stage 2")])
def test_a_partitioned_teacher_without_zero_3_is_refused(build_student, build_teacher, config, said):
    """Prevents a forward through empty weights, or a crash in the first step that names neither."""
    with pytest.raises(ValueError, match=f"expected a whole teacher under {said}, got one that .* has partitioned"):
        check_distributed_teacher(build_student(), _partition(build_teacher()), config)


def test_a_teacher_partitioned_in_part_is_refused_under_zero_3(build_student, build_teacher):
    """Prevents an adapter added after loading from standing whole beside empty weights."""
    teacher = _partition(build_teacher(), count=3)
    with pytest.raises(ValueError, match=r"as a whole or not at all, got 3 of \d+ parameters partitioned"):
        check_distributed_teacher(build_student(), teacher, ZERO_3)


def test_a_teacher_that_shares_parameters_with_the_student_is_refused(build_student):
    """Prevents a frozen student: all its losses fall to zero because it imitates itself."""
    student = build_student()
    with pytest.raises(ValueError, match="expected a student and a teacher with parameters of their own"):
        check_distributed_teacher(student, student, None)
    check_distributed_teacher(student, copy.deepcopy(student), None)


def test_a_teacher_without_weights_on_this_process_is_refused(build_student, build_teacher):
    """Prevents the memory-saving load of FSDP, which is on by default, from leaving a teacher empty on most GPUs."""
    with pytest.raises(ValueError, match="set `fsdp_cpu_ram_efficient_loading: false`"):
        check_distributed_teacher(build_student(), build_teacher().to("meta"), None)


def test_teachers_that_differ_between_processes_are_refused(monkeypatch):
    """Prevents each process from imitating a random teacher of its own."""
    check_same_teacher("a")
    monkeypatch.setattr("hf_tinybert.distillation.distributed_teacher.gather_object", lambda own: [*own, "b"])
    with pytest.raises(ValueError, match="expected the same teacher on all 2 processes, got 2 different ones"):
        check_same_teacher("a")


def test_the_teacher_engine_has_no_optimizer_and_nothing_unsettled():
    """Prevents moments for weights that never move, and an "auto" that DeepSpeed cannot read."""
    config = {
        "optimizer": {"type": "AdamW"},
        "scheduler": {"type": "WarmupLR"},
        "train_batch_size": 64,
        "train_micro_batch_size_per_gpu": 16,
        "gradient_accumulation_steps": 4,
        "gradient_clipping": "auto",
        "bf16": {"enabled": True},
        "zero_optimization": {
            "stage": 3,
            "stage3_prefetch_bucket_size": "auto",
            "offload_optimizer": {"device": "cpu"},
            "offload_param": {"device": "cpu"},
        },
    }
    before = copy.deepcopy(config)
    assert inference_config(config) == {
        "train_micro_batch_size_per_gpu": 1,
        "bf16": {"enabled": True},
        "zero_optimization": {"stage": 3, "offload_param": {"device": "cpu"}},
    }
    assert config == before


def test_an_optimizer_of_deepspeed_is_refused_with_two_phases():
    """Prevents the first phase from being trained with the learning rate of the second."""
    check_deepspeed_config(None, 2)
    check_deepspeed_config(ZERO_3, 2)
    check_deepspeed_config({**ZERO_3, "optimizer": {}}, 1)
    check_deepspeed_config(ZERO_3, 2, rates=True)
    with pytest.raises(ValueError, match="without `optimizer` with `learning_rate_factors`"):
        check_deepspeed_config({**ZERO_3, "optimizer": {}}, 1, rates=True)
    with pytest.raises(ValueError, match=r"without `optimizer` and `scheduler` for 2 phases, got one with"):
        check_deepspeed_config({**ZERO_3, "optimizer": {}, "scheduler": {}}, 2)


def test_a_whole_teacher_is_placed_as_it_is(build_teacher):
    """Prevents a wrapper, such as DDP, around a model that has no gradients to reduce."""
    teacher = build_teacher()
    assert place_teacher(teacher, Accelerator(cpu=True)) is teacher


def test_the_accelerator_knows_the_teacher(build_teacher):
    """Prevents processes that train apart: evaluated first, a student would count as prepared and get no DDP."""
    accelerator = Accelerator(cpu=True)
    teacher = place_teacher(build_teacher(), accelerator)
    assert accelerator._models == [teacher]
