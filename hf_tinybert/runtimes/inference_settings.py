"""What a measurement of answering depends on."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from hf_tinybert.benchmark.results import public_name
from hf_tinybert.idle_settings import check_not_idle
from hf_tinybert.runtimes.runtime import Runtime


@dataclass(frozen=True, kw_only=True)
class InferenceSettings:
    """Models, runtimes, sizes and repeats.

    Attributes:
        student: folder or Hub name; None for random weights of the published shape, 4 layers x 312.
        teacher: folder or Hub name; None for random weights of BERT-base's shape.
        own_teacher: folder of the teacher that the student was distilled from, which answers in float32 PyTorch
            beside a teacher of random weights; None leaves it out.
        task: of a multi-task student, the head that answers.
        runtimes: that the student answers in.
        teacher_runtimes: that the teacher answers in, float32 PyTorch among them: speeds are told as its multiples.
        batch_sizes: texts at once.
        lengths: tokens of each of them.
        rounds: turns of every runtime at every batch size and length.
        turn_seconds: least length of a turn; a longer forward is a turn of its own.
        threads: that compute, the same number in every runtime.
        seed: of token ids and random weights.
    """

    student: str | None = None
    teacher: str | None = None
    own_teacher: str | None = None
    task: str | None = None
    runtimes: tuple[Runtime, ...] = tuple(Runtime)
    teacher_runtimes: tuple[Runtime, ...] = tuple(Runtime)
    batch_sizes: tuple[int, ...] = (1, 32)
    lengths: tuple[int, ...] = (16, 64, 128)
    rounds: int = 5
    turn_seconds: float = 0.5
    threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what can be checked before anything is loaded."""
        for name in ("runtimes", "teacher_runtimes", "batch_sizes", "lengths"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise ValueError(f"expected one or more different `{name}`, got {[*map(str, values)]}")
        if Runtime.FP32 not in self.teacher_runtimes:
            raise ValueError(
                f"expected `fp32` among `teacher_runtimes`, got {[*map(str, self.teacher_runtimes)]}; because every "
                "speed is told beside the teacher's in float32; add it"
            )
        if self.own_teacher is not None and (self.student is None or self.teacher is not None):
            raise ValueError(
                "expected a student and no other `teacher` with `own_teacher`, got "
                f"{'no student' if self.student is None else f'`{self.teacher}`'}; because it stands beside random "
                "weights of BERT-base's shape; leave one of them out"
            )
        if self.student is None:
            check_not_idle(self, ["task"], "a `student`", "random weights have no heads to choose from")
        if min(self.lengths) < 2:  # a text has [CLS] and [SEP]
            raise ValueError(f"expected `lengths` of at least 2 tokens, got {min(self.lengths)}")
        for name, least in (
            ("batch_sizes", min(self.batch_sizes)),
            ("rounds", self.rounds),
            ("threads", self.threads),
        ):
            if least < 1:
                raise ValueError(f"expected `{name}` of at least 1, got {least}")
        if not self.turn_seconds > 0:
            raise ValueError(f"expected positive `turn_seconds`, got {self.turn_seconds}")

    @property
    def cases(self) -> list[tuple[int, int]]:
        """Batch size and length of each part of the measurement, from few tokens to many."""
        sizes = [(batch_size, length) for batch_size in self.batch_sizes for length in self.lengths]
        return sorted(sizes, key=lambda size: (size[0] * size[1], size))

    def to_json(self) -> dict[str, Any]:
        """As JSON gives them back, without folders of this machine."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        if self.own_teacher is None:  # as settings were written before there was one
            del values["own_teacher"]
        folders = [name for name in ("student", "teacher", "own_teacher") if name in values]
        return values | {name: public_name(values[name]) for name in folders}


__all__ = ["InferenceSettings"]
