"""Which tokens masked LM hides."""

import pytest
import torch
from datasets import Dataset

from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.kinds.masked_lm import encode_blocks
from hf_tinybert.data.kinds.masking import TO_FILL, MaskingCollator, check_mask_token, fix_masks, mask_tokens


@pytest.fixture
def encoded(tokenizer, sentences):
    rows = Dataset.from_dict({"text": sentences})
    return encode_blocks(rows, tokenizer, TaskSettings(TaskKind.MASKED_LM, max_length=16))


def test_shares_are_those_of_bert(tokenizer):
    """Prevents a model that never sees a hidden token that stayed, or sees masks at other shares."""
    ids = torch.full((100, 1000), tokenizer.vocab["bank"])
    hidden, labels = mask_tokens(ids, tokenizer, 0.15)
    drawn = labels != -100
    assert drawn.float().mean().item() == pytest.approx(0.15, abs=0.005)
    masked = hidden[drawn] == tokenizer.mask_token_id
    stayed = hidden[drawn] == ids[drawn]
    # of the 10 % that become any token one in the vocabulary's size is the mask or the same again
    assert masked.float().mean().item() == pytest.approx(0.8 + 0.1 / len(tokenizer), abs=0.015)
    assert stayed.float().mean().item() == pytest.approx(0.1 + 0.1 / len(tokenizer), abs=0.015)
    assert hidden[~drawn].equal(ids[~drawn])
    assert labels[drawn].equal(ids[drawn])


def test_special_tokens_are_never_hidden_and_every_row_hides_one(tokenizer):
    """Prevents padding to be guessed, and a batch whose loss is the mean of nothing."""
    word = tokenizer.vocab["bank"]
    row = [tokenizer.cls_token_id, word, tokenizer.unk_token_id, tokenizer.mask_token_id, tokenizer.sep_token_id, 0]
    _, labels = mask_tokens(torch.tensor([row] * 50), tokenizer, 0.01)
    assert labels.tolist() == [[-100, word, -100, -100, -100, -100]] * 50
    nothing = torch.tensor([[tokenizer.cls_token_id, tokenizer.sep_token_id]])
    hidden, labels = mask_tokens(nothing, tokenizer, 0.15)
    assert hidden.equal(nothing)
    assert (labels == -100).all()


def test_masks_are_drawn_anew_from_the_state_that_a_checkpoint_holds(tokenizer, encoded):
    """Prevents the same masks in every epoch, and a resumed run that masks otherwise than the one it continues."""
    collate = MaskingCollator(tokenizer, 0.15)
    rows = [encoded[number] for number in range(8)]
    state = torch.get_rng_state()
    first, second = collate(rows), collate(rows)
    assert set(first) == {"input_ids", "token_type_ids", "attention_mask", "labels"}
    assert not first["labels"].equal(second["labels"])
    torch.set_rng_state(state)
    assert MaskingCollator(tokenizer, 0.15)(rows)["input_ids"].equal(first["input_ids"])


def test_fixed_masks_are_the_same_whatever_the_batch(tokenizer, encoded):
    """Prevents evaluations of which each measures something else."""
    fixed = fix_masks(encoded, tokenizer, 0.15, 3)
    assert fix_masks(encoded.select(range(4)), tokenizer, 0.15, 3)[:] == fixed.select(range(4))[:]
    assert fix_masks(encoded, tokenizer, 0.15, 4)["labels"][:] != fixed["labels"][:]
    state = torch.get_rng_state()
    batch = MaskingCollator(tokenizer, 0.15)([fixed[0], fixed[3]])
    assert torch.get_rng_state().equal(state)
    length = len(fixed[0]["input_ids"])
    assert batch["input_ids"][0, :length].tolist() == fixed[0]["input_ids"]
    assert batch["labels"][0, :length].tolist() == fixed[0]["labels"]
    assert (batch["labels"][0, length:] == -100).all()
    for row, hidden in zip(encoded, fixed, strict=True):
        back = [
            old if label == -100 else label for old, label in zip(hidden["input_ids"], hidden["labels"], strict=True)
        ]
        assert back == row["input_ids"]
        assert any(label != -100 for label in hidden["labels"])


def test_without_a_seed_and_in_texts_with_masks_nothing_is_hidden(tokenizer, encoded):
    """Prevents texts to be filled in which further words are gone."""
    assert all(label == -100 for labels in fix_masks(encoded, tokenizer, 0.15, None)["labels"] for label in labels)
    rows = Dataset.from_dict({"text": ["the bank [MASK] today .", "the bank rises today ."]})
    own = encode_blocks(rows, tokenizer, TaskSettings(TaskKind.MASKED_LM, max_length=16))
    fixed = fix_masks(own, tokenizer, 0.15, 0)
    assert own[TO_FILL][0] == [False, False, False, True, False, False, False]
    assert fixed["input_ids"][0] == own["input_ids"][0]
    assert [any(label != -100 for label in labels) for labels in fixed["labels"]] == [False, True]


def test_a_tokenizer_without_a_mask_is_refused(byte_level_tokenizer, tokenizer):
    """Prevents an error about `None` in the middle of the first batch."""
    check_mask_token(tokenizer)
    with pytest.raises(ValueError, match="expected a tokenizer with a mask token"):
        check_mask_token(byte_level_tokenizer)
    with pytest.raises(ValueError, match="expected a tokenizer with a mask token"):
        MaskingCollator(byte_level_tokenizer, 0.15)
