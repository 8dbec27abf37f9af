"""Training loops that take turns in one process and one thread.

One thread, because every thread that computes has OpenMP workers of its own: with more of them than processors, GNU's
runtime lets idle ones sleep at once, and each short operation of a small student then waits for them to wake up.
"""

import time
from collections.abc import Callable
from types import TracebackType

import torch
from greenlet import greenlet

# a training loop: calls its argument after every optimizer step
TrainingLoop = Callable[[Callable[[], None]], None]


class LoopTurns:
    """Runs a loop a few steps at a time, and says how long each turn took.

    The loop stays as it is, whole and with all that happens between two steps: it is only held after the last step of
    a turn. So a real `Trainer.train()` can take turns with another loop in one process. Use as a context manager, or
    `close` it; take turns in the thread that made it.

    Args:
        loop: called once, at the first turn.
    """

    def __init__(self, loop: TrainingLoop) -> None:
        self._greenlet = greenlet(lambda: loop(self._after_step))
        self._left = 0

    def take(self, steps: int) -> float:
        """Go on for so many steps.

        Returns:
            Seconds, with all work queued on an accelerator done. Those of the first turn include what the loop does
            before its first step; every later turn includes what it does after the last step of the turn before.

        Raises:
            ValueError: the loop ended before that.
            BaseException: whatever the loop raised.
        """
        self._left = steps
        start = synchronized_seconds()
        if not self._greenlet.dead:
            self._greenlet.switch()
        seconds = synchronized_seconds() - start
        if self._left > 0:
            raise ValueError(f"expected {steps} more steps of the loop, got {steps - self._left}; because it ended")
        return seconds

    def close(self) -> None:
        """End the loop where it is held."""
        if not self._greenlet.dead:
            self._greenlet.throw()

    def __enter__(self) -> "LoopTurns":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _after_step(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._greenlet.parent.switch()


def synchronized_seconds() -> float:
    """A clock that waits until all work queued on an accelerator is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


__all__ = ["LoopTurns", "TrainingLoop", "synchronized_seconds"]
