"""How alike the layers of student and teacher are, as maps of all pairs: one for each task."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_tinybert.pictures.drawing import STUDENT_COLOR, Picture, canvas, draw_heat

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CELL = 0.42
_LINE = 0.15  # of a title, inches
_COLUMNS = 2


@dataclass(frozen=True)
class AgreementMap:
    """One map: a row per student layer, a column per teacher layer.

    Attributes:
        title: above it, in one or two lines.
        values: agreement in [0, 1], `values[student][teacher]`.
        mapping: `mapping[student_layer] = teacher_layer`, 0 = embedding output, framed; empty where there was none.
    """

    title: str
    values: Sequence[Sequence[float]]
    mapping: Sequence[int] = ()


def layer_agreement_maps(maps: Sequence[AgreementMap], *, first_layer: int, name: str) -> Picture:
    """All maps in one picture, side by side.

    Args:
        maps: at least one.
        first_layer: number of the first row and column: 0 of hidden states, 1 of attention.
        name: of the picture.
    """
    columns = min(len(maps), _COLUMNS)
    rows = -(-len(maps) // columns)
    width = max(2.6, 1.1 + _CELL * max(len(one.values[0]) for one in maps))
    lines = max(one.title.count("\n") for one in maps)
    height = max(1.5, 1.0 + _CELL * max(len(one.values) for one in maps)) + _LINE * lines
    with canvas(columns * width, rows * height, rows=rows, columns=columns) as (figure, axes):
        for place, one in zip(axes, maps, strict=False):
            _draw(place, one, first_layer)
        for place in axes[len(maps) :]:
            place.set_axis_off()
    return Picture(name, " ".join(_description(one, first_layer) for one in maps), figure)


def _draw(axes: "Axes", one: AgreementMap, first_layer: int) -> None:
    from matplotlib.patches import Rectangle

    student, teacher = (_names(count, first_layer) for count in (len(one.values), len(one.values[0])))
    draw_heat(axes, one.values, rows=student, columns=teacher)
    axes.set_title(one.title)
    axes.set_xlabel("teacher layer")
    axes.set_ylabel("student layer")
    for row, column in _pairs(one, first_layer):
        corner = (column - first_layer - 0.5, row - first_layer - 0.5)
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=STUDENT_COLOR, linewidth=2))


def _description(one: AgreementMap, first_layer: int) -> str:
    told = ", ".join(
        f"student layer {row} and teacher layer {column} {one.values[row - first_layer][column - first_layer]:.2f}"
        for row, column in _pairs(one, first_layer)
    )
    title = one.title.replace("\n", ", ")
    return f"{title}: {told or f'{len(one.values)} student layers, {len(one.values[0])} teacher layers'}."


def _pairs(one: AgreementMap, first_layer: int) -> list[tuple[int, int]]:
    return [(row, column) for row, column in enumerate(one.mapping) if row >= first_layer]


def _names(count: int, first: int) -> list[str]:
    return [str(layer) if layer else "emb." for layer in range(first, first + count)]


__all__ = ["AgreementMap", "layer_agreement_maps"]
