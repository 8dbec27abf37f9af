"""What the tests of the workflow share: a tiny encoder, data of every kind, a silent display, few steps."""

import io
import json

import pytest
import torch
from rich.console import Console
from transformers import BertModel

from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow import DistilSettings, FinetuneSettings, distil, finetune

KINDS = [
    "text-classification",
    "pair-classification",
    "multi-label-classification",
    "regression",
    "token-classification",
    "question-answering",
    "multiple-choice",
    "masked-lm",
    "extractive-summarization",
    "sentence-embedding",
]
FEW = {"max_length": 32, "batch_size": 8, "epochs": 1}
SMALL = {"layers": 2, "width": 16, "heads": 4, "units": 40, "intermediate_epochs": 1, "preflight": False}
NOUNS = {"film", "game", "match", "player", "team", "bank", "market", "song"}
NAMES = ["business", "culture", "sport"]


@pytest.fixture
def display() -> ProgressDisplay:
    """Shows nothing."""
    return ProgressDisplay(Console(file=io.StringIO()))


@pytest.fixture(scope="session")
def encoder(tmp_path_factory, vocabulary) -> str:
    """A folder with a tiny BERT of 4 layers x 32 without a head, and its tokenizer."""
    from transformers import BertConfig, BertTokenizer

    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = BertTokenizer(vocab=str(vocabulary), model_max_length=64)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def data_of(tmp_path_factory, sentences, sentence_labels):
    """Gives the folder of a data set of a kind: 48 training, 24 validation and 24 test rows as JSONL."""
    made: dict[str, str] = {}

    def make(kind: str) -> str:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            rows = [_row(kind, index, sentences, sentence_labels) for index in range(96)]
            for split, part in (("train", rows[:48]), ("validation", rows[48:72]), ("test", rows[72:])):
                lines = "".join(json.dumps(row) + "\n" for row in part)
                (folder / f"{split}.jsonl").write_text(lines, encoding="utf-8")
            made[kind] = str(folder)
        return made[kind]

    return make


@pytest.fixture(scope="session")
def teacher_of(tmp_path_factory, encoder, data_of):
    """Gives the folder of a teacher of a kind; of sentence embedding the encoder itself."""
    made: dict[str, str] = {"sentence-embedding": encoder}
    quiet = ProgressDisplay(Console(file=io.StringIO()))

    def make(kind: str) -> str:
        if kind not in made:
            folder = tmp_path_factory.mktemp("teachers") / kind
            finetune(FinetuneSettings(data=data_of(kind), model=encoder, kind=kind, **FEW), folder, quiet)
            made[kind] = str(folder)
        return made[kind]

    return make


@pytest.fixture(scope="session")
def student_of(tmp_path_factory, data_of, teacher_of):
    """Gives the folder of a student of a kind and its figures."""
    made: dict[str, tuple[str, dict]] = {}
    quiet = ProgressDisplay(Console(file=io.StringIO()))

    def make(kind: str) -> tuple[str, dict]:
        if kind not in made:
            folder = tmp_path_factory.mktemp("students") / kind
            settings = DistilSettings(
                data=data_of(kind), teacher=teacher_of(kind), kind=kind, score_test=True, **FEW, **SMALL
            )
            made[kind] = str(folder), distil(settings, folder, quiet)
        return made[kind]

    return make


def _row(kind, index, sentences, labels):
    sentence, label = sentences[index % 24], labels[index % 24]
    # no two rows alike, or they would be taken out
    sentence = " ".join(["the"] * (index // 24) + [sentence])
    other = sentences[(index + 1 + index // 24) % 24]
    words = sentence.split()
    if kind == "text-classification":
        return {"text": sentence, "label": NAMES[label]}
    if kind == "pair-classification":
        return {"text": sentence, "text_pair": other, "label": "same" if index % 2 else "different"}
    if kind == "multi-label-classification":
        return {"text": sentence, "labels": [NAMES[label]] + (["good"] if "good" in words else [])}
    if kind == "regression":
        return {"text": sentence, "score": float(label) + index / 100}
    if kind == "token-classification":
        return {"tokens": words, "tags": ["B-thing" if word in NOUNS else "O" for word in words]}
    if kind == "question-answering":
        answer = words[-1]
        answers = {"text": [answer], "answer_start": [sentence.rindex(answer)]}
        return {"id": str(index), "question": "what is it", "context": sentence, "answers": answers}
    if kind == "multiple-choice":
        return {"text": sentence, "choices": ["a film", "a game", "a bank"], "label": label}
    if kind == "masked-lm":
        return {"text": sentence}
    if kind == "extractive-summarization":
        parts = [" ".join(part.replace(".", "").split()).capitalize() + "." for part in (sentence, other)]
        return {"document": " ".join(parts), "summaries": [parts[index % 2]]}
    return {"text": sentence, "text_pair": other, "score": float(index % 6)}
