"""Data sets for every kind of task, whole."""

import json
import logging
from itertools import chain

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.sources import load_rows, load_task_data
from hf_tinybert.data.tasks import KINDS

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


def load(name, seed=0, **columns):
    return load_task_data(name, columns=columns, seed=seed).splits


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
    data = load_task_data(tmp_path)
    assert texts(data.splits) == EXPECTED
    assert data.splits["test"]["label"][:] == [row["label"] for row in TEST]
    features = Features({"text": Value("string"), "label": ClassLabel(3)})
    assert all(split.features == features for split in data.splits.values())
    assert (data.kind, data.labels) == (TaskKind.TEXT_CLASSIFICATION, ("0", "1", "2"))


@pytest.mark.parametrize("names", [["bad", "good", "fair"], {"1": "good", "0": "bad", "2": "fair"}])
def test_labels_json_names_the_ids(tmp_path, names):
    """Prevents names in the order of the file, of the alphabet or of strings instead of ids."""
    write(tmp_path / "train.jsonl", ROWS)
    (tmp_path / "labels.json").write_text(json.dumps(names))
    for name in (tmp_path, tmp_path / "train.jsonl"):
        assert load_task_data(name).labels == ("bad", "good", "fair")


def test_missing_splits_are_cut_out_of_train(tmp_path, caplog):
    """Prevents held-out rows that were learnt, and a cut that changes between two runs or is made unsaid."""
    write(tmp_path / "data.csv", ROWS)
    with caplog.at_level(logging.INFO, logger="hf_tinybert.data"):
        loaded = load(tmp_path / "data.csv", seed=5)
    assert {name: split.num_rows for name, split in loaded.items()} == {"train": 48, "validation": 6, "test": 6}
    assert sorted(loaded["test"]["label"][:]) == [0, 0, 1, 1, 2, 2]
    assert sorted(chain(*texts(loaded).values())) == sorted(row["text"] for row in ROWS)
    assert texts(load(tmp_path, seed=5)) == texts(loaded)
    assert texts(load(tmp_path, seed=6)) != texts(loaded)
    assert "No ['validation', 'test'] in the data: 6 of 60 rows" in caplog.text


def test_a_given_split_is_left_as_it_is_when_another_is_cut(tmp_path):
    """Prevents test rows that differ from the published ones."""
    write(tmp_path / "train.jsonl", TRAIN)
    write(tmp_path / "test.jsonl", TEST)
    loaded = load(tmp_path)
    assert texts(loaded)["test"] == EXPECTED["test"]
    assert (loaded["train"].num_rows, loaded["validation"].num_rows) == (36, 4)


def test_a_repeated_text_is_not_held_out(tmp_path):
    """Prevents a leak through duplicates: half of the rows stand in the file twice."""
    write(tmp_path / "train.jsonl", ROWS + [{**row, "text": f" {row['text'].upper()}"} for row in ROWS[:30]])
    loaded = load(tmp_path)
    held_out = {*loaded["validation"]["text"], *loaded["test"]["text"]}
    assert len(held_out) == 18
    assert held_out <= {row["text"] for row in ROWS[30:]}


@pytest.mark.parametrize(
    ("values", "said"), [((0.0, 1.0), True), ((1.0, 2.0, 3.0, 4.0, 5.0), False), ((0.5, 1.0), False)]
)
def test_classes_that_are_written_as_floats_are_told(tmp_path, caplog, values, said):
    """Prevents a classifier's data, of which a spreadsheet made 0.0 and 1.0, from training a regression unsaid."""
    lines = [f"text {i},{values[i % len(values)]}" for i in range(60)]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    assert load_task_data(tmp_path / "rows.csv").kind is TaskKind.REGRESSION
    assert ("If they are classes" in caplog.text) == said
    caplog.clear()
    load_task_data(tmp_path / "rows.csv", TaskKind.REGRESSION)
    assert "If they are classes" not in caplog.text


def test_texts_that_are_learnt_and_scored_are_counted(tmp_path, caplog):
    """Prevents a score that is too high because test rows stand in train."""
    write(tmp_path / "train.jsonl", TRAIN)
    write(tmp_path / "validation.jsonl", VALIDATION)
    write(tmp_path / "test.jsonl", [*TEST, TRAIN[0], TRAIN[1]])
    with caplog.at_level(logging.WARNING):
        load(tmp_path)
    assert "2 of 12 texts in `test` stand in `train` too" in caplog.text
    assert "`validation`" not in caplog.text


@pytest.mark.parametrize("ending", [".jsonl", ".csv"])
@pytest.mark.parametrize("empty", [None, "", " "])
def test_an_empty_text_is_refused_with_its_row(tmp_path, ending, empty):
    """Prevents a crash in the tokenizer on missing texts, and a class that is learnt from nothing; "NA" is a text."""
    for name, content in (("train", [*TRAIN, {"text": "NA", "label": 2}]), ("test", TEST)):
        write(tmp_path / f"{name}{ending}", content)
    write(tmp_path / f"validation{ending}", [*VALIDATION, {"text": empty, "label": 0}])
    with pytest.raises(ValueError, match=r"a text in every row, got .* in `text` in row 11 of `validation`"):
        load(tmp_path)


def test_blank_lines_of_raw_text_are_left_out_and_said(tmp_path, caplog):
    """Prevents raw text from being refused for the blank lines between its paragraphs, or trained on them."""
    (tmp_path / "train.txt").write_text("\n\n".join(f"paragraph {i}" for i in range(40)) + "\n")
    with caplog.at_level(logging.WARNING):
        data = load_task_data(tmp_path / "train.txt")
    assert data.kind is TaskKind.MASKED_LM
    assert sorted(chain(*texts(data.splits).values())) == sorted(f"paragraph {i}" for i in range(40))
    assert "39 of 79 texts in `train` are blank and left out" in caplog.text


def test_two_text_columns_make_a_pair(tmp_path):
    """Prevents the second text from being dropped, and pairs with the same first text from counting as repeated."""
    rows = [{"a": f"p {i % 2}", "b": f"h {i}", "gold": "yes" if i % 2 else "no"} for i in range(40)]
    write(tmp_path / "train.jsonl", rows)
    data = load_task_data(tmp_path, columns={"text": "a", "text_pair": "b", "label": "gold"})
    assert (data.kind, data.labels) == (TaskKind.PAIR_CLASSIFICATION, ("no", "yes"))
    assert data.splits["train"].column_names == ["text", "text_pair", "label"]
    assert sorted(chain(*(split["text_pair"] for split in data.splits.values()))) == sorted(
        f"h {i}" for i in range(40)
    )


def refuse(name, message, kind=None):
    with pytest.raises(ValueError, match=message):
        load_task_data(name, kind)


def test_a_folder_without_train_is_refused(tmp_path):
    """Prevents learning from the test rows because they are all there is."""
    write(tmp_path / "validation.jsonl", VALIDATION)
    write(tmp_path / "test.jsonl", TEST)
    refuse(tmp_path, r"expected a `train` split .*got \['test', 'validation'\]")


def test_too_few_rows_for_a_cut_are_refused(tmp_path):
    """Prevents a test split of one row, or a class that is scored and never learnt."""
    write(tmp_path / "train.jsonl", ROWS[:6])
    refuse(
        tmp_path, r"expected `validation` and `test` in the data, or rows enough to cut 3 .* got 6 rows, 6 with a text"
    )
    write(tmp_path / "train.jsonl", ROWS[:6] * 9)
    refuse(tmp_path, r"got 54 rows, 0 with a text of their own; .*; bring more rows, or a file for each split")


def test_one_class_is_refused_before_columns_are_cut(tmp_path):
    """Prevents a run that ends at accuracy 1.0 and means nothing."""
    write(tmp_path / "train.jsonl", [{**row, "label": 1} for row in ROWS])
    refuse(tmp_path, r"expected at least two classes in `train`, got only `1` in all 60 rows")


def test_a_label_that_train_does_not_have_is_refused_with_its_row(tmp_path):
    """Prevents a score that counts a class which no output stands for."""
    write(tmp_path / "train.jsonl", TRAIN)
    write(tmp_path / "test.jsonl", [*TEST, {"text": "other", "label": 7}])
    refuse(tmp_path, r"only the labels `0`, `1`, `2` in split `test`, got `7` in 1 of 11 rows, the first in row 11")


def test_the_result_is_in_the_order_train_validation_test(tmp_path):
    """Prevents code that takes the first split from evaluating on it, whatever order a source has."""
    splits = DatasetDict(test=Dataset.from_list(TEST), train=Dataset.from_list(TRAIN))
    splits.save_to_disk(tmp_path / "data")
    assert list(load(tmp_path / "data")) == ["train", "validation", "test"]
    assert isinstance(load(tmp_path / "data"), DatasetDict)


# One row of each kind as it is published, what it becomes, and its labels.
KIND_ROWS = {
    TaskKind.MULTI_LABEL_CLASSIFICATION: (
        lambda i: {"text": f"text {i}", "labels": ["red", "blue"][: i % 3]},
        {"text": "text 2", "labels": [1, 0]},
        ("blue", "red"),
    ),
    TaskKind.REGRESSION: (
        lambda i: {"sentence1": f"a {i}", "sentence2": f"b {i}", "score": i / 2},
        {"text": "a 2", "text_pair": "b 2", "score": 1.0},
        (),
    ),
    TaskKind.TOKEN_CLASSIFICATION: (
        lambda i: {"tokens": [f"w{i}", "Ada", "Lane"], "ner_tags": ["O", "B-person", "I-person"]},
        {"tokens": ["w2", "Ada", "Lane"], "tags": [0, 1, 2]},
        ("O", "B-person", "I-person"),
    ),
    TaskKind.QUESTION_ANSWERING: (
        lambda i: {
            "id": str(i),
            "question": "who ?",
            "context": f"{i} Ada",
            "answers": {"text": ["Ada"], "answer_start": [len(str(i)) + 1]},
        },
        {"id": "2", "question": "who ?", "context": "2 Ada", "answers": {"text": ["Ada"], "answer_start": [2]}},
        (),
    ),
    TaskKind.MULTIPLE_CHOICE: (
        lambda i: {"ctx": f"c {i}", "ending0": "yes", "ending1": f"no {i}", "label": i % 2},
        {"text": "c 2", "choices": ["yes", "no 2"], "label": 0},
        (),
    ),
    TaskKind.MASKED_LM: (lambda i: {"text": f"text {i}", "book": "b"}, {"text": "text 2"}, ()),
    TaskKind.EXTRACTIVE_SUMMARIZATION: (
        lambda i: {"article": f"One {i}. Two.", "highlights": f"One {i}."},
        {"document": "One 2. Two.", "summaries": ["One 2."]},
        (),
    ),
}


@pytest.mark.parametrize("kind", KIND_ROWS)
def test_every_kind_is_known_by_its_columns_and_has_its_standard_ones(tmp_path, kind):
    """Prevents a kind that is taken for another one, and columns that no encoder reads."""
    row, expected, labels = KIND_ROWS[kind]
    for name, first in (("train", 0), ("validation", 20), ("test", 30)):
        write(tmp_path / f"{name}.jsonl", [row(first + i) for i in range(10)])
    for asked in (None, kind):
        data = load_task_data(tmp_path, asked)
        assert (data.kind, data.labels) == (kind, labels)
        assert data.splits["train"][2] == expected


def test_embeddings_are_read_where_they_are_asked_for(tmp_path):
    """Prevents texts without a pair or a score from being refused for it."""
    write(tmp_path / "pairs.jsonl", [KIND_ROWS[TaskKind.REGRESSION][0](i) for i in range(40)])
    write(tmp_path / "texts.jsonl", ROWS)
    pairs = load_task_data(tmp_path / "pairs.jsonl", TaskKind.SENTENCE_EMBEDDING).splits
    assert pairs["train"].column_names == ["text", "text_pair", "score"]
    single = load_task_data(tmp_path / "texts.jsonl", TaskKind.SENTENCE_EMBEDDING).splits
    assert single["train"].column_names == ["text"]


@pytest.mark.parametrize("kind", [TaskKind.REGRESSION, TaskKind.QUESTION_ANSWERING, TaskKind.TOKEN_CLASSIFICATION,
                                  TaskKind.EXTRACTIVE_SUMMARIZATION, TaskKind.MULTIPLE_CHOICE,
                                  TaskKind.MULTI_LABEL_CLASSIFICATION])  # fmt: skip
def test_a_split_with_hidden_answers_is_cut_anew(tmp_path, kind, caplog):
    """Prevents a score on the answers of a test set whose publisher keeps them."""
    row = KIND_ROWS[kind][0]
    hidden = [{name: None if name in GOLD else value for name, value in row(100 + i).items()} for i in range(10)]
    write(tmp_path / "train.jsonl", [row(i) for i in range(40)])
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(each) + "\n" for each in hidden))
    with caplog.at_level(logging.WARNING):
        splits = load_task_data(tmp_path, kind).splits
    assert "['test'] have no labels and are left out" in caplog.text
    assert {name: split.num_rows for name, split in splits.items()} == {"train": 32, "validation": 4, "test": 4}


def test_tags_that_are_no_whole_entities_are_said(tmp_path, caplog):
    """Prevents a low score on data of another scheme from being taken for a bad student."""
    row = KIND_ROWS[TaskKind.TOKEN_CLASSIFICATION][0]
    rows = [*(row(i) for i in range(40)), {"tokens": ["a", "Lane"], "ner_tags": ["O", "I-person"]}]
    write(tmp_path / "train.jsonl", rows)
    with caplog.at_level(logging.WARNING):
        load_task_data(tmp_path)
    assert "1 tags in 1 of 41 rows of `train` go on with an entity that did not begin" in caplog.text


def test_rows_are_read_in_order_and_without_their_answers(tmp_path):
    """Prevents rows that need an answer only to be read, are drawn into other splits, or come in another order."""
    write(tmp_path / "train.jsonl", [{"question": f"q {i}", "context": "c", "answers": {"x": [1]}} for i in range(9)])
    write(tmp_path / "test.jsonl", [KIND_ROWS[TaskKind.QUESTION_ANSWERING][0](i) for i in range(5)])
    pair = {"text": "question", "text_pair": "context"}
    rows = load_rows(tmp_path, TaskKind.SENTENCE_EMBEDDING, columns=pair)
    assert rows.column_names == ["text", "text_pair"]
    assert rows["text"][:] == [f"q {i}" for i in range(9)]
    questions = load_rows(tmp_path, TaskKind.QUESTION_ANSWERING, split="test")
    assert questions.column_names == ["id", "question", "context"]
    with pytest.raises(ValueError, match=r"the split `validation` in `.*`, got \['test', 'train'\]"):
        load_rows(tmp_path, TaskKind.QUESTION_ANSWERING, split="validation")
    with pytest.raises(ValueError, match=r"expected the column `passage`, got only"):
        load_rows(tmp_path, TaskKind.SENTENCE_EMBEDDING, columns={"text": "passage"})


@pytest.mark.parametrize("kind", [TaskKind.REGRESSION, TaskKind.TOKEN_CLASSIFICATION])
def test_a_split_is_scored_whole_where_nothing_is_learnt(tmp_path, kind):
    """Prevents a score on a tenth of the test rows, and test rows that are refused for want of a `train`."""
    row = KIND_ROWS[kind][0]
    write(tmp_path / "test.jsonl", [row(i) for i in range(20)])
    for name in (tmp_path, tmp_path / "test.jsonl"):
        loaded = load_task_data(name, kind, scored="test")
        assert {split: rows.num_rows for split, rows in loaded.splits.items()} == {"test": 20} and not loaded.cut
    write(tmp_path / "validation.jsonl", [row(i) for i in range(5)])
    assert list(load_task_data(tmp_path, kind, scored="test").splits) == ["test"]


def test_splits_that_were_cut_are_told(tmp_path):
    """Prevents a score on a tenth of a file from passing for one on all of it."""
    write(tmp_path / "rows.jsonl", ROWS)
    assert load_task_data(tmp_path / "rows.jsonl", scored="test").cut == ("validation", "test")
    write(tmp_path / "own" / "train.jsonl", TRAIN)
    write(tmp_path / "own" / "test.jsonl", TEST)
    assert load_task_data(tmp_path / "own").cut == ("validation",)


def test_a_split_without_gold_answers_cannot_be_scored(tmp_path):
    """Prevents a traceback where the only split is left out."""
    write(tmp_path / "test.jsonl", [{"text": f"a {i}", "label": -1} for i in range(20)])
    with pytest.raises(ValueError, match=r"expected labels in `test`, got none in `label`"):
        load_task_data(tmp_path, scored="test")
    write(tmp_path / "test.jsonl", [{"text": f"a {i}", "score": -1.0} for i in range(20)])
    with pytest.raises(ValueError, match=r"expected gold answers in `test`, got none in `score`"):
        load_task_data(tmp_path, scored="test")


def test_labels_are_placed_where_the_data_has_them_first(tmp_path):
    """Prevents row numbers of a split that was cut, and a refusal for a tag that may come and does not."""
    rows = [{"tokens": ["a", f"b{n}"], "tags": ["O", "B-place" if n > 17 else "O"]} for n in range(24)]
    write(tmp_path / "train.jsonl", rows)
    data = load_task_data(tmp_path)
    assert data.labels == ("O", "B-place", "I-place") and data.cut
    assert data.label_rows == {"O": ("train", 0), "B-place": ("train", 18)}


GOLD = {"score", "answers", "ner_tags", "highlights", "label", "labels"}


@pytest.mark.parametrize("hidden", [False, True], ids=["lacking", "hidden"])
@pytest.mark.parametrize("answered", [(), ("validation", "test"), ("test",)], ids=str)
@pytest.mark.parametrize("kind", [kind for kind in KIND_ROWS if kind is not TaskKind.MASKED_LM], ids=str)
def test_a_teacher_alone_may_know_the_answers(tmp_path, kind, answered, hidden, caplog):
    """Prevents data without labels from being refused to a teacher, and labels from being lost where others lack."""
    row, gold = KIND_ROWS[kind][0], KINDS[kind].label_columns[0]
    for name, first in (("train", 0), ("validation", 20), ("test", 30)):
        rows = [row(first + i) for i in range(10)]
        if name not in answered:
            kept = [{own: None if own in GOLD else value for own, value in one.items()} for one in rows]
            rows = kept if hidden else [{own: one[own] for own in one if own not in GOLD} for one in rows]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    with caplog.at_level(logging.WARNING):
        data = load_task_data(tmp_path, kind, needs_gold=False)
    assert [name for name, split in data.splits.items() if gold in split.column_names] == [*answered]
    assert [len(split) for split in data.splits.values()] == [10, 10, 10]
    assert data.labels == (KIND_ROWS[kind][2] if answered else ())
    assert f"have no `{gold}`: a student learns from its teacher alone" in caplog.text
    with pytest.raises(ValueError, match=f"`{gold}`|expected .* in `train`, got none"):
        load_task_data(tmp_path, kind)


def test_missing_splits_are_cut_out_of_texts_without_labels(tmp_path):
    """Prevents a draw by classes that nobody knows."""
    write(tmp_path / "train.jsonl", [{"text": row["text"]} for row in ROWS])
    data = load_task_data(tmp_path, TaskKind.TEXT_CLASSIFICATION, needs_gold=False)
    assert data.cut == ("validation", "test") and sum(map(len, data.splits.values())) == len(ROWS)
    assert data.labels == () and data.label_rows == {}


def test_a_hidden_split_beside_labels_is_cut_anew_for_a_teacher_too(tmp_path):
    """Prevents a student that learns the rows on which its teacher was scored."""
    write(tmp_path / "train.jsonl", TRAIN)
    write(tmp_path / "test.jsonl", [{**row, "label": -1} for row in TEST])
    own, strict = (
        load_task_data(tmp_path, needs_gold=needs, kind=TaskKind.TEXT_CLASSIFICATION) for needs in (False, True)
    )
    assert own.cut == strict.cut and own.splits["test"][:] == strict.splits["test"][:]
