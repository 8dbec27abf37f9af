"""A summary in one call, of a text of any length."""

import pytest
import torch

import hf_tinybert
from hf_tinybert.data.tasks import Task, TaskKind, TaskSettings
from hf_tinybert.workflow.model_folder import load_model_folder, save_model_folder
from hf_tinybert.workflow.summarization import summarize

ARTICLE = [
    "The market falls today.",
    "A great song was new.",
    "The team wins the match.",
    "A bank share rises.",
    "The film is slow and old.",
    "The old player was great.",
]


@pytest.fixture
def folder(tmp_path, tiny_student_config, tokenizer):
    """A random summariser that reads 16 tokens at once, so that the article takes several windows."""
    torch.manual_seed(0)
    values = {**tiny_student_config.to_dict(), "id2label": None, "label2id": None, "initializer_range": 0.5}
    model = hf_tinybert.TinyBertForExtractiveSummarization(hf_tinybert.TinyBertConfig(**values)).eval()
    task = Task(TaskSettings(TaskKind.EXTRACTIVE_SUMMARIZATION, max_length=16, stride=8, summary_sentences=2))
    save_model_folder(tmp_path, model, tokenizer, task)
    return tmp_path


@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_summary_is_so_many_sentences_in_their_order(folder, count):
    """Prevents sentences out of order, cut, or from the first window only."""
    summary = summarize(" ".join(ARTICLE), folder, sentences=count)
    kept = [sentence for sentence in ARTICLE if sentence in summary]
    assert len(kept) == count and summary == " ".join(kept)


def test_without_a_number_it_is_the_models_own(folder):
    """Prevents another length than the model was trained for."""
    assert sum(sentence in summarize(" ".join(ARTICLE), folder) for sentence in ARTICLE) == 2


def test_a_model_is_loaded_once_for_many_texts(folder):
    """Prevents weights from being read for every text."""
    loaded = load_model_folder(folder)
    assert summarize(" ".join(ARTICLE), loaded) == summarize(" ".join(ARTICLE), folder)
    assert loaded.task.settings.summary_sentences == 2


@pytest.mark.parametrize(
    ("text", "sentences", "match"),
    [("", 1, "sentence"), ("... !", 1, "sentence"), ("A goal.", 0, "at least 1"), ("A goal.", 1.5, "whole number")],
)
def test_what_has_no_summary_is_refused(folder, text, sentences, match):
    """Prevents an empty answer that looks like one."""
    with pytest.raises(ValueError, match=match):
        summarize(text, folder, sentences=sentences)


def test_a_model_for_something_else_is_refused(tmp_path, tiny_student_config, tokenizer):
    """Prevents tags from being read as scores of sentences."""
    model = hf_tinybert.TinyBertForTokenClassification(tiny_student_config)
    task = Task(TaskSettings(TaskKind.TOKEN_CLASSIFICATION, ("business", "culture", "sport")))
    save_model_folder(tmp_path, model, tokenizer, task)
    with pytest.raises(ValueError, match="for token-classification"):
        summarize("A goal.", tmp_path)
