"""Which columns are read."""

import pytest
from datasets import ClassLabel, Features, List, Value

from hf_tinybert.data.columns import check_types, choose_columns, normalise_asked, standard_names
from hf_tinybert.data.kinds.definition import TaskKind

STRING, NUMBER, FLOAT = Value("string"), Value("int64"), Value("float64")
STRINGS, NUMBERS = List(STRING), List(NUMBER)
ANSWERS = {"text": STRINGS, "answer_start": List(Value("int32"))}
TEXT, PAIR, CHOICE = TaskKind.TEXT_CLASSIFICATION, TaskKind.PAIR_CLASSIFICATION, TaskKind.MULTIPLE_CHOICE


def choose(columns, kind, gold=(), **asked):
    features = Features(columns)
    return choose_columns(features, kind, normalise_asked(asked, features), gold=gold)


@pytest.mark.parametrize("text", ["text", "sentence", "content", "review"])
@pytest.mark.parametrize("label", ["label", "labels", "category", "intent"])
def test_usual_names_are_found_among_other_columns(text, label):
    """Prevents asking for names that leave no doubt."""
    columns = {"id": NUMBER, text: STRING, label: ClassLabel(names=["a", "b"]), "author": STRING}
    assert choose(columns, TEXT) == {"text": (text,), "label": (label,)}


def test_named_columns_are_taken_as_they_are():
    """Prevents a table of names from overruling the user, for one text and for a pair."""
    columns = {"text": STRING, "premise": STRING, "hypothesis": STRING, "label": NUMBER, "gold": STRING}
    assert choose(columns, TEXT, text="premise", label="gold") == {"text": ("premise",), "label": ("gold",)}
    pair = {"text": ("hypothesis",), "text_pair": ("premise",), "label": ("label",)}
    assert choose(columns, PAIR, text="hypothesis", text_pair="premise") == pair
    assert choose(columns, PAIR) == {"text": ("premise",), "text_pair": ("hypothesis",), "label": ("label",)}


def test_two_candidates_are_listed_and_none_is_guessed():
    """Prevents training on the wrong column."""
    columns = {"text": STRING, "sentence": STRING, "label": NUMBER, "labels": NUMBER}
    with pytest.raises(ValueError, match=r"can be `text` of .*, got 2 candidates \['text', 'sentence'\].*'text': "):
        choose(columns, TEXT, label="label")
    with pytest.raises(ValueError, match=r"can be `label` of .*, got 2 candidates \['label', 'labels'\].*'label': "):
        choose(columns, TEXT, text="text")
    with pytest.raises(ValueError, match=r"can be `tags` .*2 candidates \['ner_tags', 'pos_tags'\]"):
        choose({"tokens": STRINGS, "pos_tags": NUMBERS, "ner_tags": NUMBERS}, TaskKind.TOKEN_CLASSIFICATION)


def test_without_a_candidate_all_columns_are_listed():
    """Prevents an error that does not show what could have been named, or why a column of the very name is not it."""
    told = r"can be `text` of .*, got none among \['text', 'body'\] \(`text` holds .*int64.* not text"
    with pytest.raises(ValueError, match=told):
        choose({"text": NUMBER, "body": STRING}, TEXT)
    with pytest.raises(ValueError, match=r"can be `text` of pair-classification, got none"):
        choose({"text": STRING, "label": NUMBER}, PAIR)


@pytest.mark.parametrize(
    ("kind", "asked", "message"),
    [
        (TEXT, {"text": "missing"}, "expected the column `missing`, got only"),
        (TEXT, {"text": "label"}, r"expected text in the column `label`, got Value\('int64'\)"),
        (TEXT, {"text": "text", "label": "text"}, "expected all columns of text-classification different"),
        (TEXT, {"text": ("text", "other")}, r"expected one column for `text` .*got \['text', 'other'\]"),
        (TEXT, {"text": ()}, r"expected one column for `text` .*got \[\]"),
        (TEXT, {"txt": "text"}, r"expected standard columns of text-classification out of \['text', 'label'\]"),
        (PAIR, {"text": "text", "text_pair": "text"}, "all columns of pair-classification different"),
        (PAIR, {"text": "text"}, "can be `text_pair` of pair-classification, got none"),
        (CHOICE, {"choices": ("other", "label")}, "in the column `label`, got Value"),
    ],
)
def test_columns_that_cannot_be_read_are_refused(kind, asked, message):
    """Prevents a crash in the tokenizer, or a model that reads its own label."""
    with pytest.raises(ValueError, match=message):
        choose({"text": STRING, "other": STRING, "label": NUMBER}, kind, **asked)


FOUND = [
    (TaskKind.MULTI_LABEL_CLASSIFICATION, {"text": STRING, "labels": NUMBERS}, {"text": "text", "labels": "labels"}),
    (TaskKind.REGRESSION, {"text": STRING, "score": NUMBER}, {"text": "text", "score": "score"}),
    (
        TaskKind.REGRESSION,
        {"sentence1": STRING, "sentence2": STRING, "label": FLOAT, "idx": NUMBER},
        {"text": "sentence1", "text_pair": "sentence2", "score": "label"},
    ),
    (
        TaskKind.TOKEN_CLASSIFICATION,
        {"id": STRING, "tokens": STRINGS, "ner_tags": List(ClassLabel(3))},
        {"tokens": "tokens", "tags": "ner_tags"},
    ),
    (
        TaskKind.QUESTION_ANSWERING,
        {"title": STRING, "context": STRING, "question": STRING, "answers": ANSWERS},
        {"question": "question", "context": "context", "answers": "answers"},
    ),
    (
        TaskKind.QUESTION_ANSWERING,
        {"id": NUMBER, "context": STRING, "question": STRING, "answers": List(ANSWERS | {"text": STRING})},
        {"id": "id", "question": "question", "context": "context", "answers": "answers"},
    ),
    (
        TaskKind.EXTRACTIVE_SUMMARIZATION,
        {"id": STRING, "document": STRING, "summary": STRING, "all_summaries": STRINGS},
        {"document": "document", "summaries": "all_summaries"},
    ),
    (
        TaskKind.EXTRACTIVE_SUMMARIZATION,
        {"article": STRING, "highlights": STRING},
        {"document": "article", "summaries": "highlights"},
    ),
    (
        TaskKind.EXTRACTIVE_SUMMARIZATION,
        {"source": STRINGS, "target": STRINGS},
        {"document": "source", "summaries": "target"},
    ),
    (TaskKind.MASKED_LM, {"text": STRING, "book": STRING}, {"text": "text"}),
    (TaskKind.SENTENCE_EMBEDDING, {"text": STRING, "label": NUMBER}, {"text": "text"}),
    (
        TaskKind.SENTENCE_EMBEDDING,
        {"text_a": STRING, "text_b": STRING, "score": FLOAT},
        {"text": "text_a", "text_pair": "text_b", "score": "score"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "columns", "found"), FOUND)
def test_every_kind_finds_its_columns(kind, columns, found):
    """Prevents names that hub data sets use from being asked for."""
    assert choose(columns, kind) == {name: (own,) for name, own in found.items()}
    assert set(found) <= set(standard_names(kind))


SWAG = {"startphrase": STRING, "sent1": STRING, "sent2": STRING, **{f"ending{i}": STRING for i in range(3, -1, -1)}}


@pytest.mark.parametrize(
    ("columns", "text", "choices", "label"),
    [
        (SWAG | {"label": ClassLabel(4)}, ("startphrase",), tuple(f"ending{i}" for i in range(4)), ("label",)),
        ({"ctx": STRING, "endings": STRINGS, "label": STRING}, ("ctx",), ("endings",), ("label",)),
        (
            {"question": STRING, "choices": {"text": STRINGS, "label": STRINGS}, "answerKey": STRING},
            ("question",), ("choices",), ("answerKey",),
        ),
        ({"article": STRING, "question": STRING, "options": STRINGS, "answer": STRING},
         ("article", "question"), ("options",), ("answer",)),
        ({"sentence": STRING, "option1": STRING, "option2": STRING, "answer": STRING},
         ("sentence",), ("option1", "option2"), ("answer",)),
        ({"choices": STRINGS, "label": NUMBER}, None, ("choices",), ("label",)),
    ],
)  # fmt: skip
def test_choices_are_found_in_their_usual_forms(columns, text, choices, label):
    """Prevents the endings of SWAG in the order of the file, and half of a context."""
    found = choose(columns, CHOICE)
    assert found == ({"text": text} if text else {}) | {"choices": choices, "label": label}


def test_several_columns_may_be_named_where_they_become_a_list():
    """Prevents data with a column of 0 and 1 for each label from being out of reach."""
    columns = {"comment_text": STRING, "toxic": NUMBER, "insult": NUMBER, "threat": Value("bool")}
    asked = {"text": "comment_text", "labels": ["toxic", "threat"]}
    found = choose(columns, TaskKind.MULTI_LABEL_CLASSIFICATION, **asked)
    assert found == {"text": ("comment_text",), "labels": ("toxic", "threat")}


def test_gold_columns_may_be_missing_where_rows_are_only_read():
    """Prevents rows to predict from needing the answer."""
    assert choose({"text": STRING}, TEXT, gold=("label",)) == {"text": ("text",)}
    with pytest.raises(ValueError, match="can be `label`"):
        choose({"text": STRING}, TEXT)


def test_a_label_of_another_type_is_found_so_that_its_error_can_say_so():
    """Prevents "no column found" where the column is there and holds floats."""
    assert choose({"text": STRING, "label": FLOAT}, TEXT)["label"] == ("label",)


def test_a_split_of_other_types_is_refused_by_name():
    """Prevents a test file whose tags are one string from being read letter by letter; hidden ones may be nothing."""
    chosen = {"tokens": ("tokens",), "tags": ("ner",)}
    kind = TaskKind.TOKEN_CLASSIFICATION
    check_types(Features({"tokens": STRINGS, "ner": NUMBERS}), "test", kind, chosen)
    check_types(Features({"tokens": STRINGS, "ner": Value("null")}), "test", kind, chosen)
    message = r"expected lists of tags in the column `ner` of split `test`, got Value\('string'\); .*`tags` of token"
    with pytest.raises(ValueError, match=message):
        check_types(Features({"tokens": STRINGS, "ner": STRING}), "test", kind, chosen)


def test_several_columns_may_be_asked_for_in_one_text():
    """Prevents columns of 0 and 1, and choices, from being out of reach of the command line."""
    columns = {"text": STRING, "rude": NUMBER, "sad": NUMBER, "a,b": STRING}
    chosen = choose(columns, TaskKind.MULTI_LABEL_CLASSIFICATION, labels="rude, sad", text="a,b")
    assert chosen == {"text": ("a,b",), "labels": ("rude", "sad")}
    with pytest.raises(ValueError, match="expected the column `bad`, got only"):
        choose(columns, TaskKind.MULTI_LABEL_CLASSIFICATION, labels="rude,bad")
