"""How long a model takes for one row: the forwards alone, measured where they happen."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset
from torch import nn

from hf_tinybert.benchmark.turns import synchronized_seconds
from hf_tinybert.data.kinds.definition import Prediction
from hf_tinybert.workflow.inference import Inference
from hf_tinybert.workflow.model_folder import ModelFolder
from hf_tinybert.workflow.row_columns import Row

RUNS = 5
"""Timed runs of each model, after one that is not counted."""

_SECONDS_AT_MOST = 2.0  # of all timed runs together: a long text in a slow model is timed less often


@dataclass(frozen=True)
class TimedAnswer:
    """A prediction and its time.

    Attributes:
        prediction: of the row.
        milliseconds: median over the timed runs, of all forwards that the row takes; tokenising is not counted.
        runs: that were timed.
    """

    prediction: Prediction
    milliseconds: float
    runs: int


class ModelClock:
    """Seconds that a model spends in its forward, work queued on an accelerator included.

    Args:
        model: any module, an exported graph among them.
    """

    def __init__(self, model: nn.Module) -> None:
        self.seconds = 0.0
        self._start = 0.0
        model.register_forward_pre_hook(self._begin)
        model.register_forward_hook(self._end)

    def _begin(self, *unused: Any) -> None:  # noqa: ANN401 (what torch gives hooks)
        self._start = synchronized_seconds()

    def _end(self, *unused: Any) -> None:  # noqa: ANN401
        self.seconds += synchronized_seconds() - self._start


class TimedModel:
    """A loaded model that answers row by row.

    Args:
        folder: model, tokenizer and task.
    """

    def __init__(self, folder: ModelFolder) -> None:
        self.folder = folder
        self._inference = Inference(folder.model, folder.tokenizer, folder.task)
        self._clock = ModelClock(folder.model)

    def encode(self, rows: Dataset) -> Dataset:
        """Rows as the model reads them."""
        task, tokenizer = self.folder.task, self.folder.tokenizer
        return task.fix_masks(task.encode(rows, tokenizer), tokenizer, None)

    def run(self, encoded: Dataset) -> tuple[Any, float]:
        """The logits of encoded rows, and the seconds of their forwards."""
        before = self._clock.seconds
        logits = self._inference.logits(encoded)
        return logits, self._clock.seconds - before

    def decode(self, logits: Any, encoded: Dataset, rows: Dataset) -> Prediction:  # noqa: ANN401 (one or two arrays)
        """The prediction of one row."""
        (prediction,) = self.folder.task.decode(logits, encoded, rows, self.folder.tokenizer)
        return prediction


def answer_in_turns(models: Sequence[TimedModel], rows: Sequence[Row]) -> list[TimedAnswer]:
    """What models answer to one row each, and in what time.

    A first run of each warms up and gives the answer; then they take turns, so that whatever else the machine does
    falls on all of them alike.

    Args:
        models: at least one.
        rows: of each model, in the columns of its kind.

    Raises:
        ValueError: a row that its kind refuses.
    """
    raw = [Dataset.from_list([row]) for row in rows]
    encoded = [model.encode(own) for model, own in zip(models, raw, strict=True)]
    first = [model.run(own)[0] for model, own in zip(models, encoded, strict=True)]
    times: list[list[float]] = [[] for _ in models]
    for _ in range(RUNS):
        for model, own, seconds in zip(models, encoded, times, strict=True):
            seconds.append(model.run(own)[1])
        if sum(map(sum, times)) > _SECONDS_AT_MOST:
            break
    return [
        TimedAnswer(model.decode(logits, own, row), 1000 * statistics.median(seconds), len(seconds))
        for model, logits, own, row, seconds in zip(models, first, encoded, raw, times, strict=True)
    ]


__all__ = ["RUNS", "ModelClock", "TimedAnswer", "TimedModel", "answer_in_turns"]
