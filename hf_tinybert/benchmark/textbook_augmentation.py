"""The augmentation that people write, and that the published code is: what the package's speed is held against.

Every word of every row by itself: one masked position a forward, batch 1, the whole text encoded anew for each word,
predictions of the whole vocabulary at every position, all of them sorted; for other words a product with all vectors
in float64, all of them sorted. Where the published code is slower still, this is kinder: forwards are without
gradients, and the tokenizer is a fast one. Candidates are the package's, so that both make the same rows: whole words
of letters.
"""

import random

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.augmentation import Passage, PassageReader, Replacement, WordVectors
from hf_tinybert.data.augmentation.whole_words import whole_words


class TextbookAugmentation:
    """Makes new texts one word at a time.

    Args:
        reader: of rows with one text.
        replacement: how words are replaced.
        vectors: of words of several pieces, and of all words where there is no model.
        model: a masked language model, in evaluation mode, which reads the whole text beside the masked one; or None.
        tokenizer: of the model.

    Source: huawei-noah/Pretrained-Language-Model, TinyBERT/data_augmentation.py.
    """

    def __init__(
        self,
        reader: PassageReader,
        replacement: Replacement,
        vectors: WordVectors,
        model: PreTrainedModel | None = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
    ) -> None:
        self._reader, self._replacement = reader, replacement
        self._words = vectors.words
        self._rows = {word: row for row, word in enumerate(self._words)}
        self._directions = vectors.directions.numpy().astype(np.float64)
        self._model, self._tokenizer = model, tokenizer
        self._whole = {} if tokenizer is None else whole_words(tokenizer)
        self._random = random.Random(replacement.seed)

    def new_texts(self, text: str) -> list[str]:
        """Gives different variants of a text, as many as its copies at most.

        Args:
            text: any.
        """
        (passage,) = self._reader.read({"text": text})
        candidates = self.candidates(passage)
        made = [text]
        for _ in range(self._replacement.copies):
            pieces = list(passage.pieces)
            for position, known in enumerate(candidates):
                if known and self._random.random() < self._replacement.probability:
                    pieces[2 * position + 1] = self._random.choice(known)
            new = "".join(pieces)
            if new not in made:
                made.append(new)
        return made[1:]

    def candidates(self, passage: Passage) -> list[list[str]]:
        """Gives the words that may take the place of each word of a text, the best first.

        Args:
            passage: of the reader.
        """
        return [self._of_word(passage.text, span) for span in passage.words]

    def _of_word(self, text: str, span: tuple[int, int]) -> list[str]:
        if self._model is None or self._tokenizer is None:
            return self._nearest(text[slice(*span)])
        inputs = self._tokenizer(text, text, return_offsets_mapping=True, return_tensors="pt")
        offsets = inputs.pop("offset_mapping")[0].tolist()
        pieces = [
            position
            for position, (start, end) in enumerate(offsets)
            if inputs.sequence_ids()[position] == 0 and span[0] <= start < end <= span[1]
        ]
        if len(pieces) != 1:
            return self._nearest(text[slice(*span)])
        inputs["input_ids"][0, pieces[0]] = self._tokenizer.mask_token_id
        with torch.no_grad():
            logits = self._model(**inputs.to(self._model.device)).logits[0, pieces[0]]
        order = torch.argsort(logits, descending=True).tolist()
        best = [self._whole[token] for token in order if token in self._whole]
        return best[: self._replacement.candidates]

    def _nearest(self, word: str) -> list[str]:
        row = self._rows.get(word, self._rows.get(word.lower()))
        if row is None:
            return []
        similarities = self._directions @ self._directions[row]
        similarities[row] = -np.inf
        return [self._words[index] for index in np.argsort(-similarities)[: self._replacement.candidates]]


__all__ = ["TextbookAugmentation"]
