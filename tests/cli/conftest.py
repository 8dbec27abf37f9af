"""What the tests of the command line share."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer
from typer.testing import CliRunner

from hf_tinybert.cli import app

NAMES = ["business", "culture", "sport"]


@pytest.fixture(scope="session")
def run_cli():
    """Runs `hf-tinybert` with arguments, in this process."""
    return lambda *arguments, **options: CliRunner().invoke(app, [str(argument) for argument in arguments], **options)


@pytest.fixture(scope="session")
def news(tmp_path_factory, sentences, sentence_labels) -> str:
    """A folder of 48 training, 12 validation and 12 test sentences in three classes."""
    folder = tmp_path_factory.mktemp("news")
    rows = [
        {"body": " ".join(["the"] * copy + [sentence]), "label": NAMES[label]}
        for copy in range(3)
        for sentence, label in zip(sentences, sentence_labels, strict=True)
    ]
    for split, part in (("train", rows[:48]), ("validation", rows[48:60]), ("test", rows[60:])):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    return str(folder)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory, vocabulary) -> str:
    """A tiny BERT of 4 layers x 32 without a head, with its tokenizer."""
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = BertTokenizer(vocab=str(vocabulary), model_max_length=64)
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **shape)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def few_steps() -> list[str]:
    """Options of a short run on the news."""
    return ["--column", "text=body", "--max-length", "16", "--batch-size", "8", "--epochs", "1"]


@pytest.fixture(scope="session")
def teacher(tmp_path_factory, run_cli, news, encoder, few_steps) -> str:
    """The folder of a fine-tuned teacher."""
    folder = tmp_path_factory.mktemp("cli") / "teacher"
    done = run_cli("finetune", news, "--model", encoder, "--output", folder, *few_steps)
    assert done.exit_code == 0, done.output
    return str(folder)


@pytest.fixture(scope="session")
def distilled(run_cli, news, teacher, few_steps):
    """Distils the teacher into a folder, without its page unless `--report` is given."""
    shape = ["--layers", "2", "--width", "16", "--heads", "4", "--units", "40"]
    return lambda folder, *more: run_cli(
        "distill", news, "--teacher", teacher, "--output", folder, *few_steps, *shape, "--no-report", *more
    )


@pytest.fixture(scope="session")
def student(tmp_path_factory, distilled) -> str:
    """The folder of a student."""
    folder = tmp_path_factory.mktemp("cli") / "student"
    done = distilled(folder)
    assert done.exit_code == 0, done.output
    return str(folder)


@pytest.fixture(scope="session")
def first_of_many_answers(tmp_path_factory, student) -> subprocess.CompletedProcess:
    """What the installed command left when its reader had enough after the first of 20,000 answers."""
    command = Path(sys.executable).with_name("hf-tinybert")
    lines = tmp_path_factory.mktemp("cli") / "lines.txt"
    lines.write_text("the film is good\n" * 20000)
    pipe = f"{command} predict {student} {lines} | head -n 1"
    return subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, timeout=240, check=False)
