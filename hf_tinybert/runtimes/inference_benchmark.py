"""How fast and in how much memory a student answers in every runtime, beside its teacher."""

import importlib.util
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from hf_tinybert.benchmark.results import read_runs, write_runs
from hf_tinybert.machine import machine
from hf_tinybert.pictures import check_matplotlib
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.runtimes.answering_models import OWN_TEACHER, make_models, random_inputs, write_folder
from hf_tinybert.runtimes.answering_process import AnsweringProcess, Turn
from hf_tinybert.runtimes.inference_plot import inference_picture
from hf_tinybert.runtimes.inference_settings import InferenceSettings
from hf_tinybert.runtimes.inference_summary import arm_name, summarize_case
from hf_tinybert.runtimes.runtime import Runtime, cxx_compiler, why_missing

_LIBRARIES = ("onnxruntime", "openvino")
_Arm = tuple[str, Runtime]  # `student`, `teacher` or `own-teacher`, and what it answers in


def measure_inference(settings: InferenceSettings, output: Path | None, display: ProgressDisplay) -> dict[str, Any]:
    """Measure, and leave figures and a picture in a folder.

    Args:
        settings: models, runtimes, sizes and repeats.
        output: folder for `infer_speed.json`, which finds figures again, and `infer_speed.png`; None keeps none.
        display: where progress is shown.

    Returns:
        See `InferenceBenchmark.run`.

    Raises:
        ModuleNotFoundError: with an `output`, matplotlib is not installed.
    """
    if output is None:
        return InferenceBenchmark(settings, file=None, display=display).run()
    check_matplotlib()
    run = InferenceBenchmark(settings, file=output / "infer_speed.json", display=display).run()
    (output / "infer_speed.png").write_bytes(inference_picture(run).png())
    return run


class InferenceBenchmark:
    """One measurement of a student and a teacher in some runtimes.

    An arm is a model in a runtime, in a process of its own. In a round every arm has a turn, so that whatever else the
    machine does falls on all of them alike; the others wait. Texts are random token ids without padding, all as long
    as asked for; what is timed is a forward from tensors to tensors, tokenising is not. Weights decide nothing of the
    time, so models without any given have random ones.

    Args:
        settings: models, runtimes, sizes and repeats.
        file: JSON file where results are kept and found again; None keeps none. It is written after every batch size
            and length, and an interrupted measurement goes on there.
        display: where progress is shown.

    Raises:
        ValueError: a file that holds something else, or no runtime of the student that this machine has.
    """

    def __init__(self, settings: InferenceSettings, *, file: Path | None, display: ProgressDisplay) -> None:
        self.settings, self._file, self._display = settings, file, display
        asked = [("student", one) for one in settings.runtimes] + [
            ("teacher", one) for one in settings.teacher_runtimes
        ]
        asked += [] if settings.own_teacher is None else [(OWN_TEACHER, Runtime.FP32)]
        reasons = {arm: why_missing(arm[1]) for arm in asked}
        self._arms = [arm for arm in asked if reasons[arm] is None]
        self._left_out = {arm_name(*arm): reason for arm, reason in reasons.items() if reason is not None}
        _check_student(self._arms, self._left_out)
        self._runs = read_runs(file)
        self._run = self._own_run()

    def run(self) -> dict[str, Any]:
        """Measure what is not measured yet.

        Returns:
            `settings`, `machine`, `models` (name and parameters), `left_out` (by arm: why), `arms` (by arm: bytes of
            its files, resident bytes before and at most until it is open, seconds to open) and `cases` (`batch_size`,
            `length`, `rounds` and `summary`, see `summarize_case`).

        Raises:
            FileNotFoundError: no such model.
            ValueError: an unusable model, see `make_models`, or another one than the measurement began with.
        """
        models = make_models(self.settings)
        self._check_models({name: self._facts(name, model) for name, model in models.items()})
        done = {(case["batch_size"], case["length"]) for case in self._run["cases"]}
        missing = [case for case in self.settings.cases if case not in done]
        if missing:
            with ExitStack() as stack:
                self._measure(models, missing, stack)
        return self._run

    def _check_models(self, facts: Mapping[str, Mapping[str, Any]]) -> None:
        """Results know a folder by its last part: a student of another shape may lie there now."""
        other = [name for name, known in self._run["models"].items() if known != facts.get(name)]
        if other:
            told = {name: f"{self._run['models'][name]['parameters']:,}" for name in other}
            raise ValueError(
                f"expected the models with which the measurement in `{self._file}` began, got another "
                f"{' and '.join(f'{name} (of {count} parameters there)' for name, count in told.items())}; because "
                "figures of both would stand for one; name another folder"
            )

    def _measure(self, models: dict[str, PreTrainedModel], cases: list[tuple[int, int]], stack: ExitStack) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        processes = self._open(models, folder, stack)
        for batch_size, length in cases:
            inputs = {
                name: random_inputs(model, batch_size, length, self.settings.seed) for name, model in models.items()
            }
            turns = self._take_turns(processes, inputs, f"batch {batch_size}, {length} tokens")
            baselines = {arm: figures["baseline_bytes"] for arm, figures in self._run["arms"].items()}
            case = {"batch_size": batch_size, "length": length}
            self._run["cases"].append(case | summarize_case(turns, batch_size, baselines))
            write_runs(self._file, self._runs)

    def _open(
        self, models: dict[str, PreTrainedModel], folder: Path, stack: ExitStack
    ) -> dict[_Arm, AnsweringProcess]:
        """The arms that answer; what cannot be compiled is left out."""
        processes = {}
        self._run["models"] = {name: self._facts(name, model) for name, model in models.items()}
        for name, runtime in self._arms:
            arm, longest = arm_name(name, runtime), max(self.settings.lengths)
            with self._display.bar(f"opening {arm}"):
                answering = write_folder(models[name], runtime, folder / arm.replace(" ", "-"), longest=longest)
                process = stack.enter_context(AnsweringProcess(self.settings.threads))
                opened = process.open(answering)
                try:
                    process.warm_up(random_inputs(models[name], *self.settings.cases[0], self.settings.seed))
                except RuntimeError as error:
                    if runtime is not Runtime.COMPILED:
                        raise
                    self._run["left_out"][arm] = str(error)
                    continue
            processes[name, runtime] = process
            self._run["arms"][arm] = {
                "file_bytes": answering.file_bytes,
                "baseline_bytes": opened.baseline_bytes,
                "opening_peak_bytes": opened.peak_bytes,
                "opening_seconds": opened.seconds,
            }
        _check_student(processes, self._run["left_out"])
        return processes

    def _take_turns(
        self, processes: dict[_Arm, AnsweringProcess], inputs: dict[str, dict[str, Tensor]], title: str
    ) -> dict[str, list[Turn]]:
        """Of every arm, a turn for each round."""
        turns: dict[str, list[Turn]] = {arm_name(*arm): [] for arm in processes}
        with self._display.bar(title, (self.settings.rounds + 1) * len(processes)) as bar:
            for (name, _), process in processes.items():
                process.warm_up(inputs[name])
                bar.advance()
            for _ in range(self.settings.rounds):
                for (name, runtime), process in processes.items():
                    turns[arm_name(name, runtime)].append(process.take_turn(inputs[name], self.settings.turn_seconds))
                    bar.advance()
        return turns

    def _facts(self, name: str, model: PreTrainedModel) -> dict[str, Any]:
        given = self.settings.to_json()[name.replace("-", "_")]
        return {"name": given or "random weights", "parameters": sum(one.numel() for one in model.parameters())}

    def _own_run(self) -> dict[str, Any]:
        facts = machine() | {"torch_threads": self.settings.threads, "cxx": shutil.which(cxx_compiler()) is not None}
        facts |= {name: version(name) for name in _LIBRARIES if importlib.util.find_spec(name) is not None}
        run: dict[str, Any] = {"settings": self.settings.to_json(), "machine": facts}
        for known in self._runs:
            if (known["settings"], known["machine"]) == (run["settings"], facts):
                return known
        run |= {"models": {}, "left_out": self._left_out, "arms": {}, "cases": []}
        self._runs.append(run)
        return run


def _check_student(arms: Iterable[_Arm], left_out: Mapping[str, str]) -> None:
    if not any(model == "student" for model, _ in arms):
        raise ValueError(
            f"expected a runtime of the student that this machine has, got "
            f"{'; '.join(f'{arm}: {reason}' for arm, reason in left_out.items())}; because there is nothing to "
            "measure; name another runtime"
        )


__all__ = ["InferenceBenchmark", "measure_inference"]
