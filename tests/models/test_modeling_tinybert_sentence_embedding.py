"""One vector per text: pooling that padding cannot touch, and folders that come back as they were."""

import pytest
import torch
from transformers import AutoModelForTextEncoding

import hf_tinybert
from hf_tinybert.models.modeling_tinybert_sentence_embedding import (
    SentenceEmbeddingHead,
    SentenceEmbeddingOutput,
    TinyBertForSentenceEmbedding,
    pooled_state,
)

TEXTS = ["the market falls today .", "a great song"]


@pytest.fixture
def build_embedder(tiny_student_config):
    def build(**overrides):
        torch.manual_seed(0)
        values = {**tiny_student_config.to_dict(), "initializer_range": 0.3, **overrides}
        return TinyBertForSentenceEmbedding(hf_tinybert.TinyBertConfig(**values)).eval()

    return build


def test_the_mean_is_over_valid_tokens():
    """A mean over padding moves short texts towards each other."""
    states = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]]])
    assert pooled_state(states, torch.tensor([[1, 1, 0]]), "mean").tolist() == [[2.0, 4.0]]
    assert pooled_state(states[:, :2], None, "mean").tolist() == [[2.0, 4.0]]
    assert pooled_state(states, torch.tensor([[1, 1, 0]]), "cls").tolist() == [[1.0, 2.0]]
    assert pooled_state(states, torch.tensor([[0, 0, 0]]), "mean").tolist() == [[0.0, 0.0]]


def test_a_mean_in_half_precision_is_taken_in_float32():
    """Summed in bfloat16, a text of 500 tokens loses its last ones."""
    states = torch.full((1, 500, 1), 1.0, dtype=torch.bfloat16)
    pooled = pooled_state(states, torch.ones(1, 500), "mean")
    assert pooled.dtype == torch.bfloat16 and pooled.item() == 1.0


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@pytest.mark.parametrize("size", [None, 10])
def test_padding_changes_no_embedding(build_embedder, tokenizer, pooling, size):
    """A text would have another neighbour in every batch."""
    model = build_embedder(pooling=pooling, embedding_size=size)
    with torch.no_grad():
        together = model(**tokenizer(TEXTS, padding=True, return_tensors="pt"))
        alone = torch.cat([model(**tokenizer(text, return_tensors="pt")).logits for text in TEXTS])
    assert type(together) is SentenceEmbeddingOutput and together.logits.shape == (2, size or 16)
    torch.testing.assert_close(together.logits, alone, atol=1e-6, rtol=0)
    torch.testing.assert_close(together.logits.norm(dim=-1), torch.ones(2))


def test_hidden_states_come_when_asked_for(build_embedder, tokenizer):
    """Distillation reads them from the student's output."""
    model = build_embedder()
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    output = model(**inputs, output_hidden_states=True)
    assert len(output.hidden_states) == 3 and output.loss is None
    assert torch.equal(model(**inputs, return_dict=False)[0], output.logits)
    states = model.bert(**inputs).last_hidden_state
    assert torch.equal(model.embedding(states, inputs["attention_mask"]), output.logits)
    assert isinstance(model.embedding, SentenceEmbeddingHead)


def test_a_configuration_may_ask_for_tuples(build_embedder, tokenizer):
    """Scripts that set `return_dict=False` would end in an error about the encoder's output."""
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    expected = build_embedder()(**inputs).logits
    (embeddings,) = build_embedder(return_dict=False)(**inputs)
    assert torch.equal(embeddings, expected)


def test_normalisation_can_be_left_out(build_embedder, tokenizer):
    """Lengths carry meaning for a dot product."""
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        plain, unit = build_embedder(normalize=False)(**inputs).logits, build_embedder()(**inputs).logits
    assert (plain.norm(dim=-1) - 1).abs().min() > 0.01
    torch.testing.assert_close(plain / plain.norm(dim=-1, keepdim=True), unit)


def test_save_load(build_embedder, tokenizer, tmp_path):
    """A linear layer lost on the way to the disk comes back random; the Auto class must find it too."""
    model = build_embedder(embedding_size=10, pooling="cls")
    model.save_pretrained(tmp_path)
    inputs = tokenizer(TEXTS, padding=True, return_tensors="pt")
    for loader in (TinyBertForSentenceEmbedding, AutoModelForTextEncoding):
        again, report = loader.from_pretrained(tmp_path, output_loading_info=True)
        assert type(again) is TinyBertForSentenceEmbedding
        assert not report["missing_keys"] and not report["unexpected_keys"]
        with torch.no_grad():
            torch.testing.assert_close(again.eval()(**inputs).logits, model(**inputs).logits, atol=1e-6, rtol=0)


def test_there_is_no_export_that_drops_the_head(build_embedder, tmp_path):
    """Plain BERT gives no embedding: the way to it must be named."""
    with pytest.raises(ValueError, match="save_as_sentence_transformer"):
        hf_tinybert.export_to_bert(build_embedder(), tmp_path / "bert")
