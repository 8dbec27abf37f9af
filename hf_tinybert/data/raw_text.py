"""Raw text from any source, one document after the other."""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from datasets import load_dataset
from datasets.exceptions import DatasetNotFoundError

from hf_tinybert.data.blank_texts import is_blank
from hf_tinybert.data.data_files import FORMATS, file_sha256, read_data_file

__all__ = ["DEFAULT_COLUMNS", "check_sources", "describe_sources", "each_once", "read_documents"]

logger = logging.getLogger(__name__)

DEFAULT_COLUMNS = ("text",)
_PLAIN = ".txt"
_ROWS = 1000  # read at once
_MOST_EMPTY = 0.1  # of the rows


def read_documents(
    sources: Sequence[str], columns: Sequence[str] = DEFAULT_COLUMNS, *, warns: bool = True
) -> Iterator[str]:
    """Gives the documents of all sources in order; nothing is held in memory.

    A document is what one column holds in one row: a text, or a list of words, which are joined by spaces. In a `.txt`
    file documents are separated by empty lines, as in BERT's pre-training data. Documents without a letter that is
    shown are left out.

    Args:
        sources: files as of `read_data_file`, or data sets of the hub (`owner/name` or `owner/name:configuration`),
            whose training split is streamed.
        columns: that hold documents; of each source those that it has, and where it has none of them its only column
            of texts.
        warns: whether a warning tells of a source of which more than a tenth of the rows have no text.

    Raises:
        FileNotFoundError: If there is no such file or data set.
        ValueError: If a file cannot be read, or it is not clear which column holds the text.
    """
    for source in sources:
        yield from _documents(source, columns, warns)


def check_sources(sources: Sequence[str], columns: Sequence[str] = DEFAULT_COLUMNS) -> None:
    """Refuses at once what `read_documents` would refuse when it comes to it: it reads the first document of each.

    A warning tells of a source that has none of the columns that were named, and of which another one is read.

    Args:
        sources: see `read_documents`.
        columns: see `read_documents`.

    Raises:
        FileNotFoundError: If there is no such file or data set.
        ValueError: If a file cannot be read, is not UTF-8, it is not clear which column holds the text, or no source
            has one of the `columns`, where they are not the default.
    """
    default = tuple(columns) == DEFAULT_COLUMNS
    chosen: dict[str, list[str]] = {source: [] for source in sources}
    first = [next(_documents(source, columns, warns=False, chosen=chosen[source]), None) for source in sources]
    read = {name for of_source in chosen.values() for name in of_source}
    if not default and any(document is not None for document in first) and not read & set(columns):
        raise ValueError(
            f"expected {' or '.join(f'`{name}`' for name in columns)} among the columns of "
            f"{', '.join(f'`{source}`' for source in sources)}, got none of them; because nothing would be read by "
            "such a name, and lines of a text have no columns; correct it, or leave it out."
        )
    for source, of_source in chosen.items():
        if of_source and not default and not set(of_source) & set(columns):
            logger.warning(
                "`%s` has none of the columns %s: its only column of texts, `%s`, is read.",
                source, ", ".join(f"`{name}`" for name in columns), of_source[0],
            )  # fmt: skip


def describe_sources(sources: Sequence[str]) -> list[str]:
    """What the sources are, by which they are known again: the hash of a file's content, the name of a data set."""
    return [f"sha256:{file_sha256(Path(source))}" if Path(source).is_file() else source for source in sources]


def each_once(documents: Iterable[str]) -> Iterator[str]:
    """Leaves out documents that came before; a number of 8 bytes is remembered of each."""
    seen: set[int] = set()
    for document in documents:
        digest = int.from_bytes(hashlib.blake2b(document.encode(), digest_size=8).digest())
        if digest not in seen:
            seen.add(digest)
            yield document


def _documents(source: str, columns: Sequence[str], warns: bool, chosen: list[str] | None = None) -> Iterator[str]:
    """The documents of a source; the columns that are read are put into `chosen`."""
    path = Path(source)
    if path.is_dir() or (path.is_file() and path.suffix.lower() not in FORMATS):
        got, cure = ("the folder", "name its files") if path.is_dir() else ("the file", "rename, unpack or convert it")
        raise ValueError(
            f"expected files with one of the endings {', '.join(FORMATS)}, or data sets of the hub, got {got} "
            f"`{source}`; because the ending tells the format; {cure}."
        )
    rows: Any = read_data_file(path) if path.is_file() else _stream(source)
    batches = rows.iter(batch_size=_ROWS)
    if path.is_file() and path.suffix.lower() == _PLAIN:
        yield from _paragraphs(line for batch in batches for line in batch["text"])
        return
    chosen = [] if chosen is None else chosen
    read = empty = 0
    for batch in batches:
        chosen += [] if chosen else _chosen(batch, columns, source)
        for values in zip(*(batch[name] for name in chosen), strict=True):
            texts = [_text(value, name, source) for name, value in zip(chosen, values, strict=True)]
            shown = [text for text in texts if not is_blank(text)]
            read, empty = read + 1, empty + (not shown)
            yield from shown
    if warns and empty > _MOST_EMPTY * read:
        logger.warning(
            "%d of %d rows of `%s` have no text in %s and are left out. If theirs is in another column, name both.",
            empty, read, source, ", ".join(f"`{name}`" for name in chosen),
        )  # fmt: skip


def _text(value: object, name: str, source: str) -> str:
    """A cell as a document; nothing is an empty one."""
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return " ".join(value)
    if value is None or isinstance(value, str):
        return value or ""
    raise ValueError(
        f"expected texts or lists of words in the column `{name}` of `{source}`, got {value!r}; because documents are "
        "made of them; name another column."
    )


def _paragraphs(lines: Iterable[str]) -> Iterator[str]:
    held: list[str] = []
    for line in lines:
        if not is_blank(line):
            held.append(line)
        elif held:
            yield "\n".join(held)
            held = []
    if held:
        yield "\n".join(held)


def _stream(name: str) -> Any:  # noqa: ANN401 (an iterable data set)
    repository, _, configuration = name.partition(":")
    try:
        return load_dataset(repository, configuration or None, split="train", streaming=True)
    except (DatasetNotFoundError, ConnectionError, FileNotFoundError, ValueError) as error:
        raise FileNotFoundError(
            f"expected a file or a data set on the hub, got `{name}`; because there is no such file here and the hub "
            f"gave no such data set or configuration ({error}); check the spelling, the connection and HF_HUB_OFFLINE."
        ) from error


def _chosen(batch: dict[str, list[Any]], columns: Sequence[str], source: str) -> list[str]:
    """The columns of a source that hold documents."""
    named = [name for name in columns if name in batch]
    textual = [name for name, values in batch.items() if any(isinstance(value, str) for value in values)]
    if named or len(textual) == 1:
        return named or textual
    raise ValueError(
        f"expected one of the columns {', '.join(f'`{name}`' for name in columns)} in `{source}`, got "
        f"{', '.join(f'`{name}`' for name in batch)}; because it is not clear which hold the text; name them."
    )
