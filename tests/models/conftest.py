"""Teachers whose every weight matters, token batches to fit students on, and arguments of one step."""

import json
import random

import pytest
import tokenizers
import torch
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, ByteLevel, Metaspace
from tokenizers.trainers import BpeTrainer, UnigramTrainer, WordPieceTrainer
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    PreTrainedTokenizerBase,
    RobertaTokenizer,
    TrainingArguments,
    XLMRobertaTokenizer,
)

SHAPE = {
    "vocab_size": 60,
    "hidden_size": 24,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "max_position_embeddings": 32,
}


@pytest.fixture
def build_encoder():
    """Builds a seeded model in evaluation mode; biases and LayerNorms are random too: none can be forgotten."""

    def build(model_class=BertModel, config_class=BertConfig, seed=0, **overrides):
        torch.manual_seed(seed)
        model = model_class(config_class(**{**SHAPE, **overrides})).eval()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                centre = 1.0 if name.endswith("LayerNorm.weight") else 0.0
                parameter.copy_(centre + torch.randn_like(parameter) * (0.3 if parameter.ndim == 2 else 0.15))
        return model

    return build


@pytest.fixture
def one_step(tmp_path):
    """Arguments of the stock Trainer for one logged step over rows in their order, in batches of so many."""

    def build(batch, accumulated):
        return TrainingArguments(
            tmp_path,
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulated,
            train_sampling_strategy="sequential",
            max_steps=1,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            disable_tqdm=True,
        )

    return build


@pytest.fixture
def batches():
    """Some 500 tokens: sequences of different lengths, padded on the right, with two token types."""
    generator = torch.Generator().manual_seed(1)
    made = []
    for _ in range(6):
        lengths = torch.randint(5, 13, (8,), generator=generator)
        mask = (torch.arange(12) < lengths[:, None]).long()
        words = torch.randint(5, 60, (8, 12), generator=generator) * mask
        types = (torch.arange(12) > lengths[:, None] // 2).long() * mask
        made.append({"input_ids": words, "attention_mask": mask, "token_type_ids": types})
    return made


@pytest.fixture
def subspace_pair(build_encoder):
    """A model of width 16 and a teacher of width 24 that computes the same in a 16-dimensional subspace.

    LayerNorm scales are constant, and the subspace maps the all-ones direction to the all-ones direction: both
    LayerNorms do the same.
    """
    small = build_encoder(BertModel, hidden_size=16, num_hidden_layers=2, seed=3)
    large = build_encoder(BertModel, num_hidden_layers=2, seed=4)
    generator = torch.Generator().manual_seed(5)
    fixed = [torch.cat([torch.ones(n, 1), torch.randn(n, n - 1, generator=generator)], dim=1) for n in (16, 24)]
    narrow, wide = (torch.linalg.qr(matrix)[0] for matrix in fixed)
    embedding = wide[:, :16] @ narrow.T
    embedding = embedding * torch.sign((embedding @ torch.ones(16)).sum())
    with torch.no_grad():
        for name, norm in small.named_modules():
            if name.endswith("LayerNorm"):
                norm.weight.fill_(0.8)
        _lift(small, large, embedding)
    return small, large


def _lift(small, large, embedding):
    """Write `small` into `large` through `embedding`, `(24, 16)`."""
    rows = torch.cat([torch.arange(4) + 6 * head for head in range(4)])
    scale = {"query": 1.5**0.25, "key": 1.5**0.25, "value": 1.0}
    modules = dict(small.named_modules())
    for name, module in large.named_modules():
        source, last = modules[name], name.split(".")[-1]
        if last.endswith("embeddings") and last != "embeddings":
            module.weight.copy_(source.weight @ embedding.T)
        elif last == "LayerNorm":
            module.weight.copy_(torch.full((24,), 0.8 * (16 / 24) ** 0.5))
            module.bias.copy_(embedding @ source.bias)
        elif last in scale:
            module.weight.zero_()
            module.bias.zero_()
            module.weight[rows] = source.weight @ embedding.T * scale[last]
            module.bias[rows] = source.bias * scale[last]
        elif name.endswith("attention.output.dense"):
            module.weight.zero_()
            module.weight[:, rows] = embedding @ source.weight
            module.bias.copy_(embedding @ source.bias)
        elif name.endswith("intermediate.dense"):
            module.weight.copy_(source.weight @ embedding.T)
            module.bias.copy_(source.bias)
        elif name.endswith("output.dense"):
            module.weight.copy_(embedding @ source.weight)
            module.bias.copy_(embedding @ source.bias)


@pytest.fixture(scope="session")
def corpus() -> list[str]:
    """Texts of a word each and more, with numbers, accents and other scripts; enough to train pieces on."""
    syllables = ["lo", "wer", "new", "est", "wi", "den", "ing", "ly", "un", "re", "tion", "al", "ism", "er", "s"]
    generator = random.Random(0)
    words = ["".join(generator.choices(syllables, k=generator.randint(1, 4))) for _ in range(400)]
    words += ["naïve", "café", "3.14", "1999", "don't", "Straße", "film", "映画", "фильм"]
    return [" ".join(generator.choices(words, k=generator.randint(1, 9))) for _ in range(300)]


@pytest.fixture(scope="session")
def trained_tokenizers(corpus) -> dict[str, PreTrainedTokenizerBase]:
    """A tokenizer of each kind, of some three hundred pieces, in the classes that published models have."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    bert = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
    pieces.normalizer, pieces.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    pieces.train_from_iterator(corpus, WordPieceTrainer(vocab_size=400, special_tokens=bert, show_progress=False))
    joined = tokenizers.Tokenizer(tokenizers.models.BPE())
    joined.pre_tokenizer = ByteLevel(add_prefix_space=False)
    alphabet = ByteLevel.alphabet()
    joined.train_from_iterator(
        corpus, BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False)
    )
    scored = tokenizers.Tokenizer(tokenizers.models.Unigram())
    scored.pre_tokenizer = Metaspace()
    scored.train_from_iterator(
        corpus, UnigramTrainer(vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False)
    )
    content = json.loads(joined.to_str())["model"]
    vocabulary = [tuple(entry) for entry in json.loads(scored.to_str())["model"]["vocab"]]
    return {
        "WordPiece": BertTokenizer(vocab=pieces.get_vocab()),
        "BPE": RobertaTokenizer(vocab=content["vocab"], merges=[tuple(pair) for pair in content["merges"]]),
        "Unigram": XLMRobertaTokenizer(vocab=vocabulary),
    }
