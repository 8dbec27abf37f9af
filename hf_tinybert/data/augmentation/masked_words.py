"""What a masked language model puts in the place of words: many words of many texts at once."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForMaskedLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.augmentation.whole_words import whole_words

__all__ = ["MaskedWords", "load_masked_words"]

_LONGEST_WINDOW = 126  # tokens of a text at once; a word is told by what is near it


@dataclass(frozen=True)
class _Question:
    """One masked word: which it is, and what the model reads."""

    text: str
    span: tuple[int, int]
    position: int
    inputs: dict[str, list[int]]


class MaskedWords:
    """Candidates of a masked language model.

    Each word of one piece is masked alone. Beside the masked text the model reads the whole one, as in TinyBERT's
    published code, so that candidates keep to the meaning of what they replace; the word itself may be one. A long
    text is read in windows (there cut to 512 tokens, and words beyond stay as they are).

    Args:
        model: with a trained head.
        tokenizer: of the model; it must tell offsets.
        beside_original: whether the whole text is read beside the masked one. The paper's text masks alone.
        batch_size: masked texts at once. It changes the time, and a candidate only where the last one and the next
            are equal but for rounding.

    Raises:
        ValueError: If the tokenizer tells no offsets or has no mask.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        beside_original: bool = True,
        batch_size: int = 64,
    ) -> None:
        if not tokenizer.is_fast or tokenizer.mask_token_id is None:
            raise ValueError(
                f"expected a fast tokenizer with a mask token, got `{type(tokenizer).__name__}`; because words are "
                "masked where they stand in the text; use the tokenizer of a masked language model."
            )
        self._model, self._tokenizer = model.eval(), tokenizer
        self._beside_original, self._batch_size = beside_original, batch_size
        self._words = whole_words(tokenizer)
        self._barred = torch.ones(model.config.vocab_size, dtype=torch.bool)
        self._barred[list(self._words)] = False
        self._barred = self._barred.to(model.device)
        self._longest = min(int(tokenizer.model_max_length), _positions(model))
        texts = 2 if beside_original else 1
        room = (self._longest - tokenizer.num_special_tokens_to_add(pair=beside_original)) // texts
        self._window = min(room, _LONGEST_WINDOW)

    def candidates(
        self, texts: Sequence[str], words: Sequence[Sequence[tuple[int, int]]], count: int
    ) -> list[dict[int, list[str]]]:
        """Gives the most probable words in the place of each word that is one piece; of equal texts once.

        Args:
            texts: any.
            words: of each text, the (start, end) of the words that are asked for, in order.
            count: candidates of each.

        Returns:
            Of each text: position in its `words` -> candidates, the most probable first. A word of several pieces is
            not among them. Pieces of words and special tokens are no candidates.
        """
        places: dict[str, dict[tuple[int, int], list[tuple[int, int]]]] = {}
        for number, (text, spans) in enumerate(zip(texts, words, strict=True)):
            of_text = places.setdefault(text, {})
            for position, span in enumerate(spans):
                of_text.setdefault(span, []).append((number, position))
        questions = [question for text, of_text in places.items() for question in self._questions(text, of_text)]
        questions.sort(key=lambda question: len(question.inputs["input_ids"]))
        found: list[dict[int, list[str]]] = [{} for _ in texts]
        for start in range(0, len(questions), self._batch_size):
            batch = questions[start : start + self._batch_size]
            for question, tokens in zip(batch, self._best(batch, count), strict=True):
                for number, position in places[question.text][question.span]:
                    found[number][position] = [self._words[token] for token in tokens]
        return found

    def _questions(self, text: str, spans: Collection[tuple[int, int]]) -> Iterator[_Question]:
        if not spans:
            return
        for begin, end in self._windows(text):
            part = text[begin:end]
            encoded = self._tokenizer(
                part,
                part if self._beside_original else None,
                return_offsets_mapping=True,
                truncation=True,
                max_length=self._longest,
            )
            offsets = encoded.pop("offset_mapping")
            for position, (sequence, offset) in enumerate(zip(encoded.sequence_ids(), offsets, strict=True)):
                inner = _without_space(part, *offset)
                span = (begin + inner[0], begin + inner[1])
                if sequence == 0 and span in spans:
                    ids = list(encoded["input_ids"])
                    ids[position] = self._tokenizer.mask_token_id
                    yield _Question(text, span, position, {**encoded, "input_ids": ids})

    def _windows(self, text: str) -> list[tuple[int, int]]:
        """Parts of a text that the model reads whole, cut between words."""
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        starts = [_without_space(text, *offset)[0] for offset in encoded["offset_mapping"]]
        if len(starts) <= self._window:
            return [(0, len(text))]
        words = encoded.word_ids()
        cuts, first, boundary = [0], 0, 0
        for index in range(1, len(starts)):
            if words[index] != words[index - 1]:
                boundary = index
            if index - first >= self._window:
                first = boundary if boundary > first else index
                cuts.append(starts[first])
        return list(zip(cuts, [*cuts[1:], len(text)], strict=True))

    @torch.inference_mode()
    def _best(self, batch: Sequence[_Question], count: int) -> list[list[int]]:
        device = self._model.device
        padded: Any = self._tokenizer.pad([question.inputs for question in batch], return_tensors="pt").to(device)
        positions = torch.tensor([question.position for question in batch], device=device)
        hook = self._model.base_model.register_forward_hook(_AtPositions(positions))
        try:
            logits = self._model(**padded).logits.float()
        finally:
            hook.remove()
        logits = logits[:, 0, : len(self._barred)].masked_fill(self._barred, -torch.inf)
        best: list[list[int]] = logits.topk(min(count, len(self._words)), dim=-1).indices.tolist()
        return best


class _AtPositions:
    """A forward hook after which a head sees one position of each row: the vocabulary product is the costly part.

    Args:
        positions: (rows,) of int64.
    """

    def __init__(self, positions: torch.Tensor) -> None:
        self._positions = positions

    def __call__(self, module: nn.Module, arguments: Any, output: Any) -> Any:  # noqa: ANN401 (torch's hook)
        states = output.last_hidden_state
        rows = torch.arange(len(states), device=states.device)
        output.last_hidden_state = states[rows, self._positions].unsqueeze(1)
        return output


def load_masked_words(name: str, *, beside_original: bool = True, batch_size: int = 64) -> MaskedWords:
    """Loads a masked language model, on an accelerator where there is one.

    Args:
        name: Hub name or folder.
        beside_original: see `MaskedWords`.
        batch_size: see `MaskedWords`.

    Raises:
        OSError: If there is no such model.
        ValueError: If its head is not among the weights.
    """
    model, info = AutoModelForMaskedLM.from_pretrained(name, output_loading_info=True)
    missing = sorted(info["missing_keys"])
    if missing:
        raise ValueError(
            f"expected a masked language model, got `{name}` without {', '.join(f'`{key}`' for key in missing)}; "
            "because an untrained head gives words at random; name another model, or none to use vectors alone."
        )
    if torch.accelerator.is_available():
        model = model.to(torch.accelerator.current_accelerator())
    tokenizer = AutoTokenizer.from_pretrained(name)
    return MaskedWords(model, tokenizer, beside_original=beside_original, batch_size=batch_size)


def _positions(model: PreTrainedModel) -> int:
    """Tokens that a model has positions for; RoBERTa and its kin number them from the padding id on."""
    modules = (module for name, module in model.named_modules() if name.endswith("position_embeddings"))
    table = next((module for module in modules if isinstance(module, nn.Embedding)), None)
    before = 0 if table is None or table.padding_idx is None else table.padding_idx + 1
    return int(model.config.max_position_embeddings) - before


def _without_space(text: str, start: int, end: int) -> tuple[int, int]:
    """A span without the white space at its start, which some tokenizers count to a token."""
    return start + len(text[start:end]) - len(text[start:end].lstrip()), end
