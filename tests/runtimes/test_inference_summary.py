"""Tests of what turns come to."""

import pytest
from rich.console import Console

from hf_tinybert.runtimes import inference_tables
from hf_tinybert.runtimes.answering_process import Turn
from hf_tinybert.runtimes.inference_summary import fastest_student, summarize_case

TURNS = {
    "student onnx": [Turn([1.0, 3.0], [1.0, 1.0], 900), Turn([4.0], [2.0], 950), Turn([1.0], [1.0], 800)],
    "student fp32": [Turn([5.0], [4.0], 700)] * 3,
    "teacher fp32": [Turn([20.0], [10.0], 2000), Turn([20.0], [10.0], 2000), Turn([30.0], [10.0], 2000)],
}
BASELINES = {"student onnx": 500, "student fp32": 600, "teacher fp32": 1000}


def test_figures_by_hand():
    """Prevents ratios of medians that no round had, latency of a text for that of a batch, memory of the libraries."""
    case = summarize_case(TURNS, 8, BASELINES)
    figures = case["summary"]["student onnx"]
    assert [one["student onnx"]["seconds"] for one in case["rounds"]] == [2.0, 4.0, 1.0]
    assert figures["sentences_per_second"] == 8 / 2.0
    assert figures["forwards"] == 4
    assert figures["p50_seconds"] == 2.0 and figures["p95_seconds"] == pytest.approx(3.85)  # of 1, 1, 3, 4
    assert figures["memory_bytes"] == 950 - 500
    assert figures["times_teacher"] == {"median": 10.0, "min": 5.0, "max": 30.0}
    assert figures["times_teacher_processor"] == {"median": 10.0, "min": 5.0, "max": 10.0}
    assert case["summary"]["teacher fp32"]["times_teacher"]["max"] == 1.0


def test_the_fastest_is_a_student():
    """Prevents a quick teacher from being praised as the student."""
    turns = {**TURNS, "teacher onnx": [Turn([0.1], [0.1], 900)] * 3}
    case = summarize_case(turns, 8, {**BASELINES, "teacher onnx": 0})
    assert fastest_student(case) == "student onnx"


def test_tables_show_every_arm_and_what_was_left_out():
    """Prevents a runtime that vanishes without a word, and figures cut off on a terminal of 80 columns."""
    run = {
        "settings": {"threads": 1, "rounds": 3},
        "machine": {"processor": "a processor", "instructions": "AVX2", "torch": "2.13.0"},
        "models": {name: {"name": "random weights", "parameters": 1_234_567} for name in ("student", "teacher")},
        "left_out": {
            "student bf16": "this processor does not compute in bfloat16",
            "student onnx-int8": 'pip install "hf-tinybert[onnx]"',  # no mark of colour
        },
        "arms": {arm: {"file_bytes": 4_900_000, "opening_seconds": 0.5} for arm in TURNS},
        "cases": [{"batch_size": 8, "length": 128, **summarize_case(TURNS, 8, BASELINES)}],
    }
    console = Console(record=True, width=80)
    console.print(inference_tables(run))
    shown = console.export_text()
    assert all(arm in shown for arm in TURNS) and "…" not in shown
    assert "10.0 (5.0-30.0)" in shown and "4.9" in shown and "random weights" in shown
    assert "not measured: student bf16: this processor does not compute in bfloat16" in shown
    assert 'not measured: student onnx-int8: pip install "hf-tinybert[onnx]"' in shown
    assert "fastest at batch 8, 128 tokens: student onnx, 10.0 times" in shown
