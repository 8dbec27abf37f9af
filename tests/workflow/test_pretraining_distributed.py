"""Two processes distil raw text as one does: packed once, every block once a pass, also after a kill."""

import json

import pytest
import torch
from safetensors.torch import load_file

from tests.workflow import pretraining_worker as worker

BATCH, LENGTH = 8, 16


@pytest.fixture(scope="module")
def left(tmp_path_factory, sentences, encoder):
    """What one process, two, two killed and started again, and one and two with masked LM left: by folder."""
    folder = tmp_path_factory.mktemp("distributed")
    file = folder / "texts.txt"
    documents = [
        " ".join(["the"] * (index // 24) + sentences[index % 24 : index % 24 + 1 + index % 4]) for index in range(80)
    ]
    file.write_text("\n\n".join(documents), encoding="utf-8")
    settings = {"texts": [str(file)], "teacher": encoder, "block_length": LENGTH, "batch_size": BATCH, "epochs": 2.0}
    settings |= {"layers": 2, "width": 16, "heads": 4, "units": 40, "held_out_blocks": 4, "checkpoint_steps": 3}
    settings |= {"preflight": False}
    masked = {**settings, "masked_lm": 1.0, "max_steps": 3, "start": "random"}
    outputs = {name: str(folder / name) for name in ("one", "two", "killed", "masked one", "masked two")}
    groups = [
        {"settings": settings, "output": outputs["one"], "processes": 1},
        {"settings": settings, "output": outputs["two"]},
        {"settings": settings, "output": outputs["killed"], "killed_at": 5},
        {"settings": masked, "output": outputs["masked one"], "processes": 1},
        {"settings": masked, "output": outputs["masked two"]},
    ]
    _start(folder, groups)
    first = {rank: json.loads((folder / f"killed.{rank}.json").read_text()) for rank in range(2)}
    _start(folder, [{"settings": settings, "output": outputs["killed"]}])
    told = {
        **{
            name: [
                json.loads((folder / f"{name}.{rank}.json").read_text())
                for rank in range(1 if name.endswith("one") else 2)
            ]
            for name in outputs
        },
        "before the kill": list(first.values()),
    }
    return folder, told


def _start(folder, groups):
    for group in groups:
        worker.start(worker.Group(**group), folder / "processes.log")


def together(processes):
    """The blocks of every step, of all processes."""
    shares = zip(*(one["steps"] for one in processes), strict=True)
    return [sorted(tuple(block) for share in step for block in share) for step in shares]


@pytest.mark.distributed
def test_two_processes_share_the_steps_of_one(left):
    """Prevents a corpus packed twice, blocks that come twice or never, and a process that ends before the first."""
    folder, told = left
    one, (first, second) = told["one"][0], told["two"]
    assert (first["packed"], second["packed"]) == (True, False)
    assert all(len(share) == BATCH // 2 for process in (first, second) for share in process["steps"])
    steps = together(told["two"])
    assert steps == together(told["one"])
    passes = [
        sorted(block for step in part for block in step)
        for part in (steps[: len(steps) // 2], steps[len(steps) // 2 :])
    ]
    assert passes[0] == passes[1] and len(passes[0]) == first["figures"]["blocks"]
    for name in ("steps", "tokens_seen", "tokens", "blocks"):
        assert first["figures"][name] == one["figures"][name], name
    assert (one["figures"]["processes"], first["figures"]["processes"]) == (1, 2)
    for when in ("before", "after"):
        assert first["figures"]["held_out"][when] == pytest.approx(one["figures"]["held_out"][when], rel=1e-3)
    assert json.loads((folder / "two" / "figures.json").read_text()) == first["figures"] == second["figures"]
    assert not {".checkpoints", ".blocks", "training_args.bin"} & {file.name for file in (folder / "two").iterdir()}


@pytest.mark.distributed
def test_two_processes_hide_the_words_that_one_hides(left):
    """Prevents masks that depend on who draws them, and a mean over the hidden words that two processes take apart."""
    folder, told = left
    assert together(told["masked two"]) == together(told["masked one"])
    (one, *_), (two, *_) = told["masked one"], told["masked two"]
    mask = 4
    assert any(mask in block for step in one["steps"] for block in step)
    for when in ("before", "after"):
        assert two["figures"]["held_out"][when] == pytest.approx(one["figures"]["held_out"][when], rel=1e-4)
    whole, shared = (load_file(folder / name / "model.safetensors") for name in ("masked one", "masked two"))
    assert whole.keys() == shared.keys()
    for name, weight in whole.items():
        assert torch.allclose(weight, shared[name], rtol=1e-3, atol=2e-5), name


@pytest.mark.distributed
def test_killed_in_the_middle_of_a_pass_two_processes_go_on_to_the_same_student(left):
    """Prevents a resumed run of several processes that starts its pass anew, skips a block, or ends elsewhere."""
    folder, told = left
    assert [len(process["steps"]) for process in told["before the kill"]] == [5, 5]
    # two steps after the checkpoint of step 3 are trained again
    steps = together(told["before the kill"])[:3] + together(told["killed"])
    assert steps == together(told["two"])
    whole, resumed = (load_file(folder / name / "model.safetensors") for name in ("two", "killed"))
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []
    assert whole.keys() == resumed.keys()
    assert told["killed"][0]["figures"]["held_out"] == told["two"][0]["figures"]["held_out"]
