"""Cutting held-out splits out of labelled rows."""

from collections import Counter
from collections.abc import Mapping, Sequence

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


def _places_per_class(size: int, classes: Mapping[int, int], free: Mapping[int, int]) -> dict[int, int]:
    """Divides `size` places among the classes by largest remainder, never more than a class has free."""
    total = sum(classes.values())
    shares = {label: size * classes[label] / total for label in free}
    places = {label: min(int(share), free[label]) for label, share in shares.items()}
    while sum(places.values()) < size:
        # The class that is furthest below its share and still has a row to give; ties go to the smaller id.
        label = max(
            (label for label in free if places[label] < free[label]), key=lambda c: (shares[c] - places[c], -c)
        )
        places[label] += 1
    return places


def grouped_split(groups: Sequence[str], sizes: Mapping[str, int], *, seed: int) -> dict[str, list[int]]:
    """Cuts held-out splits that share no group with each other or with the rest, which is `train`.

    Args:
        groups: The group of each row, such as the text it asks about.
        sizes: Rows of each held-out split, by its name; it gets as few more as its last group brings.
        seed: Seed of the order in which groups are taken.

    Returns:
        Row positions by split name, `train` first, in ascending order.

    Raises:
        ValueError: If `train` would be left without a row.
    """
    rows_of: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        rows_of.setdefault(group, []).append(row)
    names = list(rows_of)
    order = iter([names[position] for position in np.random.RandomState(seed).permutation(len(names))])
    split: dict[str, list[int]] = {name: [] for name in sizes}
    for name, size in sizes.items():
        while len(split[name]) < size:
            group = next(order, None)
            if group is None:
                break
            split[name] += rows_of[group]
    train = sorted(row for group in order for row in rows_of[group])
    if not train or any(len(split[name]) < size for name, size in sizes.items()):
        raise ValueError(
            f"expected held-out sizes that leave rows to learn from, got {dict(sizes)} of {len(groups)} rows in "
            f"{len(names)} groups; because rows of one text stay together; ask for smaller splits or bring more rows."
        )
    return {"train": train, **{name: sorted(rows) for name, rows in split.items()}}
