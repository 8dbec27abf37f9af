"""How fast rows are augmented: the package beside the loop that people write, in one process."""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from hf_tinybert.benchmark.augmentation_workload import AugmentationWorkload
from hf_tinybert.benchmark.results import public_name, read_runs, write_runs
from hf_tinybert.benchmark.textbook_augmentation import TextbookAugmentation
from hf_tinybert.benchmark.turns import synchronized_seconds
from hf_tinybert.data.augmentation import Augmenter, MaskedWords, PassageReader, Replacement, stop_words
from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.idle_settings import check_not_idle
from hf_tinybert.machine import machine
from hf_tinybert.progress import ProgressDisplay

_ROWS_AT_ONCE = 256  # as `hf-tinybert augment`


class WordSource(StrEnum):
    """Where candidates come from: word vectors alone, or a masked language model for words of one piece."""

    VECTORS = "vectors"
    MASKED_LM = "masked-lm"


class AugmentationBenchmark:
    """One measurement of some sources of candidates on one workload.

    The textbook and the package take turns, so that whatever else the machine does falls on both alike. Every repeat
    augments all rows by the package, which looks each word up once and begins anew in each repeat; the textbook, whose
    time for a word is always the same, augments some of them. Seconds are per word that may be replaced, and speed-ups
    are taken within a repeat. Reading vectors and models is not counted. One uncounted repeat comes first.

    Args:
        workload: texts, vectors and model.
        rows: of each source, by the package.
        textbook_rows: of each source, by the textbook; divides `rows`, and is the number of turns.
        repeats: counted.
        file: JSON file where results are kept and found again; None keeps none.
        display: where progress is shown.

    Raises:
        ValueError: numbers that do not fit together, or a file that holds something else.
    """

    def __init__(
        self,
        workload: AugmentationWorkload,
        rows: dict[WordSource, int],
        *,
        textbook_rows: dict[WordSource, int],
        repeats: int,
        file: Path | None,
        display: ProgressDisplay,
    ) -> None:
        if not rows or repeats < 1:
            raise ValueError(f"expected a source of candidates and a repeat, got {[*map(str, rows)]} and {repeats}")
        if WordSource.MASKED_LM not in rows:
            check_not_idle(workload, ["masked_lm"], "the source `masked-lm`", "vectors need no model")
        for source, number in rows.items():
            turns = textbook_rows[source]
            if turns < 1 or number < turns or number % turns:
                raise ValueError(
                    f"expected the textbook's rows to divide the {number} rows of `{source}`, got {turns}; because "
                    "both take that many turns"
                )
        self.workload, self.rows, self.textbook_rows, self.repeats = workload, rows, textbook_rows, repeats
        self._file, self._display = file, display
        self._runs = read_runs(file)
        self._replacement = Replacement(seed=workload.seed)
        self._reader = PassageReader(TaskKind.TEXT_CLASSIFICATION, stop_words("en"))

    def run(self) -> dict[str, Any]:
        """Measure, unless the file holds the same settings on the same machine.

        Returns:
            `settings`, `machine`, `repeats` (by source: seconds per word of textbook and package, one each) and
            `summary` (by source: medians, and how many times faster).
        """
        settings = asdict(self.workload) | {
            "dataset": public_name(self.workload.dataset),
            "masked_lm": public_name(self.workload.masked_lm),
            "glove": self.workload.reads_glove,
            "rows": self.rows,
            "textbook_rows": self.textbook_rows,
            "repeats": self.repeats,
        }
        run = {"settings": json.loads(json.dumps(settings)), "machine": machine()}
        for known in self._runs:
            if all(known[name] == run[name] for name in run):
                return known
        run["repeats"] = {str(source): self._measured(source) for source in self.rows}
        run["summary"] = {source: _summary(repeats) for source, repeats in run["repeats"].items()}
        write_runs(self._file, [*self._runs, run])
        return run

    def _measured(self, source: WordSource) -> list[dict[str, float]]:
        texts, turns = self.workload.make_texts(self.rows[source]), self.textbook_rows[source]
        vectors = self.workload.make_vectors(texts)
        model, tokenizer = self.workload.make_masked_lm() if source is WordSource.MASKED_LM else (None, None)
        textbook = TextbookAugmentation(self._reader, self._replacement, vectors, model, tokenizer)
        masked = None if model is None or tokenizer is None else MaskedWords(model, tokenizer)
        parts = [texts[start : start + len(texts) // turns] for start in range(0, len(texts), len(texts) // turns)]
        repeats: list[dict[str, float]] = []
        with self._display.bar(f"augmenting: {source}", (self.repeats + 1) * turns) as bar:
            for repeat in range(self.repeats + 1):
                augmenter = Augmenter(self._reader, self._replacement, vectors=vectors, masked_words=masked)
                seconds = {"textbook": 0.0, "package": 0.0}
                for part in parts:
                    seconds["textbook"] += _timed(partial(textbook.new_texts, part[0]))
                    seconds["package"] += _timed(partial(_augment, augmenter, part))
                    bar.advance()
                if repeat > 0:
                    asked = {"textbook": self._words([part[0] for part in parts]), "package": self._words(texts)}
                    repeats.append({arm: seconds[arm] / asked[arm] for arm in seconds})
        return repeats

    def _words(self, texts: Sequence[str]) -> int:
        """How many words of the texts may be replaced."""
        return sum(len(passage.words) for text in texts for passage in self._reader.read({"text": text}))


def _augment(augmenter: Augmenter, texts: Sequence[str]) -> None:
    for start in range(0, len(texts), _ROWS_AT_ONCE):
        for _ in augmenter.new_rows([{"text": text} for text in texts[start : start + _ROWS_AT_ONCE]], start):
            pass


def _timed(action: Callable[[], object]) -> float:
    start = synchronized_seconds()
    action()
    return synchronized_seconds() - start


def _summary(repeats: Sequence[dict[str, float]]) -> dict[str, Any]:
    ratios = [repeat["textbook"] / repeat["package"] for repeat in repeats]
    medians = {arm: statistics.median(repeat[arm] for repeat in repeats) for arm in ("textbook", "package")}
    return medians | {"speedup": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}}


def augmentation_table(run: dict[str, Any]) -> Table:
    """What `AugmentationBenchmark.run` returned, one source a row."""
    settings, facts = run["settings"], run["machine"]
    where = facts["processor"] if facts["accelerator"] == "none" else facts["accelerator"]
    texts, model = settings["dataset"] or "made-up words", settings["masked_lm"] or "of random weights, as BERT-base"
    read = "GloVe" if settings["glove"] else f"{settings['width']} random"
    table = Table(
        title=escape(
            f"{texts}, {settings['words_per_row']} words a row; {settings['vectors']:,} x {read}; masked LM {model}"
        ),
        caption=f"{where}, {facts['torch_threads']} threads, torch {facts['torch']}; times faster than the textbook: "
        f"median of {settings['repeats']} repeats (least to most)",
    )
    table.add_column("candidates of", overflow="fold")
    for name in ("rows", "textbook, ms/word", "package, ms/word", "times faster"):
        table.add_column(name, justify="right", no_wrap=True)
    for source, figures in run["summary"].items():
        speedup = figures["speedup"]
        table.add_row(
            source,
            f"{settings['rows'][source]:,}",
            f"{1000 * figures['textbook']:.2f}",
            f"{1000 * figures['package']:.3f}",
            f"{speedup['median']:.1f} ({speedup['min']:.1f} to {speedup['max']:.1f})",
        )
    return table


__all__ = ["AugmentationBenchmark", "WordSource", "augmentation_table"]
