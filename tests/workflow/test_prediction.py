"""Tests of prediction: in order, whole, and one bad row at a time."""

import json
from dataclasses import replace

import pytest
import torch

from hf_tinybert.workflow import load_model_folder, predict
from hf_tinybert.workflow.inference import Inference


@pytest.fixture(scope="module")
def classifier(student_of):
    """A loaded student."""
    return load_model_folder(student_of("text-classification")[0])


def test_answers_come_in_the_order_of_the_rows(classifier, sentences):
    """Prevents the order of lengths, in which batches are made, from becoming the order of the answers."""
    texts = [" ".join([sentence] * (1 + index % 4)) for index, sentence in enumerate(sentences)] * 3
    together = list(predict(classifier, texts, batch_size=5))
    alone = [next(predict(classifier, [text])) for text in texts[:24]]
    assert [answer["label"] for answer in together] == [answer["label"] for answer in alone] * 3
    assert [one["score"] for one in together[:24]] == pytest.approx([one["score"] for one in alone], abs=1e-5)


def test_rows_are_read_as_they_are_needed(classifier):
    """Prevents a large input from being held in memory, or an endless one from having no answer."""
    read = 0

    def endless():
        nonlocal read
        while True:
            read += 1
            yield "the film is good"

    answers = predict(classifier, endless(), batch_size=4)
    assert next(answers)["label"] in ("business", "culture", "sport")
    assert read <= 5


def test_a_bad_row_stops_after_the_answers_before_it(classifier):
    """Prevents a row that is left out silently, and answers that are lost with it."""
    answers = predict(classifier, ['{"text": "a goal"}', '{"text": ""}', '{"text": "a film"}'])
    assert next(answers)["label"]
    with pytest.raises(ValueError, match="row 2.*empty"):
        next(answers)


def test_a_bad_row_has_its_error_in_its_place_if_asked(classifier):
    """Prevents answers that move up into the place of a bad row."""
    rows = ['{"text": "a goal"}', "{broken", '{"text": "a film"}']
    first, bad, last = predict(classifier, rows, skip_bad_rows=True)
    assert first["label"] and last["label"]
    assert list(bad) == ["error"] and "row 2" in bad["error"]


@pytest.mark.parametrize("skips", [True, False])
def test_a_row_that_only_its_kind_refuses_is_found(classifier, monkeypatch, skips):
    """Prevents one row from taking the others with it, or from being misnumbered."""
    original = Inference.predict

    def refusing(self, rows):
        if any("match" in text for text in rows["text"]):
            raise ValueError("no matches here")
        return original(self, rows)

    monkeypatch.setattr(Inference, "predict", refusing)
    answers = predict(classifier, ["a goal", "the match", "a film"], skip_bad_rows=skips)
    assert next(answers)["label"]
    if skips:
        bad, last = answers
        assert bad == {"error": "row 2: no matches here"} and last["label"]
    else:
        with pytest.raises(ValueError, match="row 2: no matches"):
            next(answers)


def test_no_rows_are_no_answers(classifier):
    """Prevents an empty file from being an error."""
    assert list(predict(classifier, [])) == []


def test_long_contexts_are_read_in_windows(student_of):
    """Prevents an answer behind the first window from being out of reach."""
    folder = load_model_folder(student_of("question-answering")[0])
    task = folder.task.with_settings(max_length=16, stride=4)
    torch.manual_seed(0)
    context = " ".join(["the film is slow"] * 12)
    row = json.dumps({"question": "what", "context": context})
    (answer,) = predict(replace(folder, task=task), [row])
    assert answer["answer"] == context[answer["start"] : answer["end"]] or answer["answer"] == ""


def test_an_unknown_head_of_a_one_task_model_is_refused(student_of):
    """Prevents an answer of another head than was asked for."""
    with pytest.raises(ValueError, match="one head"):
        predict(student_of("text-classification")[0], "a goal", task="ner")


def test_one_refused_row_does_not_send_the_others_alone(classifier, monkeypatch):
    """Prevents a file with a bad row in every thousand from being answered in batches of one."""
    asked: list[int] = []
    original = Inference.predict

    def refusing(self, rows):
        asked.append(len(rows))
        if "match" in rows["text"][:]:
            raise ValueError("no matches here")
        return original(self, rows)

    monkeypatch.setattr(Inference, "predict", refusing)
    texts = ["a goal"] * 64
    texts[37] = "match"
    answers = list(predict(classifier, texts, batch_size=64, skip_bad_rows=True))
    assert [number for number, answer in enumerate(answers) if "error" in answer] == [37]
    assert answers[37] == {"error": "row 38: no matches here"} and len(answers) == 64
    assert len(asked) <= 1 + 2 * 6


def test_a_refusal_of_the_kind_names_one_row(student_of):
    """Prevents a message with two numbers of rows, of which one is that of a batch."""
    rows = [{"text": "a", "choices": ["b", "c"]}, {"text": "a", "choices": ["b"]}]
    good, bad = predict(student_of("multiple-choice")[0], rows, skip_bad_rows=True)
    assert good["choice"] in (0, 1)
    assert bad["error"].startswith("row 2: expected at least two choices, got 1; because")
