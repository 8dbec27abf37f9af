"""What the tests of augmentation share: a tiny masked language model, and vectors of the vocabulary's words."""

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from hf_tinybert.data.augmentation import WordVectors


@pytest.fixture
def masked_lm(tokenizer) -> BertForMaskedLM:
    """A random BERT of 2 layers x 32 with a masked-LM head."""
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    return BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, **shape)).eval()


@pytest.fixture
def vectors() -> WordVectors:
    """Vectors of eight words."""
    words = ["film", "song", "music", "game", "team", "films", "good", "bad"]
    return WordVectors(words, np.random.default_rng(0).normal(size=(8, 4)), source="a test")
