"""Which kind the columns are for."""

import pytest
from datasets import ClassLabel, Features, List, Value

from hf_tinybert.data.columns import normalise_asked
from hf_tinybert.data.kind_inference import infer_kind
from hf_tinybert.data.kinds.definition import TaskKind

STRING, NUMBER, FLOAT = Value("string"), Value("int64"), Value("float64")
STRINGS, NUMBERS = List(STRING), List(NUMBER)
ANSWERS = {"text": STRINGS, "answer_start": List(Value("int32"))}


def infer(columns, **asked):
    features = Features(columns)
    return infer_kind(features, normalise_asked(asked, features))


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"text": STRING, "label": ClassLabel(2)}, TaskKind.TEXT_CLASSIFICATION),
        ({"sentence": STRING, "label": STRING, "idx": NUMBER}, TaskKind.TEXT_CLASSIFICATION),
        ({"text_a": STRING, "text_b": STRING, "label": NUMBER}, TaskKind.PAIR_CLASSIFICATION),
        ({"question": STRING, "sentence": STRING, "label": NUMBER}, TaskKind.PAIR_CLASSIFICATION),
        ({"text": STRING, "text_pair": STRING, "label": NUMBER}, TaskKind.PAIR_CLASSIFICATION),
        ({"text": STRING, "labels": NUMBERS}, TaskKind.MULTI_LABEL_CLASSIFICATION),
        ({"text_a": STRING, "text_b": STRING, "score": FLOAT, "genre": STRING}, TaskKind.REGRESSION),
        ({"sentence1": STRING, "sentence2": STRING, "label": Value("float32")}, TaskKind.REGRESSION),
        ({"text": STRING, "score": FLOAT}, TaskKind.REGRESSION),
        ({"tokens": STRINGS, "ner_tags": STRINGS, "id": STRING}, TaskKind.TOKEN_CLASSIFICATION),
        ({"tokens": STRINGS, "pos_tags": NUMBERS, "ner_tags": NUMBERS}, TaskKind.TOKEN_CLASSIFICATION),
        ({"title": STRING, "context": STRING, "question": STRING, "answers": ANSWERS}, TaskKind.QUESTION_ANSWERING),
        ({"ctx": STRING, "endings": STRINGS, "label": STRING}, TaskKind.MULTIPLE_CHOICE),
        ({"text": STRING, "choices": STRINGS, "label": NUMBER}, TaskKind.MULTIPLE_CHOICE),
        ({"sentence": STRING, "option1": STRING, "option2": STRING, "answer": STRING}, TaskKind.MULTIPLE_CHOICE),
        ({"document": STRING, "summary": STRING, "all_summaries": STRINGS}, TaskKind.EXTRACTIVE_SUMMARIZATION),
        ({"text": STRING, "summary": STRING, "title": STRING}, TaskKind.EXTRACTIVE_SUMMARIZATION),
        ({"text": STRING, "book": STRING}, TaskKind.MASKED_LM),
    ],
)  # fmt: skip
def test_columns_that_leave_no_doubt_tell_the_kind(columns, kind):
    """Prevents a kind that must be named although the columns say it, and a pair that is read as one text."""
    assert infer(columns) is kind


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ({"text": STRING, "label": NUMBER, "score": FLOAT}, r"text-classification \(label, text\); regression"),
        ({"document": STRING, "summary": STRING, "label": NUMBER}, "text-classification .*; extractive-summarization"),
        ({"text": STRING, "tokens": STRINGS, "ner_tags": NUMBERS, "label": NUMBER}, "text-class.*; token-class"),
        ({"title": STRING, "body": STRING}, "those of none"),
    ],
)
def test_columns_that_leave_doubt_are_refused_with_all_kinds(columns, names):
    """Prevents hours spent on a task that nobody asked for; a label that cannot be read is no reason for masked LM."""
    with pytest.raises(ValueError, match=f"expected columns of one kind of task, got {names}.*name the kind out of"):
        infer(columns)


@pytest.mark.parametrize(
    "answer",
    [
        {"Label": STRING},
        {" label": STRING},
        {"stars": NUMBER},
        {"coarse_label": ClassLabel(6)},
        {"label": {"a": NUMBER}},
        {"spans": List(STRINGS)},
    ],
)
def test_text_beside_a_possible_answer_is_not_raw_text(answer):
    """Prevents a class under an unusual name from being ignored, and its texts from being learnt word by word."""
    with pytest.raises(
        ValueError, match=rf"got text \(text\) beside {[*answer]}, .*the kind `masked-lm`".replace("[", "\\[")
    ):
        infer({"text": STRING, "title": STRING, "id": NUMBER, **answer})
    assert infer({"text": STRING, "title": STRING, "id": NUMBER}) is TaskKind.MASKED_LM


def test_named_columns_rule_out_kinds_without_them():
    """Prevents a doubt that the user has settled by naming a column."""
    columns = {"text": STRING, "label": NUMBER, "score": FLOAT, "gold": NUMBER}
    assert infer(columns, label="label") is TaskKind.TEXT_CLASSIFICATION
    assert infer(columns, score="score") is TaskKind.REGRESSION
    assert infer(columns, label="gold") is TaskKind.TEXT_CLASSIFICATION
    pair = {"a": STRING, "b": STRING, "gold": NUMBER}
    assert infer(pair, text="a", text_pair="b", label="gold") is TaskKind.PAIR_CLASSIFICATION
    assert infer(pair, text="a", label="gold") is TaskKind.TEXT_CLASSIFICATION


def test_embeddings_are_told_by_nothing():
    """Prevents a similarity data set from being read as anything but what its scores say."""
    assert infer({"sentence1": STRING, "sentence2": STRING, "score": FLOAT}) is not TaskKind.SENTENCE_EMBEDDING
