"""Heads of the teacher on a narrower student."""

import pytest
import torch
from transformers import (
    BertForMaskedLM,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)

from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.initialization import initialize_from_teacher
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification
from hf_tinybert.models.modeling_tinybert_sentence_embedding import SentenceEmbeddingHead, TinyBertForSentenceEmbedding

POOLED = {"num_hidden_layers": 2, "num_labels": 3}


def lifted(subspace_pair, build_encoder, model_class):
    """A teacher with a head on the encoder that lives in a subspace, and a random student of the subspace's width."""
    labels = 2 if model_class is BertForQuestionAnswering else 3
    teacher = build_encoder(model_class, num_hidden_layers=2, num_labels=labels)
    state = {name: value for name, value in subspace_pair[1].state_dict().items() if not name.startswith("pooler")}
    teacher.base_model.load_state_dict(state, strict=False)
    return teacher, build_encoder(model_class, hidden_size=16, num_hidden_layers=2, num_labels=labels, seed=9)


@pytest.mark.parametrize("model_class", [BertForTokenClassification, BertForQuestionAnswering])
def test_heads_on_tokens_give_the_teachers_logits(subspace_pair, build_encoder, batches, model_class):
    """Would catch a head that reads the student's state as if it were the teacher's."""
    teacher, student = lifted(subspace_pair, build_encoder, model_class)
    assert initialize_from_teacher(student, teacher, calibration=batches).random_parameters == ()
    for got, wanted in zip(student(**batches[0]).values(), teacher(**batches[0]).values(), strict=True):
        valid = batches[0]["attention_mask"] != 0
        torch.testing.assert_close(got[valid], wanted[valid], atol=2e-2, rtol=2e-2)


@pytest.mark.parametrize("own_layer", [True, False])
def test_embeddings_start_at_the_teachers(subspace_pair, build_encoder, batches, own_layer):
    """Would catch a linear layer that reads the student's state as if it were the teacher's, or skips its layer."""
    teacher = build_encoder(BertModel, num_hidden_layers=2)
    shape = {"config_class": TinyBertConfig, "num_hidden_layers": 2, "embedding_size": 10 if own_layer else 24}
    if own_layer:
        teacher = build_encoder(TinyBertForSentenceEmbedding, **shape)
    state = {name: value for name, value in subspace_pair[1].state_dict().items() if not name.startswith("pooler")}
    teacher.base_model.load_state_dict(state, strict=False)
    student = build_encoder(TinyBertForSentenceEmbedding, **shape, hidden_size=16, seed=9)
    assert initialize_from_teacher(student, teacher, calibration=batches).random_parameters == ()
    states = teacher.base_model(**batches[0]).last_hidden_state
    head = (
        teacher.embedding
        if own_layer
        else SentenceEmbeddingHead(TinyBertConfig(hidden_size=24, num_attention_heads=4))
    )
    wanted = head(states, batches[0]["attention_mask"])
    torch.testing.assert_close(student(**batches[0]).logits, wanted, atol=2e-2, rtol=2e-2)


def test_pooled_units_that_no_head_reads_are_dropped_first(subspace_pair, build_encoder, batches):
    """Would catch units kept by their number: here the head reads 16 of the 24, so that nothing need be lost."""
    teacher, student = lifted(subspace_pair, build_encoder, BertForSequenceClassification)
    with torch.no_grad():
        teacher.classifier.weight[:, 3:11] = 0.0
    initialize_from_teacher(student, teacher, calibration=batches)
    torch.testing.assert_close(student(**batches[0]).logits, teacher(**batches[0]).logits, atol=2e-2, rtol=2e-2)


def test_constant_pooled_units_leave_their_mean(subspace_pair, build_encoder, batches):
    """Would catch logits off by what the dropped units gave all the time."""
    teacher, student = lifted(subspace_pair, build_encoder, BertForSequenceClassification)
    with torch.no_grad():
        teacher.bert.pooler.dense.weight[:8] = 0.0
        teacher.bert.pooler.dense.bias[:8] = 1.0
    initialize_from_teacher(student, teacher, calibration=batches)
    torch.testing.assert_close(student(**batches[0]).logits, teacher(**batches[0]).logits, atol=2e-2, rtol=2e-2)


def test_an_activation_of_the_students_own_is_fitted_through(build_encoder, batches):
    """Would catch a classifier for `pooled` in a student that reads `relu(pooled)`."""
    teacher = build_encoder(BertForSequenceClassification, **POOLED)
    gaps = {}
    for treatment in ("least_squares", "reconstruction"):
        student = build_encoder(
            TinyBertForSequenceClassification, TinyBertConfig, classifier_activation="relu", **POOLED
        )
        initialize_from_teacher(student, teacher, calibration=batches, layer_norm=treatment)
        gap = [student(**batch).logits - teacher(**batch).logits for batch in batches]
        gaps[treatment] = torch.cat(gap).square().mean()
    assert gaps["reconstruction"] < 0.8 * gaps["least_squares"]


def test_a_head_for_other_labels_or_of_another_kind_is_drawn_at_random(build_encoder, batches):
    """Would catch a head cut to size, or a head on tokens put on the pooled state."""
    teacher = build_encoder(BertForTokenClassification, num_labels=3)
    student = build_encoder(BertForSequenceClassification, num_labels=3)
    result = initialize_from_teacher(student, teacher, calibration=batches)
    heads = ("bert.pooler.dense.weight", "bert.pooler.dense.bias", "classifier.weight", "classifier.bias")
    assert result.random_parameters == heads
    teacher = build_encoder(BertForSequenceClassification, num_labels=2)
    assert initialize_from_teacher(student, teacher, calibration=batches).random_parameters == heads[2:]
    assert student.classifier.weight.std() < 0.05


def test_the_masked_word_head_stays_tied_and_prefers_the_teachers_words(subspace_pair, build_encoder, batches):
    """Would catch an output matrix of its own, or a transform in another basis than the output matrix."""
    teacher, student = lifted(subspace_pair, build_encoder, BertForMaskedLM)
    result = initialize_from_teacher(student, teacher, calibration=batches)
    assert result.random_parameters == ()
    assert student.cls.predictions.decoder.weight is student.bert.embeddings.word_embeddings.weight
    valid = torch.cat([batch["attention_mask"] for batch in batches]) != 0
    logits = [torch.cat([model(**batch).logits for batch in batches])[valid] for model in (student, teacher)]
    centred = [(logit - logit.mean(0)).flatten() for logit in logits]
    assert torch.corrcoef(torch.stack(centred))[0, 1] > 0.7


def test_both_heads_of_pretraining_are_filled(build_encoder, batches):
    """Would catch the next-sentence head left at random."""
    teacher = build_encoder(BertForPreTraining)
    student = build_encoder(BertForPreTraining, hidden_size=20, seed=9)
    assert initialize_from_teacher(student, teacher, calibration=batches).random_parameters == ()
    got, wanted = (model(**batches[0]).seq_relationship_logits for model in (student, teacher))
    assert (got - wanted).square().mean() < 0.5 * (wanted - wanted.mean(0)).square().mean()


def unexplained(student, teacher, batches):
    """Share of the variance of the teacher's logits, over words and tokens, that the student's leave unexplained."""
    valid = torch.cat([batch["attention_mask"] for batch in batches]) != 0
    with torch.no_grad():
        got, wanted = (torch.cat([model(**batch).logits for batch in batches])[valid] for model in (student, teacher))
    gap, centred = (one - one.mean(-1, keepdim=True) for one in (got - wanted, wanted))
    return float(gap.square().sum() / centred.square().sum())


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("drift", [0.0, 0.02, 0.1])
def test_a_trained_student_of_the_teachers_width_predicts_words_as_its_teacher(build_encoder, batches, drift, tied):
    """Would catch a transform made for states or embeddings of another basis: training has moved the student's."""
    shape = {"num_hidden_layers": 2, "tie_word_embeddings": tied}
    teacher, student = build_encoder(BertForMaskedLM, **shape), build_encoder(BertForMaskedLM, seed=9, **shape)
    with torch.no_grad():
        for name, parameter in student.bert.named_parameters():
            source = teacher.bert.get_parameter(name)
            parameter.copy_(source + drift * source.std() * torch.randn_like(source))
    before = unexplained(student, teacher, batches)
    initialize_from_teacher(student, teacher, method="trained", calibration=batches)
    after = unexplained(student, teacher, batches)
    assert after < 0.1 * before and after < (1e-6, 0.01, 0.2)[(0.0, 0.02, 0.1).index(drift)]
    is_tied = student.cls.predictions.decoder.weight is student.bert.embeddings.word_embeddings.weight
    assert is_tied is tied


def test_a_trained_student_of_the_teachers_width_and_another_basis_predicts_words(build_encoder, batches):
    """Would catch the teacher's transform on states that only share its width."""
    teacher = build_encoder(BertForMaskedLM, num_hidden_layers=2)
    student = build_encoder(BertForMaskedLM, num_hidden_layers=2, seed=9)
    before = unexplained(student, teacher, batches)
    initialize_from_teacher(student, teacher, method="trained", calibration=batches)
    assert unexplained(student, teacher, batches) < min(1.0, 0.7 * before)


@pytest.mark.parametrize("activation", ["gelu", "tanh"])
def test_a_trained_student_may_have_an_activation_of_its_own(build_encoder, batches, activation):
    """Would catch a refusal that is for weights taken over, and a transform fitted through another activation."""
    teacher = build_encoder(BertForMaskedLM)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 30}
    student = build_encoder(BertForMaskedLM, hidden_act=activation, seed=9, **shape)
    initialize_from_teacher(student, teacher, method="trained", calibration=batches)
    assert unexplained(student, teacher, batches) < 0.2
