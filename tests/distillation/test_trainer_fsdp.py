"""FSDP2 in two gloo processes. Accelerate shards for devices only; the worker tells it that these are some."""

import pytest

from tests.distillation import training_worker as worker

TOGETHER = {"eval_strategy": "steps", "eval_steps": 2}
ALONE = {**TOGETHER, "gradient_accumulation_steps": 2}


@pytest.mark.slow
@pytest.mark.distributed
def test_fsdp2_trains_both_phases_as_one_process_and_resumes(tmp_path):
    """Prevents projections that cannot be saved, and a second phase whose optimizer holds tensors thrown away.

    One more run loads the best model at the end of each phase.
    """
    one, one_best = worker.start(
        tmp_path,
        [
            {"folder": str(tmp_path / "one"), "arguments": ALONE},
            {"folder": str(tmp_path / "one-best"), "arguments": {**ALONE, **worker.FIRST_IS_BEST}},
        ],
    )
    folder = tmp_path / "fsdp2"
    run = {"folder": str(folder), "setup": "fsdp2", "arguments": TOGETHER}
    again = {**run, "resume": str(folder / worker.FIRST / "checkpoint-4")}
    best = {**run, "folder": str(tmp_path / "best"), "arguments": {**TOGETHER, **worker.FIRST_IS_BEST}}
    whole, resumed, whole_best = worker.start(tmp_path, [run, again, best], processes=2)
    worker.check_close(whole, one)
    worker.check_same_end(resumed, whole)
    worker.check_close(whole_best, one_best)
    assert (folder / worker.FIRST / "checkpoint-4" / "pytorch_model_fsdp.bin").is_file()
