"""The stock Trainer's training rows: their order, what of them is read, and the teacher's outputs beside them."""

from abc import abstractmethod
from collections.abc import Set
from pathlib import Path
from typing import Any

from datasets import Dataset
from torch.utils.data import DataLoader, RandomSampler, Sampler
from transformers.trainer_utils import has_length

from hf_tinybert.data.augmentation import FreshVariants
from hf_tinybert.data.length_grouping import LengthGroupedRows
from hf_tinybert.data.multitask import SingleTaskSteps
from hf_tinybert.distillation.arguments import CacheChoice
from hf_tinybert.distillation.cache import ROW_COLUMN, with_row_ids
from hf_tinybert.distillation.objective_trainer import ONLY_TASK, ObjectiveTrainer
from hf_tinybert.distillation.teacher_outputs import CacheSettings, Collator
from hf_tinybert.distillation.training_rows import MasksWherePadded, grouped_rows

_READERS_OF_BATCHES = ("compute_loss", "training_step")


class RowsTrainer(ObjectiveTrainer):
    """Groups rows of like length, and has the teacher's outputs for them on disk where a cache is asked for.

    Args:
        columns: that the models read.
        **kwargs: of the stock Trainer.
    """

    def __init__(self, columns: Set[str], **kwargs: Any) -> None:  # noqa: ANN401 (the stock Trainer's own)
        self._columns = columns
        super().__init__(**kwargs)
        self._row_order: LengthGroupedRows | SingleTaskSteps | None = None

    def _open_cache(self) -> None:
        """Have the teacher's outputs for the training data on disk before the first step."""
        if self.args.teacher_cache_dir is None:
            return
        self._set_signature_columns_if_needed()
        settings = CacheSettings(
            Path(self.args.teacher_cache_dir),
            self.args.teacher_cache_max_gb,
            CacheChoice(self.args.teacher_cache_contents),
        )
        self._open_caches(settings)

    @abstractmethod
    def _open_caches(self, settings: CacheSettings) -> None:
        """Open the cache of each task that has one, by `_open_cache_of`."""

    def _open_cache_of(
        self, task: str, settings: CacheSettings, rows: object, collator: Collator, teacher_sha256: str
    ) -> None:
        outputs = self._tasks[task].outputs
        if outputs is not None:
            outputs.open_cache(
                settings,
                rows,
                collator,
                columns=self._signature_columns or (),
                weights_sha256=teacher_sha256,
                device=self.args.device,
            )

    def get_train_dataloader(self) -> DataLoader[Any]:
        """As of the stock Trainer; with a cache, the teacher's outputs come in every batch."""
        dataset, collator = self.train_dataset, self.data_collator
        self.train_dataset, made = self._training_rows()
        # a compiled model would be compiled once more for batches without a mask
        whole = self.args.torch_compile or self._hands_batches_on
        self.data_collator = made if whole else MasksWherePadded(made)
        try:
            return super().get_train_dataloader()
        finally:
            self.train_dataset, self.data_collator = dataset, collator

    @property
    def _hands_batches_on(self) -> bool:
        """Whether models or methods of one's own see the batches, and may look for all that the collator makes."""
        own = any(getattr(type(self), name) is not getattr(RowsTrainer, name) for name in _READERS_OF_BATCHES)
        return own or any(task.needs_masks for task in self._tasks.values())

    def _training_rows(self) -> tuple[Any, Any]:
        """Rows and collator of this phase."""
        cached = self._tasks[ONLY_TASK].cached(self.data_collator)
        if cached is None:
            return self.train_dataset, self.data_collator
        return with_row_ids(self.train_dataset), cached

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:  # noqa: ANN401 (as in its base)
        dataset = self.train_dataset if train_dataset is None else train_dataset
        if self.args.train_sampling_strategy != "group_by_length" or not has_length(dataset):
            sampler: Sampler[int] | None = super()._get_train_sampler(train_dataset)
            return sampler
        whole = self.train_dataset  # `dataset` has lost the column of lengths, which no model reads
        rows = whole if isinstance(whole, Dataset) and len(whole) == len(dataset) else dataset
        self._row_order = grouped_rows(rows, self.args, self._train_batch_size)
        return RandomSampler(dataset) if self._row_order is None else self._row_order

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()
        columns = {*(self._signature_columns or ()), *self._columns, ROW_COLUMN}
        self._signature_columns = sorted(columns)  # type: ignore[assignment]  # untyped in transformers

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 (passed through)
        """As of the stock Trainer; rows and their order are those of the epoch."""
        if self._row_order is not None:  # a resumed loader of several processes does not hand it on
            self._row_order.set_epoch(kwargs["epoch"])
        if isinstance(self.train_dataset, FreshVariants):  # nor does a loader with a sampler that has epochs
            self.train_dataset.set_epoch(kwargs["epoch"])
        super()._run_epoch(*args, **kwargs)


__all__ = ["RowsTrainer"]
