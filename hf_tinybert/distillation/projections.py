"""The learned maps from student width to teacher width, used while training only.

They live inside the student (`student.distillation_projections`) and run inside its forward, so the optimizer, DDP,
checkpoints and resume see them, and they stay out of what is saved for use.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from hf_tinybert.distillation.attention import AttentionRecord
from hf_tinybert.distillation.sharding import partitioned_parameters, whole_tensors

if TYPE_CHECKING:
    from peft import PeftModel

PROJECTIONS_ATTRIBUTE = "distillation_projections"
PROJECTIONS_FILE = "distillation_projections.safetensors"


class ProjectionLayout(StrEnum):
    """One map per student state (`fit_denses` of the published code) or one for all (`fit_dense`)."""

    PER_STATE = "per-state"
    SHARED = "shared"


class ProjectionStart(Protocol):
    """Maps from student to teacher width to start at; what `initialize_from_teacher` returns is one.

    Attributes:
        mapping: the layer mapping they were made for.
        projection: `(teacher_width, student_width)`, for all states alike.
        offset: `(teacher_width,)`.
        state_projections: one per student state, each `(teacher_width, student_width)`.
        state_offsets: one per student state, each `(teacher_width,)`.
    """

    @property
    def mapping(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def projection(self) -> Tensor: ...  # noqa: D102
    @property
    def offset(self) -> Tensor: ...  # noqa: D102
    @property
    def state_projections(self) -> tuple[Tensor, ...]: ...  # noqa: D102
    @property
    def state_offsets(self) -> tuple[Tensor, ...]: ...  # noqa: D102


class TrainingProjections(nn.Module):
    """Projections as a file in a checkpoint folder, whatever they are made of."""

    def serves(self, task: str | None) -> bool:
        """Whether states of a batch of this task are projected."""
        return True

    def save(self, folder: Path, *, write: bool = True) -> None:
        """Write `distillation_projections.safetensors` into a checkpoint folder.

        Args:
            folder: made if need be.
            write: False on the processes that only help to gather: under ZeRO-3 and FSDP2 each process holds a part,
                so that all of them call this.
        """
        state = {name: tensor.cpu().clone() for name, tensor in whole_tensors(self)}
        if write:
            folder.mkdir(parents=True, exist_ok=True)
            save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / PROJECTIONS_FILE)

    def load(self, folder: Path) -> None:
        """Read `distillation_projections.safetensors` of a checkpoint folder.

        Raises:
            ValueError: the file holds maps of another number or shape.
        """
        state = load_file(folder / PROJECTIONS_FILE)
        expected = {name: tuple(tensor.shape) for name, tensor in self.state_dict().items()}
        got = {name: tuple(tensor.shape) for name, tensor in state.items()}
        if expected != got:
            raise ValueError(
                f"expected projections {expected} in `{folder / PROJECTIONS_FILE}`, got {got}; because they belong to "
                "one pair of student and teacher; resume with the same models and `projection_layout`"
            )
        self.load_state_dict(state)


class DistillationProjections(TrainingProjections):
    """Affine maps of student states to teacher width, `H W^T + b`.

    Args:
        student_width: `hidden_size` of the student.
        teacher_width: `hidden_size` of the teacher.
        states: number of student states, the embedding output included: `num_hidden_layers + 1`.
        layout: one map per state or one for all.
        initializer_range: standard deviation of the weights at first; biases start at 0.

    Source: TinyBERT, equations 8 and 9, `W_h` and `W_e`; the published code adds a bias and draws like BERT. A wider
    start, such as that of `nn.Linear`, keeps a random student at chance for longer (docs/measurements.md).
    """

    def __init__(
        self,
        student_width: int,
        teacher_width: int,
        states: int,
        layout: ProjectionLayout = ProjectionLayout.PER_STATE,
        *,
        initializer_range: float = 0.02,
    ) -> None:
        super().__init__()
        count = states if layout is ProjectionLayout.PER_STATE else 1
        self.projections = nn.ModuleList(nn.Linear(student_width, teacher_width) for _ in range(count))
        for linear in self._linears():
            nn.init.normal_(linear.weight, std=initializer_range)
            nn.init.zeros_(linear.bias)

    def start_at(self, start: ProjectionStart) -> None:
        """Start at given maps: one for each state, or the shared one.

        Raises:
            ValueError: the maps are of other widths or another number of states.
        """
        linears = self._linears()
        shared = len(linears) == 1
        weights = [start.projection] if shared else list(start.state_projections)
        biases = [start.offset] if shared else list(start.state_offsets)
        expected, got = [linear.weight.shape for linear in linears], [weight.shape for weight in weights]
        if expected != got:
            raise ValueError(
                f"expected {len(expected)} starting maps of shape {tuple(expected[0])}, got "
                f"{[tuple(shape) for shape in got]}; because they take the student's states to the teacher's width; "
                "initialise this student from this teacher"
            )
        with torch.no_grad():
            for linear, weight, bias in zip(linears, weights, biases, strict=True):
                linear.weight.copy_(weight)
                linear.bias.copy_(bias)

    def start_at_identity(self) -> None:
        """Start at maps that change nothing; student and teacher are equally wide."""
        with torch.no_grad():
            for linear in self._linears():
                linear.weight.copy_(torch.eye(len(linear.weight)))
                linear.bias.zero_()

    def forward(self, hidden_states: Sequence[Tensor | None], task: str | None = None) -> tuple[Tensor | None, ...]:
        """Project every state: `(batch, seq_len, student_width)` to `(batch, seq_len, teacher_width)`, each.

        Args:
            hidden_states: of the student; one that was not captured is None, and stays it.
            task: whose batch it is; these projections are the same for all.
        """
        linears = self._linears()
        if len(linears) == 1:
            linears = linears * len(hidden_states)
        return tuple(
            None if state is None else linear(state.to(linear.weight.dtype))
            for linear, state in zip(linears, hidden_states, strict=True)
        )

    def _linears(self) -> list[nn.Linear]:
        return [linear for linear in self.projections if isinstance(linear, nn.Linear)]


def starting_projections(
    student: PreTrainedModel,
    teacher: PreTrainedModel,
    start: ProjectionStart | str | Path | None,
    layout: ProjectionLayout,
    *,
    seed: int,
) -> DistillationProjections:
    """Projections of a pair, on the student's device.

    Args:
        student: gives the number of states and their width.
        teacher: gives the width to project to.
        start: maps to start at, or a folder that holds them; None starts at the identity where the widths are equal
            and at a random map, drawn like the student's own weights, otherwise.
        layout: one map per state or one for all.
        seed: of the random maps; the caller's random state is left as it is.

    Raises:
        ValueError: the maps to start at do not fit the pair.
    """
    student_width, teacher_width = student.config.hidden_size, teacher.config.hidden_size
    states = student.config.num_hidden_layers + 1
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        spread = float(getattr(student.config, "initializer_range", 0.02))
        projections = DistillationProjections(student_width, teacher_width, states, layout, initializer_range=spread)
    if isinstance(start, str | Path):
        projections.load(Path(start))
    elif start is not None:
        projections.start_at(start)
    elif student_width == teacher_width:
        projections.start_at_identity()
    if partitioned_parameters(student):  # ZeRO-3 joins all parameters into one buffer, of one type
        projections.to(student.dtype)
    return projections.to(student.device)


@dataclass
class DistillationOutput(ModelOutput):
    """What a student with attached projections returns: its own output and the projected states.

    Attributes:
        loss: `()`, when labels were given.
        logits: predictions of heads that name them so, `(batch, ..., classes)`.
        start_logits: answer starts, `(batch, seq_len)`.
        end_logits: answer ends, `(batch, seq_len)`.
        prediction_logits: masked-LM predictions of a pre-training head, `(batch, seq_len, vocabulary)`.
        last_hidden_state: of a student without head, `(batch, seq_len, student_width)`.
        pooler_output: of a student without head, `(batch, student_width)`.
        hidden_states: `num_hidden_layers + 1` states, each `(batch, seq_len, student_width)`; None if not asked for.
        attentions: one `AttentionRecord` per layer.
        projected_hidden_states: `num_hidden_layers + 1` states, each `(batch, seq_len, teacher_width)`, None likewise.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    start_logits: Tensor | None = None
    end_logits: Tensor | None = None
    prediction_logits: Tensor | None = None
    last_hidden_state: Tensor | None = None
    pooler_output: Tensor | None = None
    hidden_states: tuple[Tensor | None, ...] | None = None
    attentions: tuple[AttentionRecord, ...] | None = None
    projected_hidden_states: tuple[Tensor | None, ...] | None = None


def attach_projections(student: "PreTrainedModel | PeftModel", projections: TrainingProjections) -> None:
    """Put the projections inside a student, run them in its forward, keep them out of `save_pretrained`.

    Call before the optimizer is made and before the model is wrapped (DDP, DeepSpeed, FSDP). Projections that an
    earlier trainer attached are replaced.
    """
    student.add_module(PROJECTIONS_ATTRIBUTE, projections)
    unsaved = {f"{PROJECTIONS_ATTRIBUTE}.{name}" for name in projections.state_dict()}
    student._keys_to_ignore_on_save = {*(student._keys_to_ignore_on_save or ()), *unsaved}
    if _project_output not in student._forward_hooks.values():
        student.register_forward_hook(_project_output, with_kwargs=True)


def detach_projections(student: "PreTrainedModel | PeftModel") -> None:
    """Take out the projections that an earlier trainer attached, if any.

    A run that trains none would carry them in its optimizer and checkpoints all the same, and could not be resumed
    with a student that was loaded since.
    """
    student._modules.pop(PROJECTIONS_ATTRIBUTE, None)


def train_with(optimizer: Optimizer, projections: TrainingProjections) -> None:
    """Have an optimizer that was made before the projections train them too, at the highest of its learning rates.

    They join a group that is there, because a schedule may know the groups already; those it has stay as they are.

    Args:
        optimizer: of the student, as the caller made it; changed in place.
        projections: attached to that student.
    """
    known = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    missing = [parameter for parameter in projections.parameters() if id(parameter) not in known]
    # of a schedule the rate before it; of an optimizer that finds its own rates there is none
    fastest = max(optimizer.param_groups, key=lambda group: float(group.get("initial_lr") or group.get("lr") or 0.0))
    fastest["params"].extend(missing)


def attached_projections(student: "PreTrainedModel | PeftModel") -> TrainingProjections | None:
    """The projections inside a student; None where no term needs any."""
    module = student._modules.get(PROJECTIONS_ATTRIBUTE)
    return module if isinstance(module, TrainingProjections) else None


def _project_output(
    student: nn.Module, _: tuple[object, ...], arguments: Mapping[str, object], output: object
) -> object:
    # without hidden states, or as the tuple of `return_dict=False`, it is a call for use and not for distillation
    if not isinstance(output, ModelOutput) or output.get("hidden_states") is None:
        return output
    if PROJECTIONS_ATTRIBUTE not in student._modules:  # detached
        return output
    known = {field.name: output[field.name] for field in fields(DistillationOutput) if field.name in output}
    projections, task = getattr(student, PROJECTIONS_ATTRIBUTE), arguments.get("task")
    if not projections.serves(task):  # its terms compare states as they are
        return output
    projected = projections(output["hidden_states"], task=task)
    return DistillationOutput(**known, projected_hidden_states=projected)


__all__ = [
    "PROJECTIONS_ATTRIBUTE",
    "PROJECTIONS_FILE",
    "DistillationOutput",
    "DistillationProjections",
    "ProjectionLayout",
    "ProjectionStart",
    "TrainingProjections",
    "attach_projections",
    "attached_projections",
    "detach_projections",
    "starting_projections",
    "train_with",
]
