"""Data sets from folders, files and the hub."""

import json
import logging
from itertools import chain

import datasets
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from hf_tinybert.data import sources
from hf_tinybert.data.sources import load_source

ROWS = [{"text": f"text number {i}", "label": i % 3} for i in range(60)]
TRAIN, VALIDATION, TEST = ROWS[:40], ROWS[40:50], ROWS[50:]


def write(file, rows):
    frame = Dataset.from_list(rows)
    match file.suffix:
        case ".jsonl":
            frame.to_json(file)
        case ".json":
            file.write_text(json.dumps(rows))
        case ".csv":
            frame.to_csv(file)
        case ".tsv":
            frame.to_csv(file, sep="\t")
        case ".parquet":
            frame.to_parquet(file)


def texts(dataset):
    return {name: split["text"][:] for name, split in dataset.items()}


EXPECTED = {
    "train": [row["text"] for row in TRAIN],
    "validation": [row["text"] for row in VALIDATION],
    "test": [row["text"] for row in TEST],
}


@pytest.mark.parametrize("ending", [".jsonl", ".json", ".csv", ".tsv", ".parquet"])
def test_a_folder_of_files_is_read_by_their_names(tmp_path, ending):
    """Prevents a format in which rows, splits or labels get lost."""
    for name, rows in (("train", TRAIN), ("dev", VALIDATION), ("test", TEST)):
        write(tmp_path / f"{name}{ending}", rows)
    (tmp_path / "SOURCE.md").write_text("where it comes from\n")
    loaded = load_source(tmp_path)
    assert texts(loaded) == EXPECTED
    assert loaded["test"]["label"][:] == [row["label"] for row in TEST]
    assert all(s.features == Features({"text": Value("string"), "label": ClassLabel(3)}) for s in loaded.values())


def test_shards_of_a_split_are_joined_in_order(tmp_path):
    """Prevents all shards but one from being dropped, and `training_notes` from being read as a shard."""
    for name, rows in (("train-00000-of-2", TRAIN[:25]), ("train-00001-of-2", TRAIN[25:]), ("valid", VALIDATION)):
        write(tmp_path / f"{name}.jsonl", rows)
    write(tmp_path / "TEST_2024.jsonl", TEST)
    write(tmp_path / "training_notes.jsonl", [{"note": "none"}])
    assert texts(load_source(tmp_path)) == EXPECTED


def test_a_folder_of_save_to_disk_is_read(tmp_path):
    """Prevents `save_to_disk`, the library's own form, from being taken for an unknown folder."""
    splits = DatasetDict(train=Dataset.from_list(TRAIN), validation=Dataset.from_list(VALIDATION))
    DatasetDict(**splits, test=Dataset.from_list(TEST)).save_to_disk(tmp_path / "all")
    Dataset.from_list(ROWS).save_to_disk(tmp_path / "one")
    assert texts(load_source(tmp_path / "all")) == EXPECTED
    assert sorted(chain(*texts(load_source(tmp_path / "one")).values())) == sorted(row["text"] for row in ROWS)


def test_a_name_that_is_no_path_is_asked_from_the_hub(monkeypatch, caplog):
    """Prevents a wrong repository or configuration, and splits of other names from being used unsaid."""
    asked = []

    def answer(repository, configuration):
        asked.append((repository, configuration))
        splits = {"train": TRAIN, "validation": VALIDATION, "test": TEST, "unsupervised": TRAIN}
        return DatasetDict({name: Dataset.from_list(rows) for name, rows in splits.items()})

    monkeypatch.setattr(sources, "load_dataset", answer)
    with caplog.at_level(logging.WARNING):
        assert texts(load_source("owner/name:small")) == EXPECTED
    load_source("owner/name")
    assert asked == [("owner/name", "small"), ("owner/name", None)]
    assert "['unsupervised'] are left out" in caplog.text


@pytest.mark.parametrize("name", ["owner/missing", "./missing", "missing.jsonl", "owner/missing:small"])
def test_a_name_that_is_nowhere_is_refused(name):
    """Prevents a long traceback of the hub client for a misspelt path."""
    with pytest.raises(FileNotFoundError, match=rf"expected a folder, a file or a data set on the hub, got `{name}`"):
        load_source(name)


@pytest.mark.parametrize("names", [["bad", "good", "fair"], {"1": "good", "0": "bad", "2": "fair"}])
def test_labels_json_names_the_ids(tmp_path, names):
    """Prevents names in the order of the file, of the alphabet or of strings instead of ids."""
    write(tmp_path / "train.jsonl", ROWS)
    (tmp_path / "labels.json").write_text(json.dumps(names))
    for name in (tmp_path, tmp_path / "train.jsonl"):
        assert load_source(name)["train"].features["label"].names == ["bad", "good", "fair"]


@pytest.mark.parametrize("content", ['{"a": 1}', "3", "not json", '["a", "a"]', '{"0": "a", "2": "b"}'])
def test_a_labels_json_of_another_form_is_refused(tmp_path, content):
    """Prevents swapped or missing names: a map from name to id, gaps, names twice."""
    write(tmp_path / "train.jsonl", ROWS)
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(ValueError, match=r"expected .*labels.json`, got .*mend"):
        load_source(tmp_path)


def test_missing_splits_are_cut_out_of_train(tmp_path, caplog):
    """Prevents held-out rows that were learnt, and a cut that changes between two runs or is made unsaid."""
    write(tmp_path / "data.csv", ROWS)
    with caplog.at_level(logging.INFO):
        loaded = load_source(tmp_path / "data.csv", seed=5)
    assert {name: split.num_rows for name, split in loaded.items()} == {"train": 48, "validation": 6, "test": 6}
    assert sorted(loaded["test"]["label"][:]) == [0, 0, 1, 1, 2, 2]
    assert sorted(chain(*texts(loaded).values())) == sorted(row["text"] for row in ROWS)
    assert texts(load_source(tmp_path, seed=5)) == texts(loaded)
    assert texts(load_source(tmp_path, seed=6)) != texts(loaded)
    assert "No ['validation', 'test'] in the data: 6 of 60 rows" in caplog.text


def test_a_given_split_is_left_as_it_is_when_another_is_cut(tmp_path):
    """Prevents test rows that differ from the published ones."""
    write(tmp_path / "train.jsonl", TRAIN)
    write(tmp_path / "test.jsonl", TEST)
    loaded = load_source(tmp_path)
    assert texts(loaded)["test"] == EXPECTED["test"]
    assert (loaded["train"].num_rows, loaded["validation"].num_rows) == (36, 4)


def test_a_repeated_text_is_not_held_out(tmp_path):
    """Prevents a leak through duplicates: half of the rows stand in the file twice."""
    write(tmp_path / "train.jsonl", ROWS + [{**row, "text": f" {row['text'].upper()}"} for row in ROWS[:30]])
    loaded = load_source(tmp_path)
    held_out = {*loaded["validation"]["text"], *loaded["test"]["text"]}
    assert len(held_out) == 18
    assert held_out <= {row["text"] for row in ROWS[30:]}


def test_texts_that_are_learnt_and_scored_are_counted(tmp_path, caplog):
    """Prevents a score that is too high because test rows stand in train."""
    write(tmp_path / "train.jsonl", TRAIN)
    write(tmp_path / "validation.jsonl", VALIDATION)
    write(tmp_path / "test.jsonl", [*TEST, TRAIN[0], TRAIN[1]])
    with caplog.at_level(logging.WARNING):
        load_source(tmp_path)
    assert "2 of 12 texts in `test` stand in `train` too" in caplog.text
    assert "`validation`" not in caplog.text


@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
def test_empty_texts_are_counted_and_kept(tmp_path, caplog, ending):
    """Prevents a crash in the tokenizer on missing texts, and rows that vanish unsaid; "NA" is a text."""
    rows = [*TRAIN, {"text": None, "label": 0}, {"text": "", "label": 1}, {"text": "NA", "label": 2}]
    for name, content in (("train", rows), ("validation", VALIDATION), ("test", TEST)):
        write(tmp_path / f"{name}{ending}", content)
    with caplog.at_level(logging.WARNING):
        assert load_source(tmp_path)["train"]["text"][-3:] == ["", "", "NA"]
    assert "2 of 43 texts in `train` are empty" in caplog.text


def test_two_text_columns_make_a_pair(tmp_path):
    """Prevents the second text from being dropped, and pairs with the same first text from counting as repeated."""
    rows = [{"premise": f"p {i % 2}", "hypothesis": f"h {i}", "gold": "yes" if i % 2 else "no"} for i in range(40)]
    write(tmp_path / "train.jsonl", rows)
    loaded = load_source(tmp_path, text_column=("premise", "hypothesis"), label_column="gold")
    assert loaded["train"].column_names == ["text", "text_pair", "label"]
    assert loaded["train"].features["label"].names == ["no", "yes"]
    assert sorted(chain(*(split["text_pair"] for split in loaded.values()))) == sorted(f"h {i}" for i in range(40))


def refuse(name, message):
    with pytest.raises(ValueError, match=message):
        load_source(name)


def test_empty_files_and_splits_are_refused(tmp_path, monkeypatch):
    """Prevents a training run on nothing, or a division by zero at its end."""
    write(tmp_path / "train.csv", TRAIN)
    (tmp_path / "test.csv").write_text("")
    refuse(tmp_path, r"expected rows in `.*test.csv`, got an empty file")
    (tmp_path / "test.csv").write_text("text,label\n")
    refuse(tmp_path, r"expected csv rows in `.*test.csv`, got none that can be read")
    splits = DatasetDict(train=Dataset.from_list(TRAIN), test=Dataset.from_list(TEST).select([]))
    splits.save_to_disk(tmp_path / "saved")
    refuse(tmp_path / "saved", r"expected a data set made by `save_to_disk` .*, got none that can be read")
    monkeypatch.setattr(sources, "load_dataset", lambda *_: splits)
    refuse("owner/name", r"expected rows in split `test` of `owner/name`, got none")


def test_damaged_files_are_refused_by_name(tmp_path):
    """Prevents an error that does not say which file to mend."""
    (tmp_path / "train.jsonl").write_text('{"text": "a", "label": 0}\n{"text": "b", "lab')
    refuse(tmp_path, r"expected json rows in `.*train.jsonl`, got none that can be read")


def test_folders_without_a_train_split_are_refused(tmp_path):
    """Prevents learning from the test rows because they are all there is."""
    refuse(tmp_path, r"expected files named after their splits.*got \[\]")
    write(tmp_path / "validation.jsonl", VALIDATION)
    write(tmp_path / "test.jsonl", TEST)
    refuse(tmp_path, r"expected a `train` split .*got \['validation', 'test'\]|got \['test', 'validation'\]")
    for file in tmp_path.iterdir():
        file.rename(tmp_path / f"part of {file.name}")
    refuse(tmp_path, r"expected files named after their splits, .*part of test.jsonl")


def test_too_few_rows_for_a_cut_are_refused(tmp_path):
    """Prevents a test split of one row, or a class that is scored and never learnt."""
    write(tmp_path / "train.jsonl", ROWS[:6])
    refuse(tmp_path, r"expected held-out sizes of 0 to 3 rows together, got \{'validation': 3, 'test': 3\}")


def test_one_class_is_refused_before_columns_are_cut(tmp_path):
    """Prevents a run that ends at accuracy 1.0 and means nothing."""
    write(tmp_path / "train.jsonl", [{**row, "label": 1} for row in ROWS])
    refuse(tmp_path, r"expected at least two classes in `train`, got only `1` in all 60 rows")


def test_the_result_is_in_the_order_train_validation_test(tmp_path):
    """Prevents code that takes the first split from evaluating on it, whatever order a source has."""
    splits = DatasetDict(test=Dataset.from_list(TEST), train=Dataset.from_list(TRAIN))
    splits.save_to_disk(tmp_path / "data")
    assert list(load_source(tmp_path / "data")) == ["train", "validation", "test"]
    assert isinstance(load_source(tmp_path / "data"), datasets.DatasetDict)
