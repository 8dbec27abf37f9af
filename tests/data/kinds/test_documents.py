"""Summaries of sentences: scores come back at their sentence, and the best sentences in the order of the document."""

import numpy as np
import pytest
from datasets import Dataset, Features, List, Value

from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.kinds.documents import decode_summaries, lead_summaries, oracle_summaries, score_summaries
from hf_tinybert.data.kinds.sentence_windows import encode_documents

SENTENCES = [
    "The market falls today.",
    "A bank share rises.",
    "The old player was great.",
    "New film wins.",
    "Bank loses share.",
]


@pytest.fixture
def rows():
    """One document of five sentences and one of a single sentence, with references."""
    return Dataset.from_dict(
        {"document": [" ".join(SENTENCES), "A song."], "summaries": [["New film wins.", "a bank share"], ["A song."]]},
        features=Features({"document": Value("string"), "summaries": List(Value("string"))}),
    )


def _settings(max_length=22, stride=8, summary_sentences=1):
    return TaskSettings(
        TaskKind.EXTRACTIVE_SUMMARIZATION, max_length=max_length, stride=stride, summary_sentences=summary_sentences
    )


def _tokens(row, sentence):
    return [place for place, number in enumerate(row["sentence_numbers"]) if number == sentence]


def _perfect_logits(encoded, padding=0):
    longest = max(len(labels) for labels in encoded["labels"]) + padding
    logits = np.full((len(encoded), longest, 2), -100.0)
    for row, labels in enumerate(encoded["labels"]):
        logits[row, : len(labels)] = np.random.uniform(-9, 9, (len(labels), 2))
        for position, label in enumerate(labels):
            if label >= 0:
                logits[row, position] = (-3.0, 3.0) if label else (3.0, -3.0)
    return logits


@pytest.mark.parametrize("padding", [0, 5])
def test_perfect_logits_give_the_sentences_of_the_oracle(tokenizer, rows, padding):
    """Prevents scores read at another sentence, from another window, or out of the padding."""
    settings = _settings()
    encoded = encode_documents(rows, tokenizer, settings)
    predictions = decode_summaries(_perfect_logits(encoded, padding), encoded, rows, settings)
    assert [prediction["summary"] for prediction in predictions] == ["New film wins.", "A song."]
    assert predictions[0]["sentences"] == [3]
    assert predictions[0]["scores"] == pytest.approx([0.002473] * 3 + [0.997527] + [0.002473])
    for prediction, oracle in zip(predictions, oracle_summaries(rows, 1), strict=True):
        assert {name: prediction[name] for name in oracle} == oracle
    assert score_summaries(predictions, rows, settings) == {"rougeL": 1.0, "rouge1": 1.0, "rouge2": 1.0}


def test_a_sentence_in_two_windows_has_the_mean_of_its_scores(tokenizer, rows):
    """Prevents sentences whose score is that of the last window alone."""
    rows = rows.select([0]).remove_columns("summaries")
    settings = _settings()
    encoded = encode_documents(rows, tokenizer, settings)
    logits = np.zeros((len(encoded), 64, 2))
    shared = [_tokens(row, 2) for row in encoded]
    assert len(shared) == 2
    logits[0, shared[0], 1] = np.log(3)  # 0.75
    logits[1, shared[1], 0] = np.log(9)  # 0.1
    (prediction,) = decode_summaries(logits, encoded, rows, settings)
    assert prediction["scores"] == [0.5, 0.5, 0.425, 0.5, 0.5]


def test_a_sentence_is_judged_by_the_mean_of_its_tokens(tokenizer, rows):
    """Prevents a sentence judged by its first token, by its most certain one, or by what stands around it."""
    rows = rows.select([1]).remove_columns("summaries")
    settings = _settings(max_length=64, stride=0)
    encoded = encode_documents(rows, tokenizer, settings)
    logits = np.full((1, 64, 2), 50.0)
    tokens = _tokens(encoded[0], 0)
    assert len(tokens) == 3
    logits[0, tokens] = [[2.0, 1.0], [0.0, 6.0], [3.0, 1.0]]  # -1, 6 and -2: 1 in the mean
    (prediction,) = decode_summaries(logits, encoded, rows, settings)
    assert prediction["scores"] == pytest.approx([1 / (1 + np.exp(-1.0))], abs=1e-6)


def test_the_best_sentences_stand_in_the_order_of_the_document(tokenizer, rows):
    """Prevents summaries told backwards, and more sentences than there are."""
    settings = _settings(max_length=64, stride=0, summary_sentences=2)
    rows = rows.remove_columns("summaries")
    encoded = encode_documents(rows, tokenizer, settings)
    logits = np.zeros((2, 64, 2))
    for sentence, score in ((4, 3.0), (1, 2.0)):
        logits[0, _tokens(encoded[0], sentence), 1] = score
    predictions = decode_summaries(logits, encoded, rows, settings)
    assert predictions[0]["sentences"] == [1, 4]
    assert predictions[0]["summary"] == "A bank share rises. Bank loses share."
    assert predictions[1] == {"summary": "A song.", "sentences": [0], "scores": [0.5]}


def test_extreme_logits_have_no_warning(tokenizer, rows, recwarn):
    """Prevents overflow warnings on every evaluation of a model that is very sure."""
    settings = _settings(max_length=64, stride=0)
    encoded = encode_documents(rows, tokenizer, settings)
    logits = np.zeros((2, 64, 2), dtype=np.float32)
    logits[:, :, 0] = 3e4
    assert decode_summaries(logits, encoded, rows, settings)[1]["scores"] == [0.0]
    assert not recwarn.list


def test_the_lead_is_the_first_sentences(rows):
    """Prevents a baseline that is weaker than it should be, which every model beats."""
    assert lead_summaries(rows, 2) == [
        {"summary": "The market falls today. A bank share rises.", "sentences": [0, 1]},
        {"summary": "A song.", "sentences": [0]},
    ]


def test_logits_of_another_head_are_refused(tokenizer, rows):
    """Prevents summaries from a model with classes of its own."""
    encoded = encode_documents(rows, tokenizer, _settings())
    with pytest.raises(ValueError, match=r"expected logits \(windows, tokens, 2\)"):
        decode_summaries(np.zeros((len(encoded), 64, 3)), encoded, rows, _settings())
