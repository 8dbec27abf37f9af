"""One set of names for the encoders of many families, and a refusal of all others."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from transformers import (
    AlbertConfig,
    AlbertModel,
    BertForSequenceClassification,
    BertModel,
    BigBirdConfig,
    BigBirdModel,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    RobertaConfig,
    RobertaForMaskedLM,
)

from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.encoder_layout import layer_norm, linear
from hf_tinybert.models.encoder_names import BERT
from hf_tinybert.models.initialization import initialize_from_teacher
from hf_tinybert.models.layout_reading import is_readable_teacher, student_layout, teacher_layout
from hf_tinybert.models.modeling_tinybert import TinyBertModel
from tests.distillation.families import FAMILIES, HEADS, HIDDEN_SIZE, LAYERS

BERT_LIKE = {
    "BERT with a head": ({"model_class": BertForSequenceClassification}, 0),
    "RoBERTa": ({"model_class": RobertaForMaskedLM, "config_class": RobertaConfig, "pad_token_id": 1}, 2),
    "ELECTRA": ({"model_class": ElectraModel, "config_class": ElectraConfig, "embedding_size": 24}, 0),
}
SMALLER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 30}
EQUAL = {"hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 40}
LIKE_BERT = ["BERT", "RoBERTa", "XLM-RoBERTa", "CamemBERT", "MiniLM", "ERNIE", "ELECTRA", "DistilBERT"]
LIKE_BERT += ["ALBERT", "RemBERT"]
UNREADABLE = ["EuroBERT", "MobileBERT"]
READABLE = [family for family in FAMILIES if family.name not in UNREADABLE]


@pytest.mark.parametrize("family", BERT_LIKE)
def test_a_student_is_found_under_the_name_of_its_family(build_encoder, family):
    """Would catch weights read from one layer for all, or positions shifted by RoBERTa's two padding rows."""
    arguments, offset = BERT_LIKE[family]
    model = build_encoder(**arguments)
    for layout in (student_layout(model), teacher_layout(model)):
        assert (layout.width, layout.heads, layout.units, len(layout.layers)) == (24, 4, 40, 4)
        assert layout.position_offset == offset
        assert layout.positions == 32 - offset
        assert layout.layers[2].key is model.base_model.encoder.layer[2].attention.self.key
        assert layout.layers[3].head_width == 6


@pytest.mark.parametrize("family", READABLE, ids=str)
def test_a_teacher_of_every_family_has_the_parts_of_a_bert(family):
    """Would catch a family whose parts are mixed up, or one whose half is left out."""
    model = family.build_model("ForSequenceClassification")
    layout = teacher_layout(model)
    assert (layout.width, layout.heads, len(layout.layers)) == (HIDDEN_SIZE, HEADS, LAYERS)
    assert layout.units == family.build_config().to_dict().get("intermediate_size", 48)
    assert layout.positions == 64
    tables = (layout.word_embeddings, layout.position_embeddings, layout.token_type_embeddings)
    assert all(table.weight.isfinite().all() and table.embedding_dim == HIDDEN_SIZE for table in tables)
    for layer in layout.layers:
        for module in layer.modules():
            assert module.weight.isfinite().all() and module.bias.isfinite().all()
    # of one family the layers are one, of all others they differ
    shared = torch.equal(layout.layers[0].query.weight, layout.layers[1].query.weight)
    assert shared == (family.name == "ALBERT")


def test_the_parts_of_a_fused_layer_are_query_key_and_value():
    """Would catch heads interleaved with queries and keys, as DeBERTa keeps them and ModernBERT does not."""
    families = {family.name: family for family in FAMILIES}
    states = torch.randn(3, 5, HIDDEN_SIZE)
    deberta = families["DeBERTa"].build_model().eval()
    attention, layer = deberta.encoder.layer[1].attention.self, teacher_layout(deberta).layers[1]
    query, key, value = attention.transpose_for_scores(attention.in_proj(states)).chunk(3, dim=-1)
    query = query + attention.transpose_for_scores(attention.q_bias[None, None])
    value = value + attention.transpose_for_scores(attention.v_bias[None, None])
    wanted = (query / 3**0.5, key, value)  # the scores have three terms
    for module, one in zip((layer.query, layer.key, layer.value), wanted, strict=True):
        got = linear(module, states).unflatten(-1, (HEADS, -1)).transpose(1, 2)
        torch.testing.assert_close(got, one.detach())
    modern = families["ModernBERT"].build_model().eval()
    block, layer = modern.layers[1], teacher_layout(modern).layers[1]
    normal = functional.layer_norm(states, [HIDDEN_SIZE])
    query, key, value = block.attn.Wqkv(block.attn_norm(states)).view(3, 5, 3, HEADS, -1).unbind(2)
    for module, one in zip((layer.query, layer.key, layer.value), (query, key, value), strict=True):
        torch.testing.assert_close(
            linear(module, normal).unflatten(-1, (HEADS, -1)), one.detach(), rtol=1e-4, atol=1e-5
        )
    torch.testing.assert_close(
        linear(layer.output, layer.feed_forward_units(normal)),
        block.mlp(block.mlp_norm(states)).detach(),
        rtol=1e-4,
        atol=1e-5,
    )


def test_narrow_embeddings_are_multiplied_out(build_encoder):
    """Would catch a projection that is left out, or put behind a LayerNorm that is applied twice."""
    model = build_encoder(AlbertModel, AlbertConfig, embedding_size=24)
    with torch.no_grad():
        model.encoder.embedding_hidden_mapping_in.weight.copy_(torch.eye(24))
    layout, ids = teacher_layout(model), torch.arange(5, 12)
    tables = (layout.word_embeddings, layout.position_embeddings, layout.token_type_embeddings)
    sums = tables[0].weight[ids] + tables[1].weight[: len(ids)] + tables[2].weight[0]
    wanted = model(input_ids=ids[None], output_hidden_states=True).hidden_states[0][0]
    torch.testing.assert_close(layer_norm(layout.embedding_norm, sums), wanted.detach())


def test_narrow_embeddings_behind_any_projection_are_near(build_encoder):
    """Would catch rows that are not as long as they were, or not centred."""
    model = build_encoder(ElectraModel, ElectraConfig, embedding_size=8)
    layout, ids = teacher_layout(model), torch.arange(5, 30)
    tables = (layout.word_embeddings, layout.position_embeddings, layout.token_type_embeddings)
    sums = tables[0].weight[ids] + tables[1].weight[: len(ids)] + tables[2].weight[0]
    wanted = model(input_ids=ids[None], output_hidden_states=True).hidden_states[0][0]
    got = layer_norm(layout.embedding_norm, sums)
    assert (got - wanted).square().mean() < 0.1 * wanted.var()


def test_an_encoder_without_pooler_has_none(build_encoder):
    """Would catch a crash on every token-classification teacher."""
    model = build_encoder(lambda config: BertModel(config, add_pooling_layer=False))
    assert teacher_layout(model).pooler is None


def test_a_student_of_another_module_tree_is_refused_by_the_missing_module():
    """Would catch an attribute error deep in the algebra in the place of a reason."""
    model = DistilBertModel(DistilBertConfig(vocab_size=60, dim=24, n_heads=4, n_layers=1, hidden_dim=40))
    with pytest.raises(TypeError, match=r"expected `encoder.layer.0.attention.self.query` .* the student `DistilBert"):
        student_layout(model)


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_teacher_that_no_bert_is_like_is_refused(name):
    """Would catch shared keys or bottlenecks taken for something that they are not."""
    model = next(family for family in FAMILIES if family.name == name).build_model()
    assert not is_readable_teacher(model)
    with pytest.raises(TypeError, match=rf"in the teacher `{type(model).__name__}`, got .*`--start random`"):
        teacher_layout(model)


def test_parameters_without_a_place_are_refused(build_encoder):
    """Would catch a bottleneck, an adapter or a further embedding that is dropped without a word."""
    model = build_encoder()
    model.encoder.layer[1].adapter = nn.Linear(24, 24)
    for read, role in ((teacher_layout, "teacher"), (student_layout, "student")):
        with pytest.raises(TypeError, match=rf"{role} `BertModel`, got \['encoder.layer.1.adapter'\] besides"):
            read(model)


def test_narrow_embeddings_of_a_student_are_refused(build_encoder):
    """Would catch ELECTRA-small's narrow embeddings taken for full ones and its projection left at random."""
    with pytest.raises(TypeError, match=r"got \['embeddings_project'\]"):
        student_layout(build_encoder(ElectraModel, ElectraConfig, embedding_size=8))


@pytest.mark.parametrize("read", [student_layout, teacher_layout])
def test_a_decoder_is_refused(build_encoder, read):
    """Would catch a fit on unmasked attention for a model that runs with a causal mask."""
    with pytest.raises(ValueError, match="is_decoder"):
        read(build_encoder(is_decoder=True))


PARTS = ("query", "key", "value", "attention_output", "attention_norm", "intermediate", "output", "output_norm")
SAME_FUNCTION = {
    "DistilBERT": {},
    "MPNet": {"max_position_embeddings": 34},  # without its relative positions
    "ALBERT": {"embedding_size": 24, "num_hidden_groups": 4, "hidden_act": "gelu"},
    "DeBERTa-v3": {"relative_attention": False, "pos_att_type": [], "position_biased_input": True},
}


def as_other_family(bert, name):
    """The same function as a BERT without token types, under the names of another family."""
    family = next(family for family in FAMILIES if family.name == name)
    sizes = {field: getattr(bert.config, field) for field in ("vocab_size", "hidden_size", "intermediate_size")}
    sizes |= {"max_position_embeddings": 32, "layer_norm_eps": 1e-12, **SAME_FUNCTION[name]}
    model = family.build_model(**sizes).eval()
    names = teacher_layout(model).names
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        for layer in range(LAYERS):
            for part in PARTS:
                source = bert.get_submodule(BERT.path(getattr(BERT, part), layer, bert.config))
                target = model.get_submodule(names.path(getattr(names, part), layer, model.config))
                target.load_state_dict(source.state_dict())
        model.embeddings.LayerNorm.load_state_dict(bert.embeddings.LayerNorm.state_dict())
        model.embeddings.word_embeddings.weight.copy_(bert.embeddings.word_embeddings.weight)
        model.embeddings.position_embeddings.weight[-32:] = bert.embeddings.position_embeddings.weight
        if names.embedding_projection and name == "ALBERT":
            model.encoder.embedding_hidden_mapping_in.weight.copy_(torch.eye(24))
    return model


@pytest.fixture
def bert(build_encoder):
    """A BERT without token types, with the epsilon that all families have."""
    model = build_encoder(BertModel)
    nn.init.zeros_(model.embeddings.token_type_embeddings.weight)
    return model


@pytest.mark.parametrize("method", ["projection", "layers"])
@pytest.mark.parametrize("name", SAME_FUNCTION)
def test_the_same_function_under_other_names_gives_the_same_student(build_encoder, batches, bert, name, method):
    """Would catch a family that is read otherwise than it computes."""
    teacher = as_other_family(bert, name)
    batch = {key: ids.clamp_min(2) if key == "input_ids" else ids for key, ids in batches[0].items()}  # no padding id
    wanted = bert(**batch).last_hidden_state
    inputs = {key: ids for key, ids in batch.items() if key != "token_type_ids"}
    valid = batch["attention_mask"] != 0
    torch.testing.assert_close(teacher(**inputs).last_hidden_state[valid], wanted[valid], rtol=1e-3, atol=1e-4)
    students = [build_encoder(TinyBertModel, TinyBertConfig, seed=9, num_hidden_layers=2) for _ in range(2)]
    if method == "projection":
        students = [build_encoder(TinyBertModel, TinyBertConfig, seed=9, **SMALLER) for _ in range(2)]
    for student, source in zip(students, (bert, teacher), strict=True):
        initialize_from_teacher(student, source, method=method, calibration=[inputs])
    states = [student(**inputs).last_hidden_state[valid] for student in students]
    torch.testing.assert_close(states[1], states[0], rtol=1e-3, atol=1e-3)


def test_a_big_bird_with_full_attention_is_a_bert(build_encoder, batches):
    """Would catch activations or scales of BigBird's own that a student of equal shape lacks."""
    teacher = build_encoder(BigBirdModel, BigBirdConfig, attention_type="original_full")
    student = TinyBertModel(TinyBertConfig.from_teacher(teacher.config, **EQUAL)).eval()
    initialize_from_teacher(student, teacher, calibration=batches[1:])
    valid = batches[0]["attention_mask"] != 0
    states = [model(**batches[0]).last_hidden_state[valid] for model in (student, teacher)]
    torch.testing.assert_close(states[0], states[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", READABLE, ids=str)
def test_a_student_of_every_family_starts_nearer_than_a_random_one(batches, family, caplog):
    """Would catch a family whose weights say less than none, and one whose positions are dropped without a word."""
    caplog.set_level("INFO", "hf_tinybert")
    teacher = family.build_model().eval()
    words = [{name: ids % 35 + 3 if name == "input_ids" else ids for name, ids in batch.items()} for batch in batches]
    words = [{"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"]} for batch in words]
    left = {}
    for method in ("random", "projection"):
        config = TinyBertConfig.from_teacher(
            teacher.config, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=30
        )
        student = TinyBertModel(config).eval()
        result = initialize_from_teacher(student, teacher, method=method, calibration=words[1:])
        with torch.no_grad():
            hidden = [model(**words[0], output_hidden_states=True).hidden_states for model in (student, teacher)]
        valid = words[0]["attention_mask"] != 0
        starts = zip(hidden[0], result.mapping, result.state_projections, result.state_offsets, strict=True)
        left[method] = sum(
            float((state @ weight.T + bias - hidden[1][layer])[valid].square().mean() / hidden[1][layer][valid].var())
            for state, layer, weight, bias in starts
        )
    assert left["projection"] < 0.7 * left["random"], left
    assert ("A BERT has none of" in caplog.text) == (family.name not in LIKE_BERT)
