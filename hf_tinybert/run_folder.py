"""The output folder of a run in stages: claimed once, finished stages kept, another run's folder refused."""

import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

RUN_FILE = "run.json"
OF_NO_CONSEQUENCE = frozenset(
    {"augment_words.batch_size", "cache_dir", "cache_max_gb", "checkpoint_steps", "preflight"}
)
"""Settings that decide what a run takes or looks at beforehand, and nothing about its result."""
_LOCK_FILE = f"{RUN_FILE}.lock"


class RunFolder:
    """A folder that belongs to one run with one set of settings.

    `run.json` holds the settings and the figures of every finished stage. It is replaced in one step, so that a
    process killed at any moment leaves it readable, and the next one goes on with the first unfinished stage.

    Args:
        path: the folder; made if it does not exist.
        settings: of the run, JSON values only; those `OF_NO_CONSEQUENCE` may differ from those that it began with.

    Attributes:
        is_new: whether the run began with this object; an earlier one may have left stages and checkpoints otherwise.

    Raises:
        ValueError: the folder holds something else, or a run with other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self._file = path / RUN_FILE
        self.is_new = not self._file.is_file()
        self._made = not path.exists()
        self._state: dict[str, Any] = {"settings": dict(settings), "stages": {}}
        if self._file.is_file():
            self._state = self._read(settings)
        else:
            check_free(path)
            path.mkdir(parents=True, exist_ok=True)
            self._write()

    @property
    def settings(self) -> dict[str, Any]:
        """Those with which the run began; those of now are of the same consequence, in another order perhaps."""
        return dict(self._state["settings"])

    def finished(self, stage: str) -> dict[str, Any] | None:
        """The figures of a finished stage, or None."""
        figures = self._state["stages"].get(stage)
        return None if figures is None else dict(figures)

    def finish(self, stage: str, figures: Mapping[str, Any]) -> None:
        """Keep a stage's figures; from here on it is not run again."""
        self._state["stages"][stage] = dict(figures)
        self._write()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For `with`: no other process works in the folder meanwhile; a killed process holds it no longer.

        Raises:
            ValueError: another process works in it.
        """
        lock = FileLock(self.path / _LOCK_FILE)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise ValueError(
                f"expected no other process at work in `{self.path}`, got one; because both would write the same "
                "files; wait until it has ended, or name another folder"
            ) from None
        try:
            yield
        finally:
            with suppress(OSError):  # Windows keeps the name of an open file
                (self.path / _LOCK_FILE).unlink()
            lock.release()

    def give_back(self, written: Iterable[str]) -> None:
        """Leave the folder to another run, whatever its settings: this one was refused before it had learnt anything.

        Args:
            written: names of files and folders in it that this run has written; nothing else goes.
        """
        for name in (*written, RUN_FILE, _LOCK_FILE):
            path = self.path / name
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):  # not there, or open, of which Windows keeps the name
                    path.unlink()
        if self._made and not any(self.path.iterdir()):
            self.path.rmdir()

    def _read(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        recorded = read_settings(self.path)
        different = ", ".join(differences(recorded, settings))
        if different:
            raise ValueError(
                f"expected a run with the same settings in `{self.path}`, got {different}; because finished "
                "stages of both would be mixed with new ones; name another folder, repeat its settings, or remove it"
            )
        state: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
        return state

    def _write(self) -> None:
        temporary = self._file.with_suffix(".json.partial")
        temporary.write_text(json.dumps(self._state, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(temporary, self._file)


def read_settings(path: Path) -> dict[str, Any]:
    """The settings with which the run in a folder began.

    Args:
        path: of a run.

    Raises:
        FileNotFoundError: there is no run.
        ValueError: its file is of something else.
    """
    file = path / RUN_FILE
    try:
        return dict(json.loads(file.read_text(encoding="utf-8"))["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"expected the settings of a run in `{file}`, got something else ({error}); name another folder"
        ) from error


def differences(there: Mapping[str, Any], now: Mapping[str, Any], within: str = "") -> Iterator[str]:
    """Every setting of consequence that differs, in words; of mappings on both sides what differs in them alone.

    Args:
        there: settings with which a run began.
        now: settings of a call.
        within: what stands before their names.
    """
    for name in sorted(there.keys() | now.keys()):
        one, other = there.get(name), now.get(name)
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from differences(one, other, f"{within}{name}.")
        elif one != other and (isinstance(one or other, Mapping) or not {name, within + name} & OF_NO_CONSEQUENCE):
            yield f"{within}{name}: {one!r} there, {other!r} now"


def check_free(path: Path) -> None:
    """Refuses a folder that holds anything but a run.

    Args:
        path: of a run; it need not exist.

    Raises:
        ValueError: the folder holds something else.
    """
    if not path.exists() or (path / RUN_FILE).is_file():
        return
    # another process of the run may be writing `run.json`, or was killed while it did
    if not path.is_dir() or any(not file.name.startswith(RUN_FILE) for file in path.iterdir()):
        raise ValueError(
            f"expected a new or empty folder or an unfinished run, got `{path}`, which holds something else; "
            "because nothing of yours is overwritten; name another folder"
        )


@contextmanager
def claim_folder(path: Path, settings: Mapping[str, Any], *, leads: bool) -> Iterator[RunFolder]:
    """For `with`: the folder of a run that one or several processes work on, and processes of no other run.

    The first process claims it, and the others wait until it has.

    Args:
        path: the folder, on a disk that all processes see.
        settings: as of `RunFolder`.
        leads: whether this process is the first of them, or the only one. The others must not finish a stage.

    Raises:
        ValueError: the folder holds something else, a run with other settings, or one that another process works on.
    """
    if not leads:
        wait_for_stage(path)
        yield RunFolder(path, settings)
        return
    folder = RunFolder(path, settings)
    with folder.alone():
        yield folder


def wait_for_stage(path: Path, stage: str | None = None, seconds: float = 1.0) -> dict[str, Any]:
    """The figures of a stage that another process finishes, as soon as it has.

    It looks at the folder, because a stage may take hours and collectives of torch give up after minutes. Where the
    other process fails, it is the launcher of both that ends this one.

    Args:
        path: the folder of the run, on a disk that both processes see.
        stage: None waits until the folder is claimed, and gives nothing.
        seconds: between two looks.
    """
    file = path / RUN_FILE
    while True:
        if file.is_file():
            stages = json.loads(file.read_text(encoding="utf-8"))["stages"]
            if stage is None or stage in stages:
                return dict(stages.get(stage, {}))
        time.sleep(seconds)
