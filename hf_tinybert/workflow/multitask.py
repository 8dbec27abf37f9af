"""One student for several tasks: an encoder that they share, a head and a teacher for each."""

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from rich.markup import escape
from transformers import PreTrainedModel

from hf_tinybert.distillation.frozen_parts import frozen_parts
from hf_tinybert.distillation.multitask.run_checks import MEAN_SCORE, check_before_teachers
from hf_tinybert.distillation.multitask.trainer import MultiTaskDistillationTrainer
from hf_tinybert.distillation.rate_factors import check_rate_factors
from hf_tinybert.distillation.teacher_ensemble import teachers_of, told_ensemble
from hf_tinybert.distillation.token_map import find_token_map
from hf_tinybert.machine import machine
from hf_tinybert.models.initialization import StudentInitialization
from hf_tinybert.models.modeling_tinybert import TinyBertModel
from hf_tinybert.models.modeling_tinybert_multitask import TinyBertForMultiTask, module_name
from hf_tinybert.models.multitask_initialization import initialize_tasks_from_teachers
from hf_tinybert.models.start_checks import InitializationMethod
from hf_tinybert.models.vocabulary import trim_model
from hf_tinybert.progress import ProgressDisplay
from hf_tinybert.run_folder import RunFolder, claim_folder, wait_for_stage
from hf_tinybert.workflow.evaluation import score_rows
from hf_tinybert.workflow.figures import (
    describe_rows,
    figures_without_model,
    finished_figures,
    model_size,
    retention,
    save_figures,
    task_figures,
    teachers_size,
)
from hf_tinybert.workflow.kept_answers import KEPT_SPLIT, keep_answers
from hf_tinybert.workflow.loss_history import Curves
from hf_tinybert.workflow.model_folder import answering_config, load_tokenizer, task_folder
from hf_tinybert.workflow.multitask_parts import read_part
from hf_tinybert.workflow.multitask_settings import MultiTaskSettings
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
from hf_tinybert.workflow.teacher_scores import Scores, score_teachers, scored_ensemble
from hf_tinybert.workflow.teachers import (
    calibration_texts,
)

_STAGE = "multi-task distillation"


def distil_tasks(settings: MultiTaskSettings, output: Path, display: ProgressDisplay) -> dict[str, Any]:
    """Distil a teacher of each task into one student, and save it with tokenizer, tasks, record and figures.

    The epoch with the best mean of the tasks' main metrics on their validation splits is kept. Interrupted, the same
    call goes on at the last whole checkpoint; finished, it gives the figures again. Under a launcher as `distil`.

    Args:
        settings: what to do.
        output: folder of the student.
        display: where progress is shown.

    Returns:
        By task: scores of teacher and student by split and metric, of predictions without a model too where the kind
        has such, and retention; parameters, megabytes, seconds.

    Raises:
        ValueError: unusable data or settings, teachers that do not fit, or an output folder that holds something else,
            also a run of other teachers, another start or other rows under the same names.
        FileNotFoundError: no such teacher or data.
    """
    finished = finished_figures(output, settings.to_json(), _STAGE, settings.sources)
    if finished is not None:
        display.line("  finished before; other rows go to another folder")
        return finished
    return _MultiTaskDistillation(settings, output, display).run()


class _MultiTaskDistillation:
    """One run: what can be refused is refused before the output folder is claimed, or gives it back."""

    def __init__(self, settings: MultiTaskSettings, output: Path, display: ProgressDisplay) -> None:
        self.settings, self.output, self.display = settings, output, display
        self.checkpoints = output / CHECKPOINTS
        self.shared = settings.of_task(settings.base)
        for name in settings.tasks:
            module_name(name)  # refuses what no head can be called, before any data is read
        # of all tasks: not the weights of the base alone
        general = replace(self.shared, loss_weights=settings.shared.get("loss_weights"))
        general.arguments(self.checkpoints, "loss")  # refuses a wrong objective before anything is read
        first = self.shared.teacher_source.first
        config = answering_config(first)  # says of a teacher that is not there what a tokenizer would not
        self.teacher_tokenizer = load_tokenizer(first)
        self.tokenizer = student_tokenizer(self.shared, self.teacher_tokenizer)
        self.student_config = student_config(self.shared, config)
        tokenizers = self.tokenizer, self.teacher_tokenizer
        with display.bar("reading and tokenising"):
            width = self.student_config.hidden_size
            self.parts = {name: read_part(name, settings, *tokenizers, width) for name in settings.tasks}
        scored = any(part.data.has_gold for part in self.parts.values())
        self.arguments = general.arguments(self.checkpoints, MEAN_SCORE if scored else "loss")
        self.leads = self.arguments.process_index == 0
        self.student = self._untrained_student()
        self.ensembles: dict[str, dict[str, Any] | None] = {}
        for part in self.parts.values():
            part.load_teacher(self.student, self.arguments)
            if self.leads:
                part.warn_of_learnt_rows()
        self.tasks = {name: part.distillation_task(*tokenizers) for name, part in self.parts.items()}
        with frozen_parts(self.student, self.arguments.frozen):
            check_rate_factors(self.student, self.shared.learning_rate_factors or {}, self.arguments.frozen or ())
            check_before_teachers(self.student, self.arguments, self.tasks, self.tokenizer)
        base = self.parts[settings.base].teacher
        if base is not None:
            token_map = find_token_map(self.tokenizer, self.teacher_tokenizer)
            mapping = str(self.arguments.layer_mapping)
            check_student_start(self.student, base, self.shared, mapping, token_map)
        self.seconds: dict[str, float] = {}
        self.earlier_seconds = 0.0
        self.curves: Curves = {}

    def run(self) -> dict[str, Any]:
        """Train, save and score."""
        with (
            claim_folder(self.output, self.settings.to_json(), leads=self.leads) as folder,
            given_back_if_refused(folder, self.display, leads=self.leads),
        ):
            return self._run(folder)

    def _run(self, folder: RunFolder) -> dict[str, Any]:
        self._check_order(folder)
        texts = [file for part in self.parts.values() for file in part.settings.unlabeled]
        check_same_rows(folder, {name: part.data.rows for name, part in self.parts.items()}, texts, leads=self.leads)
        keep_sources(folder, self.settings.sources, leads=self.leads)
        teachers = [part.teacher for part in self.parts.values() if part.teacher is not None]
        place_models((self.student, *teachers), self.arguments.device)
        for name, part in self.parts.items():
            teacher = part.settings.teacher_source.public_name if part.teacher is not None else "none"
            kind, rows = part.data.task.kind, describe_rows(part.data)
            self.display.line(escape(f"  {name}: {kind}   teacher: {teacher}   data: {rows}"))
        teacher_scores = {name: self._teacher_scores(name, folder) for name in self.parts}
        start = time.perf_counter()
        with self.display.bar("initialising the student"):
            initial = self._initialize(folder)
        self.seconds["initialization"] = round(time.perf_counter() - start, 1)
        epochs = self._train(initial)
        self.seconds["total"] = round(time.perf_counter() - start + self.earlier_seconds, 1)
        if not self.leads:
            return wait_for_stage(self.output, _STAGE)
        for name, part in self.parts.items():
            part.data.task.save(task_folder(self.output, name))
        # what was saved, without what only training needs
        self.student = TinyBertForMultiTask.from_pretrained(self.output)
        place_models((self.student,), self.arguments.device)
        figures = self._figures(teacher_scores, epochs)
        save_figures(self.output, figures)
        folder.finish(_STAGE, figures)
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        return figures

    def _check_order(self, folder: RunFolder) -> None:
        began = list(folder.settings["tasks"])
        if began != list(self.parts):
            raise ValueError(
                f"expected the tasks in the order in which the run in `{folder.path}` began, "
                f"{', '.join(f'`{name}`' for name in began)}, got {', '.join(f'`{name}`' for name in self.parts)}; "
                "because the encoder starts from the first teacher, and rows come by the order of their tasks; repeat "
                "the order, name another folder, or remove it"
            )

    def _untrained_student(self) -> TinyBertForMultiTask:
        encoder = new_student(TinyBertModel, self.student_config, self.shared, self.tokenizer)
        return TinyBertForMultiTask.from_encoder(encoder, {name: part.spec for name, part in self.parts.items()})

    def _initialize(self, folder: RunFolder) -> dict[str, StudentInitialization]:
        """The encoder from the base's teacher, on texts of all tasks; every head, and every map, from its own."""
        taught = {name: teachers_of(part.teacher)[0] for name, part in self.parts.items() if part.teacher is not None}
        texts = {
            name: list(calibration_texts(self.parts[name].data, teacher, self.tokenizer, self.parts[name].settings))
            for name, teacher in taught.items()
        }
        token_map = find_token_map(self.tokenizer, self.teacher_tokenizer)
        base, every_text = taught[self.settings.base], _in_turns(list(texts.values()))
        show_what_is_left_out(self.display, base, self.shared.start_method)
        mapping = str(self.arguments.layer_mapping)
        layers = layers_of_run(folder, mapping, leads=self.leads)
        initial = start_student(self.student, base, self.shared, every_text, layers, token_map)
        keep_found_layers(folder, mapping, initial, self.display, leads=self.leads)
        if self.shared.start_method is InitializationMethod.RANDOM:
            return {}
        if token_map is not None:
            taught = {name: trim_model(one, token_map.tolist()) for name, one in taught.items()}
        answering = [name for name in taught if self.parts[name].answers]
        depths = {one.config.num_hidden_layers for one in taught.values()}
        return initialize_tasks_from_teachers(
            self.student,
            taught,
            calibration=texts,
            start=initial,
            heads=answering,
            layer_mapping=initial.mapping if len(depths) == 1 else None,
            seed=self.shared.seed,
        )

    def _train(self, initial: dict[str, StudentInitialization]) -> list[dict[str, float]]:
        trainer = MultiTaskDistillationTrainer(
            self.student,
            self.arguments,
            tasks=self.tasks,
            sampling=self.settings.sampling,
            initialization=initial,
            processing_class=self.tokenizer,
        )
        trainer.ensembles = self.ensembles
        training = train_student(trainer, self.output, self.checkpoints, self.display)
        self.seconds |= training.seconds
        self.earlier_seconds, self.curves = training.earlier_seconds, training.curves
        return training.epochs

    def _teacher_scores(self, name: str, folder: RunFolder) -> Scores:
        """A teacher by split, before training casts its weights to bfloat16."""
        stage, part = f"teacher of {name}", self.parts[name]
        source = part.settings.teacher_source
        told = None if part.teacher is None else told_ensemble(part.teacher)
        self.ensembles[name] = scored_ensemble(told, source, (), {})
        if not self.leads:
            wait_for_stage(self.output, stage)
            return {}
        teacher = part.teacher if part.settings.score_teacher and part.answers else None
        if teacher is None:
            folder.finish(stage, {})
            return {}
        score = partial(self._scores, name, is_teacher=True)
        together, singly = score_teachers(folder, stage, source, teacher, score)
        self.ensembles[name] = scored_ensemble(told, source, singly, together)
        return together

    def _scores(self, name: str, model: PreTrainedModel, title: str, *, is_teacher: bool = False) -> Scores:
        part, found = self.parts[name], Scores()
        task, seed = part.data.task, part.settings.seed
        for split in part.data.scored(part.settings.scored_splits):
            rows = part.data.rows[split]
            found[split], answers = score_rows(
                model,
                self.teacher_tokenizer if is_teacher else self.tokenizer,
                task,
                rows,
                seed=seed,
                display=self.display,
                title=f"{title}, {split}",
            )
            if split == KEPT_SPLIT and (model is part.teacher or not is_teacher):
                who = ("teacher", part.settings.teacher_source) if is_teacher else ("student", self.output)
                keep_answers(self.output, who[0], answers, rows=rows, task=task, seed=seed, weights=who[1], name=name)
        return found

    def _figures(self, teacher_scores: dict[str, Scores], epochs: list[dict[str, float]]) -> dict[str, Any]:
        teachers = (
            (name, part.settings.teacher_task, model)
            for part in self.parts.values()
            if part.teacher is not None
            for name, model in zip(part.settings.teacher_source.names, teachers_of(part.teacher), strict=True)
        )
        sizes = {"student": model_size(self.student), "teacher": teachers_size(teachers)}
        return {
            "tasks": {name: self._task_figures(name, teacher_scores[name]) for name in self.parts},
            "epochs": epochs,
            "curves": self.curves,
            **{name: {model: size[name] for model, size in sizes.items()} for name in ("parameters", "megabytes")},
            "seconds": self.seconds,
            "settings": self.settings.to_json(),
            "machine": machine(),
        }

    def _task_figures(self, name: str, teacher: Scores) -> dict[str, Any]:
        part = self.parts[name]
        student = self._scores(name, self.student.for_task(name), f"student on {name}")
        return {
            "teacher": None if part.teacher is None else part.settings.teacher_source.public_name,
            **({} if self.ensembles[name] is None else {"ensemble": self.ensembles[name]}),
            **task_figures(part.data),
            "unlabeled_rows": len(part.train_rows) - len(part.data.encoded["train"]),
            "scores": {
                split: {"student": scores, **({"teacher": teacher[split]} if split in teacher else {})}
                for split, scores in student.items()
            },
            "retention": {
                split: retention(scores, teacher[split]) for split, scores in student.items() if split in teacher
            },
            **figures_without_model(part.data.task, {split: part.data.rows[split] for split in student}, self.display),
        }


def _in_turns(several: list[list[Any]]) -> Iterator[Any]:
    """A batch of each task after the other, so that all are among the first."""
    return (batch for turn in zip_longest(*several) for batch in turn if batch is not None)


__all__ = ["MultiTaskSettings", "distil_tasks"]
