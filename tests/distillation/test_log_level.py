"""Tests of `log_level` for the loggers of this package."""

import logging

import pytest
import transformers

from hf_tinybert import DistillationArguments, DistillationTrainer, MultiTaskDistillationTrainer
from hf_tinybert.distillation.log_level import follow_log_level

PACKAGE = logging.getLogger("hf_tinybert")


@pytest.fixture(autouse=True)
def fresh_loggers(monkeypatch):
    """Of this package as a program finds them; what a test changes of them is undone."""
    monkeypatch.setattr(PACKAGE, "handlers", [])
    level, verbosity = PACKAGE.level, transformers.utils.logging.get_verbosity()
    PACKAGE.setLevel(logging.NOTSET)
    yield
    PACKAGE.setLevel(level)
    transformers.utils.logging.set_verbosity(verbosity)  # a Trainer sets it


@pytest.mark.parametrize(
    ("leads", "levels", "expected"),
    [
        (True, {}, logging.NOTSET),
        (True, {"log_level": "info"}, logging.INFO),
        (True, {"log_level": "error", "log_level_replica": "debug"}, logging.ERROR),
        (False, {"log_level": "info"}, logging.WARNING),
        (False, {"log_level_replica": "debug"}, logging.DEBUG),
        (False, {"log_level": "info", "log_level_replica": "passive"}, logging.NOTSET),
    ],
)
def test_each_process_has_the_level_that_the_arguments_give_it(build_arguments, monkeypatch, leads, levels, expected):
    """Prevents every process from telling what one tells, and a level that reaches transformers alone."""
    monkeypatch.setattr(DistillationArguments, "should_log", leads)
    follow_log_level(build_arguments(**levels))
    assert PACKAGE.level == expected


def test_what_is_asked_for_is_seen_once(build_arguments, monkeypatch, capsys):
    """Prevents lines that are let through and go nowhere, and lines twice where a program sets up logging later."""
    with monkeypatch.context() as bare:  # without the handlers of pytest
        bare.setattr(logging.root, "handlers", [])
        for _ in range(2):
            follow_log_level(build_arguments(log_level="info"))
        logging.getLogger("hf_tinybert.distillation").info("seen")
        assert capsys.readouterr().err == "[hf_tinybert] seen\n"
        logging.root.handlers.append(logging.NullHandler())
        logging.getLogger("hf_tinybert.distillation").info("the program's")
        assert capsys.readouterr().err == ""


def test_a_level_that_hides_lines_leaves_the_logging_alone(build_arguments):
    """Prevents a handler in a program that only asked for silence."""
    follow_log_level(build_arguments(log_level="error"))
    assert PACKAGE.handlers == []


@pytest.mark.parametrize(
    ("trainer", "given"),
    [(DistillationTrainer, {"teacher": "no/teacher"}), (MultiTaskDistillationTrainer, {"tasks": {}})],
)
def test_a_trainer_looks_before_it_tells_of_the_models(build_arguments, build_student, trainer, given):
    """Prevents a trainer that does not look at its arguments, or looks when it has warned of a pair."""
    with pytest.raises((ValueError, OSError)):
        trainer(build_student("ForSequenceClassification"), build_arguments(log_level="info"), **given)
    assert PACKAGE.level == logging.INFO


@pytest.mark.parametrize("level", ["info", "passive"])
def test_the_layer_mapping_is_told_once(build_trainer, monkeypatch, capsys, level):
    """Prevents the same table in the log and above the progress bar, and one that nobody sees."""
    with monkeypatch.context() as bare:  # without the handlers of pytest
        bare.setattr(logging.root, "handlers", [])
        trainer = build_trainer({"log_level": level, "disable_tqdm": False, "phases": ["joint"], "max_steps": 1})
        trainer.train()
    told = capsys.readouterr()
    assert (told.out + told.err).count("mapping: ") == 1
