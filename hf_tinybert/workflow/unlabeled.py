"""Texts that only the teacher labels."""

import logging
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, concatenate_datasets
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.blank_texts import is_blank
from hf_tinybert.data.held_out import warn_of_repeated_rows
from hf_tinybert.data.tasks import Task, TaskKind
from hf_tinybert.data.text_encoding import check_encoding
from hf_tinybert.workflow.distil_settings import DistilSettings
from hf_tinybert.workflow.row_columns import LINE, Row
from hf_tinybert.workflow.row_reader import BadRow, read_rows
from hf_tinybert.workflow.task_data import PreparedData

logger = logging.getLogger(__name__)

_AT_ONCE = 10_000  # rows that are Python's objects
_PAIR = "text_pair"
_PLAIN = ".txt"
# What stands in the gold columns: it gives the encoded rows the form of labelled ones, which says which tokens have a
# prediction. No term reads it.
_PLACEHOLDERS: Mapping[TaskKind, Callable[[Row], dict[str, Any]]] = {
    TaskKind.TEXT_CLASSIFICATION: lambda row: {"label": 0},
    TaskKind.PAIR_CLASSIFICATION: lambda row: {"label": 0},
    TaskKind.MULTI_LABEL_CLASSIFICATION: lambda row: {"labels": []},
    TaskKind.REGRESSION: lambda row: {"score": 0.0},
    TaskKind.TOKEN_CLASSIFICATION: lambda row: {"tags": [0] * len(row["tokens"])},
    TaskKind.QUESTION_ANSWERING: lambda row: {"answers": _first_character(row["context"])},
    TaskKind.MULTIPLE_CHOICE: lambda row: {"label": 0},
    TaskKind.MASKED_LM: lambda row: {},
    TaskKind.EXTRACTIVE_SUMMARIZATION: lambda row: {"summaries": [row["document"][:200]]},
    TaskKind.SENTENCE_EMBEDDING: lambda row: {"score": 0.0},
}


def _first_character(context: str) -> dict[str, list[Any]]:
    start = len(context) - len(context.lstrip())
    return {"text": [context[start]], "answer_start": [start]}


def training_rows(prepared: PreparedData, settings: DistilSettings, tokenizer: PreTrainedTokenizerBase) -> Dataset:
    """The encoded training rows, and after them those that only the teacher labels.

    A warning tells of texts among the latter that are scored too.

    Args:
        prepared: the data of a run.
        settings: of the run; names the files of unlabelled texts.
        tokenizer: of the model.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a row that cannot be read, or a file without rows.
    """
    labelled, task, more = prepared.encoded["train"], prepared.task, list[Dataset]()
    for file in settings.unlabeled:
        rows = unlabeled_rows(file, task, settings.columns, prepared.rows["train"])
        warn_of_repeated_rows(prepared.rows, task.kind, learnt=rows, name=file)
        more.append(task.encode(rows, tokenizer).cast(labelled.features))
    return concatenate_datasets([labelled, *more]) if more else labelled


def raw_training_rows(prepared: PreparedData, settings: DistilSettings) -> Dataset:
    """The rows of `training_rows` as they were read.

    Args:
        prepared: the data of a run.
        settings: of the run; names the files of unlabelled texts.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a row that cannot be read, or a file without rows.
    """
    labelled = prepared.rows["train"]
    more = [unlabeled_rows(file, prepared.task, settings.columns, labelled) for file in settings.unlabeled]
    return concatenate_datasets([labelled, *more]) if more else labelled


def unlabeled_rows(file: str, task: Task, columns: Mapping[str, str], like: Dataset) -> Dataset:
    """The rows of a file in the form of labelled ones.

    Of a text file, a text a line, blank lines are left out, as they stand between paragraphs; a warning counts them.

    Args:
        file: of an ending that `read_rows` knows.
        task: of the rows.
        columns: standard column -> its name in the file.
        like: labelled rows, whose columns they get.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a row that cannot be read, or a file without rows.
    """
    if not Path(file).is_file():
        raise FileNotFoundError(
            f"expected a file of texts that the teacher labels, got `{file}`; because there is no such file; check "
            "its name, or write a data set of the Hub as JSON lines"
        )
    rows = _read(file, task, columns)
    parts: list[Dataset] = []
    names: list[str] = []
    while part := list(islice(rows, _AT_ONCE)):
        if not parts:  # in all rows, or in none
            _check_pairs(file, task, part[0], like)
        names = names or [name for name in like.column_names if name in part[0]]
        features = Features({name: like.features[name] for name in names})
        parts.append(Dataset.from_dict({name: [row[name] for row in part] for name in names}, features=features))
    if not parts:
        raise ValueError(f"expected texts in `{file}`, got none; leave the file out")
    return concatenate_datasets(parts)


def _check_pairs(file: str, task: Task, row: Row, like: Dataset) -> None:
    """Refuses single texts beside pairs and the other way round; embeddings are of each text by itself."""
    has_pair, wanted = _PAIR in row, _PAIR in like.column_names
    if has_pair == wanted or (wanted and task.kind is TaskKind.SENTENCE_EMBEDDING):
        return
    raise ValueError(
        f"expected {'pairs of texts' if wanted else 'single texts'} in `{file}`, as in the labelled rows, got "
        f"{'pairs' if has_pair else 'single ones'}; because "
        + ("the second texts would be left out" if has_pair else "the teacher knows pairs alone")
        + f"; write `{_PAIR}` in the rows of both, or of neither"
    )


def _read(file: str, task: Task, columns: Mapping[str, str]) -> Iterator[Row]:
    lines = _shown_lines(Path(file)) if Path(file).suffix.lower() == _PLAIN else file
    for row in read_rows(lines, task.kind, columns):
        if isinstance(row, BadRow):
            raise ValueError(f"`{file}`, row {row.number}: {row.message}; mend or remove it")
        yield {**row, **_PLACEHOLDERS[task.kind](row)}


def _shown_lines(file: Path) -> Iterator[dict[str, str]]:
    """The lines of a text file in which there is something to read, as rows."""
    check_encoding(file)
    blank = 0
    with file.open(encoding="utf-8-sig") as stream:
        for line in stream:
            text = line.rstrip("\n")
            if is_blank(text):
                blank += 1
            else:
                yield {LINE: text}
    if blank:
        logger.warning("%d lines of `%s` are blank and left out.", blank, file)


__all__ = ["raw_training_rows", "training_rows", "unlabeled_rows"]
