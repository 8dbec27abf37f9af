"""Two processes (DDP) train, log and resume as one process that accumulates over two batches."""

import pytest
import torch

from tests.distillation import training_worker as worker

TOGETHER = {"eval_strategy": "steps", "eval_steps": 2}
PARTS = {
    "frozen": ["word_embeddings", "encoder.layer.0"],
    "learning_rate_factors": {"classifier": 3.0, "layer.1": 0.5},
}
ALONE = {**TOGETHER, "gradient_accumulation_steps": 2}


@pytest.mark.distributed
def test_two_processes_train_both_phases_as_one_that_accumulates(tmp_path):
    """Prevents gradients that are not averaged, unused parameters that stop a phase, and a second phase unwrapped.

    Rows are grouped by length; once layers are recomputed in the backward pass; once a run is resumed in each phase.
    Rows to evaluate on fill no last batch: those that are there twice, for both processes to have as many, count once.
    """
    (one,) = worker.start(tmp_path, [{"folder": str(tmp_path / "one"), "arguments": ALONE}])
    folder = tmp_path / "two"
    two = {"folder": str(folder), "arguments": TOGETHER}
    recomputing = {"folder": str(tmp_path / "three"), "arguments": {**TOGETHER, "activation_checkpointing": True}}
    first = {**two, "resume": str(folder / worker.FIRST / "checkpoint-4")}
    second = {**two, "resume": str(folder / worker.SECOND / "checkpoint-2")}
    whole, recomputed, *resumed = worker.start(tmp_path, [two, recomputing, first, second], processes=2)
    worker.check_close(whole, one)
    worker.check_close(recomputed, one)
    for end in resumed:
        worker.check_same_end(end, whole)
    checkpoints = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/checkpoint-*"))
    steps = {worker.FIRST: (2, 4, 5), worker.SECOND: (2, 4)}
    assert checkpoints == [f"{phase}/checkpoint-{step}" for phase, numbers in steps.items() for step in numbers]


@pytest.mark.distributed
def test_two_processes_with_a_cache_an_adapter_two_teachers_frozen_parts_or_another_variant_are_as_one(
    tmp_path,
):
    """Prevents rows that meet the teacher's outputs of others, and a best model that one process alone loads."""
    variants = {
        "cached": lambda count: {"arguments": {"teacher_cache_dir": str(tmp_path / f"cache-{count}")}},
        "learned": lambda count: {"arguments": {"layer_mapping": "attention"}},
        "adapter": lambda count: {"adapter": True},
        "joined": lambda count: {"joined": True},
        "parts": lambda count: {"arguments": PARTS},
        "best": lambda count: {"arguments": worker.FIRST_IS_BEST},
    }
    ends = {}
    for count, arguments in ((1, ALONE), (2, TOGETHER)):
        runs = [
            {
                "folder": str(tmp_path / f"{name}-{count}"),
                **variant(count),
                "arguments": {**arguments, **variant(count).get("arguments", {})},
            }
            for name, variant in variants.items()
        ]
        ends[count] = worker.start(tmp_path, runs, processes=None if count == 1 else count)
    for one, two in zip(ends[1], ends[2], strict=True):
        worker.check_close(two, one)
    taught = [[log["prediction_loss"] for log in end["history"] if "prediction_loss" in log] for end in ends[2]]
    assert taught[3] != pytest.approx(taught[0], rel=1e-3)  # the second teacher has its say
    words = "bert.embeddings.word_embeddings.weight"
    assert torch.equal(ends[2][4]["weights"][words], worker.models()[0].state_dict()[words])
    assert ends[2][-1]["best"].endswith(f"{worker.SECOND}/checkpoint-2")
