"""Tests of the progress display."""

import io
import logging

import transformers
from datasets.utils.logging import enable_progress_bar
from rich.console import Console
from transformers import BertForSequenceClassification, Trainer, TrainerControl, TrainerState, TrainingArguments

from hf_tinybert.progress import ProgressDisplay, TrainingProgress, quiet_libraries, show_progress


def _display() -> tuple[ProgressDisplay, io.StringIO]:
    text = io.StringIO()
    return ProgressDisplay(Console(file=text, width=100)), text


def test_a_bar_leaves_one_line_with_its_seconds_in_a_log_file():
    """Prevents a CI log without a word of what takes the time, or with thousands of redrawn bars."""
    display, text = _display()
    with display.bar("reading", total=3) as bar:
        bar.advance()
    lines = [line for line in text.getvalue().splitlines() if line.strip()]
    assert len(lines) == 1
    assert "reading" in lines[0] and lines[0].rstrip().endswith("s")


def test_names_in_brackets_stand_in_the_line_as_they_are():
    """Prevents a task or folder called `[v2]` from vanishing, and one called `[/old]` from ending the run."""
    display, text = _display()
    with display.bar("scoring: [v2]/teacher, [/old]"):
        pass
    assert "scoring: [v2]/teacher, [/old]" in text.getvalue()


def test_tracking_gives_every_item_once():
    """Prevents a bar that swallows or repeats work."""
    display, _ = _display()
    assert list(display.track([1, 2, 3], 3, "counting")) == [1, 2, 3]


def test_a_display_knows_that_training_has_begun_when_the_bar_is_gone(tmp_path):
    """Prevents a script from correcting its options where the run itself failed, hours later."""
    display, _ = _display()
    with display.bar("distilling") as bar:
        assert not display.training_has_begun
        TrainingProgress(bar).on_train_begin(TrainingArguments(str(tmp_path)), TrainerState(), TrainerControl())
        assert display.training_has_begun
    assert display.training_has_begun


class _Recorder:
    def __init__(self):
        self.shown = []

    def show(self, done, total):
        self.shown.append((done, total))

    def training_begins(self):
        self.began = True


def test_training_moves_the_bar_by_optimizer_steps(tmp_path):
    """Prevents a bar that stands still during the longest work."""
    recorder = _Recorder()
    state = TrainerState(global_step=4, max_steps=10)
    TrainingProgress(recorder).on_step_end(TrainingArguments(str(tmp_path)), state, TrainerControl())
    assert recorder.shown == [(4, 10)]


def test_predicting_moves_the_bar_by_batches(tmp_path):
    """Prevents a bar that stands still during evaluation."""
    recorder = _Recorder()
    callback = TrainingProgress(recorder)
    for _ in range(2):
        callback.on_prediction_step(
            TrainingArguments(str(tmp_path)), TrainerState(), TrainerControl(), eval_dataloader=[0, 0, 0]
        )
    assert recorder.shown == [(1, 3), (2, 3)]


def test_every_evaluation_counts_anew(tmp_path):
    """Prevents a bar that runs past its end at the second evaluation of a training."""
    recorder, arguments = _Recorder(), TrainingArguments(str(tmp_path))
    callback = TrainingProgress(recorder)
    for _ in range(2):
        for _ in range(3):
            callback.on_prediction_step(arguments, TrainerState(), TrainerControl(), eval_dataloader=[0, 0, 0])
        callback.on_evaluate(arguments, TrainerState(), TrainerControl())
    assert recorder.shown == [(1, 3), (2, 3), (3, 3)] * 2


def test_the_trainer_prints_nothing_beside_the_bar(tmp_path, tiny_teacher_config, capsys):
    """Prevents dictionaries of losses between the bars."""
    trainer = Trainer(
        BertForSequenceClassification(tiny_teacher_config),
        TrainingArguments(str(tmp_path), disable_tqdm=True, report_to="none", use_cpu=True),
    )
    show_progress(trainer, _Recorder())
    capsys.readouterr()  # what DeepSpeed says when the first Trainer of a process is made
    trainer.log({"loss": 1.0})
    assert capsys.readouterr().out == ""
    assert any(isinstance(callback, TrainingProgress) for callback in trainer.callback_handler.callbacks)


def test_libraries_are_quiet_and_this_package_warns():
    """Prevents loading bars among the figures, and warnings that nobody sees."""
    before = transformers.utils.logging.get_verbosity()
    try:
        quiet_libraries()
        assert transformers.utils.logging.get_verbosity() == transformers.utils.logging.ERROR
        assert logging.getLogger("hf_tinybert").isEnabledFor(logging.WARNING)
        deepspeed = logging.getLogger("DeepSpeed")
        records = [deepspeed.makeRecord("DeepSpeed", level, "", 0, "", (), None) for level in (30, 40)]
        assert [bool(deepspeed.filter(record)) for record in records] == [False, True]
    finally:
        transformers.utils.logging.set_verbosity(before)
        transformers.utils.logging.enable_progress_bar()
        enable_progress_bar()
        logging.getLogger("hf_tinybert").setLevel(logging.NOTSET)
