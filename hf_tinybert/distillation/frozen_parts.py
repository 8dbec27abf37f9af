"""Parts of a student that stay as they start, such as the word embeddings of a task with little text."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from torch import nn
from transformers import PreTrainedModel

from hf_tinybert.distillation.adapters import is_adapter_model, transformers_model
from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE

if TYPE_CHECKING:
    from peft import PeftModel


def frozen_parameters(model: "PreTrainedModel | PeftModel", patterns: Sequence[str]) -> list[str]:
    """The names of the parameters that patterns freeze, in the student's order.

    A pattern is the name of a module or a parameter as of `named_modules()` and `named_parameters()`, from any dot on:
    `embeddings.word_embeddings` is that of `bert.embeddings.word_embeddings`, and `encoder.layer.1` is not layer 10.
    `*`, `?` and `[...]` stand for other characters as in file names. What a module holds is frozen with it, and a
    weight that two modules share is frozen in both. Projections are no part of the student and match nothing.

    Args:
        model: the student as given.
        patterns: none freezes nothing.

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
    student = transformers_model(model)
    # one that two modules share has a name in each
    named = {name: one for name, one in student.named_parameters(remove_duplicate=False) if _is_own(name)}
    found = {pattern: {id(one) for name, one in named.items() if _matches(name, pattern)} for pattern in patterns}
    strange = [pattern for pattern, parameters in found.items() if not parameters]
    if strange:
        raise ValueError(
            f"expected `frozen` to name parts of `{type(student).__name__}` that have weights, got "
            f"{', '.join(f'`{one}`' for one in strange)}; because what matches nothing would be trained after all; "
            f"name {_shown_parts(student)}, a part of these such as `embeddings.word_embeddings`, or a pattern"
        )
    chosen = set[int]().union(*found.values())
    if len(chosen) == len({id(one) for one in named.values()}):
        raise ValueError(
            f"expected `frozen` to leave something of `{type(student).__name__}` to learn, got all of it: "
            f"{', '.join(f'`{one}`' for one in patterns)}; because nothing would be trained; name less"
        )
    return [name for name, one in named.items() if id(one) in chosen]


@contextmanager
def frozen_parts(model: "PreTrainedModel | PeftModel", patterns: Sequence[str] | None) -> Iterator[None]:
    """Within it parts of a student get no gradient and are not moved; afterwards they learn again if they did before.

    Args:
        model: the student as given; its parameters may be wrapped or spread over processes within.
        patterns: see `frozen_parameters`, which says what is refused.
    """
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


def _matches(name: str, pattern: str) -> bool:
    """Whether a pattern is the name of a parameter, or of a module that it is in."""
    parts = name.split(".")
    places = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return any(fnmatchcase(f".{place}", f"*.{pattern}") for place in places)


def _is_own(name: str) -> bool:
    return not name.startswith(f"{PROJECTIONS_ATTRIBUTE}.")


def _shown_parts(student: PreTrainedModel) -> str:
    """The modules with weights at the top, and those of the encoder in the place of the encoder."""
    tops = [name for name, module in student.named_children() if any(True for _ in module.parameters())]
    encoder = student.base_model_prefix
    inner = [name for name, module in student.base_model.named_children() if any(True for _ in module.parameters())]
    whole = inner if student.base_model is student else [f"{encoder}.{name}" for name in inner]
    others = [name for name in tops if name not in (*whole, encoder, PROJECTIONS_ATTRIBUTE)]
    return ", ".join(f"`{name}`" for name in (*([] if student.base_model is student else [encoder]), *whole, *others))


__all__ = ["frozen_parameters", "frozen_parts"]
