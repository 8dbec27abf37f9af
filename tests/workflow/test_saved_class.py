"""Tests of models that are loaded as they were saved."""

import json

import pytest
import torch
from transformers import BertConfig, BertForQuestionAnswering

import hf_tinybert
from hf_tinybert.workflow.saved_class import load_as_saved

SHAPE = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
OURS = ["Model", "ForMaskedLM", "ForSentenceEmbedding", "ForExtractiveSummarization", "ForPreTraining", "ForCausalLM"]


@pytest.mark.parametrize("head", OURS)
def test_our_own_classes_come_back(tmp_path, head):
    """Prevents a head that is lost on the way."""
    model = getattr(hf_tinybert, f"TinyBert{head}")(hf_tinybert.TinyBertConfig(**SHAPE))
    model.save_pretrained(tmp_path)
    loaded = load_as_saved(str(tmp_path))
    assert type(loaded) is type(model) and not loaded.training
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in loaded.state_dict().items())


def test_classes_of_transformers_come_back(tmp_path):
    """Prevents a BERT from becoming a TinyBERT."""
    BertForQuestionAnswering(BertConfig(**SHAPE)).save_pretrained(tmp_path)
    assert type(load_as_saved(str(tmp_path))) is BertForQuestionAnswering


def test_an_encoder_that_was_saved_without_pooler_has_none(tmp_path):
    """Prevents weights drawn at random that look trained."""
    model = hf_tinybert.TinyBertModel(hf_tinybert.TinyBertConfig(**SHAPE), add_pooling_layer=False)
    model.save_pretrained(tmp_path)
    assert load_as_saved(str(tmp_path)).state_dict().keys() == model.state_dict().keys()


def test_lost_weights_and_unknown_classes_are_refused(tmp_path):
    """Prevents half a model from being written again as a whole one."""
    hf_tinybert.TinyBertModel(hf_tinybert.TinyBertConfig(**SHAPE)).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for architecture, message in (("TinyBertForMaskedLM", "expected all weights"), ("Path", "got `Path`")):
        (tmp_path / "config.json").write_text(json.dumps({**config, "architectures": [architecture]}))
        with pytest.raises(ValueError, match=message):
            load_as_saved(str(tmp_path))
