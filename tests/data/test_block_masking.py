"""Tests of the masks of packed blocks."""

import numpy as np
import pytest
import torch
from datasets import Dataset
from transformers import TrainerControl, TrainerState, TrainingArguments

from hf_tinybert.data.block_masking import BlockMaskingCollator, MaskingPasses, hidden_tokens

LENGTH = 42


@pytest.fixture
def blocks(tokenizer):
    """32 different blocks of words between the two special tokens, some with separators between documents."""
    generator = np.random.default_rng(0)
    words = generator.integers(5, len(tokenizer), (32, LENGTH))
    words[:, 0], words[:, -1] = tokenizer.cls_token_id, tokenizer.sep_token_id
    words[::3, 7] = tokenizer.sep_token_id
    return Dataset.from_dict({"input_ids": words}).with_format("numpy")


@pytest.fixture
def rows(blocks):
    return [blocks[number] for number in range(len(blocks))]


def test_a_block_is_hidden_alike_in_a_pass_whatever_the_batch_the_order_and_the_random_state(tokenizer, rows):
    """Prevents a resumed run, or one of several processes, that learns from other masks than the straight one."""
    whole = BlockMaskingCollator(tokenizer, 3)(rows)
    torch.manual_seed(5)
    np.random.seed(5)
    other = BlockMaskingCollator(tokenizer, 3)
    order = [9, 4, 30, 0]
    part = other([rows[number] for number in order])
    for name in ("input_ids", "labels"):
        assert part[name].equal(whole[name][order])
    state = torch.get_rng_state()
    other(rows)
    assert torch.get_rng_state().equal(state)


def test_every_pass_and_every_seed_hides_other_tokens(tokenizer, rows):
    """Prevents the same gaps in every pass, of which the student would learn no others."""
    collate = BlockMaskingCollator(tokenizer, 3)
    labels = [collate(rows)["labels"]]
    for number in (1, 2):
        collate.begin_pass(number)
        labels.append(collate(rows)["labels"])
    labels.append(BlockMaskingCollator(tokenizer, 4)(rows)["labels"])
    for number, one in enumerate(labels):
        assert all(not (one == other).all(1).any() for other in labels[number + 1 :])
    collate.begin_pass(0)
    assert collate(rows)["labels"].equal(labels[0])


def test_all_blocks_hide_equally_many_words_at_the_shares_of_bert(tokenizer, rows):
    """Prevents a mean over tokens that depends on how processes share the blocks, and special tokens to guess."""
    collate = BlockMaskingCollator(tokenizer, 0)
    ids = torch.tensor(np.stack([row["input_ids"] for row in rows]))
    masked, stayed, total = 0, 0, 0
    for number in range(40):
        collate.begin_pass(number)
        batch = collate(rows)
        drawn = batch["labels"] != -100
        assert drawn.sum(1).tolist() == [6] * len(rows) == [hidden_tokens(LENGTH)] * len(rows)
        assert batch["labels"][drawn].equal(ids[drawn]) and batch["input_ids"][~drawn].equal(ids[~drawn])
        assert not torch.isin(batch["labels"], torch.tensor(tokenizer.all_special_ids)).any()
        masked += int((batch["input_ids"][drawn] == tokenizer.mask_token_id).sum())
        stayed += int((batch["input_ids"][drawn] == ids[drawn]).sum())
        total += int(drawn.sum())
    # of the 10 % that become any token one in the vocabulary's size is the mask or the same again
    assert masked / total == pytest.approx(0.8 + 0.1 / len(tokenizer), abs=0.015)
    assert stayed / total == pytest.approx(0.1 + 0.1 / len(tokenizer), abs=0.015)


def test_a_block_with_fewer_words_hides_these_alone(tokenizer):
    """Prevents special and unknown tokens from being hidden where there is nothing else."""
    word = tokenizer.vocab["bank"]
    block = [tokenizer.cls_token_id, *[tokenizer.unk_token_id] * 38, word, tokenizer.unk_token_id]
    batch = BlockMaskingCollator(tokenizer, 0)([{"input_ids": np.array([*block, tokenizer.sep_token_id])}])
    assert batch["labels"][batch["labels"] != -100].tolist() == [word]
    assert hidden_tokens(3) == 1 and hidden_tokens(128) == 19


def test_blocks_to_evaluate_on_keep_their_masks_in_every_pass(tokenizer, blocks, rows):
    """Prevents terms before and after that were measured on different gaps."""
    collate = BlockMaskingCollator(tokenizer, 0)
    fixed = collate.with_fixed_masks(blocks)
    first = collate([fixed[number] for number in range(len(fixed))])
    assert not first["labels"].equal(collate(rows)["labels"])
    collate.begin_pass(5)
    again = collate([fixed[number] for number in range(len(fixed))])
    assert all(first[name].equal(again[name]) and first[name].dtype == torch.int64 for name in first)
    assert set(first) == {"input_ids", "labels"}


def test_a_tokenizer_without_a_mask_is_refused(tokenizer):
    """Prevents gaps that are filled with nothing."""
    tokenizer.mask_token = None
    with pytest.raises(ValueError, match="expected a tokenizer with a mask token"):
        BlockMaskingCollator(tokenizer, 0)


@pytest.mark.parametrize(("epoch", "number"), [(0, 0), (0.6, 0), (1.0, 1), (1.99, 1), (3, 3)])
def test_the_pass_is_the_one_that_training_is_in(tokenizer, rows, tmp_path, epoch, number):
    """Prevents a run that goes on in the middle of a pass with the masks of the first, or of the next."""
    told, wanted = BlockMaskingCollator(tokenizer, 0), BlockMaskingCollator(tokenizer, 0)
    told.begin_pass(7)
    arguments = TrainingArguments(str(tmp_path), use_cpu=True)
    MaskingPasses(told).on_epoch_begin(arguments, TrainerState(epoch=epoch), TrainerControl())
    wanted.begin_pass(number)
    assert told(rows)["labels"].equal(wanted(rows)["labels"])
