"""Tests of one task of a multi-task distillation."""

import json
import shutil
from pathlib import Path

import pytest

from hf_tinybert import TinyBertForMultiTask, TinyBertModel
from hf_tinybert.distillation.terms import Term
from hf_tinybert.workflow import MultiTaskSettings
from hf_tinybert.workflow.model_folder import load_config, load_tokenizer
from hf_tinybert.workflow.multitask_parts import read_part
from hf_tinybert.workflow.student_start import student_config

SHARED = {"layers": 2, "width": 16, "heads": 4, "units": 40, "max_length": 32, "preflight": False}


@pytest.fixture
def read(data_of, teacher_of):
    """`read(**changes)`: the settings of two tasks, and the part of the second, which `changes` describe."""

    def make(**changes):
        news = {"data": data_of("text-classification"), "teacher": teacher_of("text-classification")}
        things = {"data": data_of("token-classification"), "teacher": teacher_of("token-classification"), **changes}
        run = MultiTaskSettings(tasks={"news": news, "things": things}, shared=SHARED)
        tokenizer = load_tokenizer(news["teacher"])
        return run, read_part("things", run, tokenizer, tokenizer, 16)

    return make


def _student(run, part):
    config = student_config(run.of_task("news"), load_config(run.of_task("news").teacher))
    return TinyBertForMultiTask.from_encoder(TinyBertModel(config), {part.name: part.spec})


@pytest.mark.parametrize("teacher", ["own", None])
def test_a_part_has_the_head_and_the_teacher_of_its_task(read, tmp_path, teacher):
    """Prevents a head of another task's tags, and a task that is learnt from the first one's teacher."""
    run, part = read() if teacher else read(teacher=None)
    student, arguments = _student(run, part), run.of_task("news").arguments(tmp_path, "loss")
    assert part.spec == {"kind": "token-classification", "id2label": {0: "O", 1: "B-thing", 2: "I-thing"}}
    part.load_teacher(student, arguments)
    assert (part.teacher is not None, part.answers) == (bool(teacher), bool(teacher))
    terms = {term for one in part.objectives(student, arguments).values() for term in one.weights}
    assert (Term.LABEL in terms) == (teacher is None)
    task = part.distillation_task(load_tokenizer(run.of_task("news").teacher), None)
    assert (task.teacher, task.main_metric, task.full_score) == (part.teacher, part.data.task.main_metric, 1.0)


def test_a_teacher_of_another_vocabulary_is_named(read, teacher_of, tmp_path):
    """Prevents one teacher from reading the ids of another one's words."""
    other = shutil.copytree(teacher_of("token-classification"), tmp_path / "other")
    file = Path(other, "tokenizer.json")
    file.write_text(file.read_text().replace('"film"', '"movie"'))
    with pytest.raises(ValueError, match="another one of the teacher of `things` than of `news`"):
        read(teacher=str(other))


def test_rows_that_its_teacher_has_learnt_are_told(read, data_of, teacher_of, tmp_path, caplog):
    """Prevents scores on rows of which a teacher has learnt four fifths, of a task that is not the first."""
    data = tmp_path / "things.jsonl"
    shutil.copyfile(Path(data_of("token-classification"), "train.jsonl"), data)
    teacher = shutil.copytree(teacher_of("token-classification"), tmp_path / "teacher")
    run = json.loads(Path(teacher, "run.json").read_text())
    run["settings"] |= {"data": str(data), "seed": 1}
    Path(teacher, "run.json").write_text(json.dumps(run))
    read(data=str(data), teacher=str(teacher))[1].warn_of_learnt_rows()
    assert [said for said in caplog.messages if "was trained on what seed 1 leaves" in said]
