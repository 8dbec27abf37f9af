"""Which tokens stand behind the masks."""

import json
import math

import numpy as np
import pytest
import torch
from datasets import Dataset
from tokenizers import AddedToken, decoders
from transformers import BertForMaskedLM

from hf_tinybert.data.kinds.definition import TaskKind, TaskSettings
from hf_tinybert.data.kinds.masked_lm import encode_blocks, reduce_vocabulary
from hf_tinybert.data.tasks import Task

LONG = "the market falls today . a bank share rises ."


@pytest.fixture
def task():
    return Task(TaskSettings(TaskKind.MASKED_LM, max_length=6, stride=2))


def _parts(encoded, best, padding=0):
    """What is gathered where `best` is the likeliest token everywhere and each label has the loss log 4."""
    longest = max(map(len, encoded["input_ids"])) + padding
    parts = [np.full((len(encoded), longest), -100.0) for _ in range(3)]
    for row, labels in enumerate(encoded["labels"]):
        parts[0][row, : len(labels)] = best
        parts[1][row, : len(labels)] = 0.25
        parts[2][row, : len(labels)] = [-100.0 if label == -100 else math.log(4) for label in labels]
    return parts[0].astype(np.int64), parts[1], parts[2]


def _with_mask(byte_level_tokenizer):
    byte_level_tokenizer.add_special_tokens({"mask_token": "<mask>"})
    byte_level_tokenizer.backend_tokenizer.decoder = decoders.ByteLevel()


def test_blocks_hold_every_token_once_and_never_two_texts(task, tokenizer):
    """Prevents the end of long texts from never being learnt, and words predicted from another text."""
    rows = Dataset.from_dict({"text": [LONG, "a film", ""]})
    encoded = encode_blocks(rows, tokenizer, task.settings)
    assert encoded["row_number"][:] == [0, 0, 0, 1, 2]
    texts = [tokenizer.decode(ids) for ids in encoded["input_ids"]]
    assert texts[:3] == ["[CLS] the market falls today [SEP]", "[CLS]. a bank share [SEP]", "[CLS] rises. [SEP]"]
    assert encoded["token_positions"][:3] == [[-1, 0, 1, 2, 3, -1], [-1, 4, 5, 6, 7, -1], [-1, 8, 9, -1]]
    assert "labels" not in encoded.column_names


def test_vocabularies_are_reduced_to_what_is_scored():
    """Prevents arrays of rows x tokens x vocabulary in memory, and other numbers than the loss of the stock head."""
    logits = torch.randn(3, 5, 11)
    labels = torch.randint(11, (3, 5)).masked_fill(torch.rand(3, 5) < 0.5, -100)
    best, scores, losses = reduce_vocabulary((logits, torch.zeros(1)), labels)
    assert best.equal(logits.argmax(-1))
    assert scores.numpy() == pytest.approx(logits.softmax(-1).amax(-1).numpy(), rel=1e-5)
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    assert losses[labels != -100].mean().item() == pytest.approx(expected.item(), rel=1e-5)
    assert (losses[labels == -100] == -100).all()
    assert (reduce_vocabulary(logits, None)[2] == -100).all()
    half = reduce_vocabulary(logits.bfloat16(), labels)
    assert half[2].dtype == torch.float32
    assert half[2].isfinite().all()


def test_masks_of_a_text_are_filled_in_their_order(task, tokenizer):
    """Prevents words at other masks, in the second block too, and a changed spelling of the rest."""
    rows = Dataset.from_dict({"text": ["The [MASK] is  very old and a [MASK][MASK] .", LONG]})
    encoded = task.fix_masks(task.encode(rows, tokenizer), tokenizer, None)
    parts = _parts(encoded, tokenizer.vocab["bank"])
    place = encoded["to_fill"][2].index(True)
    parts[0][2, place] = tokenizer.vocab["##s"]
    first, second = task.decode(parts, encoded, rows, tokenizer)
    assert first["text"] == "The bank is  very old and a banks ."
    assert [token["position"] for token in first["tokens"]] == [1, 7, 8]
    assert {token["score"] for token in first["tokens"]} == {0.25}
    assert all("gold" not in token for token in first["tokens"])
    assert second == {"text": LONG, "tokens": []}
    assert json.loads(json.dumps([first, second])) == [first, second]


def test_hidden_tokens_are_told_with_their_gold(task, tokenizer):
    """Prevents a score that counts tokens that the model has seen; padding changes nothing."""
    rows = Dataset.from_dict({"text": [LONG, "a bank"]})
    encoded = task.fix_masks(task.encode(rows, tokenizer), tokenizer, 1)
    best = tokenizer.vocab["bank"]
    predictions = task.decode(_parts(encoded, best), encoded, rows)
    assert predictions == task.decode(_parts(encoded, best, padding=4), encoded, rows)
    gold = [label for labels in encoded["labels"] for label in labels if label != -100]
    assert [token["gold"] for each in predictions for token in each["tokens"]] == gold
    scores = task.score(predictions, rows)
    assert scores == pytest.approx({"accuracy": gold.count(best) / len(gold), "perplexity": 4.0}, rel=1e-5)
    assert tuple(scores) == task.metrics
    named = task.decode(_parts(encoded, best), encoded, rows, tokenizer)
    assert task.score(named, rows) == scores
    assert [each["text"] for each in named] == rows["text"][:]


def test_tokens_that_look_the_same_are_not_the_same(byte_level_tokenizer):
    """Prevents an accuracy that rises once tokens have names: a space and a line break are both nothing in letters."""
    _with_mask(byte_level_tokenizer)
    task = Task(TaskSettings(TaskKind.MASKED_LM, max_length=16, masked_share=1.0))
    rows = Dataset.from_dict({"text": [" " * 9]})
    encoded = task.fix_masks(task.encode(rows, byte_level_tokenizer), byte_level_tokenizer, 0)
    space, line_break = (byte_level_tokenizer.convert_tokens_to_ids(token) for token in "ĠĊ")
    for best, accuracy in ((space, 1.0), (line_break, 0.0)):
        for names in (None, byte_level_tokenizer):
            predictions = task.decode(_parts(encoded, best), encoded, rows, names)
            assert task.score(predictions, rows)["accuracy"] == accuracy


def test_masks_of_other_families_are_filled(byte_level_tokenizer):
    """Prevents marks of word starts in the text, and letters around it that come back as bytes."""
    _with_mask(byte_level_tokenizer)
    task = Task(TaskSettings(TaskKind.MASKED_LM, max_length=16))
    rows = Dataset.from_dict({"text": ["é <mask>b"]})
    encoded = task.fix_masks(task.encode(rows, byte_level_tokenizer), byte_level_tokenizer, None)
    for token, word, text in (("a", "a", "é ab"), ("Ġ", "", "é b")):
        parts = _parts(encoded, byte_level_tokenizer.convert_tokens_to_ids(token))
        (prediction,) = task.decode(parts, encoded, rows, byte_level_tokenizer)
        assert prediction["text"] == text
        assert [told["token"] for told in prediction["tokens"]] == [word]


@pytest.mark.parametrize(
    ("family", "decoder", "begins"),
    [("byte_level", decoders.ByteLevel(), "Ġ"), ("sentence_piece", decoders.Metaspace(), "▁bank")],
)
def test_pieces_that_go_on_with_a_word_are_joined_to_it(family, decoder, begins, request):
    """Prevents `film s` of RoBERTa and XLM-RoBERTa, whose masks have the space before them as part of themselves."""
    tokenizer = request.getfixturevalue(f"{family}_tokenizer")
    tokenizer.backend_tokenizer.decoder = decoder
    tokenizer.add_special_tokens({"mask_token": AddedToken("<mask>", lstrip=True)})
    task = Task(TaskSettings(TaskKind.MASKED_LM, max_length=16))
    rows = Dataset.from_dict({"text": ["the <mask> a"]})
    encoded = task.fix_masks(task.encode(rows, tokenizer), tokenizer, None)
    for piece, text in (("s", "thes a"), (begins, f"the {begins[1:]} a")):
        parts = _parts(encoded, tokenizer.convert_tokens_to_ids(piece))
        (prediction,) = task.decode(parts, encoded, rows, tokenizer)
        assert prediction["text"] == text


def test_texts_without_hidden_tokens_are_not_scored(task, tokenizer):
    """Prevents a division by zero that says nothing of the cause."""
    rows = Dataset.from_dict({"text": ["the [MASK] ."]})
    encoded = task.fix_masks(task.encode(rows, tokenizer), tokenizer, 0)
    with pytest.raises(ValueError, match="expected hidden tokens to score, got none in 1 rows"):
        task.score(task.decode(_parts(encoded, 7), encoded, rows), rows)


def test_whole_logits_are_refused(task, tokenizer):
    """Prevents logits over the vocabulary that are read as tokens."""
    rows = Dataset.from_dict({"text": ["the bank ."]})
    encoded = task.encode(rows, tokenizer)
    with pytest.raises(ValueError, match="expected tokens, probabilities and losses, got ndarray"):
        task.decode(np.zeros((1, 5, 40)), encoded, rows)


def test_a_tokenizer_without_a_mask_is_refused(task, byte_level_tokenizer):
    """Prevents texts encoded at length for a model that cannot be asked."""
    with pytest.raises(ValueError, match="expected a tokenizer with a mask token"):
        task.encode(Dataset.from_dict({"text": ["a"]}), byte_level_tokenizer)


def test_the_stock_trainer_learns_and_scores_it(task, sentences, small_config, trained):
    """Prevents labels that a stock head cannot take, and a loss other than that of the score."""
    task = task.with_settings(max_length=16)
    model = BertForMaskedLM(small_config(**task.model_settings()))
    scores = trained(task, model, Dataset.from_dict({"text": sentences * 2}), epochs=40)
    assert scores["eval_accuracy"] >= 0.5
    assert scores["eval_perplexity"] == pytest.approx(math.exp(scores["eval_loss"]), rel=0.15)


def test_batches_masked_by_the_collator_are_scored_too(task, tokenizer, sentences, small_config, gathered):
    """Prevents gold tokens that are lost where a Trainer evaluates rows whose masks are not fixed."""
    rows = Dataset.from_dict({"text": sentences})
    encoded = task.encode(rows, tokenizer)
    model = BertForMaskedLM(small_config()).eval()
    predictions = task.decode(gathered(task, model, encoded), encoded, rows)
    told = [(number, token) for number, each in enumerate(predictions) for token in each["tokens"]]
    assert len({number for number, _ in told}) == len(sentences)
    ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in sentences]
    assert all(token["gold"] == ids[number][token["position"]] for number, token in told)
