"""Whether what was exported gives the model's numbers: on sentences, and on sequences of every length."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.generic import ModelOutput

from hf_tinybert.data.tasks import TaskKind

Answering = Callable[..., ModelOutput]

SENTENCES = (
    "The film is over.",
    "A slow start, a fine middle and an end that nobody saw coming!",
    "Shares of the bank fell by 3.5 % on Tuesday, after it had warned that profits would be lower than last year.",
    "Where does the river rise?",
    "She has been to São Paulo, Zürich and 東京 - but never to the town next door.",
    "no",
    "Heated milk, two eggs and a little sugar: that is all, says the cook, and stirs.",
    "It rains.",
)
_BATCHES = (1, 3, len(SENTENCES))
_CHOICES = 2
# tokens; a runtime makes maps of all pairs, 12 heads of two texts with 8192 tokens 6 GB for each of them
_LONGEST_COMPARED = 2048


def example_inputs(
    tokenizer: PreTrainedTokenizerBase, kind: TaskKind, names: frozenset[str], sentences: tuple[str, ...] = SENTENCES
) -> dict[str, Tensor]:
    """A padded batch, int64, `(batch, seq_len)`; of a multiple choice `(batch / 2, 2, seq_len)`.

    Args:
        tokenizer: of the model.
        kind: of its task.
        names: inputs that the model takes.
        sentences: of the batch; of a multiple choice an even number of them.
    """
    encoded = tokenizer(list(sentences), padding=True, truncation=True, return_tensors="pt")
    inputs = {name: value for name, value in encoded.items() if name in names}
    if kind is TaskKind.MULTIPLE_CHOICE:
        inputs = {name: value.reshape(-1, _CHOICES, value.shape[-1]) for name, value in inputs.items()}
    return inputs


def largest_difference(
    model: PreTrainedModel,
    exported: Answering,
    tokenizer: PreTrainedTokenizerBase,
    kind: TaskKind,
    names: frozenset[str],
    *,
    longest: int,
) -> float:
    """The largest difference of any number that model and exported model give, at valid tokens.

    Args:
        model: in evaluation mode.
        exported: called with the same inputs.
        tokenizer: of the model.
        kind: of its task.
        names: inputs that the model takes.
        longest: tokens that the model reads; the longest sequences that are compared have as many, at most 2048.
    """
    found = 0.0
    with torch.inference_mode():
        for inputs in _batches(tokenizer, kind, names, longest):
            expected, given = model(**inputs), exported(**inputs)
            mask = inputs["attention_mask"] != 0
            for name, value in expected.items():
                if isinstance(value, Tensor) and value.is_floating_point():
                    difference = (value - given[name]).abs()
                    if value.shape[: mask.ndim] == mask.shape and kind is not TaskKind.MULTIPLE_CHOICE:
                        difference = difference[mask]
                    found = max(found, _largest(difference))
    return found


def _batches(
    tokenizer: PreTrainedTokenizerBase, kind: TaskKind, names: frozenset[str], longest: int
) -> Iterator[dict[str, Tensor]]:
    """One sentence, some, all, and two that fill the model, or `_LONGEST_COMPARED` tokens of it."""
    longest = min(longest, _LONGEST_COMPARED)
    per_row = _CHOICES if kind is TaskKind.MULTIPLE_CHOICE else 1
    for rows in _BATCHES:
        yield example_inputs(tokenizer, kind, names, SENTENCES[: max(rows // per_row, 1) * per_row])
    inputs = example_inputs(tokenizer, kind, names)
    whole = {name: value.repeat_interleave(-(-longest // value.shape[-1]), dim=-1) for name, value in inputs.items()}
    yield {name: value[:2, ..., :longest] for name, value in whole.items()}


def _largest(difference: Tensor) -> float:
    """NaN counts as without end."""
    largest = float(difference.max())
    return largest if largest == largest else float("inf")


__all__ = ["SENTENCES", "Answering", "example_inputs", "largest_difference"]
