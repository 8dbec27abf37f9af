"""Training rows in other words in every epoch, as the settings of a distillation say."""

import os
import shutil
from functools import partial
from pathlib import Path

from datasets import Dataset, load_from_disk
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.augmentation import CandidateFinder, FreshVariants
from hf_tinybert.data.tasks import Task
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow.augmentation_sources import choose_vectors, make_finder, make_reader
from hf_tinybert.workflow.distil_settings import AugmentMode, DistilSettings
from hf_tinybert.workflow.word_settings import WordSettings

CANDIDATES_FOLDER = "candidates"


class FreshRows:
    """The rows of a run and where their words come from; what can be refused is refused when it is made.

    Args:
        settings: of the run.
        words: of the variants.
        task: of the rows.
        rows: raw.
        tokenizer: of the student.
        folder: where the candidates are kept for a run that goes on.

    Raises:
        ValueError: unusable vectors, model, stop words or segmenter.
        OSError: no such model or file.
        ModuleNotFoundError: the segmenter is not installed.
    """

    def __init__(
        self,
        settings: DistilSettings,
        words: WordSettings,
        task: Task,
        rows: Dataset,
        tokenizer: PreTrainedTokenizerBase,
        folder: Path,
    ) -> None:
        self._settings, self._words, self._rows = settings, words, rows
        self._encode = partial(task.encode, tokenizer=tokenizer)
        self._reader = make_reader(words, task.kind)
        self._kept = folder / CANDIDATES_FOLDER
        self._finder: CandidateFinder | None = None
        if not self._kept.is_dir():
            self._finder = make_finder(words, choose_vectors(words))

    def variants(self, display: ProgressDisplay) -> FreshVariants:
        """The data set to train on; its candidates are found once.

        Args:
            display: where progress is shown.

        Raises:
            ValueError: no row can change.
        """
        if self._finder is not None:
            self._find(self._finder, display)
            self._finder = None  # models and vectors are needed no more
        return FreshVariants(
            self._rows,
            load_from_disk(self._kept),
            self._encode,
            reader=self._reader,
            replacement=self._words.replacement_of(copies=1, seed=self._settings.seed),
            beside_rows=self._settings.augment == AugmentMode.JOIN,
        )

    def _find(self, finder: CandidateFinder, display: ProgressDisplay) -> None:
        with display.bar("finding words for variants", total=len(self._rows)) as bar:
            found = finder.find_all(self._rows, self._reader, bar.advance)
        unfinished = self._kept.with_name(f"{self._kept.name}.partial")
        shutil.rmtree(unfinished, ignore_errors=True)
        found.save_to_disk(unfinished)
        os.replace(unfinished, self._kept)


__all__ = ["CANDIDATES_FOLDER", "FreshRows"]
