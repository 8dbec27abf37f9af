"""What all tests share: no network, one seed, a vocabulary of some thirty words, models of a few thousand weights."""

import gc
import os
import tempfile

# Before anything imports huggingface_hub or datasets, which read these once. The caches are the tests' own.
_CACHES = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
os.environ["HF_HOME"] = _CACHES.name
os.environ["HF_HUB_OFFLINE"] = "1"
# Before torch is imported, and for all processes that tests start: several with two threads each slow each other down.
os.environ["OMP_NUM_THREADS"] = "1"

import random
from pathlib import Path

import datasets
import huggingface_hub.constants
import numpy as np
import pytest
import torch
import transformers.utils.hub
from transformers import BertConfig, BertTokenizer

from tests.tested_package import imported_package, leave_the_checkout_last, refusal

leave_the_checkout_last()

from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from tests.headless_browser import is_required, missing_browser, start_browser
from tests.hub.fake_hub import TOKEN, FakeHub

SPECIAL_TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# fmt: off
WORDS = [
    "the", "a", "film", "game", "match", "player", "team", "goal", "of", "law", "vote", "party", "minister", "song",
    "music", "price", "market", "bank", "share", "is", "was", "wins", "loses", "falls", "rises", "good",
    "bad", "slow", "great", "new", "old", "today", "##s", "##ly", ".",
]
# fmt: on
CLASSES = ["business", "culture", "sport"]
SENTENCES = [
    ["the market falls today .", "a bank share rises .", "the price is bad", "bank loses share of the new market ."],
    ["a great song .", "the film is slow and old", "the music was good today .", "new film wins"],
    ["the team wins the match .", "a player loses", "the old player was great .", "a goal today wins the game ."],
]


def pytest_configure():
    """Stops before the first test where the package is not the one that was to be tested."""
    if refused := refusal(imported_package()):
        raise pytest.UsageError(refused)


def pytest_report_header() -> str:
    """Says whose code is tested."""
    return f"hf_tinybert from {imported_package()}"


def pytest_collection_modifyitems(items: list[pytest.Item]):
    """Begins with the files of slow tests, so that no process is left with one at the end while the others wait."""
    slow = {item.path for item in items if item.get_closest_marker("slow") or item.get_closest_marker("distributed")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish():
    """Leaves what the imports made out of garbage collection: every training collects twice, 0.4 s each with them."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def seeded():
    """Every test starts from the same random state and uses one thread."""
    torch.set_num_threads(1)  # tiny models gain nothing from more, and lose where others work beside them
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def vocabulary(tmp_path_factory) -> Path:
    """A vocab.txt of the five special tokens and some thirty words."""
    file = tmp_path_factory.mktemp("vocabulary") / "vocab.txt"
    file.write_text("\n".join([*SPECIAL_TOKENS, *WORDS]) + "\n", encoding="utf-8")
    return file


@pytest.fixture
def tokenizer(vocabulary) -> BertTokenizer:
    """A BERT tokenizer on the vocabulary, for at most 64 tokens; new for each test, because tokenizers keep state."""
    return BertTokenizer(vocab=str(vocabulary), model_max_length=64)


@pytest.fixture
def tiny_teacher_config() -> BertConfig:
    """Teacher: 4 layers x 32, 4 heads, 3 classes."""
    return BertConfig(**_shape(hidden_size=32, num_hidden_layers=4, intermediate_size=64))


@pytest.fixture
def tiny_student_config() -> TinyBertConfig:
    """Student: 2 layers x 16, 4 heads, 3 classes, the teacher's vocabulary."""
    return TinyBertConfig(**_shape(hidden_size=16, num_hidden_layers=2, intermediate_size=40))


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """24 sentences, two rounds of 12 that differ in their last word."""
    return [sentence + ending for ending in ("", " today") for group in SENTENCES for sentence in group]


@pytest.fixture(scope="session")
def sentence_labels() -> list[int]:
    """The class id of each sentence: 0 business, 1 culture, 2 sport; eight of each."""
    return [label for _ in range(2) for label, group in enumerate(SENTENCES) for _ in group]


@pytest.fixture
def text_dataset(sentences, sentence_labels) -> datasets.Dataset:
    """24 rows with the columns `text` and `label` (ClassLabel of 3)."""
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=CLASSES)})
    return datasets.Dataset.from_dict({"text": sentences, "label": sentence_labels}, features=features)


@pytest.fixture
def tokenized_dataset(tokenizer, text_dataset) -> datasets.Dataset:
    """The 24 rows as a model reads them: input_ids, token_type_ids, attention_mask (unpadded), labels."""
    tokenized = text_dataset.map(lambda row: dict(tokenizer(row["text"])), remove_columns=["text"])
    return tokenized.rename_column("label", "labels")


def _shape(**sizes: int) -> dict[str, object]:
    return {
        **sizes,
        "num_attention_heads": 4,
        "vocab_size": len(SPECIAL_TOKENS) + len(WORDS),
        "max_position_embeddings": 64,
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "id2label": dict(enumerate(CLASSES)),
        "label2id": {name: label for label, name in enumerate(CLASSES)},
    }


@pytest.fixture
def hub(monkeypatch):
    """A Hub that this process talks to, with the token that may write."""
    with FakeHub() as running:
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", running.url)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(transformers.utils.hub, "_hf_api", None)  # it keeps the address of the Hub it met first
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield running


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A headless Chromium, one for all tests of pages, driven by selenium; each test opens its own page."""
    missing = missing_browser()
    if missing and is_required():
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    running = start_browser(tmp_path_factory.mktemp("browser"))
    yield running
    running.quit()


@pytest.fixture
def watch_pairs(monkeypatch):
    """Has a tokenizer keep the lengths, in characters, of all second texts of pairs that it is asked for."""

    def watch(tokenizer):
        asked: list[int] = []
        call = type(tokenizer).__call__

        def watched(self, text, text_pair=None, **options):
            asked.extend(map(len, text_pair or ()))
            return call(self, text, text_pair, **options)

        monkeypatch.setattr(type(tokenizer), "__call__", watched)
        return asked

    return watch
