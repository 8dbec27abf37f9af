"""Questions on long contexts as windows of tokens, with the place of the answer in each."""

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.column_values import column_values
from hf_tinybert.data.kinds.definition import ROW_NUMBER, TaskSettings
from hf_tinybert.data.kinds.encoded_rows import encode_rows
from hf_tinybert.data.kinds.gold import gold_values
from hf_tinybert.data.kinds.texts import check_columns, check_strings
from hf_tinybert.data.kinds.windows import NOT_READ, check_window_settings, window_tokenizer

__all__ = ["CONTEXT_ENDS", "CONTEXT_STARTS", "NO_ANSWER_POSITION", "encode_questions"]

CONTEXT_STARTS = "context_starts"
"""Column: first character of each token of the context; elsewhere, and at blank tokens, `NOT_READ`."""

CONTEXT_ENDS = "context_ends"
"""Column: end (exclusive) of each token of the context in characters; elsewhere `NOT_READ`."""

NO_ANSWER_POSITION = "no_answer_position"
"""Column: the token that stands for "no answer", [CLS]."""

logger = logging.getLogger(__name__)


class _Answer(NamedTuple):
    """Characters of an answer in its context, the end exclusive."""

    start: int
    end: int


def encode_questions(rows: Dataset, tokenizer: PreTrainedTokenizerBase, settings: TaskSettings) -> Dataset:
    """Gives windows of at most `max_length` tokens: the whole question and a piece of the context.

    Windows of a long context share `stride` tokens. Start and end are the tokens of the first gold answer; the
    position of [CLS] where the window does not hold all of it, or there is none.

    Args:
        rows: `question`, `context` and, where known, `answers` (`text` and `answer_start`, as in SQuAD).
        tokenizer: a fast one with a [CLS] token.
        settings: lengths.

    Returns:
        What the model reads, `start_positions` and `end_positions` where the rows have answers, and the columns that
        `decode_answers` reads.

    Raises:
        ValueError: A question leaves no room for its context, an answer is not at its place, or a text is empty; or
            no window can be made.
    """
    check_columns(rows, ("question", "context"))
    check_window_settings(tokenizer, settings, pairs=True)
    if tokenizer.cls_token_id is None:
        raise ValueError(
            f"expected a tokenizer with a `cls_token`, got `{type(tokenizer).__name__}` without; because it stands "
            "for `no answer in this window`; use the tokenizer of a BERT-like model."
        )
    with_answers = gold_values(rows, "answers") is not None
    encoded = encode_rows(
        rows,
        _encode_batch,
        "Tokenising questions",
        tokenizer=window_tokenizer(tokenizer),
        settings=settings,
        with_answers=with_answers,
    )
    if with_answers:
        _tell_unreachable(rows, encoded)
    return encoded


def _encode_batch(
    batch: dict[str, list[Any]],
    numbers: list[int],
    tokenizer: PreTrainedTokenizerBase,
    settings: TaskSettings,
    with_answers: bool,
) -> dict[str, list[Any]]:
    contexts: list[str] = batch["context"]
    for column in ("question", "context"):
        _check_texts(batch[column], numbers, column)
    questions = [question.strip() for question in batch["question"]]
    _check_room(questions, numbers, tokenizer, settings)
    encoding = tokenizer(
        questions,
        contexts,
        truncation="only_second",
        max_length=settings.max_length,
        stride=settings.stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    sources: list[int] = encoding.pop("overflow_to_sample_mapping")
    offsets: list[list[tuple[int, int]]] = encoding.pop("offset_mapping")
    encoded: dict[str, list[Any]] = {**encoding, CONTEXT_STARTS: [], CONTEXT_ENDS: []}
    for window, (source, spans) in enumerate(zip(sources, offsets, strict=True)):
        inside = [
            part == 1 and contexts[source][start:end].strip() != ""
            for part, (start, end) in zip(encoding.sequence_ids(window), spans, strict=True)
        ]
        encoded[CONTEXT_STARTS].append(
            [start if read else NOT_READ for read, (start, _) in zip(inside, spans, strict=True)]
        )
        encoded[CONTEXT_ENDS].append([end if read else NOT_READ for read, (_, end) in zip(inside, spans, strict=True)])
    encoded[NO_ANSWER_POSITION] = [ids.index(tokenizer.cls_token_id) for ids in encoding["input_ids"]]
    encoded[ROW_NUMBER] = [numbers[source] for source in sources]
    if with_answers:
        answers = [
            _first_answer(answer, context, number)
            for answer, context, number in zip(batch["answers"], contexts, numbers, strict=True)
        ]
        _add_positions(encoded, sources, answers)
    return encoded


def _add_positions(encoded: dict[str, list[Any]], sources: Sequence[int], answers: Sequence[_Answer | None]) -> None:
    encoded["start_positions"], encoded["end_positions"] = [], []
    for window, source in enumerate(sources):
        answer, tokens = answers[source], None
        if answer is not None:
            first = window == 0 or sources[window - 1] != source
            last = window == len(sources) - 1 or sources[window + 1] != source
            tokens = _answer_tokens(
                encoded[CONTEXT_STARTS][window], encoded[CONTEXT_ENDS][window], answer, first=first, last=last
            )
        start, end = tokens or (encoded[NO_ANSWER_POSITION][window],) * 2
        encoded["start_positions"].append(start)
        encoded["end_positions"].append(end)


def _answer_tokens(
    starts: Sequence[int], ends: Sequence[int], answer: _Answer, *, first: bool, last: bool
) -> tuple[int, int] | None:
    """Gives the first and the last token of an answer; None where the window does not hold all of it.

    Args:
        starts: `CONTEXT_STARTS` of the window.
        ends: `CONTEXT_ENDS` of the window.
        answer: its characters.
        first: whether the window begins with the context.
        last: whether the window ends with the context.
    """
    inside = [position for position, start in enumerate(starts) if start != NOT_READ]
    touched = [position for position in inside if ends[position] > answer.start and starts[position] < answer.end]
    if not touched:
        return None
    cut_before = not first and starts[inside[0]] > answer.start
    cut_after = not last and ends[inside[-1]] < answer.end
    return None if cut_before or cut_after else (touched[0], touched[-1])


def _first_answer(answers: dict[str, list[Any]], context: str, number: int) -> _Answer | None:
    texts, starts = answers["text"], answers["answer_start"]
    if len(texts) != len(starts):
        raise ValueError(
            f"expected an `answer_start` for each of {len(texts)} answers in row {number + 1:,}, got {len(starts)}: "
            f"{answers!r}; because the first words alike may be another place; correct the row."
        )
    for text, start in zip(texts, starts, strict=True):
        if not text.strip() or start < 0 or context[start : start + len(text)] != text:
            raise ValueError(
                f"expected the answer {text!r} at character {start} of the context in row {number + 1:,}, got "
                f"{context[max(start, 0) : max(start, 0) + max(len(text), 1)]!r}; because the model learns the place; "
                "correct `answer_start`, or give empty lists where there is no answer."
            )
    return _Answer(starts[0], starts[0] + len(texts[0])) if texts else None


def _check_texts(texts: Sequence[Any], numbers: Sequence[int], column: str) -> None:
    check_strings(texts, numbers, column)
    for number, text in zip(numbers, texts, strict=True):
        if not text.strip():
            raise ValueError(
                f"expected text in `{column}` of every row, got {text!r} in row {number + 1:,}; because an answer "
                "is a part of the context; remove the row."
            )


def _check_room(
    questions: Sequence[str], numbers: Sequence[int], tokenizer: PreTrainedTokenizerBase, settings: TaskSettings
) -> None:
    special = tokenizer.num_special_tokens_to_add(pair=True)
    # verbose: a question longer than the model reads is refused below, in our words.
    tokens = tokenizer(list(questions), add_special_tokens=False, verbose=False)["input_ids"]
    for number, question, ids in zip(numbers, questions, tokens, strict=True):
        room = settings.max_length - special - len(ids)
        if room <= settings.stride:
            raise ValueError(
                f"expected a question of at most {settings.max_length - special - settings.stride - 1} tokens in row "
                f"{number + 1:,}, got {len(ids)}: {question[:80]!r}; because `max_length` {settings.max_length} then "
                f"leaves {max(room, 0)} tokens for the context and windows share `stride` {settings.stride} of them; "
                "raise `max_length`, lower `stride`, or shorten the question."
            )


def _tell_unreachable(rows: Dataset, encoded: Dataset) -> None:
    wanted = {number for number, answers in enumerate(column_values(rows, "answers")) if answers["text"]}
    columns = (encoded[name][:] for name in (ROW_NUMBER, "start_positions", NO_ANSWER_POSITION))
    found = {number for number, start, none in zip(*columns, strict=True) if start != none}
    if wanted - found:
        logger.warning(
            "%d of %d answers are in no window as a whole (first: row %d); they train as `no answer`. A larger "
            "`stride` than the longest answer has tokens cures it.",
            len(wanted - found),
            len(wanted),
            min(wanted - found),
        )
