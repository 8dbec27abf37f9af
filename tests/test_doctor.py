"""Tests of the doctor: names and folders in, a report out, whatever is wrong with them."""

import json
import shutil
from dataclasses import replace

import pytest
import transformers
from transformers import BertForSequenceClassification, BertModel, MPNetConfig, MPNetForSequenceClassification

from hf_tinybert.distillation.preflight import Status
from hf_tinybert.doctor import Examination, examine
from hf_tinybert.models.configuration_tinybert import PRESETS, TinyBertConfig
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification, TinyBertModel
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask
from hf_tinybert.models.tokenizer_trimming import trim_tokenizer
from hf_tinybert.models.vocabulary import trim_model


@pytest.fixture
def tiny_preset(monkeypatch):
    """The preset 4L-312 at the size of the tests."""
    shape = {"num_hidden_layers": 2, "hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 24}
    monkeypatch.setitem(PRESETS, "4L-312", shape)


@pytest.fixture
def teacher_folder(tmp_path, tiny_teacher_config, tokenizer):
    """A teacher's folder: three classes, untrained."""
    BertForSequenceClassification(tiny_teacher_config).save_pretrained(tmp_path / "teacher")
    tokenizer.save_pretrained(tmp_path / "teacher")
    return tmp_path / "teacher"


@pytest.fixture
def data_folder(tmp_path, sentences, sentence_labels, tiny_teacher_config):
    """The 24 sentences as JSON lines, the same in every split."""
    folder = tmp_path / "data"
    folder.mkdir()
    names = [tiny_teacher_config.id2label[index] for index in range(3)]
    (folder / "labels.json").write_text(json.dumps(names), encoding="utf-8")
    lines = [
        json.dumps({"text": text, "label": label}) for text, label in zip(sentences, sentence_labels, strict=True)
    ]
    for split in ("train", "validation", "test"):
        (folder / f"{split}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    return folder


def _statuses(report):
    return {check.name: str(check.status) for check in report.checks}


def test_folders_that_fit_have_no_failure(teacher_folder, data_folder, tiny_preset):
    """Prevents a doctor who finds everybody ill; the untrained teacher is warned of, on 24 rows."""
    report = examine(Examination(str(teacher_folder), dataset=str(data_folder), max_length=16))
    statuses = _statuses(report)
    assert report.ok, report.table()
    assert statuses["teacher's score"] == "warn"
    assert {name for name, status in statuses.items() if status == "skip"} == set()


def test_a_teacher_that_is_not_there_is_not_told_of_its_student(data_folder, tmp_path):
    """Prevents a search for the preset `4L-312` on the Hub: it is the teacher's configuration that is missing."""
    report = examine(Examination(str(tmp_path / "nope"), dataset=str(data_folder)))
    found = {check.name: check.found for check in report.checks if check.status is Status.FAIL}
    assert found.keys() == {"teacher's tokenizer", "teacher"} and "4L-312" not in str(found)


def test_a_kind_that_there_is_not_is_told_with_those_that_there_are(teacher_folder, data_folder, tiny_preset):
    """Prevents data that are there from being searched for on the Hub because of a misspelt kind."""
    report = examine(Examination(str(teacher_folder), dataset=str(data_folder), kind="text-clasification"))
    (check,) = [check for check in report.checks if check.name == "data set"]
    assert check.status is Status.FAIL and check.found.startswith("expected a kind out of ")


def test_a_student_with_a_part_of_the_pieces_reads_the_data_by_its_own_tokenizer(
    teacher_folder, data_folder, tiny_preset, tiny_teacher_config, tokenizer, tmp_path
):
    """Prevents ids beyond the student's table, and a good pair that is called ill."""
    kept = list(range(36))
    student = TinyBertForSequenceClassification(
        TinyBertConfig.from_teacher(tiny_teacher_config, num_hidden_layers=2, hidden_size=16, intermediate_size=24)
    )
    trim_model(student, kept).save_pretrained(tmp_path / "student")
    trim_tokenizer(tokenizer, kept).save_pretrained(tmp_path / "student")
    examination = Examination(
        str(teacher_folder), student=str(tmp_path / "student"), dataset=str(data_folder), max_length=16
    )
    report = examine(examination)
    assert report.ok, report.table()
    assert "36 of the teacher's 40 tokens" in report.table(), report.table()


def test_what_is_examined_by_default_is_what_distill_does_by_default(teacher_folder, data_folder, tiny_preset):
    """Prevents a good word for a run that nobody starts: other phases and another mapping than `distill` takes."""
    examination = Examination(str(teacher_folder), dataset=str(data_folder), max_length=16)
    phases = {
        recipe: [name for name in _statuses(examine(replace(examination, recipe=recipe))) if name.startswith("losses")]
        for recipe in (None, "tinybert")
    }
    assert phases[None] == ["losses at step 0"]  # one joint phase
    assert len(phases["tinybert"]) == 2


def test_a_preset_larger_than_the_teacher_is_cut_down_as_distill_does_it(teacher_folder):
    """Prevents a small teacher from being called too shallow for a student that `distill` would not make."""
    found = {check.name: check.found for check in examine(Examination(str(teacher_folder), student="6L-768")).checks}
    assert "4 layers x 32, 4 heads" in found["student"]


def test_the_head_of_a_multi_task_teacher_is_examined(
    data_folder, tiny_teacher_config, tokenizer, tiny_preset, tmp_path
):
    """Prevents a run that `distill --task` would make from being one that the doctor cannot look at."""
    news = {"kind": "text-classification", "id2label": tiny_teacher_config.id2label}
    several = TinyBertForMultiTask.from_encoder(
        BertModel(tiny_teacher_config), {"news": news, "stars": {"kind": "regression"}}
    )
    several.save_pretrained(tmp_path / "several")
    tokenizer.save_pretrained(tmp_path / "several")
    named = Examination(str(tmp_path / "several"), dataset=str(data_folder), max_length=16, task="news")
    report = examine(named)
    assert report.ok and _statuses(report)["label names"] == "ok", report.table()
    alone = examine(replace(named, dataset=None))
    assert alone.ok and "TinyBertForSequenceClassification" in alone.table()
    for task in (None, "mood"):
        (failed, *_) = examine(replace(named, task=task)).failed
        assert "expected one of the tasks `news`, `stars`" in failed.found and "`--task`" in failed.cure


def test_a_head_of_a_teacher_with_one_is_a_failed_check(teacher_folder, tiny_preset):
    """Prevents an option that is passed over."""
    (failed, *_) = examine(Examination(str(teacher_folder), task="news")).failed
    assert "which has one head" in failed.found + failed.cure


@pytest.mark.parametrize("rows", [0, -3])
def test_a_batch_without_rows_is_refused(rows):
    """Prevents a division by zero, and a diagnosis of minus 64 steps."""
    with pytest.raises(ValueError, match=f"`batch_size` of at least 1, got {rows}"):
        Examination("teacher", batch_size=rows)


def test_what_is_said_of_data_that_there_is_not_is_refused():
    """Prevents a kind or a split that is thought to be examined."""
    with pytest.raises(
        ValueError, match="expected `dataset` with `kind`, `columns`, `split`, got none; because the m"
    ):
        Examination("teacher", kind="regression", columns={"text": "body"}, split="test")


def test_models_alone_can_be_examined(teacher_folder, tiny_preset):
    """Prevents data from being demanded for a question about models."""
    report = examine(Examination(str(teacher_folder)))
    assert report.ok, report.table()
    assert _statuses(report)["teacher's score"] == "skip"


def test_a_saved_student_is_examined_as_it_is(teacher_folder, data_folder, tiny_student_config, tokenizer, tmp_path):
    """Prevents a preset from being examined in the place of the student asked for, or with another tokenizer."""
    TinyBertForSequenceClassification(tiny_student_config).save_pretrained(tmp_path / "student")
    examination = Examination(str(teacher_folder), str(tmp_path / "student"), dataset=str(data_folder), max_length=16)
    assert "2 layers x 16, 4 heads" in next(c.found for c in examine(examination).checks if c.name == "student")
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(tmp_path / "student")
    report = examine(examination)
    assert _statuses(report)["tokenizers"] == _statuses(report)["vocabulary"] == "fail"


def test_a_general_student_gets_the_head_of_the_data(teacher_folder, data_folder, tiny_student_config, tmp_path):
    """Prevents a published general student from being refused for its missing head."""
    TinyBertModel(tiny_student_config).save_pretrained(tmp_path / "general")
    report = examine(
        Examination(str(teacher_folder), str(tmp_path / "general"), dataset=str(data_folder), max_length=16)
    )
    assert "TinyBertForSequenceClassification" in next(c.found for c in report.checks if c.name == "student")
    assert report.ok, report.table()


def test_a_teacher_without_a_trained_head_fails_and_the_rest_is_examined(
    tiny_teacher_config, tokenizer, data_folder, tiny_preset, tmp_path
):
    """Prevents a teacher that never saw the task from teaching it."""
    BertModel(tiny_teacher_config).save_pretrained(tmp_path / "encoder")
    tokenizer.save_pretrained(tmp_path / "encoder")
    examination = Examination(str(tmp_path / "encoder"), dataset=str(data_folder), max_length=16)
    report = examine(examination)
    assert [check.name for check in report.failed] == ["teacher"]
    assert "classifier" in report.failed[0].found and _statuses(report)["losses at step 0"] == "ok"
    alone = Examination(examination.teacher, dataset=str(data_folder), max_length=16, phases=("intermediate-layer",))
    assert examine(alone).ok


def test_a_teacher_off_the_attention_interface_is_examined(tokenizer, data_folder, tiny_preset, tmp_path):
    """Prevents a teacher that the trainer accepts from failing here."""
    shape = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 48}
    labels = {
        "id2label": {0: "business", 1: "culture", 2: "sport"},
        "label2id": {"business": 0, "culture": 1, "sport": 2},
    }
    config = MPNetConfig(
        **shape, vocab_size=40, max_position_embeddings=64, pad_token_id=0, type_vocab_size=2, **labels
    )
    MPNetForSequenceClassification(config).save_pretrained(tmp_path / "mpnet")
    tokenizer.save_pretrained(tmp_path / "mpnet")
    report = examine(Examination(str(tmp_path / "mpnet"), dataset=str(data_folder), max_length=16))
    capture = next(check for check in report.checks if check.name == "attention capture")
    assert capture.status is Status.OK and "read at its softmax" in capture.found


@pytest.mark.parametrize("part", ["teacher", "student", "dataset"])
def test_what_cannot_be_loaded_is_a_failed_check(teacher_folder, tiny_preset, tmp_path, part):
    """Prevents a traceback in the place of a diagnosis."""
    names = {"teacher": str(teacher_folder), part: str(tmp_path / "nowhere")}
    report = examine(Examination(**names))
    assert not report.ok
    name = {"teacher": "teacher", "student": "student", "dataset": "data set"}[part]
    assert any(check.name.startswith(name) and "nowhere" in check.found for check in report.failed), report.table()


def test_a_mapping_that_is_searched_is_not_told_as_the_uniform_one(teacher_folder, data_folder, tiny_preset):
    """Prevents layers that the run will not take from being told as its mapping."""
    report = examine(Examination(str(teacher_folder), dataset=str(data_folder), max_length=16, layer_mapping="search"))
    assert _statuses(report)["layer mapping"] == "ok" and "searched among" in report.table()


def test_a_mapping_that_does_not_fit_is_a_failed_check(teacher_folder, data_folder, tiny_preset):
    """Prevents one wrong option from hiding what else is wrong."""
    report = examine(Examination(str(teacher_folder), dataset=str(data_folder), max_length=16, layer_mapping="2,9"))
    assert _statuses(report)["layer mapping"] == "fail" and "strictly increasing" in report.table()


def test_nothing_is_written(teacher_folder, data_folder, tiny_preset, tmp_path, monkeypatch):
    """Prevents an examination that leaves folders behind."""
    monkeypatch.chdir(tmp_path)
    before = sorted(path for path in tmp_path.rglob("*"))
    examine(Examination(str(teacher_folder), dataset=str(data_folder), max_length=16))
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_an_unknown_split_is_named(teacher_folder, data_folder, tiny_preset):
    """Prevents a KeyError for a mistyped split."""
    report = examine(Examination(str(teacher_folder), dataset=str(data_folder), split="dev"))
    assert any("got `dev`" in check.found for check in report.failed)


def _words(sentence):
    return sentence.split()


# kind -> head of the teacher, and a row of a sentence, its class and its number
KINDS = {
    "token-classification": (
        "ForTokenClassification",
        lambda text, label, number: {
            "tokens": _words(text),
            "tags": [["business", "culture", "sport"][i % 3] for i in range(len(_words(text)))],
        },
    ),
    "question-answering": (
        "ForQuestionAnswering",
        lambda text, label, number: {
            "id": str(number),
            "question": "the film",
            "context": text,
            "answers": {"text": [_words(text)[0]], "answer_start": [0]},
        },
    ),
    "regression": ("ForSequenceClassification", lambda text, label, number: {"text": text, "score": label + 0.5}),
    "multiple-choice": (
        "ForMultipleChoice",
        lambda text, label, number: {"text": text, "choices": ["a film", "a game", "a bank"], "label": label},
    ),
    "masked-lm": ("ForMaskedLM", lambda text, label, number: {"text": text}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_data_is_examined(tmp_path, tiny_teacher_config, tokenizer, tiny_preset, sentences, kind):
    """Prevents a doctor for classifiers alone: the kind is known by its columns, its head and its batches are run."""
    head, row = KINDS[kind]
    config = {name: value for name, value in tiny_teacher_config.to_dict().items() if "label" not in name}
    labels = ["business", "culture", "sport"] if head == "ForTokenClassification" else None
    if labels:
        config |= {"id2label": dict(enumerate(labels)), "label2id": {name: i for i, name in enumerate(labels)}}
    if kind == "regression":
        config |= {"num_labels": 1, "problem_type": "regression"}
    getattr(transformers, f"Bert{head}")(transformers.BertConfig(**config)).save_pretrained(tmp_path / "teacher")
    tokenizer.save_pretrained(tmp_path / "teacher")
    rows = [json.dumps(row(text, number % 3, number)) for number, text in enumerate(sentences)]
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.jsonl").write_text("\n".join(rows), encoding="utf-8")
    report = examine(Examination(str(tmp_path / "teacher"), dataset=str(tmp_path), max_length=32, recipe="tinybert"))
    assert any(check.name == "data set" and check.found.startswith(kind) for check in report.checks)
    assert [check.name for check in report.failed if check.name != "teacher's score"] == [], report.table()
    assert any(check.name.startswith("losses at step 0") and check.status is Status.OK for check in report.checks)


def test_several_teachers_are_examined_as_one(teacher_folder, data_folder, tiny_preset, tmp_path):
    """Prevents a second teacher that is not looked at, or a vocabulary of its own that stops the run."""
    other = shutil.copytree(teacher_folder, tmp_path / "other")
    several = Examination(
        teacher=(str(teacher_folder), str(other)), teacher_weights=(1.0, 0.5), dataset=str(data_folder), max_length=32
    )
    report = examine(several)
    (found,) = [check.found for check in report.checks if check.name == "teacher"]
    assert report.ok and found.count("BertForSequenceClassification") == 2
    config = json.loads((other / "config.json").read_text())
    config["id2label"] = dict(enumerate(reversed(config["id2label"].values())))
    (other / "config.json").write_text(json.dumps(config))
    (failed,) = [check for check in examine(several).checks if check.name == "teacher"]
    assert failed.status is Status.FAIL and "labels" in failed.found


def test_texts_without_labels_are_examined_as_distill_learns_them(teacher_folder, data_folder, tiny_preset):
    """Prevents a failed check of data that only the teacher answers, and a student with classes of its own."""
    for file in data_folder.glob("*.jsonl"):
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        file.write_text("\n".join(json.dumps({"text": row["text"]}) for row in rows), encoding="utf-8")
    (data_folder / "labels.json").unlink()
    examination = Examination(str(teacher_folder), dataset=str(data_folder), kind="text-classification", max_length=16)
    report = examine(examination)
    assert report.ok, report.table()
    statuses = _statuses(report)
    assert statuses["label names"] == statuses["losses at step 0"] == "ok" and statuses["teacher's score"] == "skip"
