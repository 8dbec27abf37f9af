"""Tests of texts, vectors and models of an augmentation's measurement."""

import json

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from hf_tinybert.benchmark import AugmentationWorkload, augmentation_workload
from hf_tinybert.data.augmentation import stop_words


def test_nothing_needs_to_be_installed(monkeypatch):
    """Prevents a measurement that needs a download: texts, vectors and tokenizer are made."""
    monkeypatch.setattr(augmentation_workload, "packaged_teacher", None)
    monkeypatch.setattr(augmentation_workload, "packaged_glove", None)
    workload = AugmentationWorkload(vectors=5000, width=4, words_per_row=12)
    texts = workload.make_texts(300)
    assert texts[:100] == workload.make_texts(100) != AugmentationWorkload(seed=1).make_texts(100)
    words = [word for text in texts for word in text.split()]
    grammar = sum(word in stop_words("en") for word in words) / len(words)
    assert len(words) == 3600 and grammar == pytest.approx(0.5, abs=0.05)
    assert len(set(words)) > 500
    first, hundredth = (words.count(augmentation_workload._made_word(rank)) for rank in (0, 100))
    assert first > 100 > 10 * hundredth
    vectors = workload.make_vectors(texts)
    assert len(vectors) == 5000 and set(words) - stop_words("en") <= set(vectors.words)
    with torch.device("meta"):
        model, tokenizer = workload.make_masked_lm()
    config = model.config
    assert (config.num_hidden_layers, config.hidden_size, config.vocab_size) == (
        12,
        768,
        30_522,
    ) and not model.training
    pieces = [
        len(tokenizer.tokenize(word)) for word in ("the", *(augmentation_workload._made_word(n) for n in (0, 60000)))
    ]
    assert pieces[:2] == [1, 1] and pieces[2] > 1 and tokenizer.unk_token not in tokenizer.tokenize(" ".join(words))


def test_rows_of_data_are_cut_and_drawn_once_each(tmp_path):
    """Prevents rows of another length than the table says, and labels from being needed."""
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps({"line": f"film number {row} is good"}) + "\n" for row in range(9)))
    workload = AugmentationWorkload(dataset=str(file), text_column="line", words_per_row=3)
    assert sorted(workload.make_texts(9)) == [f"film number {row}" for row in range(9)]
    with pytest.raises(ValueError, match="at least 10 rows"):
        workload.make_texts(10)


def test_a_model_by_name_is_read(tmp_path, tokenizer):
    """Prevents `--masked-lm` without effect."""
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model, read = AugmentationWorkload(masked_lm=str(tmp_path)).make_masked_lm()
    assert model.config.hidden_size == 16 and len(read) == len(tokenizer)


@pytest.mark.parametrize(
    "wrong", [{"words_per_row": 0}, {"vectors": -1}, {"width": 0}, {"text_column": "line"}], ids=str
)
def test_numbers_out_of_range_are_refused(wrong):
    """Prevents a typing mistake from costing a model load."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        AugmentationWorkload(**wrong)
