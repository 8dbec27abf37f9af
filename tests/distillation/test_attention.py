import copy

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from hf_tinybert.distillation.attention import AttentionRecord, record_attention


@pytest.fixture
def batch():
    """Two texts, the second padded from position 4."""
    ids = torch.randint(5, 40, (2, 7), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


@pytest.fixture
def recording(build_teacher):
    model = build_teacher().eval()
    record_attention(model)
    return model


def test_scores_of_the_record_softmaxed_are_eager_attention_probabilities(build_teacher, recording, batch):
    """Prevents records of another tensor than the one the softmax reads: unscaled, of another layer, after dropout."""
    eager = build_teacher().eval()
    eager.set_attn_implementation("eager")
    expected = eager(**batch, output_attentions=True).attentions
    records = recording(**batch, output_attentions=True).attentions
    hidden = (batch["attention_mask"] == 0)[:, None, None, :]
    assert len(records) == len(expected) == 4
    for record, probabilities in zip(records, expected, strict=True):
        got = record.scores().masked_fill(hidden, -torch.inf).softmax(-1)
        torch.testing.assert_close(got, probabilities, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("padded", [True, False])
def test_outputs_are_those_of_sdpa(build_teacher, recording, batch, padded):
    """Prevents the mask from being dropped: transformers passes none to an attention it has no mask function for."""
    stock = build_teacher().eval()
    inputs = batch if padded else {"input_ids": batch["input_ids"].clamp(min=5)}
    assert stock.config._attn_implementation == "sdpa"
    torch.testing.assert_close(recording(**inputs).logits, stock(**inputs).logits, rtol=0, atol=0)


def test_padding_is_not_attended(recording, batch):
    """Prevents garbage in padded positions from reaching valid ones."""
    changed = {**batch, "input_ids": torch.where(batch["attention_mask"] == 0, 17, batch["input_ids"])}
    torch.testing.assert_close(recording(**batch).logits, recording(**changed).logits)


def test_records_carry_gradients_through_gradient_checkpointing(build_student, batch):
    """Prevents an attention loss without gradient when activations are recomputed."""
    student = build_student(attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0)
    record_attention(student)
    plain = copy.deepcopy(student)
    student.activation_checkpointing_enable()
    for model in (student, plain):
        model.train()
        records = model(**batch, output_attentions=True).attentions
        assert len(records) == 2
        assert all(isinstance(record, AttentionRecord) for record in records)
        torch.stack([record.scores().square().mean() for record in records]).sum().backward()
    name = "bert.encoder.layer.0.attention.self.query.weight"
    gradients = [dict(model.named_parameters())[name].grad for model in (student, plain)]
    assert gradients[1].abs().max() > 0
    torch.testing.assert_close(*gradients)


def test_a_saved_and_reloaded_model_is_back_on_its_default_attention(recording, tmp_path):
    """Prevents a checkpoint that only loads where this package was imported."""
    recording.save_pretrained(tmp_path)
    assert "distillation" not in (tmp_path / "config.json").read_text(encoding="utf-8")
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path).config._attn_implementation == "sdpa"
