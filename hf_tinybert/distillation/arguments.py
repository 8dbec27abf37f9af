"""Everything a distillation can be told, as a dataclass beside the stock training arguments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, cast

from transformers import TrainingArguments

from hf_tinybert.distillation.accelerators import copied_in_background, has_accelerator, has_cuda
from hf_tinybert.distillation.layer_mapping import MappingStrategy, is_learned
from hf_tinybert.distillation.learned_mapping import LearnedMapping
from hf_tinybert.distillation.loss_weights import parse_loss_weights
from hf_tinybert.distillation.losses import AttentionForm, ProblemType, Reduction
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.projections import ProjectionLayout
from hf_tinybert.distillation.rate_factors import parse_rate_factors
from hf_tinybert.distillation.recipes import RECIPES, Recipe, RecipeName, term_for_task
from hf_tinybert.distillation.schedules import Schedule, parse_temperature
from hf_tinybert.distillation.terms import (
    MAPPED_STATES,
    SHIFTED_TERMS,
    TERMS_OF_ANY_STATE,
    Phase,
    Term,
    belongs_to,
    reads_of,
)
from hf_tinybert.machine import has_fast_bf16


class CacheChoice(StrEnum):
    """What of the teacher's outputs is kept on disk; see `teacher_cache_contents`."""

    AUTO = "auto"
    ALL = "all"
    LOGITS = "logits"


@dataclass(frozen=True)
class PhaseSettings:
    """The stock training arguments that change from phase to phase.

    Attributes:
        phase: which terms are trained.
        num_train_epochs: passes over the training data.
        max_steps: optimizer steps; positive wins over epochs.
        learning_rate: peak learning rate.
    """

    phase: Phase
    num_train_epochs: float
    max_steps: int
    learning_rate: float


@dataclass
class DistillationArguments(TrainingArguments):
    """`TrainingArguments` and what a distillation adds.

    The stock `learning_rate`, `num_train_epochs` and `max_steps` belong to the prediction-layer or joint phase, the
    `intermediate_*` ones to the intermediate-layer phase; everything else holds for all phases.
    """

    _VALID_DICT_FIELDS = [  # noqa: RUF012 (as in its base)
        *TrainingArguments._VALID_DICT_FIELDS,
        "loss_weights",
        "loss_layers",
        "learning_rate_factors",
    ]

    # stages
    recipe: str = field(
        default=str(RecipeName.TINYBERT_JOINT),
        metadata={
            "help": "tinybert-joint, tinybert-several (of a student of several teachers), tinybert-scratch (of a "
            "student of random weights), tinybert (the paper's two phases), minilmv2, distilbert or pkd: defaults of "
            "phases, epochs, learning rate, weights, mapping, temperature. Source: benchmarks/results/tasks.json."
        },
    )
    phases: list[str] | None = field(
        default=None,
        metadata={"help": "Stages in order: intermediate-layer, prediction-layer, joint; the recipe's if unset."},
    )
    num_train_epochs: float = field(
        default=None,  # type: ignore[assignment]  # a number after __post_init__
        metadata={"help": "Epochs of the prediction-layer or joint phase; the recipe's if unset (tinybert-joint: 4)."},
    )
    learning_rate: float = field(
        default=None,  # type: ignore[assignment]
        metadata={
            "help": "Peak learning rate of the prediction-layer or joint phase; the recipe's if unset "
            "(tinybert-joint: 3e-4)."
        },
    )
    intermediate_learning_rate: float = field(
        default=3e-4, metadata={"help": "Peak learning rate of the intermediate-layer phase."}
    )
    intermediate_num_train_epochs: float = field(
        default=4.0,
        metadata={"help": "Epochs of the intermediate-layer phase. The paper takes 20 from a random start."},
    )
    intermediate_max_steps: int = field(
        default=-1, metadata={"help": "Optimizer steps of the intermediate-layer phase; positive wins over epochs."}
    )

    # what is compared
    layer_mapping: str | None = field(
        default=None,
        metadata={
            "help": "uniform, last, first, one teacher layer per student layer like 2,3,4,6, those that the student "
            "starts from (search), or learned: attention or transport. The recipe's if unset."
        },
    )
    loss_weights: dict[str, Any] | str | None = field(
        default=None,
        metadata={
            "help": 'Factors other than the recipe\'s, like {"attention_scores_loss": 0.5}; 0 leaves a term out, '
            "[1, 0] goes linearly from 1 to 0 over the phase."
        },
    )
    loss_layers: dict[str, Any] | str | None = field(
        default=None,
        metadata={"help": 'Student layers a term compares, like {"hidden_cosine_loss": [-1]}; all if unset.'},
    )
    # a text stands second: from a command line it is what of all these is read
    temperature: float | str | list[float] | dict[str, Any] | None = field(
        default=None,
        metadata={
            "help": "Temperature of the prediction terms, [8, 1] goes linearly from 8 to 1 over the phase; the "
            "recipe's if unset (TinyBERT: 1)."
        },
    )
    probability_shift: bool = field(
        default=False,
        metadata={
            "help": "Where the teacher's most probable class is not the labelled one, swap their probabilities; rows "
            "labelled -100 stay as they are."
        },
    )
    relation_heads: int = field(
        default=0, metadata={"help": "Heads of the relation terms; 0 takes the most up to 48 that divide both widths."}
    )
    loss_reduction: str = field(
        default=str(Reduction.MEAN),
        metadata={"help": "mean (over valid positions) or reference (the published code's arithmetic)."},
    )

    # how
    frozen: list[str] | None = field(
        default=None,
        metadata={
            "help": "Parts of the student that stay as they start, by the names of their modules, such as "
            "embeddings.word_embeddings or encoder.layer.[01]; none if unset."
        },
    )
    learning_rate_factors: dict[str, Any] | str | None = field(
        default=None,
        metadata={
            "help": "Factors of the learning rate for parts of the student, named likewise, such as "
            '{"classifier": 10}, or for distillation_projections; 1 if unset.'
        },
    )
    attention_form: str = field(
        default=str(AttentionForm.AUTO),
        metadata={"help": "direct (score maps), factored (Gram matrices, linear in length) or auto (the faster)."},
    )
    projection_layout: str = field(
        default=str(ProjectionLayout.PER_STATE),
        metadata={"help": "per-state or shared: one projection to teacher width for each state, or one for all."},
    )

    preflight: bool = field(
        default=True,
        metadata={"help": "Before training, check what `hf-tinybert doctor` checks; a failed check stops the run."},
    )

    # speed
    train_sampling_strategy: str = field(
        default="group_by_length",
        metadata={"help": "group_by_length (batches of like lengths, little padding), random, sequential, ..."},
    )
    bf16_where_fast: bool = field(
        default=True,
        metadata={"help": "Turn on bf16 autocast where the processor or GPU computes in it; else as bf16, fp16 say."},
    )
    teacher_cache_dir: str | None = field(
        default=None,
        metadata={
            "help": "Folder where the teacher's outputs are kept, computed once; without, a forward every step."
        },
    )
    teacher_cache_contents: str = field(
        default="auto",
        metadata={
            "help": "all (what any phase reads), logits, or auto: all if they fit, else logits if a phase needs no "
            "more, else a forward every step."
        },
    )
    teacher_cache_max_gb: float = field(
        default=10.0, metadata={"help": "Most gigabytes (1e9 bytes) the cache of one run may take on disk."}
    )

    def __post_init__(self) -> None:
        """Check every range before anything is spent."""
        self._read_numbers()
        self.use_cpu = self.use_cpu or not has_accelerator()
        if self.bf16_where_fast and not self.bf16 and not self.fp16:
            # before the stock checks, which derive the precision of the run from it
            self.bf16 = has_fast_bf16("cpu" if self.use_cpu else "auto")
        if has_cuda() and not self.use_cpu and self.dataloader_pin_memory:
            self.accelerator_config = copied_in_background(self.accelerator_config)
        self.recipe = _choice(RecipeName, "recipe", self.recipe)
        recipe = self._recipe()
        self.num_train_epochs = _given(self.num_train_epochs, recipe.num_train_epochs)
        self.learning_rate = _given(self.learning_rate, recipe.learning_rate)
        super().__post_init__()  # type: ignore[no-untyped-call]  # untyped in transformers
        if self.ddp_find_unused_parameters is None:
            # each phase leaves parameters unused (heads or projections); the stock default forgets them under
            # gradient checkpointing
            self.ddp_find_unused_parameters = True
        given = [str(phase) for phase in recipe.phases] if self.phases is None else _as_list(self.phases)
        self.phases: list[str] = [_choice(Phase, "phases", phase) for phase in given]
        if not self.phases or len(set(self.phases)) != len(self.phases):
            raise ValueError(f"expected one or more different `phases`, got {self.phases}")
        temperature = recipe.temperature if self.temperature is None else self.temperature
        self.temperature = parse_temperature(temperature).to_json()
        if self.layer_mapping is None:
            self.layer_mapping = recipe.layer_mapping
        self.frozen: list[str] = _as_list(self.frozen or [])
        self.loss_reduction = _choice(Reduction, "loss_reduction", self.loss_reduction)
        self.attention_form = _choice(AttentionForm, "attention_form", self.attention_form)
        self.projection_layout = _choice(ProjectionLayout, "projection_layout", self.projection_layout)
        mapping = cast("str | Sequence[int]", self.layer_mapping)  # a list where it comes from YAML or Python
        self.layer_mapping = mapping if isinstance(mapping, str) else ",".join(str(layer) for layer in mapping)
        if self.intermediate_learning_rate <= 0:
            raise ValueError(
                f"expected a positive `intermediate_learning_rate`, got {self.intermediate_learning_rate}"
            )
        if self.intermediate_max_steps <= 0 and self.intermediate_num_train_epochs <= 0:
            raise ValueError(
                f"expected a positive `intermediate_num_train_epochs`, got {self.intermediate_num_train_epochs}; "
                "because nothing would be trained; take `intermediate-layer` out of `phases` to leave it out"
            )
        self.teacher_cache_contents = _choice(CacheChoice, "teacher_cache_contents", self.teacher_cache_contents)
        if self.relation_heads < 0:
            raise ValueError(f"expected `relation_heads` of at least 0, got {self.relation_heads}")
        if not self.teacher_cache_max_gb > 0:
            raise ValueError(f"expected a positive `teacher_cache_max_gb`, got {self.teacher_cache_max_gb}")
        self._check_weights()
        self.learning_rate_factors = parse_rate_factors(_as_dict(self.learning_rate_factors))
        self._check_label_smoothing()
        self._check_probability_shift()

    def objective(
        self, phase: Phase, problem: ProblemType = ProblemType.SINGLE_LABEL, *, masked_lm: bool = False
    ) -> DistillationObjective:
        """The weighted terms of one phase.

        Args:
            phase: of the run.
            problem: what the task's predictions are; decides which prediction and label terms do the work.
            masked_lm: whether the student has a masked-LM head.

        Raises:
            ValueError: two weights of terms of which one does the work on such a task.
        """
        phase = Phase(phase)
        weights: dict[str, Schedule] = {}
        for name, weight in self._weights(phase).items():
            term = term_for_task(name, problem, masked_lm=masked_lm)
            if term in weights:
                raise ValueError(
                    f"expected one weight for `{term}`, got two, one of them by `{name}`; because this is the term "
                    "that does the work of both on this task; give one of them the weight 0"
                )
            weights[term] = weight
        layers: dict[str, tuple[int, ...]] = dict(self._recipe().layers)
        layers.update({name: _layers(name, value) for name, value in _as_dict(self.loss_layers).items()})
        return DistillationObjective(
            weights=weights,
            layers=layers,
            temperature=cast("float | dict[str, Any]", self.temperature),
            reduction=Reduction(self.loss_reduction),
            attention_form=AttentionForm(self.attention_form),
            relation_heads=self.relation_heads,
            problem=problem,
            label_smoothing=self.label_smoothing_factor,
            learned_mapping=self._learned_mapping(weights),
            probability_shift=self.probability_shift,
        )

    def objectives(
        self, problem: ProblemType = ProblemType.SINGLE_LABEL, *, masked_lm: bool = False
    ) -> dict[Phase, DistillationObjective]:
        """The objectives of all phases, in order; arguments as of `objective`."""
        return {Phase(phase): self.objective(Phase(phase), problem, masked_lm=masked_lm) for phase in self.stages}

    @property
    def stages(self) -> list[Phase]:
        """The phases in order."""
        return [Phase(phase) for phase in self.phases or ()]

    def phase_settings(self) -> list[PhaseSettings]:
        """What each phase trains with, in order."""
        return [
            PhaseSettings(
                Phase.INTERMEDIATE,
                self.intermediate_num_train_epochs,
                self.intermediate_max_steps,
                self.intermediate_learning_rate,
            )
            if phase == Phase.INTERMEDIATE
            else PhaseSettings(Phase(phase), self.num_train_epochs, self.max_steps, self.learning_rate)
            for phase in self.stages
        ]

    def _read_numbers(self) -> None:
        """Take numbers that came as texts: YAML reads `3e-4`, which has no point, as one."""
        for one in fields(self):
            value = getattr(self, one.name)
            if one.type in (float, float | None) and isinstance(value, str):
                try:
                    setattr(self, one.name, float(value))
                except ValueError:
                    raise ValueError(f"expected a number as `{one.name}`, got {value!r}") from None

    def _recipe(self) -> Recipe:
        return RECIPES[RecipeName(self.recipe)]

    def _learned_mapping(self, weights: Mapping[str, Schedule]) -> LearnedMapping | None:
        strategy = str(self.layer_mapping)
        maps_layers = any(reads_of(Term(name)) & MAPPED_STATES for name in weights)
        return LearnedMapping(MappingStrategy(strategy)) if is_learned(strategy) and maps_layers else None

    def _weights(self, phase: Phase) -> dict[str, Schedule]:
        """The terms of a phase with a weight, the recipe's where none is given."""
        given: dict[str, Any] = dict(self._recipe().weights)
        given.update(_as_dict(self.loss_weights))
        schedules = parse_loss_weights(given)
        return {
            name: schedule
            for name, schedule in schedules.items()
            if not schedule.is_zero and belongs_to(reads_of(Term(name)), phase)
        }

    def _check_weights(self) -> None:
        for name in ("loss_weights", "loss_layers", "learning_rate_factors"):
            value = getattr(self, name)
            if isinstance(value, str):
                raise ValueError(f"expected `{name}` as a dict or JSON object, got {value!r}")
        unknown = sorted(set(_as_dict(self.loss_layers)) - set(Term))
        if unknown:
            raise ValueError(f"expected `loss_layers` for {', '.join(Term)}, got {', '.join(unknown)}")
        for name, schedule in parse_loss_weights(_as_dict(self.loss_weights)).items():
            if not schedule.is_zero and not any(belongs_to(reads_of(Term(name)), phase) for phase in self.stages):
                raise ValueError(
                    f"expected a phase that trains `{name}`, got {', '.join(self.stages)}; because its weight would "
                    "have no effect; add the phase or take the weight out"
                )
        for name, layers in _as_dict(self.loss_layers).items():
            _layers(name, layers)
        for phase in self.stages:
            self.objective(phase, masked_lm=True)  # refuses what cannot go together on any task
            if not self._weights(phase):
                raise ValueError(
                    f"expected a term with a positive weight in phase `{phase}`, got {self.loss_weights}; because "
                    "nothing would be trained; take the phase out of `phases`"
                )

    def _check_label_smoothing(self) -> None:
        smoothed = {str(Term.LABEL), str(Term.MASKED_LM)}
        if self.label_smoothing_factor != 0 and not any(smoothed & set(self._weights(phase)) for phase in self.stages):
            raise ValueError(
                f"expected `label_smoothing_factor` 0, got {self.label_smoothing_factor}; because no term reads "
                "labels: the targets are the teacher's predictions; raise `temperature` for softer ones, or give "
                "`label_loss` a weight"
            )

    def _check_probability_shift(self) -> None:
        objectives = [self.objective(phase, masked_lm=True) for phase in self.stages]
        if self.probability_shift and not any(objective.shifts_predictions for objective in objectives):
            raise ValueError(
                f"expected a term of {', '.join(sorted(SHIFTED_TERMS))} with `probability_shift`, got none in "
                f"{', '.join(self.stages)}; because nothing would be shifted; give one a weight, or leave it out"
            )


def _given(value: float | None, default: float) -> float:
    return default if value is None else value


def _as_dict(value: dict[str, Any] | str | None) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _layers(name: str, value: int | Sequence[int]) -> tuple[int, ...]:
    layers = (value,) if isinstance(value, int) else tuple(value)
    any_state = name in TERMS_OF_ANY_STATE
    if not layers or not all(isinstance(layer, int) and (layer != 0 or any_state) for layer in layers):
        why = "is where the lowest flow begins" if name == Term.SOLUTION_FLOW else "has a term of its own"
        raise ValueError(
            f"expected `loss_layers` of {name} as student layers from {0 if any_state else 1}, or from -1 backwards, "
            f"got {value!r}; because {'a layer has a number' if any_state else f'the embedding output {why}'}"
        )
    return layers


def _as_list(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _choice(choices: Any, name: str, value: str) -> str:  # noqa: ANN401 (the type of an Enum class is lost by iterating)
    if value not in list(choices):
        raise ValueError(f"expected `{name}` of {', '.join(choices)}, got {value!r}")
    return str(value)


__all__ = ["CacheChoice", "DistillationArguments", "PhaseSettings"]
