"""What student and teacher say of the same rows, as words or numbers that can be set side by side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset

from hf_tinybert.data.column_values import column_values
from hf_tinybert.data.kinds.definition import Prediction
from hf_tinybert.data.kinds.gold import class_ids, gold_class_ids, gold_values
from hf_tinybert.data.kinds.words import gold_tags
from hf_tinybert.data.metrics.answers import answer_words
from hf_tinybert.data.metrics.entities import find_entities, is_iob2
from hf_tinybert.data.tasks import Task, TaskKind

Answer = str | float
_NOTHING = "(nothing)"


@dataclass(frozen=True)
class ComparedAnswer:
    """One question to both models.

    Attributes:
        question: what they read, in words.
        right: the gold answer; None where there is none to compare with word by word.
        student: its answer.
        teacher: its answer.
        student_is_right: None where right and wrong cannot be told, as of numbers.
        teacher_is_right: likewise.
    """

    question: str
    right: Answer | None
    student: Answer
    teacher: Answer
    student_is_right: bool | None
    teacher_is_right: bool | None

    @property
    def is_same(self) -> bool:
        """Whether both say the same."""
        return self.student == self.teacher

    @property
    def distance(self) -> float:
        """How far two numbers are apart; of words 0 or 1."""
        if isinstance(self.student, str) or isinstance(self.teacher, str):
            return float(not self.is_same)
        return abs(self.student - self.teacher)


def compared_answers(
    task: Task, rows: Dataset, student: Sequence[Prediction], teacher: Sequence[Prediction]
) -> list[ComparedAnswer]:
    """Every answer of both models: one a row; in masked LM one a hidden token.

    Args:
        task: of both.
        rows: raw.
        student: its predictions for them, in words.
        teacher: likewise.
    """
    if task.kind is TaskKind.MASKED_LM:
        return _hidden_words(student, teacher)
    say, questions = _SAYS[task.kind], _questions(task.kind, rows)
    gold = _gold(task, rows)
    return [
        _compared(task.kind, question, right, say(one), say(other))
        for question, right, one, other in zip(questions, gold, student, teacher, strict=True)
    ]


def _compared(kind: TaskKind, question: str, right: Answer | None, student: Answer, teacher: Answer) -> ComparedAnswer:
    if right is None or not isinstance(right, str):
        return ComparedAnswer(question, right, student, teacher, None, None)
    if kind is TaskKind.QUESTION_ANSWERING:
        true = [answer_words(answer) for answer in right.split(_BETWEEN)]
        says = [answer_words("" if one == _NOTHING else str(one)) for one in (student, teacher)]
        return ComparedAnswer(
            question, right.replace(_BETWEEN, " / ") or _NOTHING, student, teacher, says[0] in true, says[1] in true
        )
    return ComparedAnswer(question, right, student, teacher, student == right, teacher == right)


def _hidden_words(student: Sequence[Prediction], teacher: Sequence[Prediction]) -> list[ComparedAnswer]:
    return [
        ComparedAnswer(one["text"], own["gold"], own["token"], said["token"], own["right"], said["right"])
        for one, other in zip(student, teacher, strict=True)
        for own, said in zip(one["tokens"], other["tokens"], strict=False)
        # another tokenizer hides other tokens
        if own.get("gold") is not None and (own["position"], own["gold"]) == (said["position"], said.get("gold"))
    ]


_BETWEEN = "\x1f"  # true answers of one question; no character of a text
_SAYS: Mapping[TaskKind, Callable[[Prediction], Answer]] = {
    TaskKind.TEXT_CLASSIFICATION: lambda said: str(said["label"]),
    TaskKind.PAIR_CLASSIFICATION: lambda said: str(said["label"]),
    TaskKind.MULTI_LABEL_CLASSIFICATION: lambda said: _listed(said["labels"]),
    TaskKind.REGRESSION: lambda said: float(said["score"]),
    TaskKind.TOKEN_CLASSIFICATION: lambda said: _tagged(said["tokens"], said["tags"], "entities" in said),
    TaskKind.QUESTION_ANSWERING: lambda said: str(said["answer"]) or _NOTHING,
    TaskKind.MULTIPLE_CHOICE: lambda said: str(said["text"]),
    TaskKind.EXTRACTIVE_SUMMARIZATION: lambda said: str(said["summary"]),
    TaskKind.SENTENCE_EMBEDDING: lambda said: float(said.get("similarity", 0.0)),
}


def _questions(kind: TaskKind, rows: Dataset) -> list[str]:
    if kind is TaskKind.TOKEN_CLASSIFICATION:
        return [" ".join(tokens) for tokens in column_values(rows, "tokens")]
    columns = [name for name in ("question", "text", "text_pair", "context", "document") if name in rows.column_names]
    return ["\n".join(str(row[name]) for name in columns if row[name]) for row in rows.select_columns(columns)]


def _gold(task: Task, rows: Dataset) -> list[Any]:
    """What is right of every row, as the models say it; None where nothing is."""
    labels, nothing = task.settings.labels, [None] * len(rows)
    match task.kind:
        case TaskKind.TEXT_CLASSIFICATION | TaskKind.PAIR_CLASSIFICATION:
            ids = gold_class_ids(rows, "label", labels)
            return nothing if ids is None else [labels[one] for one in ids]
        case TaskKind.MULTI_LABEL_CLASSIFICATION:
            named = gold_values(rows, "labels")
            if named is None:
                return nothing
            several = class_ids(named, rows.features["labels"].feature, labels, "labels")
            return [_listed([labels[one] for one in sorted(own)]) for own in several]
        case TaskKind.TOKEN_CLASSIFICATION:
            tags = gold_tags(rows, labels)
            if tags is None:
                return nothing
            iob = is_iob2(labels)
            return [
                _tagged(words, [labels[tag] for tag in own], iob)
                for words, own in zip(column_values(rows, "tokens"), tags, strict=True)
            ]
        case TaskKind.QUESTION_ANSWERING:
            answers = gold_values(rows, "answers")
            return nothing if answers is None else [_BETWEEN.join(dict.fromkeys(one["text"])) for one in answers]
        case TaskKind.MULTIPLE_CHOICE:
            places = gold_values(rows, "label")
            choices = column_values(rows, "choices")
            return nothing if places is None else [own[one] for own, one in zip(choices, places, strict=True)]
        case TaskKind.REGRESSION | TaskKind.SENTENCE_EMBEDDING:
            numbers = gold_values(rows, "score")
            return nothing if numbers is None else [float(number) for number in numbers]
    return nothing


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or _NOTHING


def _tagged(words: Sequence[str], tags: Sequence[str], iob: bool) -> str:
    if not iob:
        return " ".join(f"{word}/{tag}" for word, tag in zip(words, tags, strict=True))
    found = [f"{' '.join(words[start:end])} ({kind})" for kind, start, end in find_entities(tags)]
    return "; ".join(found) or _NOTHING


__all__ = ["ComparedAnswer", "compared_answers"]
