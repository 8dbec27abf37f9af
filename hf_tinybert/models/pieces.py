"""The pieces that a tokenizer cuts texts into, and which of them stay when some are kept.

A smaller vocabulary is exact: a text of known pieces, all of which are kept, is cut into the same ones as before.

- WordPiece takes the longest piece that fits, from left to right. The longest of all pieces is the longest of fewer
  too if it is among them.
- Byte-level BPE joins the pair of lowest rank, again and again. Inside a final piece, which nothing joins across,
  these are the joins that make the piece out of its characters alone. If they stay, then in every state of a covered
  word the join of lowest rank is among those that stay, so that the same one is next.
- Unigram takes the cut with the highest sum of scores. The best of all cuts is the best of fewer too if it is among
  them. The penalty of an unknown character counts from the lowest score, whose piece therefore stays.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Any

from transformers import PreTrainedTokenizerBase

Merge = tuple[str, str]


class PieceKind(StrEnum):
    """How a tokenizer cuts, as in tokenizer.json."""

    WORDPIECE = "WordPiece"
    BPE = "BPE"
    UNIGRAM = "Unigram"


@dataclass(frozen=True)
class PieceInventory:
    """The pieces of a tokenizer.

    Attributes:
        content: of its tokenizer.json.
    """

    content: Mapping[str, Any]

    @property
    def kind(self) -> PieceKind:
        """How the tokenizer cuts."""
        return PieceKind(self.content["model"]["type"])

    @cached_property
    def ids(self) -> dict[str, int]:
        """Piece -> id, added tokens included."""
        vocabulary = self.content["model"]["vocab"]
        if self.kind is PieceKind.UNIGRAM:
            vocabulary = {piece: index for index, (piece, _) in enumerate(vocabulary)}
        return {**vocabulary, **{token["content"]: token["id"] for token in self.content["added_tokens"]}}

    @cached_property
    def always(self) -> frozenset[str]:
        """Pieces that stay whatever else does: special and added tokens, bytes, Unigram's piece of lowest score."""
        model = self.content["model"]
        added = {str(token["content"]) for token in self.content["added_tokens"]}
        if self.kind is PieceKind.WORDPIECE:
            return frozenset({*added, model["unk_token"]} & self.ids.keys())
        if self.kind is PieceKind.BPE:
            return frozenset({*added, *(piece for piece in model["vocab"] if len(piece) == 1)})
        unknown = set() if model["unk_id"] is None else {model["vocab"][model["unk_id"]][0]}
        lowest = min(model["vocab"], key=lambda entry: entry[1])[0]
        written = {f"<0x{byte:02X}>" for byte in range(256)} & self.ids.keys() if model.get("byte_fallback") else set()
        return frozenset({*added, *unknown, lowest, *written})

    @cached_property
    def characters(self) -> frozenset[str]:
        """Pieces of one character; with all of them no text becomes unknown that was not before."""
        model = self.content["model"]
        if self.kind is not PieceKind.WORDPIECE:
            return frozenset(piece for piece in self.ids if len(piece) == 1)
        prefix = model["continuing_subword_prefix"]
        return frozenset(piece for piece in self.ids if len(piece.removeprefix(prefix)) == 1)

    def with_needs(self, piece: str) -> frozenset[str]:
        """A piece and those that stay with it.

        Of WordPiece and Unigram its characters, so that a word that is left out falls apart instead of becoming
        unknown; of BPE all that its joins pass through.
        """
        if piece in self.always:
            return frozenset({piece})
        if self.kind is PieceKind.BPE:
            return frozenset({piece, *(first + second for first, second in self.joins(piece))})
        if self.kind is PieceKind.UNIGRAM:
            return frozenset({piece, *piece} & self.ids.keys())
        prefix = self.content["model"]["continuing_subword_prefix"]
        inside = piece.removeprefix(prefix)
        needed = {f"{prefix}{character}" for character in inside[piece == inside :]}
        return frozenset({piece, *needed, *inside[: piece == inside]} & self.ids.keys())

    def joins(self, piece: str) -> list[Merge]:
        """The joins by which BPE makes a piece out of its characters; none where it is not made so."""
        symbols, done = list(piece), list[Merge]()
        while len(symbols) > 1:
            pairs = list(pairwise(symbols))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                return []
            at = pairs.index(best)
            symbols[at : at + 2] = ["".join(best)]
            done.append(best)
        return done

    @cached_property
    def _ranks(self) -> dict[Merge, int]:
        return {(first, second): rank for rank, (first, second) in enumerate(self.content["model"]["merges"])}


def read_pieces(tokenizer: PreTrainedTokenizerBase) -> PieceInventory:
    """The pieces of a fast tokenizer whose vocabulary can be made smaller.

    Raises:
        ValueError: the tokenizer is not a fast one, or cuts in a way that a smaller vocabulary would change.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ValueError(
            f"expected a fast tokenizer, got `{type(tokenizer).__name__}`; because its pieces and their ids are "
            f"changed in `tokenizer.json`, which others have not; save it as a fast one"
        )
    content: dict[str, Any] = json.loads(backend.to_str())
    reason = _refusal(content)
    if reason is not None:
        raise ValueError(
            f"expected a tokenizer of {', '.join(PieceKind)}, got {reason}; keep the whole vocabulary of this model"
        )
    return PieceInventory(content)


def without_vocabulary(content: Mapping[str, Any]) -> dict[str, Any]:
    """What of a tokenizer.json says how texts are read, whichever pieces there are."""
    model = {name: value for name, value in content["model"].items() if name not in ("vocab", "merges", "unk_id")}
    return {"model": model, **{name: content[name] for name in ("normalizer", "pre_tokenizer")}}


def _refusal(content: Mapping[str, Any]) -> str | None:
    """Why a smaller vocabulary would read covered texts otherwise; None where it would not."""
    model = content["model"]
    if model["type"] not in list(PieceKind):
        return f"{model['type']}; because a word that is left out has no parts to fall apart into"
    if model["type"] != PieceKind.BPE:
        return None
    if model["dropout"]:
        return f"BPE with a dropout of {model['dropout']}; because it cuts at random, so that there is nothing to keep"
    affixes = [name for name in ("continuing_subword_prefix", "end_of_word_suffix") if model.get(name)]
    if affixes:
        return f"BPE with a `{affixes[0]}`; because only byte-level BPE is written and tested here"
    if "ByteLevel" not in set(_types(content["pre_tokenizer"])):
        return "BPE over characters; because only byte-level BPE, whose 256 bytes stay, never meets an unknown one"
    return None


def _types(part: Any) -> Iterable[str]:  # noqa: ANN401 (JSON)
    if isinstance(part, dict):
        if isinstance(part.get("type"), str):
            yield part["type"]
        for value in part.values():
            yield from _types(value)
    elif isinstance(part, list):
        for value in part:
            yield from _types(value)


__all__ = ["PieceInventory", "PieceKind", "read_pieces", "without_vocabulary"]
