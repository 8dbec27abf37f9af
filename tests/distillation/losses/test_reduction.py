import pytest
import torch

from hf_tinybert.distillation import losses
from hf_tinybert.distillation.attention import AttentionScores
from hf_tinybert.distillation.losses import AttentionForm, ProblemType
from hf_tinybert.distillation.losses.reduction import in_float32, mean_over_valid

STATE_LOSSES = [
    "hidden_states_loss",
    "hidden_cosine_loss",
    "normalized_hidden_states_loss",
    "hidden_similarity_loss",
    "neuron_selectivity_loss",
    "hidden_gram_loss",
]
FLOW_LOSSES = ["solution_flow_loss"]
ATTENTION_LOSSES = ["attention_scores_loss", "attention_probabilities_loss"]
RELATION_LOSSES = ["relations_loss"]
LOGITS_LOSSES = [
    "prediction_loss",
    "prediction_kl_loss",
    "logits_mse_loss",
    "multi_label_prediction_loss",
    "regression_prediction_loss",
]
LABEL_LOSSES = ["label_loss", "masked_lm_loss"]
EMBEDDING_LOSSES = ["sentence_embedding_loss"]


@pytest.fixture
def build_call(build_mask, build_record):
    """`build_call(name, dtype, mask)`: the named loss, ready to call, and the student's tensors."""

    def build(name, dtype=torch.float32, mask=None, form=AttentionForm.AUTO):
        torch.manual_seed(0)
        mask, loss = build_mask(2, 7) if mask is None else mask, getattr(losses, name)
        if name in FLOW_LOSSES:
            *student, lower, upper = (torch.randn(2, 7, 5).to(dtype) for _ in range(4))
            student = [state.requires_grad_() for state in student]
            return lambda: loss(tuple(student), (lower, upper), mask), student
        if name in STATE_LOSSES + LOGITS_LOSSES:
            student, teacher = torch.randn(2, 7, 5).to(dtype), torch.randn(2, 7, 5).to(dtype)
            student.requires_grad_()
            return lambda: loss(student, teacher, mask), [student]
        if name in LABEL_LOSSES:
            student, labels = torch.randn(2, 7, 5).to(dtype).requires_grad_(), torch.full((2, 7), 3)
            labels[mask == 0] = -100
            options = {"problem": ProblemType.SINGLE_LABEL} if name == "label_loss" else {}
            return lambda: loss(student, labels, **options), [student]
        if name in EMBEDDING_LOSSES:  # one vector per text that has a token
            student, teacher = (torch.randn(2, 5)[mask.any(1)].to(dtype) for _ in range(2))
            student.requires_grad_()
            return lambda: loss(student, teacher), [student]
        student, teacher = (
            record._replace(query=record.query.to(dtype), key=record.key.to(dtype), value=record.value.to(dtype))
            for record in (build_record(2, 2, 7, 4), build_record(2, 2, 7, 4))
        )
        tensors = [tensor.requires_grad_() for tensor in student[:3]]
        options = {"relation_heads": 4, "vectors": "query"} if name in RELATION_LOSSES else {}
        options |= {"form": form} if name == "attention_scores_loss" else {}
        return lambda: loss(student, teacher, mask, **options), tensors

    return build


def test_every_loss_is_in_these_tests():
    """Prevents a new loss that nothing runs in bfloat16 or on an empty batch."""
    names = {name for name in losses.__all__ if name.endswith("_loss")}
    state_losses = {*STATE_LOSSES, *FLOW_LOSSES, *ATTENTION_LOSSES, *RELATION_LOSSES}
    assert names == {*state_losses, *LOGITS_LOSSES, *LABEL_LOSSES, *EMBEDDING_LOSSES}


@pytest.mark.parametrize("name", [name for name in losses.__all__ if name.endswith("_loss")])
@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("form", [AttentionForm.DIRECT, AttentionForm.FACTORED])
def test_losses_of_bfloat16_are_finite_and_computed_in_float32(name, autocast, form, build_call):
    """Prevents a squared difference with 8 bits, and sums that lose all but the first terms."""
    narrow, tensors = build_call(name, torch.bfloat16, form=form)
    wide, _ = build_call(name, torch.bfloat16, form=form)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        value = narrow()
    assert value.dtype is torch.float32
    torch.testing.assert_close(value, wide(), rtol=0, atol=0)
    full, _ = build_call(name, form=form)
    torch.testing.assert_close(value, full(), rtol=0.05, atol=0.05)
    value.backward()
    gradients = [tensor.grad for tensor in tensors if tensor.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() and gradient.dtype is torch.bfloat16 for gradient in gradients)


@pytest.mark.parametrize("name", [name for name in losses.__all__ if name.endswith("_loss")])
@pytest.mark.parametrize("form", [AttentionForm.DIRECT, AttentionForm.FACTORED])
def test_a_batch_without_anything_valid_gives_zero_and_finite_gradients(name, form, build_call):
    """Prevents one empty batch from ending the training in NaN."""
    call, tensors = build_call(name, mask=torch.zeros(2, 7, dtype=torch.long), form=form)
    value = call()
    value.backward()
    assert value.item() == 0.0
    assert all(tensor.grad.abs().sum() == 0 for tensor in tensors if tensor.grad is not None)


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("form", [lambda tensor: tensor, AttentionScores, lambda tensor: (tensor, tensor)])
def test_in_float32_leaves_autocast_whatever_comes_first(by_name, form):
    """Prevents a loss in bfloat16 because its inputs came by name, as a score map or as two layers."""

    @in_float32
    def product(student):
        tensor = student[0] if isinstance(student, tuple) else student
        return tensor @ tensor

    student = form(torch.eye(2))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = product(student=student) if by_name else product(student)
    assert value.dtype is torch.float32


def test_mean_over_valid_is_the_hand_number():
    """Prevents a mean over what is not valid, and 0 / 0."""
    values = torch.tensor([[1.0, 2.0], [6.0, 100.0]])
    assert mean_over_valid(values, torch.tensor([[1, 1], [1, 0]])).item() == 3.0
    assert mean_over_valid(values, torch.zeros(2, 2)).item() == 0.0
