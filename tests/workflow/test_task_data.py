"""Tests of rows made ready for a run."""

import json
from dataclasses import replace

import pytest
from datasets import Dataset, DatasetDict
from transformers import (
    AutoConfig,
    AutoTokenizer,
    LongformerConfig,
    MPNetConfig,
    RobertaConfig,
    RobertaPreLayerNormConfig,
    T5Config,
)

from hf_tinybert.data.sources import TaskData
from hf_tinybert.data.tasks import Task, TaskKind, TaskSettings
from hf_tinybert.workflow.run_arguments import DataSettings
from hf_tinybert.workflow.task_data import (
    check_labels,
    longest_input,
    prepare_data,
    read_data,
    sample,
    task_kind,
)


@pytest.fixture
def reader(encoder):
    """The tokenizer and the configuration of the tiny encoder, which reads 64 tokens."""
    return AutoTokenizer.from_pretrained(encoder), AutoConfig.from_pretrained(encoder)


def test_lengths_are_the_kinds_own_within_what_the_model_reads(reader, data_of):
    """Prevents positions that the model does not have, and windows without overlap."""
    settings = DataSettings(data=data_of("question-answering"), kind="question-answering")
    task = prepare_data(settings, *reader).task
    assert (task.settings.max_length, task.settings.stride) == (64, 21)


def test_a_length_beyond_the_model_is_refused(reader, data_of):
    """Prevents an index error in the middle of an epoch."""
    with pytest.raises(ValueError, match="at most 64"):
        prepare_data(DataSettings(data=data_of("regression"), kind="regression", max_length=65), *reader)


def test_a_stride_of_texts_that_are_cut_is_refused(reader, data_of):
    """Prevents a long text of which the end is thought to be read."""
    with pytest.raises(ValueError, match="expected no `stride` for regression, got 8; because its texts are cut"):
        prepare_data(DataSettings(data=data_of("regression"), stride=8), *reader)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"summary_sentences": 2},
            "rows of the kind extractive-summarization with `summary_sentences`, got regression",
        ),
        ({"masked_share": 0.3}, "rows of the kind masked-lm with `masked_share`, got regression"),
    ],
)
def test_what_another_kind_reads_is_refused(reader, data_of, given, said):
    """Prevents a setting that is shown with the run and read by nothing."""
    with pytest.raises(ValueError, match=f"expected {said}; because no other kind reads it"):
        prepare_data(DataSettings(data=data_of("regression"), **given), *reader)


def test_a_known_task_keeps_its_labels_and_lengths(reader, data_of):
    """Prevents a student whose classes stand in another order than its teacher's."""
    known = Task(TaskSettings(TaskKind.TEXT_CLASSIFICATION, ("sport", "culture", "business"), max_length=20))
    prepared = prepare_data(DataSettings(data=data_of("text-classification")), *reader, known)
    assert prepared.task.settings == known.settings
    row = prepared.rows["train"][0]
    name = prepared.rows["train"].features["label"].int2str(row["label"])
    assert known.settings.labels[prepared.encoded["train"][0]["labels"]] == name


def test_a_known_task_takes_what_is_given_otherwise(reader, data_of):
    """Prevents `summary_sentences: 2` of a recipe from being shown as a setting of the run and read by nothing."""
    known = Task(TaskSettings(TaskKind.EXTRACTIVE_SUMMARIZATION, max_length=32, summary_sentences=3))
    settings = DataSettings(data=data_of("extractive-summarization"))
    assert prepare_data(settings, *reader, known).task.settings.summary_sentences == 3
    given = replace(settings, summary_sentences=2)
    assert prepare_data(given, *reader, known).task.settings == replace(known.settings, summary_sentences=2)
    words = Task(TaskSettings(TaskKind.MASKED_LM, max_length=32, masked_share=0.2))
    given = DataSettings(data=data_of("masked-lm"), masked_share=0.3)
    assert prepare_data(given, *reader, words).task.settings == replace(words.settings, masked_share=0.3)


def test_unknown_labels_are_refused_by_name():
    """Prevents scores of a model on classes that it does not know."""
    task = Task(TaskSettings(TaskKind.TEXT_CLASSIFICATION, ("a", "b")))
    own = {"a": ("train", 0), "b": ("test", 4)}
    check_labels(TaskData(task.kind, DatasetDict(), ("b", "a"), own), task)
    other = TaskData(task.kind, DatasetDict(), ("a", "c"), {"a": ("train", 0), "c": ("test", 6)})
    with pytest.raises(ValueError, match=r"got `c`, first in row 7 of `test` \(rows count from 1\)"):
        check_labels(other, task)


@pytest.mark.parametrize("known", [None, Task(TaskSettings(TaskKind.QUESTION_ANSWERING, max_length=16))])
@pytest.mark.parametrize("only", [None, "train", "validation"])
def test_questions_without_answers_are_seen_in_the_data(reader, tmp_path, known, only):
    """Prevents a model that must not say "no answer" from being trained, or scored, on questions that have none."""
    row = {"question": "what", "context": "a goal", "answers": {"text": ["goal"], "answer_start": [2]}}
    for split in ("train", "validation", "test"):
        none = {**row, "answers": {"text": [], "answer_start": []}} if only in (None, split) else row
        rows = [{"id": str(place), **one} for place, one in enumerate((none, row))]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    settings = DataSettings(data=str(tmp_path), kind="question-answering", max_length=16)
    assert prepare_data(settings, *reader, known).task.settings.unanswerable


def test_rows_without_gold_answers_are_judged_by_their_loss(reader, tmp_path):
    """Prevents a run on plain texts from failing at its first evaluation."""
    for split in ("train", "validation", "test"):
        (tmp_path / f"{split}.jsonl").write_text('{"text": "a goal"}\n{"text": "a film"}\n')
    prepared = prepare_data(DataSettings(data=str(tmp_path), kind="sentence-embedding"), *reader)
    assert not prepared.has_gold and prepared.best_metric == "loss"


@pytest.mark.parametrize("text", ["the [MASK] of a film", "zzz"])
def test_texts_of_which_nothing_can_be_hidden_are_refused_before_training(reader, tmp_path, text):
    """Prevents a masked-LM run from ending at its first evaluation, an epoch later, for want of a token to compare."""
    texts = {"train": ["a film wins", "the game", "a bank"], "validation": [text], "test": ["a song"]}
    for split, own in texts.items():
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps({"text": one}) + "\n" for one in own))
    with pytest.raises(ValueError, match="tokens to hide in the texts of `validation`, got none in 1 rows"):
        prepare_data(DataSettings(data=str(tmp_path), kind="masked-lm"), *reader)


def test_a_sample_keeps_the_order_of_the_data():
    """Prevents the first rows, which may be sorted by class, from standing for all."""
    rows = Dataset.from_dict({"number": list(range(100))})
    drawn = sample(rows, 10, seed=1)["number"][:]
    assert drawn == sorted(drawn) and drawn != list(range(10)) and drawn == sample(rows, 10, seed=1)["number"][:]
    assert len(sample(rows, 200, seed=1)) == 100


@pytest.mark.parametrize("config_class", [RobertaConfig, MPNetConfig, LongformerConfig, RobertaPreLayerNormConfig])
def test_positions_of_robertas_family_begin_after_its_padding(reader, config_class):
    """Prevents a length that fits BERT and fails in RoBERTa."""
    tokenizer, _ = reader
    tokenizer.model_max_length = 10_000
    assert longest_input(tokenizer, config_class(max_position_embeddings=514, pad_token_id=1)) == 512


def test_a_model_without_positions_reads_what_its_tokenizer_says(reader):
    """Prevents an AttributeError for a T5."""
    tokenizer, _ = reader
    assert longest_input(tokenizer, T5Config()) == tokenizer.model_max_length


def test_a_kind_that_there_is_not_is_refused():
    """Prevents a KeyError for a typing mistake."""
    with pytest.raises(ValueError, match="`sentiment`"):
        task_kind("sentiment")


@pytest.mark.quickstart
def test_the_packaged_news_have_a_name():
    """Prevents examples that need a download."""
    data = read_data("bbc-news", None, {}, seed=0)
    assert data.kind is TaskKind.TEXT_CLASSIFICATION and len(data.labels) == 5 and len(data.splits["test"]) == 400


def test_tags_that_may_come_and_do_not_are_no_reason_to_refuse(reader, tmp_path):
    """Prevents a teacher that was trained on named tags from being refused the same rows as JSON lines."""
    rows = [{"tokens": ["a", f"b{n}"], "tags": ["B-place" if n % 2 else "O", "O"]} for n in range(24)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    known = Task(TaskSettings(TaskKind.TOKEN_CLASSIFICATION, ("B-place", "O"), max_length=16))
    prepared = prepare_data(DataSettings(data=str(tmp_path / "rows.jsonl")), *reader, known)
    assert prepared.task.settings.labels == ("B-place", "O")
    assert {label for row in prepared.encoded["train"]["labels"] for label in row} == {-100, 0, 1}
