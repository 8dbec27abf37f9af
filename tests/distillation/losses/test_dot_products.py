import pytest
import torch

from hf_tinybert.distillation.losses.dot_products import softmax_divergence, squared_score_difference


@pytest.fixture
def factors():
    """Student and teacher factors in float64: `((left, right, scaling), (left, right, scaling))`, and a mask."""
    sizes = [(2, 3, 5, 3), (2, 3, 5, 4)]
    student, teacher = (
        tuple(torch.randn(size, dtype=torch.float64, requires_grad=True) for _ in range(2)) for size in sizes
    )
    valid = torch.ones(2, 5, dtype=torch.bool)
    valid[1, 3:] = False
    return (*student, 0.7), (*teacher, 0.4), valid


def _band():
    position = torch.arange(5)
    return ((position[:, None] - position).abs() <= 1)[None, None]


@pytest.mark.parametrize("factored", [True, False])
@pytest.mark.parametrize("windowed", [True, False])
def test_squared_score_difference_has_the_gradient_of_its_value(factors, factored, windowed):
    """Prevents an algebra on the spot that is not the derivative of the value beside it."""
    student, teacher, valid = factors
    pairs = _band() if windowed and not factored else None

    def value(query, key):
        return squared_score_difference((query, key, 0.7), teacher, valid, valid, pairs=pairs, factored=factored)

    assert torch.autograd.gradcheck(value, student[:2])
    assert torch.autograd.gradcheck(lambda vectors: value(vectors, vectors), student[:1])


def test_softmax_divergence_has_the_gradient_of_its_value(factors):
    """Prevents an algebra on the spot that is not the derivative of the value beside it."""
    student, teacher, valid = factors
    columns = valid[:, None, None, :] & _band()

    def value(left, right):
        return softmax_divergence((left, right, 0.7), teacher, valid, columns)

    assert torch.autograd.gradcheck(value, student[:2])
    assert torch.autograd.gradcheck(lambda vectors: value(vectors, vectors), student[:1])


def _functions(factors):
    _, teacher, valid = factors
    return {
        "direct": lambda *tensors: squared_score_difference((*tensors, 0.7), teacher, valid, valid),
        "factored": lambda *tensors: squared_score_difference((*tensors, 0.7), teacher, valid, valid, factored=True),
        "softmax": lambda *tensors: softmax_divergence((*tensors, 0.7), teacher, valid, valid[:, None, None, :]),
    }


@pytest.mark.parametrize("name", ["direct", "factored", "softmax"])
def test_the_compiler_takes_the_functions_whole(factors, name):
    """Prevents a graph break in every layer's term under `torch_compile`."""
    inputs, function = factors[0][:2], _functions(factors)[name]
    compiled = torch.compile(function, fullgraph=True, backend="eager")
    expected, value = function(*inputs), compiled(*inputs)
    torch.testing.assert_close(value, expected)
    for gradient, wanted in zip(
        torch.autograd.grad(value, inputs), torch.autograd.grad(expected, inputs), strict=True
    ):
        torch.testing.assert_close(gradient, wanted)


@pytest.mark.parametrize("name", ["direct", "factored", "softmax"])
def test_no_map_is_kept_for_backward(factors, name):
    """Prevents memory that grows with length squared times layers."""
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        _functions(factors)[name](*factors[0][:2])
    assert [tensor.shape for tensor in kept] == [(2, 3, 5, 3)] * 2


@pytest.mark.parametrize("name", ["direct", "factored", "softmax"])
def test_only_what_is_asked_for_gets_a_gradient(factors, name):
    """Prevents work for a frozen student, and a teacher that learns."""
    (left, right, _), teacher, _ = factors
    function = _functions(factors)[name]
    function(left, right.detach()).backward()
    assert left.grad.abs().max() > 0
    assert right.grad is None
    assert teacher[0].grad is None
    assert teacher[1].grad is None
    assert not function(left.detach(), right.detach()).requires_grad
    with torch.no_grad():
        assert not function(left, right).requires_grad


def test_gradients_come_in_the_dtype_of_their_input(factors):
    """Prevents a float32 gradient that a bfloat16 model cannot add."""
    student, teacher, valid = factors
    narrow = [tensor.detach().bfloat16().requires_grad_() for tensor in student[:2]]
    value = squared_score_difference((*narrow, 0.7), teacher, valid, valid)
    value.backward()
    assert value.dtype is torch.float32
    assert {tensor.grad.dtype for tensor in narrow} == {torch.bfloat16}


def test_rounding_does_not_take_the_factored_value_below_zero():
    """Prevents a negative squared error in the logs of a student that has converged."""
    valid = torch.ones(1, 6, dtype=torch.bool)
    values = []
    for _ in range(30):
        query, key = torch.randn(1, 1, 6, 3), torch.randn(1, 1, 6, 3)
        values.append(squared_score_difference((query, key, 1.0), (query, key, 1.0), valid, valid, factored=True))
    assert min(values) == 0.0
