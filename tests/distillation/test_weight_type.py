"""Models in half precision are those that transformers would have loaded in it."""

import pytest
import torch
import transformers

from hf_tinybert.distillation.weight_type import cast_weights
from tests.distillation.families import INTERFACE_FAMILIES

ROTARY = [family for family in INTERFACE_FAMILIES if family.name in ("ModernBERT", "EuroBERT", "NomicBERT", "GTE")]


@pytest.mark.parametrize("family", [INTERFACE_FAMILIES[0], *ROTARY], ids=lambda family: family.name)
def test_a_model_is_cast_as_it_would_be_loaded(family, tmp_path):
    """Prevents a teacher that turns distant tokens by other angles than its own: bfloat16 keeps two digits of them."""
    model = family.build_model()
    model.save_pretrained(tmp_path)
    parameters = [id(parameter) for parameter in model.parameters()]
    cast_weights(model, torch.bfloat16)
    assert [id(parameter) for parameter in model.parameters()] == parameters
    loaded = transformers.AutoModel.from_pretrained(tmp_path, dtype=torch.bfloat16)
    for kind in ("named_parameters", "named_buffers"):
        expected = dict(getattr(loaded, kind)())
        for name, tensor in getattr(model, kind)():
            assert tensor.dtype == expected[name].dtype, name
            assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("family", ROTARY[:1], ids=lambda family: family.name)
def test_a_run_in_bf16_leaves_the_angles_of_its_teacher(build_trainer, family):
    """Prevents a cast that exists and is not called."""
    teacher = family.build_model("ForSequenceClassification", vocab_size=40)
    build_trainer({"phases": ["prediction-layer"], "bf16": True}, teacher=teacher)
    assert teacher.dtype == torch.bfloat16
    angles = [buffer.dtype for name, buffer in teacher.named_buffers() if "inv_freq" in name]
    assert angles and set(angles) == {torch.float32}
