"""Every term of a training over its epochs, and what it was for: the main metric, up to the teacher's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from hf_tinybert.pictures.drawing import OTHER_COLOR, STUDENT_COLOR, TEACHER_COLOR, Picture, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TERM = "_loss"
_COLUMNS = 3
_LEAST_SPAN = 0.02  # of the best value: a difference of digits must not fill the picture
_Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class CurvePanel:
    """One quantity over the epochs.

    Attributes:
        title: of the quantity, in one or two lines.
        training: epoch and value on training rows.
        evaluation: epoch and value on validation rows.
        teacher: the teacher's value; None where it has none.
        from_zero: whether the axis begins at 0, as of a loss, so that small changes look small.
    """

    title: str
    training: _Points
    evaluation: _Points
    teacher: float | None = None
    from_zero: bool = True


def curve_panels(figures: Mapping[str, Any]) -> list[CurvePanel]:
    """What `figures.json` tells of a training: the main metric, then every term of every phase.

    Args:
        figures: with `curves`, by phase `training` and `evaluation`, a list of epoch and terms each; or `epochs`,
            as runs before them have.
    """
    curves: Mapping[str, Mapping[str, Any]] = figures.get("curves") or {
        "": {"training": [], "evaluation": figures.get("epochs") or []}
    }
    panels = []
    metric = figures.get("main_metric")
    scored = _points(figures.get("epochs") or [], str(metric))
    if scored:
        panels.append(CurvePanel(f"{metric} on validation rows", [], scored, _teacher_score(figures), from_zero=False))
    for phase, logged in curves.items():
        training, evaluation = logged.get("training") or [], logged.get("evaluation") or []
        names = list(dict.fromkeys(name for row in [*evaluation, *training] for name in row if name.endswith(_TERM)))
        for name in names or ["loss"]:
            title = _words(name) + (f", {phase}" if len(curves) > 1 else "")
            panel = CurvePanel(title, _points(training, name), _points(evaluation, name))
            if panel.training or panel.evaluation:
                panels.append(panel)
    return panels


def loss_curve(panel: CurvePanel, name: str) -> Picture:
    """One panel as a picture of its own.

    Args:
        panel: what to draw.
        name: of the picture.
    """
    with canvas(3.3, 2.3) as (figure, (axes,)):
        _draw(axes, panel)
    return Picture(name, _description(panel), figure)


def loss_curves(panels: Sequence[CurvePanel]) -> Picture:
    """All panels side by side, for a card."""
    rows = ceil(len(panels) / _COLUMNS)
    columns = min(len(panels), _COLUMNS)
    with canvas(3.3 * columns, 2.3 * rows, rows=rows, columns=columns) as (figure, axes):
        for place, panel in zip(axes, panels, strict=False):
            _draw(place, panel)
        for place in axes[len(panels) :]:
            place.set_axis_off()
    return Picture("loss-curves", " ".join(_description(panel) for panel in panels), figure)


def _draw(axes: "Axes", panel: CurvePanel) -> None:
    axes.set_title(panel.title)
    if panel.training:
        axes.plot(*zip(*panel.training, strict=True), color=OTHER_COLOR, linewidth=1.2, label="training rows")
    if panel.evaluation:
        points = list(zip(*panel.evaluation, strict=True))
        axes.plot(*points, color=STUDENT_COLOR, linewidth=1.4, marker="o", markersize=3.5, label="validation rows")
    if panel.teacher is not None:
        axes.axhline(panel.teacher, color=TEACHER_COLOR, linewidth=1.2, linestyle="--", label="teacher")
    if panel.from_zero:
        axes.set_ylim(0, 1.12 * max(value for _, value in [*panel.training, *panel.evaluation]) or 1)
    else:
        low, high = axes.get_ylim()
        missing = max(0.0, _LEAST_SPAN * max(abs(low), abs(high)) - (high - low)) / 2
        axes.set_ylim(low - missing, high + missing)
    axes.set_xlim(0, 1.05 * max(epoch for epoch, _ in [*panel.training, *panel.evaluation]))
    axes.set_xlabel("epoch")
    axes.locator_params(axis="x", integer=True, nbins=6)
    axes.locator_params(axis="y", nbins=5)
    axes.legend(fontsize=8)


def _description(panel: CurvePanel) -> str:
    parts = [
        f"{kind} rows {points[0][1]:.4g} at first, {points[-1][1]:.4g} at the end"
        for kind, points in (("training", panel.training), ("validation", panel.evaluation))
        if points
    ]
    teacher = [] if panel.teacher is None else [f"teacher {panel.teacher:.4g}"]
    title = panel.title.replace("\n", ": ")
    return f"{title} by epoch: {'; '.join([*parts, *teacher])}."


def _points(rows: Sequence[Mapping[str, float]], name: str) -> list[tuple[float, float]]:
    return [(float(row["epoch"]), float(row[name])) for row in rows if name in row and "epoch" in row]


def _words(name: str) -> str:
    return name.removesuffix(_TERM).replace("_", " ")


def _teacher_score(figures: Mapping[str, Any]) -> float | None:
    told = ((figures.get("scores") or {}).get("validation") or {}).get("teacher") or {}
    value = told.get(figures.get("main_metric")) if isinstance(told, Mapping) else None
    return None if value is None else float(value)


__all__ = ["CurvePanel", "curve_panels", "loss_curve", "loss_curves"]
