"""Learning rates of parts of a student: factors of the rate of the phase."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE
from hf_tinybert.distillation.student_parts import parts_by_pattern


def parse_rate_factors(given: Mapping[str, Any]) -> dict[str, float]:
    """The factor of each part.

    Args:
        given: by pattern, see `parts_by_pattern`.

    Raises:
        ValueError: a factor that is no positive number.
    """
    for pattern, factor in given.items():
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < math.inf:
            raise ValueError(
                f"expected a positive number as `learning_rate_factors` of `{pattern}`, got {factor!r}; because the "
                "learning rate is multiplied by it; name the part in `frozen` to leave it as it is"
            )
    return {str(pattern): float(factor) for pattern, factor in given.items()}


def check_rate_factors(
    model: nn.Module, factors: Mapping[str, float], frozen: Sequence[str] = (), *, is_paired: bool = False
) -> None:
    """Refuse factors of what there is not, or of what does not learn.

    Args:
        model: the student as given.
        factors: by pattern.
        frozen: patterns of what does not learn.
        is_paired: whether the projections are attached, if a term reads any; those that may come are not looked for.

    Raises:
        ValueError: see `parts_by_pattern`; or a part of which all is frozen.
    """
    own = [pattern for pattern in factors if is_paired or not pattern.startswith(PROJECTIONS_ATTRIBUTE)]
    found = parts_by_pattern(model, own, "learning_rate_factors", projections=is_paired)
    still = set[str]().union(*parts_by_pattern(model, frozen, "frozen").values())
    still |= {name for name, one in model.named_parameters(remove_duplicate=False) if not one.requires_grad}
    idle = [pattern for pattern, names in found.items() if still.issuperset(names)]
    if idle:
        raise ValueError(
            f"expected `learning_rate_factors` of parts that learn, got {', '.join(f'`{one}`' for one in idle)}, of "
            "which all is frozen; because they have no learning rate; leave them out of one of the two"
        )


def multiply_rates(optimizer: Optimizer, model: nn.Module, factors: Mapping[str, float]) -> None:
    """Give parts of a model groups of their own in its optimizer, at a multiple of their group's learning rate.

    Of several patterns that mean a weight, the last one counts. What has no factor stands in the first groups, so that
    the learning rate of the logs, which is that of the first, is the one without a factor.

    Args:
        optimizer: of the model, as it was made, before there is a schedule; changed in place.
        model: whose parameters the optimizer has, or those that it learns of them.
        factors: by pattern.

    Raises:
        ValueError: a pattern that means nothing, or an optimizer that has no learning rate for each group.
    """
    if not factors:
        return
    found = parts_by_pattern(model, factors, "learning_rate_factors", projections=True)
    named = dict(model.named_parameters(remove_duplicate=False))
    chosen = {id(named[name]): factors[pattern] for pattern, names in found.items() for name in names}
    wanted = {id(one) for one in named.values() if one.requires_grad and id(one) in chosen}
    held = {id(one) for group in optimizer.param_groups for one in group["params"]}
    rates = [group.get("lr") for group in optimizer.param_groups]
    if not wanted <= held or not all(isinstance(rate, float) for rate in rates):
        raise ValueError(
            f"expected an optimizer that has a learning rate for each group of weights with `learning_rate_factors`, "
            f"got `{type(optimizer).__name__}`; because its rates cannot be told apart by weights; choose another "
            "`optim`, such as `adamw_torch`, or leave the factors out"
        )
    for group in list(optimizer.param_groups):
        by_factor: dict[float, list[nn.Parameter]] = {}
        for one in group["params"]:
            by_factor.setdefault(chosen.get(id(one), 1.0), []).append(one)
        group["params"] = by_factor.pop(1.0, [])
        others = {name: value for name, value in group.items() if name != "params"}
        for factor, parameters in by_factor.items():
            optimizer.add_param_group({**others, "params": parameters, "lr": others["lr"] * factor})
    optimizer.param_groups[:] = [group for group in optimizer.param_groups if group["params"]]


__all__ = ["check_rate_factors", "multiply_rates", "parse_rate_factors"]
