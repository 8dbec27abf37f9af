"""ZeRO-2 and ZeRO-3 in two gloo processes train, resume and export as one process does."""

import pytest
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from hf_tinybert.distillation.projections import PROJECTIONS_FILE
from tests.distillation import training_worker as worker

TOGETHER = {"eval_strategy": "steps", "eval_steps": 2}
ALONE = {**TOGETHER, "gradient_accumulation_steps": 2}


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """One process; ZeRO-2 and -3 with models from memory, ZeRO-3 with both from folders; each resumed in a phase.

    Then one process, ZeRO-2 and ZeRO-3 that load the best model at the end of a phase, and one process and ZeRO-3 from
    folders in bf16, and with two teachers.
    """
    folder = tmp_path_factory.mktemp("zero")
    student, teacher = worker.models()
    student.save_pretrained(folder / "models/student")
    teacher.save_pretrained(folder / "models/teacher")
    worker.other_teacher(worker.Run("")).save_pretrained(folder / "models/other")
    one, best, half, joined = worker.start(
        folder,
        [
            {"folder": str(folder / "one"), "arguments": ALONE},
            {"folder": str(folder / "best"), "arguments": {**ALONE, **worker.FIRST_IS_BEST}},
            {"folder": str(folder / "half"), "arguments": {**ALONE, "bf16": True}},
            {"folder": str(folder / "joined"), "joined": True, "arguments": ALONE},
        ],
    )
    runs = []
    for name, setup, models, checkpoint in (
        ("zero2", "zero2", None, f"{worker.SECOND}/checkpoint-2"),
        ("zero3", "zero3", None, f"{worker.FIRST}/checkpoint-5"),
        ("zero3-folders", "zero3", str(folder / "models"), f"{worker.FIRST}/checkpoint-2"),
    ):
        run = {"folder": str(folder / name), "setup": setup, "models": models, "arguments": TOGETHER}
        runs += [run, {**run, "resume": str(folder / name / checkpoint)}]
    for setup in ("zero2", "zero3"):
        arguments = {**TOGETHER, **worker.FIRST_IS_BEST}
        runs.append({"folder": str(folder / f"best-{setup}"), "setup": setup, "arguments": arguments})
    models = str(folder / "models")
    arguments = {**TOGETHER, "bf16": True}
    runs.append({"folder": str(folder / "half-zero3"), "setup": "zero3", "models": models, "arguments": arguments})
    runs.append({"folder": str(folder / "joined-zero3"), "setup": "zero3", "models": models, "joined": True})
    runs[-1]["arguments"] = TOGETHER
    left = worker.start(folder, runs, processes=2)
    together = {"zero2": left[:2], "zero3": left[2:4], "zero3-folders": left[4:6], "best": [best, *left[6:8]]}
    together["half"], together["joined"] = [half, left[8]], [joined, left[9]]
    return folder, one, together


@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.parametrize("name", ["zero2", "zero3", "zero3-folders"])
def test_two_processes_train_both_phases_as_one_and_resume(ends, name):
    """Prevents a phase that starts from a stale engine, gradients scaled twice, and lost moments or projections."""
    folder, one, together = ends
    whole, resumed = together[name]
    worker.check_close(whole, one)
    worker.check_same_end(resumed, whole)
    projections = load_file(folder / name / worker.FIRST / "checkpoint-4" / PROJECTIONS_FILE)
    expected = load_file(folder / "one" / worker.FIRST / "checkpoint-4" / PROJECTIONS_FILE)
    assert {key: value.shape for key, value in projections.items()} == {
        key: value.shape for key, value in expected.items()
    }


@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.parametrize(("name", "sharded"), [("zero2", False), ("zero3", False), ("zero3-folders", True)])
def test_models_loaded_by_name_are_sharded_and_the_teacher_is_known_by_the_same_hash(ends, name, sharded):
    """Prevents a hash of empty tensors, by which a cache would take every teacher for the same one."""
    _, one, together = ends
    assert together[name][0]["sharded"] == (sharded, sharded)
    assert together[name][0]["teacher_sha256"] == one["teacher_sha256"]


@pytest.mark.slow
@pytest.mark.distributed
@pytest.mark.parametrize("name", ["zero2", "zero3", "zero3-folders"])
def test_the_export_holds_the_student_alone_and_loads(ends, name):
    """Prevents projections or empty tensors in what is published."""
    folder, _, together = ends
    assert not [key for key in together[name][0]["exported"] if "projection" in key]
    student, info = AutoModelForSequenceClassification.from_pretrained(
        folder / name / "export", output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert all(parameter.numel() for parameter in student.parameters())


@pytest.mark.slow
@pytest.mark.distributed
def test_the_best_model_of_each_phase_is_loaded(ends):
    """Prevents a phase that goes on from its last weights, or from projections that do not belong to the best."""
    one, *sharded = ends[2]["best"]
    for end in sharded:
        worker.check_close(end, one)
        assert end["best"].endswith(f"{worker.SECOND}/checkpoint-2")


@pytest.mark.slow
@pytest.mark.distributed
def test_models_loaded_by_name_train_in_bf16(ends):
    """Prevents a student sharded in bf16 whose projections, made later, are of another type: ZeRO-3 takes one only."""
    one, sharded = ends[2]["half"]
    assert len(sharded["history"]) == len(one["history"])
    for got, expected in zip(sharded["history"], one["history"], strict=True):
        if "loss" in expected:
            assert got["loss"] == pytest.approx(expected["loss"], rel=2e-2)


@pytest.mark.slow
@pytest.mark.distributed
def test_two_sharded_teachers_teach_as_one_process_has_them(ends):
    """Prevents a second teacher that nothing gathers before its forward, or whose hash is that of empty tensors."""
    alone, sharded = ends[2]["joined"]
    worker.check_close(sharded, alone)
    assert sharded["sharded"] == (True, True) and sharded["teacher_sha256"] == alone["teacher_sha256"]
