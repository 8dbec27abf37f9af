"""Tests of learning rates of parts of a student."""

import pytest
import torch

from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE
from hf_tinybert.distillation.rate_factors import check_rate_factors, multiply_rates, parse_rate_factors

FACTORS = {"bert.embeddings": 0.5, "classifier": 10, PROJECTIONS_ATTRIBUTE: 3.0}


def _rates(optimizer, model):
    """The rate of every weight by its name."""
    rates = {id(one): group["lr"] for group in optimizer.param_groups for one in group["params"]}
    return {name: rates[id(one)] for name, one in model.named_parameters() if id(one) in rates}


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan"), float("inf"), "10", True, None])
def test_a_factor_is_a_positive_number(wrong, build_arguments):
    """Prevents a part that silently stays as it is, and one that runs away from what it learns."""
    with pytest.raises(ValueError, match="expected a positive number as `learning_rate_factors` of `classifier`"):
        parse_rate_factors({"classifier": wrong})
    assert parse_rate_factors({"classifier": 10}) == {"classifier": 10.0}


def test_factors_come_as_json_from_a_command_line(build_arguments):
    """Prevents a text that is taken for no factor at all."""
    assert build_arguments().learning_rate_factors == {}
    assert build_arguments(learning_rate_factors='{"classifier": 10}').learning_rate_factors == {"classifier": 10.0}
    with pytest.raises(ValueError, match="expected `learning_rate_factors` as a dict or JSON object"):
        build_arguments(learning_rate_factors="classifier=10")


def test_every_weight_has_the_rate_of_its_part_and_its_own_weight_decay(build_student):
    """Prevents biases that decay, and weights that no group or two groups have."""
    student = build_student()
    decayed = [one for name, one in student.named_parameters() if not name.endswith("bias")]
    others = [one for name, one in student.named_parameters() if name.endswith("bias")]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3)
    multiply_rates(optimizer, student, {"bert": 2.0, "layer.0": 0.5, "classifier.bias": 10.0})
    expected = {
        name: 1e-3
        * (10 if name == "classifier.bias" else 1 if "classifier" in name else 0.5 if ".layer.0." in name else 2)
        for name, _ in student.named_parameters()
    }
    assert _rates(optimizer, student) == pytest.approx(expected)
    assert optimizer.param_groups[0]["lr"] == 1e-3  # what the logs tell
    held = [one for group in optimizer.param_groups for one in group["params"]]
    assert len(held) == len(set(held)) == len(list(student.parameters())) and all(
        group["params"] for group in optimizer.param_groups
    )
    decay = {id(one): group["weight_decay"] for group in optimizer.param_groups for one in group["params"]}
    assert all(decay[id(one)] == (0.0 if name.endswith("bias") else 0.1) for name, one in student.named_parameters())


def test_what_has_no_learning_rate_of_its_own_is_refused(build_student):
    """Prevents factors without effect: of what there is not, of what is frozen, by an optimizer without rates."""
    student = build_student()
    check_rate_factors(student, FACTORS)
    with pytest.raises(ValueError, match=f"got `{PROJECTIONS_ATTRIBUTE}`; because"):
        check_rate_factors(student, FACTORS, is_paired=True)
    check_rate_factors(student, {"embeddings": 2.0}, ["word_embeddings"])
    with pytest.raises(ValueError, match="expected `learning_rate_factors` to name parts .* got `head`"):
        check_rate_factors(student, {"head": 2.0})
    with pytest.raises(ValueError, match="of parts that learn, got `word_embeddings`, of which all is frozen"):
        check_rate_factors(student, {"word_embeddings": 2.0}, ["embeddings"])
    student.bert.pooler.requires_grad_(False)
    with pytest.raises(ValueError, match="got `pooler`"):
        check_rate_factors(student, {"pooler": 2.0})
    optimizer = torch.optim.AdamW(student.classifier.parameters(), lr=1e-3)
    with pytest.raises(ValueError, match="expected an optimizer that has a learning rate for each group"):
        multiply_rates(optimizer, student, {"embeddings": 2.0})
