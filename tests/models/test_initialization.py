"""A student's start: exact where shapes are equal, near where they are not, the same every time."""

import copy

import pytest
import torch
from transformers import (
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    RobertaConfig,
    RobertaModel,
)

from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.encoder_projection import LayerNormTreatment
from hf_tinybert.models.initialization import initialize_from_teacher
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification, TinyBertModel
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding, pooled_state
from hf_tinybert.models.start_checks import InitializationMethod, check_start
from tests.distillation.families import FAMILIES

MODELS = [
    BertModel,
    BertForMaskedLM,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertForMultipleChoice,
]
SMALLER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 30}
every_treatment = pytest.mark.parametrize("treatment", LayerNormTreatment)
DRAWN = [method for method in InitializationMethod if method is not InitializationMethod.TRAINED]
every_method = pytest.mark.parametrize("method", DRAWN)


def outputs(model, batch):
    """Everything that a model gives, hidden states included, as a flat list of tensors."""
    if isinstance(model, BertForMultipleChoice):
        batch = {name: ids.view(4, 2, 12) for name, ids in batch.items()}
    with torch.no_grad():
        found = model(**batch, output_hidden_states=True)
    return [*found.hidden_states, *(value for name, value in found.items() if name != "hidden_states")]


def same(student, teacher, batch, tolerance=1e-4):
    for got, wanted in zip(outputs(student, batch), outputs(teacher, batch), strict=True):
        torch.testing.assert_close(got, wanted, atol=tolerance, rtol=tolerance)


def intermediate_loss(student, teacher, result, batch):
    """Mean squared error of the projected hidden states, summed over states."""
    hidden = [model(**batch, output_hidden_states=True).hidden_states for model in (student, teacher)]
    starts = zip(hidden[0], result.mapping, result.state_projections, result.state_offsets, strict=True)
    gaps = [state @ weight.T + bias - hidden[1][layer] for state, layer, weight, bias in starts]
    valid = batch["attention_mask"] != 0
    return sum(gap[valid].square().mean() for gap in gaps)


@pytest.mark.parametrize("model_class", MODELS, ids=lambda cls: cls.__name__)
def test_with_equal_shapes_the_student_equals_its_teacher(build_encoder, batches, model_class):
    """Would catch any weight that is forgotten, transposed, or fitted although there is nothing to fit."""
    teacher, student = (build_encoder(model_class, seed=seed) for seed in (0, 9))
    result = initialize_from_teacher(student, teacher, calibration=batches)
    same(student, teacher, batches[0])
    assert result.random_parameters == ()
    torch.testing.assert_close(result.projection, torch.eye(24), atol=1e-4, rtol=0)
    torch.testing.assert_close(result.offset, torch.zeros(24), atol=1e-4, rtol=0)


@every_treatment
def test_with_equal_shapes_every_treatment_of_layer_norms_is_exact(build_encoder, batches, treatment):
    """Would catch a treatment that changes LayerNorms where no width shrinks."""
    teacher, student = (build_encoder(seed=seed) for seed in (0, 9))
    initialize_from_teacher(student, teacher, calibration=batches, layer_norm=treatment)
    same(student, teacher, batches[0])


@pytest.mark.parametrize("model_class", MODELS, ids=lambda cls: cls.__name__)
def test_copied_layers_with_equal_depth_are_the_teacher(build_encoder, batches, model_class):
    """Would catch a head, a table or a LayerNorm that `layers` leaves at random."""
    teacher, student = (build_encoder(model_class, seed=seed) for seed in (0, 9))
    result = initialize_from_teacher(student, teacher, method="layers")
    same(student, teacher, batches[0], tolerance=1e-6)
    assert result.random_parameters == ()


def test_copied_layers_leave_a_linear_layer_of_embeddings_that_changes_nothing(build_encoder, batches):
    """Would catch a random linear layer behind layers that are the teacher's own."""
    teacher = build_encoder(BertModel)
    student = build_encoder(TinyBertForSentenceEmbedding, TinyBertConfig, embedding_size=24, normalize=False, seed=9)
    assert initialize_from_teacher(student, teacher, method="layers").random_parameters == ()
    states, mask = teacher(**batches[0]).last_hidden_state, batches[0]["attention_mask"]
    torch.testing.assert_close(student(**batches[0]).logits, pooled_state(states, mask, "mean"), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("treatment", ["project", "fold", "least_squares"])
def test_a_student_that_is_only_shallower_gets_the_mapped_layers(build_encoder, batches, treatment):
    """Would catch an off-by-one in the mapping, in both methods at once."""
    teacher = build_encoder()
    projected, copied = (build_encoder(num_hidden_layers=2, seed=seed) for seed in (8, 9))
    result = initialize_from_teacher(projected, teacher, calibration=batches, layer_norm=treatment)
    assert result.mapping == (0, 2, 4)
    initialize_from_teacher(copied, teacher, method="layers")
    same(projected, copied, batches[0])
    assert torch.equal(copied.encoder.layer[0].output.dense.weight, teacher.encoder.layer[1].output.dense.weight)
    assert torch.equal(copied.encoder.layer[1].output.dense.weight, teacher.encoder.layer[3].output.dense.weight)


def test_reconstruction_makes_up_for_skipped_layers(build_encoder, batches):
    """Would catch a refit towards the wrong state: it must be nearer to the teacher than copied layers are."""
    teacher = build_encoder()
    losses = {}
    for method in ("layers", "projection"):
        student = build_encoder(num_hidden_layers=2, seed=9)
        result = initialize_from_teacher(student, teacher, method=method, calibration=batches)
        losses[method] = intermediate_loss(student, teacher, result, batches[0])
    assert losses["projection"] < 0.5 * losses["layers"]


def test_a_smaller_student_starts_nearer_than_a_random_one(build_encoder, batches):
    """Would catch a projection that is no better than nothing, width, depth, heads and units all shrinking at once."""
    teacher = build_encoder(BertForSequenceClassification)
    losses = {}
    for method in ("random", "projection"):
        student = build_encoder(TinyBertForSequenceClassification, TinyBertConfig, seed=9, **SMALLER)
        result = initialize_from_teacher(student, teacher, method=method, calibration=batches)
        losses[method] = intermediate_loss(student, teacher, result, batches[0])
    assert losses["projection"] < 0.6 * losses["random"]


def test_an_explicit_mapping_is_used(build_encoder, batches):
    """Would catch the uniform mapping used whatever was asked for."""
    teacher, student = build_encoder(), build_encoder(num_hidden_layers=2, seed=9)
    result = initialize_from_teacher(student, teacher, method="layers", layer_mapping=(0, 1, 4))
    assert result.mapping == (0, 1, 4)
    assert torch.equal(student.encoder.layer[0].output.dense.weight, teacher.encoder.layer[0].output.dense.weight)


@every_method
def test_the_result_depends_on_the_seed_alone(build_encoder, batches, method):
    """Would catch runs that cannot be repeated, or a student that keeps what it happened to be created with."""
    teacher, drawn = build_encoder(), []
    for global_seed in (1, 2):
        student = build_encoder(BertForSequenceClassification, seed=global_seed, hidden_size=24)
        torch.manual_seed(global_seed)
        expected = torch.get_rng_state()
        initialize_from_teacher(student, teacher, method=method, calibration=batches, seed=5)
        assert torch.equal(torch.get_rng_state(), expected)
        drawn.append(student.state_dict())
    assert all(torch.equal(drawn[0][name], drawn[1][name]) for name in drawn[0])
    initialize_from_teacher(student, teacher, method=method, calibration=batches, seed=6)
    assert not torch.equal(student.classifier.weight, drawn[0]["classifier.weight"])


@pytest.mark.parametrize("training", [True, False])
def test_models_keep_their_mode_and_the_teacher_its_weights(build_encoder, batches, training):
    """Would catch a teacher left in training mode, a student left without dropout, or a teacher that is written to."""
    teacher, student = build_encoder().train(training), build_encoder(**SMALLER).train(not training)
    before = copy.deepcopy(teacher.state_dict())
    initialize_from_teacher(student, teacher, calibration=batches)
    assert (teacher.training, student.training) == (training, not training)
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in student.parameters())


def test_every_weight_of_the_student_can_learn(build_encoder, batches):
    """Would catch dead dimensions: fewer and wider heads (8 instead of 6) have some that the teacher's heads lack."""
    teacher = build_encoder(BertForSequenceClassification)
    student = build_encoder(BertForSequenceClassification, **SMALLER)
    initialize_from_teacher(student, teacher, calibration=batches)
    optimizer = torch.optim.SGD(student.parameters(), lr=1e-3)
    for _ in range(2):  # a factor whose partner starts at zero has a gradient from the second step on
        optimizer.zero_grad()
        logits = torch.cat([student(**batch).logits for batch in batches])
        logits.pow(3).mean().backward()
        optimizer.step()
    rows = {name: p.grad.flatten(1).abs().sum(1) for name, p in student.named_parameters() if p.ndim == 2}
    silent = [name for name, row in rows.items() if "embeddings" not in name and (row == 0).any()]
    assert silent == []


@pytest.mark.parametrize("student_family", ["bert", "roberta"])
def test_a_roberta_teachers_positions_start_where_the_students_do(build_encoder, batches, student_family):
    """Would catch positions shifted by two: every token would sit in a wrong place."""
    teacher = build_encoder(RobertaModel, RobertaConfig, pad_token_id=1, type_vocab_size=1)
    mask = batches[0]["attention_mask"]
    batch = {"input_ids": batches[0]["input_ids"].masked_fill(mask == 0, 1), "attention_mask": mask}
    student = build_encoder(TinyBertModel, TinyBertConfig, seed=9, pad_token_id=1)
    if student_family == "roberta":
        student = build_encoder(RobertaModel, RobertaConfig, seed=9, pad_token_id=1, type_vocab_size=1)
    for method in ("projection", "layers"):
        initialize_from_teacher(student, teacher, method=method, calibration=[batch])
        for got, wanted in zip(outputs(student, batch)[:5], outputs(teacher, batch)[:5], strict=True):
            torch.testing.assert_close(got[mask != 0], wanted[mask != 0], atol=1e-4, rtol=1e-4)


def test_half_precision_models_are_filled_in_their_own_type(build_encoder, batches):
    """Would catch a decomposition in bf16, or a student turned to fp32."""
    teacher, student = build_encoder().bfloat16(), build_encoder(**SMALLER).bfloat16()
    result = initialize_from_teacher(student, teacher, calibration=batches)
    assert {parameter.dtype for parameter in student.parameters()} == {torch.bfloat16}
    assert result.projection.dtype == torch.float32
    assert all(parameter.isfinite().all() for parameter in student.parameters())


def test_random_knows_nothing_of_the_teacher_and_takes_any_layout(build_encoder):
    """Would catch a refusal of teachers that only a random start fits."""
    teacher = DistilBertModel(DistilBertConfig(vocab_size=60, dim=24, n_heads=4, n_layers=4, hidden_dim=40))
    student = build_encoder(**SMALLER)
    result = initialize_from_teacher(student, teacher, method="random")
    assert result.mapping == (0, 2, 4)
    assert result.projection.shape == (24, 16)
    assert len(result.random_parameters) == len(list(student.parameters()))
    assert 0.015 < student.encoder.layer[0].output.dense.weight.std() < 0.025


def trained_copy(teacher, build_encoder, **shape):
    """A student with the teacher's encoder and heads of its own."""
    student = build_encoder(type(teacher), seed=9, **shape)
    for part in ("embeddings", "encoder"):
        student.base_model.get_submodule(part).load_state_dict(
            teacher.base_model.get_submodule(part).state_dict(), strict=not shape
        )
    return student


@pytest.mark.parametrize("model_class", MODELS, ids=lambda cls: cls.__name__)
def test_a_trained_student_that_is_its_teacher_gets_its_heads(build_encoder, batches, model_class):
    """Would catch a head that is left at random, shrunk by its fit, or put on states as if they were others."""
    teacher = build_encoder(model_class)
    student = trained_copy(teacher, build_encoder)
    result = initialize_from_teacher(student, teacher, method="trained", calibration=batches)
    same(student, teacher, batches[0])
    assert result.random_parameters == () and result.method == "trained" and result.mapping == (0, 1, 2, 3, 4)
    torch.testing.assert_close(result.projection, torch.eye(24), atol=1e-4, rtol=0)


@pytest.mark.parametrize("model_class", MODELS, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("width", [16, 24, 32])
def test_a_trained_student_keeps_its_encoder_and_answers_more_like_its_teacher(
    build_encoder, batches, model_class, width
):
    """Would catch an encoder that is drawn or projected anew, and heads that are worse than their random start."""
    teacher = build_encoder(model_class)
    student = build_encoder(model_class, hidden_size=width, num_hidden_layers=2, intermediate_size=50, seed=9)
    encoder = {name: value.clone() for name, value in student.base_model.named_parameters() if "pooler" not in name}
    before, wanted = outputs(student, batches[0])[3:], outputs(teacher, batches[0])[5:]
    result = initialize_from_teacher(student, teacher, method="trained", calibration=batches)
    now = dict(student.base_model.named_parameters())
    assert all(torch.equal(now[name], value) for name, value in encoder.items())
    assert result.mapping == (0, 2, 4) and result.random_parameters == () and result.layer_norm is None
    assert [tuple(one.shape) for one in result.state_projections] == [(24, width)] * 3
    if model_class is not BertModel:
        gaps = [
            sum((one - other).square().mean() for one, other in zip(found, wanted, strict=True))
            for found in (before, outputs(student, batches[0])[3:])
        ]
        assert gaps[1] < 0.8 * gaps[0]


def test_the_maps_of_a_trained_student_lead_to_its_teachers_states(build_encoder, batches):
    """Would catch training projections that start far from where the student stands."""
    teacher = build_encoder()
    gaps = {}
    for method in ("random", "trained"):
        student = build_encoder(seed=9, **SMALLER)
        result = initialize_from_teacher(student, teacher, method=method, calibration=batches)
        gaps[method] = intermediate_loss(student, teacher, result, batches[0])
    assert gaps["trained"] < 0.7 * gaps["random"]


def test_what_the_teacher_of_a_trained_student_lacks_stays_as_it_is(build_encoder, batches):
    """Would catch a trained head that is drawn anew because this teacher has none."""
    student = build_encoder(BertForSequenceClassification, seed=9, **SMALLER)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    teacher = build_encoder(BertForTokenClassification)  # no pooler
    result = initialize_from_teacher(student, teacher, method="trained", calibration=batches)
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
    assert "classifier.weight" in result.random_parameters


@pytest.mark.parametrize("name", ["EuroBERT", "DeBERTa-v3"])
def test_a_trained_student_is_fitted_to_a_teacher_of_any_family(build_encoder, batches, name):
    """Would catch a refusal of general students whose teacher has no layers that could be taken over."""
    family = next(family for family in FAMILIES if family.name == name)
    teacher = family.build_model(vocab_size=60, hidden_size=24).eval()
    student = build_encoder(BertForSequenceClassification, seed=9, **SMALLER)
    before = copy.deepcopy(student.state_dict())
    assert check_start(student, teacher, method="trained") == (0, 2, 4)
    inputs = [{key: batch[key] for key in ("input_ids", "attention_mask")} for batch in batches]
    result = initialize_from_teacher(student, teacher, method="trained", calibration=inputs)
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
    assert result.method == "trained" and result.projection.shape == (24, 16)
    with torch.no_grad():
        hidden = [model(**inputs[0], output_hidden_states=True).hidden_states for model in (student.bert, teacher)]
    valid = inputs[0]["attention_mask"] != 0
    left = []
    for state, layer, weight, bias in zip(
        hidden[0], result.mapping, result.state_projections, result.state_offsets, strict=True
    ):
        target = hidden[1][layer][valid]
        rest = (state[valid] @ weight.T + bias - target).square().sum()
        left.append(float(rest / (target - target.mean(0)).square().sum()))
    assert left[0] < 0.9 and max(left) < 1.05  # two random models agree on words and on little else
    assert "classifier.weight" in result.random_parameters
    assert not any("encoder.layer" in name for name in result.random_parameters)
    with pytest.raises(ValueError, match="equal vocabulary sizes, got 61"):
        check_start(build_encoder(vocab_size=61, **SMALLER), teacher, method="trained")


REFUSALS = {
    "wider": ({"hidden_size": 32}, {}, "`hidden_size` of at most the teacher's 24, got 32"),
    "deeper": ({"num_hidden_layers": 5}, {}, "no deeper than its teacher, got 5 student and 4 teacher"),
    "more units": ({"intermediate_size": 41}, {}, "`intermediate_size` of at most the teacher's 40, got 41"),
    "more heads": ({"num_attention_heads": 6}, {}, "`num_attention_heads` of at most the teacher's 4, got 6"),
    "vocabulary": ({"vocab_size": 61}, {}, "equal vocabulary sizes, got 61 in the student and 60"),
    "activation": ({"hidden_act": "relu"}, {}, "equal `hidden_act`, got 'relu'"),
    "layers, width": ({"hidden_size": 16}, {"method": "layers"}, "`hidden_size` as in the teacher, 24, got 16"),
    "layers, heads": ({"num_attention_heads": 2}, {"method": "layers"}, "`num_attention_heads` as in the teacher"),
    "layers, units": ({"intermediate_size": 30}, {"method": "layers"}, "`intermediate_size` as in the teacher"),
    "mapping, length": ({}, {"layer_mapping": (1, 2, 3, 4)}, "5 rising teacher layers from 0 to at most 4"),
    "mapping, order": ({}, {"layer_mapping": (0, 1, 3, 2, 4)}, "rising teacher layers"),
    "mapping, too high": ({}, {"layer_mapping": (0, 1, 2, 3, 5)}, "rising teacher layers"),
    "trained, vocabulary": ({"vocab_size": 61}, {"method": "trained"}, "equal vocabulary sizes, got 61"),
    "trained, deeper": ({"num_hidden_layers": 5}, {"method": "trained"}, "no deeper than its teacher, got 5"),
    "method": ({}, {"method": "magic"}, "magic"),
    "treatment": ({}, {"layer_norm": "magic"}, "magic"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_does_not_fit_is_refused_before_anything_is_written(build_encoder, batches, case):
    """Would catch a broadcast, a silent truncation, or a half-filled student."""
    shape, arguments, message = REFUSALS[case]
    student = build_encoder(**{"hidden_size": 24, **shape})
    before = copy.deepcopy(student.state_dict())
    with pytest.raises(ValueError, match=message):
        initialize_from_teacher(student, build_encoder(), calibration=batches, **arguments)
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())
