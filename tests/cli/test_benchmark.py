"""Tests of `hf-tinybert benchmark`."""

import json

import pytest
from transformers import BertForSequenceClassification

from hf_tinybert import TinyBertForSequenceClassification
from hf_tinybert.runtimes import answering_models, inference_benchmark
from tests.runtimes.fake_process import FakeProcess


def test_benchmark_train_measures_and_prints_a_table(
    run_cli, tmp_path, tokenizer, tiny_teacher_config, tiny_student_config
):
    """Prevents a verb whose options do not reach the measurement."""
    BertForSequenceClassification(tiny_teacher_config).save_pretrained(tmp_path / "teacher")
    TinyBertForSequenceClassification(tiny_student_config).save_pretrained(tmp_path / "student")
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    (tmp_path / "rows.csv").write_text("line\n" + "the film is good\n" * 4, encoding="utf-8")
    folders = [part for name in ("teacher", "student", "tokenizer") for part in (f"--{name}", tmp_path / name)]
    sizes = ["--max-length", 8, "--batch-size", 2, "--steps", 2, "--textbook-steps", 1, "--repeats", 1]
    data = ["--dataset", tmp_path / "rows.csv", "--text-column", "line", "--results", tmp_path / "speed.json"]
    done = run_cli("benchmark", "train", *data, *folders, *sizes, "--phase", "prediction-layer", "--arm", "engine")
    assert done.exit_code == 0, done.output
    assert "engine" in done.output and "prediction-layer" in done.output
    (run,) = json.loads((tmp_path / "speed.json").read_text())["runs"]
    assert run["settings"]["batch_size"] == 2 and run["settings"]["arms"] == ["engine"]


def test_benchmark_train_refuses_an_unknown_arm(run_cli):
    """Prevents a traceback for a typing mistake."""
    done = run_cli("benchmark", "train", "--dataset", "nowhere", "--arm", "turbo")
    assert done.exit_code == 2
    assert "Traceback" not in done.output


def test_benchmark_augment_measures_and_prints_a_table(run_cli, tmp_path):
    """Prevents a verb whose options do not reach the measurement."""
    sizes = ["--rows", 16, "--words-per-row", 6, "--vectors", 300, "--width", 4, "--repeats", 1, "--seed", 3]
    done = run_cli("benchmark", "augment", "--source", "vectors", *sizes, "--results", tmp_path / "speed.json")
    assert done.exit_code == 0, done.output
    assert "vectors" in done.output and "times faster" in done.output
    (run,) = json.loads((tmp_path / "speed.json").read_text())["runs"]
    again = ["--source", "vectors", *sizes, "--results", tmp_path / "speed.json", "--json"]
    assert json.loads(run_cli("benchmark", "augment", *again).stdout)["settings"] == run["settings"]
    wanted = {"rows": {"vectors": 16}, "words_per_row": 6, "vectors": 300, "width": 4, "repeats": 1, "seed": 3}
    assert {name: run["settings"][name] for name in wanted} == wanted


def test_benchmark_augment_refuses_an_unknown_source(run_cli):
    """Prevents a traceback for a typing mistake."""
    done = run_cli("benchmark", "augment", "--source", "dictionary")
    assert done.exit_code == 2 and "Traceback" not in done.output


@pytest.mark.parametrize(("source", "option"), [("vectors", "--masked-rows"), ("masked-lm", "--rows")])
def test_benchmark_augment_refuses_rows_of_a_source_that_is_not_measured(run_cli, source, option):
    """Prevents an option without effect."""
    done = run_cli("benchmark", "augment", "--source", source, option, 16)
    assert done.exit_code == 2 and f"with `{option}`, got {source} alone" in " ".join(done.output.split())


def test_benchmark_infer_measures_prints_and_draws(
    run_cli, tmp_path, monkeypatch, tiny_teacher_config, tiny_student_config
):
    """Prevents a verb whose options do not reach the measurement."""
    monkeypatch.setattr(inference_benchmark, "AnsweringProcess", FakeProcess)
    BertForSequenceClassification(tiny_teacher_config).save_pretrained(tmp_path / "teacher")
    TinyBertForSequenceClassification(tiny_student_config).save_pretrained(tmp_path / "student")
    models = [
        tmp_path / "student",
        "--teacher",
        tmp_path / "teacher",
        "--runtime",
        "fp32",
        "--teacher-runtime",
        "fp32",
    ]
    sizes = ["--batch-size", 2, "--length", 8, "--rounds", 1, "--turn-seconds", 0.25, "--threads", 3, "--seed", 4]
    done = run_cli("benchmark", "infer", *models, *sizes, "--output", tmp_path / "speed")
    assert done.exit_code == 0, done.output
    assert "student fp32, 4.0 times" in done.output
    (run,) = json.loads((tmp_path / "speed" / "infer_speed.json").read_text())["runs"]
    assert run["settings"] == {
        "student": "student",
        "teacher": "teacher",
        "task": None,
        "runtimes": ["fp32"],
        "teacher_runtimes": ["fp32"],
        "batch_sizes": [2],
        "lengths": [8],
        "rounds": 1,
        "turn_seconds": 0.25,
        "threads": 3,
        "seed": 4,
    }
    assert run["machine"]["torch_threads"] == 3
    assert (tmp_path / "speed" / "infer_speed.png").is_file()
    told = run_cli("benchmark", "infer", *models, *sizes, "--output", tmp_path / "speed", "--json")
    assert json.loads(told.stdout) == run


def test_benchmark_infer_finds_the_students_own_teacher(
    run_cli, tmp_path, monkeypatch, tiny_teacher_config, tiny_student_config
):
    """Prevents a speed beside a model that taught nothing, where the teacher lies beside its student."""
    monkeypatch.setattr(inference_benchmark, "AnsweringProcess", FakeProcess)
    monkeypatch.setattr(answering_models, "BertConfig", lambda: tiny_teacher_config)  # in the place of BERT-base
    student = tmp_path / "student"
    TinyBertForSequenceClassification(tiny_student_config).save_pretrained(student)
    BertForSequenceClassification(tiny_teacher_config).save_pretrained(tmp_path / "big")
    (student / "distillation.json").write_text(json.dumps({"teacher": "big"}))
    sizes = ["--runtime", "fp32", "--teacher-runtime", "fp32", "--batch-size", 2, "--length", 8, "--rounds", 1]
    arms = {}
    for option in ("--own-teacher", "--no-own-teacher"):
        output = tmp_path / option
        done = run_cli("benchmark", "infer", student, *sizes, "--turn-seconds", 0.25, option, "--output", output)
        assert done.exit_code == 0, done.output
        (run,) = json.loads((output / "infer_speed.json").read_text())["runs"]
        arms[option] = list(run["arms"])
    assert arms["--own-teacher"] == ["student fp32", "teacher fp32", "own-teacher fp32"]
    assert arms["--no-own-teacher"] == ["student fp32", "teacher fp32"]


def test_benchmark_infer_refuses_an_unknown_runtime(run_cli):
    """Prevents a traceback for a typing mistake."""
    done = run_cli("benchmark", "infer", "--runtime", "tflite")
    assert done.exit_code == 2 and "Traceback" not in done.output
