"""A student and its teacher in the runtimes that they can be exported to: how fast, in how much memory, how large."""

from hf_tinybert.runtimes.inference_benchmark import InferenceBenchmark
from hf_tinybert.runtimes.inference_plot import draw_inference
from hf_tinybert.runtimes.inference_settings import InferenceSettings
from hf_tinybert.runtimes.inference_summary import inference_tables
from hf_tinybert.runtimes.runtime import Runtime

__all__ = [
    "InferenceBenchmark",
    "InferenceSettings",
    "Runtime",
    "draw_inference",
    "inference_tables",
]
