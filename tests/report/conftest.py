"""What the tests of reports share: a teacher, its student and their data, in folders as a distillation leaves them."""

import io
import json
import shutil
from pathlib import Path

import pytest
import torch
from rich.console import Console
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer, PreTrainedModel

from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification, TinyBertModel
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
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


@pytest.fixture(scope="session")
def multitask_models(models, tmp_path_factory, tokenizer_of, data) -> Path:
    """Folders `several`, a student of three tasks (news, closeness and free, which nobody taught), and teachers."""
    folder = tmp_path_factory.mktemp("multitask")
    shutil.copytree(models / "teacher", folder / "teacher")
    rows = [{"text": f"the film is {'good ' * (n % 5)}today", "score": n % 5 / 4} for n in range(12)]
    for split, part in (("train", rows[:6]), ("validation", rows[6:])):
        (folder / "scored").mkdir(exist_ok=True)
        (folder / "scored" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    config = BertConfig.from_pretrained(models / "teacher", num_labels=1, problem_type="regression")
    torch.manual_seed(5)
    number = {"kind": "regression", "labels": [], "max_length": 32}
    _save(BertForSequenceClassification(config), folder / "closeness-teacher", tokenizer_of(), {".": number})
    torch.manual_seed(6)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32}
    encoder = TinyBertModel(TinyBertConfig(**{**config.to_dict(), **shape, "model_type": "tinybert"}))
    named = {"kind": "text-classification", "labels": LABELS, "max_length": 32}
    tasks = {"news": named, "closeness": number, "free": named}
    heads = {
        name: {"kind": own["kind"], **({"id2label": dict(enumerate(own["labels"]))} if own["labels"] else {})}
        for name, own in tasks.items()
    }
    model = TinyBertForMultiTask.from_encoder(encoder, heads)
    _save(model, folder / "several", tokenizer_of(), {f"tasks/{name}": own for name, own in tasks.items()})
    for file, content in (("distillation", _record_of_tasks()), ("figures", _figures_of_tasks(folder, data))):
        (folder / "several" / f"{file}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def several(multitask_models, tmp_path) -> Path:
    """A copy of the folder of the student of several tasks."""
    return Path(shutil.copytree(multitask_models / "several", tmp_path / "several"))


def _save(model: PreTrainedModel, folder: Path, tokenizer: BertTokenizer, tasks: dict) -> None:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for place, task in tasks.items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / "task.json").write_text(json.dumps(task))


def _record_of_tasks() -> dict:
    terms = {f"{task}/{name}": 1.0 for task in ("news", "closeness") for name in TERMS}
    own = {"teacher_class": "BertForSequenceClassification", "teacher_sha256": None, "loss_weights": TERMS}
    return {
        **_record(),
        "teacher": "teacher, closeness-teacher",
        "loss_weights": {**terms, "free/label_loss": 1.0},
        "metrics": {**terms, **{f"eval_{name.replace('/', '_')}": 0.25 for name in terms}},
        "tasks": {
            "news": {**own, "teacher": "teacher", "layer_mapping": [0, 2, 4]},
            "closeness": {**own, "teacher": "closeness-teacher", "layer_mapping": [0, 3, 4]},
            "free": {"teacher": None, "layer_mapping": None, "teacher_class": None, "teacher_sha256": None},
        },
        "task_sampling": {"strategy": "proportional"},
    }


def _figures_of_tasks(folder: Path, data: str) -> dict:
    scored = {"validation": {"student": {"accuracy": 0.4}, "teacher": {"accuracy": 0.8}}}
    kinds = {"kind": "text-classification", "main_metric": "accuracy", "labels": LABELS}
    evaluation = {f"{task}_{name}": 0.5 for task in ("news", "closeness") for name in TERMS}
    return {
        "tasks": {
            "news": {**kinds, "teacher": "teacher", "scores": scored, "retention": {"validation": {"accuracy": 0.5}}},
            "closeness": {
                "kind": "regression",
                "main_metric": "spearmanr",
                "teacher": "closeness-teacher",
                "scores": {},
                "retention": {},
            },
            "free": {
                **kinds,
                "teacher": None,
                "scores": {"validation": {"student": {"accuracy": 0.3}}},
                "retention": {},
            },
        },
        "epochs": [{"epoch": 1.0, "news_accuracy": 0.4, "free_accuracy": 0.3, "mean_score": 0.35}],
        "curves": {"joint": {"training": [], "evaluation": [{"epoch": 1.0, **evaluation, "free_label_loss": 1.0}]}},
        "parameters": {"student": 7027, "teacher": 77000},
        "megabytes": {"student": 0.1, "teacher": 0.4},
        "settings": {
            "tasks": {
                "news": {"data": data, "teacher": str(folder / "teacher")},
                "closeness": {"data": str(folder / "scored"), "teacher": str(folder / "closeness-teacher")},
                "free": {"data": data, "teacher": None},
            },
            "shared": {"epochs": 7.5, "seed": 0},
        },
    }


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
