"""Tags of words: what the model says of a token comes back at its word."""

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from transformers import BertForTokenClassification

from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.kinds.tokens import TOKEN_CLASSIFICATION, best_tags, decode_tags, score_tags, tag_metrics
from hf_tinybert.data.kinds.words import encode_words
from hf_tinybert.data.tasks import Task

IOB2 = ("O", "B-org", "I-org", "B-work")
TAGS = ("NOUN", "VERB", "X")
LONG = ["the", "banks", "newly", "film", "games", "is", "slowly", "bad", "markets", "today", "."]


def _rows(names, *rows):
    features = Features({"tokens": List(Value("string")), "tags": List(ClassLabel(names=list(names)))})
    columns = {"tokens": [tokens for tokens, _ in rows], "tags": [tags for _, tags in rows]}
    return Dataset.from_dict(columns, features=features)


def _settings(names, max_length=6, stride=2):
    return TaskSettings(TaskKind.TOKEN_CLASSIFICATION, labels=tuple(names), max_length=max_length, stride=stride)


def _perfect_logits(encoded, tags, padding=0):
    """Logits (windows, longest + padding, tags) that say what the labels say, and -100 at the padding."""
    longest = max(len(labels) for labels in encoded["labels"]) + padding
    logits = np.full((len(encoded), longest, tags), -100.0)
    for row, labels in enumerate(encoded["labels"]):
        logits[row, : len(labels)] = np.random.uniform(-1, 1, (len(labels), tags))
        for position, label in enumerate(labels):
            if label >= 0:
                logits[row, position, label] = 5.0
    return logits


@pytest.mark.parametrize("padding", [0, 7])
def test_perfect_logits_give_the_gold_tags_and_the_score_1(tokenizer, padding):
    """Prevents tags that come back at another word, from another window, or out of the padding."""
    rows = _rows(IOB2, (LONG, [0, 1, 2, 0, 1, 0, 3, 0, 0, 1, 0]), (["bank"], [1]))
    settings = _settings(IOB2)
    encoded = encode_words(rows, tokenizer, settings)
    predictions = decode_tags(_perfect_logits(encoded, 4, padding), encoded, rows, settings)
    assert [prediction["tags"] for prediction in predictions] == [[IOB2[tag] for tag in tags] for tags in rows["tags"]]
    assert predictions[0]["entities"] == [
        {"type": "org", "text": "banks newly", "start": 1, "end": 3},
        {"type": "org", "text": "games", "start": 4, "end": 5},
        {"type": "work", "text": "slowly", "start": 6, "end": 7},
        {"type": "org", "text": "today", "start": 9, "end": 10},
    ]
    scores = score_tags(predictions, rows, settings)
    assert scores == {"f1": 1.0, "precision": 1.0, "recall": 1.0, "accuracy": 1.0}
    assert tuple(scores) == tag_metrics(settings)


def test_other_tags_are_scored_word_by_word(tokenizer):
    """Prevents parts of speech scored as entities, of which there are none."""
    rows = _rows(TAGS, (["the", "bank", "rises", "today"], [0, 0, 1, 1]))
    settings = _settings(TAGS)
    encoded = encode_words(rows, tokenizer, settings)
    (prediction,) = decode_tags(_perfect_logits(encoded, 3), encoded, rows, settings)
    assert prediction == {"tokens": ["the", "bank", "rises", "today"], "tags": ["NOUN", "NOUN", "VERB", "VERB"]}
    wrong = {**prediction, "tags": ["NOUN", "VERB", "VERB", "X"]}
    scores = score_tags([wrong], rows, settings)
    # F1: NOUN 2/3, VERB 1/2, X 0.
    assert scores == pytest.approx({"accuracy": 0.5, "f1": (2 / 3 + 1 / 2) / 3})
    assert tuple(scores) == tag_metrics(settings)


@pytest.mark.parametrize(("names", "expected"), [(IOB2, "O"), (TAGS, "VERB")])
def test_a_word_that_is_nothing_to_the_tokenizer_has_a_tag(tokenizer, names, expected):
    """Prevents rows with fewer tags than words."""
    rows = _rows(names, (["the", "\u200b", "bank", "rises"], [1, 1, 1, 0]), (["\u200b"], [0]))
    settings = _settings(names)
    encoded = encode_words(rows, tokenizer, settings)
    predictions = decode_tags(_perfect_logits(encoded, len(names)), encoded, rows, settings)
    assert predictions[0]["tags"][1] == expected
    assert predictions[1]["tags"] == [names[0]]


def test_rows_to_predict_need_no_tags(tokenizer):
    """Prevents prediction on new sentences from failing for want of tags."""
    rows = _rows(TAGS, (["the", "bank"], [0, 1]))
    settings = _settings(TAGS)
    logits = _perfect_logits(encode_words(rows, tokenizer, settings), 3)
    new = rows.remove_columns("tags")
    encoded = encode_words(new, tokenizer, settings)
    assert decode_tags(logits, encoded, new, settings)[0]["tags"] == ["NOUN", "VERB"]
    with pytest.raises(ValueError, match="`tags`"):
        score_tags([], new, settings)


def test_logits_of_another_label_set_are_refused(tokenizer):
    """Prevents tags named by the labels of another task."""
    rows = _rows(TAGS, (["the"], [0]))
    encoded = encode_words(rows, tokenizer, _settings(TAGS))
    for logits in (np.zeros((1, 3, 4)), _reduced(np.zeros((1, 3, 4)))):
        with pytest.raises(ValueError, match=r"expected logits \(windows, tokens, 3\)"):
            decode_tags(logits, encoded, rows, _settings(TAGS))


def _reduced(logits):
    return tuple(part.numpy() for part in best_tags(torch.from_numpy(logits), None))


def test_of_many_tags_the_best_alone_is_gathered(tokenizer):
    """Prevents gigabytes, copied at every step of an evaluation: a number for each tag of each token of all rows."""
    rows = _rows(IOB2, (LONG, [0, 1, 2, 0, 1, 0, 3, 0, 0, 1, 0]), (["bank"], [1]))
    encoded = encode_words(rows, tokenizer, _settings(IOB2))
    logits = _perfect_logits(encoded, 4)
    reduced = _reduced(logits)
    assert TOKEN_CLASSIFICATION.reduce_logits is best_tags
    assert sum(part.size for part in reduced) <= len(encoded) * (logits.shape[1] + 1)
    expected = decode_tags(logits, encoded, rows, _settings(IOB2))
    assert decode_tags(reduced, encoded, rows, _settings(IOB2)) == expected
    logits[0, 0, 2] = np.inf
    with pytest.raises(ValueError, match="NaN or infinity in 1 of"):
        decode_tags(_reduced(logits), encoded, rows, _settings(IOB2))


def test_tags_from_the_trainer_are_those_of_single_rows(tokenizer, gathered, small_config):
    """Prevents tags of another window, or of the padding, where windows of several batches are put together."""
    rows = _rows(TAGS, (LONG, [0] * 11), (["the"], [0]), (["slowly", "bad"], [0, 0]))
    task = Task(_settings(TAGS))
    encoded = task.encode(rows, tokenizer)
    model = BertForTokenClassification(small_config(num_labels=3)).eval()
    together = task.decode(gathered(task, model, encoded), encoded, rows)
    for row, prediction in enumerate(together):
        alone = rows.select([row])
        windows = task.encode(alone, tokenizer)
        assert task.decode(gathered(task, model, windows), windows, alone) == [prediction]
    assert len(encoded) > len(rows)
