"""How often each task comes while several are trained at once."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class SamplingStrategy(StrEnum):
    """Ways of sharing the steps between tasks of different size."""

    PROPORTIONAL = "proportional"
    TEMPERATURE = "temperature"
    ANNEALED = "annealed"


@dataclass(frozen=True)
class TaskSampling:
    """The share of the steps that a task of `n_i` rows gets: `n_i^a / sum_j n_j^a`.

    * `proportional`: `a = 1`, so that every row of every task comes equally often.
    * `temperature`: `a = 1 / temperature`; 1 is proportional, and the higher the nearer to equal shares.
    * `annealed`: `a` goes linearly from 1 at the first step to `last_exponent` at the last: large tasks lay the ground
      and in the end small ones are not forgotten.

    Attributes:
        strategy: one of these.
        temperature: of `temperature`, at least 1.
        last_exponent: of `annealed`, 0 (equal shares) to 1.

    Raises:
        ValueError: an unknown strategy, or a number out of its range.

    Source: temperature: Raffel et al. 2020, T5, section 3.5.2, where 2 was the best; annealed: Stickland and Murray
    2019, "BERT and PALs", section 4.2, `a = 1 - 0.8 (e - 1) / (E - 1)` in epoch e of E; here step by step.
    """

    strategy: SamplingStrategy | str = SamplingStrategy.PROPORTIONAL
    temperature: float = 2.0
    last_exponent: float = 0.2

    def __post_init__(self) -> None:
        """Check strategy and ranges; texts such as `"annealed"` become a `SamplingStrategy`."""
        if self.strategy not in set(SamplingStrategy):
            raise ValueError(
                f"expected a task sampling of {', '.join(f'`{one}`' for one in SamplingStrategy)}, got "
                f"{self.strategy!r}; because it decides how often each task comes; choose one of these"
            )
        object.__setattr__(self, "strategy", SamplingStrategy(self.strategy))
        if not 1 <= self.temperature < math.inf:
            raise ValueError(
                f"expected a sampling temperature of at least 1, got {self.temperature}; because below 1 small tasks "
                "come even less often than their rows; take 1 for proportional shares"
            )
        if not 0 <= self.last_exponent <= 1:
            raise ValueError(
                f"expected a last exponent from 0 (equal shares) to 1 (proportional ones), got {self.last_exponent}"
            )

    def shares(self, sizes: Sequence[int], progress: float | NDArray[np.float64] = 0.0) -> NDArray[np.float64]:
        """The share of every task, `(tasks,)`, or at several points of training `(points, tasks)`; they add up to 1.

        Args:
            sizes: rows of every task.
            progress: of training, 0 at the first step to 1 at the last; `()` or `(points,)`.
        """
        exponents = np.asarray(self._exponent(np.asarray(progress, np.float64)))
        # relative to the largest, so that no power overflows
        powers = (np.asarray(sizes, np.float64) / max(sizes)) ** exponents[..., None]
        shares: NDArray[np.float64] = powers / powers.sum(-1, keepdims=True)
        return shares

    def _exponent(self, progress: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.strategy is SamplingStrategy.ANNEALED:
            return 1 - (1 - self.last_exponent) * progress.clip(0, 1)
        constant = 1 / self.temperature if self.strategy is SamplingStrategy.TEMPERATURE else 1.0
        return np.full_like(progress, constant)


def plan_steps(
    sampling: TaskSampling, sizes: Sequence[int], steps: int, total_steps: int, seed: int
) -> NDArray[np.int64]:
    """The task of each of the first `steps` steps of a training.

    Every task's steps are spread evenly at random places: its k-th step falls where the number of steps it should have
    had by then passes a point drawn from k to k + 1. So at every moment each task has had its share within about a
    step, which drawing a task for every step by itself would not give small tasks.

    Args:
        sampling: gives the shares.
        sizes: rows of every task.
        steps: how many to plan; a longer plan begins as a shorter one.
        total_steps: of the training, over which shares may move.
        seed: of the places.

    Returns:
        Positions in `sizes`, `(steps,)`.
    """
    planned = steps + len(sizes)  # a task may lag by less than a step, so that this many give at least `steps`
    progress = np.arange(planned) / max(total_steps - 1, 1)
    expected = np.vstack([np.zeros(len(sizes)), sampling.shares(sizes, progress).cumsum(axis=0)])
    times, tasks = list[NDArray[np.float64]](), list[NDArray[np.int64]]()
    for task in range(len(sizes)):
        count = math.ceil(expected[-1, task])
        points = np.arange(count) + np.random.default_rng([seed, task]).random(count)
        points = points[points < expected[-1, task]]
        times.append(np.interp(points, expected[:, task], np.arange(planned + 1)))
        tasks.append(np.full(len(points), task, np.int64))
    order = np.argsort(np.concatenate(times), kind="stable")
    plan: NDArray[np.int64] = np.concatenate(tasks)[order][:steps]
    return plan


__all__ = ["SamplingStrategy", "TaskSampling", "plan_steps"]
