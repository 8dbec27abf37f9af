"""The header of a table of cells between separators."""

import csv
from collections import Counter
from pathlib import Path
from typing import Literal

__all__ = ["check_header"]


def check_header(file: Path, separator: str, quoting: Literal[0, 3]) -> None:
    """Refuses two columns of one name, of which readers pass over one or call it otherwise.

    Args:
        file: UTF-8 text; its first line that is not empty is the header.
        separator: of the cells.
        quoting: as of `quoting_of`.

    Raises:
        ValueError: If a name stands twice; the columns are named by their number, from 1. Columns without a name may
            be many.
    """
    with file.open(encoding="utf-8-sig", newline="") as stream:
        names = next(filter(None, csv.reader(stream, delimiter=separator, quoting=quoting)), [])
    twice = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if twice is not None:
        places = [str(place) for place, name in enumerate(names, start=1) if name == twice]
        raise ValueError(
            f"expected a name of its own for each column of `{file}`, got `{twice}` for the columns "
            f"{', '.join(places)}; because only one of them would be read; rename or remove the others"
        )
