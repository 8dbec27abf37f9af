"""What models answer against what is right: confusion matrices, and scatters of numbers."""

from collections.abc import Sequence

import numpy as np

from hf_tinybert.pictures.drawing import INK, STUDENT_COLOR, TEACHER_COLOR, Picture, canvas, draw_heat

_LONGEST_NAME = 24
_FEW = 5  # classes that have room for two digits and letters of the usual size
_NUMBERED = 13  # classes whose shares are written down
_LONGEST_FLAT = 1.1  # longer names stand upright below the matrix
_TITLE = 2.2  # as wide as the longest title
_AROUND = 0.8  # of the matrix and the names of its classes
# all of these in inches
_MOST_SHAPES = 2000  # more points are one image of pixels: each shape takes some hundred bytes of a page


def confusion_matrix(
    counts: Sequence[Sequence[int]], labels: Sequence[str], *, rows: str, columns: str, name: str, title: str
) -> Picture:
    """Which class was taken for which: shares of each row.

    Args:
        counts: `counts[row][column]`.
        labels: of rows and columns.
        rows: what the rows are, such as `right label`.
        columns: what the columns are.
        name: of the picture.
        title: above it.
    """
    whole = np.asarray(counts, dtype=float)
    shares = whole / np.maximum(whole.sum(axis=1, keepdims=True), 1.0)
    names = [_short(label) for label in labels]
    few = len(labels) <= _FEW
    length = (0.08 if few else 0.06) * max(len(one) for one in names)
    flat = few and length <= _LONGEST_FLAT
    row = 0.55 if few else 0.32 if len(labels) <= _NUMBERED else 0.2
    width = _AROUND + length + max(_TITLE, len(labels) * (max(row, length) if flat else row))
    height = _AROUND + (0.2 if flat else length) + len(labels) * row
    with canvas(width, max(height, 2.4)) as (figure, (axes,)):
        draw_heat(axes, shares.tolist(), rows=names, columns=names, form=".2f" if few else ".1f")
        axes.set_title(title)
        axes.set_xlabel(columns)
        axes.set_ylabel(rows)
        if not few:
            axes.tick_params(labelsize=7)
        if not flat:
            axes.tick_params(axis="x", labelrotation=90)
    on_diagonal = np.trace(whole) / max(whole.sum(), 1.0)
    return Picture(
        name, f"{title}: {rows} and {columns} are the same in {on_diagonal:.1%} of {whole.sum():.0f}.", figure
    )


def score_scatter(
    across: Sequence[float],
    up: Sequence[float],
    *,
    columns: str,
    rows: str,
    name: str,
    title: str,
    one_scale: bool = True,
) -> Picture:
    """Two numbers of every row, and the line on which they are the same.

    Args:
        across: of each row.
        up: of each row.
        columns: what `across` is.
        rows: what `up` is.
        name: of the picture.
        title: above it.
        one_scale: whether both are on one scale; similarities and gold scores from 0 to 5 are not, and have no line.
    """
    color = STUDENT_COLOR if "student" in rows else TEACHER_COLOR
    with canvas(3.3, 3.0) as (figure, (axes,)):
        many = len(across) > _MOST_SHAPES
        axes.scatter(across, up, s=9, color=color, alpha=0.55, linewidths=0, rasterized=many)
        if one_scale:
            low, high = axes.get_xlim()
            axes.plot((low, high), (low, high), color=INK, linewidth=0.7, linestyle=":")
        axes.set_title(title)
        axes.set_xlabel(columns)
        axes.set_ylabel(rows)
    apart = f", {np.abs(np.subtract(across, up)).mean():.3g} apart in the mean" if one_scale and len(across) else ""
    return Picture(name, f"{title}: {len(across)} rows{apart}.", figure)


def _short(name: str) -> str:
    name = " ".join(name.split())  # on one line
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"


__all__ = ["confusion_matrix", "score_scatter"]
