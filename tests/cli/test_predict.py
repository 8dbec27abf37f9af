"""Tests of `hf-tinybert predict`."""

import json
from pathlib import Path

from hf_tinybert import workflow

LABELS = {"business", "culture", "sport"}


def _lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_a_text_gives_one_line(run_cli, student):
    """Prevents notices among the answers."""
    done = run_cli("predict", student, "the film is good")
    assert done.exit_code == 0, done.output
    (answer,) = _lines(done.stdout)
    assert answer["label"] in LABELS and set(answer["scores"]) == LABELS


def test_standard_input_is_answered_line_by_line(run_cli, student):
    """Prevents a pipe from ending at its first line."""
    done = run_cli("predict", student, input="the film is good\na goal today\nthe market falls\n")
    assert [answer["label"] in LABELS for answer in _lines(done.stdout)] == [True] * 3


def test_a_file_is_answered_into_a_file(run_cli, student, news, tmp_path):
    """Prevents answers that are fewer than the rows, or in another order."""
    output = tmp_path / "answers.jsonl"
    done = run_cli("predict", student, f"{news}/test.jsonl", "--column", "text=body", "--output", output)
    assert done.exit_code == 0 and done.stdout == ""
    answers = _lines(output.read_text())
    first = _lines(Path(news, "test.jsonl").read_text())[0]["body"]
    (alone,) = _lines(run_cli("predict", student, first).stdout)
    assert len(answers) == 12 and answers[0]["label"] == alone["label"]


def test_a_bad_row_is_an_error_with_its_number(run_cli, student):
    """Prevents a row that is left out silently."""
    rows = '{"text": "a goal"}\n{"text": 3}\n{"text": "a film"}\n'
    done = run_cli("predict", student, input=rows)
    assert done.exit_code == 2 and "row 2" in done.stderr and len(_lines(done.stdout)) == 1
    skipped = run_cli("predict", student, "--skip-bad-rows", input=rows)
    assert skipped.exit_code == 0
    first, bad, last = _lines(skipped.stdout)
    assert first["label"] in LABELS and "row 2" in bad["error"] and last["label"] in LABELS


def test_a_mistyped_file_is_not_classified(run_cli, student):
    """Prevents an answer about the name of a file."""
    done = run_cli("predict", student, "reviews.jsonl")
    assert done.exit_code == 2 and "`reviews.jsonl`" in done.stderr and done.stdout == ""


def test_a_mistake_leaves_earlier_answers_alone(run_cli, student, tmp_path):
    """Prevents a file of answers from being emptied by a mistyped name, or a first row that is refused."""
    output = tmp_path / "answers.jsonl"
    output.write_text("kept")
    for place, said in ((tmp_path, "got the folder"), (tmp_path / "nowhere" / "answers.jsonl", "folder there is not")):
        done = run_cli("predict", student, "a goal", "--output", place)
        assert done.exit_code == 2 and said in done.stderr and "Errno" not in done.stderr
    for mistake in ([tmp_path / "nowhere", "a goal"], [student, "reviews.jsonl"], [student, "a goal", "--task", "x"]):
        assert run_cli("predict", *mistake, "--output", output).exit_code == 2
    assert run_cli("predict", student, "--output", output, input='{"text": 3}\n').exit_code == 2
    assert output.read_text() == "kept"


def test_a_reader_that_has_enough_is_no_error(first_of_many_answers):
    """Prevents a traceback after `| head -1`."""
    assert json.loads(first_of_many_answers.stdout)["label"] in LABELS
    assert "Traceback" not in first_of_many_answers.stderr and "predict" not in first_of_many_answers.stderr


def test_the_file_of_the_rows_is_not_written_over(run_cli, student, tmp_path):
    """Prevents rows from being lost because their file is named twice."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "a goal"}\n')
    done = run_cli("predict", student, rows, "--output", tmp_path / "." / "rows.jsonl")
    assert done.exit_code == 2 and "the rows would be lost" in " ".join(done.stderr.split())
    assert rows.read_text() == '{"text": "a goal"}\n'


def test_a_batch_without_rows_is_refused(run_cli, student):
    """Prevents a traceback, and answers that are left out."""
    for size in (0, -2):
        done = run_cli("predict", student, "a goal", "--batch-size", size)
        assert done.exit_code == 2 and f"`batch_size` of at least 1, got {size}" in " ".join(done.stderr.split())


def test_answers_are_in_the_file_as_soon_as_they_are_known(run_cli, tmp_path, monkeypatch):
    """Prevents the first answers from waiting for hundreds more, with nothing to see of a run that takes hours."""
    output = tmp_path / "answers.jsonl"
    seen: list[int] = []

    def answers(*arguments, **options):
        for number in range(3):
            seen.append(len(output.read_text().splitlines()) if output.exists() else 0)
            yield {"label": number}

    monkeypatch.setattr(workflow, "predict", answers)
    assert run_cli("predict", "student", "a text", "--output", output).exit_code == 0
    assert seen == [0, 1, 2] and len(_lines(output.read_text())) == 3
