"""Splits of folders, files and the hub."""

import json
import logging

import pytest
from datasets import Dataset, DatasetDict

from hf_tinybert.data import raw_splits
from hf_tinybert.data.raw_splits import read_label_names, read_splits

ROWS = [{"text": f"text number {i}", "label": i % 3} for i in range(60)]
TRAIN, VALIDATION, TEST = ROWS[:40], ROWS[40:50], ROWS[50:]
EXPECTED = {"train": TRAIN, "validation": VALIDATION, "test": TEST}


def write(file, rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read(name):
    return {split_name: split.to_list() for split_name, split in read_splits(name).items()}


def test_files_are_read_by_their_names(tmp_path):
    """Prevents notes from being read as rows, and a split from being missed for its spelling."""
    for name, rows in (("train", TRAIN), ("dev", VALIDATION), ("TEST_2024", TEST)):
        write(tmp_path / f"{name}.jsonl", rows)
    (tmp_path / "SOURCE.md").write_text("where it comes from\n")
    (tmp_path / "LICENSE.txt").write_text("who may use it\n")
    write(tmp_path / "training_notes.jsonl", [{"note": "none"}])
    assert read(tmp_path) == EXPECTED


def test_shards_of_a_split_are_joined_in_order(tmp_path):
    """Prevents all shards but one from being dropped."""
    for name, rows in (("train-00000-of-2", TRAIN[:25]), ("train-00001-of-2", TRAIN[25:]), ("valid", VALIDATION)):
        write(tmp_path / f"{name}.jsonl", rows)
    assert read(tmp_path) == {"train": TRAIN, "validation": VALIDATION}


@pytest.mark.parametrize("other", ["train.json", "train_augmented.jsonl", "training.jsonl", "train-1.jsonl"])
def test_files_of_one_split_that_are_no_shards_are_named(tmp_path, caplog, other):
    """Prevents every row from coming twice, because the same rows lie there in another format or as a copy."""
    write(tmp_path / "train-0.jsonl" if other == "train-1.jsonl" else tmp_path / "train.jsonl", TRAIN)
    write(tmp_path / other, TRAIN)
    write(tmp_path / "dev.jsonl", VALIDATION)
    with caplog.at_level(logging.WARNING):
        splits = read(tmp_path)
    if other in ("train-1.jsonl", "training.jsonl"):
        assert not caplog.messages
    else:
        assert splits["train"] == TRAIN * 2
        (said,) = caplog.messages
        assert "`train` is read from 2 files together" in said and f"`{other}`" in said and "`train.jsonl`" in said


def test_shards_of_other_types_are_refused(tmp_path):
    """Prevents numbers that become names in the middle of a split."""
    write(tmp_path / "train-0.jsonl", TRAIN)
    write(tmp_path / "train-1.jsonl", [{"text": "a", "label": "one"}])
    with pytest.raises(ValueError, match=r"the same columns and types in all files .*`train-0.jsonl` .*`train-1"):
        read_splits(tmp_path)


def test_one_file_is_train_whatever_its_name_and_notes_beside_it(tmp_path):
    """Prevents a single file from being refused because it is not named after a split."""
    write(tmp_path / "reviews.jsonl", ROWS)
    (tmp_path / "LICENSE.txt").write_text("who may use it\n")
    assert read(tmp_path) == read(tmp_path / "reviews.jsonl") == {"train": ROWS}
    assert read(tmp_path / "LICENSE.txt") == {"train": [{"text": "who may use it"}]}


def test_a_folder_of_save_to_disk_is_read(tmp_path):
    """Prevents `save_to_disk`, the library's own form, from being taken for an unknown folder."""
    DatasetDict({name: Dataset.from_list(rows) for name, rows in EXPECTED.items()}).save_to_disk(tmp_path / "all")
    Dataset.from_list(ROWS).save_to_disk(tmp_path / "one")
    assert read(tmp_path / "all") == EXPECTED
    assert read(tmp_path / "one") == {"train": ROWS}


def test_a_name_that_is_no_path_is_asked_from_the_hub(monkeypatch, caplog):
    """Prevents a wrong repository or configuration, and splits of other names from being used unsaid."""
    asked = []

    def answer(repository, configuration):
        asked.append((repository, configuration))
        return DatasetDict(
            {name: Dataset.from_list(rows) for name, rows in {**EXPECTED, "unsupervised": TEST}.items()}
        )

    monkeypatch.setattr(raw_splits, "load_dataset", answer)
    with caplog.at_level(logging.WARNING):
        assert read("owner/name:small") == EXPECTED
    read("owner/name")
    assert asked == [("owner/name", "small"), ("owner/name", None)]
    assert "['unsupervised'] are left out" in caplog.text


@pytest.mark.parametrize("name", ["owner/missing", "./missing", "missing.jsonl", "owner/missing:small"])
def test_a_name_that_is_nowhere_is_refused(name):
    """Prevents a long traceback of the hub client for a misspelt path."""
    with pytest.raises(FileNotFoundError, match=rf"expected a folder, a file or a data set on the hub, got `{name}`"):
        read_splits(name)


def test_empty_splits_are_refused(tmp_path, monkeypatch):
    """Prevents a training run on nothing, or a division by zero at its end."""
    splits = DatasetDict(train=Dataset.from_list(TRAIN), test=Dataset.from_list(TEST).select([]))
    splits.save_to_disk(tmp_path / "saved")
    with pytest.raises(ValueError, match=r"expected a data set made by `save_to_disk` .*, got none that can be read"):
        read_splits(tmp_path / "saved")
    monkeypatch.setattr(raw_splits, "load_dataset", lambda *_: splits)
    with pytest.raises(ValueError, match=r"expected rows in split `test` of `owner/name`, got none"):
        read_splits("owner/name")


def test_a_folder_without_split_names_is_refused(tmp_path):
    """Prevents learning from the test rows because they are all there is."""
    with pytest.raises(ValueError, match=r"expected files named after their splits.*got \[\]"):
        read_splits(tmp_path)
    for part in ("one", "two"):
        write(tmp_path / f"part {part}.jsonl", TEST)
    with pytest.raises(ValueError, match=r"expected files named after their splits, .*part one.jsonl"):
        read_splits(tmp_path)


@pytest.mark.parametrize("names", [["bad", "good"], {"1": "good", "0": "bad"}])
def test_labels_json_names_the_ids(tmp_path, names):
    """Prevents names in the order of the file, of the alphabet or of strings instead of ids."""
    write(tmp_path / "train.jsonl", ROWS)
    assert read_label_names(tmp_path) is read_label_names("owner/name") is None
    (tmp_path / "labels.json").write_text(json.dumps(names))
    for name in (tmp_path, tmp_path / "train.jsonl"):
        assert read_label_names(name) == {0: "bad", 1: "good"}


@pytest.mark.parametrize("content", ['{"a": 1}', "3", "not json", '["a", "a"]', '{"0": "a", "2": "b"}'])
def test_a_labels_json_of_another_form_is_refused(tmp_path, content):
    """Prevents swapped or missing names: a map from name to id, gaps, names twice."""
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(ValueError, match=r"expected .*labels.json`, got .*mend"):
        read_label_names(tmp_path)


def test_of_two_splits_of_one_meaning_the_second_is_left_out_and_said(tmp_path, caplog):
    """Prevents a `dev` split from vanishing unsaid behind a `valid` split."""
    rows = {name: Dataset.from_list([{"text": name}]) for name in ("train", "dev", "valid")}
    DatasetDict(rows).save_to_disk(tmp_path / "saved")
    with caplog.at_level(logging.WARNING):
        splits = read_splits(tmp_path / "saved")
    assert splits["validation"]["text"][:] == ["dev"] and list(splits) == ["train", "validation"]
    assert "['valid'] are left out" in caplog.text


def test_a_file_of_another_ending_is_refused_as_a_file(tmp_path):
    """Prevents advice on the names of splits where a file must be unpacked."""
    (tmp_path / "rows.csv.gz").write_bytes(b"")
    with pytest.raises(ValueError, match=r"a file that ends in .*rows.csv.gz`; .*unpack or convert it"):
        read_splits(tmp_path / "rows.csv.gz")


def test_a_copy_of_a_data_set_on_the_hub_is_read(tmp_path):
    """Prevents a snapshot from having to be moved about: its files lie in `data`."""
    (tmp_path / "data").mkdir()
    (tmp_path / "README.md").write_text("---\nlicense: mit\n---\n")
    Dataset.from_list(TRAIN).to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    Dataset.from_list(TEST).to_parquet(tmp_path / "data" / "test-00000-of-00001.parquet")
    assert read(tmp_path) == {"train": TRAIN, "test": TEST}
    write(tmp_path / "train.jsonl", VALIDATION)  # files of its own come first
    assert read(tmp_path) == {"train": VALIDATION}
