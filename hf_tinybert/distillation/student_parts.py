"""Parts of a student by the names of their modules, as settings give them."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from torch import nn

from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE


def parts_by_pattern(
    model: nn.Module, patterns: Iterable[str], setting: str, *, projections: bool = False
) -> dict[str, list[str]]:
    """The names of the parameters that each pattern means, in the model's order.

    A pattern is the name of a module or a parameter as of `named_modules()` and `named_parameters()`, from any dot on:
    `embeddings.word_embeddings` is that of `bert.embeddings.word_embeddings`, and `encoder.layer.1` is not layer 10.
    `*`, `?` and `[...]` stand for other characters as in file names. What a module holds belongs to it, and a weight
    that two modules share to both, under all of its names.

    Args:
        model: the student as given or as it runs, wrapped or not.
        patterns: names.
        setting: that has them, for the message.
        projections: whether `distillation_projections`, which only training has, are a part too.

    Raises:
        ValueError: patterns that mean nothing.
    """
    # one that two modules share has a name in each
    named = {name: one for name, one in model.named_parameters(remove_duplicate=False) if projections or _is_own(name)}
    found: dict[str, list[str]] = {}
    for pattern in patterns:
        meant = {id(one) for name, one in named.items() if _matches(name, pattern)}
        found[pattern] = [name for name, one in named.items() if id(one) in meant]
    strange = [pattern for pattern, names in found.items() if not names]
    if strange:
        raise ValueError(
            f"expected `{setting}` to name parts of `{type(model).__name__}` that have weights, got "
            f"{', '.join(f'`{one}`' for one in strange)}; because what matches nothing would have no effect; "
            f"name {_shown_parts(named)}, a part of these such as `embeddings.word_embeddings`, or a pattern"
        )
    return found


def _matches(name: str, pattern: str) -> bool:
    """Whether a pattern is the name of a parameter, or of a module that it is in."""
    parts = name.split(".")
    places = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return any(fnmatchcase(f".{place}", f"*.{pattern}") for place in places)


def _is_own(name: str) -> bool:
    return f".{PROJECTIONS_ATTRIBUTE}." not in f".{name}"


def _shown_parts(names: Iterable[str]) -> str:
    """The modules at the top, and beside an encoder what it holds."""
    inside: dict[str, dict[str, None]] = {}
    for name in names:
        top, _, rest = name.partition(".")
        inside.setdefault(top, {})[rest.partition(".")[0]] = None
    shown = [
        f"`{place}`"
        for top, held in inside.items()
        for place in (top, *(f"{top}.{one}" for one in held if "embeddings" in held))
    ]
    return ", ".join(shown)


__all__ = ["parts_by_pattern"]
