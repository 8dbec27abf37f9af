"""A model that answers in a process of its own, in turns."""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from torch._dynamo.exc import TorchDynamoException

from hf_tinybert.benchmark.resident_memory import forget_peak, peak_resident_bytes
from hf_tinybert.models.exported_runtime import ExportedRuntime
from hf_tinybert.progress import quiet_libraries
from hf_tinybert.registration import register_auto_classes
from hf_tinybert.runtimes.answering_models import AnsweringFolder
from hf_tinybert.runtimes.runtime import Runtime


@dataclass(frozen=True)
class Opened:
    """What opening a model took.

    Attributes:
        baseline_bytes: resident before, with Python, torch, transformers and the runtime's library imported.
        peak_bytes: resident at most until it was open.
        seconds: that it took.
    """

    baseline_bytes: int
    peak_bytes: int
    seconds: float


@dataclass(frozen=True)
class Turn:
    """The forwards of a turn.

    Attributes:
        seconds: of each, by the clock.
        processor_seconds: of each, of all threads of the process.
        peak_bytes: resident at most in the turn. Weights that are mapped from a file count where they were read: the
            rows of the embeddings that no text named yet are not among them.
    """

    seconds: list[float]
    processor_seconds: list[float]
    peak_bytes: int

    def means(self) -> dict[str, float]:
        """`seconds` and `processor_seconds` of a forward."""
        return {
            "seconds": statistics.fmean(self.seconds),
            "processor_seconds": statistics.fmean(self.processor_seconds),
        }


class AnsweringProcess:
    """A process with one model in one runtime, which computes in its turns only. Use as a context manager.

    So every runtime has its own threads and its own memory: what one allocates or keeps busy is not counted for
    another.

    Args:
        threads: that compute.
    """

    def __init__(self, threads: int) -> None:
        self._process = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        self._threads = threads

    def open(self, answering: AnsweringFolder) -> Opened:
        """Open the model in its runtime."""
        return self._process.submit(_open, answering, self._threads).result()

    def warm_up(self, inputs: dict[str, Tensor]) -> None:
        """One forward that counts for nothing.

        Raises:
            RuntimeError: `torch.compile` compiles in it and could not, such as by a compiler without its headers.
        """
        reason = self._process.submit(_warm_up, inputs).result()
        if reason is not None:
            raise RuntimeError(reason)

    def take_turn(self, inputs: dict[str, Tensor], least_seconds: float) -> Turn:
        """Answer the same batch over and over for so long, once at least.

        The first forward is left out where there are others: it finds the caches of the processor full of what the
        runtime before it left there.

        Args:
            inputs: int64, `(batch, seq_len)`.
            least_seconds: that the turn lasts.
        """
        return self._process.submit(_take_turn, inputs, least_seconds).result()

    def __enter__(self) -> "AnsweringProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.shutdown()


_model: Callable[..., Any] | None = None  # of the process


def _open(answering: AnsweringFolder, threads: int) -> Opened:
    global _model
    register_auto_classes()  # a process started by the command line has its `sys.argv`, and imports without it
    quiet_libraries()
    torch.set_num_threads(threads)
    _import_library(answering.runtime)
    forget_peak()
    baseline, start = peak_resident_bytes(), time.perf_counter()
    if answering.runtime.form is not None:
        _model = ExportedRuntime(answering.folder, threads=threads)
    else:
        dtype = torch.bfloat16 if answering.runtime is Runtime.BF16 else torch.float32
        weights = answering.model_class.from_pretrained(answering.folder, dtype=dtype).eval()
        _model = torch.compile(weights, dynamic=True) if answering.runtime is Runtime.COMPILED else weights
    return Opened(baseline, peak_resident_bytes(), time.perf_counter() - start)


def _import_library(runtime: Runtime) -> None:
    """Libraries are no part of a model's memory; torch.compile's are, because they come with the first forward."""
    if runtime in (Runtime.ONNX, Runtime.ONNX_INT8):
        import onnxruntime  # noqa: F401
        from transformers.exporters import exporter_onnx  # noqa: F401
    if runtime is Runtime.OPENVINO:
        import openvino  # noqa: F401
        from transformers.exporters import exporter_openvino  # noqa: F401


def _warm_up(inputs: dict[str, Tensor]) -> str | None:
    try:
        with torch.inference_mode():
            _opened()(**inputs)
    except TorchDynamoException as error:  # as text, because not all of them travel between processes
        said = str(error).strip().splitlines()[:2]  # who failed, and at what
        return f"torch.compile failed: {' '.join(said)}"
    return None


def _take_turn(inputs: dict[str, Tensor], least_seconds: float) -> Turn:
    model = _opened()
    seconds: list[float] = []
    processor_seconds: list[float] = []
    forget_peak()
    end = time.perf_counter() + least_seconds
    with torch.inference_mode():
        while not seconds or time.perf_counter() < end:
            start, processor_start = time.perf_counter(), time.process_time()
            model(**inputs)
            processor_seconds.append(time.process_time() - processor_start)
            seconds.append(time.perf_counter() - start)
    if len(seconds) > 1:
        del seconds[0], processor_seconds[0]
    return Turn(seconds, processor_seconds, peak_resident_bytes())


def _opened() -> Callable[..., Any]:
    if _model is None:
        raise RuntimeError("expected an open model, got none; because a turn came first; call `open` before")
    return _model


__all__ = ["AnsweringProcess", "Opened", "Turn"]
