"""Two processes fine-tune and distil as one does: the same rows a step, one that scores and writes."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from tests.workflow import task_worker as worker

FEW = {"max_length": 32, "batch_size": 8, "epochs": 2, "kind": "text-classification"}
SMALL = {"layers": 2, "width": 16, "heads": 4, "units": 40, "preflight": False, "dropout": 0.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, encoder, data_of):
    """A teacher and three students, by one process and by two, without dropout."""
    folder = tmp_path_factory.mktemp("distributed")
    still = folder / "encoder"
    shutil.copytree(encoder, still)
    config = json.loads((still / "config.json").read_text())
    config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    (still / "config.json").write_text(json.dumps(config))
    data = {"data": data_of("text-classification"), **FEW}
    shared = {**data, "teacher": str(folder / "teacher-1"), **SMALL}
    runs = {
        "teacher": ("finetune", {**data, "model": str(still)}),
        "student": ("distil", shared),
        "labels": ("distil", {**shared, "learn_from": "labels"}),
        "several": (
            "distil_tasks",
            {
                "tasks": {
                    "topic": {"data": shared["data"], "teacher": shared["teacher"], "kind": FEW["kind"]},
                    "score": {"data": data_of("regression"), "kind": "regression"},
                },
                "shared": {
                    name: value
                    for name, value in {**FEW, **SMALL, "layer_mapping": "search"}.items()
                    if name != "kind"
                },
            },
        ),
    }
    for name, (verb, settings) in runs.items():
        for processes in (1, 2):
            worker.start(verb, settings, folder / f"{name}-{processes}", processes)
    return folder


@pytest.mark.distributed
@pytest.mark.parametrize("name", ["teacher", "student", "labels", "several"])
def test_two_processes_leave_the_model_of_one(folder, name):
    """Prevents a step of twice the rows, and several processes on processors that each train alone."""
    one, two = (load_file(folder / f"{name}-{processes}" / "model.safetensors") for processes in (1, 2))
    assert one.keys() == two.keys()
    worst = max(float((one[key].float() - two[key].float()).abs().max()) for key in one)
    assert worst < 2e-3, worst
    start = load_file(folder / "encoder" / "model.safetensors")
    if name == "teacher":
        moved = max(float((one[f"bert.{key}"] - start[key]).abs().max()) for key in start if f"bert.{key}" in one)
        assert moved > 5 * worst
    assert all(torch.isfinite(value).all() for value in two.values())


@pytest.mark.distributed
@pytest.mark.parametrize("name", ["teacher", "student", "labels", "several"])
def test_both_processes_tell_the_figures_of_the_folder(folder, name):
    """Prevents a process that ends before the folder is whole, or scores of a model that only it has."""
    first, second = (json.loads((folder / f"{name}-2.{rank}.json").read_text()) for rank in range(2))
    assert first == second == json.loads((folder / f"{name}-2" / "figures.json").read_text())
    alone = json.loads((folder / f"{name}-1.0.json").read_text())
    assert first.keys() == alone.keys() and len(first["epochs"]) == len(alone["epochs"]) == 2
    assert first["epochs"][-1]["loss"] == pytest.approx(alone["epochs"][-1]["loss"], rel=1e-2)
    assert not {".checkpoints", "training_args.bin"} & {file.name for file in (folder / f"{name}-2").iterdir()}
