"""Where the teacher of a student folder lies on this machine, as far as the folder tells."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_tinybert.distillation.record import RECORD_FILE, public_name
from hf_tinybert.models.checkpoint_folder import read_json
from hf_tinybert.run_folder import RUN_FILE

_QUICKSTART_NAME = "teacher"  # beside the student, in the output of `hf-tinybert quickstart`


@dataclass(frozen=True)
class RecordedTeacher:
    """What a student folder says of the teacher of one task.

    Attributes:
        name: Hub name, or last part of a folder; None where nothing is told.
        task: of a multi-task teacher, the head that taught.
        sha256: of its weights; None where it is not told.
        folders: that exist on this machine and may hold it, the likeliest first.
    """

    name: str | None
    task: str | None
    sha256: str | None
    folders: tuple[Path, ...]


def recorded_teacher(student: str | Path, task: str | None = None) -> RecordedTeacher:
    """What `run.json` and `distillation.json` of a student tell of its teacher, and the folders it may lie in.

    The folder that the run read comes first, then one of its name beside the student, then `teacher` beside the
    student, as the quickstart writes it. Nothing is downloaded.

    Args:
        student: folder; of a Hub name nothing is known.
        task: of a multi-task student.

    Raises:
        ValueError: one of the files is damaged.
    """
    folder = Path(student)
    record, settings = _content(folder / RECORD_FILE), _content(folder / RUN_FILE).get("settings") or {}
    told = (record.get("tasks") or {}).get(task) or {} if task else record
    own = (settings.get("tasks") or {}).get(task) or {} if task else settings
    name = own.get("teacher") or told.get("teacher")
    if not name:
        return RecordedTeacher(None, None, None, ())
    found = dict.fromkeys(one.resolve() for one in _places(folder, own.get("teacher"), told.get("teacher")))
    here = tuple(one for one in found if one.is_dir() and one != folder.resolve())
    return RecordedTeacher(public_name(str(name)), own.get("teacher_task"), told.get("teacher_sha256"), here)


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


__all__ = ["RecordedTeacher", "recorded_teacher"]
