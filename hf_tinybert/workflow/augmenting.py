"""More training rows on disk, in parts, for a teacher to label."""

import json
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import xxhash
from datasets import ClassLabel, Dataset, Features, List
from transformers import AutoModel

from hf_tinybert.data.augmentation import (
    COPY,
    Augmenter,
    PassageReader,
    WordVectors,
    has_packaged_glove,
    load_masked_words,
    load_segmenter,
    model_vectors,
    packaged_glove,
    read_stop_words,
    read_vectors,
    stop_words,
)
from hf_tinybert.data.packages import packaged_teacher
from hf_tinybert.data.tasks import KINDS, TaskKind
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.run_folder import RUN_FILE, RunFolder
from hf_tinybert.workflow.augment_settings import GLOVE, NO_VECTORS, AugmentSettings
from hf_tinybert.workflow.model_folder import load_tokenizer
from hf_tinybert.workflow.task_data import read_data, sample

logger = logging.getLogger(__name__)

PARTS_SUFFIX = ".parts"
_STAGE = "augment"
_ROWS_PER_PART = 256
_VECTOR_ENDINGS = (".txt", ".vec", ".npy")
_ALIGNED = frozenset({"tags", "answers"})  # gold columns that stay right whichever words change
_PACKAGED = "packaged"
_MOST_UNCHANGED = 0.5


def augment(settings: AugmentSettings, output: Path, display: ProgressDisplay) -> dict[str, Any]:
    """Make new rows of training rows, for `distill --unlabeled`, where the teacher labels them.

    Rows are written in parts beside the file, which is put together at the end. Interrupted, the same call goes on
    after the last whole part; finished, it gives the figures again.

    Args:
        settings: what to do.
        output: JSON lines file of the new rows.
        display: where progress is shown.

    Returns:
        Rows read and made, words and how many of them have candidates, rows that gave none, seconds.

    Raises:
        ValueError: unusable data or settings, a file that is there already, or no row that can change.
        FileNotFoundError: no such data, model or file.

    Source: TinyBERT (arXiv 1909.10351), section 4.2.
    """
    return _Augmentation(settings, output, display).run()


class _Augmentation:
    """One run: what can be refused is refused before a file is written."""

    def __init__(self, settings: AugmentSettings, output: Path, display: ProgressDisplay) -> None:
        self.settings, self.output, self.display = settings, output, display
        self.parts = output.with_name(output.name + PARTS_SUFFIX)
        if output.suffix.lower() != ".jsonl":
            raise ValueError(
                f"expected an output file that ends in `.jsonl`, got `{output}`; because JSON lines are written; "
                "rename it"
            )
        if output.exists() and not (self.parts / RUN_FILE).is_file():
            raise ValueError(
                f"expected a new file, got `{output}`, which is there; because nothing of yours is overwritten; name "
                "another"
            )
        data = read_data(settings.data, settings.kind, settings.columns, settings.seed)
        self.kind = data.kind
        self.rows = sample(data.splits["train"], settings.train_rows, settings.seed)
        words = read_stop_words(Path(settings.stop_words)) if settings.stop_words else stop_words(settings.language)
        segmenter = None if settings.segmenter is None else load_segmenter(settings.segmenter)
        self.reader = PassageReader(self.kind, words, segmenter)
        self.vectors = _chosen_vectors(settings)

    def run(self) -> dict[str, Any]:
        """Write the parts that are not there, and put all together."""
        identity = {**self.settings.to_json(), "vectors": self.vectors, "rows": _fingerprint(self.rows)}
        del identity["batch_size"]
        if (self.parts / RUN_FILE).is_file():
            finished = RunFolder(self.parts, identity).finished(_STAGE)
            if finished is not None and self.output.is_file():
                self.display.line("  finished before")
                return finished
        start = time.perf_counter()
        folder = self._write_parts(identity)
        parts = range(len(self._starts))
        counts: Counter[str] = Counter()
        for number in parts:
            counts.update(json.loads(self._figures_file(number).read_text(encoding="utf-8")))
        self._check(counts)
        _join((self._rows_file(number) for number in parts), self.output)
        figures = {
            "kind": str(self.kind),
            "vectors": self.vectors,
            **counts,
            "seconds": round(time.perf_counter() - start, 1),
            "settings": self.settings.to_json(),
        }
        folder.finish(_STAGE, figures)
        for number in parts:
            self._rows_file(number).unlink()
            self._figures_file(number).unlink()
        return figures

    @property
    def _starts(self) -> range:
        return range(0, len(self.rows), _ROWS_PER_PART)

    def _write_parts(self, identity: dict[str, Any]) -> RunFolder:
        missing = [number for number in range(len(self._starts)) if not self._figures_file(number).is_file()]
        augmenter = self._augmenter()
        folder = RunFolder(self.parts, identity)
        with self.display.bar("augmenting", total=len(self.rows)) as bar:
            bar.show(min((len(self._starts) - len(missing)) * _ROWS_PER_PART, len(self.rows)), len(self.rows))
            for number in missing:
                first = self._starts[number]
                part = self.rows.select(range(first, min(first + _ROWS_PER_PART, len(self.rows))))
                self._write_part(number, augmenter, part, first)
                bar.advance(len(part))
        return folder

    def _augmenter(self) -> Augmenter:
        settings = self.settings
        masked = settings.masked_lm
        with self.display.bar("reading vectors and models"):
            return Augmenter(
                self.reader,
                settings.replacement,
                vectors=_load_vectors(self.vectors),
                masked_words=None
                if masked is None
                else load_masked_words(
                    masked, beside_original=settings.beside_original, batch_size=settings.batch_size
                ),
            )

    def _write_part(self, number: int, augmenter: Augmenter, part: Dataset, first: int) -> None:
        """New rows, and then their counts: a part that has them is whole."""
        augmenter.counts.clear()
        rows = self._rows_file(number)
        partial = rows.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as stream:
            for row in augmenter.new_rows(part.to_list(), first):
                stream.write(json.dumps(self._written(row), ensure_ascii=False) + "\n")
        os.replace(partial, rows)
        partial.write_text(json.dumps(augmenter.counts), encoding="utf-8")
        os.replace(partial, self._figures_file(number))

    def _written(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row under the column names of the data, so that one `--column` serves both."""
        gold = KINDS[self.kind].label_columns
        left_out = set() if self.settings.keep_labels else set(gold) - _ALIGNED
        kept = {name: value for name, value in row.items() if name not in left_out}
        if self.kind is TaskKind.QUESTION_ANSWERING:
            kept["id"] = f"{row['id']}-{row[COPY]}"
        features = self.rows.features
        return {self.settings.columns.get(name, name): _named(features, name, value) for name, value in kept.items()}

    def _check(self, counts: Counter[str]) -> None:
        """Refuse what changed nothing, and warn of what changed little."""
        said = (
            f"{counts['unchanged_rows']:,} of {counts['rows']:,} rows unchanged, {counts['words_with_candidates']:,} "
            f"of {counts['words']:,} words that are no stop words have candidates ({self.vectors})"
        )
        if not counts["new_rows"]:
            shutil.rmtree(self.parts)
            raise ValueError(
                f"expected rows that can change, got {said}; because only words with candidates are replaced; name "
                "vectors or a masked language model of the data's language, and its stop words"
            )
        if counts["unchanged_rows"] > _MOST_UNCHANGED * counts["rows"]:
            logger.warning("The augmentation changes little: %s. Are vectors and stop words of its language?", said)

    def _rows_file(self, number: int) -> Path:
        return self.parts / f"part-{number:06d}.jsonl"

    def _figures_file(self, number: int) -> Path:
        return self.parts / f"part-{number:06d}.json"


def _chosen_vectors(settings: AugmentSettings) -> str:
    """Which vectors the settings mean on this machine.

    Raises:
        ValueError: there are none of the language.
    """
    if settings.vectors is not None:
        return settings.vectors
    if settings.language == "en" and has_packaged_glove():
        return GLOVE
    if settings.masked_lm is not None:
        return settings.masked_lm
    if settings.language == "en":
        return _PACKAGED
    raise ValueError(
        f"expected vectors or a masked language model of the language `{settings.language}`, got none; because those "
        "that come as packages are English; name some by `--vectors` or `--masked-lm`"
    )


def _load_vectors(name: str) -> WordVectors | None:
    if name == NO_VECTORS:
        return None
    if name == GLOVE:
        return packaged_glove()
    if Path(name).suffix.lower() in _VECTOR_ENDINGS:
        return read_vectors(Path(name))
    folder = str(packaged_teacher()) if name == _PACKAGED else name
    return model_vectors(AutoModel.from_pretrained(folder), load_tokenizer(folder), f"`{name}`")


def _named(features: Features, name: str, value: Any) -> Any:  # noqa: ANN401 (a cell of a row)
    """Class names in the place of ids."""
    feature = features.get(name)
    if isinstance(feature, ClassLabel):
        return None if value is None else feature.int2str(value)
    if isinstance(feature, List) and isinstance(feature.feature, ClassLabel):
        return [feature.feature.int2str(one) for one in value]
    return value


def _fingerprint(rows: Dataset) -> str:
    digest = xxhash.xxh3_128()
    for row in _each(rows):
        digest.update(json.dumps(row, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _each(rows: Dataset) -> Iterator[dict[str, Any]]:
    for start in range(0, len(rows), _ROWS_PER_PART):
        yield from rows.select(range(start, min(start + _ROWS_PER_PART, len(rows)))).to_list()


def _join(files: Iterable[Path], output: Path) -> None:
    """Whole or not at all."""
    partial = output.with_name(output.name + ".partial")
    with partial.open("wb") as joined:
        for file in files:
            with file.open("rb") as stream:
                shutil.copyfileobj(stream, joined)
    os.replace(partial, output)


__all__ = ["PARTS_SUFFIX", "augment"]
