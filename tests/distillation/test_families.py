"""Every tested family, through the same checks: the README's table of teachers and students is this one."""

import pytest
import torch

from hf_tinybert.distillation.attention import UNRECORDED_IMPLEMENTATION, AttentionRecord, record_attention
from hf_tinybert.distillation.attention_access import attention_access, mask_without_waiting, refusal
from hf_tinybert.distillation.attention_fallback import record_softmax
from tests.distillation.families import FALLBACK_FAMILIES, FAMILIES, HEADS, INTERFACE_FAMILIES, LAYERS

LENGTH = 14


@pytest.fixture
def batch():
    """Two texts, the second padded from position 9."""
    ids = torch.randint(5, 40, (2, LENGTH), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    return {"input_ids": ids * mask, "attention_mask": mask}


def _attending(mask, window):
    """Pairs (batch, 1, query_len, key_len) that attend: valid keys within the window."""
    positions = torch.arange(mask.shape[1])
    distance = (positions[:, None] - positions).abs()
    near = distance <= (mask.shape[1] if window is None else window)
    return (mask[:, None, None, :] == 1) & near


def _valid_pairs(mask):
    return (mask[:, None, :, None] == 1) & (mask[:, None, None, :] == 1)


def _eager_attentions(family, batch):
    model = family.build_model().eval()
    model.set_attn_implementation("eager")
    return model(**batch, output_attentions=True).attentions


@pytest.mark.parametrize("family", INTERFACE_FAMILIES, ids=str)
def test_softmax_of_recorded_scores_is_eager_attention(family, batch):
    """Prevents a record that lacks a scale, a rotation, a window or the repeated heads of its family."""
    model = family.build_model().eval()
    record_attention(model)
    records = model(**batch, output_attentions=True).attentions
    expected = _eager_attentions(family, batch)
    assert len(records) == len(expected) == LAYERS
    valid = _valid_pairs(batch["attention_mask"]).expand_as(expected[0])
    for record, probabilities in zip(records, expected, strict=True):
        assert record.query.shape == record.key.shape
        assert record.value.shape[1] == HEADS
        attending = _attending(batch["attention_mask"], record.window)
        got = record.scores().masked_fill(~attending, -torch.inf).softmax(-1)
        torch.testing.assert_close(got[valid], probabilities[valid], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("family", INTERFACE_FAMILIES, ids=str)
def test_recording_changes_no_output(family, batch):
    """Prevents a mask that is dropped or another kernel, which would train on other states than those used later."""
    model = family.build_model().eval()
    stock = model(**batch).last_hidden_state
    record_attention(model)
    torch.testing.assert_close(model(**batch, output_attentions=True).last_hidden_state, stock, rtol=0, atol=0)


@pytest.mark.parametrize("padded", [True, False], ids=["padded", "all valid"])
@pytest.mark.parametrize("family", INTERFACE_FAMILIES, ids=str)
def test_masks_without_waiting_change_no_bit(family, batch, padded):
    """Prevents another model, or another training, where the host does not ask the device for padding."""
    if not padded:
        batch["attention_mask"] = torch.ones_like(batch["attention_mask"])
    stock, changed = family.build_model(), family.build_model()
    mask_without_waiting(changed)
    assert changed.config._attn_implementation == UNRECORDED_IMPLEMENTATION
    found = []
    for model in (stock, changed):
        torch.manual_seed(0)  # of the dropout
        states = model(**batch).last_hidden_state
        states.square().sum().backward()
        found.append([states, *(weight.grad for weight in model.parameters() if weight.grad is not None)])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))


@pytest.mark.parametrize("family", FALLBACK_FAMILIES, ids=str)
def test_a_family_with_attention_of_its_own_keeps_it(family):
    """Prevents a name of an attention that the model does not have, and a warning about it."""
    model = family.build_model()
    before = model.config._attn_implementation
    mask_without_waiting(model)
    assert model.config._attn_implementation == before


@pytest.mark.parametrize("family", INTERFACE_FAMILIES, ids=str)
def test_only_wanted_layers_are_recorded_and_they_are_the_right_ones(family, batch):
    """Prevents records that move to another layer, as where layers share one module or have no number."""
    model = family.build_model().eval()
    record_attention(model)
    everything = model(**batch, output_attentions=True).attentions
    record_attention(model, layers=[2, 4])
    wanted = model(**batch, output_attentions=True).attentions
    assert [record is None for record in wanted] == [True, False, True, False]
    for layer in (2, 4):
        torch.testing.assert_close(wanted[layer - 1].query, everything[layer - 1].query, rtol=0, atol=0)


@pytest.mark.parametrize("layers", [None, (1, 4)], ids=["all", "two"])
@pytest.mark.parametrize("family", INTERFACE_FAMILIES, ids=str)
def test_gradients_flow_through_records_and_survive_gradient_checkpointing(family, batch, layers):
    """Prevents an attention loss without gradient, and layers counted again when activations are recomputed."""
    without_dropout = {name: 0.0 for name in family.settings if "dropout" in name}
    gradients = []
    for checkpointing in (False, True):
        model = family.build_model(**without_dropout)
        if checkpointing and not model.supports_gradient_checkpointing:
            continue  # ALBERT
        if checkpointing:
            model.activation_checkpointing_enable()
        record_attention(model, layers)
        records = model(**batch, output_attentions=True).attentions
        assert len(records) == LAYERS
        torch.stack([record.scores().square().mean() for record in records if record is not None]).sum().backward()
        gradients.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    assert any(gradient.abs().max() > 0 for gradient in gradients[0].values())
    torch.testing.assert_close(gradients[0], gradients[-1])


@pytest.mark.parametrize("family", FALLBACK_FAMILIES, ids=str)
def test_softmax_of_fallback_scores_is_eager_attention(family, batch):
    """Prevents maps of another softmax than attention's, of another layer, or taken before the mask or a bias."""
    model = family.build_model().eval()
    with torch.no_grad(), record_softmax() as recorder:
        output = model(**batch, output_attentions=True)
    maps = recorder.scores(LAYERS, HEADS)
    valid = _valid_pairs(batch["attention_mask"]).expand_as(output.attentions[0])
    for scores, probabilities in zip(maps, output.attentions, strict=True):
        torch.testing.assert_close(scores.scores.softmax(-1)[valid], probabilities[valid], rtol=0, atol=1e-7)


@pytest.mark.parametrize("head", ["Model", "ForSequenceClassification", "ForMaskedLM"])
@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_the_probe_finds_the_access_of_every_family_and_head(family, head):
    """Prevents a table in the README that says something else than what the trainer will find."""
    model = family.build_model(head)
    assert attention_access(model) == family.access
    assert refusal(model) == ""


# MobileBERT embeds each position with its two neighbours, so the last word sees the first padding by design
@pytest.mark.parametrize("family", [family for family in FAMILIES if family.name != "MobileBERT"], ids=str)
def test_padding_reaches_no_valid_position(family, batch):
    """Prevents a family whose states depend on how long its neighbours in the batch are."""
    model = family.build_model().eval()
    if family in INTERFACE_FAMILIES:
        record_attention(model)
    valid = batch["attention_mask"] == 1
    changed = {**batch, "input_ids": torch.where(valid, batch["input_ids"], 17)}
    torch.testing.assert_close(model(**batch).last_hidden_state[valid], model(**changed).last_hidden_state[valid])


def test_records_are_records_of_every_layer_in_order():
    """Prevents a table of families whose models are too alike to tell layers apart."""
    model = FAMILIES[0].build_model().eval()
    record_attention(model)
    records = model(input_ids=torch.arange(5, 12)[None], output_attentions=True).attentions
    assert all(isinstance(record, AttentionRecord) for record in records)
    assert not torch.allclose(records[0].query, records[1].query, atol=0.1)
