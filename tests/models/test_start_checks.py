"""Tests of what is refused before a student is started."""

import copy

import pytest
import torch

from hf_tinybert.models.configuration_tinybert import TinyBertConfig
from hf_tinybert.models.initialization import initialize_from_teacher
from hf_tinybert.models.modeling_tinybert import TinyBertModel
from hf_tinybert.models.start_checks import check_start
from tests.distillation.families import FAMILIES

SMALLER = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 30}
CASES_OF_A_START = {"fits": {}, "deeper": {"num_hidden_layers": 5}, "wider": {"hidden_size": 32}}


@pytest.mark.parametrize("case", CASES_OF_A_START)
def test_a_start_can_be_checked_without_texts(build_encoder, case):
    """Would catch a check that lets pass what is refused later, or that changes the student."""
    student, teacher = build_encoder(seed=9, **CASES_OF_A_START[case]), build_encoder()
    before = copy.deepcopy(student.state_dict())
    if case == "fits":
        assert check_start(student, teacher) == (0, 1, 2, 3, 4)
    else:
        with pytest.raises(ValueError, match="expected a student"):
            check_start(student, teacher)
    assert check_start(build_encoder(**SMALLER), teacher, method="random") == (0, 2, 4)
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


@pytest.mark.parametrize(("role", "elsewhere"), [("teacher", "ZeRO-3"), ("student", "ZeRO-3"), ("teacher", "meta")])
def test_weights_that_are_not_whole_here_are_refused_by_name(build_encoder, batches, role, elsewhere):
    """Prevents an error about the shape of an empty weight, far from the model that was loaded in parts."""
    models = {"student": build_encoder(seed=9), "teacher": build_encoder()}
    if elsewhere == "meta":
        models[role].to("meta")
    for parameter in models[role].parameters():
        parameter.ds_id = 0
    name = next(iter(dict(models[role].named_parameters())))
    with pytest.raises(ValueError, match=rf"expected a {role} whose weights are whole.*`{name}`.*{elsewhere}"):
        initialize_from_teacher(models["student"], models["teacher"], calibration=batches)


@pytest.mark.parametrize("method", ["projection", "layers"])
def test_a_teacher_that_holds_nan_is_refused_by_name(build_encoder, batches, method):
    """Would catch a student full of NaN after minutes of work."""
    teacher, student = build_encoder(), build_encoder(seed=9)
    with torch.no_grad():
        teacher.encoder.layer[2].attention.self.key.bias[1] = torch.nan
    with pytest.raises(ValueError, match=r"in `encoder.layer.2.attention.self.key.bias`"):
        initialize_from_teacher(student, teacher, method=method, calibration=batches)


@pytest.mark.parametrize(
    ("name", "method", "way_out"),
    [
        ("EuroBERT", "projection", "random"),
        ("NomicBERT", "layers", "projection"),
        ("ModernBERT", "layers", "projection"),
    ],
)
def test_another_layout_is_refused_with_the_way_out(build_encoder, batches, name, method, way_out):
    """Would catch an attribute error, or gated layers copied without their gates."""
    family = next(family for family in FAMILIES if family.name == name)
    teacher = family.build_model(vocab_size=60, hidden_size=24)
    student = TinyBertModel(TinyBertConfig.from_teacher(teacher.config, hidden_size=24, num_attention_heads=4))
    with pytest.raises(TypeError, match=f"`method='{way_out}'`"):
        initialize_from_teacher(student, teacher, method=method, calibration=batches)
