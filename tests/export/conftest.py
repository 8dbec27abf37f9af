"""What the tests of exporting share: the tiny models of the workflow's tests, a silent display."""

import io

import pytest
import torch
from rich.console import Console
from transformers import BertTokenizer

from hf_tinybert import TinyBertConfig
from hf_tinybert.data.tasks import Task, TaskKind, TaskSettings
from hf_tinybert.models.modeling_tinybert import (
    TinyBertForMultipleChoice,
    TinyBertForQuestionAnswering,
    TinyBertForSequenceClassification,
)
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding
from hf_tinybert.progress import ProgressDisplay

CLASSES = {
    "text-classification": TinyBertForSequenceClassification,
    "question-answering": TinyBertForQuestionAnswering,
    "multiple-choice": TinyBertForMultipleChoice,
    "sentence-embedding": TinyBertForSentenceEmbedding,
}


@pytest.fixture
def display() -> ProgressDisplay:
    """Shows nothing."""
    return ProgressDisplay(Console(file=io.StringIO()))


@pytest.fixture(scope="session")
def model_of(tmp_path_factory, vocabulary):
    """Gives a folder with a random model of a kind, its tokenizer and its task."""
    made: dict[str, str] = {}

    def make(kind: str) -> str:
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            tokenizer = BertTokenizer(vocab=str(vocabulary), model_max_length=64)
            labels = ("business", "culture", "sport") if kind == "text-classification" else ()
            torch.manual_seed(0)
            config = TinyBertConfig(
                vocab_size=len(tokenizer),
                hidden_size=24,
                num_hidden_layers=2,
                num_attention_heads=4,
                intermediate_size=48,
                max_position_embeddings=64,
                **({"id2label": dict(enumerate(labels))} if labels else {}),
            )
            CLASSES[kind](config).save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            Task(TaskSettings(TaskKind(kind), labels, max_length=32)).save(folder)
            made[kind] = str(folder)
        return made[kind]

    return make


@pytest.fixture(scope="session")
def labelled_rows(tmp_path_factory, sentences, sentence_labels) -> str:
    """A file of rows with the labels of the classifier."""
    names = ["business", "culture", "sport"]
    file = tmp_path_factory.mktemp("rows") / "rows.csv"
    rows = [f'"{text}",{names[label % 3]}' for text, label in zip(sentences, sentence_labels, strict=False)]
    file.write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    return str(file)
