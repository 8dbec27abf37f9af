"""How fast models answer, how fast they are distilled, and how fast rows are augmented."""

from hf_tinybert.benchmark.arms import Arm
from hf_tinybert.benchmark.augmentation import AugmentationBenchmark, WordSource, augmentation_table
from hf_tinybert.benchmark.augmentation_workload import AugmentationWorkload
from hf_tinybert.benchmark.inference import sentences_per_second
from hf_tinybert.benchmark.training import TrainingBenchmark, training_table
from hf_tinybert.benchmark.workload import Workload

__all__ = [
    "Arm",
    "AugmentationBenchmark",
    "AugmentationWorkload",
    "TrainingBenchmark",
    "WordSource",
    "Workload",
    "augmentation_table",
    "sentences_per_second",
    "training_table",
]
