"""What is read of both models themselves, on a few texts: how alike their layers are, and how fast they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from hf_tinybert.benchmark.inference import sentences_per_second
from hf_tinybert.distillation.encodings import model_input_names
from hf_tinybert.distillation.teacher_ensemble import teachers_of
from hf_tinybert.report.compared_rows import ComparedRows
from hf_tinybert.report.layer_agreement import Encoder, LayerAgreement, Text, encoder_of, layer_agreement
from hf_tinybert.report.pair import Pair

_Item = TypeVar("_Item")
_TEXTS = 64
# batch size -> counted forwards of each model
_SPEED_RUNS = {1: 12, 32: 4}


@dataclass(frozen=True)
class LayersAndSpeed:
    """Of both encoders.

    Attributes:
        agreement: of the layers; None where it cannot be had.
        without_agreement: why not.
        sentences_per_second: by batch size and model; empty where the tokenizers differ, and beside several teachers.
    """

    agreement: LayerAgreement | None = None
    without_agreement: str = ""
    sentences_per_second: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def read_layers_and_speed(pair: Pair, asked: ComparedRows, *, shares: int = 1, timed: bool = True) -> LayersAndSpeed:
    """Read up to 64 texts, 4,096 tokens, layer by layer, and time some batches.

    It costs the same however many rows there are.

    Args:
        pair: of models; see `layer_agreement` for what becomes of them.
        asked: rows that the texts are taken of.
        shares: tasks of the student that share the tokens.
        timed: whether the batches are timed: of several tasks that is done once, because they share the encoder.
    """
    texts, length = _texts(asked), asked.task.settings.max_length
    speed = {} if not timed else _speed(pair, [f"{text} {other or ''}".strip() for text, other in texts], length)
    student = Encoder(pair.student, pair.student_tokenizer)
    teacher = Encoder(pair.teacher, pair.teacher_tokenizer)
    try:
        return LayersAndSpeed(layer_agreement(student, teacher, texts, max_length=length, shares=shares), "", speed)
    except ValueError as error:
        return LayersAndSpeed(None, str(error), speed)


def spread(items: Sequence[_Item], most: int) -> list[_Item]:
    """So many at most, at even distances: the first ones of data in the order of their labels are of one class."""
    count = min(most, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def _texts(asked: ComparedRows) -> list[Text]:
    """What the encoders read of some rows from all over the data."""
    names = asked.rows.column_names
    columns = [name for name in ("question", "text", "context", "document", "text_pair") if name in names]
    rows = asked.rows.select(spread(range(len(asked.rows)), _TEXTS))
    if "tokens" in names:
        return [(" ".join(tokens), None) for tokens in rows["tokens"]]
    parts = [[str(row[name]) for name in columns if row[name]] for row in rows]
    return [(own[0], own[1] if len(own) > 1 else None) for own in parts if own]


def _speed(pair: Pair, texts: Sequence[str], length: int) -> dict[str, dict[str, float]]:
    """Of the encoders, on the student's tokens; the heads cost next to nothing. Not beside the first of several."""
    if len(teachers_of(pair.teacher)) > 1:
        return {}
    encoders = {"student": encoder_of(pair.student), "teacher": encoder_of(pair.teacher)}
    read = set(pair.student_tokenizer.model_input_names)
    same_tokens = pair.student_tokenizer.get_vocab() == pair.teacher_tokenizer.get_vocab()
    if not texts or not same_tokens or any(not read <= model_input_names(one) for one in encoders.values()):
        return {}
    return {
        str(batch_size): {
            model: round(rate, 1)
            for model, rate in sentences_per_second(
                encoders, pair.student_tokenizer, texts, batch_size=batch_size, max_length=length, runs=runs
            ).items()
        }
        for batch_size, runs in _SPEED_RUNS.items()
    }


__all__ = ["LayersAndSpeed", "read_layers_and_speed", "spread"]
