"""Tests of the measurement of answering."""

import io
import json
import sys

import pytest
from rich.console import Console

from hf_tinybert import TinyBertForSequenceClassification
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.runtimes import (
    InferenceBenchmark,
    Runtime,
    answering_models,
    inference_benchmark,
    inference_picture,
    inference_tables,
    measure_inference,
)
from tests.runtimes.fake_process import BASELINE, FakeProcess

DISPLAY = ProgressDisplay(Console(quiet=True))


@pytest.fixture(autouse=True)
def fake_processes(monkeypatch):
    """Processes that answer at once, and what they were asked."""
    monkeypatch.setattr(FakeProcess, "log", [])
    monkeypatch.setattr(FakeProcess, "failing", "")
    monkeypatch.setattr(inference_benchmark, "AnsweringProcess", FakeProcess)
    missing = {Runtime.BF16: "this processor does not compute in bfloat16"}
    monkeypatch.setattr(inference_benchmark, "why_missing", missing.get)


def test_arms_take_turns_round_by_round_after_a_warm_up(build_settings):
    """Prevents other work on the machine from falling on one arm alone, and first forwards in the figures."""
    run = InferenceBenchmark(build_settings(batch_sizes=(3,), lengths=(9,)), file=None, display=DISPLAY).run()
    pair = ["student-fp32", "teacher-fp32"]
    measured = [entry for entry in FakeProcess.log if entry[2] == (3, 9)][2:]  # the first two open the models
    assert [(what, arm) for what, arm, _ in measured] == [
        *[("warm-up", arm) for arm in pair],
        *[("turn", arm) for arm in pair * 2],
    ]
    (case,) = run["cases"]
    assert case["summary"]["student fp32"]["times_teacher"] == {"median": 4.0, "min": 4.0, "max": 4.0}
    assert case["summary"]["student fp32"]["memory_bytes"] == 500
    assert run["arms"]["student fp32"]["baseline_bytes"] == BASELINE
    assert run["arms"]["student fp32"]["file_bytes"] > 10_000


def test_the_students_own_teacher_answers_beside_a_random_one(build_settings, monkeypatch, tiny_teacher_config):
    """Prevents a student that is told the multiples of its own teacher as those of BERT-base."""
    monkeypatch.setattr(answering_models, "BertConfig", lambda: tiny_teacher_config)  # in the place of BERT-base
    own = build_settings().teacher
    settings = build_settings(teacher=None, own_teacher=own, batch_sizes=(3,), lengths=(9,))
    run = InferenceBenchmark(settings, file=None, display=DISPLAY).run()
    assert {name: one["name"] for name, one in run["models"].items()} == {
        "student": "small",
        "teacher": "random weights",
        "own-teacher": "large",
    }
    assert list(run["cases"][0]["summary"]) == ["student fp32", "teacher fp32", "own-teacher fp32"]
    console = Console(file=io.StringIO(), width=200)
    console.print(inference_tables(run))
    assert "student fp32, 4.0 times, 1.0 times its own teacher" in console.file.getvalue()
    assert inference_picture(run).png().startswith(b"\x89PNG")


def test_an_interrupted_measurement_goes_on_and_a_finished_one_is_found(build_settings, tmp_path, monkeypatch):
    """Prevents minutes that are measured twice, and machine paths in results."""
    file = tmp_path / "results" / "infer_speed.json"
    settings = build_settings()
    run = InferenceBenchmark(settings, file=file, display=DISPLAY).run()
    assert [(case["batch_size"], case["length"]) for case in run["cases"]] == settings.cases
    kept = json.loads(file.read_text())
    assert str(tmp_path) not in file.read_text() and kept["runs"] == [json.loads(json.dumps(run))]
    del kept["runs"][0]["cases"][-1]
    file.write_text(json.dumps(kept))
    FakeProcess.log.clear()
    again = InferenceBenchmark(settings, file=file, display=DISPLAY).run()
    assert {shape for what, _, shape in FakeProcess.log if what == "turn"} == {(3, 9)}
    assert again == json.loads(json.dumps(run))
    FakeProcess.log.clear()
    InferenceBenchmark(settings, file=file, display=DISPLAY).run()
    assert FakeProcess.log == []
    InferenceBenchmark(build_settings(rounds=1), file=file, display=DISPLAY).run()
    assert len(json.loads(file.read_text())["runs"]) == 2


def test_a_student_of_another_shape_in_the_same_folder_is_refused(build_settings, tmp_path, tiny_student_config):
    """Prevents the figures of a student that is gone from being told of its successor in the same folder."""
    file, settings = tmp_path / "infer_speed.json", build_settings(batch_sizes=(1,), lengths=(4,))
    InferenceBenchmark(settings, file=file, display=DISPLAY).run()
    tiny_student_config.num_hidden_layers = 1
    TinyBertForSequenceClassification(tiny_student_config).save_pretrained(settings.student)
    with pytest.raises(ValueError, match=r"another student \(of [0-9,]+ parameters there\).* name another folder"):
        InferenceBenchmark(settings, file=file, display=DISPLAY).run()


def test_what_cannot_run_is_left_out_with_its_reason(build_settings, monkeypatch):
    """Prevents arms that are silently absent, and a measurement that is lost because one of them fails."""
    monkeypatch.setattr(FakeProcess, "failing", "torch.compile failed: no headers")
    settings = build_settings(runtimes=(Runtime.FP32, Runtime.BF16, Runtime.COMPILED))
    run = InferenceBenchmark(settings, file=None, display=DISPLAY).run()
    assert run["left_out"] == {
        "student bf16": "this processor does not compute in bfloat16",
        "student compiled": "torch.compile failed: no headers",
    }
    assert set(run["arms"]) == set(run["cases"][0]["summary"]) == {"student fp32", "teacher fp32"}


def test_a_student_without_a_runtime_is_refused(build_settings, monkeypatch):
    """Prevents a measurement of the teacher alone, also where it shows only when the model is opened."""
    monkeypatch.setattr(FakeProcess, "failing", "torch.compile failed: no headers")
    settings = build_settings(runtimes=(Runtime.COMPILED,))
    with pytest.raises(ValueError, match="no headers"):
        InferenceBenchmark(settings, file=None, display=DISPLAY).run()
    with pytest.raises(ValueError, match="does not compute in bfloat16"):
        InferenceBenchmark(build_settings(runtimes=(Runtime.BF16,)), file=None, display=DISPLAY)


def test_an_output_folder_has_figures_and_a_picture(build_settings, tmp_path, monkeypatch):
    """Prevents minutes of measuring before matplotlib is missed, and a picture of another measurement."""
    output = tmp_path / "speed"
    run = measure_inference(build_settings(), output, DISPLAY)
    assert json.loads((output / "infer_speed.json").read_text())["runs"] == [json.loads(json.dumps(run))]
    assert (output / "infer_speed.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    FakeProcess.log.clear()
    with pytest.raises(ModuleNotFoundError, match="matplotlib"):
        measure_inference(build_settings(), tmp_path / "other", DISPLAY)
    assert FakeProcess.log == []
    assert measure_inference(build_settings(), None, DISPLAY)["cases"]
