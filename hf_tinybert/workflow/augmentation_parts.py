"""New rows in parts on disk, each written whole or not at all, by this process or by several."""

import json
import os
import shutil
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import ClassLabel, Features, List
from numpy.typing import NDArray

from hf_tinybert.data.augmentation import COPY, SOURCE_ROW, Augmenter
from hf_tinybert.data.tasks import KINDS, TaskKind
from hf_tinybert.worker_processes import worker_processes
from hf_tinybert.workflow.augment_settings import AugmentSettings
from hf_tinybert.workflow.augmentation_sources import ALIGNED_COLUMNS, make_augmenter

Row = dict[str, Any]
Part = tuple[int, int, Sequence[Row]]
"""Its number, the place of its first row among those that are augmented, and its rows."""


@dataclass(frozen=True)
class AugmentedParts:
    """The files of the parts, and how they are written.

    Attributes:
        folder: that holds them.
        settings: of the augmentation.
        kind: of the rows.
        vectors: what `choose_vectors` gave.
        features: of the rows.
        numbers: of each row, in the training split of the data: what `source_row` says, `(rows,)`.
    """

    folder: Path
    settings: AugmentSettings
    kind: TaskKind
    vectors: str
    features: Features
    numbers: NDArray[np.int64]

    def is_whole(self, number: int) -> bool:
        """Whether a part is on disk."""
        return self._figures_file(number).is_file()

    def write(self, parts: Iterable[Part], augmenter: Augmenter) -> Iterator[int]:
        """Writes parts one after the other; gives the number of rows read of each when it is whole."""
        for number, first, rows in parts:
            self._write_part(number, first, rows, augmenter)
            yield len(rows)

    def write_in_processes(self, parts: Iterable[Part], processes: int) -> Iterator[int]:
        """As `write`, by several processes, each of which reads vectors and models for itself."""
        threads = max(1, torch.get_num_threads() // processes)
        waiting: deque[Future[int]] = deque()
        with worker_processes(processes, __name__, _start_process, self, threads) as pool:
            for part in parts:
                waiting.append(pool.submit(_write_in_process, part))
                if len(waiting) > 2 * processes:  # the rows of all parts need not be held at once
                    yield waiting.popleft().result()
            for written in waiting:
                yield written.result()

    def counts(self, parts: int) -> Counter[str]:
        """The counts of so many parts together."""
        counts: Counter[str] = Counter()
        for number in range(parts):
            counts.update(json.loads(self._figures_file(number).read_text(encoding="utf-8")))
        return counts

    def join(self, parts: int, output: Path) -> None:
        """Puts the rows together, whole or not at all."""
        partial = output.with_name(output.name + ".partial")
        with partial.open("wb") as joined:
            for number in range(parts):
                with self._rows_file(number).open("rb") as stream:
                    shutil.copyfileobj(stream, joined)
        os.replace(partial, output)

    def remove(self, parts: int) -> None:
        """Deletes the files of the parts, those that are still there of a call that was killed while it did."""
        for number in range(parts):
            self._rows_file(number).unlink(missing_ok=True)
            self._figures_file(number).unlink(missing_ok=True)

    def _write_part(self, number: int, first: int, rows: Sequence[Row], augmenter: Augmenter) -> None:
        """New rows, and then their counts: a part that has them is whole."""
        augmenter.counts.clear()
        file = self._rows_file(number)
        partial = file.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as stream:
            for row in augmenter.new_rows(rows, first):
                stream.write(json.dumps(self._written(row), ensure_ascii=False) + "\n")
        os.replace(partial, file)
        partial.write_text(json.dumps(augmenter.counts), encoding="utf-8")
        os.replace(partial, self._figures_file(number))

    def _written(self, row: Row) -> Row:
        """A row under the column names of the data, so that one `--column` serves both."""
        gold = KINDS[self.kind].label_columns
        left_out = set() if self.settings.keep_labels else set(gold) - ALIGNED_COLUMNS
        kept = {name: value for name, value in row.items() if name not in left_out}
        if self.kind is TaskKind.QUESTION_ANSWERING:
            kept["id"] = f"{row['id']}-{row[COPY]}"
        kept[SOURCE_ROW] = int(self.numbers[row[SOURCE_ROW]])
        columns = self.settings.columns
        return {columns.get(name, name): _named(self.features, name, value) for name, value in kept.items()}

    def _rows_file(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.jsonl"

    def _figures_file(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.json"


_own: dict[str, tuple[AugmentedParts, Augmenter]] = {}
"""Of a process that writes parts."""


def _start_process(parts: AugmentedParts, threads: int) -> None:
    torch.set_num_threads(threads)
    _own["parts"] = parts, make_augmenter(parts.settings, parts.kind, parts.vectors)


def _write_in_process(part: Part) -> int:
    parts, augmenter = _own["parts"]
    (rows,) = parts.write([part], augmenter)
    return rows


def _named(features: Mapping[str, Any], name: str, value: Any) -> Any:  # noqa: ANN401 (a cell of a row)
    """Class names in the place of ids."""
    feature = features.get(name)
    if isinstance(feature, ClassLabel):
        return None if value is None else feature.int2str(value)
    if isinstance(feature, List) and isinstance(feature.feature, ClassLabel):
        return [feature.feature.int2str(one) for one in value]
    return value


__all__ = ["AugmentedParts", "Part"]
