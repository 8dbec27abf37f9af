"""A process that answers in seconds of its own making, for tests of what is done with them."""

from typing import ClassVar

from hf_tinybert.runtimes.answering_process import Opened, Turn

BASELINE, PEAK = 1000, 1500


class FakeProcess:
    """Answers as an `AnsweringProcess`; a forward of the teacher takes 8 s, of the student 2 s."""

    log: ClassVar[list[tuple[str, str, tuple[int, ...]]]] = []
    failing = ""
    """What compiling comes to; it succeeds if empty."""

    def __init__(self, threads):
        self.threads = threads

    def open(self, answering):
        self.answering = answering
        self.seconds = 8.0 if answering.folder.name.startswith("teacher") else 2.0
        return Opened(BASELINE, PEAK, 0.5)

    def warm_up(self, inputs):
        if self.answering.runtime == "compiled" and self.failing:
            raise RuntimeError(self.failing)
        self._note("warm-up", inputs)

    def take_turn(self, inputs, least_seconds):
        self._note("turn", inputs)
        return Turn([self.seconds] * 2, [self.seconds / 2] * 2, PEAK)

    def _note(self, what, inputs):
        FakeProcess.log.append((what, self.answering.folder.name, tuple(inputs["input_ids"].shape)))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None
