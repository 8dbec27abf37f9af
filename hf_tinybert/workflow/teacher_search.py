"""Where the teacher of a student folder lies, as far as the folder tells: for whatever sets the two side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedModel

from hf_tinybert.distillation.frozen_weights import weights_sha256
from hf_tinybert.distillation.record import RECORD_FILE, public_name
from hf_tinybert.models.checkpoint_folder import read_json
from hf_tinybert.models.exported_runtime import ExportedRuntime
from hf_tinybert.run_folder import RUN_FILE
from hf_tinybert.workflow.figures import FIGURES_FILE
from hf_tinybert.workflow.model_folder import answering_config, heads_of, load_model_folder, stored_folder
from hf_tinybert.workflow.teacher_source import TeacherSource

_QUICKSTART_NAME = "teacher"  # beside the student, in the output of `hf-tinybert quickstart`
_HUB_PARTS = 2
UNUSABLE = (ValueError, TypeError, OSError, ModuleNotFoundError, StrictDataclassError)
"""What a folder that holds no usable teacher is refused with."""


@dataclass(frozen=True)
class RecordedTeacher:
    """What a student folder says of the teacher of one task.

    Attributes:
        name: Hub name, or last part of a folder; None where nothing is told.
        task: of a multi-task teacher, the head that taught.
        sha256: of its weights; None where it is not told.
        folders: that exist on this machine and may hold it, the likeliest first; none of several.
        hub_name: that the run or the record names; None where it is a folder, or several are.
        joined: each of several teachers that taught as one; empty where one model did.
        weights: of these in the mean; None for equal ones.
    """

    name: str | None
    task: str | None
    sha256: str | None
    folders: tuple[Path, ...]
    hub_name: str | None = None
    joined: "tuple[RecordedTeacher, ...]" = ()
    weights: tuple[float, ...] | None = None

    def head(self, tasks: Any, task: str | None) -> str | None:  # noqa: ANN401 (of a configuration)
        """The head that taught a task, of a model with several; None of a model with one.

        Args:
            tasks: of the teacher's configuration.
            task: of the student, which a teacher of several tasks may have under the same name.
        """
        return None if not tasks else self.task if self.task in tasks else task

    def unlike(self, teacher: PreTrainedModel | ExportedRuntime, name: str) -> str:
        """A sentence where a teacher's weights are not those that taught; of a graph they cannot be compared."""
        if self.sha256 is None or not isinstance(teacher, PreTrainedModel) or weights_sha256(teacher) == self.sha256:
            return ""
        return f"{public_name(name)} is another teacher than the one that this student was distilled from."


def recorded_teacher(student: str | Path, task: str | None = None) -> RecordedTeacher:
    """What `run.json` (or `figures.json`) and `distillation.json` of a student tell of its teacher, and its folders.

    The folder that the run read comes first, then one of its name beside the student, then `teacher` beside the
    student, as the quickstart writes it. Nothing is downloaded.

    Args:
        student: folder; of a Hub name nothing is known.
        task: of a multi-task student.

    Raises:
        ValueError: one of the files is damaged.
    """
    folder = Path(student)
    record, run = _content(folder / RECORD_FILE), _content(folder / RUN_FILE) or _content(folder / FIGURES_FILE)
    settings = run.get("settings") or {}
    told = (record.get("tasks") or {}).get(task) or {} if task else record
    own = (settings.get("tasks") or {}).get(task) or {} if task else settings
    of_run = own.get("teacher")
    if isinstance(of_run, list) or (told.get("ensemble") or {}).get("teachers"):
        return _recorded_joined(folder, own, told)
    return _recorded(folder, of_run, told.get("teacher"), own.get("teacher_task"), told.get("teacher_sha256"))


def _recorded(
    folder: Path, of_run: str | None, of_record: str | None, head: str | None, sha256: str | None
) -> RecordedTeacher:
    name = of_run or of_record
    if not name:
        return RecordedTeacher(None, None, None, ())
    found = dict.fromkeys(one.resolve() for one in _places(folder, of_run, of_record))
    here = tuple(one for one in found if one.is_dir() and one != folder.resolve())
    return RecordedTeacher(public_name(str(name)), head, sha256, here, _hub_name(str(name)))


def _recorded_joined(folder: Path, own: Mapping[str, Any], told: Mapping[str, Any]) -> RecordedTeacher:
    """Of several that taught as one; a student that was moved without its `run.json` has their record alone."""
    recorded = list((told.get("ensemble") or {}).get("teachers") or ())
    names = own["teacher"] if isinstance(own.get("teacher"), list) else [None] * len(recorded)
    head, weights = own.get("teacher_task"), own.get("teacher_weights") or [one.get("weight", 1.0) for one in recorded]
    joined = tuple(
        _recorded(folder, name, one.get("teacher"), head, one.get("teacher_sha256"))
        for name, one in zip(names, recorded or [{}] * len(names), strict=True)
    )
    told_name = " + ".join(str(one.name) for one in joined)
    return RecordedTeacher(told_name, head, told.get("teacher_sha256"), (), None, joined, tuple(weights) or None)


def teachers_at_hand(recorded: RecordedTeacher, task: str | None = None, kind: str | None = None) -> Iterator[Path]:
    """The folders that hold a teacher by name, and those of another name with the very weights that taught.

    Args:
        recorded: of the student.
        task: of a multi-task student.
        kind: of its task, for a teacher that does not say it.
    """
    for folder in recorded.folders:
        if folder.name == Path(str(recorded.name)).name or _taught(folder, recorded, task, kind):
            yield folder


def find_teacher(recorded: RecordedTeacher, task: str | None = None, kind: str | None = None) -> TeacherSource | None:
    """The first of `teachers_at_hand`, else the Hub name that the student's folder tells; None where neither is.

    Args:
        recorded: of the student.
        task: of a multi-task student.
        kind: of its task.

    Returns:
        Of several that taught as one all of them, or None where one of them is not found.
    """
    if recorded.joined:
        found = [find_teacher(one, task, kind) for one in recorded.joined]
        names = tuple(dict.fromkeys(one.first for one in found if one is not None))
        return TeacherSource(names, recorded.weights) if len(names) == len(found) else None
    at_hand = next(teachers_at_hand(recorded, task, kind), None)
    name = recorded.hub_name if at_hand is None else str(at_hand)
    return None if name is None else TeacherSource((name,))


def named_teacher(given: str | Sequence[str], recorded: RecordedTeacher) -> TeacherSource:
    """Where the teacher lies that a person named, or the several that taught as one, in the order of the run.

    Args:
        given: folders or Hub names; as many as the student was taught by have the weights that they had then.
        recorded: of the student.

    Raises:
        ValueError: no name, or one twice.
    """
    names = (given,) if isinstance(given, str) else tuple(given)
    all_of_them = len(names) == len(recorded.joined)
    return TeacherSource(names, recorded.weights if all_of_them else None)


def _taught(folder: Path, recorded: RecordedTeacher, task: str | None, kind: str | None) -> bool:
    if recorded.sha256 is None:
        return False
    try:
        several = heads_of(answering_config(str(folder)))
        head = recorded.head(several, task)
        teacher = load_model_folder(folder, task=head, kind=None if several else kind).model
    except UNUSABLE:
        return False
    return isinstance(teacher, PreTrainedModel) and not recorded.unlike(teacher, str(folder))


def _hub_name(name: str) -> str | None:
    """A name like owner/model, or a short one that is in the local cache: any other short one may be a folder's."""
    parts = Path(name).parts
    if Path(name).is_absolute() or Path(name).exists() or name.startswith(".") or len(parts) > _HUB_PARTS:
        return None
    return name if len(parts) == _HUB_PARTS or stored_folder(name) is not None else None


def _places(student: Path, of_run: str | None, of_record: str | None) -> Iterator[Path]:
    beside = student.resolve().parent
    if of_run:
        yield Path(of_run)
    for name in (of_run, of_record):
        if name:
            yield beside / Path(name).name
    yield beside / _QUICKSTART_NAME


def _content(file: Path) -> dict[str, Any]:
    return read_json(file) if file.is_file() else {}


__all__ = [
    "UNUSABLE",
    "RecordedTeacher",
    "find_teacher",
    "named_teacher",
    "recorded_teacher",
    "teachers_at_hand",
]
