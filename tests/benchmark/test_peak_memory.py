"""Tests of the memory measurement."""

from hf_tinybert.benchmark import Arm
from hf_tinybert.benchmark.peak_memory import peak_memory


def test_training_takes_more_than_what_is_loaded(build_workload):
    """Prevents the memory of the models alone from passing for that of training."""
    workload = build_workload(batch_size=24, steps=1, max_length=64)
    memory = peak_memory(Arm.TEXTBOOK, workload)
    assert memory["loaded_bytes"] > 50 * 2**20
    assert memory["peak_bytes"] > memory["loaded_bytes"] + 5 * 2**20
