"""A process that was killed with SIGKILL and resumed ends with the weights of the one that was not, bit for bit."""

import shutil
import signal

import pytest
import torch

from hf_tinybert.distillation.checkpoints import last_whole_checkpoint
from tests.distillation import training_worker as worker

FIRST, SECOND = worker.FIRST, worker.SECOND
# 4 steps an epoch, checkpoints after 2, 4 and 5 (the end) of the first phase and 2 and 3 (the end) of the second
PLAIN = {"gradient_accumulation_steps": 2, "max_steps": 3}
BEST = {
    **PLAIN,
    "eval_strategy": "steps",
    "eval_steps": 2,
    "load_best_model_at_end": True,
    "metric_for_best_model": "loss",
    "greater_is_better": True,  # the loss falls, so the best checkpoint is an early one
    "save_total_limit": 1,  # the stock Trainer then deletes the last checkpoint of the phase
}
# name: arguments, where it dies, the checkpoint it must resume from
DEATHS = {
    "in-the-first-phase": (PLAIN, {"phase": FIRST, "step": 3}, f"{FIRST}/checkpoint-2"),
    "in-the-second-phase": (PLAIN, {"phase": SECOND, "step": 2}, f"{SECOND}/checkpoint-2"),
    "before-any-checkpoint-of-the-second-phase": (PLAIN, {"phase": SECOND, "step": 1}, f"{FIRST}/checkpoint-5"),
    "between-the-phases": (PLAIN, {"phase": FIRST}, f"{FIRST}/checkpoint-5"),
    "after-the-last-phase": (PLAIN, {"phase": SECOND}, f"{SECOND}/checkpoint-3"),
    **{
        f"writing-{file}": (PLAIN, {"phase": FIRST, "step": 4, "file": file}, f"{FIRST}/checkpoint-2")
        for file in worker.CHECKPOINT_FILES
    },
    "writing-the-first-checkpoint-of-the-second-phase": (
        PLAIN, {"phase": SECOND, "step": 2, "file": "optimizer.pt"}, f"{FIRST}/checkpoint-5",
    ),
    "deleting-an-old-checkpoint": (
        {**PLAIN, "save_total_limit": 1}, {"phase": FIRST, "rotation": True}, f"{FIRST}/checkpoint-4",
    ),
    "between-the-phases-with-the-best-weights": (BEST, {"phase": FIRST}, f"{FIRST}/checkpoint-2"),
    "in-the-second-phase-with-the-best-weights": (BEST, {"phase": SECOND, "step": 1}, f"{FIRST}/checkpoint-2"),
}  # fmt: skip


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """What the straight runs and every killed and resumed run left."""
    folder = tmp_path_factory.mktemp("killed")
    straight = [_run(folder, "straight", PLAIN), _run(folder, "straight-best", BEST)]
    pairs = []
    for name, (arguments, kill, _) in DEATHS.items():
        pairs += [_run(folder, name, arguments, kill=kill), _run(folder, name, arguments, resume=True)]
    left = worker.start(folder, [*straight, *pairs])
    names = [name for name in DEATHS for _ in range(2)]
    ends = {"straight": left[0], "straight-best": left[1]}
    for name, end in zip(names, left[2:], strict=True):
        ends.setdefault(name, []).append(end)
    return folder, ends


def _run(folder, name, arguments, **more):
    return {"folder": str(folder / name), "arguments": arguments, "dropout": 0.1, **more}


@pytest.mark.slow
@pytest.mark.parametrize("name", DEATHS)
def test_a_killed_and_resumed_run_ends_as_the_straight_one(ends, name):
    """Prevents torn checkpoints from being read, repeated or added steps, and lost state of any kind."""
    arguments, _, resumed_from = DEATHS[name]
    killed, resumed = ends[1][name]
    straight = ends[1]["straight-best" if arguments is BEST else "straight"]
    assert killed == signal.SIGKILL
    assert set(resumed["weights"]) == set(straight["weights"])
    different = [
        weight for weight, value in straight["weights"].items() if not torch.equal(resumed["weights"][weight], value)
    ]
    assert different == []
    phase, step = resumed_from.split("/checkpoint-")
    after = [
        log for log in straight["history"] if (log["phase"], log["step"]) > (phase, int(step)) and "grad_norm" in log
    ]
    assert [log for log in resumed["history"] if "grad_norm" in log] == after


@pytest.mark.slow
def test_a_checkpoint_that_is_written_again_is_not_whole_until_it_is_finished(ends, tmp_path):
    """Prevents weights of a second try beside the moments of the first, where both are whole files."""
    folder = tmp_path / "again"
    shutil.copytree(ends[0] / "straight", folder)
    shutil.rmtree(folder / SECOND)
    shutil.rmtree(folder / FIRST / "checkpoint-5")
    arguments = {**PLAIN, "intermediate_learning_rate": 1e-3}
    kill = {"phase": FIRST, "step": 4, "file": "training_args.bin"}
    resume = str(folder / FIRST / "checkpoint-2")
    run = {"folder": str(folder), "arguments": arguments, "dropout": 0.1, "kill": kill, "resume": resume}
    assert worker.start(tmp_path, [run]) == [signal.SIGKILL]
    assert (folder / FIRST / "checkpoint-4" / "optimizer.pt").is_file()
    assert last_whole_checkpoint(folder / FIRST) == folder / FIRST / "checkpoint-2"
