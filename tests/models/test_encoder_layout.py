"""One set of names for the encoders of several families, and a refusal of all others."""

import pytest
import torch
from torch import nn
from transformers import (
    BertForSequenceClassification,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    RemBertConfig,
    RemBertModel,
    RobertaConfig,
    RobertaForMaskedLM,
)

from hf_tinybert.models.encoder_layout import encoder_layout, is_laid_out_as_bert, layer_norm, linear, normalised

FAMILIES = {
    "BERT with a head": ({"model_class": BertForSequenceClassification}, 0),
    "RoBERTa": ({"model_class": RobertaForMaskedLM, "config_class": RobertaConfig, "pad_token_id": 1}, 2),
    "ELECTRA": ({"model_class": ElectraModel, "config_class": ElectraConfig, "embedding_size": 24}, 0),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_encoder_is_found_under_the_name_of_its_family(build_encoder, family):
    """Would catch weights read from one layer for all, or positions shifted by RoBERTa's two padding rows."""
    arguments, offset = FAMILIES[family]
    model = build_encoder(**arguments)
    layout = encoder_layout(model, "teacher")
    assert (layout.width, layout.heads, layout.units, len(layout.layers)) == (24, 4, 40, 4)
    assert layout.position_offset == offset
    assert layout.positions == 32 - offset
    assert layout.layers[2].key is model.base_model.encoder.layer[2].attention.self.key
    assert layout.layers[3].head_width == 6


def test_an_encoder_without_pooler_has_none(build_encoder):
    """Would catch a crash on every token-classification teacher."""
    model = build_encoder(lambda config: BertModel(config, add_pooling_layer=False))
    assert encoder_layout(model, "teacher").pooler is None


def test_another_module_tree_is_refused_by_the_missing_module():
    """Would catch an attribute error deep in the algebra in the place of a reason."""
    model = DistilBertModel(DistilBertConfig(vocab_size=60, dim=24, n_heads=4, n_layers=1, hidden_dim=40))
    with pytest.raises(TypeError, match=r"expected `embeddings.token_type_embeddings` .* in the teacher `DistilBert"):
        encoder_layout(model, "teacher")


def test_factorised_embeddings_are_refused(build_encoder):
    """Would catch ELECTRA-small's narrow embeddings taken for full ones and its projection dropped."""
    with pytest.raises(TypeError, match=r"got \['embeddings_project'\]"):
        encoder_layout(build_encoder(ElectraModel, ElectraConfig, embedding_size=8), "teacher")


def test_narrow_embeddings_are_refused_wherever_they_are_widened():
    """Would catch RemBERT, which widens them in its encoder, let through to a product of matrices that do not fit."""
    sizes = {"vocab_size": 60, "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 4}
    model = RemBertModel(RemBertConfig(**sizes, intermediate_size=40, input_embedding_size=8))
    assert not is_laid_out_as_bert(model)
    with pytest.raises(TypeError, match=r"got \['encoder.embedding_hidden_mapping_in'\]"):
        encoder_layout(model, "teacher")


def test_a_decoder_is_refused(build_encoder):
    """Would catch a fit on unmasked attention for a model that runs with a causal mask."""
    with pytest.raises(ValueError, match="is_decoder"):
        encoder_layout(build_encoder(is_decoder=True), "student")


def test_functional_layers_equal_the_modules():
    """Would catch an epsilon or a bias left out of the forward that everything is fitted with."""
    states = torch.randn(5, 8)
    norm, dense = nn.LayerNorm(8, eps=1e-3), nn.Linear(8, 3)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    torch.testing.assert_close(layer_norm(norm, states), norm(states).detach())
    torch.testing.assert_close(linear(dense, states), dense(states).detach())
    normal, deviation = normalised(states, 1e-3)
    torch.testing.assert_close(normal * deviation + states.mean(-1, keepdim=True), states)
