"""The right one of several endings or answers of a text."""

from collections.abc import Sequence
from typing import Any

from datasets import Dataset, Value
from scipy.special import softmax
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.gathered_logits import logits_of_rows, rounded
from hf_tinybert.data.kinds.definition import ROW_NUMBER, Collator, KindDefinition, Logits, Prediction, TaskSettings
from hf_tinybert.data.kinds.encoded_rows import encode_rows
from hf_tinybert.data.kinds.gold import gold_values, required
from hf_tinybert.data.kinds.texts import TextCollator, check_columns, check_max_length, check_strings, encode_pairs
from hf_tinybert.data.metrics import Accuracy


class ChoiceCollator:
    """Pads all choices of all rows to the longest of them.

    Args:
        tokenizer: Knows the padding.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._pad = TextCollator(tokenizer)

    def __call__(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Gives tensors (rows, choices, longest) of each input, and labels (rows,) where the rows have them."""
        inputs = [name for name in rows[0] if name not in (ROW_NUMBER, "labels")]
        flat = [
            {name: row[name][choice] for name in inputs} for row in rows for choice in range(len(row["input_ids"]))
        ]
        batch = {name: tensor.view(len(rows), -1, tensor.shape[-1]) for name, tensor in self._pad(flat).items()}
        if "labels" in rows[0]:
            batch["labels"] = batch["input_ids"].new_tensor([row["labels"] for row in rows])
        return batch


def _collator(tokenizer: PreTrainedTokenizerBase, settings: TaskSettings, seed: int) -> Collator:
    return ChoiceCollator(tokenizer)


def _encode(rows: Dataset, tokenizer: PreTrainedTokenizerBase, settings: TaskSettings) -> Dataset:
    check_columns(rows, ("text", "choices"))
    check_max_length(settings.max_length, tokenizer, pairs=True)
    choices = rows["choices"][:]
    _check_choices(choices)
    positions = _gold_positions(rows, choices)
    encoded = encode_rows(
        rows,
        _encode_batch,
        "Tokenising",
        tokenizer=tokenizer,
        max_length=settings.max_length,
    )
    return encoded if positions is None else encoded.add_column("labels", positions, feature=Value("int64"))


def _check_choices(choices: Sequence[Sequence[str] | None]) -> None:
    """One batch holds equally many choices per row, because stock heads compare them along an axis of their own."""
    first = len(choices[0] or ()) if choices else 2
    for row, own in enumerate(choices):
        found = len(own or ())
        if found < 2:
            raise ValueError(
                f"expected at least two choices, got {found} in row {row + 1:,}; because there is nothing to choose "
                "from; correct the row."
            )
        if found != first:
            raise ValueError(
                f"expected equally many choices in every row, got {first} in row 1 and {found} in "
                f"row {row + 1:,}; because one batch holds the choices of all its rows side by side; correct the row, "
                "or predict rows with other numbers of choices separately."
            )


def _gold_positions(rows: Dataset, choices: Sequence[Sequence[str]]) -> list[int] | None:
    positions = gold_values(rows, "label")
    for row, position in enumerate(positions or ()):
        if not 0 <= position < len(choices[row]):
            raise ValueError(
                f"expected the position of the right choice, from 0 to {len(choices[row]) - 1}, in `label`, got "
                f"{position} in row {row + 1:,}; because there is no such choice; correct the row."
            )
    return positions


def _encode_batch(
    batch: dict[str, list[Any]], numbers: list[int], tokenizer: PreTrainedTokenizerBase, max_length: int
) -> dict[str, Any]:
    check_strings(batch["text"], numbers, "text")
    columns: dict[str, list[Any]] = {}
    for number, text, choices in zip(numbers, batch["text"], batch["choices"], strict=True):
        check_strings(choices, [number] * len(choices), "choices")
        # an empty text is no first segment: the choices are read alone
        if text:
            encoded = encode_pairs([text] * len(choices), choices, tokenizer, max_length)
        else:
            encoded = tokenizer(choices, truncation=True, max_length=max_length, padding=False)
        for name, lists in encoded.items():
            columns.setdefault(name, []).append(lists)
    return {**columns, ROW_NUMBER: numbers}


def _decode(logits: Logits, encoded: Dataset, rows: Dataset, settings: TaskSettings) -> list[Prediction]:
    choices = rows["choices"][:]
    predictions: list[Prediction] = []
    scores = softmax(logits_of_rows(logits, encoded[ROW_NUMBER][:], len(choices[0])), axis=-1)
    for own, names in zip(scores, choices, strict=True):
        best = int(own.argmax())
        predictions.append({"choice": best, "text": names[best], "scores": [rounded(score) for score in own]})
    return predictions


def _score(predictions: Sequence[Prediction], rows: Dataset, settings: TaskSettings) -> dict[str, float]:
    chosen = [prediction["choice"] for prediction in predictions]
    gold = required(gold_values(rows, "label"), rows, "label")
    scores: dict[str, float] = Accuracy(keep_in_memory=True).compute(predictions=chosen, references=gold)
    return scores


MULTIPLE_CHOICE = KindDefinition(
    head="ForMultipleChoice",
    problem_type=None,
    columns=("text", "choices"),
    label_columns=("label",),
    metrics=("accuracy",),
    encode=_encode,
    collator=_collator,
    decode=_decode,
    score=_score,
)

__all__ = ["MULTIPLE_CHOICE", "ChoiceCollator"]
