"""What a preflight found, as data: one row per check."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from textwrap import fill
from typing import Any

_WIDTH = 119


class Status(StrEnum):
    """How a check ended; `skip` where there was nothing to look at."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True)
class Check:
    """One row.

    Attributes:
        name: what was looked at.
        status: how it ended.
        found: what was found; of a warning or failure also what was expected and why it matters.
        cure: what to do; empty when nothing is to be done.
    """

    name: str
    status: Status
    found: str
    cure: str = ""


@dataclass(frozen=True)
class PreflightReport:
    """All rows.

    Attributes:
        checks: in the order they ran.
    """

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing failed; warnings are no failure."""
        return not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status is Status.FAIL)

    @property
    def warned(self) -> tuple[Check, ...]:
        """The checks that ended in a warning."""
        return tuple(check for check in self.checks if check.status is Status.WARN)

    def raise_on_fail(self) -> None:
        """Refuse a distillation that cannot work.

        Raises:
            ValueError: every failed check, a line each.
        """
        if self.failed:
            raise ValueError("\n".join(f"{check.name}: {check.found}; {check.cure}" for check in self.failed))

    def table(self) -> str:
        """The rows as text for a log, wrapped at 119 characters."""
        name_width = max((len(check.name) for check in self.checks), default=0)
        hanging = " " * (name_width + 8)
        lines = []
        for check in self.checks:
            text = check.found if not check.cure else f"{check.found} -> {check.cure}"
            start = f"{check.status:<6}{check.name:<{name_width}}  "
            lines.append(fill(text, _WIDTH, initial_indent=start, subsequent_indent=hanging))
        return "\n".join(lines)

    def summary(self) -> str:
        """How many checks ended how, in words."""
        ok = sum(check.status is Status.OK for check in self.checks)
        skipped = len(self.checks) - ok - len(self.warned) - len(self.failed)
        return f"{ok} ok, {len(self.warned)} warned, {len(self.failed)} failed, {skipped} skipped"

    def to_dict(self) -> dict[str, Any]:
        """The report for JSON: `ok` and `checks`."""
        return {"ok": self.ok, "checks": [asdict(check) for check in self.checks]}


def checked(name: str, refusal: Callable[[], None], found: str) -> Check:
    """A row from a refusal: ok with `found` when it passes, a failure with its message when it raises ValueError."""
    try:
        refusal()
    except ValueError as error:
        return failed(name, str(error))
    return Check(name, Status.OK, found)


def failed(name: str, message: str) -> Check:
    """A failure from a message like "expected X, got Y; because Z; do W": the cure is its last part."""
    found, _, cure = message.rpartition("; ")
    return Check(name, Status.FAIL, found or cure, cure if found else "")


def skipped(name: str, why: str) -> Check:
    """A check that had nothing to look at."""
    return Check(name, Status.SKIP, why)


__all__ = ["Check", "PreflightReport", "Status", "checked", "failed", "skipped"]
