"""How alike the layers of student and teacher are, as a map of all pairs."""

from collections.abc import Sequence

from hf_tinybert.pictures.drawing import STUDENT_COLOR, Picture, canvas, draw_heat

_CELL = 0.42


def layer_agreement_map(
    values: Sequence[Sequence[float]], mapping: Sequence[int], *, first_layer: int, name: str, title: str
) -> Picture:
    """A row per student layer, a column per teacher layer; the pairs of the layer mapping are framed.

    Args:
        values: agreement in [0, 1], `values[student][teacher]`.
        mapping: `mapping[student_layer] = teacher_layer`, 0 = embedding output; empty where there was none.
        first_layer: number of the first row and column: 0 of hidden states, 1 of attention.
        name: of the picture.
        title: above it.
    """
    rows, columns = len(values), len(values[0])
    with canvas(max(2.6, 1.1 + _CELL * columns), max(1.5, 1.0 + _CELL * rows)) as (figure, (axes,)):
        from matplotlib.patches import Rectangle

        student, teacher = (_names(count, first_layer) for count in (rows, columns))
        draw_heat(axes, values, rows=student, columns=teacher)
        axes.set_title(title)
        axes.set_xlabel("teacher layer")
        axes.set_ylabel("student layer")
        pairs = [(one, other) for one, other in enumerate(mapping) if one >= first_layer]
        for one, other in pairs:
            corner = (other - first_layer - 0.5, one - first_layer - 0.5)
            axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=STUDENT_COLOR, linewidth=2))
    told = ", ".join(
        f"student layer {one} and teacher layer {other} {values[one - first_layer][other - first_layer]:.2f}"
        for one, other in pairs
    )
    return Picture(name, f"{title}: {told or f'{rows} student layers, {columns} teacher layers'}.", figure)


def _names(count: int, first: int) -> list[str]:
    return [str(layer) if layer else "emb." for layer in range(first, first + count)]


__all__ = ["layer_agreement_map"]
