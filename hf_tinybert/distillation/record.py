"""`distillation.json`: what a checkpoint folder tells of how it was made."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

RECORD_FILE = "distillation.json"


@dataclass(frozen=True)
class DistillationRecord:
    """The story of one checkpoint.

    Attributes:
        teacher: Hub name or folder name, never a path of the machine.
        teacher_class: model class of the teacher.
        teacher_sha256: hash of the teacher's weights, names and types.
        student_class: model class of the student.
        layer_mapping: `layer_mapping[student_layer] = teacher_layer`, 0 = embedding output.
        learned_mapping: strategy and mean weights of a learned mapping, which `layer_mapping` then only started from;
            None with a fixed one.
        recipe: the method whose defaults the run took; None with objectives of one's own.
        phases: stages of the run, in order.
        phase: the stage this checkpoint was written in.
        global_step: optimizer steps of that stage so far.
        loss_weights: weight of each term of that stage; start, end and kind where it moves.
        loss_layers: student layers that a term compares, where not all.
        temperature: of the prediction terms; start, end and kind where it moves.
        loss_reduction: `mean` or `reference`.
        seed: of the run.
        metrics: last logged value of each figure, losses and evaluation.
        seconds: training time of the run so far, all stages, by the clock of the process that wrote it; of a resumed
            run in all calls together.
        versions: of hf_tinybert, torch and transformers.
        tasks: of a multi-task student, what was told of each task: its teacher, layer mapping and loss weights; None
            of a student of one task.
        task_sampling: how often each of these tasks came; None likewise.
        vocabulary: of a student whose vocabulary was made smaller: pieces before and after, the texts that they were
            chosen by, and the share of their tokens that stay as they were; None of a whole vocabulary.
        ensemble: of a teacher that is several models, `teachers`: name, class, hash and weight of each, and where they
            were scored `scores` by split; then beside them the `scores` of all as one. None of one model.
        probability_shift: whether predictions of the teacher were corrected by the labels.
        phase_seconds: the same by stage; empty in records of before there was such a field.
        beside_tasks: of a head that was taken out of a multi-task student, the tasks that the encoder learned besides;
            None otherwise.
        frozen: parts of the student that stayed as they started, by the names of their modules.
        learning_rate_factors: of parts of the student that had another learning rate than the others.
        label_smoothing: of the label terms of that stage; None in records of before there was such a field.
        relation_heads: of the relation terms, 0 for the most up to 48 that divide both widths; None likewise.
    """

    teacher: str
    teacher_class: str
    teacher_sha256: str
    student_class: str
    layer_mapping: list[int]
    learned_mapping: dict[str, Any] | None
    recipe: str | None
    phases: list[str]
    phase: str
    global_step: int
    loss_weights: dict[str, float | dict[str, float | str]]
    loss_layers: dict[str, list[int]]
    temperature: float | dict[str, float | str]
    loss_reduction: str
    seed: int
    metrics: dict[str, float]
    seconds: float
    versions: dict[str, str]
    tasks: dict[str, dict[str, Any]] | None = None
    task_sampling: dict[str, Any] | None = None
    vocabulary: dict[str, Any] | None = None
    ensemble: dict[str, Any] | None = None
    probability_shift: bool = False
    phase_seconds: dict[str, float] = field(default_factory=dict)
    beside_tasks: list[str] | None = None
    frozen: list[str] = field(default_factory=list)
    learning_rate_factors: dict[str, float] = field(default_factory=dict)
    label_smoothing: float | None = None
    relation_heads: int | None = None

    def of_task(self, name: str) -> Self:
        """The story of one head of a multi-task student: its teacher, terms and figures, called as those of one task.

        Args:
            name: of the task.

        Raises:
            ValueError: the record tells of no such task.
        """
        tasks = self.tasks or {}
        if name not in tasks:
            raise ValueError(
                f"expected one of the tasks {', '.join(f'`{one}`' for one in tasks) or 'of a multi-task student'} "
                f"that the record tells of, got `{name}`; because nothing is told of the others; name one of these"
            )
        own, prefix = tasks[name], f"{name}/"
        return replace(
            self,
            teacher=own.get("teacher") or "",
            teacher_class=own.get("teacher_class") or "",
            teacher_sha256=own.get("teacher_sha256") or "",
            layer_mapping=own.get("layer_mapping") or [],
            learned_mapping=own.get("learned_mapping"),
            loss_weights=own.get("loss_weights") or {},
            loss_layers={
                term.removeprefix(prefix): of for term, of in self.loss_layers.items() if term.startswith(prefix)
            },
            metrics=_metrics_of(self.metrics, name, tasks),
            tasks=None,
            task_sampling=None,
            ensemble=own.get("ensemble"),
            beside_tasks=[other for other in tasks if other != name],
        )

    def save(self, folder: Path) -> None:
        """Write `distillation.json` into a folder."""
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n"
        (folder / RECORD_FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `distillation.json` of a folder.

        Raises:
            FileNotFoundError: the folder has none.
            ValueError: it is not a record.
        """
        text = (folder / RECORD_FILE).read_text(encoding="utf-8")
        try:
            return cls(**json.loads(text))
        except (TypeError, ValueError) as error:
            raise ValueError(f"expected a distillation record in `{folder / RECORD_FILE}`: {error}") from error


def public_name(name: str) -> str:
    """Of a model, for others to read: a Hub name as it is; of a folder on this machine only its last part.

    A model that was made in memory has none, the empty one.
    """
    is_folder = name != "" and (Path(name).is_absolute() or Path(name).exists())
    return Path(name).resolve().name if is_folder else name


def _metrics_of(metrics: Mapping[str, float], name: str, tasks: Iterable[str]) -> dict[str, float]:
    """Of all figures those of one task, without its name."""
    own = dict[str, float]()
    longer = tuple(f"eval_{other}_" for other in tasks if other != name and other.startswith(name))
    for key, value in metrics.items():
        if key.startswith(f"{name}/"):
            own[key.removeprefix(f"{name}/")] = value
        elif key.startswith(f"eval_{name}_") and not key.startswith(longer):
            own[f"eval_{key.removeprefix(f'eval_{name}_')}"] = value
    return own


__all__ = ["RECORD_FILE", "DistillationRecord", "public_name"]
