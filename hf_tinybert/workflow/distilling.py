"""A teacher distilled into a student of any shape, on a task of any kind."""

import shutil
import time
from pathlib import Path
from typing import Any

from datasets import Dataset
from rich.markup import escape
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_tinybert.data.augmentation import FreshVariants
from hf_tinybert.data.tasks import TaskKind
from hf_tinybert.distillation.checkpoints import check_weights
from hf_tinybert.distillation.frozen_parts import frozen_parts
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.rate_factors import check_rate_factors
from hf_tinybert.distillation.refusals import check_before_data
from hf_tinybert.distillation.task_head import predicts_vocabulary, problem_of
from hf_tinybert.distillation.teacher_ensemble import teachers_of, told_ensemble
from hf_tinybert.distillation.token_map import find_token_map
from hf_tinybert.distillation.trainer import DistillationTrainer
from hf_tinybert.machine import machine
from hf_tinybert.models.initialization import StudentInitialization
from hf_tinybert.models.sentence_transformers import save_as_sentence_transformer
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.run_folder import RunFolder, claim_folder, wait_for_stage
from hf_tinybert.workflow.augmentation_sources import ALIGNED_COLUMNS
from hf_tinybert.workflow.distil_settings import DistilSettings, LearnFrom
from hf_tinybert.workflow.evaluation import score_rows
from hf_tinybert.workflow.figures import (
    describe_rows,
    figures_without_model,
    finished_figures,
    model_size,
    retention,
    save_figures,
    task_figures,
)
from hf_tinybert.workflow.fresh_rows import FreshRows
from hf_tinybert.workflow.heads import STUDENT_CLASSES
from hf_tinybert.workflow.kept_answers import KEPT_SPLIT, keep_answers
from hf_tinybert.workflow.learnt_rows import warn_of_learnt_rows, warn_of_variants
from hf_tinybert.workflow.loss_history import Curves
from hf_tinybert.workflow.model_folder import answering_config, load_tokenizer, ready_to_save
from hf_tinybert.workflow.refused_run import given_back_if_refused
from hf_tinybert.workflow.row_fingerprint import check_same_rows
from hf_tinybert.workflow.run_arguments import CHECKPOINTS, place_models
from hf_tinybert.workflow.run_sources import keep_sources
from hf_tinybert.workflow.student_start import (
    check_student_start,
    keep_found_layers,
    layers_of_run,
    new_student,
    show_what_is_left_out,
    start_student,
    student_config,
    student_tokenizer,
)
from hf_tinybert.workflow.student_training import train_student
from hf_tinybert.workflow.supervised import supervised_arguments, train_on_labels, trainer_data
from hf_tinybert.workflow.task_data import can_be_scored, prepare_data
from hf_tinybert.workflow.teacher_scores import Scores, score_teachers, scored_ensemble
from hf_tinybert.workflow.teachers import (
    calibration_texts,
    check_joined,
    embedding_fields,
    teacher_model,
    teacher_task,
)
from hf_tinybert.workflow.training_clock import TrainingClock
from hf_tinybert.workflow.unlabeled import raw_training_rows, training_rows

SENTENCE_TRANSFORMERS_FOLDER = "sentence-transformers"
STAGE = "distillation"
_TEACHER_STAGE = "teacher"


def distil(settings: DistilSettings, output: Path, display: ProgressDisplay) -> dict[str, Any]:
    """Distil a teacher into a student and save it with its tokenizer, `task.json`, `distillation.json` and figures.

    What both answer to up to 1,000 validation rows is kept beside them, see `kept_answers`.

    Interrupted, the same call goes on at the last whole checkpoint; finished, it gives the figures again. A student
    for sentence embedding is also saved as a folder that sentence-transformers loads.

    Called by every process of `torchrun` or `accelerate launch`, each trains on its share of every step, and the first
    one scores and writes; they must see the same disk.

    Args:
        settings: what to do.
        output: folder of the student.
        display: where progress is shown.

    Returns:
        Scores of teacher and student by split and metric, of predictions without a model too where the kind has such,
        retention, parameters, megabytes, seconds.

    Raises:
        ValueError: unusable data or settings, a teacher that does not fit, or an output folder that holds something
            else, also a run of another teacher or start, or of other rows, under the same names.
        FileNotFoundError: no such teacher or data.
    """
    finished = finished_figures(output, settings.to_json(), STAGE, settings.sources)
    if finished is not None:
        display.line("  finished before; other rows go to another folder")
        return finished
    return _Distillation(settings, output, display).run()


class _Distillation:
    """One run: what can be refused is refused before the output folder is claimed, or gives it back."""

    def __init__(self, settings: DistilSettings, output: Path, display: ProgressDisplay) -> None:
        self.settings, self.output, self.display = settings, output, display
        self.checkpoints = output / CHECKPOINTS
        settings.arguments(self.checkpoints, "loss")  # refuses a wrong objective before anything is read
        self.source = settings.teacher_source
        check_weights(Path(self.source.first))
        self.config = answering_config(self.source.first)
        self.teacher_tokenizer: PreTrainedTokenizerBase = load_tokenizer(self.source.first)
        self.tokenizer = student_tokenizer(settings, self.teacher_tokenizer)
        known = teacher_task(settings, self.config, self.teacher_tokenizer)
        check_joined(settings, known, self.teacher_tokenizer)
        with display.bar("reading and tokenising"):
            from_labels = settings.learn_from == LearnFrom.LABELS
            self.data = prepare_data(settings, self.tokenizer, self.config, known, needs_gold=from_labels)
        self.task = self.data.task
        self.arguments = settings.arguments(self.checkpoints, self.data.best_metric)
        self.leads = self.arguments.process_index == 0
        if self.leads:
            for name in self.source.names:
                warn_of_learnt_rows(name, settings.data, settings.seed, self.data.cut, head=settings.teacher_task)
            warn_of_variants(settings.unlabeled, settings, self.data)
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
        self.train_rows = training_rows(self.data, settings, self.tokenizer)
        self.fresh_rows = self._fresh_rows()
        self.student = self._untrained_student()
        self.teacher, self.answers = teacher_model(settings, self.student, self._objectives())
        with frozen_parts(self.student, self.arguments.frozen):  # refuses names that the student does not have
            check_rate_factors(self.student, settings.learning_rate_factors or {}, self.arguments.frozen or ())
            if settings.learn_from == LearnFrom.TEACHER:  # else nothing is compared
                tokenizers = self.tokenizer, self.teacher_tokenizer
                check_before_data(self.student, self.teacher, self.arguments, tokenizers=tokenizers)
        token_map = find_token_map(self.tokenizer, self.teacher_tokenizer)
        mapping = str(self.arguments.layer_mapping)
        check_student_start(self.student, teachers_of(self.teacher)[0], settings, mapping, token_map)
        self.seconds: dict[str, float] = {}
        self.earlier_seconds = 0.0
        self.curves: Curves = {}
        self.ensemble: dict[str, Any] | None = None

    def run(self) -> dict[str, Any]:
        """Train, save and score."""
        with (
            claim_folder(self.output, self.settings.to_json(), leads=self.leads) as folder,
            given_back_if_refused(folder, self.display, leads=self.leads),
        ):
            return self._run(folder)

    def _run(self, folder: RunFolder) -> dict[str, Any]:
        data = {self.settings.data: self.data.rows}
        check_same_rows(folder, data, self.settings.unlabeled, leads=self.leads)
        keep_sources(folder, self.settings.sources, leads=self.leads)
        place_models((self.student, self.teacher), self.arguments.device)
        name, role = self.source.public_name, "teachers" if self.source.is_joined else "teacher"
        self.display.line(f"  {role}: {escape(name)}   task: {self.task.kind}   data: {describe_rows(self.data)}")
        # first, as rows that cannot change are refused
        rows = self.train_rows if self.fresh_rows is None else self.fresh_rows.variants(self.display)
        teacher_scores = self._teacher_scores(folder)
        start = time.perf_counter()
        with self.display.bar("initialising the student"):
            initial = self._initialize(folder)
        self.seconds["initialization"] = round(time.perf_counter() - start, 1)
        from_labels = self.settings.learn_from == LearnFrom.LABELS
        epochs = self._train_on_labels() if from_labels else self._train(initial, rows)
        self.seconds["total"] = round(time.perf_counter() - start + self.earlier_seconds, 1)
        if not self.leads:
            return wait_for_stage(self.output, STAGE)
        self.task.save(self.output)
        # what was saved, without what only training needs
        self.student = STUDENT_CLASSES[self.task.definition.head].from_pretrained(self.output)
        place_models((self.student,), self.arguments.device)
        if self.task.kind is TaskKind.SENTENCE_EMBEDDING:
            folder_of_both = self.output / SENTENCE_TRANSFORMERS_FOLDER
            shutil.rmtree(folder_of_both, ignore_errors=True)  # of an earlier try of this run
            length = self.task.settings.max_length
            save_as_sentence_transformer(self.student, self.tokenizer, folder_of_both, max_length=length)
        figures = self._figures(name, teacher_scores, epochs)
        save_figures(self.output, figures)
        folder.finish(STAGE, figures)
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        return figures

    def _untrained_student(self) -> PreTrainedModel:
        settings = self.settings
        config = student_config(settings, self.config, **self.task.model_settings())
        if self.task.kind is TaskKind.SENTENCE_EMBEDDING:
            fields = embedding_fields(self.source.first, self.config, config.hidden_size, head=settings.teacher_task)
            config = type(config)(**{**config.to_dict(), **fields})
        return new_student(STUDENT_CLASSES[self.task.definition.head], config, settings, self.tokenizer)

    def _fresh_rows(self) -> FreshRows | None:
        words = self.settings.word_settings
        if words is None:
            return None
        rows = raw_training_rows(self.data, self.settings)
        return FreshRows(self.settings, words, self.task, rows, self.tokenizer, self.checkpoints)

    def _objectives(self) -> list[DistillationObjective]:
        vocabulary = predicts_vocabulary(self.student)
        objectives = list(self.arguments.objectives(problem_of(self.student), masked_lm=vocabulary).values())
        unlabeled = "`unlabeled` rows" if self.settings.unlabeled else "training rows without labels"
        bare = bool(self.settings.unlabeled) or not can_be_scored(self.data.rows["train"], self.task)
        if bare and any(one.reads_labels for one in objectives):
            raise ValueError(
                f"expected terms that compare with the teacher alone for {unlabeled}, got one that reads labels; "
                "because these rows have none; leave out `label_loss` of `loss_weights`, and `probability_shift`"
            )
        stale = sorted(set(self.task.definition.label_columns) - ALIGNED_COLUMNS)
        if self.settings.augment and stale and any(one.reads_labels for one in objectives):
            raise ValueError(
                f"expected terms that compare with the teacher alone with `augment`, got one that reads `{stale[0]}`; "
                "because it may be wrong of a text with other words; leave out `label_loss` of `loss_weights`, and "
                "`probability_shift`"
            )
        return objectives

    def _initialize(self, folder: RunFolder) -> StudentInitialization:
        first = teachers_of(self.teacher)[0]  # several have no common weights to start from
        show_what_is_left_out(self.display, first, self.settings.start_method)
        texts = calibration_texts(self.data, first, self.tokenizer, self.settings)
        token_map = find_token_map(self.tokenizer, self.teacher_tokenizer)
        mapping = str(self.arguments.layer_mapping)
        layers = layers_of_run(folder, mapping, leads=self.leads)
        initial = start_student(self.student, first, self.settings, texts, layers, token_map)
        keep_found_layers(folder, mapping, initial, self.display, leads=self.leads)
        return initial

    def _train(self, initial: StudentInitialization, rows: Dataset | FreshVariants) -> list[dict[str, float]]:
        data = trainer_data(self.data, self.tokenizer, self.settings.seed)
        trainer = DistillationTrainer(
            self.student,
            self.arguments,
            teacher=self.teacher,
            teacher_processing_class=self.teacher_tokenizer,
            initialization=initial,
            **{**data, "train_dataset": rows},
        )
        trainer.teacher_name = self.source.public_name if self.source.is_joined else self.source.first
        trainer.ensemble = self.ensemble
        training = train_student(trainer, self.output, self.checkpoints, self.display)
        self.seconds |= training.seconds
        self.earlier_seconds, self.curves = training.earlier_seconds, training.curves
        return training.epochs

    def _train_on_labels(self) -> list[dict[str, float]]:
        arguments = supervised_arguments(
            self.settings,
            self.checkpoints,
            metric=self.data.best_metric,
            epochs=self.arguments.num_train_epochs,
            learning_rate=self.arguments.learning_rate,
        )
        clock = TrainingClock(self.checkpoints)
        with frozen_parts(self.student, self.arguments.frozen):
            epochs = train_on_labels(self.student, arguments, self.data, self.tokenizer, self.display, clock)
        self.earlier_seconds = clock.earlier
        if self.leads:
            self.student.save_pretrained(self.output)
            ready_to_save(self.tokenizer, self.student.config)
            self.tokenizer.save_pretrained(self.output)
        return epochs

    def _figures(self, teacher_name: str, teacher_scores: Scores, epochs: list[dict[str, float]]) -> dict[str, Any]:
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
            **({} if self.ensemble is None else {"ensemble": self.ensemble}),
            **task_figures(self.data),
            "unlabeled_rows": len(self.train_rows) - len(self.data.encoded["train"]),
            "scores": scores,
            "retention": {
                split: retention(by_model["student"], by_model["teacher"])
                for split, by_model in scores.items()
                if "teacher" in by_model
            },
            **figures_without_model(
                self.task, {split: self.data.rows[split] for split in self._scored_splits}, self.display
            ),
            "epochs": epochs,
            "curves": self.curves,
            **{name: {model: size[name] for model, size in sizes.items()} for name in ("parameters", "megabytes")},
            "seconds": self.seconds,
            "settings": self.settings.to_json(),
            "machine": machine(),
        }

    def _teacher_scores(self, folder: RunFolder) -> Scores:
        """The teacher by split, before training casts its weights to bfloat16; none where it has no trained head.

        Of several each by itself, and all as one.
        """
        told = told_ensemble(self.teacher)
        if not self.leads:
            wait_for_stage(self.output, _TEACHER_STAGE)
            self.ensemble = scored_ensemble(told, self.source, (), {})
            return {}
        splits = self._scored_splits if self.settings.score_teacher and self.answers else ()
        together, singly = score_teachers(
            folder,
            _TEACHER_STAGE,
            self.source,
            self.teacher,
            lambda model, title: {split: self._score(model, title, split) for split in splits},
        )
        self.ensemble = scored_ensemble(told, self.source, singly, together)
        return together

    @property
    def _scored_splits(self) -> tuple[str, ...]:
        return self.data.scored(self.settings.scored_splits)

    def _score(self, model: PreTrainedModel, name: str, split: str) -> dict[str, float]:
        rows, seed = self.data.rows[split], self.settings.seed
        metrics, answers = score_rows(
            model,
            self.tokenizer if model is self.student else self.teacher_tokenizer,
            self.task,
            rows,
            seed=seed,
            display=self.display,
            title=f"{name} on {split}",
        )
        if split == KEPT_SPLIT and model in (self.student, self.teacher):  # of one of several nothing is compared
            weights = self.source if model is self.teacher else self.output
            keep_answers(self.output, name, answers, rows=rows, task=self.task, seed=seed, weights=weights)
        return metrics


__all__ = ["SENTENCE_TRANSFORMERS_FOLDER", "STAGE", "DistilSettings", "LearnFrom", "distil"]
