"""The weight of a term over a phase: constant, or moving from one value to another."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

EXPECTED_WEIGHT = (
    "expected a weight such as `0.5`, `[1, 0]` (linear from 1 to 0) or "
    '`{"start": 1, "end": 0, "kind": "cosine"}`, of finite numbers from 0 up'
)


class ScheduleKind(StrEnum):
    """Ways from the first to the last weight; `cosine` starts and ends slowly."""

    CONSTANT = "constant"
    LINEAR = "linear"
    COSINE = "cosine"


@dataclass(frozen=True)
class WeightSchedule:
    """A weight as a function of the progress of a phase.

    Attributes:
        start: weight at the first step.
        end: weight at the end of the phase; of a constant the same as `start`.
        kind: the way between the two.

    Raises:
        ValueError: a weight is negative or not finite, or a constant has two values.
    """

    start: float
    end: float
    kind: ScheduleKind

    def __post_init__(self) -> None:
        """Check the weights; texts such as `"linear"` become a `ScheduleKind`."""
        for weight in (self.start, self.end):
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
                raise ValueError(f"{EXPECTED_WEIGHT}, got {weight!r}")
        if self.kind not in set(ScheduleKind):
            raise ValueError(
                f"expected a schedule kind of {', '.join(repr(str(kind)) for kind in ScheduleKind)}, got {self.kind!r}"
            )
        object.__setattr__(self, "start", float(self.start))
        object.__setattr__(self, "end", float(self.end))
        object.__setattr__(self, "kind", ScheduleKind(self.kind))
        if self.kind is ScheduleKind.CONSTANT and self.start != self.end:
            raise ValueError(
                f"expected one value of a constant weight, got start {self.start:g} and end {self.end:g}; "
                "choose the kind `linear` or `cosine`, or give one number"
            )

    @classmethod
    def constant(cls, weight: float) -> Self:
        """The same weight at every step."""
        return cls(weight, weight, ScheduleKind.CONSTANT)

    @classmethod
    def linear(cls, start: float, end: float) -> Self:
        """From `start` to `end` by the same amount each step."""
        return cls(start, end, ScheduleKind.LINEAR)

    @property
    def is_zero(self) -> bool:
        """Whether the weight is 0 at every step, so that its term need not be computed."""
        return self.start == 0 and self.end == 0

    def at(self, progress: float) -> float:
        """The weight at a moment of the phase.

        Args:
            progress: optimizer steps done / all optimizer steps of the phase; taken as 0 below 0 and as 1 above 1.
        """
        share = min(max(progress, 0.0), 1.0)
        if self.kind is ScheduleKind.COSINE:
            share = (1 - math.cos(math.pi * share)) / 2
        return (1 - share) * self.start + share * self.end  # exact at both ends

    def to_json(self) -> float | dict[str, float | str]:
        """What JSON keeps and `parse_weight` reads: a number if constant, else start, end and kind."""
        if self.kind is ScheduleKind.CONSTANT:
            return self.start
        return {"start": self.start, "end": self.end, "kind": str(self.kind)}

    def __str__(self) -> str:
        """For logs: `0.5`, or `1 to 0, linear`."""
        if self.kind is ScheduleKind.CONSTANT:
            return f"{self.start:g}"
        return f"{self.start:g} to {self.end:g}, {self.kind}"


def parse_weight(value: WeightSchedule | float | Sequence[float] | Mapping[str, Any] | str) -> WeightSchedule:
    """The schedule that Python, YAML, JSON or a command line gives.

    Args:
        value: a number (constant); two numbers (linear from the first to the second); a mapping with `start`, `end`
            and optionally `kind` (linear when left out); one of these as JSON text, or `1,0` for two numbers.

    Raises:
        ValueError: none of these, or a weight that is negative or not finite.
    """
    if isinstance(value, WeightSchedule):
        return value
    if isinstance(value, str):
        value = _from_text(value)
    if isinstance(value, Mapping):
        if not {"start", "end"} <= set(value) <= {"start", "end", "kind"}:
            raise ValueError(f"{EXPECTED_WEIGHT}, got {dict(value)!r}")
        return WeightSchedule(value["start"], value["end"], value.get("kind", ScheduleKind.LINEAR))
    if isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        return WeightSchedule.linear(*value)
    if not isinstance(value, int | float):
        raise ValueError(f"{EXPECTED_WEIGHT}, got {value!r}")
    return WeightSchedule.constant(value)


def teacher_annealing() -> tuple[WeightSchedule, WeightSchedule]:
    """Weights of the teacher's predictions (1 to 0) and of the gold labels (0 to 1), which add up to 1.

    The student leans on its teacher at first and on the labels in the end, so that it can overtake the teacher.

    Source: Clark et al. 2019, "BAM! Born-Again Multi-Task Networks", section 3.2 (teacher annealing).
    """
    return WeightSchedule.linear(1.0, 0.0), WeightSchedule.linear(0.0, 1.0)


def _from_text(text: str) -> float | Sequence[float] | Mapping[str, Any]:
    """JSON, or its list without brackets."""
    for form in (text, f"[{text}]"):
        try:
            value: float | Sequence[float] | Mapping[str, Any] = json.loads(form)
        except ValueError:
            continue
        return value
    raise ValueError(f"{EXPECTED_WEIGHT}, got {text!r}")


__all__ = ["EXPECTED_WEIGHT", "ScheduleKind", "WeightSchedule", "parse_weight", "teacher_annealing"]
