"""What is wrong with single rows: refused with the split, the number of the row and its value."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from datasets import Dataset, DatasetDict

from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.metrics.entities import is_iob2
from hf_tinybert.data.sentences import split_sentences

__all__ = ["check_rows"]

logger = logging.getLogger(__name__)

_TEXTS = ("text", "text_pair", "question", "context", "document")
_SHOWN = 80

Rows = Mapping[str, Sequence[Any]]
"""The columns of a split, each a list over its rows."""


def check_rows(dataset: DatasetDict, kind: TaskKind) -> None:
    """Refuses rows that can neither train nor score; rows count from 1, as they stand in their split.

    Args:
        dataset: Splits with standard columns.
        kind: Of the task.

    Raises:
        ValueError: With the first such row and how many there are: an empty text, words and tags of different number,
            an answer that does not stand at its place in the context, an id that stands twice, fewer than two choices
            or a right one that is not among them, a score that is no number, a document without a sentence or without
            a summary.
    """
    for name, split in dataset.items():
        rows = {column: split[column][:] for column in split.column_names}
        for column in _TEXTS:
            if column in rows and not (column == "text" and kind is TaskKind.MULTIPLE_CHOICE):
                _refuse(name, split, _empty(rows[column]), "a text", "there is nothing to read in an empty one")
        for found, expected, why in _CHECKS.get(kind, ()):
            _refuse(name, split, found(rows), expected, why)
    if kind is TaskKind.TOKEN_CLASSIFICATION:
        _warn_of_broken_entities(dataset)


def _refuse(name: str, split: Dataset, wrong: Mapping[int, str], expected: str, why: str) -> None:
    if not wrong:
        return
    row = min(wrong)
    more = f"; {len(wrong)} rows in all" if len(wrong) > 1 else ""
    raise ValueError(
        f"expected {expected} in row {row + 1} of split `{name}`, got {wrong[row]} ({split.num_rows} rows{more}); "
        f"because {why}; correct or remove the row."
    )


def _empty(texts: Sequence[str | None]) -> dict[int, str]:
    return {row: f"`{text}`" for row, text in enumerate(texts) if text is None or not text.strip()}


def _different_lengths(rows: Rows) -> dict[int, str]:
    if "tags" not in rows:
        return {}
    return {
        row: f"{len(tokens)} words and {len(tags)} tags: {_shown(' '.join(tokens))}"
        for row, (tokens, tags) in enumerate(zip(rows["tokens"], rows["tags"], strict=True))
        if len(tokens) != len(tags)
    }


def _no_words(rows: Rows) -> dict[int, str]:
    return {row: "none" for row, tokens in enumerate(rows["tokens"]) if not tokens}


def _wrong_answers(rows: Rows) -> dict[int, str]:
    wrong = {}
    for row, (context, answers) in enumerate(zip(rows["context"], rows["answers"], strict=True)):
        for text, start in zip(answers["text"], answers["answer_start"], strict=True):
            if not text or context[start : start + len(text)] != text or start < 0:
                place = context.find(text) if text else -1
                elsewhere = f"it stands at {place}" if place >= 0 else "it stands nowhere in it"
                there = _shown(context[max(start, 0) : max(start, 0) + len(text)])
                wrong[row] = f"the answer `{_shown(text)}` at character {start}, where `{there}` stands ({elsewhere})"
    return wrong


def _repeated_ids(rows: Rows) -> dict[int, str]:
    counts = Counter(rows["id"])
    return {row: f"`{name}` {counts[name]} times" for row, name in enumerate(rows["id"]) if counts[name] > 1}


def _few_choices(rows: Rows) -> dict[int, str]:
    return {
        row: _shown(str(choices))
        for row, choices in enumerate(rows["choices"])
        if len(choices) < 2 or any(choice is None or not choice.strip() for choice in choices)
    }


def _no_such_choice(rows: Rows) -> dict[int, str]:
    return {
        row: f"`{label}` of {len(choices)} choices"
        for row, (label, choices) in enumerate(zip(rows["label"], rows["choices"], strict=True))
        if not 0 <= label < len(choices)
    }


def _no_score(rows: Rows) -> dict[int, str]:
    return {
        row: f"`{score}`"
        for row, score in enumerate(rows.get("score", ()))
        if score is None or not math.isfinite(score)
    }


def _no_sentence(rows: Rows) -> dict[int, str]:
    return {
        row: f"`{_shown(document)}`" for row, document in enumerate(rows["document"]) if not split_sentences(document)
    }


def _no_summary(rows: Rows) -> dict[int, str]:
    return {
        row: f"`{summaries}`"
        for row, summaries in enumerate(rows["summaries"])
        if not any(summary and summary.strip() for summary in summaries)
    }


_Check = tuple[Callable[[Rows], dict[int, str]], str, str]
_SCORE: _Check = (_no_score, "a number as `score`", "nothing can be learnt from or compared with another value")
_CHECKS: Mapping[TaskKind, tuple[_Check, ...]] = {
    TaskKind.REGRESSION: (_SCORE,),
    TaskKind.SENTENCE_EMBEDDING: (_SCORE,),
    TaskKind.TOKEN_CLASSIFICATION: (
        (_no_words, "words", "there is nothing to tag"),
        (_different_lengths, "a tag for every word", "tags belong to words by their places"),
    ),
    TaskKind.QUESTION_ANSWERING: (
        (_wrong_answers, "answers at their places in the context", "the model learns these places"),
        (_repeated_ids, "ids that stand once", "predictions are found by their ids"),
    ),
    TaskKind.MULTIPLE_CHOICE: (
        (_few_choices, "two or more choices with text", "there is nothing to choose from"),
        (_no_such_choice, "the number of a choice, from 0", "the right one must be among them"),
    ),
    TaskKind.EXTRACTIVE_SUMMARIZATION: (
        (_no_sentence, "a document with a sentence", "a summary is chosen from its sentences"),
        (_no_summary, "a summary", "sentences are chosen by their likeness to it"),
    ),
}


def _warn_of_broken_entities(dataset: DatasetDict) -> None:
    """Entities that begin with I- are read as others than they are meant."""
    for name, split in dataset.items():
        names = split.features["tags"].feature.names
        if not is_iob2(names):
            continue
        broken = 0
        for tags in split["tags"][:]:
            before = "O"
            for tag in (names[tag] for tag in tags):
                broken += tag.startswith("I-") and before[2:] != tag[2:]
                before = tag
        if broken:
            message = "%d tags in `%s` begin an entity with I-, as IOB2 does not; no entity is read there."
            logger.warning(message, broken, name)


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
