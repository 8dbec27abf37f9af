"""The configuration: shapes of the paper, fields of the teacher, early and named errors."""

import json

import pytest
import torch
from huggingface_hub.errors import StrictDataclassClassValidationError, StrictDataclassFieldValidationError
from transformers import (
    AutoConfig,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ModernBertConfig,
    MPNetConfig,
    RobertaConfig,
    T5Config,
)

from hf_tinybert.models.configuration_tinybert import PRESETS, TinyBertConfig, encoder_fields
from hf_tinybert.models.modeling_tinybert import TinyBertModel


@pytest.mark.parametrize(("preset", "millions"), [("4L-312", 14.4), ("6L-768", 67.0)])
def test_a_preset_has_the_papers_number_of_parameters(preset, millions):
    """A preset with a wrong width or depth would train a model that is not TinyBERT."""
    model = TinyBertModel(TinyBertConfig.from_preset(preset))
    assert sum(weight.numel() for weight in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.1)


def test_the_defaults_are_the_four_layer_preset():
    """A checkpoint whose config.json leaves the shape out must get the shape the documentation names."""
    assert TinyBertConfig().to_dict() == TinyBertConfig.from_preset("4L-312").to_dict()


def test_an_override_wins_over_the_preset():
    """An override that loses would give the user another student than asked for, without a word."""
    config = TinyBertConfig.from_preset("6L-768", num_hidden_layers=3, vocab_size=100)
    assert (config.num_hidden_layers, config.hidden_size, config.vocab_size) == (3, 768, 100)


def test_an_unknown_preset_is_refused_by_name():
    """A typing error must not fall back to a default shape."""
    with pytest.raises(ValueError, match=r"expected a preset .*4L-312.*6L-768.*got `4L-384`"):
        TinyBertConfig.from_preset("4L-384")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_student_takes_its_teachers_inputs_and_labels(preset):
    """A student with other positions, padding, epsilon or label order would answer wrongly after a clean training."""
    teacher = BertConfig(
        vocab_size=99,
        max_position_embeddings=77,
        type_vocab_size=3,
        pad_token_id=5,
        layer_norm_eps=1e-5,
        hidden_act="relu",
        id2label={0: "no", 1: "maybe", 2: "yes"},
        label2id={"no": 0, "maybe": 1, "yes": 2},
        problem_type="multi_label_classification",
    )
    student = TinyBertConfig.from_teacher(teacher, preset)
    for name in ("vocab_size", "max_position_embeddings", "type_vocab_size", "pad_token_id", "layer_norm_eps"):
        assert getattr(student, name) == getattr(teacher, name), name
    assert (student.hidden_act, student.problem_type) == ("relu", "multi_label_classification")
    assert student.id2label == {0: "no", 1: "maybe", 2: "yes"}
    assert student.label2id == {"no": 0, "maybe": 1, "yes": 2}
    assert {name: getattr(student, name) for name in PRESETS[preset]} == PRESETS[preset]


def test_the_labels_of_a_student_are_its_own():
    """A shared dict would rename the teacher's labels when the student's are renamed."""
    teacher = BertConfig(id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1})
    TinyBertConfig.from_teacher(teacher).id2label[0] = "changed"
    assert teacher.id2label[0] == "no"


def test_overrides_replace_the_teachers_labels_as_a_whole():
    """Five outputs with the names of the teacher's two labels would be reported under wrong names."""
    teacher = BertConfig(id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1})
    student = TinyBertConfig.from_teacher(teacher, num_labels=5, layer_norm_eps=1e-6)
    assert student.num_labels == 5
    assert student.id2label[4] == "LABEL_4"
    assert student.layer_norm_eps == 1e-6


def test_a_roberta_teacher_is_bert_like():
    """Its one token type and padding id 1 must reach the student; of its 514 rows two are no positions."""
    student = TinyBertConfig.from_teacher(RobertaConfig(max_position_embeddings=514, type_vocab_size=1))
    assert (student.max_position_embeddings, student.type_vocab_size, student.pad_token_id) == (512, 1, 1)


def test_a_family_that_has_other_names_for_the_fields_of_bert_is_bert_like():
    """Prevents a refusal of DistilBERT, ModernBERT and MPNet, or a student of other layers than was meant."""
    student = TinyBertConfig.from_teacher(DistilBertConfig(activation="relu", max_position_embeddings=77))
    assert (student.hidden_act, student.max_position_embeddings, student.type_vocab_size) == ("relu", 77, 2)
    modern = ModernBertConfig(hidden_activation="silu", norm_eps=1e-6, pad_token_id=7)
    student = TinyBertConfig.from_teacher(modern)
    assert (student.hidden_act, student.layer_norm_eps, student.pad_token_id) == ("silu", 1e-6, 7)
    student = TinyBertConfig.from_teacher(MPNetConfig(max_position_embeddings=514))
    assert (student.max_position_embeddings, student.type_vocab_size) == (512, 2)


def test_a_student_of_a_teacher_without_token_types_has_those_of_bert():
    """Prevents a table without rows, which fails in the first forward; DeBERTa's tokenizer gives 0 and 1 though."""
    config = TinyBertConfig.from_teacher(DebertaV2Config(type_vocab_size=0), vocab_size=20, max_position_embeddings=8)
    student = TinyBertModel(config)
    ids = torch.tensor([[3, 4, 5]])
    assert student(ids, token_type_ids=torch.tensor([[0, 0, 1]])).last_hidden_state.shape == (1, 3, 312)


def test_the_fields_of_an_encoder_have_the_names_of_bert():
    """Prevents a shape that cannot be read off a DistilBERT."""
    fields = encoder_fields(DistilBertConfig(dim=24, n_heads=4, n_layers=3, hidden_dim=40))
    sizes = {"hidden_size": 24, "num_attention_heads": 4, "num_hidden_layers": 3, "intermediate_size": 40}
    assert {name: fields[name] for name in sizes} == sizes


def test_a_teacher_without_positions_is_refused_with_their_name():
    """Filling in BERT's default would give a student that reads shorter texts than its teacher."""
    with pytest.raises(ValueError, match=r"model type `t5` without `max_position_embeddings`"):
        TinyBertConfig.from_teacher(T5Config())


def test_the_fields_that_a_teacher_lacks_can_be_given():
    """The refusal says that passing the fields helps, so it must."""
    student = TinyBertConfig.from_teacher(T5Config(), max_position_embeddings=64, hidden_act="gelu")
    assert student.max_position_embeddings == 64


def test_heads_that_do_not_divide_the_width_are_refused():
    """Found only inside the attention layer, it would read as an error of transformers."""
    with pytest.raises(StrictDataclassClassValidationError, match=r"hidden_size=312 and num_attention_heads=10"):
        TinyBertConfig(num_attention_heads=10)
    with pytest.raises(StrictDataclassClassValidationError, match=r"num_attention_heads=0"):
        TinyBertConfig(num_attention_heads=0)


def test_an_unknown_activation_of_the_classifier_is_refused():
    """A misspelt activation must not become a head without one."""
    with pytest.raises(StrictDataclassClassValidationError, match=r"'relu'.*got `rleu`"):
        TinyBertConfig(classifier_activation="rleu")


def test_an_activation_with_weights_is_refused():
    """Its weights would be parameters that no BERT checkpoint has."""
    with pytest.raises(StrictDataclassClassValidationError, match=r"without weights .* got `prelu`"):
        TinyBertConfig(classifier_activation="prelu")


def test_the_own_field_is_checked_for_its_type():
    """`classifier_activation: true` in a hand-written config.json must not pass as "some activation"."""
    with pytest.raises(StrictDataclassFieldValidationError, match="classifier_activation"):
        TinyBertConfig(classifier_activation=True)


def test_a_configuration_survives_the_disk(tmp_path):
    """A field lost on the way would change the model on reload."""
    config = TinyBertConfig(classifier_activation="relu", num_labels=3, classifier_dropout=0.2)
    config.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "tinybert"
    reloaded = AutoConfig.from_pretrained(tmp_path)
    assert type(reloaded) is TinyBertConfig
    assert reloaded.classifier_activation == "relu"
    assert {**reloaded.to_dict(), "_name_or_path": ""} == config.to_dict()
