"""Tests of what there is to train on."""

import pytest

from hf_tinybert.distillation.accelerators import has_accelerator


@pytest.mark.parametrize(("gpu", "tpu"), [(True, False), (False, True), (False, False)])
def test_a_tpu_is_an_accelerator_too(monkeypatch, gpu, tpu):
    """Prevents a TPU that stands idle because torch alone does not know it."""
    monkeypatch.setattr("torch.accelerator.is_available", lambda: gpu)
    monkeypatch.setattr("hf_tinybert.distillation.accelerators.is_torch_xla_available", lambda: tpu)
    assert has_accelerator() is (gpu or tpu)
