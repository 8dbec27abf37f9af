"""A token classification with the labels skip and keep, read at the tokens of sentences."""

import pytest
import torch
from transformers import AutoModelForTokenClassification, BertForTokenClassification

import hf_tinybert
from hf_tinybert.models.modeling_tinybert_summarization import TinyBertForExtractiveSummarization


@pytest.fixture
def build_summarizer(tiny_student_config):
    def build(**overrides):
        torch.manual_seed(0)
        named = {"id2label": {0: "skip", 1: "keep"}, "label2id": {"skip": 0, "keep": 1}}
        values = {**tiny_student_config.to_dict(), **named, "initializer_range": 0.3, **overrides}
        return TinyBertForExtractiveSummarization(hf_tinybert.TinyBertConfig(**values)).eval()

    return build


def encoded(tokenizer, *documents):
    """Documents as lists of sentences, a marker before each one."""
    texts = ["[CLS]" + "[SEP][CLS]".join(sentences) + "[SEP]" for sentences in documents]
    return tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")


def scores_of(model, tokenizer, *documents):
    ids = {"marker_id": tokenizer.cls_token_id, "end_id": tokenizer.sep_token_id}
    return model.sentence_scores(**encoded(tokenizer, *documents), **ids)


def test_every_sentence_of_every_document_gets_its_probability(build_summarizer, tokenizer):
    """A score lost or taken from padding shifts every sentence behind it."""
    model = build_summarizer()
    documents = ["the film is bad .", "a great song", ""], ["the vote"]
    scores = scores_of(model, tokenizer, *documents)
    assert [len(row) for row in scores] == [3, 1]
    with torch.no_grad():
        logits = model(**encoded(tokenizer, *documents)).logits
    keep = logits[..., 1] - logits[..., 0]
    # marker, five tokens, end; marker, three tokens, end; a marker without tokens
    wanted = [[keep[0, 1:6].mean(), keep[0, 8:11].mean(), keep[0, 12]], [keep[1, 1:3].mean()]]
    for row, own in zip(scores, wanted, strict=True):
        assert row == pytest.approx([value.sigmoid().item() for value in own], abs=1e-6)


def test_padding_changes_no_score(build_summarizer, tokenizer):
    """A document would get another summary beside a longer one."""
    model = build_summarizer()
    documents = (["the film is bad .", "a great song"], ["the vote", "a goal"])
    together = scores_of(model, tokenizer, *documents)
    for row, document in zip(together, documents, strict=True):
        (alone,) = scores_of(model, tokenizer, document)
        assert row == pytest.approx(alone, abs=1e-6)


def test_the_labels_are_skip_and_keep(build_summarizer):
    """Labels the other way round would keep what is to be skipped."""
    unnamed = {"id2label": None, "label2id": None}
    assert build_summarizer(**unnamed).config.id2label == {0: "skip", 1: "keep"}
    assert build_summarizer(**unnamed).config.label2id == {"skip": 0, "keep": 1}
    for wrong in ({0: "keep", 1: "skip"}, {0: "a", 1: "b", 2: "c"}):
        with pytest.raises(ValueError, match="expected the labels"):
            build_summarizer(id2label=wrong, label2id=None)


def test_the_folder_serves_as_token_classification_and_exports_to_bert(build_summarizer, tokenizer, tmp_path):
    """A summariser must load in stacks that know no summarisation, as the same function."""
    model = build_summarizer()
    model.save_pretrained(tmp_path / "native")
    inputs = encoded(tokenizer, ["the film is bad .", "a great song"])
    auto = AutoModelForTokenClassification.from_pretrained(tmp_path / "native").eval()
    hf_tinybert.export_to_bert(tmp_path / "native", tmp_path / "bert", tokenizer=tokenizer)
    bert, report = BertForTokenClassification.from_pretrained(tmp_path / "bert", output_loading_info=True)
    assert not report["missing_keys"] and bert.config.id2label == {0: "skip", 1: "keep"}
    again, report = TinyBertForExtractiveSummarization.from_pretrained(tmp_path / "native", output_loading_info=True)
    assert not report["missing_keys"]
    with torch.no_grad():
        for other in (auto, bert.eval(), again.eval()):
            torch.testing.assert_close(other(**inputs).logits, model(**inputs).logits, atol=1e-6, rtol=0)
