"""Student and teacher compared on the same rows: answers, layers, speed; kept as `comparison.json`."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from hf_tinybert.benchmark import machine
from hf_tinybert.benchmark.inference import sentences_per_second
from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.distillation.encodings import model_input_names
from hf_tinybert.hub.model_facts import COMPARISON_FILE
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.report.compared_answers import ComparedAnswer, compared_answers
from hf_tinybert.report.confusion import Confusion, count_confusion
from hf_tinybert.report.layer_agreement import Encoder, LayerAgreement, Text, encoder_of, layer_agreement
from hf_tinybert.report.pair import Pair
from hf_tinybert.report.tagged_words import entity_counts, word_classes
from hf_tinybert.workflow.inference import Inference

_Item = TypeVar("_Item")
_EXAMPLES = 24
_TEXTS = 64
_ONE_CLASS = (TaskKind.TEXT_CLASSIFICATION, TaskKind.PAIR_CLASSIFICATION)
_NUMBERS = (TaskKind.REGRESSION, TaskKind.SENTENCE_EMBEDDING)
# batch size -> counted forwards of each model
_SPEED_RUNS = {1: 12, 32: 4}


@dataclass(frozen=True)
class Comparison:
    """What was found; JSON values only.

    Attributes:
        split: of the data.
        rows: that were compared.
        answers: counts by `same` or `other`, and by who is right: `both`, `student`, `teacher`, `neither`; these four
            are missing where right and wrong cannot be told. Of numbers it is empty.
        examples: answers that are not the same, the ones first that only the teacher has right; of numbers the ones
            that are the furthest apart.
        confusion: classes taken for each other; None where there are no classes.
        entities: of token classification, how many entities of each type there are, and are found by each.
        numbers: `right`, `student` and `teacher` of every row, where they are numbers.
        agreement: of the layers; None where it cannot be had.
        without_agreement: why not.
        sentences_per_second: by batch size and model; empty where the tokenizers differ.
        machine: that this was measured on.
        task: of a multi-task folder, the one that was compared.
    """

    split: str
    rows: int
    answers: dict[str, int]
    examples: list[dict[str, Any]]
    confusion: Confusion | None = None
    entities: list[dict[str, Any]] = field(default_factory=list)
    numbers: dict[str, list[float]] = field(default_factory=dict)
    agreement: LayerAgreement | None = None
    without_agreement: str = ""
    sentences_per_second: dict[str, dict[str, float]] = field(default_factory=dict)
    machine: dict[str, Any] = field(default_factory=dict)
    task: str | None = None

    def save(self, folder: Path) -> None:
        """Write `comparison.json`, in one step."""
        temporary = folder / f"{COMPARISON_FILE}.partial"
        temporary.write_text(json.dumps(asdict(self), ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(temporary, folder / COMPARISON_FILE)


def compare(pair: Pair, *, split: str, batch_size: int, display: ProgressDisplay) -> Comparison:
    """Let both models answer the rows, and read some of their texts layer by layer.

    Args:
        pair: of models, with their rows.
        split: name of the rows.
        batch_size: rows at once.
        display: where progress is shown.
    """
    task, rows = pair.task, pair.rows
    said = []
    for name, model, tokenizer in (
        ("student", pair.student, pair.student_tokenizer),
        ("teacher", pair.teacher, pair.teacher_tokenizer),
    ):
        with display.bar(f"{name} on {split}", total=len(rows)) as bar:
            inference = Inference(model, tokenizer, task, batch_size=batch_size, seed=pair.seed, on_batch=bar.advance)
            said.append(inference.predict(rows))
    answers = compared_answers(task, rows, *said)
    tagged = task.kind is TaskKind.TOKEN_CLASSIFICATION
    classes = word_classes(task, rows, *said) if tagged else _classes(answers) if task.kind in _ONE_CLASS else []
    texts = _texts(pair)
    with display.bar("comparing layers and speed"):
        speed = _speed(pair, [f"{text} {other or ''}".strip() for text, other in texts])
        agreement, why_not = _agreement(pair, texts)
    return Comparison(
        split=split,
        rows=len(rows),
        answers={} if task.kind in _NUMBERS else dict(Counter(key for one in answers for key in _keys(one))),
        examples=[asdict(one) for one in _disagreements(answers)],
        confusion=count_confusion(classes, task.settings.labels) if classes else None,
        entities=entity_counts(task, rows, *said) if tagged else [],
        numbers=_numbers(answers) if task.kind in _NUMBERS else {},
        agreement=agreement,
        without_agreement=why_not,
        sentences_per_second=speed,
        machine=dict(machine()),
    )


def _classes(answers: Sequence[ComparedAnswer]) -> list[tuple[str, str, str]]:
    return [(str(one.right), str(one.student), str(one.teacher)) for one in answers if one.right is not None]


def _keys(answer: ComparedAnswer) -> list[str]:
    found = ["same" if answer.is_same else "other"]
    match answer.student_is_right, answer.teacher_is_right:
        case True, True:
            found.append("both")
        case True, False:
            found.append("student")
        case False, True:
            found.append("teacher")
        case False, False:
            found.append("neither")
    return found


def _disagreements(answers: Sequence[ComparedAnswer]) -> list[ComparedAnswer]:
    """Half of the examples are what the student lost, a quarter what it won; each from all over the data."""
    apart = [one for one in answers if not one.is_same]
    if any(not isinstance(one.student, str) for one in apart):
        return sorted(apart, key=lambda one: -one.distance)[: _EXAMPLES // 2]
    lost = _spread([one for one in apart if one.teacher_is_right and not one.student_is_right], _EXAMPLES // 2)
    won = _spread([one for one in apart if one.student_is_right and not one.teacher_is_right], _EXAMPLES // 4)
    rest = [one for one in apart if one.student_is_right == one.teacher_is_right]
    return [*lost, *won, *_spread(rest, _EXAMPLES - len(lost) - len(won))]


def _spread(items: Sequence[_Item], most: int) -> list[_Item]:
    """So many at most, at even distances: the first ones of data in the order of their labels are of one class."""
    count = min(most, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def _numbers(answers: Sequence[ComparedAnswer]) -> dict[str, list[float]]:
    right = [float(one.right) for one in answers if one.right is not None]
    student, teacher = ([float(getattr(one, name)) for one in answers] for name in ("student", "teacher"))
    return {**({"right": right} if right else {}), "student": student, "teacher": teacher}


def _texts(pair: Pair) -> list[Text]:
    """What the encoders read of some rows from all over the data."""
    columns = [
        name for name in ("question", "text", "context", "document", "text_pair") if name in pair.rows.column_names
    ]
    rows = pair.rows.select(_spread(range(len(pair.rows)), _TEXTS))
    if "tokens" in pair.rows.column_names:
        return [(" ".join(tokens), None) for tokens in rows["tokens"]]
    parts = [[str(row[name]) for name in columns if row[name]] for row in rows]
    return [(own[0], own[1] if len(own) > 1 else None) for own in parts if own]


def _agreement(pair: Pair, texts: Sequence[Text]) -> tuple[LayerAgreement | None, str]:
    student = Encoder(pair.student, pair.student_tokenizer)
    teacher = Encoder(pair.teacher, pair.teacher_tokenizer)
    try:
        return layer_agreement(student, teacher, texts, max_length=pair.task.settings.max_length), ""
    except ValueError as error:
        return None, str(error)


def _speed(pair: Pair, texts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Of the encoders, on the student's tokens; the heads cost next to nothing."""
    encoders = {"student": encoder_of(pair.student), "teacher": encoder_of(pair.teacher)}
    read = set(pair.student_tokenizer.model_input_names)
    same_tokens = pair.student_tokenizer.get_vocab() == pair.teacher_tokenizer.get_vocab()
    if not texts or not same_tokens or any(not read <= model_input_names(one) for one in encoders.values()):
        return {}
    return {
        str(batch_size): {
            model: round(rate, 1)
            for model, rate in sentences_per_second(
                encoders,
                pair.student_tokenizer,
                texts,
                batch_size=batch_size,
                max_length=pair.task.settings.max_length,
                runs=runs,
            ).items()
        }
        for batch_size, runs in _SPEED_RUNS.items()
    }


__all__ = ["Comparison", "compare"]
