"""A student and its teacher in the runtimes that they can be exported to: how fast, in how much memory, how large."""

from hf_tinybert.runtimes.inference_benchmark import InferenceBenchmark, measure_inference
from hf_tinybert.runtimes.inference_plot import inference_picture
from hf_tinybert.runtimes.inference_settings import InferenceSettings
from hf_tinybert.runtimes.inference_summary import inference_tables
from hf_tinybert.runtimes.runtime import Runtime

__all__ = [
    "InferenceBenchmark",
    "InferenceSettings",
    "Runtime",
    "inference_picture",
    "inference_tables",
    "measure_inference",
]
