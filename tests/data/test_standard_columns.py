"""Rows in the form of their kind."""

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from hf_tinybert.data import standard_columns
from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.standard_columns import replace_column, standardise


def standard(kind, rows, features=None, **columns):
    split = Dataset.from_list(rows, features=None if features is None else Features(features))
    chosen = {name: (own,) if isinstance(own, str) else tuple(own) for name, own in columns.items()}
    return standardise(split, "train", kind, chosen)


def test_chosen_columns_get_the_standard_names_and_the_others_go():
    """Prevents a second text or an id from reaching the model."""
    rows = [{"id": 1, "question": "q", "answer": "a", "class": 0}]
    split = standard(TaskKind.PAIR_CLASSIFICATION, rows, text="question", text_pair="answer", label="class")
    assert split.to_list() == [{"text": "q", "text_pair": "a", "label": 0}]


def test_columns_may_exchange_their_names():
    """Prevents a clash, or a swap that is undone, when a chosen column bears the standard name of another one."""
    rows = [{"text": "second", "text_pair": "first", "label": 0}]
    split = standard(TaskKind.PAIR_CLASSIFICATION, rows, text="text_pair", text_pair="text", label="label")
    assert split.to_list() == [{"text": "first", "text_pair": "second", "label": 0}]


def test_a_split_without_a_chosen_column_is_named():
    """Prevents a late KeyError when a test file has other columns."""
    split = Dataset.from_list([{"text": "a"}])
    with pytest.raises(ValueError, match=r"in split `test`, got \['text'\].*\['label'\] is missing"):
        standardise(split, "test", TaskKind.TEXT_CLASSIFICATION, {"text": ("text",), "label": ("label",)})


def test_rows_that_were_selected_stay_selected():
    """Prevents rows of the whole table from coming back, because Arrow's columns know nothing of a selection."""
    split = Dataset.from_list([{"text": name, "label": 0} for name in "abcd"]).select([3, 1])
    chosen = {"text": ("text",), "label": ("label",)}
    made = standardise(split, "train", TaskKind.TEXT_CLASSIFICATION, chosen)
    assert made["text"][:] == ["d", "b"]
    assert replace_column(split, "label", Value("int64"), [5, 6]).to_list()[0] == {"text": "d", "label": 5}


@pytest.mark.parametrize(
    "answers",
    [
        {"text": ["b", "a b"], "answer_start": [2, 0]},
        [{"text": "b", "answer_start": 2}, {"text": "a b", "answer_start": 0}],
    ],
)
def test_answers_have_the_form_of_squad(answers):
    """Prevents answers that are lost because they are a list of pairs."""
    rows = [{"q": "?", "c": "a b", "answers": answers}]
    split = standard(TaskKind.QUESTION_ANSWERING, rows, question="q", context="c", answers="answers")
    assert split[0]["answers"] == {"text": ["b", "a b"], "answer_start": [2, 0]}
    assert split.features["answers"] == {"text": List(Value("string")), "answer_start": List(Value("int32"))}


def test_one_answer_or_none_is_a_list_too():
    """Prevents an answer that is read letter by letter, and a question without one that is refused."""
    rows = [
        {"id": 7, "q": "?", "c": "a b", "answer": {"text": "b", "answer_start": 2}},
        {"id": 8, "q": "?", "c": "a b", "answer": {"text": None, "answer_start": None}},
        {"id": 9, "q": "?", "c": "a b", "answer": None},
    ]
    split = standard(TaskKind.QUESTION_ANSWERING, rows, id="id", question="q", context="c", answers="answer")
    assert [row["answers"] for row in split] == [
        {"text": ["b"], "answer_start": [2]},
        {"text": [], "answer_start": []},
        None,
    ]
    assert split["id"][:] == ["7", "8", "9"]


def test_questions_without_ids_are_numbered():
    """Prevents predictions that cannot be told apart."""
    rows = [{"q": "?", "c": "a b"}] * 2
    split = standard(TaskKind.QUESTION_ANSWERING, rows, question="q", context="c")
    assert split["id"][:] == ["train-1", "train-2"]


@pytest.mark.parametrize(
    ("choices", "label", "position"),
    [
        ({"text": ["x", "y"], "label": ["A", "B"]}, "B", 1),
        ({"text": ["x", "y"], "label": ["1", "2"]}, "2", 1),
        (["x", "y"], "B", 1),
        (["x", "y"], "b", 1),
        (["x", "y"], "1", 1),
        (["x", "y"], "y", 1),
        (["x", "y"], 0, 0),
        (["x", "y"], True, 1),
        (["x", "y"], "", None),
        (["x", "y"], -1, None),
    ],
)
def test_the_right_choice_is_found_by_key_letter_number_or_text(choices, label, position):
    """Prevents a model that learns the choice beside the right one."""
    split = standard(
        TaskKind.MULTIPLE_CHOICE, [{"choices": choices, "label": label}], choices="choices", label="label"
    )
    assert split[0] == {"text": "", "choices": ["x", "y"], "label": position}


@pytest.mark.parametrize(("label", "position"), [("1", 0), ("2", 1)])
def test_choices_of_several_columns_are_counted_as_the_columns_are(label, position):
    """Prevents option2 from being read as the third one, where the options are numbered from 1."""
    rows = [{"sentence": "s", "option1": "x", "option2": "y", "answer": label}]
    columns = {"text": "sentence", "choices": ("option1", "option2"), "label": "answer"}
    split = standard(TaskKind.MULTIPLE_CHOICE, rows, **columns)
    assert split[0] == {"text": "s", "choices": ["x", "y"], "label": position}


def test_class_labels_are_positions_and_hidden_ones_missing():
    """Prevents a label of -1 from choosing the last ending."""
    features = {"ctx": Value("string"), "ending0": Value("string"), "ending1": Value("string"), "label": ClassLabel(2)}
    rows = [{"ctx": "c", "ending0": "x", "ending1": "y", "label": label} for label in (1, -1)]
    columns = {"text": "ctx", "choices": ("ending0", "ending1"), "label": "label"}
    split = standard(TaskKind.MULTIPLE_CHOICE, rows, features, **columns)
    assert split["label"][:] == [1, None]
    assert split.features["label"] == Value("int64")


def test_a_choice_that_is_none_is_refused_with_its_row():
    """Prevents an error that does not say which row to mend."""
    rows = [{"choices": ["x", "y"], "label": "A"}, {"choices": ["x", "y"], "label": "neither"}]
    with pytest.raises(
        ValueError, match=r"got `neither` in row 2 \(rows count from 1\), whose choices are \['x', 'y'"
    ):
        standard(TaskKind.MULTIPLE_CHOICE, rows, choices="choices", label="label")


def test_the_parts_of_a_text_are_joined():
    """Prevents a question without the context that it is about."""
    rows = [
        {"context": "c", "question": "q", "choices": ["x", "y"]},
        {"context": None, "question": "q", "choices": ["x"]},
    ]
    split = standard(TaskKind.MULTIPLE_CHOICE, rows, text=("context", "question"), choices="choices")
    assert split["text"][:] == ["c q", " q"]


def test_marks_become_lists_of_labels():
    """Prevents labels in the order of the alphabet where columns name them, and other numbers than marks."""
    rows = [
        {"t": "x", "toxic": 1, "insult": 0},
        {"t": "y", "toxic": 0, "insult": 0},
        {"t": "z", "toxic": 1, "insult": 1},
    ]
    columns = {"text": "t", "labels": ("toxic", "insult")}
    split = standard(TaskKind.MULTI_LABEL_CLASSIFICATION, rows, **columns)
    assert split["labels"][:] == [[0], [], [0, 1]]
    assert split.features["labels"].feature.names == ["toxic", "insult"]
    rows[1]["insult"] = 3
    with pytest.raises(ValueError, match=r"expected 0 or 1 in the column `insult`, got `3` in row 2"):
        standard(TaskKind.MULTI_LABEL_CLASSIFICATION, rows, **columns)


def test_summaries_are_lists_documents_are_texts_and_scores_are_floats():
    """Prevents a reference that is read letter by letter, and whole numbers that no loss takes."""
    rows = [{"d": ["One.", "Two."], "s": "a"}, {"d": [], "s": None}]
    split = standard(TaskKind.EXTRACTIVE_SUMMARIZATION, rows, document="d", summaries="s")
    assert split.to_list() == [{"document": "One. Two.", "summaries": ["a"]}, {"document": "", "summaries": None}]
    lists = standard(TaskKind.EXTRACTIVE_SUMMARIZATION, [{"d": "One.", "s": ["a", "b"]}], document="d", summaries="s")
    assert lists[0] == {"document": "One.", "summaries": ["a", "b"]}
    scored = standard(TaskKind.REGRESSION, [{"text": "a", "stars": 3}], text="text", score="stars")
    assert scored.features["score"] == Value("float64")


@pytest.mark.parametrize(
    ("kind", "name", "own", "cell"),
    [
        (TaskKind.EXTRACTIVE_SUMMARIZATION, "document", "document", lambda row: ["One.", f"{row}."]),
        (TaskKind.EXTRACTIVE_SUMMARIZATION, "summaries", "summaries", lambda row: f"summary {row}"),
        (TaskKind.QUESTION_ANSWERING, "answers", "answers", lambda row: {"text": [f"{row}"], "answer_start": [row]}),
        (TaskKind.MULTIPLE_CHOICE, "choices", ("a", "b"), lambda row: f"choice {row}"),
    ],
)
def test_many_rows_are_not_made_python_objects_at_once(kind, name, own, cell, monkeypatch):
    """Prevents several times the data's size in memory, and texts of 2 GiB together, which no Arrow array holds."""
    monkeypatch.setattr(standard_columns, "_ROWS", 3)
    names = [own] if isinstance(own, str) else own
    rows = [{column: cell(row) for column in names} for row in range(8)]
    column = standard(kind, rows, **{name: own}).data.column(name)
    assert max(len(chunk) for chunk in column.chunks) <= 3
    whole = [value[-1] if isinstance(value, list) else value for value in column.to_pylist()]
    assert len(whole) == 8 and all(str(row) in str(value) for row, value in enumerate(whole))
