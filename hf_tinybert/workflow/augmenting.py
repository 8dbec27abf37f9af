"""More training rows on disk, in parts, for a teacher to label."""

import logging
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset
from numpy.typing import NDArray

from hf_tinybert.data.augmentation import Augmenter
from hf_tinybert.data.raw_text import describe_sources
from hf_tinybert.data.sources import TaskData
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.run_folder import RUN_FILE, RunFolder, claim_folder, differences, read_settings
from hf_tinybert.workflow.augment_settings import PARTS_SUFFIX, AugmentSettings
from hf_tinybert.workflow.augmentation_parts import AugmentedParts, Part
from hf_tinybert.workflow.augmentation_sources import choose_vectors, make_augmenter, make_reader
from hf_tinybert.workflow.model_contents import read_files_sha256, stored_weights_sha256
from hf_tinybert.workflow.row_fingerprint import fingerprint
from hf_tinybert.workflow.task_data import drawn, read_data, sample

logger = logging.getLogger(__name__)

_STAGE = "augment"
_ROWS_PER_PART = 256
_MOST_UNCHANGED = 0.5
_CHANGE_NO_ROW = ("batch_size", "num_proc")


def augment(settings: AugmentSettings, output: Path, display: ProgressDisplay) -> dict[str, Any]:
    """Make new rows of training rows, for `distill --unlabeled`, where the teacher labels them.

    Rows are written in parts in the folder `<output>.parts`, and put together at the end. Interrupted, the same call
    goes on after the last whole part; finished, it gives the figures again: for that `run.json`, with settings and
    figures, stays in the folder, and nothing else. By it a distillation knows variants of rows that it holds out, see
    `warn_of_variants`. Who wants none of this may delete the folder.

    Args:
        settings: what to do.
        output: JSON lines file of the new rows.
        display: where progress is shown.

    Returns:
        Rows read and made, words and how many of them have candidates, rows that gave none, seconds.

    Raises:
        ValueError: unusable data or settings, a file that is there already, or no row that can change.
        FileNotFoundError: no such data, model or file.

    Source: TinyBERT (arXiv 1909.10351), section 4.2.
    """
    return _Augmentation(settings, output, display).run()


class _Augmentation:
    """One run: what can be refused is refused before a file is written."""

    def __init__(self, settings: AugmentSettings, output: Path, display: ProgressDisplay) -> None:
        self.settings, self.output, self.display = settings, output, display
        self.folder = output.with_name(output.name + PARTS_SUFFIX)
        if output.suffix.lower() != ".jsonl":
            raise ValueError(
                f"expected an output file that ends in `.jsonl`, got `{output}`; because JSON lines are written; "
                "rename it"
            )
        if output.exists() and not (self.folder / RUN_FILE).is_file():
            raise ValueError(
                f"expected a new file, got `{output}`, which is there; because nothing of yours is overwritten; name "
                "another"
            )
        gold = settings.keep_labels
        data = read_data(settings.data, settings.kind, settings.columns, settings.seed, needs_gold=gold)
        self.rows, numbers = _training_rows(data, settings)
        make_reader(settings, data.kind)
        vectors = choose_vectors(settings)
        self.parts = AugmentedParts(self.folder, settings, data.kind, vectors, self.rows.features, numbers)
        self.starts = range(0, len(self.rows), _ROWS_PER_PART)

    def run(self) -> dict[str, Any]:
        """Write the parts that are not there, and put all together."""
        identity = {**self.settings.to_json(), "vectors": self.parts.vectors, "rows": fingerprint(self.rows)}
        identity["words"] = self._words_of_files()
        for name in _CHANGE_NO_ROW:
            del identity[name]
        if (self.folder / RUN_FILE).is_file():
            there = read_settings(self.folder)
            self._check_same(there, identity)
            identity["words"] = there.get("words", identity["words"])  # an earlier version hashed fewer files
            finished = RunFolder(self.folder, identity).finished(_STAGE)
            if finished is not None and self.output.is_file():
                self.parts.remove(len(self.starts))
                self.display.line("  finished before")
                return finished
        start = time.perf_counter()
        augmenter = self._augmenter()
        with claim_folder(self.folder, identity, leads=True) as folder:
            with self._given_back_if_refused(folder):
                self._write_parts(augmenter)
            counts = self.parts.counts(len(self.starts))
            self._check(counts)
            self.parts.join(len(self.starts), self.output)
            figures = {
                "kind": str(self.parts.kind),
                "vectors": self.parts.vectors,
                **counts,
                "seconds": round(time.perf_counter() - start, 1),
                "settings": self.settings.to_json(),
            }
            folder.finish(_STAGE, figures)
            self.parts.remove(len(self.starts))
        return figures

    def _check_same(self, there: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Refuse to go on with other settings, or with another content under the same names."""
        contents = ("rows", "words")
        before, own = ({name: one[name] for name in one if name not in contents} for one in (there, now))
        told = ", ".join(differences(before, own))
        if not told:
            known = there.get("words", {})
            changed = [name for name, content in now["words"].items() if known.get(name, content) != content]
            changed += [self.settings.data] if there.get("rows") != now["rows"] else []
            told = f"another content of {', '.join(f'`{name}`' for name in changed)}" if changed else ""
        if told:
            raise ValueError(
                f"expected what `{self.output}` was begun with, got {told}; because rows of both would be mixed; name "
                f"another file, or remove this one and `{self.folder}`"
            )

    @contextmanager
    def _given_back_if_refused(self, folder: RunFolder) -> Iterator[None]:
        """Within it, an error before the first whole part leaves no folder: the next call may name other words."""
        try:
            yield
        except Exception:
            if folder.is_new and not any(map(self.parts.is_whole, range(len(self.starts)))):
                shutil.rmtree(self.folder)
            raise

    def _words_of_files(self) -> dict[str, str | None]:
        """Hashes of the files and folders that words and stop words come from, by name: others may lie there."""
        names = self.settings.origins
        found: dict[str, str | None] = {}
        for name in names:
            if Path(name).is_file():
                found |= {name: describe_sources([name])[0]}
            elif Path(name).is_dir():
                found |= {**read_files_sha256(name), name: stored_weights_sha256(name)}
        return found

    def _missing(self) -> list[int]:
        return [number for number in range(len(self.starts)) if not self.parts.is_whole(number)]

    def _augmenter(self) -> Augmenter | None:
        """What reads vectors and models, or finds them wrong; None where several processes read their own."""
        with self.display.bar("reading vectors and models"):
            augmenter = make_augmenter(self.settings, self.parts.kind, self.parts.vectors)
        return augmenter if min(self.settings.num_proc, len(self._missing())) <= 1 else None

    def _write_parts(self, augmenter: Augmenter | None) -> None:
        missing = self._missing()
        with self.display.bar("augmenting", total=len(self.rows)) as bar:
            bar.show(min((len(self.starts) - len(missing)) * _ROWS_PER_PART, len(self.rows)), len(self.rows))
            parts = (self._part(number) for number in missing)
            if augmenter is None:
                written = self.parts.write_in_processes(parts, min(self.settings.num_proc, len(missing)))
            else:
                written = self.parts.write(parts, augmenter)
            for rows in written:
                bar.advance(rows)

    def _part(self, number: int) -> Part:
        first = self.starts[number]
        return number, first, self.rows.select(range(first, min(first + _ROWS_PER_PART, len(self.rows)))).to_list()

    def _check(self, counts: Counter[str]) -> None:
        """Refuse what changed nothing, and warn of what changed little."""
        said = (
            f"{counts['unchanged_rows']:,} of {counts['rows']:,} rows unchanged, {counts['words_with_candidates']:,} "
            f"of {counts['words']:,} words that are no stop words have candidates ({self.parts.vectors})"
        )
        if not counts["new_rows"]:
            shutil.rmtree(self.folder)
            raise ValueError(
                f"expected rows that can change, got {said}; because only words with candidates are replaced; name "
                "vectors or a masked language model of the data's language, and its stop words"
            )
        if counts["unchanged_rows"] > _MOST_UNCHANGED * counts["rows"]:
            logger.warning("The augmentation changes little: %s. Are vectors and stop words of its language?", said)


def _training_rows(data: TaskData, settings: AugmentSettings) -> tuple[Dataset, NDArray[np.int64]]:
    """The rows to augment, and the number of each in the training split of the data."""
    rows = data.splits["train"]
    numbers = np.arange(len(rows)) if data.train_numbers is None else data.train_numbers
    if settings.train_rows is not None and settings.train_rows < len(rows):
        numbers = numbers[drawn(len(rows), settings.train_rows, settings.seed)]
    return sample(rows, settings.train_rows, settings.seed), numbers


__all__ = ["augment"]
