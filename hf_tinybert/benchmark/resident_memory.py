"""How much memory this process has resident at most."""

import sys
from contextlib import suppress
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"  # Source: proc_pid_clear_refs(5)


def peak_resident_bytes() -> int:
    """The most this process has had in memory so far, mapped files among it; on Linux since `forget_peak`.

    Raises:
        ModuleNotFoundError: on Windows, which does not keep the figure.
    """
    if _STATUS.is_file():  # of this program alone; `ru_maxrss` keeps what its parent had when it was started
        line = next(line for line in _STATUS.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource  # not on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak() -> None:
    """The peak begins anew at what is resident now; where the system cannot do that, it goes on."""
    with suppress(OSError):
        _CLEAR.write_text(_FORGET_PEAK, encoding="utf-8")


__all__ = ["forget_peak", "peak_resident_bytes"]
