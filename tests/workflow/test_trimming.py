"""Tests of model folders with a smaller vocabulary."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from hf_tinybert.data.tasks import Task
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.models.pieces import read_pieces
from hf_tinybert.workflow import TrimSettings, evaluate_folder, load_model_folder, predict, trim_vocabulary
from hf_tinybert.workflow.trimming import VOCABULARY_MAP_FILE, read_piece_list

KIND = "text-classification"


@pytest.fixture
def texts(tmp_path) -> str:
    """Two texts of a few of the words."""
    file = tmp_path / "texts.txt"
    file.write_text("the market falls today .\n\na film is good .\n", encoding="utf-8")
    return str(file)


@pytest.fixture
def student(student_of) -> str:
    return student_of(KIND)[0]


def test_covered_texts_are_answered_as_before(student, texts, tmp_path, display):
    """Prevents a smaller model that answers otherwise although it reads the same pieces."""
    figures = trim_vocabulary(TrimSettings(model=student, texts=(texts,)), tmp_path / "small", display)
    before, after = load_model_folder(student), load_model_folder(tmp_path / "small")
    rows = ["the film falls .", "a market is good today"]
    with torch.no_grad():
        wanted, given = (
            one.model(**one.tokenizer(rows, padding=True, return_tensors="pt")).logits for one in (before, after)
        )
    torch.testing.assert_close(given, wanted, rtol=0, atol=1e-6)
    assert figures["pieces"]["after"] == len(after.tokenizer) == after.model.config.vocab_size
    assert figures["parameters"]["after"] == after.model.num_parameters() < figures["parameters"]["before"]
    assert (figures["covered"], figures["documents_as_before"], figures["documents"]) == (1.0, 2, 2)
    assert json.loads((tmp_path / "small" / "figures.json").read_text()) == figures


def test_the_folder_keeps_its_task_and_record_and_tells_the_map(student, texts, tmp_path, display):
    """Prevents a smaller model of which nobody knows any more what it answers, or which pieces it has."""
    trim_vocabulary(TrimSettings(model=student, texts=(texts,)), tmp_path / "small", display)
    folder = tmp_path / "small"
    assert (folder / "task.json").read_text() == (Path(student) / "task.json").read_text()
    record = DistillationRecord.load(folder)
    assert record.teacher == DistillationRecord.load(Path(student)).teacher
    assert record.vocabulary["texts"] == ["texts.txt"]
    whole, trimmed = AutoTokenizer.from_pretrained(student), AutoTokenizer.from_pretrained(folder)
    old_ids = json.loads((folder / VOCABULARY_MAP_FILE).read_text())["old_ids"]
    assert whole.convert_ids_to_tokens(old_ids) == trimmed.convert_ids_to_tokens(range(len(trimmed)))


def test_other_verbs_read_the_folder(student, data_of, tmp_path, display):
    """Prevents a folder that cannot be scored."""
    data = data_of(KIND)
    settings = TrimSettings(model=student, texts=(f"{data}/train.jsonl",))
    trim_vocabulary(settings, tmp_path / "small", display)
    assert evaluate_folder(tmp_path / "small", data) == evaluate_folder(student, data)
    assert len(list(predict(tmp_path / "small", ["a film is good ."]))) == 1


def test_a_pushed_student_keeps_its_task_and_record(student, texts, tmp_path, display, on_hub):
    """Prevents a student of the Hub from losing what it answers when its vocabulary shrinks."""
    trim_vocabulary(TrimSettings(model=on_hub(student, "tester/whole"), texts=(texts,)), tmp_path / "small", display)
    assert Task.load(tmp_path / "small").settings == Task.load(Path(student)).settings
    record = DistillationRecord.load(tmp_path / "small")
    assert (record.teacher, record.vocabulary["texts"]) == (
        DistillationRecord.load(Path(student)).teacher,
        ["texts.txt"],
    )


def test_an_embedding_student_keeps_its_other_folder(student_of, texts, tmp_path, display):
    """Prevents a folder of sentence-transformers that still has the whole vocabulary, or none."""
    folder = student_of("sentence-embedding")[0]
    trim_vocabulary(TrimSettings(model=folder, texts=(texts,)), tmp_path / "small", display)
    inner = AutoTokenizer.from_pretrained(tmp_path / "small" / "sentence-transformers")
    assert inner.get_vocab() == AutoTokenizer.from_pretrained(tmp_path / "small").get_vocab()


def test_how_an_encoder_makes_embeddings_is_carried_over(encoder, texts, tmp_path, display):
    """Prevents a trimmed sentence encoder that has forgotten to pool."""
    from transformers import BertModel

    source = tmp_path / "encoder"
    BertModel.from_pretrained(encoder).save_pretrained(source)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(source)
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling" / "config.json").write_text("{}")
    modules = [{"path": "", "type": "Transformer"}, {"path": "1_Pooling", "type": "Pooling"}]
    (source / "modules.json").write_text(json.dumps(modules))
    trim_vocabulary(TrimSettings(model=str(source), texts=(texts,)), tmp_path / "small", display)
    assert json.loads((tmp_path / "small" / "modules.json").read_text()) == modules
    assert (tmp_path / "small" / "1_Pooling" / "config.json").is_file()


def test_a_list_alone_chooses_and_a_finished_run_is_not_repeated(student, tmp_path, display):
    """Prevents a list that needs a corpus beside it, and a second call that fails on its own folder."""
    listed = tmp_path / "list.txt"
    listed.write_text("film\n\n##s\n", encoding="utf-8")
    settings = TrimSettings(model=student, keep=str(listed))
    figures = trim_vocabulary(settings, tmp_path / "small", display)
    vocabulary = AutoTokenizer.from_pretrained(tmp_path / "small").get_vocab()
    assert {"film", "##s", "[CLS]"} <= vocabulary.keys() and "game" not in vocabulary
    assert figures["covered"] is None
    assert trim_vocabulary(settings, tmp_path / "small", display) == figures


@pytest.mark.parametrize("changed", ["model", "texts"])
def test_a_finished_run_of_another_content_under_the_same_names_is_refused(student, texts, tmp_path, display, changed):
    """Prevents the vocabulary of a student from before it was distilled anew, given again as that of the new one."""
    own, words = tmp_path / "student", tmp_path / "words.txt"
    shutil.copytree(student, own)
    shutil.copyfile(texts, words)
    settings = TrimSettings(model=str(own), texts=(str(words),))
    figures = trim_vocabulary(settings, tmp_path / "small", display)
    if changed == "texts":
        words.write_text("film\n")
    else:
        weights = load_file(own / "model.safetensors")
        weights["classifier.bias"] += 1
        save_file(weights, own / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=f"another content of `.*{'words.txt' if changed == 'texts' else 'student'}`"):
        trim_vocabulary(settings, tmp_path / "small", display)
    shutil.rmtree(own)
    words.unlink()
    assert trim_vocabulary(settings, tmp_path / "small", display) == json.loads(json.dumps(figures))


def test_texts_that_become_unknown_are_warned_of(student, tmp_path, display, caplog):
    """Prevents a vocabulary under which most of the texts cannot be read, unless a figure is looked at."""
    file = tmp_path / "texts.txt"
    file.write_text("the the the film film game\n\nфильм лучший the film game song\n", encoding="utf-8")
    trim_vocabulary(TrimSettings(model=student, texts=(str(file),)), tmp_path / "whole", display)
    assert "17 % of the texts' tokens are unknown to the tokenizer" in caplog.text
    file.write_text("the the the film film game\n\nmarket song\n", encoding="utf-8")
    trim_vocabulary(TrimSettings(model=student, texts=(str(file),), min_count=2), tmp_path / "part", display)
    assert "38 % of the texts' tokens become unknown" in caplog.text


def test_an_empty_list_of_pieces_is_refused(tokenizer, tmp_path):
    """Prevents a list that was not written from leaving special tokens alone."""
    (tmp_path / "pieces.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"expected pieces in `.*pieces\.txt`"):
        read_piece_list(tmp_path / "pieces.txt", read_pieces(tokenizer))


def test_a_listed_piece_that_is_not_there_is_refused_with_its_line(tokenizer, tmp_path):
    """Prevents a word from being ignored that somebody relies on."""
    (tmp_path / "list.txt").write_text("film\n\nzebra\n", encoding="utf-8")
    with pytest.raises(ValueError, match="got `zebra` in line 3"):
        read_piece_list(tmp_path / "list.txt", read_pieces(tokenizer))


@pytest.mark.parametrize(
    ("text", "changes", "message"),
    [
        ("\n\n", {}, "expected texts to count pieces in"),
        ("a film", {"size": 3}, "special tokens"),
        (None, {}, "leaves pieces out"),
    ],
)
def test_bad_choices_leave_no_folder(student, tmp_path, display, text, changes, message):
    """Prevents an output folder that blocks the corrected command."""
    file = tmp_path / "texts.txt"
    every = "\n\n".join(sorted(AutoTokenizer.from_pretrained(student).get_vocab())) + "\n\nthes thely"
    file.write_text(every if text is None else text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        trim_vocabulary(TrimSettings(model=student, texts=(str(file),), **changes), tmp_path / "small", display)
    assert not (tmp_path / "small").exists()


def test_a_folder_that_holds_something_else_is_refused(student, texts, tmp_path, display):
    """Prevents a model from being written over another."""
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something else"):
        trim_vocabulary(TrimSettings(model=student, texts=(texts,)), tmp_path / "small", display)


@pytest.mark.parametrize("path", ["../theirs", "/etc", "1_Pooling/../../theirs"])
def test_modules_outside_the_folder_are_neither_read_nor_written(student, texts, tmp_path, display, path):
    """Prevents a downloaded model from having folders of this machine copied, or written over."""
    downloaded = Path(shutil.copytree(student, tmp_path / "downloaded"))
    (downloaded / "modules.json").write_text(json.dumps([{"path": ""}, {"path": path}]), encoding="utf-8")
    with pytest.raises(ValueError, match="expected the name of a folder for the modules"):
        trim_vocabulary(TrimSettings(model=str(downloaded), texts=(texts,)), tmp_path / "small", display)
    assert not (tmp_path / "small").exists()
