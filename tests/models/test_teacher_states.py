"""A teacher's states on the calibration texts: those of its own forward, and nothing of it changed."""

import pytest
import torch
from torch.nn import functional

from hf_tinybert.models.calibration import read_calibration
from hf_tinybert.models.encoder_layout import linear
from hf_tinybert.models.layout_reading import teacher_layout
from hf_tinybert.models.teacher_states import evaluating, model_inputs, read_hidden_states, read_states
from tests.distillation.families import FAMILIES, HIDDEN_SIZE, LAYERS

by_name = {family.name: family for family in FAMILIES}


def read(teacher, batches, mapping=(0, 1, 2, 3, 4)):
    layout = teacher_layout(teacher)
    words = [{**batch, "input_ids": (batch["input_ids"] % 35 + 3) * batch["attention_mask"]} for batch in batches]
    tokens = read_calibration(words, layout, seed=0)
    return words, tokens, read_states(teacher, layout, tokens, mapping)


@pytest.mark.parametrize("name", ["BERT", "ALBERT", "MPNet", "DeBERTa-v3", "NomicBERT"])
def test_each_layer_leads_from_its_states_to_the_next(batches, name):
    """Would catch states of another layer, above all where layers share their modules."""
    teacher = by_name[name].build_model()
    _, _, states = read(teacher, batches)
    for index in range(LAYERS):
        layer = states.layer(index)
        added = functional.linear(
            layer.feed_forward_units(states.between[index]), layer.output.weight, layer.output.bias
        )
        wanted = states.before[index + 1]
        got = functional.layer_norm(
            added + states.between[index], [HIDDEN_SIZE], layer.output_norm.weight, layer.output_norm.bias, 1e-12
        )
        torch.testing.assert_close(got.detach(), wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["ModernBERT", "RoBERTa-PreLayerNorm", "Megatron-BERT", "XLM-RoBERTa-XL"])
def test_layers_with_norms_before_their_parts_lead_to_the_normalised_states(batches, name):
    """Would catch a LayerNorm folded into the wrong weights, or what a layer adds not scaled with its states."""
    teacher = by_name[name].build_model()
    with torch.no_grad():  # so that the spread is nearly the same for every token, as the algebra assumes
        for layer in teacher_layout(teacher).layers:
            layer.output.weight.mul_(0.02)
    _, _, states = read(teacher, batches)
    for index in range(LAYERS):
        layer, between = states.layer(index), states.between[index]
        spread = states.spreads["between"][index]
        added = linear(layer.output, layer.feed_forward_units(between))
        added = added / spread / spread.reciprocal().mean()
        got = functional.layer_norm(added + between, [HIDDEN_SIZE])
        torch.testing.assert_close(got.detach(), states.before[index + 1], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", ["BERT", "DistilBERT", "ModernBERT", "EuroBERT", "MobileBERT"])
def test_hidden_states_are_the_models_own(batches, name):
    """Would catch padding among the tokens, dropout, or a state that is numbered otherwise."""
    teacher = by_name[name].build_model().train()
    words = [{**batch, "input_ids": (batch["input_ids"] % 35 + 3) * batch["attention_mask"]} for batch in batches]
    tokens = read_calibration(words, teacher_layout(by_name["BERT"].build_model()), seed=0)
    found = read_hidden_states(teacher, tokens, {0, 2, LAYERS})
    assert all(module.training for module in teacher.modules()) and set(found) == {0, 2, LAYERS}
    inputs = model_inputs(teacher.eval(), teacher.config, tokens.batches[1])
    own = teacher(**inputs, output_hidden_states=True).hidden_states
    first, count = (int(batch.mask.sum()) for batch in tokens.batches[:2])
    for layer, states in found.items():
        wanted = own[layer][tokens.batches[1].mask].detach()
        torch.testing.assert_close(states[first : first + count], wanted, rtol=1e-4, atol=1e-4)


def test_the_covariance_is_that_of_all_states(batches):
    """Would catch digits lost to large means, or one layer left out of the principal directions."""
    teacher = by_name["BERT"].build_model()
    with torch.no_grad():
        teacher.embeddings.LayerNorm.bias.add_(100.0)
    _, _, states = read(teacher, batches)
    wanted = sum(torch.cov(states.hidden[layer].double().T, correction=0) for layer in range(LAYERS + 1))
    torch.testing.assert_close(states.covariance, wanted, rtol=1e-3, atol=1e-4)


def test_token_types_are_told_where_there_are_some(batches):
    """Would catch an index error of an encoder that knows one type, or segments that no teacher sees."""
    batch = read(by_name["BERT"].build_model(), batches)[1].batches[0]
    told = {}
    for name in ("BERT", "RoBERTa", "DistilBERT", "DeBERTa-v3"):
        model = by_name[name].build_model()
        told[name] = "token_type_ids" in model_inputs(model, model.config, batch)
    assert told == {"BERT": True, "RoBERTa": False, "DistilBERT": False, "DeBERTa-v3": False}


def test_modes_come_back_also_after_an_error(build_encoder):
    """Would catch a teacher whose frozen part is set to training."""
    model = build_encoder().train()
    model.pooler.eval()
    with pytest.raises(RuntimeError, match="stop"), evaluating(model):
        assert not model.encoder.training
        raise RuntimeError("stop")
    assert model.encoder.training and not model.pooler.training
