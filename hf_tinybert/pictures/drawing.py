"""A picture as SVG for a page of any colour, or as PNG for a card: one look for all of them."""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Both can be told apart by people who see few colours, and read on white and on black.
STUDENT_COLOR = "#d9642b"
TEACHER_COLOR = "#4f7fc4"
OTHER_COLOR = "#8a8f98"
HEAT_COLORS = "Blues"
# Of lines and letters; in an SVG it becomes the colour of the text around it.
INK = "#1b1e23"
_PNG_DOTS_PER_INCH = 150
_STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "font.family": "sans-serif",
    "font.size": 9,
    "legend.frameon": False,
    "svg.fonttype": "none",  # letters stay letters: small, searchable, read out
    "text.color": INK,
    "text.parse_math": False,  # names of labels and files may hold dollar signs
    "xtick.color": INK,
    "ytick.color": INK,
}


@dataclass(frozen=True)
class Picture:
    """A drawn picture.

    Attributes:
        name: lower-case words, digits and hyphens; of its file, and of what its SVG refers to.
        description: what it shows, with its figures, for those who do not see it.
        figure: of matplotlib.
    """

    name: str
    description: str
    figure: "Figure"

    def __post_init__(self) -> None:
        """Refuse a name that would be markup in a page, or a path."""
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.name):
            raise ValueError(
                f"expected lower-case words, digits and hyphens as the name of a picture, got `{self.name}`; because "
                "it stands in pages and names a file"
            )

    def svg(self) -> str:
        """As an element of a page: its colour of ink is the page's, its ground is see-through."""
        from matplotlib import rc_context

        stream = io.StringIO()
        with rc_context({**_STYLE, "svg.hashsalt": self.name}):
            self.figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        element = stream.getvalue()
        element = re.sub(r"<metadata>.*?</metadata>", "", element[element.index("<svg") :], flags=re.DOTALL)
        # several pictures on one page: what one refers to must not be another's; in its tags alone, not in its words
        element = re.sub(
            r"<[^>]*>", lambda tag: re.sub(r'( id="|url\(#|xlink:href="#)', rf"\1{self.name}-", tag[0]), element
        )
        label = f'<svg role="img" aria-label="{escape(self.description)}" class="{self.name}"'
        return element.replace(INK, "currentColor").replace("<svg", label, 1).strip()

    def png(self) -> bytes:
        """As a file, on white."""
        from matplotlib import rc_context

        stream = io.BytesIO()
        with rc_context(_STYLE):
            self.figure.savefig(
                stream, format="png", dpi=_PNG_DOTS_PER_INCH, facecolor="white", metadata={"Software": None}
            )
        return stream.getvalue()


@contextmanager
def canvas(width: float, height: float, *, rows: int = 1, columns: int = 1) -> Iterator[tuple["Figure", list["Axes"]]]:
    """Axes to draw on, in the house's style.

    Args:
        width: of the whole, in inches of 72 points.
        height: likewise.
        rows: of axes.
        columns: of axes.

    Yields:
        The figure, and its axes row by row.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    check_matplotlib()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def check_matplotlib() -> None:
    """Refuse before anything is spent where pictures cannot be drawn.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    try:
        import matplotlib  # noqa: F401 (only whether it is there)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "expected matplotlib, got none; because it draws the pictures; pip install 'hf-tinybert[report]'"
        ) from error


def draw_heat(
    axes: "Axes", values: Sequence[Sequence[float]], *, rows: Sequence[str], columns: Sequence[str], form: str = ".2f"
) -> None:
    """Draw shares as a table of colours, with the numbers where they fit.

    Args:
        axes: to draw on.
        values: in [0, 1], one list a row.
        rows: name of each row, from above.
        columns: name of each column.
        form: of the numbers.
    """
    axes.imshow(values, cmap=HEAT_COLORS, vmin=0.0, vmax=1.0, interpolation="none", aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if max(len(rows), len(columns)) > _MOST_NUMBERS:
        return
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            color = "#ffffff" if value > _DARK else "#000000"
            axes.text(x, y, format(value, form), ha="center", va="center", color=color, fontsize=8)


_MOST_NUMBERS = 13
_DARK = 0.55  # shares above stand on a ground that is too dark for black letters

__all__ = [
    "HEAT_COLORS",
    "INK",
    "OTHER_COLOR",
    "STUDENT_COLOR",
    "TEACHER_COLOR",
    "Picture",
    "canvas",
    "check_matplotlib",
    "draw_heat",
]
