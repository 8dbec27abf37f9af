"""What a verb says when it cannot do what was asked, and the exit codes of all verbs."""

import enum
import errno
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from huggingface_hub import is_offline_mode
from huggingface_hub.errors import (  # type: ignore[attr-defined]  # HTTPError is that of its HTTP library
    HfHubHTTPError,
    HTTPError,
    StrictDataclassError,
)
from rich.console import Console
from rich.markup import escape
from safetensors import SafetensorError

from hf_tinybert.cli.loading import leads
from hf_tinybert.cli.outcome import json_text
from hf_tinybert.cli.termination import Terminated

if TYPE_CHECKING:
    from hf_tinybert.progress import ProgressDisplay


class ExitCode(enum.IntEnum):
    """What the shell gets."""

    DONE = 0
    FAILED = 1
    """The run: an error of a program, of the disk, of the memory or of the network, a Hub that does not answer now,
    whatever stops it after training has begun, or a check that `doctor` found failed."""
    REFUSED = 2
    """Something that was given: an option, a recipe, data, a model, or an output that is taken."""
    INTERRUPTED = 130
    """By Ctrl-C."""
    TERMINATED = 143
    """By SIGTERM, as batch systems and containers send it."""


EXIT_CODES = "Exit codes: 0 done, 1 the run failed, 2 something given cannot be used, 130 interrupted, 143 terminated."
EXPECTED_ERRORS = (ValueError, TypeError, OSError, ModuleNotFoundError, StrictDataclassError)
# torch.save on a full disk, or on one that may not be written
_TORCH_CANNOT_WRITE = re.compile(r"inline_container\.cc.*(unexpected pos|PytorchStreamWriter|open file failed)")
# what gloo and NCCL say in the processes that are left
_PROCESS_LOST = re.compile(r"gloo/transport/\S+\] .*|NCCL error.*remote process.*")
_OF_THE_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EMFILE})
# request timed out, another commit came between, too many requests, and all that is the server's fault
_LATER = frozenset({408, 412, 429, *range(500, 600)})


def refusal(error: Exception, *, of_training: bool = False) -> typer.Exit:
    """One red message instead of a traceback, and the exit code.

    Args:
        error: what stopped the verb.
        of_training: whether its training had begun, so that no option can be to blame.
    """
    message = f"[bold red]error:[/bold red] {escape(str(error))}"
    Console(stderr=True).print(message, highlight=False, soft_wrap=True)  # a path is copied in one piece
    of_the_machine = isinstance(error, OSError) and error.errno in _OF_THE_MACHINE
    failed = of_training or of_the_machine or _may_answer_later(error)
    return typer.Exit(int(ExitCode.FAILED if failed else ExitCode.REFUSED))


def _may_answer_later(error: BaseException) -> bool:
    """Whether the Hub, or the way to it, is behind an error: the same words may do at another time."""
    if is_offline_mode():  # it was not asked
        return False
    for one in _behind(error):
        if isinstance(one, HfHubHTTPError):
            return one.response.status_code in _LATER
        if isinstance(one, HTTPError | ConnectionError):
            return True
    return False


def _behind(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that it was made of; `datasets` raises its own `from None`, which keeps the context alone."""
    if error is not None:
        yield error
        yield from _behind(error.__cause__ or error.__context__)


@contextmanager
def run_display(console: Console) -> Iterator["ProgressDisplay"]:
    """The display of a run that trains; what stops the block is a refusal before training, and a failed run after.

    Args:
        console: for people.

    Raises:
        typer.Exit: what stopped the block is told.
    """
    from hf_tinybert.progress import ProgressDisplay  # with torch, which a wrong option does not wait for

    display = ProgressDisplay(console)
    try:
        yield display
    except EXPECTED_ERRORS as error:
        raise refusal(error, of_training=display.training_has_begun) from error


@contextmanager
def errors_told(as_json: bool, *, goes_on: bool = False) -> Iterator[None]:
    """What stops the block is told on standard output too, as one JSON object with `error` and `exit_code`.

    Args:
        as_json: whether a machine reads standard output; nothing is told otherwise.
        goes_on: whether the same command goes on where it was stopped.
    """
    try:
        yield
    except typer.Exit as leaving:
        if leaving.__cause__ is not None:  # what a refusal was made of
            _tell(as_json, str(leaving.__cause__), leaving.exit_code)
        raise
    except typer.TyperException as error:
        _tell(as_json, error.format_message(), ExitCode.REFUSED)
        raise
    except KeyboardInterrupt as stop:
        terminated = isinstance(stop, Terminated)
        said = "terminated" if terminated else "interrupted"
        if goes_on:
            said += "; the same command goes on where it stopped"
        Console(stderr=True, quiet=not leads()).print(said, highlight=False, soft_wrap=True)
        _tell(as_json, said, ExitCode.TERMINATED if terminated else ExitCode.INTERRUPTED)
        if terminated:
            raise typer.Exit(int(ExitCode.TERMINATED)) from None
        raise
    except Exception as error:
        told = _unwritten(error) or _process_lost(error)
        if told is not None:
            _tell(as_json, str(told), ExitCode.FAILED)
            raise refusal(told, of_training=True) from error  # or after it: no option is to blame
        _tell(as_json, f"{type(error).__name__}: {error}", ExitCode.FAILED)
        raise


def _unwritten(error: Exception) -> OSError | None:
    """What is said of a file that a library could not write; neither safetensors nor torch raises OSError for it."""
    by_safetensors = isinstance(error, SafetensorError) and "while serializing" in str(error)
    by_torch = isinstance(error, RuntimeError) and _TORCH_CANNOT_WRITE.search(str(error)) is not None
    if not by_safetensors and not by_torch:
        return None
    return OSError(
        f"expected room for the files of the run, got `{error}`; because a file could not be written whole; look "
        "whether the disk is full or read-only, and give the same command again",
    )


def _process_lost(error: Exception) -> ConnectionError | None:
    """What is said of another process of the run that has ended, in the place of a traceback that hides its own."""
    found = _PROCESS_LOST.search(str(error)) if isinstance(error, RuntimeError) else None
    if found is None:
        return None
    return ConnectionError(
        f"expected all processes of the run at work, got one that has ended (`{found[0].strip()}`); because they take "
        "every step together; look at what that one said, and give the same command again"
    )


def _tell(as_json: bool, error: str, code: int) -> None:
    if as_json and leads():
        typer.echo(json_text({"error": error, "exit_code": int(code)}, sys.stdout))


__all__ = ["EXIT_CODES", "EXPECTED_ERRORS", "ExitCode", "errors_told", "refusal", "run_display"]
