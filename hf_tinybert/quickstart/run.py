"""A quickstart: its stages in order, each once."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from datasets.utils.logging import disable_progress_bar
from rich.markup import escape
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from hf_tinybert.data.packages import packaged_teacher
from hf_tinybert.data.preprocessing import label_names, tokenize_texts
from hf_tinybert.distillation.checkpoints import check_weights
from hf_tinybert.machine import machine
from hf_tinybert.models.configuration_tinybert import encoder_fields
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.quickstart.measuring import measure_speed, score
from hf_tinybert.quickstart.settings import QuickstartSettings
from hf_tinybert.quickstart.sources import check_same_sources
from hf_tinybert.quickstart.student_figures import tell_folders
from hf_tinybert.quickstart.teacher_layout import check_layout
from hf_tinybert.quickstart.texts import load_texts
from hf_tinybert.quickstart.training import distil_student, finetune_teacher, train_undistilled
from hf_tinybert.quickstart.workspace import MODEL_FOLDERS, STUDENT_FOLDER, Workspace
from hf_tinybert.run_folder import RunFolder

SUMMARY_FILE = "summary.json"
_STAGES: dict[str, Callable[[Workspace], dict[str, Any]]] = {
    "teacher": finetune_teacher,
    "undistilled": train_undistilled,
    "student": distil_student,
    "scores": score,
    "speed": measure_speed,
}
_BBC_SENTENCES = [
    "The central bank raised interest rates for the third time this year as inflation stayed high.",
    "The striker scored twice in the second half to send his team into the cup final.",
    "The new phone has a faster chip, a better camera and software that learns its owner's habits.",
]


class Quickstart:
    """One run; `run()` does all stages that are not finished yet.

    Args:
        settings: what to do.
        output: folder for student, summary and unfinished stages.
        display: where progress is shown.

    Raises:
        ValueError: the output folder holds something else; unusable data, tokenizer or length.
        FileNotFoundError: no such teacher or data set.
        ModuleNotFoundError: the packages of the `quickstart` extra are not installed.
    """

    def __init__(self, settings: QuickstartSettings, output: Path, display: ProgressDisplay) -> None:
        # what comes with the run is checked before the folder is claimed
        teacher_source = settings.teacher or str(packaged_teacher())
        check_weights(Path(teacher_source))
        check_layout(teacher_source)
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(teacher_source)
        positions = encoder_fields(AutoConfig.from_pretrained(teacher_source))["max_position_embeddings"]
        tokenizer.model_max_length = min(tokenizer.model_max_length, positions)  # DeBERTa-v3's knows no limit
        with display.bar("reading the texts"):
            texts = load_texts(settings)
        folder = RunFolder(output, asdict(settings))
        labels = label_names(texts)
        counts = " / ".join(f"{len(split):,} {name}" for name, split in texts.items())
        display.line(f"  teacher: {escape(settings.teacher_name)}, fine-tuned on the task")
        display.line(f"  data: {escape(settings.dataset or 'BBC news')}, {counts} rows, {len(labels)} classes")
        disable_progress_bar()
        with display.bar("tokenising"):
            rows = tokenize_texts(texts, tokenizer, settings.max_length)
        self._workspace = Workspace(settings, folder, display, teacher_source, tokenizer, texts, rows)

    def run(self) -> dict[str, Any]:
        """Run every unfinished stage.

        Returns:
            The summary that is also written to `summary.json`.

        Raises:
            ValueError: another process runs it in the same folder, or a run there began with another teacher or other
                texts under the same names.
        """
        workspace = self._workspace
        with workspace.folder.alone():
            check_same_sources(workspace.folder, workspace.teacher_source, workspace.texts)
            for name, work in _STAGES.items():
                self._finish(name, work)
            summary = self._summary()
            text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
            (workspace.folder.path / SUMMARY_FILE).write_text(text, encoding="utf-8")
            tell_folders(workspace, summary)
        return summary

    def classify(self) -> list[tuple[str, str, float]]:
        """Three sentences through the saved student, reloaded by its Auto class: text, label, probability."""
        workspace = self._workspace
        packaged = workspace.settings.dataset is None
        sentences = _BBC_SENTENCES if packaged else [str(text) for text in workspace.texts["test"]["text"][:3]]
        model = workspace.load(STUDENT_FOLDER)
        inputs = workspace.tokenizer(
            sentences, truncation=True, max_length=workspace.settings.max_length, padding=True, return_tensors="pt"
        )
        with torch.inference_mode():
            probabilities = model(**inputs.to(model.device)).logits.softmax(-1)
        best = probabilities.max(-1)
        names = dict(enumerate((model.config.id2label or {}).values()))
        return [
            (sentence, names[label], probability)
            for sentence, label, probability in zip(
                sentences, best.indices.tolist(), best.values.tolist(), strict=True
            )
        ]

    def _finish(self, name: str, work: Callable[[Workspace], dict[str, Any]]) -> None:
        """Do a stage unless an earlier run finished it, and clear away its checkpoints afterwards."""
        folder = self._workspace.folder
        if folder.finished(name) is not None:
            self._workspace.display.line(f"  {name}: finished before")
            return
        start = time.perf_counter()
        figures = work(self._workspace)
        folder.finish(name, {**figures, "seconds": round(time.perf_counter() - start, 1)})
        shutil.rmtree(self._workspace.checkpoints(name), ignore_errors=True)

    def _summary(self) -> dict[str, Any]:
        workspace = self._workspace
        stages = {name: workspace.folder.finished(name) or {} for name in _STAGES}
        scores, speed = stages["scores"], stages["speed"]
        measured = {name: value for stage in (scores, speed) for name, value in stage.items() if name != "seconds"}
        return {
            **{f"{name}_rows": len(split) for name, split in workspace.texts.items()},
            "labels": workspace.labels,
            **measured,
            "retention": scores["student_test_accuracy"] / scores["teacher_test_accuracy"],
            **{f"{name}_seconds": stages[name]["seconds"] for name in MODEL_FOLDERS},
            **{name: value for name, value in stages["student"].items() if name != "seconds"},
            "scores_seconds": scores["seconds"],
            "speed_seconds": speed["seconds"],
            "settings": asdict(workspace.settings),
            "machine": machine(),
        }


__all__ = ["SUMMARY_FILE", "Quickstart"]
