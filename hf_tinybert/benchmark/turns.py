"""Training loops that take turns in one process, each in a thread of its own of which only one runs at a time."""

import threading
import time
from collections.abc import Callable
from types import TracebackType

import torch

# a training loop: calls its argument after every optimizer step
TrainingLoop = Callable[[Callable[[], None]], None]


class LoopTurns:
    """Runs a loop a few steps at a time, and says how long each turn took.

    The loop stays as it is, whole and with all that happens between two steps: it is only held after the last step of
    a turn, where it waits without using the processor. So a real `Trainer.train()` can take turns with another loop in
    one process. Use as a context manager, or `close` it.

    Args:
        loop: called once, in the thread, at the first turn.
    """

    def __init__(self, loop: TrainingLoop) -> None:
        self._loop = loop
        self._go, self._held = threading.Semaphore(0), threading.Semaphore(0)
        self._left = 0
        self._closing = self._ended = False
        self._error: BaseException | None = None
        self._threads = torch.get_num_threads()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

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
        start = _seconds()
        if not self._ended:
            self._go.release()
            self._held.acquire()
        seconds = _seconds() - start
        if self._error is not None:
            raise self._error
        if self._left > 0:
            raise ValueError(f"expected {steps} more steps of the loop, got {steps - self._left}; because it ended")
        return seconds

    def close(self) -> None:
        """End the loop where it is held."""
        self._closing = True
        self._go.release()
        self._thread.join()

    def __enter__(self) -> "LoopTurns":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        torch.set_num_threads(self._threads)  # a new thread may start with another number
        self._go.acquire()
        try:
            if not self._closing:
                self._loop(self._after_step)
        except _ClosedError:
            pass
        except BaseException as error:  # handed to whoever waits for the turn
            self._error = error
        finally:
            self._ended = True
            self._held.release()

    def _after_step(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._held.release()
            self._go.acquire()
            if self._closing:
                raise _ClosedError


class _ClosedError(Exception):
    """Ends a loop that nobody waits for any more."""


def _seconds() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


__all__ = ["LoopTurns", "TrainingLoop"]
