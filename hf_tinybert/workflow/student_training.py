"""The training of a student, of one task or several: shown while it runs, gone on with after an interruption."""

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.progress import ProgressDisplay, show_progress
from hf_tinybert.workflow.loss_history import Curves, LossHistory
from hf_tinybert.workflow.model_folder import ready_to_save
from hf_tinybert.workflow.run_arguments import TRAINING_ARGUMENTS_FILE, resumes
from hf_tinybert.workflow.supervised import evaluations


@dataclass(frozen=True)
class StudentTraining:
    """What figures tell of a training, all calls of an interrupted one together.

    Attributes:
        seconds: by phase.
        earlier_seconds: those of earlier calls among them, of all phases.
        curves: of every term, by phase.
        epochs: metrics of every evaluation.
    """

    seconds: dict[str, float]
    earlier_seconds: float
    curves: Curves
    epochs: list[dict[str, float]]


def train_student(
    trainer: DistillationTrainer, output: Path, checkpoints: Path, display: ProgressDisplay
) -> StudentTraining:
    """Train from the last whole checkpoint, if there is one, and save the student.

    Args:
        trainer: of the run, its callbacks not yet added.
        output: folder of the student.
        checkpoints: folder that outlives an interruption.
        display: where progress is shown.
    """
    history = LossHistory(trainer, checkpoints)
    trainer.add_callback(history)
    with display.bar("distilling") as bar:
        show_progress(trainer, bar)
        trainer.train(resume_from_checkpoint=resumes(checkpoints, trainer.args.stages))
    tokenizer, student = trainer.processing_class, trainer.model
    if isinstance(tokenizer, PreTrainedTokenizerBase) and isinstance(student, PreTrainedModel):
        ready_to_save(tokenizer, student.config)
    trainer.save_model(str(output))
    if trainer.args.process_index == 0:  # paths of this machine, no part of a model
        (output / TRAINING_ARGUMENTS_FILE).unlink(missing_ok=True)
    by_phase = {str(phase): round(seconds, 1) for phase, seconds in trainer.phase_seconds.items()}
    earlier = sum(trainer.earlier_phase_seconds.values())
    return StudentTraining(by_phase, earlier, history.curves(), evaluations(trainer))


__all__ = ["StudentTraining", "train_student"]
