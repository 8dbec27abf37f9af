"""Tests of the facts about the machine."""

import pytest
import torch

from hf_tinybert.machine import has_fast_bf16, machine


def test_the_machine_is_named():
    """Prevents a figure that nobody can place."""
    facts = machine()
    assert facts["torch"] == torch.__version__
    assert facts["processor"] and facts["cores"] >= 1


def test_processors_of_one_name_with_and_without_bfloat16_are_told_apart(monkeypatch):
    """Prevents figures of one machine that are taken for those of another, several times faster."""
    monkeypatch.setattr("hf_tinybert.machine.has_fast_bf16", lambda: False)
    slow = machine()
    monkeypatch.setattr("hf_tinybert.machine.has_fast_bf16", lambda: True)
    assert machine() != slow
    assert slow["instructions"] == torch.backends.cpu.get_cpu_capability()


@pytest.mark.parametrize(("amx", "avx512"), [(False, False), (True, False), (False, True)])
def test_a_processor_is_asked_for_its_instructions(monkeypatch, amx, avx512):
    """Prevents bf16 on processors that emulate it, 20 times slower than float32."""
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert has_fast_bf16("cpu") is (amx or avx512)


@pytest.mark.parametrize(("capability", "fast"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_a_gpu_is_asked_for_its_generation(monkeypatch, capability, fast):
    """Prevents bf16 on GPUs that emulate it."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert has_fast_bf16("auto") is fast
    assert has_fast_bf16("cuda") is fast


def test_other_devices_keep_float32():
    """Prevents a guess about hardware that nobody measured."""
    assert has_fast_bf16("mps") is False
