"""Heads of many families, found by their parts, and checked by the logits that the models give."""

import pytest
import torch

from hf_tinybert.models.calibration import CalibrationTokens, read_calibration
from hf_tinybert.models.encoder_layout import linear
from hf_tinybert.models.head_names import head_left_out, pooled_head, word_head
from hf_tinybert.models.layout_reading import teacher_layout
from hf_tinybert.models.teacher_states import model_inputs, read_hidden_states
from tests.distillation.families import FAMILIES, LAYERS

by_name = {family.name: family for family in FAMILIES}
OWN_HEADS = ["RoBERTa", "ELECTRA", "DistilBERT", "MPNet", "DeBERTa-v3", "ModernBERT", "RoFormer", "XLM-RoBERTa-XL"]
OWN_WORDS = ["BERT", "RoBERTa", "DistilBERT", "ALBERT", "ELECTRA", "MPNet"]


def read(teacher, batches):
    words = [{**batch, "input_ids": (batch["input_ids"] % 35 + 3) * batch["attention_mask"]} for batch in batches]
    tokens = read_calibration(words, teacher_layout(teacher), seed=0)
    return tokens, read_hidden_states(teacher, tokens, [LAYERS])[LAYERS]


@pytest.mark.parametrize("head", ["ForSequenceClassification", "ForMultipleChoice"])
@pytest.mark.parametrize("name", OWN_HEADS)
def test_the_parts_of_a_head_give_its_logits(batches, name, head):
    """Would catch tanh in the place of ELECTRA's GELU, or the first token in that of a mean."""
    settings = {"classifier_pooling": "mean"} if name == "ModernBERT" else {}
    teacher = by_name[name].build_model(head, **settings).eval()
    tokens, states = read(teacher, batches)
    found = pooled_head(teacher, states, tokens)
    if head == "ForMultipleChoice" and name == "RoFormer":  # it reads the last token, padding included
        assert found is None
        assert head_left_out(teacher) == "head for choices"
        return
    assert found is not None and head_left_out(teacher) == ""
    if found.output is None:
        assert found.dense is teacher.base_model.get_submodule("pooler.dense")
        return
    inputs = model_inputs(teacher, teacher.config, tokens.batches[0])
    if head == "ForMultipleChoice":
        inputs = {key: ids[:, None] for key, ids in inputs.items()}
    vectors = CalibrationTokens(tokens.batches[:1]).text_vectors(
        states[: int(tokens.batches[0].mask.sum())], mean=found.reads_mean
    )
    wanted = teacher(**inputs).logits.detach()
    torch.testing.assert_close(linear(found.output, found.features(vectors)), wanted, rtol=1e-3, atol=1e-3)


def test_a_head_that_computes_something_else_is_none(batches):
    """Would catch a head that is taken over by its names alone."""
    teacher = by_name["RoBERTa"].build_model("ForSequenceClassification").eval()
    teacher.classifier.dense.register_forward_hook(lambda module, inputs, output: output.sin())
    assert pooled_head(teacher, *reversed(read(teacher, batches))) is None
    assert pooled_head(by_name["DistilBERT"].build_model().eval(), *reversed(read(teacher, batches))) is None


@pytest.mark.parametrize("name", OWN_WORDS)
def test_the_head_that_predicts_words_is_found(batches, name):
    """Would catch a family whose students start with a random masked-word head."""
    teacher = by_name[name].build_model("ForMaskedLM").eval()
    found = word_head(teacher)
    assert found is not None and found.decoder is teacher.get_output_embeddings()
    assert found.norm.normalized_shape[0] == found.decoder.in_features == found.dense.out_features
    assert word_head(by_name[name].build_model("ForSequenceClassification")) is None
