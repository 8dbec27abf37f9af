"""Tests of `hf-tinybert augment`."""

import json

import pytest


@pytest.fixture
def augmented(run_cli, news, encoder, tmp_path):
    """Augments the news by the embeddings of the encoder."""
    return lambda *more: run_cli(
        "augment", news, "--column", "text=body", "--output", tmp_path / "more.jsonl", "--vectors", encoder, *more
    )


def test_it_makes_rows_that_a_teacher_labels(augmented, run_cli, news, teacher, few_steps, tmp_path):
    """Prevents a file that `distill --unlabeled` does not read under the same columns."""
    done = augmented("--copies", "2")
    assert done.exit_code == 0, done.output
    for word in ("new rows", "words, no stop words", "of which have candidates", "seconds"):
        assert word in done.output
    more = ["--unlabeled", tmp_path / "more.jsonl", "--layers", "2", "--width", "16", "--heads", "4", "--units", "40"]
    done = run_cli(
        "distill", news, "--teacher", teacher, "--output", tmp_path / "student", *few_steps, "--no-report", *more
    )
    assert done.exit_code == 0, done.output


def test_machines_get_json_and_nothing_else(augmented, tmp_path):
    """Prevents options without effect."""
    words = tmp_path / "stop.txt"
    words.write_text("the a\n")
    options = ["--copies", "2", "--probability", "0.5", "--candidates", "4", "--keep-labels", "--train-rows", "20"]
    options += ["--language", "fr", "--stop-words", words, "--segmenter", "hf_tinybert.data.words:split_words"]
    done = augmented(*options, "--num-proc", "2", "--seed", "3", "--json")
    assert done.exit_code == 0, done.stderr
    figures = json.loads(done.stdout)
    wanted = {
        "copies": 2,
        "probability": 0.5,
        "candidates": 4,
        "keep_labels": True,
        "train_rows": 20,
        "language": "fr",
        "stop_words": str(words),
        "segmenter": "hf_tinybert.data.words:split_words",
        "num_proc": 2,
        "seed": 3,
    }
    assert {name: figures["settings"][name] for name in wanted} == wanted
    assert figures["rows"] == 20


@pytest.mark.parametrize(
    "wrong",
    [
        ["--no-beside-original"],
        ["--batch-size", "8"],
        ["--copies", "0"],
        ["--probability", "0"],
        ["--num-proc", "0"],
        ["--language", "klingon"],
        ["--segmenter", "nowhere:cut"],
        ["--stop-words", "nowhere.txt"],
        ["--masked-lm", "nowhere/nothing"],
        ["--vectors", "none"],
        ["--vectors", "nowhere.txt"],
        ["--column", "label"],
    ],
    ids=" ".join,
)
def test_bad_input_is_one_message_and_exit_status_two(augmented, tmp_path, wrong):
    """Prevents a traceback, or files that stay."""
    done = augmented(*wrong)
    assert done.exit_code == 2, done.output
    assert done.stderr.count("error:") == 1 and not list(tmp_path.iterdir())
