"""A model folder written for another runtime, and refused where its answers are not the model's."""

import shutil
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset

from hf_tinybert.data.tasks import Task, TaskKind
from hf_tinybert.distillation.encodings import model_input_names
from hf_tinybert.distillation.record import RECORD_FILE, DistillationRecord, public_name
from hf_tinybert.export.agreement import Answering, example_inputs, largest_difference
from hf_tinybert.export.export_settings import ExportSettings
from hf_tinybert.export.formats import WEIGHT_ENDINGS, ExportFormat, check_packages
from hf_tinybert.export.graphs import write_graph
from hf_tinybert.machine import machine
from hf_tinybert.models.checkpoint_folder import check_output_folder, staged_folder
from hf_tinybert.models.conversion import export_to_bert
from hf_tinybert.models.exported_runtime import ExportedRuntime
from hf_tinybert.models.sentence_transformers import save_as_sentence_transformer
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.workflow.evaluation import score_rows
from hf_tinybert.workflow.figures import save_figures
from hf_tinybert.workflow.heads import load_with_head
from hf_tinybert.workflow.learnt_rows import warn_of_learnt_rows
from hf_tinybert.workflow.model_folder import ModelFolder, folder_of_file, heads_of, load_config, load_model_folder
from hf_tinybert.workflow.task_data import can_be_scored, check_labels, longest_input, read_data, sample

_MEGABYTE = 1e6


def export_folder(settings: ExportSettings, output: Path, display: ProgressDisplay) -> dict[str, Any]:
    """Write a model for another runtime and compare it with the model: number by number on sentences, and by score.

    What does not agree is not kept. `hf-tinybert evaluate` and `predict` read the folder as they read the model's.

    Args:
        settings: what to do.
        output: folder to write; as a whole or not at all.
        display: where progress is shown.

    Returns:
        Largest difference, scores of both, megabytes of both, seconds.

    Raises:
        FileNotFoundError: no such model or data.
        FileExistsError: `output` holds something.
        ModuleNotFoundError: a package of the form is missing.
        ValueError: unusable model or data, or answers that differ by more than the settings allow.
    """
    return _Export(settings, output, display).run()


class _Export:
    """One export: what can be refused is refused before anything is written."""

    def __init__(self, settings: ExportSettings, output: Path, display: ProgressDisplay) -> None:
        self.settings, self.output, self.display = settings, output, display
        check_packages(settings.form)
        check_output_folder(output, overwrite=None)
        self.folder: ModelFolder = load_model_folder(settings.model, task=settings.task, kind=settings.kind)
        if isinstance(self.folder.model, ExportedRuntime):
            raise ValueError(
                f"expected a model with weights, got `{settings.model}`, which is exported; because its graph was "
                "made for one runtime; export the model that it was made of"
            )
        self.model = self.folder.model.eval().float()
        self.names = model_input_names(self.model) & frozenset(self.folder.tokenizer.model_input_names)
        self.longest = longest_input(self.folder.tokenizer, self.model.config)
        self.scored = self._scored()

    def run(self) -> dict[str, Any]:
        """Write, compare and keep."""
        start = time.perf_counter()
        task, kind = self.folder.task, self.folder.task.kind
        with staged_folder(self.output, overwrite=None) as staged:
            with self.display.bar(f"exporting to {self.settings.to}"):
                written = staged / "written"
                self._write(written)
            with self.display.bar("comparing on sentences"):
                exported = self._load(written)
                difference = self._compared(exported, kind)
            scores = self._scores(exported)
            self._check(difference, scores)
            figures = {
                "model": public_name(self.settings.model),
                "to": self.settings.to,
                "kind": str(kind),
                "main_metric": task.main_metric,
                "largest_difference": difference,
                "scores": scores,
                "megabytes": {"model": _megabytes(self.model), "exported": _size(written)},
                "seconds": round(time.perf_counter() - start, 1),
                "settings": {**self.settings.to_json(), "model": public_name(self.settings.model)},
                "machine": machine(),
            }
            for file in list(written.iterdir()):
                shutil.move(str(file), staged / file.name)
            written.rmdir()
            save_figures(staged, figures)
        return figures

    def _scored(self) -> tuple[Task, Dataset] | None:
        """The rows that both models are scored on, and what they are asked."""
        settings, task = self.settings, self.folder.task
        if settings.data is None:
            return None
        data = read_data(settings.data, str(task.kind), settings.columns, settings.seed)
        if settings.split not in data.splits:
            raise ValueError(f"expected a split out of {', '.join(data.splits)}, got `{settings.split}`")
        check_labels(data, task)
        cut = [name for name in data.cut if name == settings.split]
        warn_of_learnt_rows(settings.model, settings.data, settings.seed, cut, head=settings.task)
        rows = sample(data.splits[settings.split], settings.rows, settings.seed)
        if not can_be_scored(rows, task):
            raise ValueError(
                f"expected labelled rows for the metrics of {task.kind}, got columns {', '.join(rows.column_names)}; "
                "because both models are scored; name the column of the answers"
            )
        return task.of_data(data.splits), rows

    def _write(self, folder: Path) -> None:
        form, tokenizer, task = self.settings.form, self.folder.tokenizer, self.folder.task
        if form is ExportFormat.SENTENCE_TRANSFORMERS:
            save_as_sentence_transformer(self.model, tokenizer, folder, max_length=task.settings.max_length)
            return
        if form is ExportFormat.BERT:
            export_to_bert(self.model, folder, tokenizer=tokenizer)
        else:
            folder.mkdir()
            inputs = example_inputs(tokenizer, task.kind, self.names)
            write_graph(self.model, inputs, form, folder, longest=self.longest)
            tokenizer.save_pretrained(folder)
        task.save(folder)
        self._tell_of_distillation(folder)

    def _tell_of_distillation(self, folder: Path) -> None:
        """The record of the model; of one head of several what is told of it, which is nothing if it came later."""
        told, heads = folder_of_file(self.settings.model, RECORD_FILE), heads_of(load_config(self.settings.model))
        if told is None:
            return
        if not heads:
            shutil.copyfile(told / RECORD_FILE, folder / RECORD_FILE)
            return
        record, name = DistillationRecord.load(told), self.settings.task or next(iter(heads))
        if name in (record.tasks or {}):
            record.of_task(name).save(folder)

    def _load(self, folder: Path) -> Any:  # noqa: ANN401 (a model, or what answers like one)
        if self.settings.form.is_graph:
            return ExportedRuntime(folder).eval()
        return load_with_head(str(folder), load_config(str(folder)), self.folder.task).eval()

    def _compared(self, exported: Answering, kind: TaskKind) -> float:
        tokenizer, longest = self.folder.tokenizer, self.longest
        difference = largest_difference(self.model, exported, tokenizer, kind, self.names, longest=longest)
        return float(f"{difference:.3g}")

    def _scores(self, exported: Any) -> dict[str, dict[str, float]] | None:  # noqa: ANN401
        if self.scored is None:
            return None
        task, rows = self.scored
        return {
            name: score_rows(
                model,
                self.folder.tokenizer,
                task,
                rows,
                display=self.display,
                title=f"{name}, {len(rows):,}",
            ).metrics
            for name, model in (("model", self.model), ("exported", exported))
        }

    def _check(self, difference: float, scores: dict[str, dict[str, float]] | None) -> None:
        settings, metric = self.settings, self.folder.task.main_metric
        rounds = settings.form is ExportFormat.ONNX_INT8
        if not rounds and not difference <= settings.largest_difference:
            raise ValueError(
                f"expected the model's numbers within {settings.largest_difference:g}, got one that differs by "
                f"{difference:g}; because the runtime computes otherwise; nothing was kept; raise "
                "`--largest-difference` if the scores are as good"
            )
        if scores is None:
            return
        before, after = scores["model"][metric], scores["exported"][metric]
        lost = (before - after) / max(abs(before), 1e-12)  # main metrics are the better, the higher
        if not lost <= settings.largest_loss:
            raise ValueError(
                f"expected at most {settings.largest_loss:.1%} of {metric} lost, got {lost:.1%} ({before:.4g} to "
                f"{after:.4g}); because {settings.to} rounds too much for this model; nothing was kept; export to "
                "another form, or raise `--largest-loss`"
            )


def _megabytes(model: torch.nn.Module) -> float:
    return round(sum(one.numel() * one.element_size() for one in model.parameters()) / _MEGABYTE, 1)


def _size(folder: Path) -> float:
    files = [file for file in folder.rglob("*") if file.suffix in WEIGHT_ENDINGS]  # a Dense module has a folder
    return round(sum(file.stat().st_size for file in files) / _MEGABYTE, 1)


__all__ = ["export_folder"]
