"""Training rows that are made of other words in every epoch, while training runs.

Source: TinyBERT (arXiv 1909.10351), section 4.2, whose variants are written once; here the candidates are found once,
and what is drawn of them is new in every pass.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import Dataset as ItemDataset

from hf_tinybert.data import kinds
from hf_tinybert.data.augmentation.candidates import Candidates, candidates_of
from hf_tinybert.data.augmentation.passages import Passage, PassageReader, Row, replaced_row
from hf_tinybert.data.augmentation.replacement import Replacement
from hf_tinybert.data.kinds.definition import ROW_NUMBER
from hf_tinybert.data.length_grouping import row_lengths

__all__ = ["FreshVariants"]

_PHASE, _EPOCH = 0, 1
_TRIED = 32  # rows


class FreshVariants(ItemDataset[dict[str, Any]]):
    """A data set for `DistillationTrainer(train_dataset=...)`: each row in words that change from epoch to epoch.

    What stands for a row depends on the seed, the number of the row, the epoch and the phase of the distillation, and
    on nothing else: neither on the batch, nor on how many processes or workers read it, nor on an interruption. The
    teacher says what a variant means, so that its outputs cannot be kept on disk. A variant is encoded like the row
    that it stands for: tags stay with their words and answers are found where they moved to, while a class or a number
    may not be right any more, which no term may read then.

    A row whose text is cut into windows has as many places in an epoch as it has windows itself. They hold the windows
    of one variant, the last of them twice where it has fewer; where it has more, the rest is left out in that epoch.

    `DistillationTrainer` says which epoch it is. Another loop calls `set_epoch` before it reads an epoch: the stock
    Trainer does so on one process alone.

    Args:
        rows: raw, with standard columns.
        candidates: of these rows, see `CandidateFinder.find_all`.
        encode: raw rows to encoded rows that have a `row_number`, as `Task.encode` with its tokenizer; it can be
            pickled where worker processes are started anew.
        reader: of the rows, the one of the candidates.
        replacement: probability and seed; it draws one copy.
        beside_rows: whether the rows themselves are read too, in every epoch, so that it has twice the rows.

    Attributes:
        encoded: the rows themselves, encoded.
        column_names: of what is read.
        lengths: of each item, tokens; of a variant the length of what it stands for, which is near to its own.

    Raises:
        ValueError: If there is no row, the candidates are of other rows or of another reader, or `encode` numbers no
            rows.
    """

    def __init__(
        self,
        rows: Dataset,
        candidates: Dataset,
        encode: Callable[[Dataset], Dataset],
        *,
        reader: PassageReader,
        replacement: Replacement,
        beside_rows: bool = False,
    ) -> None:
        if not len(rows) or len(rows) != len(candidates):
            raise ValueError(
                f"expected rows and the candidates of each, got {len(rows)} rows and the candidates of "
                f"{len(candidates)}; because words of one row are none of another; find them for these rows."
            )
        self._rows, self._candidates, self._encode = rows, candidates, encode
        self._reader, self._replacement = reader, replacement
        self.encoded = encode(rows)
        if ROW_NUMBER not in self.encoded.column_names:
            raise ValueError(
                f"expected encoded rows with `{ROW_NUMBER}`, got {self.encoded.column_names}; because a variant takes "
                "the place of its row; encode by `Task.encode`, or add the position of the raw row."
            )
        self._places = _places(self.encoded[ROW_NUMBER][:])
        self._unchanged = len(self.encoded) if beside_rows else 0
        # in shared memory: worker processes that outlive an epoch see the next one
        self._now = torch.zeros(2, dtype=torch.int64).share_memory_()
        self._variants(range(min(_TRIED, len(rows))))  # what does not go together is refused before training

    @property
    def column_names(self) -> list[str]:
        """Of what is read."""
        return list(self.encoded.column_names)

    @property
    def lengths(self) -> list[int] | None:
        """Of each item, tokens; None where `encode` gives no `input_ids`."""
        known = row_lengths(self.encoded)
        return known + known if known is not None and self._unchanged else known

    def set_epoch(self, epoch: int) -> None:
        """Have the variants of an epoch, counted from 0; whoever trains calls it on every process."""
        self._now[_EPOCH] = epoch

    def set_phase(self, phase: int) -> None:
        """Have the variants of a phase of several, counted from 0: each has its own."""
        self._now[_PHASE] = phase

    def __len__(self) -> int:
        """Number of items of an epoch."""
        return self._unchanged + len(self._places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Gives an encoded row."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[dict[str, Any]]:
        """Gives encoded rows; a data loader asks for those of a batch at once."""
        varied = sorted({self._places[index - self._unchanged][0] for index in indices if index >= self._unchanged})
        windows = dict(zip(varied, self._variants(varied), strict=True))
        items = []
        for index in indices:
            if index < self._unchanged:
                items.append(self.encoded[index])
            else:
                row, window = self._places[index - self._unchanged]
                items.append(windows[row][min(window, len(windows[row]) - 1)])
        return items

    def _variants(self, numbers: Sequence[int]) -> list[list[dict[str, Any]]]:
        """The encoded windows of a variant of each row."""
        if not numbers:
            return []
        phase, epoch = self._now.tolist()
        new = []
        for number, row, candidates in zip(
            numbers, self._raw(numbers), candidates_of(self._candidates, numbers), strict=True
        ):
            passages = self._reader.read(row)
            self._check_words(passages, candidates)
            # the file of `Augmenter` has keys of two numbers: a third of 0 would give its draws
            replaced = [
                self._replacement.draw(passage, known, (number, index, 1 + epoch, phase), copies=1)[0]
                for index, (passage, known) in enumerate(zip(passages, candidates, strict=True))
            ]
            new.append(replaced_row(row, passages, replaced))
        windows: list[list[dict[str, Any]]] = [[] for _ in numbers]
        with _told_before():
            encoded = self._encode(Dataset.from_list(new, features=self._rows.features))
        for item in encoded.to_list():
            position = item[ROW_NUMBER]
            windows[position].append({**item, ROW_NUMBER: numbers[position]})
        return windows

    def _check_words(self, passages: Sequence[Passage], candidates: Candidates) -> None:
        words, known = [len(passage.words) for passage in passages], [len(one) for one in candidates]
        if words != known:
            raise ValueError(
                f"expected candidates of {words} words in the texts of a row, got those of {known}; because they were "
                "found with other stop words, another segmenter or for other rows; give the reader that they were "
                "found with, or find them again."
            )

    def _raw(self, numbers: Sequence[int]) -> list[Row]:
        columns = self._rows[list(numbers)]
        return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


@contextmanager
def _told_before() -> Iterator[None]:
    """What an encoding warns of was said of the rows themselves, and not every batch says it again."""
    logger = logging.getLogger(kinds.__name__)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _places(row_numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Of each encoded row: the number of its raw row, and which of that row's windows it is."""
    seen: dict[int, int] = {}
    places = []
    for number in row_numbers:
        places.append((number, seen.get(number, 0)))
        seen[number] = places[-1][1] + 1
    return places
