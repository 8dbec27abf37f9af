"""What a model folder answers: one prediction per row, in the order of the rows, however many there are."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from datasets import Dataset
from torch import nn

from hf_tinybert.data.kinds.definition import Prediction
from hf_tinybert.models.exported_runtime import ExportedRuntime
from hf_tinybert.workflow.inference import Inference
from hf_tinybert.workflow.model_folder import ModelFolder, load_model_folder
from hf_tinybert.workflow.row_columns import Row
from hf_tinybert.workflow.row_reader import BadRow, Source, read_rows

_ROWS_AT_ONCE = 1024  # are sorted by length together; the first answers come after fewer


def predict(
    model: str | Path | ModelFolder,
    source: Source,
    *,
    task: str | None = None,
    kind: str | None = None,
    columns: Mapping[str, str] | None = None,
    batch_size: int = 32,
    skip_bad_rows: bool = False,
) -> Iterator[Prediction]:
    """The predictions of a model, in float32, on an accelerator where there is one.

    Rows are read as they are needed: the first `batch_size`, then twice as many and so on up to 1024, which are put
    into batches of like length. Long texts are read in windows where their kind does so, else cut.

    Args:
        model: Hub name, folder, or what `load_model_folder` gave.
        source: a text, a row, a file, `-` for standard input, an open stream, or several texts or rows; see
            `read_rows`.
        task: of a multi-task folder, the head that answers.
        kind: of a model that does not say it, as others publish them.
        columns: standard column -> its name in the source.
        batch_size: rows at once.
        skip_bad_rows: gives `{"error": ...}` in the place of a row that cannot be read, instead of stopping there.

    Returns:
        One prediction per row.

    Raises:
        FileNotFoundError: no such model or file.
        ValueError: an untrained head, a file of an unknown ending; while predicting, a row that cannot be read, by its
            number and after the predictions of the rows before it.
    """
    folder = model if isinstance(model, ModelFolder) else load_model_folder(model, task=task, kind=kind)
    if torch.accelerator.is_available() and not isinstance(folder.model, ExportedRuntime):
        nn.Module.to(folder.model, torch.accelerator.current_accelerator())
    rows = read_rows(source, folder.task.kind, columns)
    inference = Inference(folder.model, folder.tokenizer, folder.task, batch_size=batch_size)
    return _predictions(inference, rows, batch_size, skip_bad_rows)


def _predictions(
    inference: Inference, rows: Iterator[Row | BadRow], batch_size: int, skip_bad_rows: bool
) -> Iterator[Prediction]:
    first, size = 1, batch_size
    while True:
        part, stop = _next_rows(rows, size, skip_bad_rows)
        yield from _answers(inference, part, first, skip_bad_rows)
        if isinstance(stop, BadRow):
            raise _refusal(stop)
        if stop is None:
            return
        first, size = first + len(part), min(2 * size, max(batch_size, _ROWS_AT_ONCE))


def _next_rows(
    rows: Iterator[Row | BadRow], size: int, skip_bad_rows: bool
) -> tuple[list[Row | BadRow], BadRow | bool | None]:
    """So many rows, and why there are no more: the bad row after them, None at the end, True where more may come."""
    part: list[Row | BadRow] = []
    for row in rows:
        if isinstance(row, BadRow) and not skip_bad_rows:
            return part, row
        part.append(row)
        if len(part) == size:
            return part, True
    return part, None


def _answers(inference: Inference, part: list[Row | BadRow], first: int, skip_bad_rows: bool) -> Iterator[Prediction]:
    answers = _asked(inference, [(n, row) for n, row in enumerate(part, start=first) if not isinstance(row, BadRow)])
    for row in part:
        answer = row if isinstance(row, BadRow) else next(answers)
        if isinstance(answer, BadRow):
            if not skip_bad_rows:
                raise _refusal(answer)
            answer = {"error": f"row {answer.number}: {answer.message}"}
        yield answer


def _asked(inference: Inference, rows: list[tuple[int, Row]]) -> Iterator[Prediction | BadRow]:
    """An answer to each row, by its number; of rows that the kind refuses each half is asked, and so on."""
    try:
        answers = inference.predict(Dataset.from_list([row for _, row in rows])) if rows else []
    except ValueError as error:
        if len(rows) == 1:
            # the kind counts in the rows that it was asked about, of which there is one
            yield BadRow(rows[0][0], str(error).replace(" in row 1", ""))
            return
        middle = len(rows) // 2
        yield from _asked(inference, rows[:middle])
        yield from _asked(inference, rows[middle:])
    else:
        yield from answers


def _refusal(row: BadRow) -> ValueError:
    return ValueError(
        f"row {row.number}: {row.message}; because nothing is left out silently; mend the row, or write the error "
        "in its place with `--skip-bad-rows`"
    )


__all__ = ["predict"]
