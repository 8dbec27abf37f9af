"""Tests of candidates of a masked language model."""

import pytest
import torch
from transformers import (
    AlbertConfig,
    AlbertForMaskedLM,
    BertModel,
    DistilBertConfig,
    DistilBertForMaskedLM,
    ElectraConfig,
    ElectraForMaskedLM,
    ModernBertConfig,
    ModernBertForMaskedLM,
    RobertaConfig,
    RobertaForMaskedLM,
)

from hf_tinybert.data.augmentation.masked_words import MaskedWords, load_masked_words
from hf_tinybert.data.augmentation.whole_words import whole_words
from hf_tinybert.data.augmentation.word_spans import word_spans

TEXTS = ["The team wins the matchs .", "a film"]
SHAPE = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
IDS = {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3}
FAMILIES = [
    (RobertaForMaskedLM, RobertaConfig(vocab_size=40, max_position_embeddings=80, pad_token_id=0, **SHAPE)),
    (DistilBertForMaskedLM, DistilBertConfig(vocab_size=40, dim=32, n_layers=2, n_heads=4, hidden_dim=64)),
    (ElectraForMaskedLM, ElectraConfig(vocab_size=40, embedding_size=16, **SHAPE)),
    (AlbertForMaskedLM, AlbertConfig(vocab_size=40, embedding_size=16, **SHAPE)),
    (ModernBertForMaskedLM, ModernBertConfig(vocab_size=40, **SHAPE, **IDS)),
]


def _by_hand(model, tokenizer, text, position, count, pair):
    """The textbook way: one word, one forward, all logits."""
    inputs = tokenizer(text, text if pair else None, return_tensors="pt")
    inputs["input_ids"][0, position] = tokenizer.mask_token_id
    with torch.no_grad():
        logits = model(**inputs).logits[0, position]
    words = whole_words(tokenizer)
    order = [index for index in logits.argsort(descending=True).tolist() if index in words]
    return [words[index] for index in order[:count]]


@pytest.mark.parametrize("beside_original", [True, False])
@pytest.mark.parametrize("batch_size", [1, 2, 64])
def test_they_are_those_of_one_word_at_a_time(masked_lm, tokenizer, batch_size, beside_original):
    """Prevents words from getting the candidates of others: batching, padding or positions gone wrong."""
    asker = MaskedWords(masked_lm, tokenizer, beside_original=beside_original, batch_size=batch_size)
    found = asker.candidates(TEXTS, [[(0, 3), (4, 8), (18, 24)], [(2, 6)]], 5)
    expected = [
        _by_hand(masked_lm, tokenizer, text, position, 5, beside_original)
        for text, position in [(TEXTS[0], 1), (TEXTS[0], 2), (TEXTS[1], 2)]
    ]
    assert found == [{0: expected[0], 1: expected[1]}, {0: expected[2]}]  # `matchs` is two pieces


@pytest.mark.parametrize(("family", "config"), FAMILIES, ids=lambda one: getattr(one, "__name__", ""))
def test_other_families_give_theirs(family, config, tokenizer):
    """Prevents a head that sees another position than the masked one."""
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    model = family(config).eval()
    found = MaskedWords(model, tokenizer).candidates(TEXTS, [[(4, 8)], []], 4)
    assert found == [{0: _by_hand(model, tokenizer, TEXTS[0], 2, 4, True)}, {}]


def test_every_word_of_a_long_text_is_asked_for_once(masked_lm, tokenizer):
    """Prevents the end of a long text from being left as it is."""
    text = " ".join(["the team wins a good game ."] * 20)
    spans = [span for span in word_spans(text) if text[span[0]] != "."]
    (found,) = MaskedWords(masked_lm, tokenizer).candidates([text], [spans], 2)
    assert sorted(found) == list(range(120))


def test_a_long_text_fits_a_model_that_numbers_positions_from_its_padding_on(tokenizer):
    """Prevents an index error where the tokenizer names no length, as many in the family of RoBERTa."""
    tokenizer.model_input_names, tokenizer.model_max_length = ["input_ids", "attention_mask"], int(1e30)
    config = RobertaConfig(vocab_size=40, max_position_embeddings=31, pad_token_id=0, **SHAPE)
    model = RobertaForMaskedLM(config).eval()
    text = " ".join(["the team wins a good game ."] * 20)
    (found,) = MaskedWords(model, tokenizer).candidates([text], [[(0, 3), (len(text) - 6, len(text) - 2)]], 3)
    assert found.keys() == {0, 1}


def test_the_model_is_left_as_it_was(masked_lm, tokenizer):
    """Prevents later forwards from giving one position."""
    MaskedWords(masked_lm, tokenizer).candidates(TEXTS, [[(4, 8)], []], 4)
    assert masked_lm(**tokenizer("a film", return_tensors="pt")).logits.shape == (1, 4, len(tokenizer))


def test_an_untrained_head_is_refused(masked_lm, tokenizer, tiny_teacher_config, tmp_path):
    """Prevents candidates at random."""
    BertModel(tiny_teacher_config).save_pretrained(tmp_path / "encoder")
    masked_lm.save_pretrained(tmp_path / "whole")
    for folder in ("encoder", "whole"):
        tokenizer.save_pretrained(tmp_path / folder)
    assert load_masked_words(str(tmp_path / "whole")).candidates(["a film"], [[(2, 6)]], 3)[0]
    with pytest.raises(ValueError, match="untrained head"):
        load_masked_words(str(tmp_path / "encoder"))


def test_a_tokenizer_without_a_mask_is_refused(masked_lm, tokenizer):
    """Prevents a failure in the middle of a run."""
    tokenizer.mask_token = None
    with pytest.raises(ValueError, match="mask token"):
        MaskedWords(masked_lm, tokenizer)
