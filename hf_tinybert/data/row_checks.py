"""Rows that no model can learn from, each refused with its split, its number and its value."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, DatasetDict

from hf_tinybert.data.blank_texts import are_blank, is_blank
from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.metrics.entities import is_iob2

__all__ = ["check_rows", "warn_of_broken_entities"]

logger = logging.getLogger(__name__)

_SHOWN = 60
_AT_ONCE = 10_000  # rows
_MARKS = frozenset({pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8()})

Check = Callable[[str, pa.Table], None]


def check_rows(split: Dataset, split_name: str, kind: TaskKind) -> None:
    """Checks every row of a split; what is missing as a whole, such as a gold column, is not its business.

    Args:
        split: Rows with the standard columns of the kind.
        split_name: Named in errors.
        kind: Of the task.

    Raises:
        ValueError: If a text is empty, a document has no sentence, a row has no word or another number of tags than
            of words, an answer does not stand at its place, two questions have the same id, there are fewer than two
            choices or the right one is not among them, a score is no number, or labels are a 0 or 1 for each there is.
    """
    table = split.with_format("arrow")[:]
    for check in _CHECKS[kind]:
        check(split_name, table)


def warn_of_broken_entities(dataset: DatasetDict) -> None:
    """Warns of entities that go on without a beginning, where the tags are IOB2: strict scores do not count them.

    Args:
        dataset: Splits; those that have `tags` as lists of ClassLabel are looked at.
    """
    for split_name, split in dataset.items():
        if "tags" not in split.column_names:
            continue
        feature = split.features["tags"].feature
        if not isinstance(feature, ClassLabel) or not is_iob2(feature.names):
            continue
        array = split.with_format("arrow")[:]["tags"].combine_chunks()
        lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
        rows = np.repeat(np.arange(len(array)), lengths)
        tags = array.flatten().to_numpy(zero_copy_only=False)
        types = np.unique([name[2:] for name in feature.names], return_inverse=True)[1]
        inside = np.array([name.startswith("I-") for name in feature.names])
        before = np.concatenate([[-1], tags[:-1]])
        begins = np.concatenate([[-1], rows[:-1]]) != rows
        named = np.array([name != "O" for name in feature.names])
        continues = ~begins & (before >= 0) & named[before] & (types[before] == types[tags])
        broken = inside[tags] & ~continues
        if broken.any():
            first = int(rows[broken.argmax()])
            logger.warning(
                "%d tags in %d of %d rows of `%s` go on with an entity that did not begin (I- without B-), the "
                "first in row %d (rows count from 1): %s; strict scores count no such entity. Make the tags IOB2.",
                broken.sum(), len(np.unique(rows[broken])), len(array), split_name, first + 1,
                _shortened([feature.names[tag] for tag in array[first].as_py()]),
            )  # fmt: skip


def _refusal(split_name: str, wanted: str, got: str, row: int, count: int, rows: int, why: str) -> ValueError:
    more = f" ({count:,} of {rows:,} rows are so)" if count > 1 else ""
    return ValueError(
        f"expected {wanted}, got {got} in row {row + 1:,} of `{split_name}` (rows count from 1){more}; because {why}; "
        "correct or remove the row."
    )


def _refuse_rows(split_name: str, table: pa.Table, wrong: np.ndarray, wanted: str, column: str, why: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        value = _shortened(table[column][row].as_py())
        raise _refusal(split_name, wanted, f"{value} in `{column}`", row, int(wrong.sum()), len(wrong), why)


def _flags(column: Any) -> np.ndarray:  # noqa: ANN401 (pyarrow has no types)
    """Truth values of an Arrow column, missing ones as True, because what is missing is wrong."""
    return np.asarray(pc.fill_null(column, True).to_numpy(zero_copy_only=False) if isinstance(column, pa.Array)
                      else pc.fill_null(column, True).to_numpy(), dtype=bool)  # fmt: skip


def _texts(*columns: str) -> Check:
    def check(split_name: str, table: pa.Table) -> None:
        for column in columns:
            if column in table.column_names:
                why = "there is nothing to read"
                _refuse_rows(split_name, table, are_blank(table[column]), "a text in every row", column, why)

    return check


def _sentences(split_name: str, table: pa.Table) -> None:
    found = pc.match_substring_regex(table["document"], r"[\pL\pN]")
    why = "a summary is made of the sentences of its document"
    _refuse_rows(split_name, table, _flags(pc.invert(found)), "a document with a sentence", "document", why)


def _summaries(split_name: str, table: pa.Table) -> None:
    if "summaries" not in table.column_names:
        return
    for row, (summaries,) in enumerate(_rows(table, "summaries")):
        if not summaries or not all(text and not is_blank(text) for text in summaries):
            raise _refusal(
                split_name, "summaries with text", f"{_shortened(summaries)} in `summaries`", row, 1, table.num_rows,
                "sentences are chosen by their likeness to a summary",
            )  # fmt: skip


def _words(split_name: str, table: pa.Table) -> None:
    lengths = pc.list_value_length(table["tokens"])
    why = "there is nothing to tag"
    _refuse_rows(split_name, table, _flags(pc.equal(lengths, 0)), "at least one token", "tokens", why)
    _refuse_missing_items(split_name, table, "tokens")
    if "tags" not in table.column_names:
        return
    tags = pc.list_value_length(table["tags"])
    wrong = pc.fill_null(pc.not_equal(lengths, tags), False).to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        got = f"{lengths[row]} tokens and {tags[row]} tags, {_shortened(table['tokens'][row].as_py())}"
        why = "a shift would teach wrong tags"
        raise _refusal(split_name, "a tag for each token", got, row, int(wrong.sum()), len(wrong), why)


def _refuse_missing_items(split_name: str, table: pa.Table, column: str) -> None:
    array = table[column].combine_chunks()
    items = array.flatten()
    if items.null_count:
        rows = np.repeat(np.arange(len(array)), pc.list_value_length(array).to_numpy(zero_copy_only=False))
        wrong = np.isin(np.arange(len(array)), rows[items.is_null().to_numpy(zero_copy_only=False)])
        why = "what is missing cannot be read"
        _refuse_rows(split_name, table, wrong, "strings only", column, why)


def _ids(split_name: str, table: pa.Table) -> None:
    seen: dict[str, int] = {}
    for row, (name,) in enumerate(_rows(table, "id")):
        if name is None or seen.setdefault(name, row) != row:
            got = "none" if name is None else f"`{name}`, as in row {seen[name] + 1:,},"
            why = "answers are told apart by the ids of their questions"
            raise _refusal(split_name, "an id of its own for every question", got, row, 1, table.num_rows, why)


def _answers(split_name: str, table: pa.Table) -> None:
    if "answers" not in table.column_names:
        return
    for row, (context, answers) in enumerate(_rows(table, "context", "answers")):
        texts, starts = ((answers or {}).get(name) or [] for name in ("text", "answer_start"))
        wanted = "answers as texts with their first characters"
        got = f"{len(texts)} texts and {len(starts)} starts"
        wrong = len(texts) != len(starts)
        for text, start in zip(texts, starts, strict=False):
            if wrong:
                break
            if not text or start is None or start < 0 or context[start : start + len(text)] != text:
                wanted, got, wrong = "an answer that stands in its context", _misplaced(context, text, start), True
        if wrong:
            why = "a model learns where an answer begins and ends"
            raise _refusal(split_name, wanted, got, row, 1, table.num_rows, why)


def _misplaced(context: str, text: str | None, start: int | None) -> str:
    if not text:
        return "an empty one (a question without an answer has empty lists)"
    places = [position for position in range(len(context)) if context.startswith(text, position)]
    shown = _shortened(text)
    if not places:
        return f"{shown}, which is nowhere in it,"
    there = "nothing" if start is None or start < 0 else _shortened(context[start : start + len(text)])
    where = ", ".join(str(place) for place in places[:5])
    return f"{shown} at character {start}, where {there} is (it is at {where}; characters, not bytes, count from 0)"


def _choices(split_name: str, table: pa.Table) -> None:
    few = _flags(pc.less(pc.list_value_length(table["choices"]), 2))
    _refuse_rows(split_name, table, few, "at least two choices", "choices", "there is nothing to choose from")
    lengths = pc.list_value_length(table["choices"]).to_numpy()
    wanted = f"{lengths[0]} choices, as in row 1" if len(lengths) else ""
    _refuse_rows(split_name, table, lengths != lengths[:1], wanted, "choices", "a batch holds them side by side")
    for row, (choices,) in enumerate(_rows(table, "choices")):
        if any(choice is None or is_blank(choice) for choice in choices):
            raise _refusal(
                split_name, "a text in every choice", f"{_shortened(choices)} in `choices`", row, 1, table.num_rows,
                "there is nothing to read",
            )  # fmt: skip
    if "label" in table.column_names:
        counts = pc.list_value_length(table["choices"]).to_numpy()
        label = pc.fill_null(table["label"], 0).to_numpy()
        why = "the right choice is told by its position, from 0"
        wanted = "a label from 0 to one less than there are choices"
        _refuse_rows(split_name, table, (label < 0) | (label >= counts), wanted, "label", why)


def _label_lists(split_name: str, table: pa.Table) -> None:
    """Refuses a 0 or 1 for every label: they would be read as the labels 0 and 1, and each row would have both."""
    found = table["labels"].combine_chunks() if "labels" in table.column_names else None
    if found is None or not pa.types.is_list(found.type) or found.type.value_type not in _MARKS:
        return
    lengths, marks = pc.unique(pc.list_value_length(found.drop_null())).to_pylist(), found.flatten()
    if len(lengths) != 1 or lengths[0] < 2 or marks.null_count or not set(pc.unique(marks).to_pylist()) <= {0, 1}:
        return
    by_row = marks.to_numpy(zero_copy_only=False).reshape(-1, lengths[0]).astype(int)
    if by_row.shape[1] > 2 or (by_row[:, 0] == by_row[:, 1]).any():  # a row has a label twice, as no list of its own
        raise ValueError(
            f"expected the labels that each row has in `labels`, got {lengths[0]} numbers of 0 and 1 in every row of "
            f"`{split_name}`, such as {_shortened(found.drop_null()[0].as_py())}; because they would be read as the "
            "names or the positions of two labels; write the positions or the names of those that are 1, or a column "
            "of 0 and 1 for each label and name all of them for `labels`."
        )


def _scores(split_name: str, table: pa.Table) -> None:
    if "score" in table.column_names:
        score = table["score"]
        wrong = pc.fill_null(pc.invert(pc.is_finite(score)), False).to_numpy()
        why = "a loss of it would be no number either"
        _refuse_rows(split_name, table, wrong, "a finite score", "score", why)


def _rows(table: pa.Table, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Cells of some columns, row by row; some thousand rows are Python's objects at once."""
    for part in table.select(columns).to_batches(max_chunksize=_AT_ONCE):
        yield from zip(*(part.column(name).to_pylist() for name in columns), strict=True)


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


_PAIR = _texts("text", "text_pair")
_CHECKS: Mapping[TaskKind, Sequence[Check]] = {
    TaskKind.TEXT_CLASSIFICATION: (_texts("text"),),
    TaskKind.PAIR_CLASSIFICATION: (_PAIR,),
    TaskKind.MULTI_LABEL_CLASSIFICATION: (_PAIR, _label_lists),
    TaskKind.REGRESSION: (_PAIR, _scores),
    TaskKind.SENTENCE_EMBEDDING: (_PAIR, _scores),
    TaskKind.MASKED_LM: (_texts("text"),),
    TaskKind.TOKEN_CLASSIFICATION: (_words,),
    TaskKind.QUESTION_ANSWERING: (_ids, _texts("question", "context"), _answers),
    TaskKind.MULTIPLE_CHOICE: (_choices,),
    TaskKind.EXTRACTIVE_SUMMARIZATION: (_sentences, _summaries),
}
