"""Where the teacher of a run lies: one model, or several that teach as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from hf_tinybert.distillation.record import public_name


@dataclass(frozen=True)
class TeacherSource:
    """Folders or Hub names of a teacher.

    Attributes:
        names: one, or several that are joined, in their order: the student starts from the first.
        weights: of each in the mean of their predictions; None for equal ones.

    Raises:
        ValueError: no name, one twice, weights of another number, not above 0 or not finite, or weights of one.
    """

    names: tuple[str, ...]
    weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Check before anything is read."""
        if not self.names or not all(self.names):
            raise ValueError(f"expected the folder or the Hub name of a teacher, got {list(self.names)}")
        places = [Path(name).resolve() if Path(name).exists() else name for name in self.names]
        twice = next((name for name, place in zip(self.names, places, strict=True) if places.count(place) > 1), None)
        if twice is not None:
            raise ValueError(
                f"expected different teachers, got `{twice}` twice; because it would only have the say of two; give "
                "`teacher_weights` for that"
            )
        if self.weights is None:
            return
        if not self.is_joined:
            raise ValueError(
                f"expected no `teacher_weights` with one teacher, got {list(self.weights)}; because they are shares "
                "in the mean of several; leave them out, or name more teachers"
            )
        if len(self.weights) != len(self.names) or not all(0 < one < float("inf") for one in self.weights):
            raise ValueError(
                f"expected {len(self.names)} `teacher_weights` above 0, got {list(self.weights)}; because each "
                "teacher has a say in the mean; leave out a teacher that shall have none"
            )

    @classmethod
    def of(cls, teacher: str | Sequence[str], weights: Sequence[float] | None = None) -> Self:
        """Of settings, which have one name or several."""
        names = (teacher,) if isinstance(teacher, str) else tuple(teacher)
        return cls(names, None if weights is None else tuple(float(one) for one in weights))

    @property
    def first(self) -> str:
        """What gives a student its start, its tokenizer and the layers to imitate."""
        return self.names[0]

    @property
    def is_joined(self) -> bool:
        """Whether several models teach as one."""
        return len(self.names) > 1

    @property
    def shares(self) -> tuple[float, ...]:
        """The weight of each."""
        return self.weights or (1.0,) * len(self.names)

    @property
    def public_name(self) -> str:
        """Hub names as they are, of folders on this machine only the last part; of several with ` + ` between."""
        return " + ".join(self.different_names)

    @property
    def different_names(self) -> tuple[str, ...]:
        """The public name of each; folders of one name are numbered, so that figures can tell them apart."""
        names = [public_name(name) for name in self.names]
        return tuple(
            f"{name} ({names[:place].count(name) + 1})" if names.count(name) > 1 else name
            for place, name in enumerate(names)
        )


__all__ = ["TeacherSource"]
