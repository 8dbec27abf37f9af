"""Tests of the textbook's augmentation: the same candidates and the same distribution as the package's."""

from collections import Counter

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from hf_tinybert.benchmark.textbook_augmentation import TextbookAugmentation
from hf_tinybert.data.augmentation import (
    Augmenter,
    CandidateFinder,
    MaskedWords,
    PassageReader,
    Replacement,
    WordVectors,
)
from hf_tinybert.data.kinds.definition import TaskKind
from tests.conftest import WORDS

READER = PassageReader(TaskKind.TEXT_CLASSIFICATION, frozenset({"the", "a", "is"}))
TEXTS = ["the old team wins a great match today", "films loses slowly nowhere", "The bank is new . 3 matchs"]


@pytest.fixture
def both(tokenizer):
    """`both(masked, replacement)`: the textbook, and the sources of the package: the same vectors and model."""
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    shape |= {"initializer_range": 1.0, "max_position_embeddings": 64}  # else what surrounds a word hardly matters
    model = BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **shape)).eval()
    words = [*WORDS, "films", "slowly", "matchs"]
    vectors = WordVectors(words, np.random.default_rng(0).normal(size=(len(words), 6)), source="a test")

    def build(masked, replacement):
        textbook = TextbookAugmentation(READER, replacement, vectors, *((model, tokenizer) if masked else ()))
        return textbook, {
            "vectors": vectors,
            "masked_words": MaskedWords(model, tokenizer, batch_size=3) if masked else None,
        }

    return build


@pytest.mark.parametrize("masked", [False, True], ids=["vectors", "masked-lm"])
def test_candidates_are_the_same_word_by_word(both, masked):
    """Prevents a speed-up by other candidates than the textbook's."""
    textbook, sources = both(masked, Replacement(candidates=5))
    passages = [READER.read({"text": text}) for text in TEXTS]
    found = CandidateFinder(5, **sources).find(passages)
    counted = 0
    for (passage,), (known,) in zip(passages, found, strict=True):
        for position, expected in enumerate(textbook.candidates(passage)):
            assert set(known.get(position, [])) == set(expected)
            counted += len(expected)
    assert counted == 5 * (13 if masked else 12)  # `nowhere` has no vector, and is one unknown piece


@pytest.mark.parametrize("masked", [False, True], ids=["vectors", "masked-lm"])
def test_replacements_have_the_same_distribution(both, masked):
    """Prevents a speed-up by fewer replacements, or by some candidates more often than others."""
    replacement = Replacement(copies=3000, candidates=4)
    textbook, sources = both(masked, replacement)
    augmenter = Augmenter(READER, replacement, **sources)
    text = "old team wins great match today"  # 5^6 variants: nearly all draws differ
    made = [textbook.new_texts(text), [row["text"] for row in augmenter.new_rows([{"text": text}])]]
    shares = [[Counter(words) for words in zip(*(text.split() for text in texts), strict=True)] for texts in made]
    for ours, theirs in zip(*shares, strict=True):
        assert set(ours) == set(theirs)
        for word in ours:
            assert ours[word] / len(made[0]) == pytest.approx(theirs[word] / len(made[1]), abs=0.05)
