"""Means of the terms between two logs, gathered without a transfer from the device at every step."""

from collections.abc import Mapping

import torch
from accelerate import Accelerator
from torch import Tensor


class RunningMeans:
    """Row-weighted means of named scalars, kept on the device until they are read."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._rows: dict[str, int] = {}

    def add(self, losses: Mapping[str, Tensor], rows: int) -> None:
        """Count the values, `()` each, of a batch of `rows` rows, each under its name; of no rows, the names alone."""
        for name, loss in losses.items():
            weighted = loss.detach() * rows if rows else torch.zeros_like(loss)
            self._sums[name] = self._sums[name] + weighted if name in self._sums else weighted
            self._rows[name] = self._rows.get(name, 0) + rows

    def drain(self, accelerator: Accelerator) -> dict[str, float]:
        """The means over all processes since the last drain, empty without any; starts anew.

        Every process must call it, and each after as many batches, with the same names, as the others.
        """
        if not self._sums:
            return {}
        names = list(self._sums)
        rows = torch.tensor([float(self._rows[name]) for name in names], device=accelerator.device)
        totals, counts = accelerator.reduce(
            torch.stack([torch.stack(list(self._sums.values())), rows]), "sum"
        ).tolist()
        self._sums, self._rows = {}, {}
        return {name: total / count for name, total, count in zip(names, totals, counts, strict=True)}


__all__ = ["RunningMeans"]
