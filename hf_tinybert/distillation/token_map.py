"""A student whose vocabulary is a part of its teacher's: which token of the teacher each of its tokens is.

Rows are encoded by the student's tokenizer alone. Every piece of the student is a piece of the teacher, so the teacher
reads the same pieces under its own ids, position by position, and every term compares as with one vocabulary. On text
of which all pieces are the student's the two tokenizers cut alike (see `hf_tinybert.models.pieces`); other text the
teacher reads in the student's smaller pieces.
"""

import hashlib
import json
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

_HOW_TEXTS_ARE_READ = ("normalizer", "pre_tokenizer")
_PIECES = ("vocab", "merges", "unk_id")  # of a model in tokenizer.json


def find_token_map(student: PreTrainedTokenizerBase, teacher: PreTrainedTokenizerBase) -> Tensor | None:
    """The teacher's id of each of the student's tokens, int64 `(student_ids,)`.

    Args:
        student: tokenizer of the student.
        teacher: tokenizer of the teacher.

    Returns:
        None where the student's vocabulary is not a smaller part of the teacher's, or texts are read otherwise:
        in case, accents, special tokens or kind of pieces. `-1` at ids that no token of the student has.
    """
    own, other = student.get_vocab(), teacher.get_vocab()
    if len(own) >= len(other) or not own.keys() <= other.keys() or reading_differences(student, teacher):
        return None
    token_map = torch.full((max(own.values()) + 1,), -1, dtype=torch.long)
    for token, index in own.items():
        token_map[index] = other[token]
    return token_map


def reading_differences(student: PreTrainedTokenizerBase, teacher: PreTrainedTokenizerBase) -> list[str]:
    """In what two tokenizers read texts otherwise, whichever pieces they have; empty where they read alike."""
    contents = _content(student), _content(teacher)
    if contents[0] is None or contents[1] is None:
        return ["a tokenizer.json"]
    differences = [name.replace("_", " ") for name in _HOW_TEXTS_ARE_READ if contents[0][name] != contents[1][name]]
    models = [
        {name: value for name, value in content["model"].items() if name not in _PIECES}
        for content in contents
        if content is not None
    ]
    differences += [] if models[0] == models[1] else ["kind of pieces"]
    differences += [] if student.special_tokens_map == teacher.special_tokens_map else ["special tokens"]
    return differences


def token_map_sha256(token_map: Tensor) -> str:
    """A hash of a map: what a teacher read through it is told apart by."""
    return hashlib.sha256(token_map.numpy().tobytes()).hexdigest()


def _content(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any] | None:
    """What tokenizer.json holds; None of a tokenizer without one."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    content: dict[str, Any] | None = None if backend is None else json.loads(backend.to_str())
    return content


__all__ = ["find_token_map", "reading_differences", "token_map_sha256"]
