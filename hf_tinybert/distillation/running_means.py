"""Means of the terms between two logs, gathered without a transfer from the device at every step."""

from collections.abc import Mapping

import torch
from accelerate import Accelerator
from torch import Tensor


class RunningMeans:
    """Row-weighted means of named scalars, kept on the device until they are read."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, ...], Tensor] = {}  # of names that come together
        self._rows: dict[tuple[str, ...], int] = {}

    def add(self, losses: Mapping[str, Tensor], rows: int) -> None:
        """Count the values, `()` each, of a batch of `rows` rows, each under its name; of no rows, the names alone."""
        names, values = tuple(losses), torch.stack(list(losses.values())).detach()
        weighted = values * rows if rows else torch.zeros_like(values)
        self._sums[names] = self._sums[names] + weighted if names in self._sums else weighted
        self._rows[names] = self._rows.get(names, 0) + rows

    def drain(self, accelerator: Accelerator) -> dict[str, float]:
        """The means over all processes since the last drain, empty without any; starts anew.

        Every process must call it, and each after as many batches, with the same names, as the others.
        """
        if not self._sums:
            return {}
        rows = [float(self._rows[names]) for names in self._sums for _ in names]
        sums = torch.cat(list(self._sums.values()))
        counts = torch.tensor(rows, device=accelerator.device)
        reduced = accelerator.reduce(torch.stack([sums, counts]), "sum").tolist()
        totals: dict[str, list[float]] = {}
        for name, total, count in zip((name for names in self._sums for name in names), *reduced, strict=True):
            known = totals.get(name, [0.0, 0.0])
            totals[name] = [known[0] + total, known[1] + count]
        self._sums, self._rows = {}, {}
        return {name: total / count for name, (total, count) in totals.items()}


__all__ = ["RunningMeans"]
