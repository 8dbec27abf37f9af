"""Tests of the agreement of layers."""

import copy

import pytest
import torch
from transformers import AutoModelForSequenceClassification, BertTokenizer, DebertaV2Config, DebertaV2Model

from hf_tinybert.report.layer_agreement import Encoder, _alignment, layer_agreement

TEXTS = [("the film is slow .", None), ("a great song today", "the team wins the match ."), ("bank loses", None)]


@pytest.fixture(scope="module")
def pair(models, tokenizer_of):
    """Student and teacher, each with its tokenizer."""
    return [
        Encoder(AutoModelForSequenceClassification.from_pretrained(models / name), tokenizer_of())
        for name in ("student", "teacher")
    ]


def test_a_model_agrees_with_itself_and_every_map_has_all_pairs(pair):
    """Prevents maps that are turned, or shifted by a layer."""
    student, teacher = pair
    found = layer_agreement(student, teacher, TEXTS, max_length=16)
    assert (len(found.hidden_states), len(found.hidden_states[0])) == (3, 5)
    assert (len(found.attention), len(found.attention[0])) == (2, 4)
    assert all(0 <= value < 1 for rows in (found.hidden_states, found.attention) for row in rows for value in row)
    twin = Encoder(copy.deepcopy(teacher.model), teacher.tokenizer)
    same = layer_agreement(teacher, twin, TEXTS, max_length=16)
    for square in (same.hidden_states, same.attention):
        assert [row[layer] for layer, row in enumerate(square)] == pytest.approx([1.0] * len(square), abs=1e-3)
        assert min(min(row) for row in square) < 0.99
    assert (same.texts, same.tokens) == (3, 6 + 2 + 4 + 7 + 1 + 4)


def test_attention_agrees_by_the_share_on_the_same_tokens(pair):
    """Prevents an overlap that is no share: checked against probabilities of the stock eager attention."""
    student, teacher = pair
    found = layer_agreement(student, teacher, TEXTS[:1] * 2, max_length=16)
    expected = []
    for model, tokenizer in (student, teacher):
        eager = type(model).from_pretrained(model.name_or_path, attn_implementation="eager").eval()
        with torch.no_grad():
            output = eager(**tokenizer(TEXTS[0][0], return_tensors="pt"), output_attentions=True)
        expected.append(torch.stack(output.attentions)[:, 0].mean(1))
    overlap = torch.minimum(expected[0][:, None], expected[1][None]).sum(-1).mean(-1)
    assert torch.tensor(found.attention) == pytest.approx(overlap.numpy(), abs=1e-4)


def test_pairs_of_long_texts_are_cut_before_they_are_encoded(pair, watch_pairs):
    """Prevents a report that stands still at two documents, of which the library makes every pair of parts."""
    asked = watch_pairs(pair[0].tokenizer)
    found = layer_agreement(*pair, [("a film " * 2000, "the game " * 2000), *TEXTS], max_length=16)
    assert len(asked) == 4 and max(asked) < 500
    assert found.texts == 4


def test_alignment_does_not_see_turns_and_scales():
    """Prevents layers that count as different because a projection would turn them: CKA by its formula, and turned."""
    torch.manual_seed(0)
    states, turn = torch.randn(50, 8, dtype=torch.float64), torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64))[0]
    other = torch.randn(50, 5, dtype=torch.float64)
    centre = torch.eye(50, dtype=torch.float64) - 1 / 50
    kernels = [centre @ one @ one.T @ centre for one in (states, other)]
    by_kernels = (kernels[0] * kernels[1]).sum() / (kernels[0].norm() * kernels[1].norm())
    found = _alignment([states], [3 * states @ turn + 1, other])
    assert found[0].tolist() == pytest.approx([1.0, by_kernels.item()])


def test_texts_that_are_cut_into_other_tokens_are_refused(pair, tmp_path):
    """Prevents states of different words that are compared because there are as many of them."""
    file = tmp_path / "vocab.txt"
    file.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "film"]))
    student, teacher = pair
    with pytest.raises(ValueError, match=r"same tokens, got 0 of 3"):
        layer_agreement(student, Encoder(teacher.model, BertTokenizer(vocab=str(file))), TEXTS, max_length=16)


def test_an_encoder_off_the_attention_interface_is_read_at_its_softmax(pair, tokenizer_of):
    """Prevents a report that fails, or shows nothing, for a teacher such as DeBERTa."""
    torch.manual_seed(0)
    config = DebertaV2Config(
        vocab_size=len(tokenizer_of()),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=64,
    )
    found = layer_agreement(pair[0], Encoder(DebertaV2Model(config), tokenizer_of()), TEXTS, max_length=16)
    assert [len(row) for row in found.hidden_states] == [2, 2, 2] and [len(row) for row in found.attention] == [1, 1]
