"""What a model folder says of its model: read once, for the card and for the choice of files that are published."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from hf_tinybert.hub.kept_comparisons import KeptComparisons, read_comparisons
from hf_tinybert.models.checkpoint_folder import CONFIG_FILE, read_json
from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.configuration_tinybert_tasks import check_task_name
from hf_tinybert.weight_index import check_weight_index

RECORD_FILE = "distillation.json"
FIGURES_FILE = "figures.json"
TASK_FILE = "task.json"
SPEED = "sentences_per_second"
WEIGHTS = "model*.safetensors"
_GRAPHS = ("*.onnx", "*.xml")
# What is read by name or in order, by file and field; a field may be missing.
_SHAPES: Mapping[str, Mapping[str, type]] = {
    RECORD_FILE: dict.fromkeys(
        ("ensemble", "learning_rate_factors", "loss_weights", "metrics", "tasks", "versions"), dict
    )
    | {"frozen": list, "layer_mapping": list},
    FIGURES_FILE: dict.fromkeys(
        ("ensemble", "held_out", "machine", "retention", "rows", "scores", "settings", "tasks"), dict
    )
    | {"curves": dict, "epochs": list, "labels": list, SPEED: dict},
    TASK_FILE: {},
}
_DATA_ENDINGS = (".csv", ".json", ".jsonl", ".parquet", ".tsv", ".txt")
_HEAD = re.compile(r"(For[A-Z]\w*|LMHeadModel|Model)$")


@dataclass(frozen=True)
class Score:
    """One metric of one split, of the models that were scored.

    Attributes:
        task: of a multi-task model; None of a model of one task.
        kind: of the task, such as `text-classification`.
        data: name of its data set; None where it is not told.
        split: such as `test`.
        metric: such as `accuracy`.
        student: of the model of the folder.
        teacher: of its teacher; None where it was not scored.
        undistilled: of the same shape trained without a teacher; None likewise.
        kept: student score / teacher score; None where that says nothing.
        without_model: of predictions that need no model, by their names; empty where the kind has none.
        alone: of each of several teachers that taught as one, by their names; empty of one teacher.
    """

    task: str | None
    kind: str
    data: str | None
    split: str
    metric: str
    student: float
    teacher: float | None = None
    undistilled: float | None = None
    kept: float | None = None
    without_model: Mapping[str, float] = field(default_factory=dict)
    alone: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelFacts:
    """What the files of a model folder say.

    Attributes:
        name: of the folder.
        config: `config.json`.
        record: `distillation.json`; None of a model that was not distilled.
        figures: `figures.json` of the run; None without.
        task: `task.json`; None without.
        parameters: of the saved weights.
        weight_bytes: of the weight files.
        comparisons: what a report found out about student and teacher of each task, of these weights.
    """

    name: str
    config: Mapping[str, Any]
    record: Mapping[str, Any] | None
    figures: Mapping[str, Any] | None
    task: Mapping[str, Any] | None
    parameters: int
    weight_bytes: int
    comparisons: KeptComparisons = field(default_factory=KeptComparisons)

    @property
    def model_type(self) -> str:
        """As in the configuration; `tinybert` of a native folder."""
        return str(self.config.get("model_type"))

    @property
    def architecture(self) -> str:
        """Name of the model class; empty where the configuration does not say it."""
        return str((self.config.get("architectures") or [""])[0])

    @property
    def head(self) -> str:
        """End of the class name that says the head, such as `ForSequenceClassification`, or `Model` without one."""
        found = _HEAD.search(self.architecture)
        return found[1] if found else "Model"

    @property
    def heads(self) -> Mapping[str, Any]:
        """The heads of a multi-task model by name; none of any other, whatever a model of another type calls tasks."""
        told: Mapping[str, Any] = self.config.get("tasks") or {}
        return told if self.model_type == TinyBertConfig.model_type else {}

    @property
    def kind(self) -> str | None:
        """Of the task; None of a model without one, or of several."""
        told = (self.task or {}).get("kind") or (self.figures or {}).get("kind")
        return None if told is None else str(told)

    @property
    def teacher(self) -> str | None:
        """Hub name or folder name of the teacher; None without."""
        told = (self.record or {}).get("teacher") or (self.figures or {}).get("teacher")
        return str(told) if told else None

    @property
    def joined_teachers(self) -> list[Mapping[str, Any]]:
        """Name, weight, class and hash of each of several teachers that taught one task as one; none of one."""
        told = (self.record or {}).get("ensemble") or (self.figures or {}).get("ensemble") or {}
        return list(told.get("teachers") or ())

    @property
    def settings(self) -> Mapping[str, Any]:
        """Of the run; of several tasks those that all have."""
        told: Mapping[str, Any] = (self.figures or {}).get("settings") or {}
        return told.get("shared") or told

    @property
    def is_taught(self) -> bool:
        """Whether a teacher taught it; what learnt from labels alone only starts from one, or is held to it."""
        return bool(self.teacher) and self.settings.get("learn_from") != "labels"

    @property
    def fine_tuned_from(self) -> str | None:
        """Name of the model before fine-tuning; None of one that was made otherwise, trimmed and exported ones too."""
        figures = self.figures or {}
        told = None if {"pieces", "to"} & figures.keys() else figures.get("model")
        return str(told) if told else None

    @property
    def data(self) -> str | None:
        """Name of the data set, without the folders of a machine; None where it is not told."""
        return _data_of((self.figures or {}).get("settings"))

    @property
    def datasets(self) -> list[str]:
        """Names of all data sets that scores and settings tell of."""
        settings = (self.figures or {}).get("settings") or {}
        texts = () if "pieces" in (self.figures or {}) else settings.get("texts") or ()
        of_tasks = (_data_of(own) for own in (settings.get("tasks") or {}).values())
        told = [self.data, *(score.data for score in self.scores), *(last_part(str(one)) for one in texts), *of_tasks]
        return list(dict.fromkeys(name for name in told if name))

    @property
    def speeds(self) -> Mapping[str, Mapping[str, float]]:
        """Sentences per second by batch size and model, of the run or else of a report; empty where not measured."""
        return self._measured_in[1].get(SPEED) or {}

    @property
    def speed_machine(self) -> Mapping[str, Any]:
        """The machine that speed was measured on; empty where it is not told."""
        return self._measured_in[1].get("machine") or {}

    @property
    def speed_task(self) -> str | None:
        """Of several tasks the one whose teacher was timed; None of a student of one task."""
        return self._measured_in[0]

    @property
    def taught_tasks(self) -> list[str]:
        """Of several tasks those that have a teacher, by the figures or else by the record."""
        told = (self.figures or {}).get("tasks") or (self.record or {}).get("tasks") or {}
        return [str(name) for name, own in told.items() if own.get("teacher")]

    @property
    def _measured_in(self) -> tuple[str | None, Mapping[str, Any]]:
        told = [(None, self.figures or {}), *self.comparisons.of_tasks.items()]
        return next(((task, one) for task, one in told if one.get(SPEED)), (None, {}))

    @property
    def scores(self) -> list[Score]:
        """Every score of the figures, in their order."""
        figures = self.figures or {}
        tasks = figures.get("tasks")
        if isinstance(tasks, Mapping):
            settings = (figures.get("settings") or {}).get("tasks") or {}
            named = ((str(name), one, _data_of(settings.get(name))) for name, one in tasks.items())
            return [score for name, one, data in named for score in _scores(one, name, data)]
        if "to" in figures and figures.get("scores"):  # of an export: both forms on one split
            split = str((figures.get("settings") or {}).get("split"))
            figures = {**figures, "scores": {split: figures["scores"]["exported"]}}
        return list(_scores(figures, None, self.data))


def read_facts(folder: Path) -> ModelFacts:
    """Read a model folder.

    Args:
        folder: with at least `config.json` and weights in safetensors.

    Raises:
        FileNotFoundError: one of these is missing.
        ValueError: a file is damaged, weights of which a part is not in the folder, or names tasks as no model can.
    """
    config = read_json(folder / CONFIG_FILE)
    if config.get("model_type") == TinyBertConfig.model_type:
        _check_shapes(folder / CONFIG_FILE, config, {"tasks": dict})
        for name in config.get("tasks") or ():
            check_task_name(name)  # it stands in the code that a card shows
    check_weight_index(folder)
    weights = sorted(folder.glob(WEIGHTS))
    if not weights and any(list(folder.glob(graph)) for graph in _GRAPHS):
        raise FileNotFoundError(
            f"expected `model.safetensors` in `{folder}`, got an exported graph; because only one with weights has "
            "a report and a card; name the folder that it was exported from"
        )
    if not weights:
        raise FileNotFoundError(
            f"expected `model.safetensors` in `{folder}`, got none; because only weights that hold no code are read "
            "and published; save the model with `save_pretrained`, an adapter after `merge_and_unload`"
        )
    return ModelFacts(
        name=folder.resolve().name,
        config=config,
        parameters=sum(_parameters(path) for path in weights),
        weight_bytes=sum(path.stat().st_size for path in weights),
        comparisons=read_comparisons(folder),
        record=_of_heads(_told(folder / RECORD_FILE), config),
        figures=_of_heads(_told(folder / FIGURES_FILE), config),
        task=_told(folder / TASK_FILE),
    )


def last_part(name: str) -> str:
    """A Hub name as it is; of a path, of this machine or another, only the last part."""
    parts = name.replace("\\", "/").rstrip("/").split("/")
    is_hub_name = len(parts) == 2 and all(re.fullmatch(r"\w[\w.-]*", part) for part in parts)
    is_file = parts[-1].lower().endswith(_DATA_ENDINGS)  # of a working directory that may be another now
    return name if is_hub_name and not is_file and not Path(name).exists() else parts[-1]


def _told(file: Path) -> dict[str, Any] | None:
    """The content of a file that a folder may lack."""
    if not file.is_file():
        return None
    content = read_json(file)
    _check_shapes(file, content, _SHAPES[file.name])
    return content


def _of_heads(told: dict[str, Any] | None, config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Without scores and terms of heads that were taken out of the model since; teachers and data stay told."""
    tasks, heads = (told or {}).get("tasks"), config.get("tasks")
    if told is None or not tasks or not heads or config.get("model_type") != TinyBertConfig.model_type:
        return told
    gone = tuple(f"{name}/" for name in tasks if name not in heads)
    weights = told.get("loss_weights")
    left = {} if weights is None else {term: one for term, one in weights.items() if not str(term).startswith(gone)}
    return {
        **told,
        "tasks": {name: one for name, one in tasks.items() if name in heads},
        **({} if weights is None else {"loss_weights": left}),
    }


def _check_shapes(file: Path, content: Mapping[str, Any], shapes: Mapping[str, type]) -> None:
    for name, shape in shapes.items():
        if not isinstance(content.get(name), shape | None):
            raise ValueError(
                f"expected a {shape.__name__} as `{name}` in `{file}`, got {type(content[name]).__name__}; because "
                "the file is damaged, or was changed by hand; copy or download it again"
            )


def _parameters(path: Path) -> int:
    try:
        with safe_open(path, framework="np") as file:
            return sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 (no mapping)
    except SafetensorError as error:
        raise ValueError(
            f"expected whole weights in `{path}`, got a file that cannot be read ({error}); because its writing or "
            "download was cut off; save or fetch it again"
        ) from error


def _data_of(settings: Mapping[str, Any] | None) -> str | None:
    told = (settings or {}).get("data")
    return last_part(str(told)) if told else None


def _scores(figures: Mapping[str, Any], task: str | None, data: str | None) -> Iterator[Score]:
    for split, by_model in (figures.get("scores") or {}).items():
        # of a fine-tuned model metrics stand where a student's figures name the models
        models = by_model if isinstance(by_model.get("student"), Mapping) else {"student": by_model}
        kept = (figures.get("retention") or {}).get(split, {})
        beside = (figures.get("without_model") or {}).get(split, {})
        singly = {
            str(one["teacher"]): (one.get("scores") or {}).get(split, {})
            for one in (figures.get("ensemble") or {}).get("teachers") or ()
        }
        for metric, value in models["student"].items():
            yield Score(
                task=task,
                kind=str(figures.get("kind")),
                data=data,
                split=str(split),
                metric=str(metric),
                student=float(value),
                teacher=models.get("teacher", {}).get(metric),
                undistilled=models.get("undistilled", {}).get(metric),
                kept=kept.get(metric),
                without_model={str(name): scores[metric] for name, scores in beside.items() if metric in scores},
                alone={name: scores[metric] for name, scores in singly.items() if metric in scores},
            )


__all__ = [
    "FIGURES_FILE",
    "RECORD_FILE",
    "SPEED",
    "TASK_FILE",
    "WEIGHTS",
    "ModelFacts",
    "Score",
    "last_part",
    "read_facts",
]
