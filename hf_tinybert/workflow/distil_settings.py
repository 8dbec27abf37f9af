"""What a distillation depends on: teacher, data, the student's shape and start, and how it learns."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.loss_weights import parse_loss_weights
from hf_tinybert.distillation.rate_factors import parse_rate_factors
from hf_tinybert.distillation.recipes import RecipeName
from hf_tinybert.distillation.terms import Phase
from hf_tinybert.idle_settings import check_not_idle, given_settings
from hf_tinybert.models.start_checks import InitializationMethod
from hf_tinybert.workflow.run_arguments import DataSettings, share_steps, stock_arguments
from hf_tinybert.workflow.run_sources import RunSources
from hf_tinybert.workflow.student_shape import StudentShape
from hf_tinybert.workflow.teacher_source import TeacherSource
from hf_tinybert.workflow.word_settings import WordSettings


class LearnFrom(StrEnum):
    """What a student learns from."""

    TEACHER = "teacher"
    """The terms of the recipe."""
    LABELS = "labels"
    """The gold labels alone, without any distillation: what a student is compared with."""


class AugmentMode(StrEnum):
    """What variants of the training rows, new in every epoch, do to the rows."""

    REPLACE = "replace"
    """They stand in their place."""
    JOIN = "join"
    """They stand beside them, so that an epoch has twice the rows."""


_ADDED = frozenset({"cache_max_gb", "frozen", "learning_rate_factors", "probability_shift", "teacher_weights"})
_OF_A_TEACHER = (
    "loss_weights",
    "temperature",
    "phases",
    "intermediate_epochs",
    "intermediate_learning_rate",
    "cache_dir",
    "cache_max_gb",
)
"""What has no meaning without anything to compare with."""
_OF_INTERMEDIATE = ("intermediate_epochs", "intermediate_learning_rate")
_OF_OTHER_PHASES = ("epochs", "learning_rate", "temperature")
_SIZES = ("shape", "layers", "width", "heads", "units")
_FROM_TEACHER = tuple(str(method) for method in InitializationMethod if method is not InitializationMethod.TRAINED)


@dataclass(frozen=True, kw_only=True)
class DistilSettings(DataSettings):
    """What a distillation depends on; what is None is as in `DistillationArguments`, where its source is named.

    Attributes:
        teacher: folder of a fine-tuned model or of an adapter, or a Hub name; for sentence embedding an encoder as it
            is published. Several teach as one: the mean of their predictions, the layers of the first.
        teacher_weights: of each of several teachers in that mean; None for equal ones.
        teacher_task: of a multi-task teacher, the head that teaches.
        unlabeled: files of more texts, which the teacher labels.
        augment: `replace` or `join`: in every epoch the teacher labels other variants of the training rows, those of
            `unlabeled` among them, in the place of the rows or beside them. None trains on the rows as they are.
        augment_words: fields of `WordSettings` other than the defaults, such as `masked_lm`.
        shape: preset of the student, "4L-312" or "6L-768". Source: TinyBERT, section 4.1.
        layers: of the student, in place of the preset's; so are `width`, `heads` and `units`.
        width: of its hidden states.
        heads: attention heads of a layer.
        units: of its feed-forward layers.
        start: `projection` or `layers` of the teacher, `random`, or the folder or Hub name of a trained student, as
            `hf-tinybert pretrain` writes it, whose shape the student has. Source: of the first three
            benchmarks/results/initialization.json, of the last benchmarks/results/tasks_validation.json.
        learn_from: `teacher`, or `labels` for a student without distillation; what compares with a teacher is refused
            then, and a recipe gives epochs, learning rate and the layers to start from alone.
        recipe: method whose terms, phases and mapping are the defaults; None takes `tinybert-scratch` for a joint
            phase from a random start. Source: benchmarks/results/tasks_validation.json.
        phases: stages in order.
        epochs: of the prediction-layer or joint phase.
        learning_rate: of the same.
        intermediate_epochs: of the intermediate-layer phase.
        intermediate_learning_rate: of the same.
        temperature: of the prediction terms; two numbers, or `start`, `end` and `kind`, where it moves over a phase.
        probability_shift: whether the labels correct the teacher where its most probable class is another.
        loss_weights: factors of terms.
        layer_mapping: teacher layer of each student layer, which it starts from and imitates; `search` finds them.
        frozen: parts of the student that stay as they start, by the names of their modules, such as
            `embeddings.word_embeddings`; see `DistillationArguments`. They stay so where it learns from labels too.
        learning_rate_factors: by parts named likewise, or `distillation_projections`: what the learning rate is
            multiplied by there.
        dropout: of the student. None, as in benchmarks/engine_quality.py: what the teacher says is target enough.
        calibration_rows: training rows that the student is fitted on before the first step. Source:
            benchmarks/results/initialization.json.
        cache_dir: folder where the teacher's outputs are kept; without, a forward every step.
        cache_max_gb: most gigabytes (1e9 bytes) of this run's outputs there; with more the teacher runs at every step.
        score_teacher: whether the teacher is scored beside the student.
        preflight: whether the run is examined before its first step.
    """

    teacher: str | tuple[str, ...]
    teacher_weights: tuple[float, ...] | None = None
    teacher_task: str | None = None
    unlabeled: tuple[str, ...] = ()
    augment: str | None = None
    augment_words: Mapping[str, Any] | None = None
    shape: str = "4L-312"
    layers: int | None = None
    width: int | None = None
    heads: int | None = None
    units: int | None = None
    start: str = str(InitializationMethod.PROJECTION)
    learn_from: str = str(LearnFrom.TEACHER)
    recipe: str | None = None
    phases: tuple[str, ...] | None = None
    epochs: float | None = None
    learning_rate: float | None = None
    intermediate_epochs: float | None = None
    intermediate_learning_rate: float | None = None
    temperature: float | tuple[float, float] | Mapping[str, Any] | None = None
    probability_shift: bool = False
    loss_weights: Mapping[str, Any] | None = None
    layer_mapping: str | None = None
    frozen: str | tuple[str, ...] = ()
    learning_rate_factors: Mapping[str, float] | None = None
    dropout: float = 0.0
    calibration_rows: int = 256
    cache_dir: str | None = None
    cache_max_gb: float | None = None
    score_teacher: bool = True
    preflight: bool = True

    def __post_init__(self) -> None:
        """Check every range before anything is spent."""
        super().__post_init__()
        names = self.teacher_source.names
        # one that stands alone in a list is the same run as one that stands alone
        object.__setattr__(self, "teacher", names if len(names) > 1 else names[0])
        parts: Any = self.frozen  # one alone may stand without a list
        object.__setattr__(self, "frozen", (parts,) if isinstance(parts, str) else tuple(parts))
        if self.learn_from not in list(LearnFrom):
            raise ValueError(f"expected `learn_from` of {', '.join(LearnFrom)}, got {self.learn_from!r}")
        self._check_start()
        for name in ("epochs", "intermediate_epochs"):
            passes = getattr(self, name)
            if passes is not None and passes <= 0:
                raise ValueError(f"expected positive `{name}`, got {passes}; because nothing would be learnt")
        if self.calibration_rows < 1:
            raise ValueError(f"expected `calibration_rows` of at least 1, got {self.calibration_rows}")
        if self.start_method in (InitializationMethod.LAYERS, InitializationMethod.RANDOM):
            needed, reason = "the start `projection` or a trained student", "nothing is fitted otherwise"
            check_not_idle(self, ["calibration_rows"], needed, reason, f"`{self.start}`")
        if self.learn_from == LearnFrom.LABELS:
            self._check_labels_alone()
        if self.cache_max_gb is not None and self.cache_dir is None:
            raise ValueError(
                f"expected `cache_dir` with `cache_max_gb`, got {self.cache_max_gb:g} without; because nothing is "
                "kept without a folder; name one, or leave the limit out"
            )
        parse_loss_weights(self.loss_weights or {})
        parse_rate_factors(self.learning_rate_factors or {})
        self.student_shape  # noqa: B018 (checks the sizes)
        self._check_augmentation()

    def to_json(self) -> dict[str, Any]:
        """As JSON gives them back, without what is not set and runs of before did not have."""
        values = super().to_json()
        return {name: value for name, value in values.items() if value or name not in _ADDED}

    @property
    def sources(self) -> RunSources:
        """What a student of these settings is made of."""
        words = () if self.word_settings is None else self.word_settings.origins
        start = () if self.start_folder is None else (self.start_folder,)
        models = (*self.teacher_source.names, *start, *words)
        return RunSources(models=models, files=words, data=(self.data, *self.unlabeled))

    @property
    def teacher_source(self) -> TeacherSource:
        """Where the teacher lies, or the several that teach as one.

        Raises:
            ValueError: no teacher, one twice, or weights that do not fit them.
        """
        return TeacherSource.of(self.teacher, self.teacher_weights)

    @property
    def word_settings(self) -> WordSettings | None:
        """Where the words of variants come from; None without `augment`.

        Raises:
            ValueError: a field that there is not, or a value out of range.
        """
        if self.augment is None:
            return None
        given = dict(self.augment_words or {})
        known = [field.name for field in fields(WordSettings)]
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ValueError(f"expected `augment_words` for {', '.join(known)}, got {', '.join(unknown)}")
        return WordSettings(**given)

    @property
    def start_method(self) -> InitializationMethod:
        """Where the first weights come from."""
        return InitializationMethod(self.start) if self.start in _FROM_TEACHER else InitializationMethod.TRAINED

    @property
    def start_folder(self) -> str | None:
        """Folder or Hub name of the trained student that is the start, if one is."""
        return None if self.start in _FROM_TEACHER else self.start

    @property
    def student_shape(self) -> StudentShape:
        """The sizes of the student."""
        return StudentShape(self.shape, self.layers, self.width, self.heads, self.units)

    @property
    def dropout_fields(self) -> dict[str, float]:
        """Of the student's configuration."""
        return {"hidden_dropout_prob": self.dropout, "attention_probs_dropout_prob": self.dropout}

    def arguments(self, checkpoints: Path, metric: str) -> DistillationArguments:
        """The arguments of the trainer; under a launcher each process takes its share of a step.

        Args:
            checkpoints: folder for them.
            metric: that decides which epoch is best.

        Raises:
            ValueError: a value out of range, one for a phase that the run does not have, or a step that the processes
                cannot share evenly.
        """
        given: dict[str, Any] = {
            "recipe": self._recipe_of_start if self.recipe is None else self.recipe,
            "phases": None if self.phases is None else list(self.phases),
            "num_train_epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "intermediate_num_train_epochs": self.intermediate_epochs,
            "intermediate_learning_rate": self.intermediate_learning_rate,
            "temperature": list(self.temperature) if isinstance(self.temperature, tuple) else self.temperature,
            "probability_shift": self.probability_shift,
            "loss_weights": None if self.loss_weights is None else dict(self.loss_weights),
            "layer_mapping": self.layer_mapping,
            "frozen": list(self.frozen),
            "learning_rate_factors": self.learning_rate_factors,
            "teacher_cache_dir": self.cache_dir,
            "teacher_cache_max_gb": self.cache_max_gb,
        }
        arguments = DistillationArguments(
            **stock_arguments(self, checkpoints, metric=metric),
            preflight=self.preflight,
            **{name: value for name, value in given.items() if value is not None},
        )
        self._check_phases(arguments.stages)
        share_steps(arguments, self.batch_size)
        return arguments

    def _check_phases(self, stages: Collection[Phase]) -> None:
        """Refuse what is read in no phase of the run, given or the recipe's."""
        intermediate, others = Phase.INTERMEDIATE in stages, set(stages) != {Phase.INTERMEDIATE}
        for there, phase, names in (
            (intermediate, str(Phase.INTERMEDIATE), _OF_INTERMEDIATE),
            (others, f"{Phase.PREDICTION} or {Phase.JOINT}", _OF_OTHER_PHASES),
        ):
            given = [f"`{name}`" for name in names if getattr(self, name) is not None]
            if given and not there:
                raise ValueError(
                    f"expected the phase {phase} with {', '.join(given)}, got {', '.join(stages)}; because no other "
                    "phase reads it; add the phase, or leave it out"
                )
        if set(stages) == {Phase.PREDICTION} and not self._takes_layers:
            needed = "a phase that compares layers, or a start from the teacher's,"
            check_not_idle(self, ["layer_mapping"], needed, "nothing else reads it", f"`{self.start}` and predictions")

    def _check_labels_alone(self) -> None:
        if self.unlabeled:
            raise ValueError("expected `learn_from` teacher with `unlabeled` rows, got labels; because they have none")
        if self.probability_shift:
            raise ValueError(
                "expected `learn_from` teacher with `probability_shift`, got labels; because it corrects the teacher"
            )
        if self.learning_rate_factors:
            raise ValueError(
                "expected `learn_from` teacher with `learning_rate_factors`, got labels; because students without "
                "distillation, which others are compared with, have one learning rate"
            )
        names = _OF_A_TEACHER if self._takes_layers else (*_OF_A_TEACHER, "layer_mapping")
        given = [name for name in names if getattr(self, name) not in (None, {}, ())]
        if given:
            raise ValueError(
                f"expected `learn_from` teacher with {', '.join(f'`{name}`' for name in given)}, got labels; because "
                "nothing is compared with a teacher where labels alone are learnt; leave out what is for that"
            )

    @property
    def _takes_layers(self) -> bool:
        """Whether the student starts with weights of the teacher's layers."""
        return self.start_method in (InitializationMethod.PROJECTION, InitializationMethod.LAYERS)

    @property
    def _recipe_of_start(self) -> str | None:
        """The recipe that a start calls for where none is given."""
        joint = self.phases is None or Phase.JOINT in self.phases
        return str(RecipeName.TINYBERT_SCRATCH) if joint and self.start == InitializationMethod.RANDOM else None

    def _check_augmentation(self) -> None:
        if self.augment is None:
            if self.augment_words:
                raise ValueError(
                    f"expected `augment` of {', '.join(AugmentMode)} with `augment_words`, got none; because no "
                    "variants are made without"
                )
            return
        if self.augment not in list(AugmentMode):
            raise ValueError(f"expected `augment` of {', '.join(AugmentMode)}, got {self.augment!r}")
        if self.learn_from == LearnFrom.LABELS:
            raise ValueError(
                "expected `learn_from` teacher with `augment`, got labels; because the teacher says what a variant "
                "means"
            )
        if self.cache_dir is not None:
            raise ValueError(
                f"expected no `cache_dir` with `augment`, got `{self.cache_dir}`; because the rows are of other words "
                "in every epoch, and the teacher answers anew; leave it out, or write variants by `augment`"
            )
        self.word_settings  # noqa: B018 (checks its fields)

    def _check_start(self) -> None:
        if self.start in _FROM_TEACHER:
            return
        if not self.start or ("/" not in self.start and not Path(self.start).is_dir()):
            raise ValueError(
                f"expected `start` of {', '.join(_FROM_TEACHER)}, a folder or a Hub name like owner/name, got "
                f"{self.start!r}"
            )
        given = given_settings(self, _SIZES)
        if given:
            raise ValueError(
                f"expected no {', '.join(f'`{name}`' for name in given)} with a trained student as `start`, got "
                f"{', '.join(str(getattr(self, name)) for name in given)}; because the student has the shape of "
                f"`{self.start}`; leave them out"
            )


__all__ = ["AugmentMode", "DistilSettings", "LearnFrom"]
