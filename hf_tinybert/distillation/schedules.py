"""Numbers over a phase, weights of terms and the temperature: constant, or moving from one value to another."""

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
EXPECTED_TEMPERATURE = (
    "expected a positive `temperature` such as `2`, `[8, 1]` (linear from 8 to 1) or "
    '`{"start": 8, "end": 1, "kind": "cosine"}`, of finite numbers above 0'
)


class ScheduleKind(StrEnum):
    """Ways from the first to the last value; `cosine` starts and ends slowly."""

    CONSTANT = "constant"
    LINEAR = "linear"
    COSINE = "cosine"


@dataclass(frozen=True)
class Schedule:
    """A number as a function of the progress of a phase: the weight of a term, or the temperature.

    Attributes:
        start: value at the first step.
        end: value at the end of the phase; of a constant the same as `start`.
        kind: the way between the two.

    Raises:
        ValueError: a value is negative or not finite, or a constant has two values.
    """

    start: float
    end: float
    kind: ScheduleKind

    def __post_init__(self) -> None:
        """Check the values; texts such as `"linear"` become a `ScheduleKind`."""
        if not all(_counts(value) for value in (self.start, self.end)):
            raise ValueError(
                f"expected finite numbers from 0 up at both ends of a schedule, got {self.start!r} and {self.end!r}"
            )
        if self.kind not in set(ScheduleKind):
            raise ValueError(
                f"expected a schedule kind of {', '.join(repr(str(kind)) for kind in ScheduleKind)}, got {self.kind!r}"
            )
        object.__setattr__(self, "start", float(self.start))
        object.__setattr__(self, "end", float(self.end))
        object.__setattr__(self, "kind", ScheduleKind(self.kind))
        if self.kind is ScheduleKind.CONSTANT and self.start != self.end:
            raise ValueError(
                f"expected one value of a constant, got start {self.start:g} and end {self.end:g}; "
                "choose the kind `linear` or `cosine`, or give one number"
            )

    @classmethod
    def constant(cls, value: float) -> Self:
        """The same value at every step."""
        return cls(value, value, ScheduleKind.CONSTANT)

    @classmethod
    def linear(cls, start: float, end: float) -> Self:
        """From `start` to `end` by the same amount each step."""
        return cls(start, end, ScheduleKind.LINEAR)

    @property
    def is_zero(self) -> bool:
        """Whether the value is 0 at every step, so that the term of such a weight need not be computed."""
        return self.start == 0 and self.end == 0

    @property
    def moves(self) -> bool:
        """Whether the value changes over the phase."""
        return self.start != self.end

    def at(self, progress: float) -> float:
        """The value at a moment of the phase.

        Args:
            progress: optimizer steps done / all optimizer steps of the phase; taken as 0 below 0 and as 1 above 1.
        """
        share = min(max(progress, 0.0), 1.0)
        if self.kind is ScheduleKind.COSINE:
            share = (1 - math.cos(math.pi * share)) / 2
        return (1 - share) * self.start + share * self.end  # exact at both ends

    def to_json(self) -> float | dict[str, float | str]:
        """What JSON keeps and is read again: a number if constant, else start, end and kind."""
        if self.kind is ScheduleKind.CONSTANT:
            return self.start
        return {"start": self.start, "end": self.end, "kind": str(self.kind)}

    def __str__(self) -> str:
        """For logs: `0.5`, or `1 to 0, linear`."""
        if self.kind is ScheduleKind.CONSTANT:
            return f"{self.start:g}"
        return f"{self.start:g} to {self.end:g}, {self.kind}"


Written = Schedule | float | Sequence[float] | Mapping[str, Any] | str
"""How Python, YAML, JSON or a command line gives a schedule: a number (constant); two numbers (linear from the first
to the second); a mapping with `start`, `end` and optionally `kind` (linear when left out); one of these as JSON text,
or `1,0` for two numbers."""


def parse_weight(value: Written) -> Schedule:
    """The weight of a term.

    Args:
        value: see `Written`.

    Raises:
        ValueError: none of these, or a weight that is negative or not finite.
    """
    return _parsed(value, EXPECTED_WEIGHT)


def parse_temperature(value: Written) -> Schedule:
    """The temperature of the prediction terms.

    Args:
        value: see `Written`.

    Raises:
        ValueError: none of these, or a temperature that is not positive or not finite.
    """
    temperature = _parsed(value, EXPECTED_TEMPERATURE)
    if not (temperature.start > 0 and temperature.end > 0):
        raise ValueError(f"{EXPECTED_TEMPERATURE}, got {value!r}")
    return temperature


def teacher_annealing() -> tuple[Schedule, Schedule]:
    """Weights of the teacher's predictions (1 to 0) and of the gold labels (0 to 1), which add up to 1.

    The student leans on its teacher at first and on the labels in the end, so that it can overtake the teacher.

    Source: Clark et al. 2019, "BAM! Born-Again Multi-Task Networks", section 3.2 (teacher annealing).
    """
    return Schedule.linear(1.0, 0.0), Schedule.linear(0.0, 1.0)


def _parsed(value: Written, expected: str) -> Schedule:
    """The schedule that is written, or an error that begins with what was expected."""
    if isinstance(value, Schedule):
        return value
    read = _from_text(value, expected) if isinstance(value, str) else value
    kind = ScheduleKind.LINEAR
    if isinstance(read, Mapping):
        if not {"start", "end"} <= set(read) <= {"start", "end", "kind"}:
            raise ValueError(f"{expected}, got {dict(read)!r}")
        ends, kind = (read["start"], read["end"]), read.get("kind", kind)
    elif isinstance(read, list | tuple) and len(read) == 2:
        ends = (read[0], read[1])
    else:
        ends, kind = (read, read), ScheduleKind.CONSTANT
    if not all(_counts(end) for end in ends):
        raise ValueError(f"{expected}, got {value!r}")
    return Schedule(*ends, kind)


def _counts(value: object) -> bool:
    """Whether something is a finite number from 0 up."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def _from_text(text: str, expected: str) -> float | Sequence[float] | Mapping[str, Any]:
    """JSON, or its list without brackets."""
    for form in (text, f"[{text}]"):
        try:
            value: float | Sequence[float] | Mapping[str, Any] = json.loads(form)
        except ValueError:
            continue
        return value
    raise ValueError(f"{expected}, got {text!r}")


__all__ = [
    "EXPECTED_TEMPERATURE",
    "EXPECTED_WEIGHT",
    "Schedule",
    "ScheduleKind",
    "Written",
    "parse_temperature",
    "parse_weight",
    "teacher_annealing",
]
