"""What the turns of a measurement come to: medians, percentiles, memory, and multiples of the teacher; as tables."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.markup import escape
from rich.table import Table

from hf_tinybert.runtimes.answering_models import OWN_TEACHER
from hf_tinybert.runtimes.answering_process import Turn
from hf_tinybert.runtimes.runtime import Runtime

_MEBIBYTE = 2**20
_MEGABYTE = 1e6


def arm_name(model: str, runtime: Runtime) -> str:
    """As results name an arm: `student onnx-int8`."""
    return f"{model} {runtime}"


REFERENCE = arm_name("teacher", Runtime.FP32)
"""Whose multiples speeds are told as."""


def summarize_case(
    turns: Mapping[str, Sequence[Turn]], batch_size: int, baselines: Mapping[str, int]
) -> dict[str, Any]:
    """The figures of one batch size and length.

    Args:
        turns: by arm, one a round.
        batch_size: texts of a forward.
        baselines: by arm, bytes before its model was opened.

    Returns:
        `rounds`: by arm, mean `seconds` and `processor_seconds` of a forward. `summary`: by arm,
        `sentences_per_second` (median over rounds), `p50_seconds` and `p95_seconds` of a batch (over all forwards,
        whose number is `forwards`), `memory_bytes` (resident at most while it answers, less the baseline),
        `times_teacher` and `times_teacher_processor` (by the clock and by processor time, within a round; `median`,
        `min` and `max`).
    """
    rounds = [dict(zip(turns, means, strict=True)) for means in zip(*map(_means, turns.values()), strict=True)]
    summary = {}
    for arm, taken in turns.items():
        seconds = [one for turn in taken for one in turn.seconds]
        summary[arm] = {
            "sentences_per_second": batch_size / statistics.median(one[arm]["seconds"] for one in rounds),
            "p50_seconds": float(np.percentile(seconds, 50)),
            "p95_seconds": float(np.percentile(seconds, 95)),
            "forwards": len(seconds),
            "memory_bytes": max(turn.peak_bytes for turn in taken) - baselines[arm],
            "times_teacher": _times_teacher(rounds, arm, "seconds"),
            "times_teacher_processor": _times_teacher(rounds, arm, "processor_seconds"),
        }
    return {"rounds": rounds, "summary": summary}


def fastest_student(case: Mapping[str, Any]) -> str:
    """The student's arm of most sentences a second in a case."""
    arms: list[str] = [arm for arm in case["summary"] if arm.startswith("student ")]
    return max(arms, key=lambda arm: float(case["summary"][arm]["sentences_per_second"]))


def inference_tables(run: Mapping[str, Any]) -> Group:
    """What `InferenceBenchmark.run` returned: files, a table for every batch size and length, what was left out."""
    return Group(_files_table(run), *(_case_table(case) for case in run["cases"]), escape("\n".join(_notes(run))))


def _files_table(run: Mapping[str, Any]) -> Table:
    table = Table(title="Weights and graphs", box=SIMPLE_HEAD)
    table.add_column("", overflow="fold")  # no figure is cut on a narrow screen
    for name in ("parameters", "file MB", "seconds to open"):
        table.add_column(name, justify="right", no_wrap=True)
    for arm, figures in run["arms"].items():
        parameters = run["models"][arm.split()[0]]["parameters"]
        megabytes, seconds = figures["file_bytes"] / _MEGABYTE, figures["opening_seconds"]
        table.add_row(arm, f"{parameters:,}", f"{megabytes:,.1f}", f"{seconds:.1f}")
    return table


def _case_table(case: Mapping[str, Any]) -> Table:
    table = Table(title=f"Batch {case['batch_size']}, {case['length']} tokens", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("", "texts/s", "p50 ms", "p95 ms", "MiB", "times teacher", "CPU"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for arm, figures in case["summary"].items():
        times = figures["times_teacher"]
        table.add_row(
            arm,
            f"{figures['sentences_per_second']:,.1f}",
            _milliseconds(figures["p50_seconds"]),
            _milliseconds(figures["p95_seconds"]),
            f"{figures['memory_bytes'] / _MEBIBYTE:,.0f}",
            f"{times['median']:.1f} ({times['min']:.1f}-{times['max']:.1f})",
            f"{figures['times_teacher_processor']['median']:.1f}",
        )
    return table


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:,.{0 if seconds > 1 else 1}f}"


def _notes(run: Mapping[str, Any]) -> list[str]:
    facts, settings = run["machine"], run["settings"]
    notes = [
        "; ".join(f"{name}: {one['name']}" for name, one in run["models"].items()),
        f"{facts['processor']}, {facts['instructions']}, threads: {settings['threads']}, torch {facts['torch']}",
        f"times teacher: as fast as the teacher in {Runtime.FP32} PyTorch, median of {settings['rounds']} rounds "
        "(least-most); CPU: the same by processor time, which other work on the machine changes less",
        "MiB: resident at most while it answers, less what the process had with its libraries before the model",
        *(f"not measured: {arm}: {reason}" for arm, reason in run["left_out"].items()),
    ]
    for case in run["cases"]:
        best = fastest_student(case)
        times = case["summary"][best]["times_teacher"]["median"]
        own = case["summary"].get(arm_name(OWN_TEACHER, Runtime.FP32))
        rates = [one["sentences_per_second"] for one in (case["summary"][best], own) if one is not None]
        beside = f", {rates[0] / rates[1]:.1f} times its own teacher" if own is not None else ""
        notes.append(
            f"fastest at batch {case['batch_size']}, {case['length']} tokens: {best}, {times:.1f} times{beside}"
        )
    return notes


def _means(turns: Sequence[Turn]) -> list[dict[str, float]]:
    return [turn.means() for turn in turns]


def _times_teacher(rounds: Sequence[Mapping[str, Mapping[str, float]]], arm: str, clock: str) -> dict[str, float]:
    ratios = [one[REFERENCE][clock] / one[arm][clock] for one in rounds]
    return {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}


__all__ = ["REFERENCE", "arm_name", "fastest_student", "inference_tables", "summarize_case"]
