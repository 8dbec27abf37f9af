"""Parts of a student that stay as they start, such as the word embeddings of a task with little text."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import nn
from transformers import PreTrainedModel

from hf_tinybert.distillation.adapters import is_adapter_model, transformers_model
from hf_tinybert.distillation.student_parts import parts_by_pattern

if TYPE_CHECKING:
    from peft import PeftModel


def frozen_parameters(model: "PreTrainedModel | PeftModel", patterns: Sequence[str]) -> list[str]:
    """The names of the parameters that patterns freeze, in the student's order.

    What a module holds is frozen with it, and a weight that two modules share is frozen in both.

    Args:
        model: the student as given.
        patterns: see `parts_by_pattern`; none freezes nothing.

    Raises:
        ValueError: a pattern that matches nothing, patterns that match everything, or an adapter student.
    """
    if not patterns:
        return []
    if is_adapter_model(model):
        raise ValueError(
            f"expected no `frozen` of a student with an adapter, got {', '.join(f'`{one}`' for one in patterns)}; "
            "because all of its base is frozen, and an adapter trains what its configuration names; leave it out, and "
            "choose by `target_modules` and `modules_to_save`"
        )
    found = parts_by_pattern(model, patterns, "frozen")
    everything = next(iter(parts_by_pattern(model, ["*"], "frozen").values()))
    chosen = set[str]().union(*found.values())
    if chosen == set(everything):
        raise ValueError(
            f"expected `frozen` to leave something of `{type(model).__name__}` to learn, got all of it: "
            f"{', '.join(f'`{one}`' for one in patterns)}; because nothing would be trained; name less"
        )
    return [name for name in everything if name in chosen]


@contextmanager
def frozen_parts(model: "PreTrainedModel | PeftModel", patterns: Sequence[str] | None) -> Iterator[None]:
    """Within it parts of a student get no gradient and are not moved; afterwards they learn again if they did before.

    Args:
        model: the student as given; its parameters may be wrapped or spread over processes within.
        patterns: see `frozen_parameters`, which says what is refused.

    Raises:
        ValueError: likewise, or no model of transformers.
    """
    transformers_model(model)  # refuses anything else
    names = set(frozen_parameters(model, patterns or ()))
    frozen = [name for name, one in model.named_parameters() if name in names and one.requires_grad]
    _learn(model, frozen, learn=False)
    try:
        yield
    finally:
        _learn(model, frozen, learn=True)


def _learn(model: nn.Module, names: Sequence[str], *, learn: bool) -> None:
    """By name: FSDP2 puts others in the place of a model's parameters."""
    parameters = dict(model.named_parameters())
    for name in names:
        parameters[name].requires_grad_(learn)


__all__ = ["frozen_parameters", "frozen_parts"]
