"""Raw text packed into blocks of equal length, on disk: no padding, every token once.

A corpus becomes one long row of tokens, its documents separated by the separator token, cut into blocks that begin and
end as every input of the model. Source: RoBERTa (arXiv 1907.11692), "full-sentences", section 4.2.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from datasets import Dataset, Features, List, Value, concatenate_datasets
from datasets.arrow_writer import ArrowWriter
from transformers import PreTrainedTokenizerBase

from hf_tinybert.data.long_texts import text_parts
from hf_tinybert.run_folder import RUN_FILE, RunFolder, check_free, read_settings, wait_for_stage
from hf_tinybert.worker_processes import worker_processes

__all__ = ["PackedBlocks", "check_block_folder", "check_blocks", "pack_documents", "wait_for_blocks"]

_CHUNK_CHARACTERS = 2_000_000
_LAST = "last"  # the blocks that the ends of all parts fill together
_WAITING_PER_PROCESS = 2
_OTHERS = {
    "length": "another length",
    "tokenizer": "another tokenizer",
    "source": "other texts, or read otherwise",
}
# Two tokenizers of one vocabulary may still differ in case, accents and punctuation.
_PROBE = "The two Tokenizers of one Vocabulary: naïve ÉCOLES, don't 3.14 -- 東京 (e.g.)?"


class _Text(NamedTuple):
    """A document, or a part of a long one: whether the document begins with it, and ends with it."""

    content: str
    begins: bool
    ends: bool


@dataclass(frozen=True)
class PackedBlocks:
    """A corpus as a model reads it.

    Attributes:
        rows: with `input_ids`, `(length,)`, memory-mapped.
        documents: that they were made of.
        tokens: of the documents, one separator after each.
        left_out: tokens at the very end that fill no block.
    """

    rows: Dataset
    documents: int
    tokens: int
    left_out: int


def check_blocks(tokenizer: PreTrainedTokenizerBase, length: int, longest: int | None = None) -> tuple[int, int]:
    """Refuses blocks that no model reads.

    Args:
        tokenizer: of the model.
        length: tokens of a block.
        longest: tokens that the model reads at most; None takes what the tokenizer says.

    Returns:
        The tokens that every block begins and ends with.

    Raises:
        ValueError: If the length leaves no room or is too long, or the tokenizer has no special tokens around a text.
    """
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    if first is None or last is None:
        raise ValueError(
            f"expected a tokenizer with a first and a separator token, got `{type(tokenizer).__name__}` without; "
            "because every input of an encoder begins and ends with them; set `cls_token` and `sep_token`."
        )
    longest = tokenizer.model_max_length if longest is None else longest
    if not 3 <= length <= longest:
        raise ValueError(
            f"expected blocks of 3 to {longest} tokens, got {length}; because the model reads no more, and two are "
            "special; change the length."
        )
    return int(first), int(last)


def check_block_folder(
    folder: Path, tokenizer: PreTrainedTokenizerBase, length: int, source: Mapping[str, Any] | None = None
) -> None:
    """Refuses a folder that `pack_documents` would refuse; nothing is written.

    Args:
        folder: of the blocks; it need not exist.
        tokenizer: of the model.
        length: tokens of a block.
        source: of the documents, as `pack_documents` takes it.

    Raises:
        ValueError: If the folder holds something else, or blocks of something else.
    """
    check_free(folder)
    if not (folder / RUN_FILE).is_file():
        return
    there, wanted = read_settings(folder), _identity(tokenizer, length, source)
    different = [told for name, told in _OTHERS.items() if there.get(name) != wanted[name]]
    if different:
        raise ValueError(
            f"expected a folder for the blocks of these texts, got `{folder}` with blocks of {' and '.join(different)}"
            "; because training would be on those; name another folder for these, or remove it"
        )


def pack_documents(
    documents: Iterable[str],
    tokenizer: PreTrainedTokenizerBase,
    length: int,
    folder: Path,
    *,
    source: dict[str, Any] | None = None,
    num_proc: int = 1,
) -> PackedBlocks:
    """Tokenises documents once; interrupted, the same call goes on after the last whole part.

    Documents are packed in parts of some two million characters, a longer document in several. What a part has beyond
    its last whole block is kept, and the ends of all parts make the blocks at the end. The blocks do not depend on
    `num_proc`. A document of which the tokenizer leaves nothing is none.

    Args:
        documents: in an order that does not change from call to call.
        tokenizer: of the model.
        length: tokens of a block, its first and last special token included.
        folder: of the blocks.
        source: what `documents` is, in JSON values; blocks of another source are refused.
        num_proc: processes that tokenise.

    Raises:
        ValueError: If `check_blocks` refuses the blocks, the folder holds something else, another process packs into
            it, or the documents do not fill a block.
    """
    frame = check_blocks(tokenizer, length)
    check_block_folder(folder, tokenizer, length, source)
    run = RunFolder(folder, _identity(tokenizer, length, source))
    last = run.finished(_LAST)
    if last is None:
        with run.alone():
            done = len(_parts(folder))
            jobs = (
                (texts, tokenizer, length, folder / _name(number))
                for number, texts in enumerate(_chunks(documents))
                if number >= done
            )
            if num_proc == 1:
                for job in jobs:
                    _pack(*job)
            else:
                _pack_in_processes(jobs, num_proc)
            ends = [token for part in _parts(folder) for token in part["end"]]
            blocks, end = _cut(np.array(ends, dtype=np.int32), length - 2)
            _write(folder / _LAST, blocks, frame)
            last = {"blocks": len(blocks), "left_out": len(end)}
            run.finish(_LAST, last)
    return _read(folder, last, length)


def wait_for_blocks(folder: Path, length: int, seconds: float = 1.0) -> PackedBlocks:
    """The blocks that another process packs, as soon as they are whole.

    Args:
        folder: of the blocks, on a disk that both processes see.
        length: tokens of a block.
        seconds: between two looks at it.

    Raises:
        ValueError: If the documents did not fill a block.
    """
    return _read(folder, wait_for_stage(folder, _LAST, seconds), length)


def _read(folder: Path, last: Mapping[str, int], length: int) -> PackedBlocks:
    """Blocks that are whole; `last` is what `run.json` says of those that the ends of all parts fill."""
    parts = _parts(folder)
    files = [_name(number) for number, part in enumerate(parts) if part["blocks"]]
    files += [_LAST] if last["blocks"] else []
    if not files:
        raise ValueError(
            f"expected documents of at least {length - 2} tokens together, got {last['left_out']}; because they fill "
            "no block; bring more text, or choose a shorter length."
        )
    rows = concatenate_datasets([Dataset.from_file(str(folder / f"{name}.arrow")) for name in files])
    documents_read, tokens = (sum(part[name] for part in parts) for name in ("documents", "tokens"))
    return PackedBlocks(rows.with_format("numpy"), documents_read, tokens, last["left_out"])


def _pack_in_processes(jobs: Iterator[tuple[Any, ...]], num_proc: int) -> None:
    """No more texts wait than the processes take up soon."""
    with worker_processes(num_proc, __name__) as pool:
        waiting: list[Future[None]] = []
        for job in jobs:
            waiting.append(pool.submit(_pack, *job))
            if len(waiting) >= num_proc * _WAITING_PER_PROCESS:
                waiting.pop(0).result()
        for future in waiting:
            future.result()


def _chunks(documents: Iterable[str]) -> Iterator[list[_Text]]:
    """Texts of so many characters together, and at least one."""
    held: list[_Text] = []
    characters = 0
    for document in documents:
        parts = list(text_parts(document))
        for number, part in enumerate(parts, start=1):
            held.append(_Text(part, number == 1, number == len(parts)))
            characters += len(part)
            if characters >= _CHUNK_CHARACTERS:
                yield held
                held, characters = [], 0
    if held:
        yield held


def _pack(texts: list[_Text], tokenizer: PreTrainedTokenizerBase, length: int, path: Path) -> None:
    """Writes the whole blocks of some texts, and then their figures: a part that has them is whole."""
    read = [text.content for text in texts]
    encoded = tokenizer(read, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
    frame = check_blocks(tokenizer, length)
    tokens: list[int] = []
    documents = 0
    for ids, text in zip(encoded, texts, strict=True):
        tokens += ids
        if text.ends and (ids or not text.begins):
            tokens.append(frame[1])
            documents += 1
    stream = np.array(tokens, dtype=np.int32)
    blocks, end = _cut(stream, length - 2)
    _write(path, blocks, frame)
    figures = {"documents": documents, "tokens": len(stream), "blocks": len(blocks), "end": end.tolist()}
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(figures), encoding="utf-8")
    partial.replace(path.with_suffix(".json"))


def _cut(stream: np.ndarray, content: int) -> tuple[np.ndarray, np.ndarray]:
    whole = len(stream) // content * content
    return stream[:whole].reshape(-1, content), stream[whole:]


def _write(path: Path, blocks: np.ndarray, frame: tuple[int, int]) -> None:
    """Whole or not at all."""
    columns = np.pad(blocks, ((0, 0), (1, 1)))
    columns[:, 0], columns[:, -1] = frame
    partial = path.with_suffix(".partial")
    features = Features({"input_ids": List(Value("int32"))})
    with ArrowWriter(path=str(partial), features=features) as writer:
        writer.write_batch({"input_ids": list(columns)})
        writer.finalize()
    partial.replace(path.with_suffix(".arrow"))


def _identity(tokenizer: PreTrainedTokenizerBase, length: int, source: Mapping[str, Any] | None) -> dict[str, Any]:
    """What blocks are told apart by."""
    return {"length": length, "tokenizer": _fingerprint(tokenizer), "source": source}


def _fingerprint(tokenizer: PreTrainedTokenizerBase) -> str:
    probe = tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
    told = json.dumps([sorted(tokenizer.get_vocab().items()), probe])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _name(number: int) -> str:
    return f"part-{number:06d}"


def _parts(folder: Path) -> list[dict[str, Any]]:
    """The figures of the parts that are whole, in order, up to the first one that is not."""
    parts: list[dict[str, Any]] = []
    while (file := folder / f"{_name(len(parts))}.json").is_file():
        parts.append(json.loads(file.read_text(encoding="utf-8")))
    return parts
