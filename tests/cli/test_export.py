"""Tests of `hf-tinybert export`."""

import json

from transformers import BertTokenizer

from hf_tinybert import TinyBertConfig
from hf_tinybert.data.tasks import Task, TaskKind, TaskSettings
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification


def test_the_verb_writes_the_folder_and_gives_its_figures(run_cli, vocabulary, tmp_path):
    """Prevents options that reach nothing, and figures that a machine cannot read."""
    tokenizer = BertTokenizer(vocab=str(vocabulary), model_max_length=32)
    config = TinyBertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    TinyBertForSequenceClassification(config).save_pretrained(tmp_path / "student")
    tokenizer.save_pretrained(tmp_path / "student")
    Task(TaskSettings(TaskKind.TEXT_CLASSIFICATION, ("no", "yes"), max_length=16)).save(tmp_path / "student")
    arguments = ("export", str(tmp_path / "student"), "--to", "bert", "--output")
    done = run_cli(*arguments, str(tmp_path / "bert"), "--json")
    assert done.exit_code == 0
    figures = json.loads(done.stdout)
    assert (figures["to"], figures["scores"]) == ("bert", None)
    assert json.loads((tmp_path / "bert" / "config.json").read_text(encoding="utf-8"))["model_type"] == "bert"
    shown = run_cli(*arguments, str(tmp_path / "again"))
    assert shown.exit_code == 0
    assert "largest difference" in shown.output
    refused = run_cli(*arguments, str(tmp_path / "bert"))
    assert refused.exit_code == 2
