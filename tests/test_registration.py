"""Auto classes and pipelines load TinyBERT folders once the package is imported."""

import subprocess
import sys

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForNextSentencePrediction,
    AutoModelForPreTraining,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTextEncoding,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertConfig,
    BertModel,
    BertTokenizer,
    pipeline,
)

import hf_tinybert
from hf_tinybert.registration import register_auto_classes

MODELS = {
    AutoModel: hf_tinybert.TinyBertModel,
    AutoModelForCausalLM: hf_tinybert.TinyBertForCausalLM,
    AutoModelForTextEncoding: hf_tinybert.TinyBertForSentenceEmbedding,
    AutoModelForPreTraining: hf_tinybert.TinyBertForPreTraining,
    AutoModelForMaskedLM: hf_tinybert.TinyBertForMaskedLM,
    AutoModelForSequenceClassification: hf_tinybert.TinyBertForSequenceClassification,
    AutoModelForTokenClassification: hf_tinybert.TinyBertForTokenClassification,
    AutoModelForQuestionAnswering: hf_tinybert.TinyBertForQuestionAnswering,
    AutoModelForMultipleChoice: hf_tinybert.TinyBertForMultipleChoice,
    AutoModelForNextSentencePrediction: hf_tinybert.TinyBertForNextSentencePrediction,
}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "bad", "film", "story", "##s"]
every_auto_class = pytest.mark.parametrize("auto_class", MODELS, ids=lambda cls: cls.__name__)


def build(model_class, **overrides):
    torch.manual_seed(0)
    shape = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 12}
    config = hf_tinybert.TinyBertConfig(**{**shape, "vocab_size": len(WORDS), "initializer_range": 0.5, **overrides})
    return model_class(config).eval()


def save(folder, model_class, **overrides):
    """Save a tiny model with a tokenizer of 11 tokens."""
    model = build(model_class, **overrides)
    model.save_pretrained(folder)
    BertTokenizer(vocab={word: index for index, word in enumerate(WORDS)}).save_pretrained(folder)
    return model


@every_auto_class
def test_an_auto_class_loads_the_folder_of_its_model(auto_class, tmp_path):
    """An Auto class without its entry makes the checkpoint useless to every script written for the Hub."""
    saved = save(tmp_path, MODELS[auto_class])
    loaded, report = auto_class.from_pretrained(tmp_path, output_loading_info=True)
    assert type(loaded) is MODELS[auto_class]
    assert not report["missing_keys"] and not report["unexpected_keys"]
    for name, weight in saved.state_dict().items():
        assert torch.equal(weight, loaded.state_dict()[name]), name


@every_auto_class
def test_an_auto_class_builds_its_model_from_a_configuration(auto_class):
    """Training from scratch starts this way."""
    config = build(hf_tinybert.TinyBertModel).config
    assert type(auto_class.from_config(config)) is MODELS[auto_class]


def test_the_tokenizer_of_a_folder_loads(tmp_path):
    """A tokenizer with another vocabulary feeds the model wrong ids and fails nowhere."""
    save(tmp_path, hf_tinybert.TinyBertModel)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert type(tokenizer) is BertTokenizer
    assert tokenizer("A good films")["input_ids"] == [2, 5, 6, 8, 10, 3]


def test_registering_again_changes_nothing():
    """A second import through another path, or a notebook that reloads, must not fail."""
    register_auto_classes()
    register_auto_classes()
    assert type(AutoConfig.for_model("tinybert")) is hf_tinybert.TinyBertConfig
    assert type(AutoModel.from_config(build(hf_tinybert.TinyBertModel).config)) is hf_tinybert.TinyBertModel


def test_plain_bert_keeps_its_own_classes():
    """A registration for BertConfig would take over every BERT in the process."""
    config = BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12, vocab_size=9)
    assert type(AutoModel.from_config(config)) is BertModel


def test_pipeline_classifies_a_text(tmp_path):
    """The label names of the folder must come out, with the score the model gives."""
    labels = {0: "praise", 1: "blame", 2: "neither"}
    model = save(
        tmp_path,
        hf_tinybert.TinyBertForSequenceClassification,
        id2label=labels,
        label2id={name: index for index, name in labels.items()},
        classifier_activation="relu",
    )
    answers = pipeline("text-classification", model=str(tmp_path), top_k=None)(["a good film"])[0]
    with torch.no_grad():
        scores = model(input_ids=torch.tensor([[2, 5, 6, 8, 3]])).logits.softmax(-1)[0]
    assert {answer["label"]: answer["score"] for answer in answers} == {
        label: pytest.approx(scores[index].item(), abs=1e-5) for index, label in labels.items()
    }


def test_pipeline_labels_tokens(tmp_path):
    """Token labels must stand beside the words they belong to."""
    model = save(tmp_path, hf_tinybert.TinyBertForTokenClassification, num_labels=3)
    found = pipeline("token-classification", model=str(tmp_path), ignore_labels=[])("a bad story")
    with torch.no_grad():
        best = model(input_ids=torch.tensor([[2, 5, 7, 9, 3]])).logits[0, 1:-1].argmax(-1)
    assert [token["word"] for token in found] == ["a", "bad", "story"]
    assert [token["entity"] for token in found] == [f"LABEL_{index}" for index in best.tolist()]


def test_pipeline_fills_a_mask(tmp_path):
    """The tied output matrix must name the tokens of the folder's vocabulary."""
    model = save(tmp_path, hf_tinybert.TinyBertForMaskedLM)
    answers = pipeline("fill-mask", model=str(tmp_path), top_k=2)("a [MASK] film")
    with torch.no_grad():
        best = model(input_ids=torch.tensor([[2, 5, 4, 8, 3]])).logits[0, 2].topk(2).indices
    assert [answer["token"] for answer in answers] == best.tolist()


def test_importing_the_package_imports_no_training_library():
    """Whoever only classifies must not wait for datasets, evaluate, peft or the Trainer."""
    code = (
        "import sys, hf_tinybert\n"
        "heavy = {'datasets', 'evaluate', 'peft', 'pandas', 'sklearn', 'transformers.trainer'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
