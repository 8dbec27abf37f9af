"""Tests of the raw text of a general distillation."""

import pytest
from datasets import Dataset

from hf_tinybert.workflow import PretrainSettings
from hf_tinybert.workflow.corpus import check_corpus, pack_corpus, split_corpus

SIZES = {"block_length": 10, "batch_size": 20, "held_out_blocks": 30}


@pytest.fixture
def corpus(tmp_path):
    """Makes a text file of so many documents of 8 tokens, their separators included: as many blocks."""

    def make(documents):
        file = tmp_path / f"{documents}.txt"
        file.write_text("\n\n".join(["the film is good . the team"] * documents))
        return PretrainSettings(texts=(str(file),), deduplicate=False, **SIZES)

    return make


def test_texts_that_fill_a_step_beside_what_is_held_out_will_do_and_no_less(corpus, tokenizer, tmp_path):
    """Prevents a refusal of what works, and a run whose training set is empty."""
    least = corpus(23)
    check_corpus(least, tokenizer)
    rows = pack_corpus(least, tokenizer, tmp_path / "blocks", 1).rows
    assert len(rows) == 23
    train, compared = split_corpus(rows, least)
    assert (len(train), len(compared)) == (20, 3)
    with pytest.raises(ValueError, match="at least 184 tokens, 23 blocks of 10, got 176 in"):
        check_corpus(corpus(22), tokenizer)


def test_texts_that_the_tokenizer_does_not_know_are_warned_of(tokenizer, tmp_path, caplog):
    """Prevents hours of learning from [UNK], of texts in a script that the teacher does not read."""
    file = tmp_path / "texts.txt"
    for text, warned in (("фильм хорош the film is", True), ("the film is good today фильм", False)):
        file.write_text("\n\n".join([text] * 60), encoding="utf-8")
        check_corpus(PretrainSettings(texts=(str(file),), deduplicate=False, **SIZES), tokenizer)
        assert ("tokens are unknown to the teacher's tokenizer" in caplog.text) is warned
        caplog.clear()


@pytest.mark.parametrize(("blocks", "trained", "compared"), [(23, 20, 3), (259, 220, 20), (400, 360, 40)])
def test_training_and_comparison_take_whole_steps_of_blocks_that_differ(blocks, trained, compared):
    """Prevents processes from seeing a block twice in a smaller last step, and training on what is compared."""
    settings = PretrainSettings(texts=("books.txt",), **SIZES)
    rows = Dataset.from_dict({"input_ids": [[number] for number in range(blocks)]})
    train, held_out = ({row[0] for row in part["input_ids"]} for part in split_corpus(rows, settings))
    assert (len(train), len(held_out)) == (trained, compared) and not train & held_out
