"""The rows on which student and teacher of a folder are compared, as the folder's run had them; no model is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_tinybert.data.kinds.definition import Prediction
from hf_tinybert.data.tasks import Task
from hf_tinybert.hub.model_facts import ModelFacts
from hf_tinybert.report.report_settings import ReportSettings
from hf_tinybert.workflow.kept_answers import KEPT_SPLIT, read_answers, rows_sha256
from hf_tinybert.workflow.model_contents import stored_weights_sha256
from hf_tinybert.workflow.model_folder import load_task
from hf_tinybert.workflow.task_data import check_labels, read_data, sample
from hf_tinybert.workflow.teacher_search import find_teacher, named_teacher, recorded_teacher
from hf_tinybert.workflow.teacher_source import TeacherSource

MODELS = ("student", "teacher")


@dataclass(frozen=True)
class ComparedRows:
    """What both models are asked, and whose answers count.

    Attributes:
        task: of both models.
        rows: raw.
        split: that they are of.
        seed: of hidden tokens, in masked LM.
        teacher: where it lies, or the several that taught as one; None where there is none.
        name: of the task, of a multi-task folder; None of another.
        fingerprints: hashes of `rows`, of the weights of `student` and `teacher`; None of a teacher that is not here.
    """

    task: Task
    rows: Dataset
    split: str
    seed: int
    teacher: TeacherSource | None
    name: str | None
    fingerprints: Mapping[str, str | None]

    def fit(self, known: Mapping[str, str | None]) -> bool:
        """Whether what was found with other hashes was found of these rows and models.

        Args:
            known: hashes by name; a teacher that is not here is taken for the one that answered then.
        """
        told = {name: value for name, value in self.fingerprints.items() if value is not None}
        return bool(known) and all(known.get(name) == value for name, value in told.items())

    def kept_answers(self, folder: Path) -> list[list[Prediction]] | None:
        """What a student's folder keeps of both models' answers to these rows; None where it does not."""
        kept = read_answers(folder, self.name)
        if kept is None or not self.fit({"rows": kept.rows, **kept.weights}) or set(kept.predictions) != set(MODELS):
            return None
        return [kept.predictions[model] for model in MODELS]


def load_rows(settings: ReportSettings, facts: ModelFacts, name: str | None = None) -> ComparedRows:
    """Read the rows of one task, and find out what would answer them.

    Args:
        settings: what was asked for; what they leave open is taken from the run.
        facts: of the folder.
        name: of the task, of a multi-task folder.

    Raises:
        ValueError: a task that the folder does not have, no data or data with other labels, a split that is not there.
        FileNotFoundError: the data are not where the run had them, or a teacher that was named is nowhere.
    """
    run = _of_run(facts, name)
    data = settings.data or run.get("data")
    if data is None:
        raise ValueError(
            "expected rows on which student and teacher are compared, got none; because the folder does not say what "
            "it was trained on; name them by `--data`"
        )
    task, seed = load_task(settings.folder, task=name, kind=facts.kind), int(run.get("seed", 0))
    loaded = read_data(data, str(task.kind), settings.columns or run.get("columns") or {}, seed, needs_gold=False)
    check_labels(loaded, task)
    task = task.of_data(loaded.splits)
    if settings.split not in loaded.splits:
        raise ValueError(f"expected a split out of {', '.join(loaded.splits)}, got `{settings.split}`")
    rows = loaded.splits[settings.split]
    if settings.data is None and settings.split == KEPT_SPLIT:  # the rows that chose the best epoch
        rows = sample(rows, run.get("validation_rows"), seed)
    rows = sample(rows, settings.rows, seed)
    recorded = recorded_teacher(settings.folder, name)
    given = settings.teacher
    teacher = named_teacher(given, recorded) if given else find_teacher(recorded, name, str(task.kind))
    fingerprints = {
        "rows": rows_sha256(rows, task, seed),
        "student": stored_weights_sha256(settings.folder),
        "teacher": None if teacher is None else stored_weights_sha256(teacher),
    }
    if given and fingerprints["teacher"] is None:
        fingerprints["teacher"] = f"of {given}"  # which answered nothing yet
    return ComparedRows(task, rows, settings.split, seed, teacher, name, fingerprints)


def _of_run(facts: ModelFacts, name: str | None) -> Mapping[str, Any]:
    """The settings of the run; of several tasks those of one. Of a trimming, whose texts are no rows, none."""
    figures = facts.figures or {}
    told: dict[str, Any] = {} if "pieces" in figures else dict(figures.get("settings") or {})
    tasks = told.get("tasks")
    if not isinstance(tasks, Mapping):
        return told
    own = {key: value for key, value in (tasks.get(name) or {}).items() if value is not None}
    return {**(told.get("shared") or {}), **own}


__all__ = ["MODELS", "ComparedRows", "load_rows"]
