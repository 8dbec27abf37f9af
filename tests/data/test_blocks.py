"""Packed blocks of raw text."""

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from transformers import BertTokenizer, GPT2Tokenizer

from hf_tinybert.data.blocks import check_blocks, pack_documents, wait_for_blocks
from tests.processes import fork_what_is_started

LENGTH = 10


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Parts of a few documents."""
    monkeypatch.setattr("hf_tinybert.data.blocks._CHUNK_CHARACTERS", 120)


@pytest.fixture
def forked(monkeypatch):
    """Processes that need not import; the tests of `hf-tinybert pretrain --num-proc` start those that do."""
    monkeypatch.setattr("hf_tinybert.worker_processes._start_method", lambda module: fork_what_is_started(monkeypatch))


@pytest.fixture
def documents(sentences):
    """Some 70 documents, from one word to several blocks long."""
    made = [" ".join(sentences[index % 24 : index % 24 + 1 + index % 9]) for index in range(60)]
    return [*made, *(f"{word} {made[3]}" for word in ("film", "game", "song")), "film", "a"]


def stream_of(documents, tokenizer):
    """The tokens of documents one after the other, a separator after each."""
    encoded = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in documents]
    return [token for ids in encoded for token in (*ids, tokenizer.sep_token_id)]


def content_of(blocks):
    """The tokens of blocks without the first and last of each."""
    return np.stack(blocks.rows["input_ids"][:])[:, 1:-1].ravel().tolist()


def test_one_part_is_the_text_in_order(documents, tokenizer, tmp_path, monkeypatch):
    """Prevents a lost, doubled or moved token, and documents that run into each other."""
    monkeypatch.setattr("hf_tinybert.data.blocks._CHUNK_CHARACTERS", 10**9)
    blocks = pack_documents(documents, tokenizer, LENGTH, tmp_path / "blocks")
    wanted = stream_of(documents, tokenizer)
    assert (blocks.documents, blocks.tokens) == (len(documents), len(wanted))
    assert blocks.left_out == len(wanted) % (LENGTH - 2)
    assert content_of(blocks) == wanted[: len(wanted) - blocks.left_out]


def test_every_block_begins_and_ends_as_an_input_of_the_model(documents, tokenizer, tmp_path):
    """Prevents blocks that a BERT has never seen the like of, and blocks of unequal length."""
    rows = np.stack(pack_documents(documents, tokenizer, LENGTH, tmp_path / "blocks").rows["input_ids"][:])
    assert rows.shape[1] == LENGTH
    assert set(rows[:, 0]) == {tokenizer.cls_token_id} and set(rows[:, -1]) == {tokenizer.sep_token_id}
    assert tokenizer.pad_token_id not in rows and tokenizer.cls_token_id not in rows[:, 1:]


def test_many_parts_hold_every_token_once_each_part_in_order(documents, tokenizer, tmp_path):
    """Prevents what is left over at the end of a part from being dropped, or put into a block twice."""
    blocks = pack_documents(documents, tokenizer, LENGTH, tmp_path / "blocks")
    wanted, found = stream_of(documents, tokenizer), content_of(blocks)
    parts = [json.loads(file.read_text()) for file in sorted((tmp_path / "blocks").glob("part-*.json"))]
    assert len(parts) > 10 and sum(len(part["end"]) for part in parts) > LENGTH
    assert len(blocks.rows) == len(wanted) // (LENGTH - 2) and blocks.left_out == len(wanted) % (LENGTH - 2)
    start = at = 0
    ends = []
    for part in parts:
        whole = part["blocks"] * (LENGTH - 2)
        assert found[at : at + whole] == wanted[start : start + whole]
        ends += wanted[start + whole : start + part["tokens"]]
        assert not part["end"] or part["end"][-1] == tokenizer.sep_token_id
        at, start = at + whole, start + part["tokens"]
    assert start == len(wanted) and found[at:] == ends[: len(ends) - blocks.left_out]


def test_a_document_longer_than_a_part_is_read_in_parts_and_stays_one(documents, tokenizer, tmp_path, monkeypatch):
    """Prevents a file without empty lines from being tokenised at once, which takes 150 bytes for each character."""
    monkeypatch.setattr("hf_tinybert.data.long_texts.text_parts.__defaults__", (60,))
    read = []
    known = type(tokenizer).__call__

    def noting(self, texts, **settings):
        read.extend(map(len, texts if isinstance(texts, list) else [texts]))
        return known(self, texts, **settings)

    monkeypatch.setattr(type(tokenizer), "__call__", noting)
    long = [" ".join(documents[:20]), documents[0], " ".join(documents[20:]) + " " * 200]
    blocks = pack_documents(long, tokenizer, LENGTH, tmp_path / "blocks")
    assert max(read[1:]) <= 60  # the first one tells the tokenizer from others
    wanted = stream_of(long, tokenizer)
    assert (blocks.documents, blocks.tokens) == (3, len(wanted))
    assert len(list((tmp_path / "blocks").glob("part-*.json"))) > 10
    missing = Counter(wanted) - Counter(content_of(blocks))
    assert missing.total() == blocks.left_out and not Counter(content_of(blocks)) - Counter(wanted)


def test_a_document_of_which_the_tokenizer_leaves_nothing_is_none(documents, tokenizer, tmp_path):
    """Prevents blocks of separators without a text between them, of a column of control characters."""
    blocks = pack_documents(["\0\0", *documents, "\u200b"], tokenizer, LENGTH, tmp_path / "blocks")
    assert (blocks.documents, blocks.tokens) == (len(documents), len(stream_of(documents, tokenizer)))


def test_a_tokenizer_that_was_saved_with_truncation_and_padding_loses_nothing(documents, tokenizer, tmp_path):
    """Prevents the truncation of a sentence model's tokenizer from cutting every document."""
    plain = pack_documents(documents, tokenizer, LENGTH, tmp_path / "plain")
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.enable_padding(length=4)
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    again = BertTokenizer.from_pretrained(tmp_path / "tokenizer")
    cut = pack_documents(documents, again, LENGTH, tmp_path / "cut")
    assert content_of(cut) == content_of(plain)


@pytest.mark.usefixtures("forked")
def test_blocks_do_not_depend_on_the_number_of_processes(documents, tokenizer, tmp_path):
    """Prevents parts in the order in which processes happen to finish."""
    one = pack_documents(documents, tokenizer, LENGTH, tmp_path / "one")
    two = pack_documents(documents, tokenizer, LENGTH, tmp_path / "two", num_proc=2)
    assert content_of(one) == content_of(two)
    assert (one.documents, one.tokens, one.left_out) == (two.documents, two.tokens, two.left_out)


def stopped_after(documents, count):
    for index, document in enumerate(documents):
        if index == count:
            raise KeyboardInterrupt
        yield document


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize("num_proc", [1, 2])
def test_interrupted_it_goes_on_after_the_last_whole_part(documents, tokenizer, tmp_path, monkeypatch, num_proc):
    """Prevents a part that is packed twice or left out, and tokenising from the beginning."""
    straight = pack_documents(documents, tokenizer, LENGTH, tmp_path / "straight")
    folder = tmp_path / "resumed"
    with pytest.raises(KeyboardInterrupt):
        pack_documents(stopped_after(documents, 40), tokenizer, LENGTH, folder, num_proc=num_proc)
    before = {file: file.stat().st_mtime_ns for file in folder.glob("part-*.json")}
    assert len(before) > 5
    resumed = pack_documents(documents, tokenizer, LENGTH, folder)
    assert content_of(resumed) == content_of(straight)
    assert (resumed.documents, resumed.tokens) == (straight.documents, straight.tokens)
    assert all(file.stat().st_mtime_ns == written for file, written in before.items())


@pytest.mark.parametrize("ending", [".arrow", ".json"])
def test_killed_while_a_part_is_written_it_goes_on_to_the_same_blocks(
    documents, tokenizer, tmp_path, monkeypatch, ending
):
    """Prevents half a part, or a part without its figures, from being taken for a whole one."""
    straight = pack_documents(documents, tokenizer, LENGTH, tmp_path / "straight")
    replace = Path.replace

    def killed(self, target):
        if Path(target).name == f"part-000007{ending}":
            raise KeyboardInterrupt
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        pack_documents(documents, tokenizer, LENGTH, tmp_path / "resumed")
    monkeypatch.setattr(Path, "replace", replace)
    resumed = pack_documents(documents, tokenizer, LENGTH, tmp_path / "resumed")
    assert content_of(resumed) == content_of(straight) and resumed.left_out == straight.left_out


def test_finished_blocks_are_not_made_again(documents, tokenizer, tmp_path):
    """Prevents a corpus from being read, or tokenised, for every run on it."""
    first = pack_documents(documents, tokenizer, LENGTH, tmp_path / "blocks")
    again = pack_documents(stopped_after(documents, 0), tokenizer, LENGTH, tmp_path / "blocks")
    assert content_of(again) == content_of(first) and again.tokens == first.tokens


def test_another_process_reads_the_same_blocks(documents, tokenizer, tmp_path):
    """Prevents processes that train on different blocks, or that each pack them."""
    packed = pack_documents(documents, tokenizer, LENGTH, tmp_path / "blocks")
    read = wait_for_blocks(tmp_path / "blocks", LENGTH)
    assert content_of(read) == content_of(packed)
    assert (read.documents, read.tokens, read.left_out) == (packed.documents, packed.tokens, packed.left_out)


def test_blocks_stay_on_disk(documents, tokenizer, tmp_path):
    """Prevents a corpus larger than the memory from filling it."""
    rows = pack_documents(documents, tokenizer, LENGTH, tmp_path / "blocks").rows
    assert {os.path.dirname(file["filename"]) for file in rows.cache_files} == {str(tmp_path / "blocks")}


def test_blocks_of_something_else_are_refused(documents, tokenizer, vocabulary, tmp_path):
    """Prevents training on another corpus, length or vocabulary than was asked for."""
    source = {"texts": ["sha256:1"]}
    pack_documents(documents, tokenizer, LENGTH, tmp_path / "blocks", source=source)
    with pytest.raises(ValueError, match="blocks` with blocks of other texts, or read otherwise;"):
        pack_documents(documents, tokenizer, LENGTH, tmp_path / "blocks", source={"texts": ["sha256:2"]})
    with pytest.raises(ValueError, match="blocks of another length;"):
        pack_documents(documents, tokenizer, 12, tmp_path / "blocks", source=source)
    other = tmp_path / "vocab.txt"
    other.write_text(vocabulary.read_text().replace("film", "movie"))
    for changed in (
        BertTokenizer(vocab=str(other), model_max_length=64),
        BertTokenizer(vocab=str(vocabulary), model_max_length=64, do_lower_case=False),
    ):
        with pytest.raises(ValueError, match="blocks of another tokenizer;"):
            pack_documents(documents, changed, LENGTH, tmp_path / "blocks", source=source)


def test_a_folder_with_other_things_is_refused(documents, tokenizer, tmp_path):
    """Prevents writing among somebody's files."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="holds something else"):
        pack_documents(documents, tokenizer, LENGTH, tmp_path)


@pytest.mark.parametrize("documents", [[], ["a film"]], ids=["none", "a short one"])
def test_text_that_fills_no_block_is_refused(documents, tokenizer, tmp_path):
    """Prevents an empty data set, at which training fails without saying why."""
    with pytest.raises(ValueError, match="at least 8 tokens together, got"):
        pack_documents(documents, tokenizer, LENGTH, tmp_path / "blocks")


def test_a_length_that_the_model_does_not_read_is_refused_before_the_folder_is_made(tokenizer, tmp_path):
    """Prevents positions that the model does not have, and blocks of special tokens alone."""
    for length in (2, 65):
        with pytest.raises(ValueError, match=f"expected blocks of 3 to 64 tokens, got {length}"):
            pack_documents(["a film"], tokenizer, length, tmp_path / "blocks")
    with pytest.raises(ValueError, match="expected blocks of 3 to 32 tokens, got 33"):
        check_blocks(tokenizer, 33, longest=32)
    assert check_blocks(tokenizer, 64) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    assert not (tmp_path / "blocks").exists()


def test_a_tokenizer_without_special_tokens_around_a_text_is_refused(tmp_path):
    """Prevents blocks that begin with nothing."""
    tokenizer = GPT2Tokenizer(vocab={"a": 0, "<|endoftext|>": 1}, merges=[])
    with pytest.raises(ValueError, match="a first and a separator token, got `GPT2Tokenizer` without"):
        check_blocks(tokenizer, 8)
