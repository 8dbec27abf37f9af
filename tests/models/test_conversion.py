"""A published folder becomes one that Auto classes load, and a TinyBERT model becomes plain BERT: same answers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForMaskedLM,
    BertForMultipleChoice,
    BertForNextSentencePrediction,
    BertForPreTraining,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    BertTokenizer,
)

import hf_tinybert
from hf_tinybert.models.conversion import PROJECTIONS_FILE, convert_published_checkpoint, export_to_bert

PARITY = Path(__file__).parents[1] / "data" / "parity"
GOLDEN = load_file(PARITY / "golden.safetensors")
INPUTS = {name: GOLDEN[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
BERT_CLASSES = {
    hf_tinybert.TinyBertModel: BertModel,
    hf_tinybert.TinyBertForPreTraining: BertForPreTraining,
    hf_tinybert.TinyBertForMaskedLM: BertForMaskedLM,
    hf_tinybert.TinyBertForSequenceClassification: BertForSequenceClassification,
    hf_tinybert.TinyBertForTokenClassification: BertForTokenClassification,
    hf_tinybert.TinyBertForQuestionAnswering: BertForQuestionAnswering,
    hf_tinybert.TinyBertForMultipleChoice: BertForMultipleChoice,
    hf_tinybert.TinyBertForNextSentencePrediction: BertForNextSentencePrediction,
}


def build(model_class, **overrides):
    torch.manual_seed(0)
    shape = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12}
    config = hf_tinybert.TinyBertConfig(**{**shape, "vocab_size": 60, "initializer_range": 0.4, **overrides})
    return model_class(config).eval()


def run(model):
    inputs = INPUTS
    if "MultipleChoice" in type(model).__name__:
        inputs = {name: torch.stack([value, value], 1) for name, value in inputs.items()}
    with torch.no_grad():
        return model(**inputs).to_tuple()


def make_tokenizer():
    return BertTokenizer(vocab=str(PARITY / "student" / "vocab.txt"))


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("source", ["student", "student_v2", "teacher"])
def test_a_converted_folder_answers_like_the_published_code(source, tmp_path):
    """The folder is what users keep: anything lost between memory and disk is lost for them."""
    output = convert_published_checkpoint(PARITY / source, tmp_path / "out")
    assert output == tmp_path / "out"
    model, report = AutoModelForSequenceClassification.from_pretrained(output, output_loading_info=True)
    assert type(model) is hf_tinybert.TinyBertForSequenceClassification
    assert not report["missing_keys"] and not report["unexpected_keys"]
    role = "teacher" if source == "teacher" else "student"
    torch.testing.assert_close(run(model)[0], GOLDEN[f"{role}_logits"], atol=1e-5, rtol=0)
    settings = json.loads((output / "config.json").read_text())
    assert (settings["model_type"], settings["classifier_activation"]) == ("tinybert", "relu")
    assert AutoTokenizer.from_pretrained(output)("W3 w54")["input_ids"] == [2, 8, 59, 3]
    assert names(tmp_path) == {"out"}


def test_the_projections_are_written_beside_the_model(tmp_path):
    """In the model's file they would be unexpected weights; nowhere, the distillation could not go on."""
    output = convert_published_checkpoint(PARITY / "student_v2", tmp_path / "out")
    assert names(output) >= {"config.json", "model.safetensors", "tokenizer.json", PROJECTIONS_FILE}
    published = torch.load(PARITY / "student_v2" / "pytorch_model.bin", weights_only=True)
    written = load_file(output / PROJECTIONS_FILE)
    assert len(written) == 6
    for name, weight in written.items():
        assert torch.equal(weight, published[name.replace("projections", "fit_denses")]), name
    assert not [name for name in load_file(output / "model.safetensors") if "dense" in name and "fit" in name]


def test_label_names_reach_the_converted_folder(tmp_path):
    """Answers called LABEL_2 are where users start to guess the order."""
    labels = {0: "contradiction", 1: "neutral", 2: "entailment"}
    output = convert_published_checkpoint(PARITY / "student", tmp_path / "out", id2label=labels)
    assert AutoModelForSequenceClassification.from_pretrained(output).config.id2label == labels


def test_a_failed_conversion_leaves_nothing_behind(tmp_path):
    """A folder with half a model would be found and loaded by the next run."""
    source = tmp_path / "source"
    shutil.copytree(PARITY / "student", source)
    content = (source / "pytorch_model.bin").read_bytes()
    (source / "pytorch_model.bin").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="expected named tensors"):
        convert_published_checkpoint(source, tmp_path / "out")
    assert names(tmp_path) == {"source"}


def test_a_conversion_that_fails_while_writing_keeps_the_previous_folder(tmp_path, monkeypatch):
    """A full disk must not cost the checkpoint that was there."""
    output = convert_published_checkpoint(PARITY / "student", tmp_path / "out")
    before = {path.name: path.read_bytes() for path in output.iterdir()}

    def fail(*arguments, **settings):
        raise OSError("disk full")

    monkeypatch.setattr(BertTokenizer, "save_pretrained", fail)
    with pytest.raises(OSError, match="disk full"):
        convert_published_checkpoint(PARITY / "teacher", output, overwrite=True)
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    assert names(tmp_path) == {"out"}


def test_an_output_in_use_is_refused_unless_overwrite_is_asked_for(tmp_path):
    """Converting into the wrong folder must not delete a trained student."""
    output = convert_published_checkpoint(PARITY / "student", tmp_path / "out")
    for write in (convert_published_checkpoint, export_to_bert):
        source = PARITY / "teacher" if write is convert_published_checkpoint else build(hf_tinybert.TinyBertModel)
        with pytest.raises(FileExistsError, match="would be lost"):
            write(source, output)
    assert AutoModel.from_pretrained(output).config.hidden_size == 16
    convert_published_checkpoint(PARITY / "teacher", output, overwrite=True)
    assert AutoModel.from_pretrained(output).config.hidden_size == 32


def test_source_and_output_may_not_be_the_same_folder(tmp_path):
    """Overwriting would replace the only copy of the published files."""
    source = tmp_path / "source"
    shutil.copytree(PARITY / "student", source)
    for write in (convert_published_checkpoint, export_to_bert):
        with pytest.raises(ValueError, match="two different folders"):
            write(source, tmp_path / "." / "source", overwrite=True)
    assert names(source) == names(PARITY / "student")


@pytest.mark.parametrize("model_class", BERT_CLASSES, ids=lambda cls: cls.__name__)
def test_an_export_answers_like_its_source(model_class, tmp_path):
    """The exported folder is what gets served; nobody compares it with the student again."""
    model = build(model_class)
    model.save_pretrained(tmp_path / "native")
    make_tokenizer().save_pretrained(tmp_path / "native")
    output = export_to_bert(tmp_path / "native", tmp_path / "out")
    settings = json.loads((output / "config.json").read_text())
    assert (settings["model_type"], settings["architectures"]) == ("bert", [BERT_CLASSES[model_class].__name__])
    assert "classifier_activation" not in settings
    bert, report = BERT_CLASSES[model_class].from_pretrained(output, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    for one, other in zip(run(bert), run(model), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)
    assert AutoTokenizer.from_pretrained(output)("w3")["input_ids"] == [2, 8, 3]


def test_an_export_loads_in_a_process_without_this_package(tmp_path):
    """A leftover field or class name would send every other stack looking for hf_tinybert."""
    model = build(
        hf_tinybert.TinyBertForSequenceClassification,
        id2label={0: "no", 1: "maybe", 2: "yes"},
        label2id={"no": 0, "maybe": 1, "yes": 2},
    )
    output = export_to_bert(model, tmp_path / "out", tokenizer=make_tokenizer())
    code = (
        "import sys, torch\n"
        "from transformers import pipeline\n"
        "answer = pipeline('text-classification', model=sys.argv[1], top_k=None)(['w1 w2 w3'])[0]\n"
        "assert not any(name.startswith('hf_tinybert') for name in sys.modules)\n"
        "print({one['label']: one['score'] for one in answer})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(output)], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    with torch.no_grad():
        scores = model(input_ids=torch.tensor([[2, 6, 7, 8, 3]])).logits.softmax(-1)[0].tolist()
    expected = dict(zip(("no", "maybe", "yes"), scores, strict=True))
    assert json.loads(done.stdout.replace("'", '"')) == pytest.approx(expected, abs=1e-5)


def test_an_activation_in_the_head_is_not_exported_away(tmp_path):
    """BERT would read the pooled output without relu and answer differently under the same name."""
    native = convert_published_checkpoint(PARITY / "student", tmp_path / "native")
    with pytest.raises(ValueError, match=r"got `classifier_activation=relu`.*keep the TinyBERT folder"):
        export_to_bert(native, tmp_path / "out")
    assert names(tmp_path) == {"native"}


def test_the_encoder_of_a_checkpoint_with_an_activation_exports(tmp_path):
    """Only the head reads the activation; its encoder is plain BERT."""
    model = hf_tinybert.load_published_checkpoint(PARITY / "student", hf_tinybert.TinyBertModel).model
    bert = BertModel.from_pretrained(export_to_bert(model, tmp_path / "out", tokenizer=make_tokenizer()))
    torch.testing.assert_close(run(bert)[0], run(model)[0], atol=1e-6, rtol=0)


def test_projections_of_a_running_distillation_are_left_out_of_the_export(tmp_path):
    """They belong to the training; in the export they would be unknown weights in every stack."""
    model = build(hf_tinybert.TinyBertForSequenceClassification)
    model.add_module("distillation_projections", nn.ModuleList([nn.Linear(8, 16)]))
    output = export_to_bert(model, tmp_path / "out", tokenizer=make_tokenizer())
    assert not [name for name in load_file(output / "model.safetensors") if "projection" in name]
    assert hasattr(model, "distillation_projections")


def test_an_export_keeps_the_precision_of_its_source(tmp_path):
    """Half-precision weights written in full precision double the download."""
    output = export_to_bert(build(hf_tinybert.TinyBertModel).bfloat16(), tmp_path / "out", tokenizer=make_tokenizer())
    assert {weight.dtype for weight in load_file(output / "model.safetensors").values()} == {torch.bfloat16}
    assert BertModel.from_pretrained(output).dtype == torch.bfloat16


def test_an_encoder_without_pooler_exports_without_one(tmp_path):
    """A random pooler in the export would give pooled outputs that look real."""
    torch.manual_seed(0)
    model = hf_tinybert.TinyBertModel(build(hf_tinybert.TinyBertModel).config, add_pooling_layer=False).eval()
    model.save_pretrained(tmp_path / "native")
    for index, source in enumerate((model, tmp_path / "native")):
        output = export_to_bert(source, tmp_path / f"out{index}", tokenizer=make_tokenizer())
        assert not [name for name in load_file(output / "model.safetensors") if "pooler" in name]
        bert = BertModel.from_pretrained(output, add_pooling_layer=False).eval()
        torch.testing.assert_close(run(bert)[0], run(model)[0], atol=1e-6, rtol=0)


def test_an_export_without_tokenizer_says_so(tmp_path, caplog):
    """A tokenizer made up from nothing turns every word into [UNK]; none at all must be noticed before publishing."""
    model = build(hf_tinybert.TinyBertModel)
    model.save_pretrained(tmp_path / "native")
    for source in (model, tmp_path / "native"):
        caplog.clear()
        with caplog.at_level("WARNING"):
            output = export_to_bert(source, tmp_path / "out", overwrite=True)
        assert "pass `tokenizer=`" in caplog.text
        assert names(output) == {"config.json", "model.safetensors"}


def damage(problem, folder):
    """Damage a native folder in one way."""
    weights = load_file(folder / "model.safetensors")
    settings = json.loads((folder / "config.json").read_text())
    if problem == "missing":
        del weights["classifier.bias"]
    elif problem == "unexpected":
        weights["bert.encoder.layer.7.output.dense.bias"] = torch.zeros(8)
    elif problem == "shape":
        settings["intermediate_size"] = 13
    elif problem == "architecture":
        settings["architectures"] = ["TinyBertForPoetry"]
    elif problem == "published":
        settings.pop("model_type")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(settings))
    if problem == "truncated":
        content = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(content[:-100])


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        ("missing", r"got none for `classifier\.bias`"),
        ("unexpected", r"left over `bert\.encoder\.layer\.7\.output\.dense\.bias`"),
        ("shape", "weights that cannot be loaded"),
        ("architecture", "got `TinyBertForPoetry`"),
        ("published", "convert a published folder with `convert_published_checkpoint` first"),
        ("truncated", "weights that cannot be loaded"),
    ],
)
def test_a_folder_that_is_not_complete_is_not_exported(problem, message, tmp_path):
    """Random weights in the place of missing ones would be published as trained."""
    build(hf_tinybert.TinyBertForSequenceClassification).save_pretrained(tmp_path / "native")
    damage(problem, tmp_path / "native")
    with pytest.raises(ValueError, match=message):
        export_to_bert(tmp_path / "native", tmp_path / "out", tokenizer=make_tokenizer())
    assert names(tmp_path) == {"native"}


def test_a_model_of_another_family_is_not_exported(tmp_path):
    """Its parameters are not BERT's."""
    bert = BertModel(build(hf_tinybert.TinyBertModel).config)
    with pytest.raises(ValueError, match="got `BertModel`.* it is plain BERT as it is"):
        export_to_bert(bert, tmp_path / "out")
