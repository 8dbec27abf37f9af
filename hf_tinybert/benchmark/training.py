"""How fast and in how much memory students are distilled: the engine beside a textbook loop, in one process."""

import json
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datasets import Dataset
from rich.table import Table

from hf_tinybert.benchmark.arms import Arm, training_loop
from hf_tinybert.benchmark.peak_memory import peak_memory
from hf_tinybert.benchmark.results import public_name, read_runs, write_runs
from hf_tinybert.benchmark.turns import LoopTurns
from hf_tinybert.benchmark.workload import Workload
from hf_tinybert.machine import machine
from hf_tinybert.progress import ProgressDisplay

_MEBIBYTE = 2**20


class TrainingBenchmark:
    """One measurement of some arms on one workload.

    The arms train in one process and take turns: a few steps of the textbook, then the engine's share, and so on, so
    that whatever else the machine does falls on all of them alike. A repeat is one pass of the engine over the rows,
    because its batches are grouped by length and no two cost the same; every step of the textbook costs the same, so
    it makes fewer. One uncounted repeat comes first. Peak memory is that of a fresh process per arm.

    Args:
        workload: what is trained.
        arms: what makes the steps.
        textbook_steps: steps of the textbook in a repeat, and turns in it; divides `workload.steps`.
        repeats: counted passes.
        file: JSON file where results are kept and found again; None keeps none. One file holds any number of
            measurements, told apart by settings and machine. It is written after every part.
        display: where progress is shown.

    Raises:
        ValueError: numbers that do not fit together, or a file that holds something else.
    """

    def __init__(
        self,
        workload: Workload,
        arms: Sequence[Arm],
        *,
        textbook_steps: int,
        repeats: int,
        file: Path | None,
        display: ProgressDisplay,
    ) -> None:
        if not arms or len(set(arms)) != len(arms):
            raise ValueError(f"expected one or more different arms, got {[str(arm) for arm in arms]}")
        if textbook_steps < 1 or workload.steps % textbook_steps:
            raise ValueError(
                f"expected `textbook_steps` to divide the {workload.steps} steps of a pass, got {textbook_steps}; "
                "because the arms take as many turns as the textbook takes steps"
            )
        if repeats < 1:
            raise ValueError(f"expected at least one repeat, got {repeats}")
        self.workload, self.arms, self.textbook_steps, self.repeats = workload, list(arms), textbook_steps, repeats
        self._file, self._display = file, display
        self._runs = read_runs(file)
        self._run = self._own_run()

    def run(self) -> dict[str, Any]:
        """Measure what is not measured yet.

        Returns:
            `settings`, `machine`, `rows` (mean and longest length in tokens), `start_seconds` (by arm, to the end of
            the first step, a cache's building included), `repeats` (seconds per step by arm, one each), `memory` (see
            `peak_memory`) and `summary`.
        """
        for arm in self.arms:  # first, while this process holds no models
            if arm not in self._run["memory"]:
                with self._display.bar(f"memory: {arm}"):
                    self._run["memory"][str(arm)] = peak_memory(arm, self.workload)
                self._keep()
        if len(self._run["repeats"]) < self.repeats:
            self._measure_seconds()
        return self._run

    def _measure_seconds(self) -> None:
        rows = self.workload.make_rows()
        lengths = [len(row) for row in rows["input_ids"][:]]
        self._run["rows"] = {"mean_tokens": statistics.fmean(lengths), "longest_tokens": max(lengths)}
        missing = self.repeats - len(self._run["repeats"])
        with ExitStack() as stack, self._display.bar("seconds", (missing + 1) * self.textbook_steps) as bar:
            turns = {arm: stack.enter_context(self._turns(arm, rows, missing + 1, stack)) for arm in self.arms}
            self._run["start_seconds"] = {str(arm): turns[arm].take(1) for arm in self.arms}
            bar.training_begins()
            for repeat in range(missing + 1):
                seconds = dict.fromkeys(self.arms, 0.0)
                for turn in range(self.textbook_steps):
                    for arm in self.arms:
                        steps = self._steps(arm) // self.textbook_steps
                        started = repeat == turn == 0  # one step of this turn is already made
                        if steps > started:
                            seconds[arm] += turns[arm].take(steps - started)
                    bar.advance()
                if repeat > 0:
                    self._run["repeats"].append({str(arm): seconds[arm] / self._steps(arm) for arm in self.arms})
                    self._keep()

    def _turns(self, arm: Arm, rows: Dataset, passes: int, stack: ExitStack) -> LoopTurns:
        folder = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        return LoopTurns(training_loop(arm, self.workload, rows, passes, Path(folder)))

    def _steps(self, arm: Arm) -> int:
        return self.textbook_steps if arm is Arm.TEXTBOOK else self.workload.steps

    def _own_run(self) -> dict[str, Any]:
        settings = asdict(self.workload) | {"arms": sorted(self.arms), "textbook_steps": self.textbook_steps}
        for name in ("dataset", "tokenizer", "teacher", "student"):
            settings[name] = public_name(settings[name])
        settings = json.loads(json.dumps(settings))  # as they come back from the file
        facts = machine()
        for run in self._runs:
            if (run["settings"], run["machine"]) == (settings, facts):
                return run
        run = {"settings": settings, "machine": facts, "start_seconds": {}, "repeats": [], "memory": {}, "summary": {}}
        self._runs.append(run)
        return run

    def _keep(self) -> None:
        self._run["summary"] = _summary(self._run) if self._run["repeats"] else {}
        write_runs(self._file, self._runs)


def training_table(run: dict[str, Any]) -> Table:
    """What `TrainingBenchmark.run` returned, one arm a row."""
    settings, facts = run["settings"], run["machine"]
    where = facts["processor"] if facts["accelerator"] == "none" else facts["accelerator"]
    table = Table(
        title=f"{settings['phase']}, batch {settings['batch_size']}, at most {settings['max_length']} tokens "
        f"(mean {run['rows']['mean_tokens']:.0f})",
        caption=f"{where}, {facts['torch_threads']} threads, torch {facts['torch']}; times faster than the textbook: "
        f"median of {len(run['repeats'])} repeats (least to most)",
    )
    table.add_column("", overflow="fold")  # no figure is cut on a narrow screen
    for name in ("s/step", "steps/s", "tokens/s", "times textbook", "MiB at most", "of textbook"):
        table.add_column(name, justify="right", no_wrap=True)
    for arm, figures in run["summary"].items():
        speedup, share = figures.get("speedup"), figures.get("memory_share")
        table.add_row(
            arm,
            f"{figures['seconds_per_step']:.3f}",
            f"{figures['steps_per_second']:.3g}",
            f"{figures['tokens_per_second']:,.0f}",
            "" if speedup is None else f"{speedup['median']:.1f} ({speedup['min']:.1f} to {speedup['max']:.1f})",
            f"{figures['memory_mebibytes']:,.0f}" if "memory_mebibytes" in figures else "",
            "" if share is None else f"{share:.0%}",
        )
    return table


def _summary(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By arm: medians over the repeats; speed-ups are taken within each repeat."""
    summary: dict[str, dict[str, Any]] = {}
    tokens = run["rows"]["mean_tokens"] * run["settings"]["batch_size"]
    for arm in run["repeats"][0]:
        seconds = statistics.median(repeat[arm] for repeat in run["repeats"])
        figures: dict[str, Any] = {
            "seconds_per_step": seconds,
            "steps_per_second": 1 / seconds,
            "tokens_per_second": tokens / seconds,
        }
        if Arm.TEXTBOOK in run["repeats"][0]:
            ratios = [repeat[Arm.TEXTBOOK] / repeat[arm] for repeat in run["repeats"]]
            figures["speedup"] = {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)}
        if arm in run["memory"]:
            figures["memory_mebibytes"] = _peak_bytes(run, arm) / _MEBIBYTE
            if Arm.TEXTBOOK in run["memory"]:
                figures["memory_share"] = _peak_bytes(run, arm) / _peak_bytes(run, Arm.TEXTBOOK)
        summary[arm] = figures
    return summary


def _peak_bytes(run: dict[str, Any], arm: str) -> int:
    """On the accelerator, or of the whole process where there is none."""
    memory = run["memory"][arm]
    return int(memory["accelerator_bytes"] or memory["peak_bytes"])


__all__ = ["TrainingBenchmark", "training_table"]
