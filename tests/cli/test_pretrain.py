"""Tests of `hf-tinybert pretrain`."""

import json
from unittest.mock import Mock

import pytest
from transformers import AutoConfig

from hf_tinybert.workflow import pretraining

SHAPE = ["--layers", "2", "--width", "16", "--heads", "4", "--units", "40", "--block-length", "16"]


@pytest.fixture(scope="module")
def texts(tmp_path_factory, sentences) -> str:
    """A file of rows with two columns of texts."""
    file = tmp_path_factory.mktemp("texts") / "rows.jsonl"
    rows = [{"title": first, "body": f"{first} {second}"} for first in sentences for second in sentences[:3]]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


@pytest.fixture
def pretrained(run_cli, encoder, texts):
    """Distils the encoder on the rows into a folder, in three steps."""
    return lambda folder, *more: run_cli(
        "pretrain",
        texts,
        "--output",
        folder,
        "--teacher",
        encoder,
        "--column",
        "body",
        *SHAPE,
        "--max-steps",
        "3",
        *more,
    )


def test_it_distils_and_shows_terms_and_cost(pretrained, tmp_path):
    """Prevents options that do not reach the run, or a table without its figures."""
    done = pretrained(tmp_path / "out", "--batch-size", "4")
    assert done.exit_code == 0, done.output
    for word in (
        "before",
        "after",
        "held-out hidden_states_loss",
        "held-out attention_scores_loss",
        "tokens seen",
        "192",  # 3 steps of 4 blocks of 16
        "tokens per second",
        "hours for 1,000,000,000 tokens",
        "modelled operations per token",
        "operations per second",
        "parameters",
    ):
        assert word in done.output
    config = AutoConfig.from_pretrained(tmp_path / "out")
    assert (config.num_hidden_layers, config.hidden_size, config.intermediate_size) == (2, 16, 40)


def test_machines_get_json_and_nothing_else(pretrained, tmp_path, texts):
    """Prevents progress, tables or notices among the figures, and options without effect."""
    options = [
        "--column",
        "title",
        "--epochs",
        "2",
        "--learning-rate",
        "5e-4",
        "--start",
        "random",
        "--loss-weight",
        "hidden_states_loss=2",
        "--masked-lm",
        "0.5",
        "--layer-mapping",
        "last",
        "--recipe",
        "tinybert",
        "--seed",
        "3",
        "--no-deduplicate",
        "--blocks",
        tmp_path / "blocks",
        "--num-proc",
        "2",
        "--json",
    ]
    done = pretrained(tmp_path / "out", *options)
    assert done.exit_code == 0, done.stderr
    settings = json.loads(done.stdout)["settings"]
    wanted = {
        "texts": [texts],
        "columns": ["body", "title"],
        "deduplicate": False,
        "block_length": 16,
        "epochs": 2.0,
        "max_steps": 3,
        "learning_rate": 5e-4,
        "start": "random",
        "loss_weights": {"hidden_states_loss": 2.0},
        "masked_lm": 0.5,
        "layer_mapping": "last",
        "recipe": "tinybert",
        "seed": 3,
    }
    assert {name: settings[name] for name in wanted} == wanted
    assert (tmp_path / "blocks" / "run.json").is_file()


def test_a_general_student_starts_a_task(pretrained, run_cli, news, teacher, few_steps, tmp_path):
    """Prevents a folder, one with a masked-LM head here, that `distill --start` does not read."""
    assert pretrained(tmp_path / "general", "--masked-lm", "1").exit_code == 0
    start = ["--start", tmp_path / "general", "--phase", "joint", "--no-report"]
    done = run_cli("distill", news, "--teacher", teacher, "--output", tmp_path / "out", *few_steps, *start)
    assert done.exit_code == 0, done.output
    assert AutoConfig.from_pretrained(tmp_path / "out").hidden_size == 16


def test_tasks_are_learned_beside_the_text_and_shown(pretrained, sentences, sentence_labels, tmp_path):
    """Prevents options of tasks that do not reach the run, and a table without them."""
    news = tmp_path / "news.jsonl"
    rows = [{"text": text, "label": label} for text, label in zip(sentences, sentence_labels, strict=True)]
    news.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = ["--masked-lm", "1", "--task", f"news={news}", "--task-kind", "news=text-classification"]
    done = pretrained(tmp_path / "out", *given, "--task-weight", "news=0.5", "--sampling", "temperature")
    assert done.exit_code == 0, done.output
    for word in ("held-out text_masked_lm_loss", "held-out news_accuracy", "steps of news"):
        assert word in done.output
    settings = json.loads((tmp_path / "out" / "figures.json").read_text())["settings"]
    assert settings["tasks"] == {"news": {"data": str(news), "kind": "text-classification", "weight": 0.5}}
    assert settings["sampling"] == "temperature"


def test_what_fails_after_the_training_is_a_failed_run(pretrained, monkeypatch, tmp_path):
    """Prevents a script from correcting its options where the run failed after hours, between two bars."""
    monkeypatch.setattr(pretraining, "save_figures", Mock(side_effect=ValueError("expected a figure")))
    done = pretrained(tmp_path / "out")
    assert done.exit_code == 1, done.output
    assert done.stderr.count("error:") == 1 and "expected a figure" in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        ["--column", "nowhere", "--column", "not here"],
        ["--block-length", "65"],
        ["--start", "zeros"],
        ["--loss-weight", "hidden_states_loss"],
        ["--loss-weight", "hidden_states_loss=much"],
        ["--layers", "9"],
        ["--masked-lm", "0"],
        ["--task", "news=bbc-news"],
        ["--masked-lm", "1", "--task-kind", "news=text-classification"],
        ["--masked-lm", "1", "--task", "news=nowhere.csv"],
        ["--masked-lm", "1", "--loss-weight", "prediction_kl_loss=1"],
        ["--teacher", "nowhere/nothing"],
    ],
    ids=" ".join,
)
def test_bad_input_is_one_message_and_exit_status_two(run_cli, encoder, texts, tmp_path, wrong):
    """Prevents a traceback, an option that is ignored, or a folder that stays."""
    done = run_cli("pretrain", texts, "--output", tmp_path / "out", "--teacher", encoder, *SHAPE, *wrong)
    assert done.exit_code == 2, done.output
    assert done.stderr.count("error:") == 1 and not (tmp_path / "out").exists()
