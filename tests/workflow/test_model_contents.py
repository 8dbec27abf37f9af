"""Tests of hashes of what lies under the name of a model."""

import json
import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from hf_tinybert.workflow.model_contents import read_files_sha256, stored_weights_sha256
from hf_tinybert.workflow.teacher_source import TeacherSource


@pytest.fixture
def model(tmp_path, encoder, monkeypatch) -> Path:
    """A model that the tests name as the user did, `model`."""
    shutil.copytree(encoder, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    return Path("model")


def test_the_hash_of_an_adapter_knows_its_base_and_that_of_several_their_shares(adapter_teacher, tmp_path):
    """Prevents kept answers of an adapter on another base, or of other shares, from being taken for these."""
    (tmp_path / "base").mkdir()
    adapter = Path(shutil.copytree(adapter_teacher, tmp_path / "adapter"))
    told = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(
        json.dumps(told | {"base_model_name_or_path": str(tmp_path / "base")})
    )
    found = set()
    for weights in (b"first", b"second"):
        (tmp_path / "base" / "model.safetensors").write_bytes(weights)
        found.add(stored_weights_sha256(adapter))
        for shares in (None, (1.0, 1.0), (1.0, 2.0)):
            found.add(stored_weights_sha256(TeacherSource((str(adapter), str(tmp_path / "base")), shares)))
    assert len(found) == 6 and None not in found  # equal shares are the same however they are written
    assert stored_weights_sha256(TeacherSource((str(adapter), "no/where"))) is None


def test_weights_are_known_without_a_model(tmp_path):
    """Prevents answers of weights that were trained again, and a wait for a model that nobody needs."""
    folder = tmp_path
    (folder / "model.safetensors").write_bytes(b"weights")
    before = stored_weights_sha256(folder)
    (folder / "model.safetensors").write_bytes(b"weightz")
    assert before != stored_weights_sha256(folder) != stored_weights_sha256(str(folder / "nowhere"))
    assert stored_weights_sha256("nobody/nothing") is None


@pytest.mark.parametrize(
    ("file", "field", "value"),
    [
        ("config.json", "layer_norm_eps", 1e-3),
        ("tokenizer_config.json", "model_max_length", 8),
        ("tokenizer.json", "normalizer", {"type": "Lowercase"}),
        ("tokenizer.json", "post_processor", None),
    ],
)
def test_a_file_that_decides_what_a_text_becomes_is_known_by_its_content(model, file, field, value):
    """Prevents a model with another tokenizer or configuration from passing for the same one."""
    before, content = read_files_sha256("model"), json.loads((model / file).read_text())
    assert f"model/{file}" in before
    (model / file).write_text(json.dumps(dict(reversed(content.items())), indent=1))
    assert read_files_sha256("model") == before  # the same, written otherwise
    (model / file).write_text(json.dumps(content | {field: value}))
    after = read_files_sha256("model")
    assert {name for name in before if before[name] != after[name]} == {f"model/{file}"}


TOKENIZER_FILES = ("vocab.txt", "merges.txt", "spm.model", "added_tokens.json", "special_tokens_map.json")
OTHER_FILES = ("task.json", "tasks/news/task.json", "modules.json", "sentence_bert_config.json")


@pytest.mark.parametrize("name", [*TOKENIZER_FILES, *OTHER_FILES])
def test_a_file_that_was_not_there_is_known_by_the_folder(model, name):
    """Prevents a model that reads a file more than before from passing for the same one."""
    before = read_files_sha256("model")
    (model / name).parent.mkdir(parents=True, exist_ok=True)
    (model / name).write_text("{}")
    after = read_files_sha256("model")
    assert {file for file in after if before.get(file) != after[file]} == {"model", f"model/{name}"}
    (model / name).write_text("[0]")
    assert {file for file in after if read_files_sha256("model")[file] != after[file]} == {f"model/{name}"}


def test_the_layers_behind_an_encoder_of_sentence_transformers_are_known(model):
    """Prevents embeddings that are pooled otherwise, or leave another linear layer, from passing for the same."""
    modules = [{"type": "Transformer", "path": ""}, {"type": "Pooling", "path": "1_Pooling"}]
    (model / "modules.json").write_text(json.dumps([*modules, {"type": "Dense", "path": "2_Dense"}]))
    for file, content in (("1_Pooling/config.json", "{}"), ("2_Dense/model.safetensors", "weights")):
        (model / file).parent.mkdir()
        (model / file).write_text(content)
    before = read_files_sha256("model")
    (model / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    (model / "2_Dense" / "model.safetensors").write_text("others")
    after = read_files_sha256("model")
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"model/1_Pooling/config.json", "model/2_Dense/model.safetensors"}


def test_what_decides_nothing_changes_nothing(model):
    """Prevents a finished run from being refused for a card, a log, or a folder that was saved again."""
    before = read_files_sha256("model")
    nothing = ("README.md", "figures.json", "run.json", "trainer_state.json", "training_args.bin", "optimizer.pt")
    nothing += (
        "distillation.json",
        "answers.json.gz",
        "report.html",
        "pictures/curves.png",
        "checkpoint-2/config.json",
    )
    for name in nothing:
        (model / name).parent.mkdir(exist_ok=True)
        (model / name).write_text("{}")
    tokenizer = AutoTokenizer.from_pretrained("model")
    tokenizer(["a film"], truncation=True, max_length=4, padding="max_length")
    tokenizer.save_pretrained("model")
    assert '"truncation": {' in (model / "tokenizer.json").read_text()
    content = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(content | {"_name_or_path": "/x", "transformers_version": "5.24"}))
    assert read_files_sha256("model") == before


def test_a_damaged_file_is_known_by_its_bytes(model):
    """Prevents an error about a model that is no longer needed."""
    (model / "config.json").write_bytes(b"{\xff")
    (model / "modules.json").write_text("[1, {}]")
    before = read_files_sha256("model")
    (model / "config.json").write_bytes(b"{\xfe")
    assert read_files_sha256("model")["model/config.json"] != before["model/config.json"]
    assert read_files_sha256("nobody/nothing") == {} == read_files_sha256("model/config.json")


def test_a_model_in_the_cache_of_the_hub_may_gain_files(model, monkeypatch):
    """Prevents a finished run from being refused because more of the same model was fetched."""
    monkeypatch.setattr("hf_tinybert.workflow.model_contents.stored_folder", lambda name: model)
    before = read_files_sha256("owner/model")
    (model / "task.json").write_text("{}")
    after = read_files_sha256("owner/model")
    assert {name: after[name] for name in before} == before and set(after) - set(before) == {"owner/model/task.json"}


def test_of_an_adapter_the_files_of_its_base_count(adapter_teacher, model, tmp_path):
    """Prevents an adapter on a base with another tokenizer from passing for the same, and an error without one."""
    adapter = Path(shutil.copytree(adapter_teacher, tmp_path / "adapter"))
    told = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(told | {"base_model_name_or_path": "model"}))
    before = read_files_sha256("adapter")
    assert {"adapter/adapter_config.json", "model/tokenizer.json"} <= before.keys()
    (adapter / "adapter_config.json").write_text(json.dumps(told | {"base_model_name_or_path": "gone/away/far"}))
    assert "model/tokenizer.json" not in read_files_sha256("adapter")
    assert stored_weights_sha256("adapter") is None
