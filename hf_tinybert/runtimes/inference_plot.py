"""Sentences per second against length, a panel for every batch size."""

from collections.abc import Mapping
from typing import Any

from hf_tinybert.pictures.drawing import Picture, canvas, check_matplotlib
from hf_tinybert.runtimes.answering_models import OWN_TEACHER
from hf_tinybert.runtimes.runtime import Runtime

_LINES = {"student": ("-", "o"), "teacher": ("--", "s"), OWN_TEACHER: (":", "^")}


def inference_picture(run: Mapping[str, Any]) -> Picture:
    """Draw what `InferenceBenchmark.run` returned: the student in full lines, the teacher dashed, its own one dotted.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
    batch_sizes = sorted({case["batch_size"] for case in run["cases"]})
    colors = {str(runtime): f"C{number}" for number, runtime in enumerate(Runtime)}
    check_matplotlib()
    from matplotlib.ticker import LogLocator, NullFormatter

    with canvas(5.0 * len(batch_sizes), 4.0, columns=len(batch_sizes)) as (figure, panels):
        for batch_size, panel in zip(batch_sizes, panels, strict=True):
            cases = [case for case in run["cases"] if case["batch_size"] == batch_size]
            cases.sort(key=lambda case: int(case["length"]))
            lengths = [case["length"] for case in cases]
            for arm in run["arms"]:
                model, _, runtime = arm.partition(" ")
                speeds = [case["summary"][arm]["sentences_per_second"] for case in cases]
                line, marker = _LINES[model]
                panel.plot(lengths, speeds, line, marker=marker, color=colors[runtime], label=arm)
            panel.set(title=f"Batch {batch_size}", xlabel="tokens of a text", yscale="log")
            panel.set_xticks(lengths, [str(length) for length in lengths])
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.yaxis.set_major_formatter("{x:g}")  # powers of ten would be formulas, which the style does not set
            panel.yaxis.set_minor_formatter(NullFormatter())
            panel.grid(alpha=0.3)
        panels[0].set_ylabel(f"sentences per second, threads: {run['settings']['threads']}")
        panels[-1].legend(fontsize=7)
    return Picture("inference-speed", f"Sentences per second, logarithmic: {_told(run)}.", figure)


def _told(run: Mapping[str, Any]) -> str:
    parts = []
    for case in run["cases"]:
        speeds = [f"{arm} {figures['sentences_per_second']:.3g}" for arm, figures in case["summary"].items()]
        parts.append(f"batch {case['batch_size']}, {case['length']} tokens: {', '.join(speeds)}")
    return "; ".join(parts)


__all__ = ["inference_picture"]
