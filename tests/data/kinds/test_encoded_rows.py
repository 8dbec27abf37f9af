"""Tests of the encoding of few rows and of many."""

from datasets import ClassLabel, Dataset

from hf_tinybert.data.kinds.classification import TEXT_CLASSIFICATION
from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.kinds.encoded_rows import AT_ONCE


def test_few_rows_are_encoded_as_many_and_without_a_map(tokenizer, sentences, monkeypatch):
    """Prevents a training batch that differs from the data it is of, or takes a second to hash its tokenizer."""
    texts = [f"{sentence} {number}" for number in range(12) for sentence in sentences]
    rows = Dataset.from_dict({"text": texts, "label": [0, 1] * (len(texts) // 2)})
    rows = rows.cast_column("label", ClassLabel(names=["bad", "good"]))
    assert len(rows) > AT_ONCE
    settings = TaskSettings(TaskKind.TEXT_CLASSIFICATION, labels=("bad", "good"), max_length=12)
    many = TEXT_CLASSIFICATION.encode(rows, tokenizer, settings)
    monkeypatch.delattr(Dataset, "map")
    few = TEXT_CLASSIFICATION.encode(rows.select(range(AT_ONCE)), tokenizer, settings)
    assert few.features == many.features
    assert few.to_list() == many.select(range(AT_ONCE)).to_list()
