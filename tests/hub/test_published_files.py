"""Tests of the choice of files."""

import json

import pytest

from hf_tinybert.hub import CardDetails
from hf_tinybert.hub.card_pictures import card_pictures
from hf_tinybert.hub.model_card import check_card, save_card
from hf_tinybert.hub.model_facts import read_facts
from hf_tinybert.hub.published_files import (
    PublishedForm,
    check_form,
    left_over_paths,
    prepared_files,
    published_paths,
)
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.models.modeling_tinybert_sentence_embedding import TinyBertForSentenceEmbedding
from hf_tinybert.workflow.kept_answers import ANSWERS_FILE


def test_both_forms_hold_named_files_only(student_folder):
    """Prevents optimizer states, projections, settings of a run and answers to private rows in public."""
    for name in (ANSWERS_FILE, "report.html", "comparison.json"):
        (student_folder / name).write_bytes(b"{}")
    for form, model_type in ((PublishedForm.BERT, "bert"), (PublishedForm.TINYBERT, "tinybert")):
        with prepared_files(student_folder, form) as staged:
            assert published_paths(staged) == [
                "config.json",
                "distillation.json",
                "model.safetensors",
                "task.json",
                "tokenizer.json",
                "tokenizer_config.json",
            ]
            assert json.loads((staged / "config.json").read_text())["model_type"] == model_type
        assert not staged.exists()


def test_fields_of_this_machine_are_left_out(student_folder):
    """Prevents a tokenizer that loads from local files only for everybody, and code that did not go along."""
    for name in ("config.json", "tokenizer_config.json"):
        content = json.loads((student_folder / name).read_text())
        told = {**content, "local_files_only": True, "_name_or_path": "/home/me", "auto_map": {"AutoModel": "x.Y"}}
        (student_folder / name).write_text(json.dumps(told))
    for form in PublishedForm:
        with prepared_files(student_folder, form) as staged:
            for name in ("config.json", "tokenizer_config.json"):
                content = json.loads((staged / name).read_text())
                assert not {"local_files_only", "_name_or_path", "auto_map"} & content.keys()


def test_a_link_out_of_the_folder_is_refused(student_folder, tmp_path):
    """Prevents a checkpoint of somebody else that takes a file of this machine along."""
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (student_folder / "task.json").unlink()
    (student_folder / "task.json").symlink_to(secret)
    with pytest.raises(ValueError, match="got `task.json` as a link to"), prepared_files(student_folder):
        pass


def test_a_folder_without_a_tokenizer_is_refused(student_folder):
    """Prevents a published model that answers no text."""
    (student_folder / "tokenizer.json").unlink()
    with (
        pytest.raises(FileNotFoundError, match="expected a tokenizer"),
        prepared_files(student_folder, PublishedForm.TINYBERT),
    ):
        pass


def test_code_is_refused_for_a_form_that_needs_none(student_folder):
    """Prevents plain BERT that asks people to trust code."""
    with pytest.raises(ValueError, match="for remote code"), prepared_files(student_folder, remote_code=True):
        pass


def test_a_model_with_several_heads_is_told_how_it_goes_up(student_folder):
    """Prevents a refusal that names functions of Python to people at the command line."""
    config = json.loads((student_folder / "config.json").read_text())
    heads = {"news": {"kind": "text-classification", "num_labels": 2}}
    (student_folder / "config.json").write_text(
        json.dumps({**config, "architectures": ["TinyBertForMultiTask"], "tasks": heads})
    )
    with pytest.raises(ValueError, match="with `news`; .* by `--form tinybert`"), prepared_files(student_folder):
        pass
    check_form(student_folder, read_facts(student_folder), PublishedForm.TINYBERT, remote_code=True)


def test_only_files_of_a_model_are_said_to_be_left_over():
    """Prevents a warning about an owner's own files, and silence about modules that change what is loaded."""
    own = ["README.md", "LICENSE", "notes.txt", "onnx/model.onnx", "pictures/attention.png", ".gitattributes"]
    earlier = ["1_Pooling/config.json", "modeling_tinybert.py", "modules.json", "tasks/news/task.json", "vocab.txt"]
    assert left_over_paths([*own, *earlier, "config.json"], ["config.json"]) == earlier


def test_an_embedding_student_goes_up_for_sentence_transformers(tmp_path, tiny_student_config, tokenizer):
    """Prevents a plain encoder in whose embeddings the pooling is missing."""
    folder = tmp_path / "embedding"
    TinyBertForSentenceEmbedding(tiny_student_config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    with prepared_files(folder) as staged:
        assert {"modules.json", "1_Pooling/config.json", "model.safetensors"} <= set(published_paths(staged))


def test_a_head_that_was_taken_out_leaves_nothing_in_what_goes_up(tmp_path, tiny_student_config, tokenizer):
    """Prevents a `task.json` of a head that the model no longer has, and a card and pictures that tell of it."""
    folder = tmp_path / "student"
    heads = {
        name: {"kind": "text-classification", "id2label": {0: "no", 1: "yes"}} for name in ("news", "secret-task")
    }
    model = TinyBertForMultiTask(TinyBertConfig(**{**tiny_student_config.to_dict(), "tasks": heads}))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    told = {"kind": "text-classification", "labels": ["no", "yes"], "max_length": 32}
    for name in heads:
        (folder / "tasks" / name).mkdir(parents=True)
        (folder / "tasks" / name / "task.json").write_text(json.dumps(told))
    scores = {"test": {"student": {"accuracy": 0.5}, "teacher": {"accuracy": 1.0}}}
    logged = [{"epoch": one, **{f"{name}/prediction_loss": 1.0 for name in heads}} for one in (1, 2)]
    curves = {"joint": {"training": logged, "evaluation": []}}
    figures = {"tasks": {name: {**told, "teacher": "big", "scores": scores} for name in heads}, "curves": curves}
    (folder / "figures.json").write_text(json.dumps(figures))
    save_card(folder, folder, CardDetails(), PublishedForm.TINYBERT)
    with prepared_files(folder, PublishedForm.TINYBERT) as staged:
        assert {f"tasks/{name}/task.json" for name in heads} <= set(published_paths(staged))
        assert "secret-task" in (staged / "README.md").read_text()

    model.remove_task("secret-task")
    model.save_pretrained(folder)
    with pytest.raises(ValueError, match="card of the weights"):
        check_card((folder / "README.md").read_text(), folder, PublishedForm.TINYBERT)
    save_card(folder, folder, CardDetails(), PublishedForm.TINYBERT)
    drawn = {picture.name: picture.description for picture in card_pictures(read_facts(folder))}
    with prepared_files(folder, PublishedForm.TINYBERT) as staged:
        assert [path for path in published_paths(staged) if path.startswith("tasks/")] == ["tasks/news/task.json"]
        assert "secret-task" not in (staged / "README.md").read_text()
        assert {path.stem for path in staged.glob("pictures/*")} == set(drawn) and "secret" not in str(drawn)
