"""SIGTERM, by which batch systems and containers end a process: as orderly an end as Ctrl-C's."""

import os
import signal
from types import FrameType


class Terminated(KeyboardInterrupt):
    """The process is asked to end; no `Exception`, so that nothing takes it for an error of its own."""


def raise_on_sigterm() -> None:
    """From here on SIGTERM raises `Terminated` in this process; those that it forks end at once, as without this."""
    own = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() == own:
            raise Terminated
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)


__all__ = ["Terminated", "raise_on_sigterm"]
