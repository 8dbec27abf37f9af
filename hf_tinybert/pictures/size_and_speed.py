"""What a student costs and what it is worth, beside its teacher."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hf_tinybert.pictures.drawing import OTHER_COLOR, STUDENT_COLOR, TEACHER_COLOR, Picture, canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS = {"student": STUDENT_COLOR, "teacher": TEACHER_COLOR, "teachers": TEACHER_COLOR}
_LEAST_SPAN = 0.1  # of the best score: a difference that is noise must not fill the picture


def bars(values: Mapping[str, float], *, name: str, title: str, form: str = ",.0f") -> Picture:
    """One quantity of each model as a bar, from above.

    Args:
        values: by model, `student` and `teacher` or `teachers`.
        name: of the picture.
        title: above it.
        form: of the numbers.
    """
    models = list(values)[::-1]
    numbers = [values[model] for model in models]
    with canvas(3.3, 0.75 + 0.32 * len(models)) as (figure, (axes,)):
        drawn = axes.barh(models, numbers, color=[_COLORS.get(model, OTHER_COLOR) for model in models], height=0.62)
        axes.bar_label(drawn, labels=[format(number, form) for number in numbers], padding=4)
        axes.set_title(title)
        axes.set_xlim(0, max(numbers) * 1.3 or 1)
        axes.set_xticks([])
        axes.spines[["bottom", "left"]].set_visible(False)
        axes.tick_params(length=0)
    told = ", ".join(f"{model} {values[model]:{form}}" for model in values)
    return Picture(name, f"{title}: {told}.", figure)


def size_against_score(figures: Mapping[str, Any]) -> Picture | None:
    """Parameters against the main metric of each model, on the test rows where they were scored; None without scores.

    Args:
        figures: `figures.json` of a distillation.
    """
    metric = str(figures.get("main_metric"))
    parameters = figures.get("parameters")
    scores = figures.get("scores") or {}
    split = "test" if "test" in scores else "validation"
    by_model = scores.get(split) or {}
    if not isinstance(parameters, Mapping) or not isinstance(by_model.get("student"), Mapping):
        return None
    # the undistilled model has the student's shape
    sizes = {"undistilled": parameters["student"], **parameters}
    points = {
        model: (float(sizes[model]) / 1e6, float(told[metric]))
        for model, told in by_model.items()
        if model in sizes and metric in told
    }
    if not points:
        return None
    with canvas(4.4, 3.0) as (figure, (axes,)):
        for model, point in points.items():
            axes.plot(*point, marker="o", markersize=9, color=_COLORS.get(model, OTHER_COLOR))
            axes.annotate(model, point, xytext=(9, -3), textcoords="offset points")
        axes.margins(x=0.35, y=0.35)
        axes.set_xlim(left=0)
        _widen(axes, _LEAST_SPAN * max(abs(score) for _, score in points.values()))
        axes.set_xlabel("million parameters")
        axes.set_ylabel(f"{metric} on {split} rows")
        axes.set_title("Size against score")
    told = "; ".join(f"{model} {size:.1f} million, {score:.4g}" for model, (size, score) in points.items())
    return Picture("size-against-score", f"Parameters and {metric} on {split} rows: {told}.", figure)


def _widen(axes: "Axes", span: float) -> None:
    """Show no less of the scores than a span."""
    low, high = axes.get_ylim()
    missing = max(0.0, span - (high - low)) / 2
    axes.set_ylim(low - missing, high + missing)


__all__ = ["bars", "size_against_score"]
