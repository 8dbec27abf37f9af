"""What the tests of reports share: a teacher, its student and their data, in folders as a distillation leaves them."""

import io
import json
import shutil
from pathlib import Path

import pytest
import torch
from rich.console import Console
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification
from hf_tinybert.progress import ProgressDisplay

LABELS = ["business", "<b>culture</b>", "sport"]
TRAP = "<script>document.title = 'stolen'</script> the film is slow"
TERMS = {"hidden_states_loss": 0.5, "prediction_loss": 1.0}


@pytest.fixture
def display() -> ProgressDisplay:
    """Shows nothing."""
    return ProgressDisplay(Console(file=io.StringIO()))


@pytest.fixture(scope="session")
def tokenizer_of(vocabulary):
    """A new tokenizer on the vocabulary, at each call."""
    return lambda: BertTokenizer(vocab=str(vocabulary), model_max_length=64)


@pytest.fixture(scope="session")
def data(tmp_path_factory, sentences, sentence_labels) -> str:
    """A folder of 24 training and 13 validation rows; one text of them is a script, one label is in bold."""
    folder = tmp_path_factory.mktemp("data")
    rows = [{"text": text, "label": LABELS[label]} for text, label in zip(sentences, sentence_labels, strict=True)]
    validation = [{**row, "text": f"the {row['text']}"} for row in rows[:12]]
    for split, own in (("train", rows), ("validation", [*validation, {"text": TRAP, "label": LABELS[1]}])):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own), encoding="utf-8")
    return str(folder)


@pytest.fixture(scope="session")
def models(tmp_path_factory, tokenizer_of, data) -> Path:
    """Folders `teacher` (4 layers x 32) and `student` (2 x 16), random but fixed, that answer differently."""
    folder = tmp_path_factory.mktemp("models")
    for name, model_class, config_class, width, layers in (
        ("teacher", BertForSequenceClassification, BertConfig, 32, 4),
        ("student", TinyBertForSequenceClassification, TinyBertConfig, 16, 2),
    ):
        torch.manual_seed(layers)
        config = config_class(
            hidden_size=width,
            num_hidden_layers=layers,
            intermediate_size=2 * width,
            num_attention_heads=4,
            vocab_size=len(tokenizer_of()),
            max_position_embeddings=64,
            initializer_range=0.5,  # so that the rows get different answers
            id2label=dict(enumerate(LABELS)),
            label2id={label: index for index, label in enumerate(LABELS)},
        )
        model_class(config).save_pretrained(folder / name)
        tokenizer_of().save_pretrained(folder / name)
        task = {"kind": "text-classification", "labels": LABELS, "max_length": 32}
        (folder / name / "task.json").write_text(json.dumps(task))
    for file, content in (("distillation", _record()), ("figures", _figures(data, folder / "teacher"))):
        (folder / "student" / f"{file}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def student(models, tmp_path) -> Path:
    """A copy of the student's folder."""
    return Path(shutil.copytree(models / "student", tmp_path / "student"))


def _record() -> dict:
    return {
        "teacher": "teacher",
        "teacher_class": "BertForSequenceClassification",
        "teacher_sha256": "ab" * 32,
        "layer_mapping": [0, 2, 4],
        "recipe": "tinybert-joint",
        "phases": ["joint"],
        "global_step": 6,
        "loss_weights": dict.fromkeys(TERMS, 1.0),
        "metrics": TERMS,
        "seed": 0,
        "versions": {"hf_tinybert": "0.1.0"},
    }


def _figures(data: str, teacher: Path) -> dict:
    evaluation = [{"epoch": 1.0, **TERMS}, {"epoch": 2.0, **{name: value / 2 for name, value in TERMS.items()}}]
    return {
        "teacher": "teacher",
        "kind": "text-classification",
        "main_metric": "accuracy",
        "labels": LABELS,
        "rows": {"train": 24, "validation": 13},
        "scores": {"validation": {"student": {"accuracy": 0.75}, "teacher": {"accuracy": 0.8}}},
        "retention": {"validation": {"accuracy": 0.9375}},
        "epochs": [{"accuracy": 0.5, "epoch": 1.0}, {"accuracy": 0.75, "epoch": 2.0}],
        "curves": {"joint": {"training": [{"epoch": 0.5, **TERMS}], "evaluation": evaluation}},
        "parameters": {"student": 7027, "teacher": 38787},
        "megabytes": {"student": 0.1, "teacher": 0.2},
        "seconds": {"joint": 0.8, "total": 2.3},
        "settings": {"data": data, "teacher": str(teacher), "seed": 0},
    }
