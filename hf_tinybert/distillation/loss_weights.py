"""The weights of an objective's terms as people give them: read, and refused by the name of the term."""

from collections.abc import Mapping
from typing import Any

from hf_tinybert.distillation.schedules import Schedule, parse_weight
from hf_tinybert.distillation.terms import Term


def parse_loss_weights(given: Mapping[str, Any]) -> dict[str, Schedule]:
    """The schedule of each term.

    Args:
        given: by the name of a `Term`, what `parse_weight` takes.

    Raises:
        ValueError: a term that there is not, or a weight that is none: negative, not finite, of another form.
    """
    unknown = sorted(str(name) for name in set(given) - set(Term))
    if unknown:
        raise ValueError(f"expected `loss_weights` for {', '.join(Term)}, got {', '.join(unknown)}")
    schedules = {}
    for name, weight in given.items():
        try:
            schedules[str(name)] = parse_weight(weight)
        except ValueError as error:
            raise ValueError(f"`loss_weights` of {name}: {error}") from error
    return schedules


__all__ = ["parse_loss_weights"]
