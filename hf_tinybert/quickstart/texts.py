"""The texts of a quickstart: the packaged news or the user's own, as many rows as wanted."""

from datasets import Dataset, DatasetDict

from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.packages import packaged_bbc_news
from hf_tinybert.data.sources import load_task_data
from hf_tinybert.quickstart.settings import QuickstartSettings


def load_texts(settings: QuickstartSettings) -> DatasetDict:
    """Splits `train`, `validation` and `test` with the columns `text` and `label`.

    Args:
        settings: which texts, and how many rows of them.

    Raises:
        ValueError: unusable data.
        FileNotFoundError: no such data set.
        ModuleNotFoundError: the packages of the `quickstart` extra are not installed.
    """
    return DatasetDict(
        {
            name: _first(split, settings.train_rows if name == "train" else settings.held_out_rows)
            for name, split in _all_rows(settings).items()
        }
    )


def _all_rows(settings: QuickstartSettings) -> DatasetDict:
    if settings.dataset is None:
        return packaged_bbc_news()
    data = load_task_data(settings.dataset, TaskKind.TEXT_CLASSIFICATION, columns=settings.columns, seed=settings.seed)
    return data.splits


def _first(split: Dataset, rows: int | None) -> Dataset:
    return split if rows is None else split.select(range(min(rows, len(split))))


__all__ = ["load_texts"]
