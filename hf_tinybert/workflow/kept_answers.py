"""What student and teacher answered to validation rows, kept in the student's folder: nobody has to ask them again."""

import gzip
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from datasets import Dataset

from hf_tinybert.data.kinds.definition import Prediction
from hf_tinybert.data.tasks import Task
from hf_tinybert.workflow.model_contents import stored_weights_sha256
from hf_tinybert.workflow.task_data import drawn
from hf_tinybert.workflow.teacher_source import TeacherSource

ANSWERS_FILE = "answers.json.gz"
"""JSON, compressed. It may hold words of the data, and is not published."""
KEPT_SPLIT = "validation"
KEPT_ROWS = 1000
"""Of a larger split so many are kept, drawn by the seed: the rows that `hf-tinybert report` compares by default."""
_FORM = 1
_MOST_BYTES = 2**26  # of the JSON
NOT_COMPARED = frozenset({"embedding", "embedding_pair", "scores"})
"""What of an answer is not scored or compared, and takes the most bytes: a number for each class or dimension."""


@dataclass(frozen=True)
class KeptAnswers:
    """The answers of one or both models to the same rows of one task.

    Attributes:
        rows: of `rows_sha256`.
        weights: of `stored_weights_sha256`, by `student` and `teacher`.
        predictions: by the same, one per row, without embeddings and scores of single classes.
    """

    rows: str
    weights: Mapping[str, str | None] = field(default_factory=dict)
    predictions: Mapping[str, list[Prediction]] = field(default_factory=dict)


def keep_answers(
    folder: Path,
    model: str,
    answers: Sequence[Prediction],
    *,
    rows: Dataset,
    task: Task,
    seed: int,
    weights: str | Path | TeacherSource,
    name: str | None = None,
) -> None:
    """Put the answers of a model beside those of the other, in one step; what was kept of other rows is dropped.

    Answers of more than 64 MiB are not kept.

    Args:
        folder: of the student.
        model: `student` or `teacher`.
        answers: one per row.
        rows: of `KEPT_SPLIT`, raw; of more than `KEPT_ROWS` so many are drawn.
        task: of both models.
        seed: of masks, and of the rows that are drawn.
        weights: folder or Hub name of the model, or several of them.
        name: of the task, of a multi-task student.
    """
    places = list(range(len(rows))) if len(rows) <= KEPT_ROWS else drawn(len(rows), KEPT_ROWS, seed)
    asked = rows_sha256(rows.select(places), task, seed)
    kept = _read(folder)
    before = kept.get(name or "")
    own = before if before is not None and before.rows == asked else KeptAnswers(asked)
    slim = [{key: value for key, value in answers[place].items() if key not in NOT_COMPARED} for place in places]
    kept[name or ""] = KeptAnswers(
        asked, {**own.weights, model: stored_weights_sha256(weights)}, {**own.predictions, model: slim}
    )
    content = {"form": _FORM, "answers": {name: asdict(one) for name, one in kept.items()}}
    told = json.dumps(content, ensure_ascii=False).encode()
    if len(told) > _MOST_BYTES:
        return
    temporary = folder / f"{ANSWERS_FILE}.partial"
    temporary.write_bytes(gzip.compress(told, mtime=0))
    os.replace(temporary, folder / ANSWERS_FILE)


def read_answers(folder: Path, name: str | None = None) -> KeptAnswers | None:
    """What a folder keeps of a task; None where that is nothing, or a file that cannot be read: it can be had anew.

    Args:
        folder: of the student.
        name: of the task, of a multi-task student.
    """
    return _read(folder).get(name or "")


def rows_sha256(rows: Dataset, task: Task, seed: int) -> str:
    """A hash of raw rows and of how they are asked: labels, lengths, and the seed of hidden words.

    Args:
        rows: in order.
        task: of the models.
        seed: of masks.
    """
    columns = sorted(rows.column_names)
    asked = {
        "features": {name: str(rows.features[name]) for name in columns},
        "rows": {name: rows[name][:] for name in columns},
        "task": asdict(task.settings),
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(asked, ensure_ascii=False, sort_keys=True, default=str).encode()).hexdigest()


def _read(folder: Path) -> dict[str, KeptAnswers]:
    try:
        with gzip.open(folder / ANSWERS_FILE) as file:  # of a stranger's folder it may unfold without end
            told = file.read(_MOST_BYTES + 1)
        content: dict[str, Any] = json.loads(told[:_MOST_BYTES])
        if content["form"] != _FORM:
            return {}
        return {str(name): KeptAnswers(**one) for name, one in content["answers"].items()}
    except (OSError, EOFError, ValueError, TypeError, KeyError, AttributeError):
        return {}


__all__ = [
    "ANSWERS_FILE",
    "KEPT_ROWS",
    "KEPT_SPLIT",
    "NOT_COMPARED",
    "KeptAnswers",
    "keep_answers",
    "read_answers",
    "rows_sha256",
]
