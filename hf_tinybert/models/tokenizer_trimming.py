"""A tokenizer with fewer pieces, which cuts a text of kept pieces as before."""

import copy
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from transformers import PreTrainedTokenizerBase

from hf_tinybert.models.pieces import PieceInventory, PieceKind, read_pieces

_Tokenizer = TypeVar("_Tokenizer", bound=PreTrainedTokenizerBase)
_TOKENIZER_FILE = "tokenizer.json"
_SETTINGS_FILE = "tokenizer_config.json"
_IDS_OF_ADDED_TOKENS = "added_tokens_decoder"  # older settings name them a second time


def trim_tokenizer(tokenizer: _Tokenizer, kept: Sequence[int]) -> _Tokenizer:
    """A tokenizer of some of the pieces, in the order of their old ids; the new id of `kept[i]` is `i`.

    Why a text of kept pieces is cut as before is said in `hf_tinybert.models.pieces`.

    Args:
        tokenizer: a fast one of WordPiece, byte-level BPE or Unigram; it is not changed.
        kept: old ids in rising order, as `choose_pieces` gives them.

    Raises:
        ValueError: a special token or a piece that a kept one needs would be lost, ids are not of the vocabulary or
            not rising, or the tokenizer is of another kind.
    """
    inventory = read_pieces(tokenizer)
    new_ids = _checked(inventory, kept)
    content = _trimmed(inventory, new_ids)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        (Path(folder) / _TOKENIZER_FILE).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        settings_file = Path(folder) / _SETTINGS_FILE
        settings = json.loads(settings_file.read_text(encoding="utf-8"))
        settings.pop(_IDS_OF_ADDED_TOKENS, None)
        settings_file.write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")
        trimmed: _Tokenizer = type(tokenizer).from_pretrained(folder)
    trimmed.name_or_path = tokenizer.name_or_path
    if trimmed.get_vocab() != new_ids or read_pieces(trimmed).content["model"] != content["model"]:
        raise ValueError(
            f"expected `{type(tokenizer).__name__}` to take over {len(new_ids):,} pieces as they are, got "
            f"{len(trimmed.get_vocab()):,} or others; because its class rebuilds the vocabulary; load the "
            "tokenizer as `PreTrainedTokenizerFast`"
        )
    return trimmed


def _checked(inventory: PieceInventory, kept: Sequence[int]) -> dict[str, int]:
    """Piece -> new id."""
    pieces = {index: piece for piece, index in inventory.ids.items()}
    if list(kept) != sorted(set(kept)) or not set(kept) <= pieces.keys():
        raise ValueError(
            f"expected rising ids of the vocabulary's {len(pieces):,} pieces, got {len(kept):,} of which some come "
            "twice, are out of order or not there; choose them by `choose_pieces`"
        )
    new_ids = {pieces[old]: new for new, old in enumerate(kept)}
    lost = sorted(inventory.always - new_ids.keys(), key=lambda piece: inventory.ids[piece])
    if lost:
        raise ValueError(
            f"expected a vocabulary with all special tokens, got one without {_listed(lost)}; because texts are "
            "framed, padded and masked with them, and what is unknown is one; keep them"
        )
    if inventory.kind is PieceKind.BPE:
        lost = sorted({one for piece in new_ids for one in inventory.with_needs(piece)} - new_ids.keys())
        if lost:
            raise ValueError(
                f"expected all pieces that the kept ones are joined from, got a vocabulary without {_listed(lost)}; "
                "because a kept piece could not be made any more; keep them"
            )
    return new_ids


def _trimmed(inventory: PieceInventory, new_ids: Mapping[str, int]) -> dict[str, Any]:
    """The content of tokenizer.json with the pieces that stay, under their new ids."""
    content: dict[str, Any] = copy.deepcopy(dict(inventory.content))
    model = content["model"]
    if inventory.kind is PieceKind.UNIGRAM:
        unknown = None if model["unk_id"] is None else model["vocab"][model["unk_id"]][0]
        model["vocab"] = [entry for entry in model["vocab"] if entry[0] in new_ids]
        model["unk_id"] = None if unknown is None else new_ids[unknown]
    else:
        model["vocab"] = {piece: new_ids[piece] for piece in model["vocab"] if piece in new_ids}
    if inventory.kind is PieceKind.BPE:
        joins = {join for piece in new_ids for join in inventory.joins(piece)}
        model["merges"] = [merge for merge in model["merges"] if tuple(merge) in joins]
    for token in content["added_tokens"]:
        token["id"] = new_ids[token["content"]]
    if content["padding"] is not None:
        content["padding"]["pad_id"] = new_ids[content["padding"]["pad_token"]]
    _renumber(content["post_processor"], new_ids)
    return content


def _renumber(processor: Any, new_ids: Mapping[str, int]) -> None:  # noqa: ANN401 (JSON)
    """Give the tokens around a text their new ids, in place, in every form that tokenizer.json has for them."""
    if processor is None:
        return
    for inner in processor.get("processors", ()):
        _renumber(inner, new_ids)
    for name in ("cls", "sep"):
        if isinstance(processor.get(name), list):
            processor[name][1] = new_ids[processor[name][0]]
    for token in (processor.get("special_tokens") or {}).values():
        token["ids"] = [new_ids[piece] for piece in token["tokens"]]


def _listed(pieces: Sequence[str]) -> str:
    more = f" and {len(pieces) - 5:,} more" if len(pieces) > 5 else ""
    return ", ".join(f"`{piece}`" for piece in pieces[:5]) + more


__all__ = ["trim_tokenizer"]
