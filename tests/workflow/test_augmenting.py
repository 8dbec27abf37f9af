"""Tests of more training rows on disk."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

from hf_tinybert.data.augmentation import Augmenter
from hf_tinybert.data.tasks import KINDS, TaskKind
from hf_tinybert.workflow import (
    AugmentSettings,
    DistilSettings,
    augment,
    augmentation_sources,
    augmenting,
    distil,
    distilling,
)
from hf_tinybert.workflow.row_reader import BadRow, read_rows
from tests.conftest import WORDS
from tests.workflow.conftest import FEW, SMALL


@pytest.fixture(scope="module")
def vectors(tmp_path_factory) -> str:
    """A file of vectors of the vocabulary's words."""
    file = tmp_path_factory.mktemp("vectors") / "vectors.txt"
    rows = np.random.default_rng(0).normal(size=(len(WORDS), 4)).round(3)
    lines = [" ".join([word, *map(str, row)]) for word, row in zip(WORDS, rows.tolist(), strict=True)]
    file.write_text("\n".join(lines) + "\n")
    return str(file)


@pytest.fixture
def made(data_of, vectors, display, tmp_path):
    """Augments data of a kind into a file; gives the rows and the figures."""

    def make(kind="text-classification", name="more.jsonl", **more):
        given = {"data": data_of(kind), "kind": kind, "vectors": vectors, "copies": 3, "candidates": 4, **more}
        figures = augment(AugmentSettings(**given), tmp_path / name, display)
        return [json.loads(line) for line in (tmp_path / name).read_text().splitlines()], figures

    return make


@pytest.mark.parametrize("kind", list(TaskKind), ids=str)
def test_new_rows_of_every_kind_are_read_as_unlabelled_ones(kind, made, tmp_path):
    """Prevents a file that `distill --unlabeled` refuses, and gold answers that no longer belong to their row."""
    rows, figures = made(str(kind))
    assert figures["new_rows"] == len(rows) > 48 and figures["rows"] == 48
    assert not any(isinstance(row, BadRow) for row in read_rows(tmp_path / "more.jsonl", kind))
    assert {(row["source_row"], row["copy"]) for row in rows} <= {
        (row, copy) for row in range(48) for copy in range(3)
    }
    gold = {"label", "labels", "score", "summaries"} & set(rows[0])
    assert not gold
    if kind is TaskKind.TOKEN_CLASSIFICATION:
        assert all(len(row["tags"]) == len(row["tokens"]) for row in rows)
        assert {tag for row in rows for tag in row["tags"]} == {"O", "B-thing"}
    if kind is TaskKind.QUESTION_ANSWERING:
        assert len({row["id"] for row in rows}) == len(rows)
        for row in rows:
            (text,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
            assert row["context"][start : start + len(text)] == text


@pytest.mark.parametrize("kind", ["text-classification", "token-classification", "question-answering"])
def test_texts_without_labels_are_augmented(kind, made, data_of, tmp_path):
    """Prevents labels from being wanted of data whose new rows have none."""
    (gold,) = KINDS[TaskKind(kind)].label_columns
    data = tmp_path / "bare"
    data.mkdir()
    for file in Path(data_of(kind)).glob("*.jsonl"):
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        bare = [{name: row[name] for name in row if name != gold} for row in rows]
        (data / file.name).write_text("".join(json.dumps(row) + "\n" for row in bare))
    rows, figures = made(kind, data=str(data))
    assert figures["rows"] == 48 and rows and gold not in rows[0]
    with pytest.raises(ValueError, match=gold):
        made(kind, name="labelled.jsonl", data=str(data), keep_labels=True)


def test_a_student_learns_from_them(made, data_of, teacher_of, display, tmp_path):
    """Prevents rows that the teacher does not label."""
    rows, _ = made()
    settings = DistilSettings(
        data=data_of("text-classification"),
        teacher=teacher_of("text-classification"),
        unlabeled=(str(tmp_path / "more.jsonl"),),
        **FEW,
        **SMALL,
    )
    figures = distil(settings, tmp_path / "student", display)
    assert len(rows) > 48 and figures["scores"]


def test_columns_and_labels_have_the_names_of_the_data(made, tmp_path, sentences):
    """Prevents `--column` from finding nothing in the new rows, and ids in the place of class names."""
    file = tmp_path / "rows.jsonl"
    lines = [{"body": f"{sentence} {index}", "sort": "ab"[index % 2]} for index, sentence in enumerate(sentences)]
    file.write_text("".join(json.dumps(row) + "\n" for row in lines))
    rows, _ = made(data=str(file), columns={"text": "body", "label": "sort"}, keep_labels=True)
    assert set(rows[0]) == {"body", "sort", "source_row", "copy"} and {row["sort"] for row in rows} == {"a", "b"}


@pytest.mark.parametrize("kind", ["text-classification", "masked-lm"])
def test_the_source_row_is_that_of_the_data(kind, made, tmp_path, sentences):
    """Prevents rows that others hold out, leave out as blank or do not draw from moving the numbers of all others."""
    rows = [{"text": f"{sentence} . {index}", "label": "ab"[index % 2]} for index, sentence in enumerate(sentences)]
    if kind == "masked-lm":
        rows = [row for sentence in rows for row in ({"text": " "}, {"text": sentence["text"]})]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found, _ = made(kind, data=str(file), train_rows=20, num_proc=1)
    assert len({row["source_row"] for row in found}) > 15
    assert all(rows[row["source_row"]]["text"].split()[-1] == row["text"].split()[-1] for row in found)


def test_words_that_are_refused_leave_the_place_to_others(made, tmp_path):
    """Prevents a corrected segmenter from being refused as another run than that of the wrong one."""
    with pytest.raises(ValueError, match="which does not stand in"):
        made(segmenter="json:dumps")
    assert not (tmp_path / "more.jsonl.parts").exists()
    assert made(segmenter="hf_tinybert.data.words:split_words")[0]


def test_interrupted_it_goes_on_to_the_same_rows(made, masked, monkeypatch, tmp_path):
    """Prevents lost, repeated or other rows after a kill, also with another batch size."""
    monkeypatch.setattr(augmenting, "_ROWS_PER_PART", 10)
    straight, figures = made(name="straight.jsonl", masked_lm=masked)
    whole = Augmenter.new_rows

    def killed(self, rows, first=0):
        for index, row in enumerate(whole(self, rows, first)):
            if first == 30 and index == 2:
                raise KeyboardInterrupt
            yield row

    monkeypatch.setattr(Augmenter, "new_rows", killed)
    with pytest.raises(KeyboardInterrupt):
        made(masked_lm=masked)
    asked = []

    def counted(self, rows, first=0):
        asked.append(first)
        return whole(self, rows, first)

    monkeypatch.setattr(Augmenter, "new_rows", counted)
    rows, again = made(masked_lm=masked, batch_size=3)
    assert rows == straight and asked == [30, 40]
    assert again["new_rows"] == figures["new_rows"] and again["words"] == figures["words"]
    monkeypatch.setattr(Augmenter, "new_rows", None)
    for left in ("part-000001.jsonl", "part-000002.json"):  # by a call that was killed while it removed them
        next(tmp_path.glob("*.parts")).joinpath(left).touch()
    assert made(masked_lm=masked, batch_size=3)[0] == straight
    assert made(name="straight.jsonl", masked_lm=masked)[0] == straight
    kept = {path.name: [file.name for file in path.iterdir()] for path in tmp_path.glob("*.parts")}
    assert len(kept) == 2 and set(map(tuple, kept.values())) == {("run.json",)}  # of finished runs, as is documented


def test_other_settings_or_a_file_of_yours_are_refused(made, tmp_path):
    """Prevents rows of two settings in one file, and a file from being overwritten."""
    made()
    with pytest.raises(ValueError, match=r"`.*more\.jsonl` was begun with, got probability: 0\.4 there, 0\.5 now;"):
        made(probability=0.5)
    (tmp_path / "mine.jsonl").write_text("mine")
    with pytest.raises(ValueError, match="nothing of yours is overwritten"):
        made(name="mine.jsonl")
    with pytest.raises(ValueError, match="jsonl"):
        made(name="more.csv")


@pytest.mark.parametrize("changed", ["vectors", "stop_words", "words_of_a_matrix"])
def test_other_words_in_the_same_files_are_refused(made, vectors, tmp_path, changed):
    """Prevents parts of two vocabularies in one file, and rows of the former words that pass for those of the new."""
    own, stop_words = tmp_path / "own.txt", tmp_path / "stop.txt"
    own.write_text(Path(vectors).read_text())
    stop_words.write_text("the\n")
    given = {"vectors": str(own), "stop_words": str(stop_words)}
    if changed == "words_of_a_matrix":
        lines = [line.split(" ") for line in own.read_text().splitlines()]
        np.save(tmp_path / "own.npy", np.array([line[1:] for line in lines], dtype=np.float32))
        own.write_text("".join(f"{line[0]}\n" for line in lines))
        given["vectors"] = str(tmp_path / "own.npy")
    rows, _ = made(**given)
    assert made(**given)[0] == rows
    file = stop_words if changed == "stop_words" else own
    file.write_text("".join(sorted(file.read_text().splitlines(keepends=True), reverse=True)) + "film\n")
    with pytest.raises(ValueError, match=rf"was begun with, got another content of `{file}`;"):
        made(**given)


def test_other_rows_under_the_same_name_are_refused_in_words(made, tmp_path, sentences):
    """Prevents two hashes from being all that is said of a file that has grown."""
    file = tmp_path / "rows.jsonl"
    lines = [json.dumps({"text": f"{sentence} {index}"}) + "\n" for index, sentence in enumerate(sentences)]
    file.write_text("".join(lines[:-1]))
    made("masked-lm", data=str(file))
    file.write_text("".join(lines))
    with pytest.raises(ValueError, match=rf"was begun with, got another content of `{file}`; .* name another file"):
        made("masked-lm", data=str(file))


@pytest.fixture
def masked(vocabulary, tmp_path) -> str:
    """The folder of a tiny masked language model."""
    tokenizer = BertTokenizer(vocab=str(vocabulary), model_max_length=64)
    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    shape["initializer_range"] = 1.0  # else what surrounds a word hardly matters
    BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **shape)).save_pretrained(tmp_path / "masked")
    tokenizer.save_pretrained(tmp_path / "masked")
    return str(tmp_path / "masked")


def test_a_masked_language_model_and_its_embeddings(made, masked, monkeypatch):
    """Prevents `--masked-lm` without effect, or without vectors where nothing else is installed."""
    monkeypatch.setattr(augmentation_sources, "has_packaged_glove", lambda: False)
    rows, figures = made(masked_lm=masked, vectors=None)
    assert figures["vectors"] == masked and figures["words"] == figures["words_with_candidates"]
    alone, _ = made(name="alone.jsonl", masked_lm=masked, vectors="none", beside_original=False)
    assert [row["text"] for row in alone] != [row["text"] for row in rows]


def test_another_tokenizer_in_the_folder_of_a_model_is_refused(made, masked, tmp_path):
    """Prevents parts of two tokenizers in one file: the weights alone say nothing of how words are cut."""
    rows, _ = made(masked_lm=masked, vectors="none")
    run = tmp_path / "more.jsonl.parts" / "run.json"
    state = json.loads(run.read_text())
    file = Path(masked, "tokenizer.json")
    for known in ({masked: state["settings"]["words"][masked]}, state["settings"]["words"]):
        run.write_text(json.dumps(state | {"settings": state["settings"] | {"words": known}}))
        assert made(masked_lm=masked, vectors="none")[0] == rows  # of an earlier version too, which knew the weights
    content = json.loads(file.read_text())
    content["model"]["max_input_chars_per_word"] = 3
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"was begun with, got another content of `{file}`;"):
        made(masked_lm=masked, vectors="none")


def test_several_processes_write_the_same_bytes(made, masked, monkeypatch, tmp_path):
    """Prevents rows that hang on the number of processes, on which is first, or on how many texts a forward holds."""
    monkeypatch.setattr(augmenting, "_ROWS_PER_PART", 10)
    made(name="one.jsonl", masked_lm=masked)
    _, figures = made(name="two.jsonl", masked_lm=masked, num_proc=2, batch_size=7)
    assert (tmp_path / "two.jsonl").read_bytes() == (tmp_path / "one.jsonl").read_bytes()
    assert figures["rows"] == 48 and figures["settings"]["num_proc"] == 2
    monkeypatch.setattr(Augmenter, "new_rows", None)
    assert made(name="two.jsonl", masked_lm=masked, num_proc=1)[1] == figures


def test_what_changes_nothing_is_refused_and_what_changes_little_told(made, vectors, tmp_path, caplog, sentences):
    """Prevents a file of no rows, and vectors of another language from going unseen."""
    file = tmp_path / "foreign.txt"
    file.write_text("haus 1 0\nbaum 0 1\n")
    with pytest.raises(ValueError, match=r"48 of 48 rows unchanged, 0 of [\d,]+ words"):
        made(vectors=str(file))
    assert not (tmp_path / "more.jsonl.parts").exists() and not (tmp_path / "more.jsonl").exists()
    file.write_text("minister 1 0\nvote 1 0\ngoal 0 1\n")
    with caplog.at_level(logging.WARNING, "hf_tinybert"):
        made(vectors=str(file), copies=20, probability=1.0)
    assert "rows unchanged" in caplog.text


def test_variants_of_rows_that_a_distillation_holds_out_are_told(
    data_of, teacher_of, vectors, display, tmp_path, caplog, monkeypatch
):
    """Prevents a score on validation rows whose variants the student has learnt, because the seeds differ."""
    data, teacher = tmp_path / "reviews.jsonl", teacher_of("text-classification")
    shutil.copyfile(Path(data_of("text-classification"), "train.jsonl"), data)
    given = {"data": str(data), "vectors": vectors, "copies": 1, "candidates": 4, "train_rows": 20}
    for seed in (0, 1):
        augment(AugmentSettings(seed=seed, **given), tmp_path / f"{seed}.jsonl", display)

    def told(*files, **changes):
        caplog.clear()
        files = tuple(str(tmp_path / file) for file in files)
        fields = {"data": str(data), "teacher": teacher, "unlabeled": files, **FEW, **SMALL, **changes}
        settings = DistilSettings(**fields)
        distilling._Distillation(settings, tmp_path / "out", display)
        return [message for message in caplog.messages if "variants" in message]

    assert not told("0.jsonl", train_rows=9)
    (said,) = told("0.jsonl", "1.jsonl")
    assert "1.jsonl` was made by seed 1 of other" in said and "`validation` and `test`" in said and "--seed 0" in said
    assert not told("1.jsonl", data=data_of("text-classification"))
    lines = data.read_text().splitlines(keepends=True)
    data.write_text("".join(lines[:40]))  # rows of the same seed, but of another file
    assert told("0.jsonl")
