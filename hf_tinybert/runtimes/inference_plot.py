"""Sentences per second against length, a panel for every batch size."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hf_tinybert.runtimes.runtime import Runtime


def draw_inference(run: Mapping[str, Any], file: Path) -> None:
    """Draw what `InferenceBenchmark.run` returned: the student's runtimes in full lines, the teacher's dashed."""
    from matplotlib.figure import Figure

    batch_sizes = sorted({case["batch_size"] for case in run["cases"]})
    figure = Figure(figsize=(5.5 * len(batch_sizes), 4.5), layout="constrained")
    panels = figure.subplots(1, len(batch_sizes), squeeze=False)[0]
    colours = {str(runtime): f"C{number}" for number, runtime in enumerate(Runtime)}
    for batch_size, panel in zip(batch_sizes, panels, strict=True):
        cases = [case for case in run["cases"] if case["batch_size"] == batch_size]
        cases.sort(key=lambda case: int(case["length"]))
        lengths = [case["length"] for case in cases]
        for arm in run["arms"]:
            model, _, runtime = arm.partition(" ")
            speeds = [case["summary"][arm]["sentences_per_second"] for case in cases]
            line, marker = ("-", "o") if model == "student" else ("--", "s")
            panel.plot(lengths, speeds, line, marker=marker, color=colours[runtime], label=arm)
        panel.set(title=f"batch {batch_size}", xlabel="tokens of a text", yscale="log")
        panel.set_xticks(lengths, [str(length) for length in lengths])
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(f"sentences per second, threads: {run['settings']['threads']}")
    panels[-1].legend(fontsize=7)
    figure.savefig(file, dpi=150)


__all__ = ["draw_inference"]
