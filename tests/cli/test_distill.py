"""Tests of `hf-tinybert distill`."""

import json
from pathlib import Path
from unittest.mock import Mock

import pytest
from transformers import AutoConfig

from hf_tinybert.workflow import distilling


def test_it_distils_and_shows_what_was_kept(distilled, tmp_path):
    """Prevents options that do not reach the run, or a table without its shares."""
    done = distilled(tmp_path / "out", "--test")
    assert done.exit_code == 0, done.output
    for word in ("teacher", "student", "kept", "validation accuracy", "test accuracy", "parameters"):
        assert word in done.output
    config = AutoConfig.from_pretrained(tmp_path / "out")
    assert (config.num_hidden_layers, config.hidden_size, config.intermediate_size) == (2, 16, 40)


def test_machines_get_json_and_nothing_else(distilled, tmp_path):
    """Prevents progress, tables or notices among the figures."""
    figures = json.loads(distilled(tmp_path / "out", "--json", "--phase", "prediction-layer").stdout)
    assert figures["settings"]["phases"] == ["prediction-layer"]
    assert figures["retention"]["validation"].keys() <= figures["scores"]["validation"]["student"].keys()


def test_a_finished_run_shows_its_table_again(student, distilled):
    """Prevents a second training where somebody only wants to see the figures."""
    before = Path(student, "model.safetensors").stat().st_mtime_ns
    done = distilled(student)
    assert done.exit_code == 0 and "finished before" in done.output
    assert Path(student, "model.safetensors").stat().st_mtime_ns == before


def test_variants_frozen_parts_and_learning_rates_are_asked_for_by_options(distilled, tmp_path, encoder):
    """Prevents options that do not reach the run."""
    words = ["--augment-words", f"vectors={encoder}", "--augment-words", "probability=0.3"]
    parts = ["--frozen", "word_embeddings", "--frozen", "encoder.layer.0", "--learning-rate-factor", "classifier=10"]
    done = distilled(tmp_path / "out", "--json", "--phase", "prediction-layer", "--augment", "replace", *words, *parts)
    assert done.exit_code == 0, done.output
    settings = json.loads(done.stdout)["settings"]
    assert settings["augment"] == "replace"
    assert settings["augment_words"] == {"vectors": encoder, "probability": 0.3}
    assert settings["frozen"] == ["word_embeddings", "encoder.layer.0"]
    assert settings["learning_rate_factors"] == {"classifier": 10.0}


def test_what_moves_and_a_probability_shift_come_from_options_and_recipes(distilled, run_cli, tmp_path, monkeypatch):
    """Prevents annealing on the command line that is refused or read otherwise than in a recipe."""
    done = distilled(
        *(tmp_path / "out", "--json", "--phase", "prediction-layer", "--temperature", "8,1", "--probability-shift"),
        *("--loss-weight", "label_loss=0,1"),
    )
    assert done.exit_code == 0, done.output
    settings = json.loads(done.stdout)["settings"]
    assert (settings["temperature"], settings["probability_shift"]) == ([8.0, 1.0], True)
    assert settings["loss_weights"] == {"label_loss": [0.0, 1.0]}
    again = run_cli("distill", tmp_path / "out" / "recipe.yaml")
    assert again.exit_code == 0 and "finished before" in again.output
    seen = Mock(side_effect=ValueError("expected nothing"))
    monkeypatch.setattr("hf_tinybert.workflow.distil", seen)
    recipe = tmp_path / "moving.yaml"
    recipe.write_text(
        "data: news.csv\nteacher: teacher\noutput: out\nprobability_shift: true\n"
        "temperature: {start: 8, end: 1, kind: cosine}\n"
    )
    run_cli("distill", recipe)
    settings = seen.call_args.args[0]
    assert settings.probability_shift and settings.temperature == {"start": 8, "end": 1, "kind": "cosine"}


def test_what_fails_after_the_training_is_a_failed_run(distilled, monkeypatch, tmp_path):
    """Prevents a script from correcting its options where the run failed after hours, between two bars."""
    monkeypatch.setattr(distilling, "save_figures", Mock(side_effect=ValueError("expected a figure")))
    done = distilled(tmp_path / "out", "--phase", "prediction-layer")
    assert done.exit_code == 1, done.output
    assert done.stderr.count("error:") == 1 and "expected a figure" in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        ["--phase", "last"],
        ["--loss-weight", "label_loss"],
        ["--loss-weight", "label_loss=much"],
        ["--temperature", "hot"],
        ["--temperature", "8,0"],
        ["--temperature", "8,4,1"],
        ["--probability-shift", "--phase", "intermediate-layer"],
        ["--start", "zeros"],
        ["--frozen", "embedings"],
        ["--learning-rate-factor", "head=10"],
        ["--layers", "9"],
        ["--task", "news"],
        ["--unlabeled", "nowhere.jsonl"],
        ["--augment", "both"],
        ["--augment", "join", "--augment-words", "size=3"],
        ["--teacher-weights", "1"],
        ["--teacher", "someone/other", "--teacher-weights", "1,much"],
    ],
    ids=" ".join,
)
def test_bad_input_is_one_message_and_exit_status_two(distilled, tmp_path, wrong):
    """Prevents a traceback, or an option that is ignored."""
    done = distilled(tmp_path / "out", *wrong)
    assert done.exit_code == 2, done.output
    assert done.stderr.count("error:") == 1


def test_the_recipe_of_a_run_is_the_same_run(run_cli, student):
    """Prevents a saved recipe that gives another run, which the folder refuses, and settings that nobody sees."""
    done = run_cli("distill", Path(student, "recipe.yaml"))
    assert done.exit_code == 0 and "finished before" in done.output
    assert "settings:" in done.output and "layers=2" in done.output


def test_several_teachers_come_from_options_and_recipes(run_cli, distilled, teacher, tmp_path, monkeypatch):
    """Prevents a second `--teacher` that replaces the first, or a recipe whose teachers are taken for one text."""
    seen = Mock(side_effect=ValueError("expected nothing"))
    monkeypatch.setattr("hf_tinybert.workflow.distil", seen)
    distilled(tmp_path / "out", "--teacher", "someone/other", "--teacher-weights", "1,0.5")
    settings = seen.call_args.args[0]
    assert (settings.teacher, settings.teacher_weights) == ((teacher, "someone/other"), (1.0, 0.5))
    recipe = tmp_path / "several.yaml"
    recipe.write_text("data: news.csv\noutput: out\nteacher: [one/a, two/b]\nteacher_weights: [1, 0.5]\n")
    run_cli("distill", recipe)
    settings = seen.call_args.args[0]
    assert (settings.teacher, settings.teacher_weights) == (("one/a", "two/b"), (1.0, 0.5))
    run_cli("distill", recipe, "--teacher", "three/c", "--teacher", "four/d")
    assert seen.call_args.args[0].teacher == ("three/c", "four/d")
    recipe.write_text("data: news.csv\noutput: out\nteacher: [one/a]\n")
    run_cli("distill", recipe)
    assert seen.call_args.args[0].teacher == "one/a" and "teacher_weights" not in seen.call_args.args[0].to_json()
    recipe.write_text("data: news.csv\noutput: out\n")
    assert "expected `teacher` in the recipe" in run_cli("distill", recipe).stderr
