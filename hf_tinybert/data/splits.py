"""Cutting held-out splits out of rows."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from heapq import heapify, heappop, heappush

import numpy as np

__all__ = ["grouped_split", "stratified_split"]


def stratified_split(labels: Sequence[int], sizes: Mapping[str, int], *, seed: int) -> dict[str, list[int]]:
    """Cuts held-out splits that hold the classes in the proportions of the whole; the rest is `train`.

    Every class keeps at least one row in `train`. The same labels, sizes and seed give the same split on every machine
    and every version of NumPy (the frozen `RandomState` stream is used).

    Args:
        labels: One class id per row.
        sizes: Rows of each held-out split, by its name.
        seed: Seed of the only random choice, the order of the rows.

    Returns:
        Row positions by split name, `train` first; each list is in random order, so that its beginning is a sample.

    Raises:
        ValueError: If a size is negative or `train` would be left without a row of some class.
    """
    classes = Counter(labels)
    wanted = sum(sizes.values())
    if min(sizes.values(), default=0) < 0 or wanted > len(labels) - len(classes):
        raise ValueError(
            f"expected held-out sizes of 0 to {len(labels) - len(classes)} rows together, got {dict(sizes)}; because "
            f"there are {len(labels)} rows and `train` needs one of each of the {len(classes)} classes; "
            "ask for smaller splits or bring more rows."
        )
    order = [int(row) for row in np.random.RandomState(seed).permutation(len(labels))]
    free = {label: classes[label] - 1 for label in sorted(classes)}
    split_of: dict[int, str] = {}
    for name, size in sizes.items():
        open_places = _places_per_class(size, classes, free)
        for row in order:
            if row not in split_of and open_places[labels[row]] > 0:
                open_places[labels[row]] -= 1
                free[labels[row]] -= 1
                split_of[row] = name
    return {
        "train": [row for row in order if row not in split_of],
        **{name: [row for row in order if split_of.get(row) == name] for name in sizes},
    }


def grouped_split(groups: Sequence[Hashable], sizes: Mapping[str, int], *, seed: int) -> dict[str, list[int]]:
    """Cuts held-out splits of whole groups, such as all questions on one paragraph; the rest is `train`.

    Groups are taken in random order, each by the first split that still wants at least half of its rows, so that sizes
    are met as nearly as groups allow. The same groups, sizes and seed give the same split everywhere.

    Args:
        groups: The group of each row.
        sizes: Rows of each held-out split, by its name.
        seed: Seed of the only random choice, the order of the rows.

    Returns:
        Row positions by split name, `train` first; each list is in random order, so that its beginning is a sample.

    Raises:
        ValueError: If a size is negative, or a split would be left without rows.
    """
    members = Counter(groups)
    order = [int(row) for row in np.random.RandomState(seed).permutation(len(groups))]
    wanted = dict(sizes)
    split_of: dict[Hashable, str] = {}
    for group in dict.fromkeys(groups[row] for row in order):
        split = next((name for name, size in wanted.items() if 2 * size >= members[group]), "train")
        split_of[group] = split
        if split != "train":
            wanted[split] -= members[group]
    cut = {name: [row for row in order if split_of[groups[row]] == name] for name in ("train", *sizes)}
    empty = [name for name, rows in cut.items() if not rows and sizes.get(name) != 0]
    if min(sizes.values(), default=0) < 0 or empty:
        raise ValueError(
            f"expected held-out sizes that leave rows in every split, got {dict(sizes)} of {len(groups)} rows in "
            f"{len(members)} groups; because a group stays whole; ask for smaller splits or bring more groups."
        )
    return cut


def _places_per_class(size: int, classes: Mapping[int, int], free: Mapping[int, int]) -> dict[int, int]:
    """Divides `size` places among the classes by largest remainder, never more than a class has free."""
    total = sum(classes.values())
    shares = {label: size * classes[label] / total for label in free}
    places = {label: min(int(share), free[label]) for label, share in shares.items()}
    # The class that is furthest below its share and still has a row to give; ties go to the smaller id.
    waiting = [(places[label] - shares[label], label) for label in free if places[label] < free[label]]
    heapify(waiting)
    for _ in range(size - sum(places.values())):
        _, label = heappop(waiting)
        places[label] += 1
        if places[label] < free[label]:
            heappush(waiting, (places[label] - shares[label], label))
    return places
