"""How fast models answer, and how fast they are distilled."""

from hf_tinybert.benchmark.arms import Arm
from hf_tinybert.benchmark.inference import sentences_per_second
from hf_tinybert.benchmark.machine import machine
from hf_tinybert.benchmark.training import TrainingBenchmark, training_table
from hf_tinybert.benchmark.workload import Workload

__all__ = ["Arm", "TrainingBenchmark", "Workload", "machine", "sentences_per_second", "training_table"]
