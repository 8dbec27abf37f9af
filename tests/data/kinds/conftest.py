"""Tokenizers of other families than BERT's, for kinds that ask where a token comes from."""

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

SPECIALS = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}


def _wrapped(backend):
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_max_length=512,
    )


@pytest.fixture
def byte_level_tokenizer():
    """RoBERTa-like, of single bytes: a word after a space begins with Ġ."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({**SPECIALS, **{letter: number + 4 for number, letter in enumerate(letters)}}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return _wrapped(backend)


@pytest.fixture
def sentence_piece_tokenizer():
    """XLM-R-like, of single characters and a few pieces: the space before a word is part of its first piece."""
    pieces = ["▁", *"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.,?", "▁the", "▁bank", "film"]
    backend = Tokenizer(models.Unigram([*((name, 0.0) for name in SPECIALS), *((each, -1.0) for each in pieces)], 3))
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return _wrapped(backend)
