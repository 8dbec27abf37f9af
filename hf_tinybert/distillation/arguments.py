"""Everything a distillation can be told, as a dataclass beside the stock training arguments."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from transformers import TrainingArguments

from hf_tinybert.distillation.losses import AttentionForm, Reduction
from hf_tinybert.distillation.objective import PHASE_TERMS, DistillationObjective, Phase, Term
from hf_tinybert.distillation.projections import ProjectionLayout


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

    _VALID_DICT_FIELDS = [*TrainingArguments._VALID_DICT_FIELDS, "loss_weights"]  # noqa: RUF012 (as in its base)

    # stages
    phases: list[str] = field(
        default_factory=lambda: [str(Phase.INTERMEDIATE), str(Phase.PREDICTION)],
        metadata={
            "help": "Stages in order, of intermediate-layer, prediction-layer and joint. The default is the paper's."
        },
    )
    learning_rate: float = field(
        default=1e-4, metadata={"help": "Peak learning rate of the prediction-layer or joint phase."}
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
    layer_mapping: str = field(
        default="uniform",
        metadata={"help": "uniform, last, first, or one teacher layer per student layer like 2,3,4,6."},
    )
    loss_weights: dict[str, float] | str | None = field(
        default=None,
        metadata={"help": 'Factors that differ from 1, like {"attention_scores_loss": 0.5}; 0 leaves a term out.'},
    )
    temperature: float = field(default=1.0, metadata={"help": "Temperature of the prediction loss (paper: 1)."})
    loss_reduction: str = field(
        default=str(Reduction.MEAN),
        metadata={"help": "mean (over valid positions) or reference (the published code's arithmetic)."},
    )

    # how
    attention_form: str = field(
        default=str(AttentionForm.AUTO),
        metadata={"help": "direct (score maps), factored (Gram matrices, linear in length) or auto (the cheaper)."},
    )
    projection_layout: str = field(
        default=str(ProjectionLayout.PER_STATE),
        metadata={"help": "per-state or shared: one projection to teacher width for each state, or one for all."},
    )

    def __post_init__(self) -> None:
        """Check every range before anything is spent."""
        super().__post_init__()  # type: ignore[no-untyped-call]  # untyped in transformers
        if self.ddp_find_unused_parameters is None:
            # each phase leaves parameters unused (heads or projections); the stock default forgets them under
            # gradient checkpointing
            self.ddp_find_unused_parameters = True
        self.phases = [_choice(Phase, "phases", phase) for phase in _as_list(self.phases)]
        if not self.phases or len(set(self.phases)) != len(self.phases):
            raise ValueError(f"expected one or more different `phases`, got {self.phases}")
        self.loss_reduction = _choice(Reduction, "loss_reduction", self.loss_reduction)
        self.attention_form = _choice(AttentionForm, "attention_form", self.attention_form)
        self.projection_layout = _choice(ProjectionLayout, "projection_layout", self.projection_layout)
        mapping = cast("str | Sequence[int]", self.layer_mapping)  # a list where it comes from YAML or Python
        self.layer_mapping = mapping if isinstance(mapping, str) else ",".join(str(layer) for layer in mapping)
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise ValueError(f"expected a positive `temperature`, got {self.temperature}")
        if self.intermediate_learning_rate <= 0:
            raise ValueError(
                f"expected a positive `intermediate_learning_rate`, got {self.intermediate_learning_rate}"
            )
        if self.intermediate_max_steps <= 0 and self.intermediate_num_train_epochs <= 0:
            raise ValueError(
                f"expected a positive `intermediate_num_train_epochs`, got {self.intermediate_num_train_epochs}; "
                "because nothing would be trained; take `intermediate-layer` out of `phases` to leave it out"
            )
        if self.label_smoothing_factor != 0:
            raise ValueError(
                f"expected `label_smoothing_factor` 0, got {self.label_smoothing_factor}; because the targets are the "
                "teacher's predictions; raise `temperature` for softer ones"
            )
        self._check_weights()

    def objective(self, phase: Phase) -> DistillationObjective:
        """The weighted terms of one phase."""
        weights = self._weights()
        return DistillationObjective(
            weights={term: weights[term] for term in PHASE_TERMS[phase] if weights[term] != 0},
            temperature=self.temperature,
            reduction=Reduction(self.loss_reduction),
            attention_form=AttentionForm(self.attention_form),
        )

    def objectives(self) -> list[DistillationObjective]:
        """The objectives of all phases, in order."""
        return [self.objective(Phase(phase)) for phase in self.phases]

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
            for phase in self.phases
        ]

    def _weights(self) -> dict[Term, float]:
        given = self.loss_weights if isinstance(self.loss_weights, dict) else {}
        return {term: float(given.get(term, 1.0)) for term in Term}

    def _check_weights(self) -> None:
        given = self.loss_weights or {}
        if isinstance(given, str):
            raise ValueError(f"expected `loss_weights` as a dict or JSON object, got {given!r}")
        unknown = sorted(set(given) - set(Term))
        if unknown:
            raise ValueError(f"expected `loss_weights` for {', '.join(Term)}, got {', '.join(unknown)}")
        wrong = {str(term): weight for term, weight in self._weights().items() if not 0 <= weight < math.inf}
        if wrong:
            raise ValueError(f"expected `loss_weights` of at least 0, got {wrong}")
        for phase, objective in zip(self.phases, self.objectives(), strict=True):
            if not objective.weights:
                raise ValueError(
                    f"expected a term with a positive weight in phase `{phase}`, got {given}; because nothing would "
                    "be trained; take the phase out of `phases`"
                )


def _as_list(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _choice(choices: Any, name: str, value: str) -> str:  # noqa: ANN401 (the type of an Enum class is lost by iterating)
    if value not in list(choices):
        raise ValueError(f"expected `{name}` of {', '.join(choices)}, got {value!r}")
    return str(value)


__all__ = ["DistillationArguments", "PhaseSettings"]
