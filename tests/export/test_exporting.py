"""Tests of exporting a model folder."""

import json
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from hf_tinybert import TinyBertConfig
from hf_tinybert.data.tasks import Task
from hf_tinybert.distillation.record import RECORD_FILE, DistillationRecord
from hf_tinybert.export import ExportSettings, export_folder
from hf_tinybert.export import exporting as module
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding
from hf_tinybert.workflow import evaluate_folder, load_model_folder, predict
from hf_tinybert.workflow.evaluation import ScoredRows


def test_an_exported_classifier_is_scored_and_answers_like_the_model(model_of, labelled_rows, display, tmp_path):
    """Prevents a folder that only its own exporter can read: `evaluate` and `predict` take it, labels by name."""
    model, output = model_of("text-classification"), tmp_path / "onnx"
    figures = export_folder(ExportSettings(model=model, data=labelled_rows), output, display)
    assert figures["largest_difference"] < 1e-5
    assert figures["scores"]["exported"] == figures["scores"]["model"]
    assert json.loads((output / "figures.json").read_text(encoding="utf-8")) == figures
    texts = ["the team won the match", "a film"]
    assert [answer["label"] for answer in predict(output, texts)] == [
        answer["label"] for answer in predict(model, texts)
    ]
    assert evaluate_folder(output, labelled_rows, "validation") == figures["scores"]["exported"]
    with pytest.raises(ValueError, match="which is exported"):
        export_folder(ExportSettings(model=str(output)), tmp_path / "again", display)


def test_int8_is_smaller_and_refused_where_it_loses_more_than_is_allowed(
    model_of, labelled_rows, display, tmp_path, monkeypatch
):
    """Prevents that a quantised model which answers worse is kept."""
    settings = ExportSettings(
        model=model_of("text-classification"), to="onnx-int8", data=labelled_rows, largest_loss=1.0
    )
    figures = export_folder(settings, tmp_path / "int8", display)
    assert 0 < figures["largest_difference"] < 0.5
    scores = iter([ScoredRows({"accuracy": 0.9}, []), ScoredRows({"accuracy": 0.8}, [])])
    monkeypatch.setattr(module, "score_rows", lambda *arguments, **named: next(scores))

    def written_before(model, inputs, form, folder, longest):  # the same graph would take as long again
        shutil.copytree(tmp_path / "int8", folder, dirs_exist_ok=True)

    monkeypatch.setattr(module, "write_graph", written_before)
    with pytest.raises(ValueError, match="11.1% \\(0.9 to 0.8\\)"):
        export_folder(replace(settings, largest_loss=0.05), tmp_path / "worse", display)
    assert not (tmp_path / "worse").exists()


def test_rows_that_the_model_has_learnt_are_told_of(model_of, labelled_rows, display, tmp_path, caplog):
    """Prevents a loss by export that is measured on rows which another seed had left in training."""
    source = shutil.copytree(model_of("text-classification"), tmp_path / "source")
    (source / "run.json").write_text(json.dumps({"settings": {"data": labelled_rows, "seed": 7}, "stages": {}}))
    settings = ExportSettings(model=str(source), to="bert", data=labelled_rows)
    export_folder(settings, tmp_path / "other-seed", display)
    assert "was trained on what seed 7 leaves there" in caplog.text
    caplog.clear()
    export_folder(replace(settings, seed=7), tmp_path / "same-seed", display)
    assert "leaves there" not in caplog.text


def test_numbers_that_differ_are_refused_and_nothing_is_kept(model_of, display, tmp_path):
    """Prevents a plain BERT folder of other answers from being handed on."""
    settings = ExportSettings(model=model_of("text-classification"), to="bert")
    assert export_folder(settings, tmp_path / "bert", display)["largest_difference"] < 1e-6
    assert load_model_folder(tmp_path / "bert").model.config.model_type == "bert"

    class Other(torch.nn.Module):
        def forward(self, **inputs):
            return load_model_folder(tmp_path / "bert").model(**inputs).__class__(logits=torch.ones(1))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_with_head", lambda *arguments: Other())
        with pytest.raises(ValueError, match="nothing was kept"):
            export_folder(settings, tmp_path / "wrong", display)
    assert not (tmp_path / "wrong").exists()


def test_an_embedding_model_becomes_a_folder_of_sentence_transformers(model_of, display, tmp_path):
    """Prevents an encoder of other states under the same pooling."""
    settings = ExportSettings(model=model_of("sentence-embedding"), to="sentence-transformers")
    figures = export_folder(settings, tmp_path / "embedder", display)
    assert figures["largest_difference"] < 1e-6
    assert (tmp_path / "embedder" / "modules.json").is_file()


def test_embeddings_of_a_sentence_transformers_folder_are_compared_and_scored(
    model_of, display, tmp_path, sentences, monkeypatch
):
    """Prevents `--data` that is read and passed over, and a pooling or a last matrix that nobody compares."""
    source = shutil.copytree(model_of("sentence-embedding"), tmp_path / "source")
    torch.manual_seed(0)
    config = TinyBertConfig.from_pretrained(source, pooling="cls", normalize=False, similarity="dot", embedding_size=8)
    TinyBertForSentenceEmbedding(config).save_pretrained(source)
    Task.load(source).with_settings(similarity="dot").save(source)
    pairs = [
        {"text": f"{sentences[place]} {place}", "text_pair": sentences[place - 1], "score": place / 9}
        for place in range(len(sentences))
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))
    settings = ExportSettings(model=str(source), to="sentence-transformers", data=str(tmp_path / "pairs.jsonl"))
    figures = export_folder(settings, tmp_path / "embedder", display)
    assert figures["largest_difference"] < 1e-6
    assert figures["scores"]["exported"] == pytest.approx(figures["scores"]["model"])
    write = module.save_as_sentence_transformer

    def pooled_by_mean(model, *given, **named):
        other = TinyBertForSentenceEmbedding(TinyBertConfig.from_pretrained(source, pooling="mean"))
        other.load_state_dict(model.state_dict())
        return write(other, *given, **named)

    monkeypatch.setattr(module, "save_as_sentence_transformer", pooled_by_mean)
    with pytest.raises(ValueError, match="nothing was kept"):
        export_folder(settings, tmp_path / "wrong", display)


def test_a_wide_embedding_counts_with_its_own_folder(model_of, display, tmp_path):
    """Prevents an exported model that looks smaller than it is: sentence-transformers keep the last matrix apart."""
    source = shutil.copytree(model_of("sentence-embedding"), tmp_path / "wide")
    config = TinyBertConfig.from_pretrained(source, embedding_size=8192)
    TinyBertForSentenceEmbedding(config).save_pretrained(source)
    settings = ExportSettings(model=str(source), to="sentence-transformers")
    megabytes = export_folder(settings, tmp_path / "embedder", display)["megabytes"]
    assert megabytes["exported"] == megabytes["model"] > 0.8


def test_what_is_there_is_not_replaced(model_of, display, tmp_path):
    """Prevents the loss of a folder by a wrong name."""
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FileExistsError):
        export_folder(ExportSettings(model=model_of("text-classification"), to="bert"), tmp_path, display)


def test_one_head_of_several_has_a_record_of_its_own(model_of, display, tmp_path):
    """Prevents a card and a report of a head that tell of tasks which are not in its folder."""
    source = Path(model_of("text-classification"))
    model = TinyBertForSequenceClassification.from_pretrained(source)
    labels = {"kind": "text-classification", "id2label": model.config.id2label}
    several = TinyBertForMultiTask.from_encoder(model, {"mood": labels, "topic": labels, "late": labels})
    several.save_pretrained(tmp_path / "several")
    AutoTokenizer.from_pretrained(source).save_pretrained(tmp_path / "several")
    told = {"teacher": "a", "loss_weights": {"prediction_loss": 1.0}, "layer_mapping": [0, 2]}
    record = dict.fromkeys(field.name for field in fields(DistillationRecord))
    record |= {"tasks": {"mood": told, "topic": {**told, "teacher": "b"}}, "loss_layers": {}, "metrics": {}}
    DistillationRecord(**record).save(tmp_path / "several")
    for name in ("topic", "late"):
        settings = ExportSettings(model=str(tmp_path / "several"), to="bert", task=name)
        export_folder(settings, tmp_path / name, display)
    alone = DistillationRecord.load(tmp_path / "topic")
    assert (alone.teacher, alone.loss_weights, alone.tasks) == ("b", {"prediction_loss": 1.0}, None)
    assert not (tmp_path / "late" / RECORD_FILE).exists()  # which was added to the model later
