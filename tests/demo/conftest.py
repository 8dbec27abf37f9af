"""What the tests of the demo share: random students and teachers of every kind, a page with all of them."""

import json

import pytest
import torch
from transformers import BertTokenizer

from hf_tinybert.data.tasks import Task, TaskKind, TaskSettings
from hf_tinybert.demo import open_comparisons
from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.workflow.heads import STUDENT_CLASSES

LABELS = {
    "text-classification": ("business", "culture_of_many_words_without_a_space", "<b>sport</b>"),
    "pair-classification": ("different", "same"),
    "multi-label-classification": ("bad", "good"),
    "token-classification": ("O", "B-thing", "I-thing"),
}
SCRIPT = "<img src=x onerror=\"document.title='run'\">"
# What is typed, by kind: one text per box.
TYPED = {
    "text-classification": ["the film is good"],
    "pair-classification": ["the film is good", "a song"],
    "multi-label-classification": ["the film is good", ""],
    "regression": ["the film is good", "a song"],
    "token-classification": ["The bank, the film and a song."],
    "question-answering": ["what wins ?", f"The team wins. {SCRIPT} ${{1 + 1}} {{{{1 + 1}}}}"],
    "multiple-choice": ["the team", f"wins\n{SCRIPT}"],
    "masked-lm": ["The [MASK] is good."],
    "extractive-summarization": ["The team wins. The bank falls. A song is good."],
    "sentence-embedding": ["the film is good", "the film is bad"],
}


@pytest.fixture(scope="session")
def save_model(vocabulary):
    """Writes a random model of a kind with its tokenizer and task, and gives it."""

    def save(folder, kind: str, *, layers: int, width: int, seed: int = 0):
        tokenizer = BertTokenizer(vocab=str(vocabulary), model_max_length=64)
        labels = LABELS.get(kind, ())
        task = Task(TaskSettings(TaskKind(kind), labels, max_length=32))
        config = TinyBertConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            intermediate_size=2 * width,
            max_position_embeddings=64,
            **task.model_settings(),
        )
        torch.manual_seed(seed)
        model = STUDENT_CLASSES[task.definition.head](config).eval()
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        task.save(folder)
        return model

    return save


@pytest.fixture(scope="session")
def student_of(tmp_path_factory, save_model):
    """Gives the folder of a student of a kind, beside its teacher, which its `distillation.json` names."""
    made: dict = {}

    def make(kind: str):
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            teacher = save_model(folder / "big", kind, layers=3, width=32, seed=1)
            save_model(folder / "small", kind, layers=1, width=16)
            record = {"teacher": "big", "teacher_sha256": weights_sha256(teacher)}
            (folder / "small" / "distillation.json").write_text(json.dumps(record), encoding="utf-8")
            made[kind] = folder / "small"
        return made[kind]

    return make


@pytest.fixture(scope="session")
def comparison_of(student_of):
    """Gives the loaded student and teacher of a kind."""
    made: dict = {}

    def make(kind: str):
        if kind not in made:
            (made[kind],) = open_comparisons(student_of(kind)).values()
        return made[kind]

    return make
