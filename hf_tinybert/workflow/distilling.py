"""A teacher distilled into a student of any shape, on a task of any kind."""

import shutil
import time
from pathlib import Path
from typing import Any

from datasets import Dataset, concatenate_datasets
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase, set_seed

from hf_tinybert.benchmark import machine
from hf_tinybert.data.tasks import TASK_FILE, Task, TaskKind
from hf_tinybert.distillation.checkpoints import check_weights, last_whole_checkpoint
from hf_tinybert.distillation.encodings import model_input_names
from hf_tinybert.distillation.task_head import predicts_vocabulary, problem_of
from hf_tinybert.distillation.teacher import load_teacher
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.initialization import InitializationMethod, StudentInitialization, initialize_from_teacher
from hf_tinybert.models.sentence_transformers import read_sentence_transformer, save_as_sentence_transformer
from hf_tinybert.progress import ProgressDisplay, show_progress
from hf_tinybert.run_folder import RunFolder
from hf_tinybert.workflow.distil_settings import DistilSettings, LearnFrom
from hf_tinybert.workflow.evaluation import score_rows
from hf_tinybert.workflow.figures import describe_rows, model_size, retention, save_figures, task_figures
from hf_tinybert.workflow.heads import STUDENT_CLASSES
from hf_tinybert.workflow.model_folder import (
    has_label_names,
    load_config,
    load_model_folder,
    load_tokenizer,
    task_of_folder,
)
from hf_tinybert.workflow.run_arguments import CHECKPOINTS
from hf_tinybert.workflow.supervised import evaluations, train_on_labels, trainer_data
from hf_tinybert.workflow.task_data import prepare_data, task_kind
from hf_tinybert.workflow.unlabeled import unlabeled_rows

SENTENCE_TRANSFORMERS_FOLDER = "sentence-transformers"


def distil(settings: DistilSettings, output: Path, display: ProgressDisplay) -> dict[str, Any]:
    """Distil a teacher into a student and save it with its tokenizer, `task.json`, `distillation.json` and figures.

    Interrupted, the same call goes on at the last whole checkpoint; finished, it gives the figures again. A student
    for sentence embedding is also saved as a folder that sentence-transformers loads.

    Args:
        settings: what to do.
        output: folder of the student.
        display: where progress is shown.

    Returns:
        Scores of teacher and student by split and metric, retention, parameters, megabytes, seconds.

    Raises:
        ValueError: unusable data or settings, a teacher that does not fit, or an output folder that holds something
            else.
        FileNotFoundError: no such teacher or data.
    """
    return _Distillation(settings, output, display).run()


class _Distillation:
    """One run: what can be refused is refused before the output folder is claimed."""

    def __init__(self, settings: DistilSettings, output: Path, display: ProgressDisplay) -> None:
        self.settings, self.output, self.display = settings, output, display
        self.checkpoints = output / CHECKPOINTS
        check_weights(Path(settings.teacher))
        self.config = load_config(settings.teacher)
        self.tokenizer: PreTrainedTokenizerBase = load_tokenizer(settings.teacher)
        with display.bar("reading and tokenising"):
            self.data = prepare_data(settings, self.tokenizer, self.config, self._known_task())
        self.task = self.data.task
        self.arguments = settings.arguments(self.checkpoints, self.data.best_metric)
        if self.task.kind is TaskKind.SENTENCE_EMBEDDING and settings.learn_from == LearnFrom.LABELS:
            raise ValueError(
                "expected `learn_from` teacher for sentence embedding, got labels; because an embedding has no gold "
                "label to learn"
            )
        if self.task.kind is TaskKind.MASKED_LM and settings.cache_dir is not None:
            raise ValueError(
                f"expected no `cache_dir` for masked-lm, got `{settings.cache_dir}`; because other tokens are "
                "hidden in every epoch, and the teacher answers anew; leave it out"
            )
        self.train_rows = self._train_rows()
        self.student = self._untrained_student()
        self.teacher = self._load_teacher()
        self.seconds: dict[str, float] = {}

    def run(self) -> dict[str, Any]:
        """Train, save and score, unless an earlier run did."""
        folder = RunFolder(self.output, self.settings.to_json())
        finished = folder.finished("distillation")
        if finished is not None:
            self.display.line("  finished before")
            return finished
        name = _public_name(self.settings.teacher)
        self.display.line(f"  teacher: {name}   task: {self.task.kind}   data: {describe_rows(self.data)}")
        teacher_scores = self._teacher_scores(folder)
        start = time.perf_counter()
        with self.display.bar("initialising the student"):
            initial = self._initialize()
        self.seconds["initialization"] = round(time.perf_counter() - start, 1)
        from_labels = self.settings.learn_from == LearnFrom.LABELS
        epochs = self._train_on_labels() if from_labels else self._train(initial)
        self.seconds["total"] = round(time.perf_counter() - start, 1)
        self.task.save(self.output)
        # what was saved, without what only training needs
        self.student = STUDENT_CLASSES[self.task.definition.head].from_pretrained(self.output)
        if self.task.kind is TaskKind.SENTENCE_EMBEDDING:
            folder_of_both = self.output / SENTENCE_TRANSFORMERS_FOLDER
            shutil.rmtree(folder_of_both, ignore_errors=True)  # of an earlier try of this run
            save_as_sentence_transformer(self.student, self.tokenizer, folder_of_both)
        figures = self._figures(name, teacher_scores, epochs)
        save_figures(self.output, figures)
        folder.finish("distillation", figures)
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        return figures

    def _known_task(self) -> Task | None:
        """The teacher's task; None where it is an encoder as it is published and the kind has no label names."""
        settings = self.settings
        if self.config.to_dict().get("tasks"):
            return load_model_folder(settings.teacher, task=settings.teacher_task).task
        if settings.teacher_task is not None:
            raise ValueError(
                f"expected a multi-task teacher for the task `{settings.teacher_task}`, got `{settings.teacher}`, "
                "which has one head; leave the task out"
            )
        names_labels = settings.kind is None or has_label_names(task_kind(settings.kind))
        if (Path(settings.teacher) / TASK_FILE).is_file() or names_labels:
            return task_of_folder(settings.teacher, self.config, self.tokenizer, settings.kind)
        return None

    def _train_rows(self) -> Dataset:
        """The encoded training rows, and after them those that only the teacher labels."""
        labelled = self.data.encoded["train"]
        if not self.settings.unlabeled:
            return labelled
        more = [
            self.task.encode(
                unlabeled_rows(file, self.task, self.settings.columns, self.data.rows["train"]), self.tokenizer
            )
            for file in self.settings.unlabeled
        ]
        return concatenate_datasets([labelled, *(rows.cast(labelled.features) for rows in more)])

    def _untrained_student(self) -> PreTrainedModel:
        fields = {
            **self.task.model_settings(),
            "hidden_dropout_prob": self.settings.dropout,
            "attention_probs_dropout_prob": self.settings.dropout,
        }
        config = self.settings.student_shape.config(self.config, **fields)
        if self.task.kind is TaskKind.SENTENCE_EMBEDDING:
            self._follow_embeddings(config)
        set_seed(self.settings.seed)
        return STUDENT_CLASSES[self.task.definition.head](config)

    def _follow_embeddings(self, config: TinyBertConfig) -> None:
        """Embeddings of the teacher's size, pooled and normalised as it says, if it says so."""
        own = self.config.to_dict()
        size = own.get("embedding_size") or self.config.hidden_size
        config.embedding_size = None if size == config.hidden_size else size
        said = read_sentence_transformer(self.settings.teacher)
        if said is not None:
            config.pooling, config.normalize = said.pooling, said.normalize
        elif isinstance(self.config, TinyBertConfig):
            config.pooling, config.normalize = self.config.pooling, self.config.normalize

    def _load_teacher(self) -> PreTrainedModel:
        settings = self.settings
        if self.config.to_dict().get("tasks"):
            self._needs_head = True
            return load_model_folder(settings.teacher, task=settings.teacher_task).model
        objectives = self.arguments.objectives(
            problem_of(self.student), masked_lm=predicts_vocabulary(self.student)
        ).values()
        if self.settings.unlabeled and any(one.reads_labels for one in objectives):
            raise ValueError(
                "expected terms that compare with the teacher alone for `unlabeled` rows, got one that reads labels; "
                "because these rows have none; leave `label_loss` out of `loss_weights`"
            )
        compares = settings.learn_from == LearnFrom.TEACHER and any(one.compares_predictions for one in objectives)
        self._needs_head = compares or (Path(settings.teacher) / TASK_FILE).is_file()
        return load_teacher(settings.teacher, self.student, needs_head=self._needs_head)

    def _initialize(self) -> StudentInitialization:
        names = model_input_names(self.teacher)
        rows = self.data.encoded["train"]
        rows = rows.select(range(min(self.settings.calibration_rows, len(rows))))
        texts = DataLoader(
            rows.select_columns([name for name in rows.column_names if name in names]),
            batch_size=self.settings.batch_size,
            collate_fn=self.task.collator(self.tokenizer, self.settings.seed),
        )
        projects = self.settings.start == InitializationMethod.PROJECTION
        return initialize_from_teacher(
            self.student,
            self.teacher,
            method=self.settings.start,
            calibration=texts if projects else None,
            seed=self.settings.seed,
        )

    def _train(self, initial: StudentInitialization) -> list[dict[str, float]]:
        data = trainer_data(self.data, self.tokenizer, self.settings.seed)
        trainer = DistillationTrainer(
            self.student,
            self.arguments,
            teacher=self.teacher,
            initialization=initial,
            **{**data, "train_dataset": self.train_rows},
        )
        trainer.teacher_name = self.settings.teacher
        with self.display.bar("distilling") as bar:
            show_progress(trainer, bar)
            trainer.train(resume_from_checkpoint=self._resumes())
        trainer.save_model(str(self.output))
        (self.output / "training_args.bin").unlink(missing_ok=True)  # paths of this machine, no part of a model
        self.seconds |= {str(phase): round(seconds, 1) for phase, seconds in trainer.phase_seconds.items()}
        return evaluations(trainer)

    def _train_on_labels(self) -> list[dict[str, float]]:
        epochs = train_on_labels(
            self.student,
            self.settings,
            self.data,
            self.tokenizer,
            self.checkpoints,
            self.display,
            epochs=self.arguments.num_train_epochs,
            learning_rate=self.arguments.learning_rate,
        )
        self.student.save_pretrained(self.output)
        self.tokenizer.save_pretrained(self.output)
        return epochs

    def _resumes(self) -> bool:
        """Whether an earlier run left a whole checkpoint of any phase."""
        several = len(self.arguments.stages) > 1
        folders = [self.checkpoints / phase if several else self.checkpoints for phase in self.arguments.stages]
        return any(last_whole_checkpoint(folder) is not None for folder in folders)

    def _figures(
        self, teacher_name: str, teacher_scores: dict[str, dict[str, float]], epochs: list[dict[str, float]]
    ) -> dict[str, Any]:
        scores = {
            split: {
                "student": self._score(self.student, "student", split),
                **({"teacher": teacher_scores[split]} if split in teacher_scores else {}),
            }
            for split in self._scored_splits
        }
        sizes = {"student": model_size(self.student), "teacher": model_size(self.teacher)}
        return {
            "teacher": teacher_name,
            **task_figures(self.data),
            "unlabeled_rows": len(self.train_rows) - len(self.data.encoded["train"]),
            "scores": scores,
            "retention": {
                split: retention(by_model["student"], by_model["teacher"])
                for split, by_model in scores.items()
                if "teacher" in by_model
            },
            "epochs": epochs,
            **{name: {model: size[name] for model, size in sizes.items()} for name in ("parameters", "megabytes")},
            "seconds": self.seconds,
            "settings": self.settings.to_json(),
            "machine": machine(),
        }

    def _teacher_scores(self, folder: RunFolder) -> dict[str, dict[str, float]]:
        """The teacher by split, before training casts its weights to bfloat16; none where it has no trained head."""
        known = folder.finished("teacher")
        if known is None:
            splits = self._scored_splits if self.settings.score_teacher and self._needs_head else ()
            known = {split: self._score(self.teacher, "teacher", split) for split in splits}
            folder.finish("teacher", known)
        return known

    @property
    def _scored_splits(self) -> tuple[str, ...]:
        return self.settings.scored_splits if self.data.has_gold else ()

    def _score(self, model: PreTrainedModel, name: str, split: str) -> dict[str, float]:
        return score_rows(
            model,
            self.tokenizer,
            self.task,
            self.data.rows[split],
            seed=self.settings.seed,
            display=self.display,
            title=f"{name} on {split}",
        )


def _public_name(name: str) -> str:
    """A Hub name as it is; of a folder on this machine only its last part."""
    return Path(name).resolve().name if Path(name).exists() else name


__all__ = ["SENTENCE_TRANSFORMERS_FOLDER", "DistilSettings", "LearnFrom", "distil"]
